//! What members make of their attempts: what joins what, how each ended, and of what.

mod lookups;

use std::net::IpAddr;

use super::{Again, Asked, Attempt, Attempts, Member, Told, Wanted};
use crate::base::{Foreign, MILLISECOND, SECOND, Timestamp};
use crate::diagnosis::Outcome;
use crate::engine::blame::Blame;
use crate::engine::record::{Record, VerdictInfo};
use crate::proto::Service;
use crate::proto::dns::RecordType;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

fn blame(code: &'static str) -> Blame {
    Blame::from(&VerdictInfo::plain(code, "server", None))
}

/// A connection to the host with that last byte, begun and opened so many milliseconds in.
fn member(id: u64, host: u8, port: u16, ms: i64, code: &'static str, probe: bool) -> Member {
    let started = Timestamp(ms * MILLISECOND);
    let outcome = match code {
        "ok" => Outcome::Healthy,
        _ => Outcome::Failed,
    };
    Member {
        id,
        started,
        decided: match outcome {
            Outcome::Healthy => started.plus(20 * MILLISECOND),
            _ => started.plus(SECOND),
        },
        outcome,
        told: (outcome == Outcome::Failed).then(|| {
            Box::new(Told {
                code,
                confidence: 0.9,
                blame: Some(blame(code)),
                ..Told::default()
            })
        }),
        asked: None,
        server: Wanted::Server(IpAddr::from([192, 0, 2, host]), port),
        established: true,
        check: false,
        own_sake: probe,
    }
}

/// Outcome, code and connections of an attempt.
type Said = (&'static str, &'static str, Vec<u64>);

fn judged(members: Vec<Member>) -> (Vec<Said>, Vec<&'static str>) {
    judged_with(Vec::new(), members)
}

/// What is said of every attempt, and the codes of the root causes; the look-ups were made before.
fn judged_with(lookups: Vec<Member>, members: Vec<Member>) -> (Vec<Said>, Vec<&'static str>) {
    let (mut attempts, mut seen) = (Attempts::default(), Vec::new());
    let mut out = |record: Record| {
        if let Record::Attempt(attempt) = record {
            seen.push((attempt.outcome, attempt.verdict.code, attempt.connections));
        }
    };
    let name = Foreign::from("mail.example.net");
    for lookup in lookups {
        attempts.lookup(CLIENT, &name, lookup, &mut out);
    }
    for member in members {
        let ended = member.started.plus(SECOND);
        attempts.connection(
            CLIENT,
            Service::Imaps,
            Some(&name),
            member,
            ended,
            Again::Soon,
            None,
            None,
            &mut out,
        );
    }
    attempts.finish(&mut out);
    let causes = attempts.causes.list();
    (seen, causes.iter().map(|cause| cause.code).collect())
}

#[test]
fn tens_of_thousands_stay_small() {
    assert!(size_of::<Member>() <= 64, "{}", size_of::<Member>());
    assert!(size_of::<Attempt>() <= 136, "{}", size_of::<Attempt>());
}

#[test]
fn in_a_probe_a_dead_address_beside_a_living_one_degrades() {
    for reversed in [false, true] {
        let mut members = vec![
            member(0, 10, 993, 0, "tcp.refused", true),
            member(1, 11, 993, 0, "ok", true),
            member(2, 12, 993, 1_000, "tcp.dropped", true),
            member(3, 13, 993, 2_000, "ok", true),
        ];
        if reversed {
            members.reverse();
        }
        let (seen, causes) = judged(members);
        assert_eq!(
            seen,
            [("degraded", "tcp.refused", vec![0, 1, 2, 3])],
            "reversed {reversed}"
        );
        assert_eq!(causes, ["tcp.dropped", "tcp.refused"]);
    }
}

#[test]
fn in_a_probe_a_dead_port_beside_a_living_one_degrades() {
    let (seen, causes) = judged(vec![
        member(0, 10, 143, 0, "tcp.dropped", true),
        member(1, 10, 993, 0, "ok", true),
    ]);
    assert_eq!(seen, [("degraded", "tcp.dropped", vec![0, 1])]);
    assert_eq!(causes, ["tcp.dropped"]);
}

