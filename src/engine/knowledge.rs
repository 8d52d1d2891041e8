//! What connections say about each other: who answers where, from how far, with which options.
//!
//! Everything is bounded; beyond a bound what was not touched for longest is forgotten.

use std::net::IpAddr;

use super::admissions::{Admissions, Guest};
use crate::base::{Few, Mark, Nanos, Rare, Remembered, SECOND, Side, Solo, Timestamp};
use crate::diagnosis::Context;
use crate::flow::lookup::LookupFacts;
use crate::flow::{Endpoint, Extra, FlowKey, HopCount, Opening, SynOptions, TcpFacts, Witness};
use crate::wire::CutQuote;

/// Pairs of client and server, and servers, that are remembered at the least: what fills hash tables of 65,536 and 131,072 places.
/// What a server answered others must still be known when a SYN to it has been silent for three minutes.
const PAIRS: usize = 57_344;
const SERVERS: usize = 114_688;
const PORTS: usize = 16;
/// ICMP errors with cut quotes of each client.
const QUOTES: usize = 64;
/// An error about a SYN comes within this time: a router asks for a neighbour for some 3 s (RFC 1122 2.3.2.1, RFC 4861 7.2.2).
const REFUSED: Nanos = 10 * SECOND;

#[derive(Debug)]
struct Port {
    port: u16,
    answered: Mark,
    options: SynOptions,
    starttls: Option<Mark>,
    /// That it answered was never seen: its clients went on as they do after an answer.
    unseen: bool,
    /// A connection to it has ended.
    known: bool,
    /// Of a server that the capture is beside, from the second such connection on.
    admissions: Rare<Admissions>,
}

#[derive(Debug, Default)]
struct Server {
    ports: Solo<Port, PORTS>,
    hops: Option<HopCount>,
    syn_hops: Option<HopCount>,
}

#[derive(Debug, Default)]
struct Pair {
    /// Boxed, because few have it.
    lone: Option<Box<(u32, Mark, Mark)>>,
    answered: bool,
    /// Of its SYNs that were answered.
    extras: Few<Extra, 3>,
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

/// What shows that the server let the client in, where its SYN-ACK was not captured: it speaks, or the client acknowledges what it
/// said (RFC 9293 3.5).
fn served_unseen(tcp: &TcpFacts) -> Option<Mark> {
    let server = &tcp.sides[Side::Server];
    let spoke = server.first.filter(|_| server.hops.is_some());
    match tcp.opening {
        Opening::SynAck => None,
        Opening::Syn if tcp.syn_acks.count > 0 => None,
        Opening::Syn => tcp.established.or(spoke),
        Opening::Midstream => spoke,
    }
}

/// Everything that outlives a connection.
#[derive(Debug)]
pub struct Knowledge {
    servers: Remembered<IpAddr, Server>,
    pairs: Remembered<(IpAddr, Endpoint), Pair>,
    idle_deaths: Remembered<Endpoint, Few<Nanos, PORTS>>,
    /// ICMP errors to each client whose quotes are cut.
    cut_quotes: Remembered<IpAddr, Few<(Mark, CutQuote), QUOTES>>,
    /// Those that are surely about datagrams of UDP: apart, so that neither kind hides the other.
    cut_datagrams: Remembered<IpAddr, Few<(Mark, CutQuote), QUOTES>>,
    /// What came back to whom.
    pub witness: Witness,
    /// When the capture lost frames.
    pub drops: Drops,
}

impl Default for Knowledge {
    fn default() -> Knowledge {
        Knowledge {
            servers: Remembered::new(SERVERS),
            pairs: Remembered::new(PAIRS),
            idle_deaths: Remembered::new(SERVERS),
            cut_quotes: Remembered::new(SERVERS / 16),
            cut_datagrams: Remembered::new(SERVERS / 16),
            witness: Witness::default(),
            drops: Drops::default(),
        }
    }
}

impl Knowledge {
    /// A SYN-ACK was seen, of any service.
    pub fn answered(&mut self, server: Endpoint, mark: Mark, options: SynOptions, ttl: u8) {
        let known = self.servers.entry(server.ip, Server::default);
        let hops = HopCount::of(ttl);
        known.syn_hops = Some(hops);
        if let Some(port) = known
            .ports
            .iter_mut()
            .find(|known| known.port == server.port)
        {
            port.answered = mark;
            if std::mem::take(&mut port.unseen) {
                port.options = options;
            }
        } else {
            let _ = known.ports.try_push(Port {
                port: server.port,
                answered: mark,
                options,
                starttls: None,
                unseen: false,
                known: false,
                admissions: Rare::default(),
            });
        }
    }

