//! What connections say about each other: who answers where, from how far, with which options.
//!
//! Everything is bounded; beyond a bound nothing new is remembered, and that is counted.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::base::{Mark, Nanos, SECOND, Side, Timestamp};
use crate::diagnosis::Context;
use crate::flow::{Endpoint, FlowKey, HopCount, SynOptions, TcpFacts, Witness};

const REMEMBERED: usize = 65_536;
const PORTS: usize = 16;

type Fast = foldhash::fast::RandomState;

#[derive(Clone, Copy, Debug)]
struct Port {
    port: u16,
    answered: Mark,
    options: SynOptions,
    starttls: Option<Mark>,
}

#[derive(Debug, Default)]
struct Server {
    ports: Vec<Port>,
    hops: Option<HopCount>,
    syn_hops: Option<HopCount>,
}

#[derive(Debug, Default)]
struct Pair {
    lone: Option<(u32, Mark, Mark)>,
    answered: bool,
    last_success: Option<Mark>,
    bare_handshakes: u32,
}

/// Stretches of lost frames that are told apart; beyond it all of time counts as one.
const LOSSES: usize = 1_024;
/// What was lost this long after the last frame of a connection may have been its answer.
const AFTER: Nanos = 60 * SECOND;

/// When frames were lost before they were captured. A whole file says only that it happened; a live capture and the drop
/// counts of packets say when, and then only what was silent at that time is in doubt.
#[derive(Debug, Default)]
pub struct Drops {
    some_time: bool,
    stretches: Vec<(Timestamp, Timestamp)>,
}

impl Drops {
    /// Frames were lost, nobody knows when.
    pub fn some_time(&mut self) {
        self.some_time = true;
    }

    /// Frames were lost after `from` and before `to`.
    pub fn between(&mut self, from: Timestamp, to: Timestamp) {
        if let Some((_, end)) = self.stretches.last_mut()
            && from <= *end
        {
            *end = to.max(*end);
        } else if self.stretches.len() < LOSSES {
            self.stretches.push((from, to));
        } else {
            self.some_time = true;
        }
    }

    /// Whether an answer may be among the lost, to something that went on from `first` to `last`.
    pub fn during(&self, first: Timestamp, last: Timestamp) -> bool {
        let until = last.plus(AFTER);
        let hit = |(from, to): &(Timestamp, Timestamp)| *from <= until && *to >= first;
        self.some_time || self.stretches.iter().rev().any(hit)
    }
}

/// Everything that outlives a connection.
#[derive(Debug, Default)]
pub struct Knowledge {
    servers: HashMap<IpAddr, Server, Fast>,
    pairs: HashMap<(IpAddr, Endpoint), Pair, Fast>,
    idle_deaths: HashMap<Endpoint, Vec<Nanos>, Fast>,
    /// What came back to whom.
    pub witness: Witness,
    /// When the capture lost frames.
    pub drops: Drops,
    /// A bound was hit.
    pub full: bool,
}

impl Knowledge {
    /// A SYN-ACK was seen, of any service.
    pub fn answered(&mut self, server: Endpoint, mark: Mark, options: SynOptions, ttl: u8) {
        let Some(known) = entry(&mut self.servers, server.ip, &mut self.full) else {
            return;
        };
        known.syn_hops = Some(HopCount::of(ttl));
        if let Some(port) = known
            .ports
            .iter_mut()
            .find(|known| known.port == server.port)
        {
            port.answered = mark;
        } else if known.ports.len() < PORTS {
            known.ports.push(Port {
                port: server.port,
                answered: mark,
                options,
                starttls: None,
            });
        }
    }

