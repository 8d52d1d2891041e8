//! `path.split` as captures show it: of many connections of one client to one port of one server some are answered at their first
//! SYN and the others never, however often their SYN is sent, and the two kinds take turns.
//!
//! A hash over the 5-tuple sends every packet of a connection the same way (RFC 2992), so with one dead way a connection is
//! wholly alive or wholly dead. Chance lost SYNs fall on all alike: some connection would be answered on its second or third
//! SYN. The claim is made only where that is a thousand times likelier than losses by chance, and the dead ones lie between
//! living ones at least three times, so that it is no outage of a while. It never names the hash or the hop: that takes a
//! probe. The connections keep their `tcp.dropped`.

use crate::base::{Mark, Timestamp};
use crate::diagnosis::{At, Claim, Code, Where};
use crate::flow::Endpoint;
use std::net::IpAddr;

/// A connection of which no SYN was answered.
#[derive(Clone, Copy, Debug)]
pub struct Dead {
    /// The client's port.
    pub port: u16,
    /// Its first SYN and its last.
    pub syns: (Mark, Mark),
    /// How many.
    pub sent: u32,
}

/// A connection that was answered at its first SYN.
#[derive(Clone, Copy, Debug)]
pub struct Living {
    /// The client's port.
    pub port: u16,
    /// Its SYN.
    pub syn: Mark,
}

/// Connections of a kind at the least.
const KIND: usize = 3;
/// The natural logarithm of 1,000: how much likelier a split has to be than losses by chance.
const LIKELIER: f64 = 6.908;

/// What the connections between two ends prove together. `late`: some were answered at a later SYN only.
pub fn weigh(
    client: IpAddr,
    server: Endpoint,
    dead: &[Dead],
    living: &[Living],
    late: bool,
) -> Option<Claim> {
    if late || dead.len() < KIND || living.len() < KIND {
        return None;
    }
    if turns(dead, living) < KIND || advantage(dead, living.len()) < LIKELIER {
        return None;
    }
    let (first, alive) = (dead.first()?, living.first()?);
    let sent: u32 = dead.iter().map(|one| one.sent).sum();
    let ports: Vec<String> = dead
        .iter()
        .take(8)
        .map(|one| one.port.to_string())
        .collect();
    Some(
        Claim::new(
            Code::PathSplit,
            At::of(Where::Network),
            first.syns.1,
            0.85,
            format!(
                "{} of {} connections of {client} to {} are dead from their first SYN on, the others answer at once: one of several paths or back ends is dead.",
                dead.len(),
                dead.len().saturating_add(living.len()),
                text(server),
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
            text(server),
            alive.port
        ))
        .advise("Load balancer: check each back end from the balancer itself")
        .or(
            Code::TcpDropped,
            0.1,
            "mxray probe: the same 5-tuple again and again, always dead or not",
        ),
    )
}

fn text(server: Endpoint) -> std::net::SocketAddr {
    std::net::SocketAddr::new(server.ip, server.port)
}

/// How often dead ones begin behind a living one.
fn turns(dead: &[Dead], living: &[Living]) -> usize {
    let mut all: Vec<(Timestamp, bool)> = dead
        .iter()
        .map(|one| (one.syns.0.time, true))
        .chain(living.iter().map(|one| (one.syn.time, false)))
        .collect();
    all.sort_unstable();
    let before = std::iter::once(false).chain(all.iter().map(|(_, dead)| *dead));
    all.iter()
        .zip(before)
        .filter(|((_, dead), before)| *dead && !before)
        .count()
}

/// The logarithm of how much likelier the counts are if each connection has a fate than if each SYN has, with the best share for both.
fn advantage(dead: &[Dead], living: usize) -> f64 {
    let (d, n) = (dead.len() as f64, living as f64);
    let lost: f64 = dead.iter().map(|one| f64::from(one.sent)).sum();
    let likelihood = |bad: f64, good: f64| {
        let share = bad / (bad + good);
        bad * share.ln() + good * (1.0 - share).ln()
    };
    likelihood(d, n) - likelihood(lost, n)
}

#[cfg(test)]
mod tests {
    use super::{Dead, Living, weigh};
    use crate::base::{FrameRef, Mark, SECOND, SourceId, Timestamp};
    use crate::flow::Endpoint;
    use std::net::IpAddr;

    fn mark(second: i64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), second.unsigned_abs()),
            time: Timestamp(second * SECOND),
        }
    }

    /// One connection a second, dead where the pattern says so.
    fn said(pattern: &str, sent: u32, late: bool) -> bool {
        let (mut dead, mut living) = (Vec::new(), Vec::new());
        for (at, fate) in (1_i64..).zip(pattern.chars()) {
            let port = 40_000 + at as u16;
            if fate == 'x' {
                let syns = (mark(at), mark(at + i64::from(sent)));
                dead.push(Dead { port, syns, sent });
            } else {
                living.push(Living {
                    port,
                    syn: mark(at),
                });
            }
        }
        let client = IpAddr::from([10, 0, 0, 5]);
        let server = Endpoint {
            ip: IpAddr::from([192, 0, 2, 10]),
            port: 25,
        };
        weigh(client, server, &dead, &living, late).is_some()
    }

    #[test]
    fn many_that_take_turns_are_a_split() {
        assert!(said("xox.o.oxooxox".replace('.', "o").as_str(), 6, false));
        assert!(said("oxoxoxoxoxoxox", 4, false));
    }

    #[test]
    fn few_of_them_an_outage_and_chance_are_not() {
        // Too few to tell.
        assert!(!said("oxoxox", 4, false));
        assert!(!said("oxox", 7, false));
        // An outage of a while.
        assert!(!said("ooooooxxxxoooooo", 6, false));
        // One SYN each: chance does that, too.
        assert!(!said("oxoxoxoxoxoxox", 1, false));
        // Some were answered at a later SYN: loss by chance.
        assert!(!said("oxoxoxoxoxoxox", 4, true));
    }
}