    /// A connection ended, or is looked at: what it teaches about its ends.
    pub fn learn(&mut self, key: &FlowKey, tcp: &TcpFacts, starttls: Option<Mark>) {
        let server = key.server;
        let known = self.servers.entry(server.ip, Server::default);
        if let Some(hops) = tcp.sides[Side::Server].hops {
            known.hops = Some(hops);
        }
        if let Some(port) = known
            .ports
            .iter_mut()
            .find(|known| known.port == server.port)
        {
            port.starttls = port.starttls.or(starttls);
            let beside = known.syn_hops.is_some_and(|hops| hops.hops == 0);
            let guest = Guest::of(key.client.ip);
            match (tcp.syns.count, tcp.syns.last, tcp.syn_acks.seen.first()) {
                (2.., Some(last), _) if beside => port.admissions.ignored(guest, last.time),
                (1, _, Some(answer)) if beside && port.known => {
                    port.admissions.answered(guest, answer.at);
                }
                _ => {}
            }
            port.known = true;
            if port.unseen {
                port.answered = served_unseen(tcp).unwrap_or(port.answered);
            }
        } else if let Some(answered) = served_unseen(tcp) {
            // Its SYN-ACK came before the capture began, or was not captured: the port is served all the same.
            let _ = known.ports.try_push(Port {
                port: server.port,
                answered,
                options: SynOptions::default(),
                starttls,
                unseen: tcp.opening == Opening::Syn,
                known: true,
                admissions: Rare::default(),
            });
        }
        let two_way = tcp.sides[Side::Client].segments > 0 && tcp.sides[Side::Server].segments > 0;
        let silent = tcp.sides[Side::Server].segments == 0
            && tcp.syns.count > 0
            && tcp.sides[Side::Client].data_segments == 0;
        if !silent {
            self.witness.flow(key.client.ip, two_way);
        }
        let pair = self.pairs.entry((key.client.ip, server), Pair::default);
        // Only SYNs that were given up before they were sent often enough to speak for themselves.
        if silent && tcp.icmp_count == 0 && tcp.syns.count < 3 {
            if let (Some(first), Some(last)) =
                (tcp.syns.seen.first().map(|syn| syn.at), tcp.syns.last)
            {
                let lone = pair.lone.get_or_insert_with(|| Box::new((0, first, last)));
                let (count, before, after) = lone.as_mut();
                *count = count.saturating_add(1);
                if first.time < before.time {
                    *before = first;
                }
                if last.time > after.time {
                    *after = last;
                }
            }
        } else if !silent {
            pair.answered = true;
        }
        if let Some(extra) = Extra::answered(tcp).filter(|extra| !pair.extras.contains(extra)) {
            let _ = pair.extras.try_push(extra);
        }
        let finished = tcp.established.is_some() && tcp.sides[Side::Server].data_segments > 0;
        if finished {
            pair.last_success = Some(tcp.first);
        }
    }

    /// A bare TLS handshake of that client.
    pub fn bare_handshake(&mut self, key: &FlowKey) {
        let pair = self.pairs.entry((key.client.ip, key.server), Pair::default);
        pair.bare_handshakes = pair.bare_handshakes.saturating_add(1);
    }

    /// A connection to that server died after that silence.
    pub fn idle_death(&mut self, server: Endpoint, idle: Nanos) {
        let _ = self.idle_deaths.entry(server, Few::new).try_push(idle);
    }

    /// An ICMP error to that client, whose quote is cut before the ports.
    pub fn cut_quote(&mut self, mark: Mark, client: IpAddr, cut: CutQuote) {
        let quotes = if cut.is_udp() {
            &mut self.cut_datagrams
        } else {
            &mut self.cut_quotes
        };
        let known = quotes.entry(client, Few::new);
        known.push_last((mark, cut));
    }