    /// A connection ended, or is looked at: what it teaches about its ends.
    pub fn learn(&mut self, key: &FlowKey, tcp: &TcpFacts, starttls: Option<Mark>) {
        let server = key.server;
        if let Some(known) = entry(&mut self.servers, server.ip, &mut self.full) {
            if let Some(hops) = tcp.sides[Side::Server].hops {
                known.hops = Some(hops);
            }
            if let Some(port) = known
                .ports
                .iter_mut()
                .find(|known| known.port == server.port)
            {
                port.starttls = port.starttls.or(starttls);
            }
        }
        let two_way = tcp.sides[Side::Client].segments > 0 && tcp.sides[Side::Server].segments > 0;
        let silent = tcp.sides[Side::Server].segments == 0
            && tcp.syns.count > 0
            && tcp.sides[Side::Client].data_segments == 0;
        if !silent {
            self.witness.flow(key.client.ip, two_way);
        }
        let Some(pair) = entry(&mut self.pairs, (key.client.ip, server), &mut self.full) else {
            return;
        };
        // Only SYNs that were given up before they were sent often enough to speak for themselves.
        if silent && tcp.icmp_count == 0 && tcp.syns.count < 3 {
            if let (Some(first), Some(last)) =
                (tcp.syns.seen.first().map(|syn| syn.at), tcp.syns.last)
            {
                pair.lone = Some(match pair.lone {
                    None => (1, first, last),
                    Some((count, before, after)) => (
                        count.saturating_add(1),
                        if first.time < before.time {
                            first
                        } else {
                            before
                        },
                        if last.time > after.time { last } else { after },
                    ),
                });
            }
        } else if !silent {
            pair.answered = true;
        }
        let finished = tcp.established.is_some() && tcp.sides[Side::Server].data_segments > 0;
        if finished {
            pair.last_success = Some(tcp.first);
        }
    }

    /// A bare TLS handshake of that client.
    pub fn bare_handshake(&mut self, key: &FlowKey) {
        if let Some(pair) = entry(&mut self.pairs, (key.client.ip, key.server), &mut self.full) {
            pair.bare_handshakes = pair.bare_handshakes.saturating_add(1);
        }
    }

    /// A connection to that server died after that silence.
    pub fn idle_death(&mut self, server: Endpoint, idle: Nanos) {
        if let Some(list) = entry(&mut self.idle_deaths, server, &mut self.full)
            && list.len() < PORTS
        {
            list.push(idle);
        }
    }

    /// What all this says to one connection.
    pub fn context(&self, key: &FlowKey, tcp: &TcpFacts, one_way_source: bool) -> Context {
        let server = self.servers.get(&key.server.ip);
        let pair = self.pairs.get(&(key.client.ip, key.server));
        let at = tcp.syns.last.map_or(tcp.last.time, |mark| mark.time);
        let own = server.and_then(|server| {
            server
                .ports
                .iter()
                .find(|port| port.port == key.server.port)
        });
        let other = server.and_then(|server| {
            server
                .ports
                .iter()
                .find(|port| port.port != key.server.port)
        });
        let near = |mark: Mark| mark.time.since(at).abs() <= 60 * SECOND;
        let own_answer = tcp.syn_acks.seen.first().map(|syn_ack| syn_ack.at);
        let idle = tcp.idle.first().map(|gap| gap.length);
        let same_idle = idle
            .and_then(|idle| Some((idle, self.idle_deaths.get(&key.server)?)))
            .map_or(0, |(idle, list)| {
                list.iter()
                    .filter(|other| (**other - idle).abs() <= idle / 10)
                    .count()
            });
        Context {
            answered_near: self.witness.answered_near(key.client.ip, at, 60 * SECOND),
            one_way: one_way_source || self.witness.one_way(key.client.ip),
            capture_drops: self.drops.during(tcp.first.time, tcp.last.time),
            port_served: own
                .map(|port| port.answered)
                .filter(|mark| Some(*mark) != own_answer && near(*mark)),
            host_answers: other
                .filter(|port| near(port.answered))
                .map(|port| (port.port, port.answered)),
            server_hops: server.and_then(|server| server.hops.or(server.syn_hops)),
            server_name: None,
            lone_syns: pair
                .filter(|pair| !pair.answered)
                .and_then(|pair| pair.lone),
            options_elsewhere: other
                .filter(|port| port.options.window_scale.is_some())
                .map(|port| (port.port, port.answered)),
            retry_worked: pair.and_then(|pair| pair.last_success).filter(|mark| {
                mark.time > tcp.last.time || mark.time > at && mark.frame != tcp.first.frame
            }),
            same_idle: u32::try_from(same_idle.saturating_sub(1)).unwrap_or(0),
            starttls_elsewhere: server
                .and_then(|server| server.ports.iter().find_map(|port| port.starttls)),
            bare_handshakes: pair.map_or(0, |pair| pair.bare_handshakes),
            ..Context::default()
        }
    }
}

fn entry<'a, K: std::hash::Hash + Eq, V: Default>(
    map: &'a mut HashMap<K, V, Fast>,
    key: K,
    full: &mut bool,
) -> Option<&'a mut V> {
    if map.len() >= REMEMBERED && !map.contains_key(&key) {
        *full = true;
        return None;
    }
    Some(map.entry(key).or_default())
}
