//! What a capture that shows only some of it must not make of a look-up, and what two answers at once mean.

use super::*;

#[test]
fn what_is_asked_again_after_a_failure_has_an_answer_of_its_own() {
    let asked = |times: &[i64]| {
        let mut facts = facts(RecordType::A, times);
        for query in &mut facts.queries {
            query.id = 7;
        }
        let replies = vec![
            reply(1, 2, vec![]),
            reply(3, 0, vec![address("192.0.2.10")]),
        ];
        answered(facts, replies)
    };
    assert_eq!(code(&asked(&[0, 2]), &witnessed(), 40_000), Code::Ok);
    // Near misses: one query; the same packet on both sides of a mirror.
    assert_eq!(code(&asked(&[0]), &witnessed(), 40_000), Code::DnsForged);
    let mut copied = asked(&[0, 2]);
    for query in &mut copied.queries {
        query.ip_id = Some(0x142a);
    }
    assert_eq!(code(&copied, &witnessed(), 40_000), Code::DnsForged);
}

#[test]
fn who_rejects_by_icmp() {
    for (sender, number, expected) in [
        ("10.0.0.1", 3, Code::DnsPortClosed),
        ("10.0.0.9", 3, Code::DnsBlocked),
        ("10.0.0.1", 13, Code::DnsBlocked),
        ("10.0.0.9", 1, Code::RouteUnreachable),
    ] {
        let mut facts = facts(RecordType::A, &[0]);
        facts.icmp.push(error(2, sender, number));
        facts.icmp_count = 1;
        let judgement = judge(&facts, &witnessed(), 40_000);
        assert_eq!(judgement.verdict.code, expected);
        assert_eq!(judgement.verdict.frame, Some(mark(2).frame));
    }
}

#[test]
fn a_closed_port_that_answers_at_once_is_none() {
    // When the port was said to be closed, and when the resolver answered somebody right behind that.
    let judged = |errors: &[(i64, Option<i64>)]| {
        let mut facts = facts(RecordType::A, &[0]);
        for (at, answer) in errors {
            let mut closed = error(*at, "10.0.0.1", 3);
            closed.answers = answer.map(mark);
            facts.icmp.push(closed);
            facts.icmp_count += 1;
        }
        judge(&facts, &witnessed(), 40_000)
    };
    for errors in [
        &[(2, Some(5))][..],
        &[(2, Some(5)), (3, Some(5))],
        &[(2, None), (3_000, Some(3_004)), (5_000, None)],
    ] {
        let judgement = judged(errors);
        assert_eq!(judgement.verdict.code, Code::Unknown, "{errors:?}");
        assert!(judgement.findings.is_empty());
    }
    // Near misses: stopped for good; started again after some seconds.
    for errors in [
        &[(2, None)][..],
        &[(2, None), (1_000, None), (2_000, Some(2_900))],
    ] {
        let judgement = judged(errors);
        assert_eq!(judgement.verdict.code, Code::DnsPortClosed, "{errors:?}");
    }
    // A device on the way says so of its own rule, whoever answers.
    let mut facts = facts(RecordType::A, &[0]);
    let mut blocked = error(2, "10.0.0.9", 3);
    blocked.answers = Some(mark(5));
    facts.icmp.push(blocked);
    facts.icmp_count = 1;
    assert_eq!(code(&facts, &witnessed(), 40_000), Code::DnsBlocked);
}

#[test]
fn who_asks_for_the_next_name_at_once_was_answered() {
    let mut context = witnessed();
    context.moved_on = Some(mark(1));
    let once = facts(RecordType::A, &[0]);
    assert_eq!(code(&once, &witnessed(), 40_000), Code::DnsTimeout);
    assert_eq!(code(&once, &context, 40_000), Code::Unknown);
    // Near miss: whoever asks again was not.
    let again = facts(RecordType::A, &[0, 5_000]);
    assert_eq!(code(&again, &context, 40_000), Code::DnsTimeout);
}

#[test]
fn an_error_that_is_cut_may_be_about_the_query() {
    let tries = facts(RecordType::A, &[0, 2_000, 4_000]);
    assert_eq!(code(&tries, &witnessed(), 40_000), Code::DnsTimeout);
    let mut context = witnessed();
    context.refused_cut = Some(mark(2_001));
    assert_eq!(code(&tries, &context, 40_000), Code::Unknown);
}

#[test]
fn a_denial_that_does_not_arrive_is_not_what_failed() {
    let missing = answered(facts(RecordType::A, &[0]), vec![reply(1, 3, vec![])]);
    let name = "mail.example.org";
    let judged = |first: i64, asked: (u16, u16), other: Option<u16>| {
        let mut again = sibling(name, RecordType::A, Some(3), false);
        (again.first, again.asked) = (mark(first), Some(asked));
        let mut context = witnessed();
        context.siblings = vec![again, sibling(name, RecordType::AAAA, other, false)];
        judge(&missing, &context, 40_000)
    };
    let judgement = judged(2_010, (7, 40_000), Some(3));
    assert_eq!(judgement.outcome, Outcome::Incomplete);
    assert_eq!(judgement.verdict.code, Code::Unknown);
    assert_eq!(judgement.verdict.frame, Some(mark(2_010).frame));
    // Near misses: the other family was not answered; asked anew; a copy.
    for (first, asked, other) in [
        (2_010, (7, 40_000), None),
        (2_010, (8, 40_000), Some(3)),
        (2_010, (7, 40_001), Some(3)),
        (3, (7, 40_000), Some(3)),
    ] {
        let judgement = judged(first, asked, other);
        assert_eq!(judgement.verdict.code, Code::DnsNxdomain);
    }
    // Another: a slow resolver that answers an earlier try.
    let late = answered(
        facts(RecordType::A, &[0, 1_000]),
        vec![reply(1_500, 3, vec![])],
    );
    let mut again = sibling(name, RecordType::A, Some(3), false);
    (again.first, again.asked) = (mark(2_010), Some((7, 40_000)));
    let mut context = witnessed();
    context.siblings = vec![again];
    assert_eq!(code(&late, &context, 40_000), Code::DnsNxdomain);
    // Of a name that has the other family nothing is said: it is no fault.
    context
        .siblings
        .push(sibling(name, RecordType::AAAA, Some(0), true));
    assert_eq!(code(&missing, &context, 40_000), Code::Ok);
}