    /// Where an ICMP error came that may be about a SYN of that connection.
    fn refused_cut(&self, key: &FlowKey, tcp: &TcpFacts) -> Option<Mark> {
        let first = tcp
            .syns
            .seen
            .first()
            .filter(|_| tcp.syn_acks.count == 0)?
            .at;
        let until = tcp.syns.last?.time.plus(REFUSED);
        let mut known = self.cut_quotes.get(&key.client.ip)?.iter();
        let fits = |(mark, cut): &&(Mark, CutQuote)| {
            mark.time >= first.time && mark.time <= until && cut.may_be_to(6, key.server.ip)
        };
        known.find(fits).map(|(mark, _)| *mark)
    }

    /// Where an ICMP error came that may be about a query of that look-up.
    pub fn query_refused_cut(&self, facts: &LookupFacts) -> Option<Mark> {
        let until = facts.last_query?.time.plus(REFUSED);
        let quotes = [&self.cut_datagrams, &self.cut_quotes];
        let mut known = quotes
            .into_iter()
            .filter_map(|quotes| quotes.get(&facts.client))
            .flatten();
        let fits = |(mark, cut): &&(Mark, CutQuote)| {
            mark.time >= facts.first.time && mark.time <= until && cut.may_be_to(17, facts.resolver)
        };
        known.find(fits).map(|(mark, _)| *mark)
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
        let asked = tcp.syns.seen.first().map(|syn| syn.at).zip(tcp.syns.last);
        let near = |mark: Mark| mark.time.since(at).abs() <= 60 * SECOND;
        let own_answer = tcp.syn_acks.seen.first().map(|syn_ack| syn_ack.at);
        let own_answer = own_answer.or_else(|| served_unseen(tcp));
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
            answers_unseen: own.is_some_and(|port| port.unseen && near(port.answered)),
            capture_drops: self.drops.during(tcp.first.time, tcp.last.time),
            port_served: own
                .map(|port| port.answered)
                .filter(|mark| Some(*mark) != own_answer && near(*mark)),
            others_let_in: own.zip(asked).and_then(|(port, (first, last))| {
                let client = Guest::of(key.client.ip);
                port.admissions.meanwhile(client, first, last)
            }),
            host_answers: other
                .filter(|port| near(port.answered))
                .map(|port| (port.port, port.answered)),
            server_hops: server.and_then(|server| server.hops.or(server.syn_hops)),
            server_name: None,
            lone_syns: pair
                .filter(|pair| !pair.answered)
                .and_then(|pair| pair.lone.as_deref().copied()),
            options_elsewhere: other
                .filter(|port| port.options.window_scale.is_some())
                .map(|port| (port.port, port.answered)),
            extras_answered: pair.map_or(Few::new(), |pair| pair.extras.clone()),
            retry_worked: pair.and_then(|pair| pair.last_success).filter(|mark| {
                mark.time > tcp.last.time || mark.time > at && mark.frame != tcp.first.frame
            }),
            same_idle: u32::try_from(same_idle.saturating_sub(1)).unwrap_or(0),
            // Another service of the host has settings of its own.
            starttls_elsewhere: own.and_then(|port| port.starttls),
            refused_cut: self.refused_cut(key, tcp),
            bare_handshakes: pair.map_or(0, |pair| pair.bare_handshakes),
            ..Context::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FrameRef, SourceId};

    fn mark(number: u64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), number),
            time: Timestamp(SECOND),
        }
    }

    fn key(port: u16) -> FlowKey {
        let end = |ip: [u8; 4], port| Endpoint {
            ip: IpAddr::from(ip),
            port,
        };
        FlowKey {
            client: end([10, 0, 0, 5], 40_000),
            server: end([192, 0, 2, 10], port),
            source: SourceId(0),
        }
    }

    #[test]
    fn starttls_of_another_service_is_no_offer_of_this_one() {
        let mut knowledge = Knowledge::default();
        let offered = key(143);
        for (key, at) in [(offered, 2), (key(25), 12)] {
            knowledge.answered(key.server, mark(at), SynOptions::default(), 60);
        }
        knowledge.learn(&offered, &TcpFacts::new(mark(1)), Some(mark(6)));
        let elsewhere = |port| {
            let context = knowledge.context(&key(port), &TcpFacts::new(mark(11)), false);
            context.starttls_elsewhere
        };
        assert_eq!(elsewhere(25), None);
        assert_eq!(elsewhere(143), Some(mark(6)));
    }
}