#[test]
fn ports_of_one_host_that_refuse_are_one_cause_beside_one_that_only_looked() {
    let mut works = member(0, 10, 25, 0, "ok", true);
    works.check = true;
    let mut members = vec![works];
    members.extend((1..5).map(|id| member(id, 10, 2_000 + id as u16, 0, "tcp.refused", true)));
    let (seen, causes) = judged(members);
    assert_eq!(
        seen,
        [
            ("healthy", "ok", vec![0]),
            ("failed", "tcp.refused", vec![1, 2, 3, 4])
        ]
    );
    assert_eq!(causes, ["tcp.refused"]);
}

#[test]
fn a_client_that_goes_on_at_once_loses_nothing() {
    let (seen, causes) = judged(vec![
        member(0, 10, 993, 0, "tcp.refused", false),
        member(1, 11, 993, 250, "ok", false),
    ]);
    assert_eq!(seen, [("healthy", "ok", vec![0, 1])]);
    assert!(causes.is_empty());
    let (seen, causes) = judged(vec![
        member(0, 10, 993, 0, "tcp.dropped", false),
        member(1, 11, 993, 3_000, "ok", false),
    ]);
    assert_eq!(seen, [("degraded", "tcp.dropped", vec![0, 1])]);
    assert_eq!(causes, ["tcp.dropped"]);
}

#[test]
fn the_loser_of_a_race_delivers_nothing_where_the_winner_failed() {
    let loser = |own: bool| Member {
        check: true,
        ..member(1, 11, 993, 200, "ok", own)
    };
    for reversed in [false, true] {
        let mut members = vec![
            member(0, 10, 993, 0, "tcp.reset-midstream", false),
            loser(false),
        ];
        if reversed {
            members.reverse();
        }
        let (seen, causes) = judged(members);
        let both = vec![0, 1];
        assert_eq!(
            seen,
            [("failed", "tcp.reset-midstream", both)],
            "{reversed}"
        );
        assert_eq!(causes, ["tcp.reset-midstream"]);
    }
    // What became of the winner is not in view.
    for host in [10, 11] {
        let undecided = Member {
            outcome: Outcome::Incomplete,
            told: Some(Box::new(Told {
                code: "unknown",
                ..Told::default()
            })),
            ..member(0, host, 993, 0, "ok", false)
        };
        let (seen, causes) = judged(vec![undecided, loser(false)]);
        let mut outcomes: Vec<_> = seen.iter().map(|(outcome, ..)| *outcome).collect();
        outcomes.sort_unstable();
        // At one host the two are no race, and each stands for itself.
        let expected: &[&str] = match host {
            10 => &["incomplete"],
            _ => &["healthy", "incomplete"],
        };
        assert_eq!(outcomes, expected);
        assert!(causes.is_empty());
    }
    // Near misses: the winner worked; nothing was chosen, since the other one never opened; a port checker, alone and as a probe.
    let (seen, _) = judged(vec![member(0, 10, 993, 0, "ok", false), loser(false)]);
    assert!(seen.iter().all(|(outcome, ..)| *outcome == "healthy"));
    let dead = Member {
        established: false,
        ..member(0, 10, 993, 0, "tcp.refused", false)
    };
    let (seen, causes) = judged(vec![dead, loser(false)]);
    assert_eq!(seen, [("healthy", "ok", vec![0, 1])]);
    assert!(causes.is_empty());
    let (seen, _) = judged(vec![loser(false)]);
    assert_eq!(seen, [("healthy", "ok", vec![1])]);
    let failed = member(0, 10, 993, 0, "tcp.reset-midstream", true);
    let (seen, _) = judged(vec![failed, loser(true)]);
    assert_eq!(seen, [("degraded", "tcp.reset-midstream", vec![0, 1])]);
}

/// A connection that failed and had got on until so many milliseconds in.
fn got_on(member: Member, ms: i64) -> Member {
    let mut told = member.told.unwrap();
    told.got_on = Some(Timestamp(ms * MILLISECOND));
    Member {
        told: Some(told),
        decided: Timestamp((ms + 10) * MILLISECOND),
        ..member
    }
}

