//! That there is no such name, or no such record: when it is a fault, and whose.

use super::*;

#[test]
fn a_negative_answer_beside_a_positive_one() {
    let none = || vec![reply(3, 0, Vec::new())];
    let v6 = answered(facts(RecordType::AAAA, &[0]), none());
    let mut context = witnessed();
    assert_eq!(code(&v6, &context, 9_000), Code::Ok);
    context.siblings = vec![sibling("mail.example.org", RecordType::A, Some(0), true)];
    assert_eq!(code(&v6, &context, 9_000), Code::Ok);
    context.siblings = vec![sibling("mail.example.org", RecordType::A, Some(0), false)];
    assert_eq!(code(&v6, &context, 9_000), Code::DnsNoAddress);
    context.siblings = vec![sibling("mail.example.org", RecordType::A, Some(2), false)];
    assert_eq!(code(&v6, &context, 9_000), Code::Ok);
}

#[test]
fn a_mail_domain_needs_no_address() {
    let none = answered(facts(RecordType::A, &[0]), vec![reply(3, 0, Vec::new())]);
    let code_beside = |exchanger: bool| {
        let mut context = witnessed();
        let mx = sibling("mail.example.org", RecordType::MX, Some(0), exchanger);
        let v6 = sibling("mail.example.org", RecordType::AAAA, Some(0), false);
        context.siblings = vec![mx, v6];
        code(&none, &context, 9_000)
    };
    assert_eq!(code_beside(true), Code::Ok);
    // The near miss: it has no MX either.
    assert_eq!(code_beside(false), Code::DnsNoAddress);
}

#[test]
fn a_resolver_on_its_way_needs_no_address() {
    let mut none = answered(facts(RecordType::A, &[0]), vec![reply(3, 0, Vec::new())]);
    assert_eq!(code(&none, &witnessed(), 9_000), Code::DnsNoAddress);
    for query in none.queries.iter_mut() {
        query.recursion_desired = false;
    }
    assert_eq!(code(&none, &witnessed(), 9_000), Code::Ok);
    // The near miss: it asked for both families.
    let mut context = witnessed();
    let v6 = sibling("mail.example.org", RecordType::AAAA, Some(0), false);
    context.siblings = vec![v6];
    assert_eq!(code(&none, &context, 9_000), Code::DnsNoAddress);
}

#[test]
fn an_alias_of_a_name_that_is_gone_exists() {
    let gone = (
        RecordType::CNAME,
        Answer::Name(Foreign::from("gone.hoster.test")),
    );
    let dangling = answered(
        facts(RecordType::A, &[0]),
        vec![reply(3, 3, vec![gone.clone()])],
    );
    let verdict = judge(&dangling, &witnessed(), 9_000).verdict;
    assert_eq!(verdict.code, Code::DnsNxdomain);
    assert_eq!(verdict.at.place, Where::Server);
    assert!(
        verdict.summary.ends_with("no such name: gone.hoster.test."),
        "{}",
        verdict.summary
    );
    let mut context = witnessed();
    context.mx_of = Some(Foreign::from("example.org"));
    let verdict = judge(&dangling, &context, 9_000).verdict;
    assert_eq!(verdict.code, Code::DnsMxUnresolvable);
    assert!(verdict.summary.contains("gone.hoster.test"));
    // Without an alias it is the client that asks for what is not there; with one whose end lacks an address, nothing is gone.
    let missing = answered(facts(RecordType::A, &[0]), vec![reply(3, 3, Vec::new())]);
    let verdict = judge(&missing, &witnessed(), 9_000).verdict;
    assert_eq!(
        (verdict.code, verdict.at.place),
        (Code::DnsNxdomain, Where::Client)
    );
    let empty = answered(facts(RecordType::A, &[0]), vec![reply(3, 0, vec![gone])]);
    assert_eq!(code(&empty, &witnessed(), 9_000), Code::DnsNoAddress);
}

