//! Which connections of a client to a port of a server opened and which did not: the evidence of `path.split` and
//! `tcp.rate-limited`.
//!
//! Connections are judged one by one; that they share a fate shows only beside each other. Kept until their world ends. Bounded:
//! pairs that were not touched for longest are forgotten; of one pair only the latest count until one fails to open, and then only
//! the first.

mod kept;

use std::net::IpAddr;

use self::kept::Kept;
use crate::base::{PackedNumber, Remembered, Side, Solo};
use crate::diagnosis::principles::{clock_holds, in_order};
use crate::diagnosis::{Claim, Handshake, judge_handshakes};
use crate::flow::{Endpoint, TcpFacts};

/// Pairs of client and server that are remembered at the least.
const PAIRS: usize = 7_168;
/// Connections kept of one pair, and of those that all opened.
const KEPT: usize = 128;
const CALM: usize = 32;

#[derive(Debug, Default)]
struct Fork {
    kept: Solo<Kept, KEPT>,
    /// The client's segments after its SYNs.
    segments: u64,
    /// Those of them that were sent again: six bytes count more than there are numbers of frames.
    lost: PackedNumber<6>,
    /// One did not open at its first SYN.
    uneasy: bool,
    /// What was captured may not be all, or not in its time.
    unsure: bool,
}

impl Fork {
    fn take(&mut self, handshake: Handshake) {
        self.uneasy |= !handshake.is_answered_at_once();
        if !self.uneasy && self.kept.len() >= 2 * CALM {
            self.kept.remove_first(CALM);
        }
        self.kept.push(Kept::from(handshake));
    }

    fn lose(&mut self, count: u32) {
        let lost = self.lost.get().saturating_add(u64::from(count));
        self.lost = PackedNumber::of(lost).unwrap_or(self.lost);
    }
}

/// What the connections of a client to a port of a server prove together.
#[derive(Debug)]
pub struct Forked {
    /// Which client and server.
    pub client: IpAddr,
    /// The port.
    pub server: Endpoint,
    /// What it is.
    pub claim: Claim,
    /// The numbers of those that did not open.
    pub explains: Vec<u64>,
}

/// All pairs.
#[derive(Debug)]
pub struct Forks(Remembered<(IpAddr, Endpoint), Fork>);

impl Default for Forks {
    fn default() -> Forks {
        Forks(Remembered::new(PAIRS))
    }
}

impl Forks {
    /// A connection was judged. `handshake` is `None` where it was not seen; `lossy`: the capture lost frames meanwhile.
    pub fn judged(
        &mut self,
        (client, server): (IpAddr, Endpoint),
        tcp: &TcpFacts,
        handshake: Option<Handshake>,
        lossy: bool,
    ) {
        if tcp.syns.count == 0 {
            return;
        }
        let fork = self.0.entry((client, server), Fork::default);
        fork.unsure |= lossy || !clock_holds(tcp) || !in_order(tcp);
        let sent = &tcp.sides[Side::Client];
        fork.segments += sent.segments.saturating_sub(u64::from(tcp.syns.count));
        fork.lose(sent.retransmitted);
        match handshake {
            Some(handshake) => fork.take(handshake),
            None => fork.unsure |= tcp.established.is_some(),
        }
    }

    /// What all of it proves, in the order of the frames; nothing is known afterwards.
    pub fn weigh(&mut self) -> Vec<Forked> {
        let mut all: Vec<Forked> = self
            .0
            .drain()
            .filter(|(_, fork)| fork.uneasy && !fork.unsure)
            .filter_map(|((client, server), fork)| {
                let mut handshakes: Vec<Handshake> =
                    fork.kept.iter().filter_map(Kept::whole).collect();
                handshakes.sort_by_key(|one| (one.syn.time, one.syn.frame));
                let lost = fork.lost.get() as f64 / fork.segments.max(1) as f64;
                let claim = judge_handshakes(client, server, &handshakes, lost)?;
                let closed = handshakes.iter().filter(|one| !one.is_answered());
                Some(Forked {
                    client,
                    server,
                    claim,
                    explains: closed.map(|one| one.number).collect(),
                })
            })
            .collect();
        all.sort_by_key(|forked| forked.claim.since);
        all
    }
}
