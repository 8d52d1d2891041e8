//! What is claimed from which facts, and what is not.

use std::net::IpAddr;

use super::{Silence, Subject, checking_disabled, forged, no_response, silence, slow, untaken};
use crate::base::{MILLISECOND, SECOND, Timestamp};
use crate::diagnosis::{Code, Weight, Where};
use crate::probe::dns::asking::TcpEnd;
use crate::probe::dns::odds::Controls;
use crate::probe::dns::question::{Host, Question};
use crate::probe::dns::walk::{Impostor, Vanishing};
use crate::proto::dns::RecordType;

fn question(kind: RecordType) -> Question {
    Question::new(&Host::parse("mail.example.net").expect("a name"), kind)
}

fn with(question: &Question) -> Subject<'_> {
    Subject {
        resolver: "192.0.2.53".parse().expect("an address"),
        question,
        now: Timestamp(9 * SECOND),
    }
}

fn quiet() -> Silence {
    Silence {
        tries: 4,
        lasted: 4 * SECOND,
        ..Silence::default()
    }
}

fn vanishing(after_hop: u8) -> Vanishing {
    Vanishing {
        after_hop,
        address: IpAddr::from([203, 0, 113, after_hop]),
        pings_reach: 4,
        host_answers: true,
        router_beyond: after_hop < 3,
    }
}

#[test]
fn a_place_is_named_only_where_one_was_measured() {
    let asked = question(RecordType::A);
    let facts = Silence {
        vanishing: Some(vanishing(2)),
        tcp: Some(Err(TcpEnd::Silent)),
        ..quiet()
    };
    let claim = silence(&with(&asked), &facts);
    assert_eq!(claim.code, Code::DnsTimeout);
    assert_eq!(
        (claim.at.place, claim.at.after_hop),
        (Where::Network, Some(2))
    );
    assert!(
        claim
            .evidence()
            .iter()
            .any(|piece| piece.text.contains("TCP port 53"))
    );

    let nothing = silence(&with(&asked), &quiet());
    assert_eq!(
        (nothing.at.place, nothing.at.after_hop),
        (Where::Unknown, None)
    );
}

#[test]
fn silence_at_the_last_hop_may_be_the_host_or_the_hop() {
    let asked = question(RecordType::A);
    let facts = Silence {
        vanishing: Some(vanishing(3)),
        ..quiet()
    };
    let claim = silence(&with(&asked), &facts);
    assert_eq!(
        (claim.at.place, claim.at.after_hop),
        (Where::Unknown, Some(3))
    );
}

#[test]
fn only_a_type_is_dropped_when_another_is_answered_again_and_again() {
    let asked = question(RecordType::AAAA);
    let answered = |times| Silence {
        address_answered: Some((times, 3)),
        pings: Controls {
            answered: 16,
            lost: 0,
        },
        ..quiet()
    };
    assert_eq!(
        silence(&with(&asked), &answered(3)).code,
        Code::DnsTypeDropped
    );
    assert_eq!(silence(&with(&asked), &answered(1)).code, Code::DnsTimeout);
}

#[test]
fn a_type_that_passes_for_others_or_a_little_later_is_held_back_by_no_rule_for_it() {
    let asked = question(RecordType::AAAA);
    let typed = Silence {
        address_answered: Some((3, 3)),
        vanishing: Some(vanishing(4)),
        ..quiet()
    };
    // RFC 4074 4.1: the servers of that one name may ignore the type.
    let others = Silence {
        type_passes: true,
        ..typed.clone()
    };
    let claim = silence(&with(&asked), &others);
    assert_eq!(claim.code, Code::DnsTypeDropped);
    assert_eq!(claim.at.place, Where::Unknown);
    assert!(claim.confidence < 0.7);
    assert_eq!(claim.alternatives[0].code, Code::DnsTimeout);
    let again = Silence {
        answered_again: 1,
        ..typed
    };
    let claim = silence(&with(&asked), &again);
    assert_eq!(claim.code, Code::DnsTimeout);
    assert_eq!(claim.at.place, Where::Unknown);
    assert!(claim.confidence < 0.7);
    // What it answers is mostly not answered now; one lost packet says nothing.
    let unsteady = Silence {
        answers_others: true,
        others_answered: Some((1, 3)),
        ..quiet()
    };
    let lost = Silence {
        others_answered: Some((2, 3)),
        ..unsteady.clone()
    };
    let claim = silence(&with(&question(RecordType::A)), &lost);
    assert!(claim.confidence > 0.9);
    let claim = silence(&with(&question(RecordType::A)), &unsteady);
    assert_eq!(claim.at.place, Where::Unknown);
    assert!(claim.confidence < 0.7);
    // A resolver that answers other names is busy with this one, as before.
    let waits = Silence {
        type_passes: true,
        answers_others: true,
        ..quiet()
    };
    let claim = silence(&with(&question(RecordType::A)), &waits);
    assert_eq!(claim.at.place, Where::Resolver);
    assert!(claim.confidence > 0.9);
}

