//! `path.split` as captures show it: of many connections of one client to one port of one server some are answered at their first
//! SYN and the others never, however often their SYN is sent, and the two kinds take turns.
//!
//! A hash over the 5-tuple sends every packet of a connection the same way (RFC 2992), so with one dead way a connection is
//! wholly alive or wholly dead. Chance lost SYNs fall on all alike: some connection would be answered on its second or third
//! SYN. The claim is made only where that is a thousand times likelier than losses by chance, and the dead ones lie between
//! living ones at least three times, and outages, whenever they come, do not explain it as well. It never names the hash or the hop: that takes a
//! probe. The connections keep their `tcp.dropped`.

use super::address;
use crate::base::Timestamp;
use crate::diagnosis::handshake::{Fate, Handshake};
use crate::diagnosis::principles::{Explanations, LIKELIER, share};
use crate::diagnosis::{At, Claim, Code, Where};
use crate::flow::Endpoint;
use std::net::IpAddr;

/// Connections of a kind at the least.
const KIND: usize = 3;

/// What the connections between two ends prove together.
pub fn weigh(
    client: IpAddr,
    server: Endpoint,
    handshakes: &[Handshake],
    fit: &Explanations,
) -> Option<Claim> {
    // Answered at a later SYN: loss by chance, or a rate.
    if handshakes
        .iter()
        .any(|one| one.is_answered() && !one.is_answered_at_once())
    {
        return None;
    }
    let living: Vec<&Handshake> = handshakes.iter().filter(|one| one.is_answered()).collect();
    let dead: Vec<&Handshake> = handshakes.iter().filter(|one| is_dead(one)).collect();
    if dead.len() < KIND || living.len() < KIND {
        return None;
    }
    if older_by_clock(&dead, &living) {
        return None;
    }
    if turns(&dead, &living) < KIND || advantage(&dead, living.len()) < LIKELIER {
        return None;
    }
    // Who knocks once in a while may meet a limit just as well.
    let is_alone = fit.port - fit.limit >= LIKELIER;
    // An outage takes all who come while it lasts; the ports of those who come together have their own fates.
    if fit.limit > fit.port || fit.port - fit.outage() < LIKELIER {
        return None;
    }
    let (first, alive) = (dead.first()?, living.first()?);
    let sent: usize = dead.iter().map(|one| one.syns().count()).sum();
    let ports: Vec<String> = dead
        .iter()
        .take(8)
        .map(|one| one.port.to_string())
        .collect();
    let mut claim = Claim::new(
            Code::PathSplit,
            At::of(Where::Network),
            first.last_syn(),
            if is_alone { 0.85 } else { 0.6 },
            format!(
                "{} of {} connections of {client} to {} are dead from their first SYN on, the others answer at once: one of several paths or back ends is dead.",
                dead.len(),
                dead.len().saturating_add(living.len()),
                address(server),
            ),
        )
        .shown_by(format!(
            "none of {sent} SYNs from the ports {} is answered, every first one from other ports is",
            ports.join(", ")
        ))
        .because(
            alive.syn,
            format!("a SYN from port {} is answered at once", alive.port),
        )
        .advise(format!(
            "Give the operators of the path a dead 5-tuple ({client}:{} to {}) and a living one (port {}): their hash names the member",
            first.port,
            address(server),
            alive.port
        ))
        .advise("Load balancer: check each back end from the balancer itself")
        .or(
            Code::TcpDropped,
            0.1,
            "mxray probe: the same 5-tuple again and again, always dead or not",
        );
    if !is_alone {
        claim = claim.or(
            Code::TcpRateLimited,
            0.3,
            "connections one minute apart: a limit lets each of them in, a dead path does not",
        );
    }
    Some(claim)
}

fn is_dead(one: &Handshake) -> bool {
    one.fate == Fate::Silent { dropped: true }
}

/// How often dead ones begin behind a living one.
fn turns(dead: &[&Handshake], living: &[&Handshake]) -> usize {
    let mut all: Vec<(Timestamp, bool)> = dead
        .iter()
        .map(|one| (one.syn.time, true))
        .chain(living.iter().map(|one| (one.syn.time, false)))
        .collect();
    all.sort_unstable();
    let before = std::iter::once(false).chain(all.iter().map(|(_, dead)| *dead));
    all.iter()
        .zip(before)
        .filter(|((_, dead), before)| *dead && !before)
        .count()
}

/// Each dead one that came after a living one has an older TSval than that: several hosts share the address (NAT), and the server takes
/// the SYNs of those whose clocks are behind for old duplicates (RFC 7323 5, of one host for another). No path did it.
fn older_by_clock(dead: &[&Handshake], living: &[&Handshake]) -> bool {
    let mut judged = 0_usize;
    for one in dead {
        let before = living.iter().filter(|other| other.syn.is_before(one.syn));
        let Some(latest) = before.max_by_key(|other| other.syn.time) else {
            continue;
        };
        let (Some(own), Some(other)) = (one.tsval, latest.tsval) else {
            return false;
        };
        // Serial numbers (RFC 7323 5.2).
        if other.wrapping_sub(own).wrapping_sub(1) > i32::MAX.unsigned_abs() {
            return false;
        }
        judged = judged.saturating_add(1);
    }
    judged >= KIND
}

