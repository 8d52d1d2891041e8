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
    }
}