#[test]
fn what_went_on_beside_a_success_and_failed_had_work_of_its_own() {
    // Two messages at once, to two addresses or two ports: the one that died a second and more after the other had opened.
    for (host, port) in [(11, 993), (10, 143), (10, 993)] {
        for begun in [500, 2_000] {
            let died = got_on(member(0, 10, 993, 0, "tcp.reset-midstream", false), 4_000);
            let other = member(1, host, port, begun, "ok", false);
            let mut expected = [
                ("failed", "tcp.reset-midstream", vec![0]),
                ("healthy", "ok", vec![1]),
            ];
            let (seen, causes) = judged(vec![died, other]);
            assert_eq!(seen, expected, "{host} {port} {begun}");
            assert_eq!(causes, ["tcp.reset-midstream"]);
            let died = got_on(member(0, 10, 993, 0, "tcp.reset-midstream", false), 4_000);
            expected.reverse();
            let (seen, _) = judged(vec![member(1, host, port, begun, "ok", false), died]);
            assert_eq!(seen, expected, "{host} {port} {begun}");
        }
    }
    // Near misses: the other one came when it had died, or while it stood still; its server had never spoken.
    let died = || member(0, 10, 993, 0, "tcp.stalled", false);
    let later = || member(1, 11, 993, 4_500, "ok", false);
    for first in [got_on(died(), 4_000), got_on(died(), 5_000), died()] {
        let (seen, causes) = judged(vec![first, later()]);
        assert_eq!(seen, [("degraded", "tcp.stalled", vec![0, 1])]);
        assert_eq!(causes, ["tcp.stalled"]);
    }
    // A race that was lost within a moment, and a probe.
    let quick = got_on(member(0, 10, 993, 0, "tls.cert-rejected", false), 300);
    let (seen, _) = judged(vec![quick, member(1, 10, 143, 20, "ok", false)]);
    assert_eq!(seen, [("healthy", "ok", vec![0, 1])]);
    let own = got_on(member(0, 10, 993, 0, "tcp.stalled", true), 4_000);
    let (seen, _) = judged(vec![own, member(1, 11, 993, 0, "ok", true)]);
    assert_eq!(seen, [("degraded", "tcp.stalled", vec![0, 1])]);
}

#[test]
fn who_went_on_waiting_beside_a_success_wanted_that_as_well() {
    let begun = |ms, waited: Option<i64>| {
        let died = member(1, 10, 993, ms, "path.mtu-blackhole", false);
        let mut told = died.told.unwrap();
        told.waited = waited.map(|ms| Timestamp(ms * MILLISECOND));
        let told = Some(told);
        Member { told, ..died }
    };
    // Plain and encrypted at once, and only the plain one gets on: whichever began first.
    for ms in [0, 310] {
        let works = || member(0, 10, 143, 300, "ok", false);
        for members in [
            vec![begun(ms, Some(14_000)), works()],
            vec![works(), begun(ms, Some(14_000))],
        ] {
            let (seen, causes) = judged(members);
            assert_eq!(seen, [("degraded", "path.mtu-blackhole", vec![0, 1])]);
            assert_eq!(causes, ["path.mtu-blackhole"]);
        }
        // Near misses: it was left when the other one worked, and nobody waited in it (it was refused, and closed late).
        for waited in [Some(2_000), None] {
            let (seen, causes) = judged(vec![begun(ms, waited), works()]);
            assert_eq!(seen, [("healthy", "ok", vec![0, 1])]);
            assert!(causes.is_empty());
        }
    }
}