#[test]
fn a_resolver_that_answers_others_waits_itself() {
    let asked = question(RecordType::A);
    let facts = Silence {
        answers_others: true,
        ..quiet()
    };
    assert_eq!(silence(&with(&asked), &facts).at.place, Where::Resolver);
}

/// A question that is never answered ends at the last router before the resolver, whatever it is waiting for.
#[test]
fn the_last_router_is_not_named_where_the_resolver_answers_others() {
    let asked = question(RecordType::MX);
    let waits = Silence {
        answers_others: true,
        vanishing: Some(vanishing(3)),
        ..quiet()
    };
    let claim = silence(&with(&asked), &waits);
    assert_eq!(
        (claim.at.place, claim.at.address, claim.at.after_hop),
        (Where::Resolver, Some(with(&asked).resolver), None)
    );
    assert!(
        claim
            .advice
            .iter()
            .any(|one| one.contains("mail.example.net"))
    );
    assert!(!claim.advice.iter().any(|one| one.contains("firewall")));
    // The near misses: pings run out of TTL in a router farther on; nothing else is answered; another type of the name is.
    let between = Silence {
        vanishing: Some(vanishing(2)),
        ..waits.clone()
    };
    let claim = silence(&with(&asked), &between);
    assert_eq!(
        (claim.at.place, claim.at.after_hop),
        (Where::Network, Some(2))
    );
    let dead = Silence {
        answers_others: false,
        ..waits.clone()
    };
    assert_eq!(silence(&with(&asked), &dead).at.after_hop, Some(3));
    let typed = Silence {
        address_answered: Some((3, 3)),
        ..waits
    };
    assert_eq!(silence(&with(&asked), &typed).at.after_hop, Some(3));
}

#[test]
fn bogus_only_when_cd_makes_it_an_answer() {
    let asked = question(RecordType::A);
    let code = |first, again: &[(bool, u16)]| {
        checking_disabled(&with(&asked), first, again).map(|claim| claim.code)
    };
    let bogus = [(false, 2), (false, 2), (true, 0)];
    assert_eq!(code(0, &bogus), Some(Code::DnsBogus));
    assert_eq!(code(3, &bogus), Some(Code::DnsBogus));
    assert_eq!(code(2, &[]), Some(Code::DnsServfail));
    // It failed once, every other time, or now and then.
    for passing in [
        [(false, 0), (false, 0), (true, 0)],
        [(false, 2), (false, 0), (true, 2)],
        [(false, 2), (false, 2), (true, 2)],
    ] {
        assert_eq!(code(0, &passing), Some(Code::DnsServfail), "{passing:?}");
    }
    // Silence in between tells nothing.
    assert_eq!(code(0, &bogus[..2]), None);
}

#[test]
fn one_late_answer_is_no_rule() {
    let asked = question(RecordType::A);
    let late = slow(
        &with(&asked),
        vec![3 * SECOND, 20 * MILLISECOND, 21 * MILLISECOND],
    );
    assert_eq!(late.expect("a claim").weight, Weight::Finding);
    let always = slow(&with(&asked), vec![3 * SECOND, 3 * SECOND, 2 * SECOND]);
    assert_eq!(always.expect("a claim").weight, Weight::Costly);
    assert_eq!(slow(&with(&asked), Vec::new()), None);
}

#[test]
fn a_redirection_that_tells_the_truth_harms_nobody() {
    let asked = question(RecordType::A);
    let found = Impostor {
        hop: 2,
        address: None,
        resolver_at_least: 5,
        both: false,
    };
    assert_eq!(forged(&with(&asked), &found, None).weight, Weight::Finding);
    let wrong = Some("over TCP the answer is another".to_owned());
    let claim = forged(&with(&asked), &found, wrong);
    assert_eq!((claim.weight, claim.at.hop), (Weight::Fatal, Some(2)));
}

#[test]
fn who_answers_with_something_else_is_not_silent() {
    let question = question(RecordType::MX);
    let claim = no_response(&with(&question), 4, 4);
    assert_eq!(
        (claim.code, claim.at.place),
        (Code::DnsBadResponse, Where::Resolver)
    );
}

#[test]
fn answers_that_came_and_were_not_taken_are_this_hosts_own_doing() {
    let question = question(RecordType::A);
    let claim = untaken(&with(&question), 4, 4, 4 * SECOND);
    assert_eq!(claim.code, Code::DnsTimeout);
    assert_eq!(claim.at.place, Where::Client);
    assert!(!claim.summary.contains("never answered"));
    assert!(claim.confidence < 0.9);
}