/// The logarithm of how much likelier the counts are if each connection has a fate than if each SYN has, with the best share for both.
fn advantage(dead: &[&Handshake], living: usize) -> f64 {
    let (d, n) = (dead.len() as f64, living as f64);
    let lost: usize = dead.iter().map(|one| one.syns().count()).sum();
    share(d, n) - share(lost as f64, n)
}

#[cfg(test)]
mod tests {
    use super::weigh;
    use crate::base::{Few, FrameRef, Mark, SECOND, SourceId, Timestamp};
    use crate::diagnosis::handshake::{Fate, Handshake};
    use crate::diagnosis::principles::Explanations;
    use crate::flow::Endpoint;
    use std::net::IpAddr;

    fn mark(second: i64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), second.unsigned_abs()),
            time: Timestamp(second * SECOND),
        }
    }

    /// How sure, of one connection in `every` seconds, dead (with so many SYNs) where the pattern says so, answered at the second SYN
    /// where it says `l`.
    fn said(pattern: &str, sent: i64, every: i64) -> Option<f32> {
        said_with(pattern, sent, every, |_, _| None)
    }

    /// Likewise, with the TSval of each, by second and whether it is dead.
    fn said_with(
        pattern: &str,
        sent: i64,
        every: i64,
        tsval: impl Fn(i64, bool) -> Option<u32>,
    ) -> Option<f32> {
        let handshakes: Vec<Handshake> = (1_i64..)
            .zip(pattern.chars())
            .map(|(count, fate)| {
                let at = count * every;
                let mut again = Few::new();
                let resent = match fate {
                    'x' => sent - 1,
                    'l' => 1,
                    _ => 0,
                };
                for more in 1..=resent {
                    again.push(mark(at + more));
                }
                let answered = Fate::Answered {
                    at: mark(at + resent),
                    greeted: Some(mark(at + resent).time),
                    over: Some(mark(at + resent).time),
                };
                Handshake {
                    number: count.unsigned_abs(),
                    port: 40_000 + count as u16,
                    syn: mark(at),
                    tsval: tsval(at, fate == 'x'),
                    again,
                    fate: match fate {
                        'x' => Fate::Silent { dropped: true },
                        _ => answered,
                    },
                }
            })
            .collect();
        let client = IpAddr::from([10, 0, 0, 5]);
        let server = Endpoint {
            ip: IpAddr::from([192, 0, 2, 10]),
            port: 25,
        };
        let fit = Explanations::of(&handshakes);
        weigh(client, server, &handshakes, &fit).map(|claim| claim.confidence)
    }

    #[test]
    fn many_that_take_turns_are_a_split() {
        assert_eq!(said("xoxooxooxoxooxxo", 6, 1), Some(0.85));
        assert_eq!(said("oxoxxoxoxooxoxox", 4, 1), Some(0.85));
    }

    #[test]
    fn those_whose_clock_is_behind_are_refused_by_the_server() {
        let pattern = "xoxooxooxoxooxxo";
        let clock = |at: i64, ahead: u32| ahead.wrapping_add(at.unsigned_abs() as u32 * 1000);
        // Two hosts behind one address.
        let two =
            |at: i64, dead: bool| Some(clock(at, if dead { 1_000_000 } else { 4_294_000_000 }));
        let far = |at: i64, dead: bool| Some(clock(at, if dead { 1_000 } else { 2_000_000_000 }));
        assert_eq!(said_with(pattern, 6, 1, far), None);
        assert_eq!(said_with(pattern, 6, 1, two), Some(0.85));
        // Near miss: one clock for all.
        let one = |at: i64, _: bool| Some(clock(at, 7));
        assert_eq!(said_with(pattern, 6, 1, one), Some(0.85));
    }

    #[test]
    fn what_a_limit_does_as_well_is_not_sure() {
        // Each dead one takes five seconds: the next one may be let in for its patience.
        let said = said("oxoxoxoxoxoxox", 4, 5);
        assert!(said.is_none_or(|sure| sure <= 0.6), "{said:?}");
    }

    #[test]
    fn few_of_them_an_outage_and_chance_are_not() {
        // Too few to tell.
        assert_eq!(said("oxoxox", 4, 1), None);
        assert_eq!(said("oxox", 7, 1), None);
        // An outage of a while.
        assert_eq!(said("ooooooxxxxoooooo", 6, 1), None);
        // One SYN each: chance does that, too.
        assert_eq!(said("oxoxoxoxoxoxox", 1, 1), None);
        // Some were answered at a later SYN: loss by chance.
        assert_eq!(said("lxoxoxoxoxoxox", 4, 1), None);
    }
}
