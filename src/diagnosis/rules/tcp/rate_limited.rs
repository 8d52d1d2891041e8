//! `tcp.rate-limited` as captures show it: of one client's connections to one port of a server the first are answered, those beyond a
//! rate are not or are rejected, and slower ones are answered again.
//!
//! The claim is made only where a limit (a bucket of tokens, or a window) foretells who gets in a thousand times better than loss by
//! chance, outages, the hash of a split path, the number of open connections, a full accept queue, or a device that compares time
//! stamps; and where the client's other segments are not lost as its SYNs are. A single time at which the port fell silent is never
//! enough: an outage does the same. It never names the place: that takes a probe. The connections keep their own codes.

use super::super::path::address;
use crate::diagnosis::handshake::{Fate, Handshake};
use crate::diagnosis::principles::Explanations;
use crate::diagnosis::{At, Claim, Code, Where};
use crate::flow::Endpoint;
use std::net::IpAddr;

/// Connections of a kind at the least.
const KIND: usize = 3;
/// How often an answer has to come back after silence.
const RETURNS: usize = 2;

/// How those beyond the limit end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Silence,
    Reset,
    Error,
}

impl Manner {
    fn of(one: &Handshake) -> Option<Manner> {
        match one.fate {
            Fate::Answered { .. } => None,
            Fate::Silent { .. } => Some(Manner::Silence),
            Fate::Rejected { reset: true, .. } => Some(Manner::Reset),
            Fate::Rejected { reset: false, .. } => Some(Manner::Error),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Manner::Silence => "not answered",
            Manner::Reset => "reset",
            Manner::Error => "rejected by an ICMP error",
        }
    }
}

/// What the connections between two ends prove together. `lost`: the share of the client's other segments that was sent again.
pub fn weigh(
    client: IpAddr,
    server: Endpoint,
    handshakes: &[Handshake],
    fit: &Explanations,
    lost: f64,
) -> Option<Claim> {
    let beyond = || handshakes.iter().filter(|one| !one.is_answered());
    let let_in = || handshakes.iter().filter(|one| one.is_answered());
    let (first, alive) = (beyond().next()?, let_in().next()?);
    let manner = Manner::of(first)?;
    let of_one_kind = beyond().all(|one| Manner::of(one) == Some(manner))
        // Who rejects what is too much leaves no SYN unanswered.
        && (manner == Manner::Silence || handshakes.iter().all(|one| one.again.is_empty()));
    let (count, all) = (beyond().count(), handshakes.len());
    if !of_one_kind
        || count < KIND
        || let_in().count() < KIND
        || fit.returns < RETURNS
        || !fit.is_limit()
        || lost * 5.0 > count as f64 / all as f64
    {
        return None;
    }
    let death = match first.fate {
        Fate::Rejected { at, .. } => at,
        Fate::Answered { .. } | Fate::Silent { .. } => first.last_syn(),
    };
    let server = address(server);
    let (at_once, seconds) = fit.best;
    let again = let_in()
        .map(|one| one.last_syn())
        .find(|syn| syn.time > death.time);
    let mut claim = Claim::new(
        Code::TcpRateLimited,
        At::of(Where::Network),
        death,
        0.9,
        format!(
            "New connections of {client} to {server} are limited: {count} of {all} came faster than about {} and were {}, slower ones get in.",
            pace(at_once, seconds),
            manner.words(),
        ),
    )
    .shown_by(format!(
        "the {} SYN of its kind is {}: a connection too many in too short a time",
        if count == 1 { "only" } else { "first" },
        manner.words()
    ))
    .because(
        alive.syn,
        format!("a SYN from port {} is answered", alive.port),
    )
    .advise("Open fewer connections at once and reuse them; ask the server's operator or the firewall's for the limit (nft limit, hashlimit, recent, max-src-conn-rate)")
    .advise("mxray probe --intensive climbs a ladder of rates and says behind which hop the SYNs end")
    .or(
        Code::TcpListenOverflow,
        0.05,
        "nstat on the server: ListenOverflows that grow meanwhile speak for its queue",
    );
    if let Some(again) = again {
        claim = claim.because(again, "after a pause a SYN is answered again");
    }
    Some(claim)
}

/// How many at once and how soon one more.
fn pace(at_once: u32, seconds: f64) -> String {
    let every = if seconds >= 1.5 {
        format!("one in {seconds:.0} s")
    } else {
        format!("{:.1} in a second", 1.0 / seconds)
    };
    if at_once > 1 {
        format!("{at_once} at once and {every}")
    } else {
        every
    }
}