#[test]
fn a_search_list_misses_until_it_hits() {
    let mut miss = answered(facts(RecordType::A, &[0]), vec![reply(3, 3, Vec::new())]);
    miss.name = Foreign::from("mail.example.org.corp.example.org");
    let mut context = witnessed();
    context.siblings = vec![sibling("mail.example.org", RecordType::A, Some(0), true)];
    assert_eq!(code(&miss, &context, 9_000), Code::Ok);
    context.siblings = vec![sibling("mail.example.org", RecordType::A, Some(3), false)];
    assert_eq!(code(&miss, &context, 9_000), Code::DnsNxdomain);
    // The name itself came to nothing for another reason: it is not known that there is no such name, and it is the one that is wanted.
    for rcode in [Some(2), None] {
        context.siblings = vec![sibling("mail.example.org", RecordType::A, rcode, false)];
        assert_eq!(code(&miss, &context, 9_000), Code::Ok, "{rcode:?}");
        context.siblings = vec![sibling("mail", RecordType::A, rcode, false)];
        assert_eq!(code(&miss, &context, 9_000), Code::DnsNxdomain, "{rcode:?}");
    }
    // The near miss: it is the other family that came to nothing.
    context.siblings = vec![sibling("mail.example.org", RecordType::AAAA, None, false)];
    assert_eq!(code(&miss, &context, 9_000), Code::DnsNxdomain);
    context.mx_of = Some(Foreign::from("example.org"));
    assert_eq!(code(&miss, &context, 9_000), Code::DnsMxUnresolvable);
}

#[test]
fn a_country_is_no_suffix_of_a_search_list() {
    let mut miss = answered(facts(RecordType::A, &[0]), vec![reply(3, 3, Vec::new())]);
    miss.name = Foreign::from("mail.example.org.au");
    let mut context = witnessed();
    context.siblings = vec![sibling("mail.example.org", RecordType::A, Some(2), false)];
    assert_eq!(code(&miss, &context, 9_000), Code::DnsNxdomain);
    miss.name = Foreign::from("mail.example.org.lan");
    assert_eq!(code(&miss, &context, 9_000), Code::Ok);
}

#[test]
fn a_guess_is_needed_no_more_when_another_one_is_there() {
    let mut miss = answered(facts(RecordType::A, &[0]), vec![reply(3, 3, Vec::new())]);
    miss.name = Foreign::from("imap.example.org");
    let mut context = witnessed();
    assert_eq!(code(&miss, &context, 9_000), Code::DnsNxdomain);
    context.found_elsewhere = Some(Foreign::from("mail.example.org"));
    assert_eq!(code(&miss, &context, 9_000), Code::Ok);
    context.mx_of = Some(Foreign::from("example.org"));
    assert_eq!(code(&miss, &context, 9_000), Code::DnsMxUnresolvable);
}

#[test]
fn what_an_mx_says() {
    let mx = |preference, target: &str| {
        (
            RecordType::MX,
            Answer::Mx(preference, Foreign::from(target)),
        )
    };
    let with = |answers| answered(facts(RecordType::MX, &[0]), vec![reply(3, 0, answers)]);
    assert_eq!(
        code(&with(vec![mx(0, "")]), &witnessed(), 9_000),
        Code::DnsNullMx
    );
    assert_eq!(
        code(&with(vec![mx(10, "192.0.2.1")]), &witnessed(), 9_000),
        Code::DnsMxUnresolvable
    );
    let mixed = judge(
        &with(vec![mx(10, "192.0.2.1"), mx(20, "mx.example.org")]),
        &witnessed(),
        9_000,
    );
    assert_eq!((mixed.outcome, mixed.findings.len()), (Outcome::Healthy, 1));
    let none = judge(&with(Vec::new()), &witnessed(), 9_000);
    let said = (none.outcome, none.findings[0].code);
    assert_eq!(said, (Outcome::Healthy, Code::DnsNoMx));
}
