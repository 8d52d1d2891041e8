//! Which connections of a client to a port of a server opened and which did not: the evidence of `path.split`.
//!
//! Connections are judged one by one; that they share a fate by their ports shows only beside each other. Kept until their world
//! ends. Bounded: pairs that were not touched for longest are forgotten, and of one pair only the first connections count.

use std::net::IpAddr;

use crate::base::{Few, Remembered};
use crate::diagnosis::{Claim, Code, Dead, Living, judge_split};
use crate::flow::{Endpoint, FlowKey, TcpFacts};

/// Pairs of client and server that are remembered at the least.
const PAIRS: usize = 7_168;
/// Connections of each kind kept of one pair.
const KEPT: usize = 64;

#[derive(Debug, Default)]
struct Fork {
    dead: Few<Dead, KEPT>,
    living: Few<Living, KEPT>,
    late: bool,
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
    /// A connection was judged.
    pub fn judged(&mut self, key: &FlowKey, tcp: &TcpFacts, code: Code) {
        let Some((syn, last)) = tcp.syns.seen.first().zip(tcp.syns.last) else {
            return;
        };
        let fork = self.0.entry((key.client.ip, key.server), Fork::default);
        let port = key.client.port;
        match tcp.syn_acks.seen.first() {
            Some(_) if tcp.syns.count > 1 => fork.late = true,
            Some(_) => fork.living.push(Living { port, syn: syn.at }),
            None if code == Code::TcpDropped => fork.dead.push(Dead {
                port,
                syns: (syn.at, last),
                sent: tcp.syns.count,
            }),
            None => {}
        }
    }

    /// What all of it proves, in the order of the frames, with client and server; nothing is known afterwards.
    pub fn splits(&mut self) -> Vec<(IpAddr, Endpoint, Claim)> {
        let mut claims: Vec<(IpAddr, Endpoint, Claim)> = self
            .0
            .drain()
            .filter_map(|((client, server), fork)| {
                let claim = judge_split(client, server, &fork.dead, &fork.living, fork.late)?;
                Some((client, server, claim))
            })
            .collect();
        claims.sort_by_key(|(_, _, claim)| claim.since);
        claims
    }
}
