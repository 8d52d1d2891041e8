//! What a capture that shows only some of it must not make of a look-up, and what resolvers say of themselves.

use super::*;
use crate::flow::lookup::Query;

/// The same tries, all with one id, as a stub sends them again.
fn same_id(mut facts: LookupFacts) -> LookupFacts {
    for query in &mut facts.queries {
        query.id = 7;
    }
    facts
}

fn number(facts: &mut LookupFacts, ids: &[u16]) {
    let numbered = |(query, id): (&mut Query, &u16)| query.ip_id = Some(*id);
    facts.queries.iter_mut().zip(ids).for_each(numbered);
}

#[test]
fn what_is_asked_again_after_a_failure_has_an_answer_of_its_own() {
    let replies = || {
        vec![
            reply(1, 2, vec![]),
            reply(3, 0, vec![address("192.0.2.10")]),
        ]
    };
    let again = answered(same_id(facts(RecordType::A, &[0, 2])), replies());
    assert_eq!(code(&again, &witnessed(), 40_000), Code::Ok);
    // Near miss: one query, two answers.
    let once = answered(facts(RecordType::A, &[0]), replies());
    assert_eq!(code(&once, &witnessed(), 40_000), Code::DnsForged);
    // The first answer is to a query before the capture began.
    let later = answered(same_id(facts(RecordType::A, &[2])), replies());
    assert_ne!(code(&later, &witnessed(), 40_000), Code::DnsForged);
}

#[test]
fn a_copy_has_the_same_identification() {
    let replies = || {
        vec![
            reply(3, 2, vec![]),
            reply(4, 0, vec![address("192.0.2.10")]),
        ]
    };
    let mut two = answered(same_id(facts(RecordType::A, &[0, 2])), replies());
    number(&mut two, &[0x142a, 0x142c]);
    assert_ne!(code(&two, &witnessed(), 40_000), Code::DnsForged);
    number(&mut two, &[0x142a, 0x142a]);
    assert_eq!(code(&two, &witnessed(), 40_000), Code::DnsForged);
}

#[test]
fn a_denial_that_never_arrives_is_not_what_failed() {
    let missing = || vec![reply(1, 3, vec![])];
    let again = answered(same_id(facts(RecordType::A, &[0, 1_500])), missing());
    let judgement = judge(&again, &witnessed(), 40_000);
    assert_eq!(judgement.outcome, Outcome::Incomplete);
    assert_eq!(judgement.verdict.code, Code::Unknown);
    assert_eq!(judgement.verdict.frame, Some(mark(1_500).frame));
    let mut context = witnessed();
    context.asked_on = Some(mark(5_000));
    let first = answered(facts(RecordType::A, &[0]), missing());
    assert_eq!(code(&first, &context, 40_000), Code::Unknown);
    // Near misses: the other family is not answered, and glibc repeats both; asked anew with an id of its own; a copy of the question.
    context.family_open = true;
    assert_eq!(code(&first, &context, 40_000), Code::DnsNxdomain);
    assert_eq!(code(&again, &context, 40_000), Code::DnsNxdomain);
    let anew = answered(facts(RecordType::A, &[0, 1_500]), missing());
    assert_eq!(code(&anew, &witnessed(), 40_000), Code::DnsNxdomain);
    let copied = answered(same_id(facts(RecordType::A, &[0, 4])), missing());
    assert_eq!(code(&copied, &witnessed(), 40_000), Code::DnsNxdomain);
}

#[test]
fn who_goes_on_at_once_was_answered() {
    let once = facts(RecordType::A, &[0]);
    assert_eq!(code(&once, &witnessed(), 40_000), Code::DnsTimeout);
    let mut context = witnessed();
    context.moved_on = Some(mark(1));
    assert_eq!(code(&once, &context, 40_000), Code::Unknown);
    let mut context = witnessed();
    context.unasked = Some(mark(5));
    assert_eq!(code(&once, &context, 40_000), Code::Unknown);
    // Near miss: whoever asks again was not answered, whatever else is missing.
    context.moved_on = Some(mark(1));
    let again = facts(RecordType::A, &[0, 5_000]);
    assert_eq!(code(&again, &context, 40_000), Code::DnsTimeout);
}

#[test]
fn who_rejects_by_icmp() {
    let error = |sender: &str, code: u8| LookupIcmp {
        at: mark(2),
        sender: ip(sender),
        v6: false,
        kind: 3,
        code,
        hops: HopCount::of(60),
        quoted_ttl: 60,
        tcp: false,
    };
    for (sender, number, expected) in [
        ("10.0.0.1", 3, Code::DnsPortClosed),
        ("10.0.0.9", 3, Code::DnsBlocked),
        ("10.0.0.1", 13, Code::DnsBlocked),
        ("10.0.0.9", 1, Code::RouteUnreachable),
    ] {
        let mut facts = facts(RecordType::A, &[0]);
        facts.icmp.push(error(sender, number));
        facts.icmp_count = 1;
        let judgement = judge(&facts, &witnessed(), 40_000);
        assert_eq!(judgement.verdict.code, expected);
        assert_eq!(judgement.verdict.frame, Some(mark(2).frame));
        // Whoever answers others serves DNS: what says that nobody does is a rule.
        let mut context = witnessed();
        context.resolver_answers = Some(mark(5));
        let judgement = judge(&facts, &context, 40_000);
        let expected = match expected {
            Code::DnsPortClosed => Code::DnsBlocked,
            other => other,
        };
        assert_eq!(judgement.verdict.code, expected);
    }
}
