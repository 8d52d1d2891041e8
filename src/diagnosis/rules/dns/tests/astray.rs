//! Answers that come from another address than the one that was asked, and such as a rule turns away.

use super::{address, answered, code, facts, ip, judge, mark, reply, witnessed};
use crate::diagnosis::lookup_view::LookupContext;
use crate::diagnosis::{Code, Where};
use crate::flow::lookup::{Astray, Elsewhere, LookupFacts, Rejected};
use crate::proto::dns::RecordType;

/// Tries, each of which 10.0.0.2 answers in place of 10.0.0.1.
fn from_elsewhere(tries: &[i64]) -> LookupFacts {
    let mut facts = facts(RecordType::A, tries);
    facts.astray = Some(Box::new(Astray {
        elsewhere: Some(Elsewhere {
            from: ip("10.0.0.2"),
            first: mark(1),
            last: mark(1),
            count: 1,
        }),
        rejected: None,
    }));
    facts
}

#[test]
fn an_answer_from_another_address_is_a_bad_one() {
    let verdict = judge(&from_elsewhere(&[0, 5_000, 10_000]), &witnessed(), 40_000).verdict;
    assert_eq!(verdict.code, Code::DnsBadResponse);
    assert_eq!(verdict.at.place, Where::Resolver);
    assert_eq!(verdict.frame, Some(mark(1).frame));
    // The near misses: who asked once may have taken it; and a right answer beside it.
    for horizon in [1_000, 40_000] {
        let once = code(&from_elsewhere(&[0]), &witnessed(), horizon);
        assert_eq!(once, Code::Unknown);
    }
    let right = vec![reply(3, 0, vec![address("192.0.2.10")])];
    let both = answered(from_elsewhere(&[0]), right);
    assert_eq!(code(&both, &witnessed(), 40_000), Code::Ok);
}

#[test]
fn an_answer_that_a_rule_turns_away_is_blocked() {
    let positive = vec![reply(3, 0, vec![address("192.0.2.10")])];
    let mut facts = answered(facts(RecordType::A, &[0]), positive);
    for (sender, place) in [("10.0.0.5", Where::Client), ("10.0.0.9", Where::Network)] {
        facts.astray = Some(Box::new(Astray {
            elsewhere: None,
            rejected: Some(Rejected {
                sender: ip(sender),
                first: mark(4),
                error: (3, 13),
                count: 1,
            }),
        }));
        let verdict = judge(&facts, &witnessed(), 40_000).verdict;
        assert_eq!((verdict.code, verdict.at.place), (Code::DnsBlocked, place));
    }
    // The near misses: who connects to it had the answer; and one more came that nobody turned away.
    let used = LookupContext {
        used: Some(mark(20)),
        ..witnessed()
    };
    assert_eq!(code(&facts, &used, 40_000), Code::Ok);
    facts.reply_count = 2;
    assert_eq!(code(&facts, &witnessed(), 40_000), Code::Ok);
}