#[test]
fn who_comes_back_is_found_beside_a_success() {
    // Greylisted, beside another message that is delivered meanwhile: the retry belongs to the first, whichever ended first.
    for reversed in [false, true] {
        let greylisted = got_on(member(0, 10, 25, 0, "mail.greylisted", false), 4_000);
        let beside = member(1, 11, 25, 500, "ok", false);
        let mut members = vec![(greylisted, Again::Later), (beside, Again::Soon)];
        if reversed {
            members.reverse();
        }
        members.push((member(2, 10, 25, 300_000, "ok", false), Again::Soon));
        let (mut attempts, mut seen) = (Attempts::default(), Vec::new());
        let mut out = |record: Record| {
            if let Record::Attempt(attempt) = record {
                seen.push((attempt.outcome, attempt.connections));
            }
        };
        let name = Foreign::from("mail.example.net");
        for (member, again) in members {
            let ended = member.started.plus(SECOND);
            let service = Service::Smtp;
            attempts.connection(
                CLIENT,
                service,
                Some(&name),
                member,
                ended,
                again,
                None,
                None,
                &mut out,
            );
        }
        attempts.finish(&mut out);
        seen.sort();
        assert_eq!(
            seen,
            [("degraded", vec![0, 2]), ("healthy", vec![1])],
            "{reversed}"
        );
    }
}

#[test]
fn connections_to_one_port_opened_at_once_have_work_of_their_own() {
    let (seen, causes) = judged(vec![
        member(0, 10, 993, 0, "ok", false),
        member(1, 10, 993, 5, "tcp.dropped", false),
    ]);
    assert_eq!(
        seen,
        [
            ("healthy", "ok", vec![0]),
            ("failed", "tcp.dropped", vec![1])
        ]
    );
    assert_eq!(causes, ["tcp.dropped"]);
    let (seen, _) = judged(vec![
        member(0, 10, 993, 0, "tcp.dropped", false),
        member(1, 10, 993, 1_500, "ok", false),
    ]);
    assert_eq!(seen, [("degraded", "tcp.dropped", vec![0, 1])]);
}

#[test]
fn what_a_probe_meets_at_a_forged_address_is_the_answers_doing() {
    let lookup = |code, probe| Member {
        server: Wanted::Resolver(IpAddr::from([192, 0, 2, 53])),
        established: false,
        ..member(0, 53, 53, 0, code, probe)
    };
    let dead = |probe| member(1, 10, 993, 100, "tcp.dropped", probe);
    let (seen, causes) = judged_with(vec![lookup("dns.forged", true)], vec![dead(true)]);
    assert_eq!(seen, [("failed", "dns.forged", vec![1])]);
    assert_eq!(causes, ["dns.forged"]);
    // Another fault of a look-up did not lead there, and a client's own attempt is judged by where it went.
    let (seen, causes) = judged_with(vec![lookup("dns.timeout", true)], vec![dead(true)]);
    assert_eq!(seen, [("failed", "tcp.dropped", vec![1])]);
    assert_eq!(causes, ["tcp.dropped"]);
    let (_, causes) = judged_with(vec![lookup("dns.forged", false)], vec![dead(false)]);
    assert_eq!(causes, ["tcp.dropped"]);
    // What works beside it was led right.
    let (seen, causes) = judged_with(
        vec![lookup("dns.forged", true)],
        vec![dead(true), member(2, 11, 993, 100, "ok", true)],
    );
    assert_eq!(seen, [("degraded", "tcp.dropped", vec![1, 2])]);
    assert_eq!(causes, ["tcp.dropped"]);
}

/// A look-up of that name and type at the resolver with that last byte, begun so many milliseconds in and over 4 ms later.
fn asked(id: u64, host: u8, ms: i64, code: &'static str, what: (&str, RecordType)) -> Member {
    let well = code == "ok";
    Member {
        decided: Timestamp((ms + 4) * MILLISECOND),
        asked: Some(Box::new(Asked {
            name: Foreign::from(what.0),
            kind: what.1,
            answered: well,
            useful: well && what.1 != RecordType::MX,
            silent: false,
        })),
        server: Wanted::Resolver(IpAddr::from([192, 0, 2, host])),
        established: false,
        ..member(id, host, 53, ms, code, false)
    }
}