#[cfg(test)]
mod tests {
    use super::weigh;
    use crate::base::{Few, FrameRef, Mark, Nanos, SECOND, SourceId, Timestamp};
    use crate::diagnosis::handshake::{Fate, Handshake};
    use crate::diagnosis::principles::Explanations;
    use crate::diagnosis::{Code, judge_handshakes};
    use crate::flow::Endpoint;
    use std::net::IpAddr;

    const MS: Nanos = SECOND / 1_000;

    fn mark(at: Nanos) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), at.unsigned_abs() / 1_000 + 1),
            time: Timestamp(at),
        }
    }

    /// Who lets a SYN in, by its time, the port and the connections before it.
    type Door<'a> = &'a mut dyn FnMut(Nanos, u16, &[Handshake]) -> bool;

    /// Connections at those times, served after `greets` and closed after `lasts`; SYNs again after 1, 2 and 3 s.
    fn knock(at: &[Nanos], (greets, lasts): (Nanos, Nanos), door: Door<'_>) -> Vec<Handshake> {
        // Every SYN in the order of time.
        let mut syns: Vec<(Nanos, usize)> = Vec::new();
        for (number, start) in at.iter().enumerate() {
            syns.extend((0..4).map(|again| (start + again * SECOND, number)));
        }
        syns.sort_unstable();
        let mut all: Vec<Handshake> = at
            .iter()
            .enumerate()
            .map(|(number, start)| Handshake {
                number: number as u64,
                port: 40_000 + number as u16,
                syn: mark(*start),
                tsval: None,
                again: Few::new(),
                fate: Fate::Silent { dropped: true },
            })
            .collect();
        for (time, number) in syns {
            if all[number].is_answered() {
                continue;
            }
            let known: Vec<Handshake> = all.clone();
            if time > all[number].syn.time.0 {
                all[number].again.push(mark(time));
            }
            if door(time, all[number].port, &known) {
                all[number].fate = Fate::Answered {
                    at: mark(time + 10 * MS),
                    greeted: Some(Timestamp(time + greets)),
                    over: Some(Timestamp(time + lasts)),
                };
            }
        }
        all
    }

    fn said(handshakes: &[Handshake], lost: f64) -> bool {
        let server = Endpoint {
            ip: IpAddr::from([192, 0, 2, 10]),
            port: 25,
        };
        let client = IpAddr::from([10, 0, 0, 5]);
        let fit = Explanations::of(handshakes);
        weigh(client, server, handshakes, &fit, lost).is_some()
    }

    /// Six at once, so many times, so far apart.
    fn bursts(times: i64, apart: Nanos) -> Vec<Nanos> {
        (0..times)
            .flat_map(|burst| (0..6).map(move |one| burst * apart + one * 5 * MS))
            .collect()
    }

    /// A bucket of tokens.
    fn bucket(most: f64, a_second: f64) -> impl FnMut(Nanos, u16, &[Handshake]) -> bool {
        let (mut tokens, mut last) = (most, 0);
        move |time, _, _| {
            tokens = (tokens + (time - last) as f64 / SECOND as f64 * a_second).min(most);
            last = time;
            let is_in = tokens >= 1.0;
            tokens -= f64::from(u8::from(is_in));
            is_in
        }
    }

    const QUICK: (Nanos, Nanos) = (15 * MS, 60 * MS);

    #[test]
    fn a_bucket_of_tokens_is_a_limit() {
        let found = knock(&bursts(3, 30 * SECOND), QUICK, &mut bucket(3.0, 0.1));
        assert!(said(&found, 0.0));
        // But not where all other segments are lost as well.
        assert!(!said(&found, 0.3));
        // One client, one connection after the other.
        let steady: Vec<Nanos> = (0..30).map(|one| one * 900 * MS).collect();
        assert!(said(&knock(&steady, QUICK, &mut bucket(4.0, 0.15)), 0.0));
    }

    #[test]
    fn once_is_an_outage() {
        let found = knock(&bursts(1, 0), QUICK, &mut bucket(3.0, 0.01));
        assert!(!said(&found, 0.0));
        // A server that is away for a while, twice.
        let steady: Vec<Nanos> = (0..40).map(|one| one * 2 * SECOND).collect();
        let mut away = |time: Nanos, _: u16, _: &[Handshake]| {
            !(21 * SECOND..40 * SECOND).contains(&time)
                && !(61 * SECOND..70 * SECOND).contains(&time)
        };
        assert!(!said(&knock(&steady, QUICK, &mut away), 0.0));
    }

    /// Outages take all who come: neither a limit nor the ports decide.
    #[test]
    fn outages_that_come_again_are_neither_a_limit_nor_a_split() {
        let claimed = |handshakes: &[Handshake]| {
            let server = Endpoint {
                ip: IpAddr::from([192, 0, 2, 10]),
                port: 25,
            };
            let client = IpAddr::from([10, 0, 0, 5]);
            judge_handshakes(client, server, handshakes, 0.0).map(|claim| claim.code)
        };
        for step in [2, 5, 10, 30] {
            let steady: Vec<Nanos> = (0..60).map(|one| one * step * SECOND).collect();
            for (period, out) in [(6, 3), (8, 3), (10, 4), (12, 3), (20, 5)] {
                // A job that takes the service away for a while, by the clock.
                let (period, out) = (period * step * SECOND, (2 * out - 1) * step * SECOND / 2);
                let mut job =
                    |time: Nanos, _: u16, _: &[Handshake]| (time + 37 * SECOND) % period > out;
                let found = knock(&steady, QUICK, &mut job);
                assert_eq!(claimed(&found), None, "{step} {period} {out}");
            }
            // Now and then, for a while.
            let away = [(50, 62), (120, 190), (210, 240), (400, 470), (500, 530)];
            let mut flaps = |time: Nanos, _: u16, _: &[Handshake]| {
                let at = time / SECOND;
                !away.iter().any(|(from, to)| (*from..*to).contains(&at))
            };
            let found = knock(&steady, QUICK, &mut flaps);
            assert_eq!(claimed(&found), None, "{step}");
        }
        // Those who come together have fates of their own.
        let mut hash =
            |_: Nanos, port: u16, _: &[Handshake]| port.wrapping_mul(40_503) >> 14 & 1 == 0;
        let found = knock(&bursts(5, 30 * SECOND), QUICK, &mut hash);
        assert_eq!(claimed(&found), Some(Code::PathSplit));
    }

    #[test]
    fn chance_is_none() {
        // Numbers of a linear congruence: as good as chance, and the same each time.
        for seed in 0..40_u64 {
            let mut state = seed.wrapping_mul(77_777) + 1;
            let mut lossy = |_: Nanos, _: u16, _: &[Handshake]| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                state >> 33 & 1 == 0
            };
            assert!(
                !said(&knock(&bursts(6, 30 * SECOND), QUICK, &mut lossy), 0.0),
                "{seed}"
            );
        }
    }

    #[test]
    fn a_number_of_open_ones_is_none() {
        let mut crowd = |time: Nanos, _: u16, known: &[Handshake]| {
            let open = known.iter().filter(
                |one| matches!(one.fate, Fate::Answered { over: Some(over), .. } if over.0 > time),
            );
            open.count() < 3
        };
        let found = knock(&bursts(6, 30 * SECOND), (15 * MS, 8 * SECOND), &mut crowd);
        assert!(!said(&found, 0.0));
    }

    #[test]
    fn a_full_queue_is_none() {
        // A server that greets nobody for 3 s, and holds three meanwhile.
        let mut queue = |time: Nanos, _: u16, known: &[Handshake]| {
            let waits = known.iter().filter(|one| {
                matches!(one.fate, Fate::Answered { greeted: Some(greeted), .. } if greeted.0 > time)
            });
            waits.count() < 3
        };
        let found = knock(
            &bursts(6, 30 * SECOND),
            (5 * SECOND, 6 * SECOND),
            &mut queue,
        );
        assert!(!said(&found, 0.0));
    }

    #[test]
    fn a_split_path_is_none() {
        let mut hash =
            |_: Nanos, port: u16, _: &[Handshake]| port.wrapping_mul(40_503) >> 14 & 1 == 0;
        assert!(!said(
            &knock(&bursts(6, 30 * SECOND), QUICK, &mut hash),
            0.0
        ));
        let steady: Vec<Nanos> = (0..30).map(|one| one * 4_500 * MS).collect();
        assert!(!said(&knock(&steady, QUICK, &mut hash), 0.0));
    }
}