#[test]
fn who_asks_again_and_is_answered_lost_nothing() {
    const MX: (&str, RecordType) = ("example.net", RecordType::MX);
    let failed = |ms| asked(0, 53, ms, "dns.servfail", MX);
    // At another resolver, and at the same one without what it did not take.
    for host in [54, 53] {
        let again = asked(1, host, 5, "ok", MX);
        let (seen, causes) = judged_with(vec![failed(0), again], Vec::new());
        assert_eq!((seen[0].0, seen[0].1), ("healthy", "ok"), "{host}");
        assert!(causes.is_empty());
    }
    // Near misses: it took seconds; it was answered before; another name, another type; it failed again.
    let mut slow = failed(0);
    slow.decided = Timestamp(5 * SECOND);
    let again = asked(1, 54, 5_000, "ok", MX);
    let (seen, causes) = judged_with(vec![slow, again], Vec::new());
    assert_eq!((seen[0].0, seen[0].1), ("degraded", "dns.servfail"));
    assert_eq!(causes, ["dns.servfail"]);
    for other in [
        asked(1, 54, -5, "ok", MX),
        asked(1, 54, 5, "ok", ("mail.example.net", RecordType::MX)),
        asked(1, 54, 5, "ok", ("example.net", RecordType::TXT)),
        asked(1, 54, 5, "dns.servfail", MX),
    ] {
        let mut other = other;
        other.asked.as_mut().unwrap().useful = false;
        let (seen, causes) = judged_with(vec![failed(0), other], Vec::new());
        assert_eq!((seen[0].0, seen[0].1), ("failed", "dns.servfail"));
        assert_eq!(causes, ["dns.servfail"]);
    }
}

#[test]
fn a_loser_costs_until_the_next_try_begins() {
    let refused = |id, ms| member(id, 10, 25, ms, "tcp.refused", false);
    let greylisted = |id, ms| member(id, 11, 25, ms, "mail.greylisted", false);
    // The first exchanger refuses at once, both times; the second one says to come back.
    let (seen, causes) = judged(vec![
        refused(0, 0),
        greylisted(1, 1),
        refused(2, 11_000),
        member(3, 11, 25, 11_001, "ok", false),
    ]);
    assert_eq!(seen, [("degraded", "mail.greylisted", vec![0, 1, 2, 3])]);
    assert_eq!(causes, ["mail.greylisted"]);
    // Near misses: it is asked again and again, half a second each; and each of several costs a part of a second.
    let (seen, _) = judged(vec![
        refused(0, 0),
        refused(1, 600),
        member(2, 12, 25, 1_200, "ok", false),
    ]);
    assert_eq!(seen, [("degraded", "tcp.refused", vec![0, 1, 2])]);
    let (seen, _) = judged(vec![
        refused(0, 0),
        greylisted(1, 600),
        member(2, 12, 25, 1_200, "ok", false),
    ]);
    assert_eq!(seen, [("degraded", "tcp.refused", vec![0, 1, 2])]);
}

#[test]
fn what_got_to_a_server_is_what_it_died_of() {
    let blocked = |confidence: f64| {
        let mut blocked = member(0, 10, 587, 0, "tcp.prohibited", false);
        blocked.established = false;
        blocked.told.as_mut().unwrap().confidence = confidence;
        blocked
    };
    let too_large = || member(1, 11, 587, 20, "mail.message-too-large", false);
    let (seen, causes) = judged(vec![blocked(0.97), too_large()]);
    assert_eq!(seen, [("failed", "mail.message-too-large", vec![0, 1])]);
    assert_eq!(causes, ["mail.message-too-large"]);
    // Near miss: what it got there is not even likely.
    let mut doubtful = too_large();
    doubtful.told.as_mut().unwrap().confidence = 0.4;
    let (seen, _) = judged(vec![blocked(0.97), doubtful]);
    assert_eq!(seen, [("failed", "tcp.prohibited", vec![0, 1])]);
}

#[test]
fn all_dead_is_failed_under_the_surest_code() {
    let mut surer = member(1, 11, 993, 0, "tcp.dropped", true);
    surer.told.as_mut().unwrap().confidence = 0.95;
    let (seen, causes) = judged(vec![member(0, 10, 993, 0, "tcp.refused", true), surer]);
    assert_eq!(seen, [("failed", "tcp.dropped", vec![0, 1])]);
    assert_eq!(causes, ["tcp.dropped", "tcp.refused"]);
}
