//! What connections say about each other: who answers where, from how far, with which options.
//!
//! Everything is bounded; beyond a bound what was not touched for longest is forgotten.

mod pair;
mod served;

use std::net::IpAddr;

use self::pair::Pair;
use self::served::{Port, Served, Server, Servers};
use super::admissions::Guest;
use crate::base::{Few, Mark, Nanos, Remembered, SECOND, Side, Timestamp};
use crate::diagnosis::Context;
use crate::flow::lookup::LookupFacts;
use crate::flow::{
    Endpoint, Extra, FlowKey, Opening, Reset, ResetTrigger, SynOptions, TcpFacts, Witness,
};
use crate::wire::CutQuote;

/// Pairs of client and server, and servers, that are remembered at the least: what fills hash tables of 65,536 and 131,072 places.
/// What a server answered others must still be known when a SYN to it has been silent for three minutes.
const PAIRS: usize = 57_344;
const SERVERS: usize = 114_688;
/// Silences after which connections to one server died.
const DEATHS: usize = 16;
/// ICMP errors with cut quotes of each client.
const QUOTES: usize = 64;
/// An error about a SYN comes within this time: a router asks for a neighbour for some 3 s (RFC 1122 2.3.2.1, RFC 4861 7.2.2).
const REFUSED: Nanos = 10 * SECOND;

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
    servers: Servers,
    pairs: Remembered<(IpAddr, Endpoint), Pair, pair::More>,
    idle_deaths: Remembered<Endpoint, Few<Nanos, DEATHS>>,
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
        let (known, mut more) = self.servers.entry_and_rest(server.ip, Server::default);
        known.syn_ttl = Some(ttl);
        let scaled = options.window_scale.is_some();
        if let Some(port) = known.port(&mut more, server.port) {
            port.set_answered(mark);
            port.ttl = Some(ttl);
            if std::mem::take(&mut port.unseen) {
                port.scaled = scaled;
            }
        } else {
            let mut port = Port::new(server.port, mark);
            port.ttl = Some(ttl);
            port.scaled = scaled;
            known.add(&mut more, port);
        }
    }

    /// A SYN to a port of that address was refused.
    pub fn refused(&mut self, server: IpAddr, ttl: u8) {
        self.servers.entry(server, Server::default).refuses(ttl);
    }

    /// A connection ended, or is looked at: what it teaches about its ends.
    pub fn learn(&mut self, key: &FlowKey, tcp: &TcpFacts, starttls: Option<Mark>) {
        let server = key.server;
        let (known, mut more) = self.servers.entry_and_rest(server.ip, Server::default);
        if let Some(hops) = tcp.sides[Side::Server].hops {
            known.ttl = Some(hops.ttl);
        }
        if let Some(made_here) = tcp.sides[Side::Server].made_here {
            known.lives(&mut more, key.client.ip, made_here);
        }
        let mut resets = tcp.resets.iter();
        let refusal =
            |reset: &&Reset| reset.side == Side::Server && reset.trigger == ResetTrigger::Syn;
        if let Some(reset) = resets.find(refusal) {
            known.refuses(reset.hops.ttl);
        }
        if let Some(port) = known.port(&mut more, server.port) {
            port.offers_starttls(starttls);
            let again = std::mem::replace(&mut port.known, true);
            if port.unseen
                && let Some(answered) = served_unseen(tcp)
            {
                port.set_answered(answered);
            }
            if known.is_beside() {
                let guest = Guest::of(key.client.ip);
                match (tcp.syns.count, tcp.syns.last, tcp.syn_acks.seen.first()) {
                    (2.., Some(last), _) if !tcp.syns.seek_path() => {
                        let admissions = known.admissions(&mut more, server.port);
                        admissions.ignored(guest, last.time);
                    }
                    (1, _, Some(answer)) if again => {
                        let admissions = known.admissions(&mut more, server.port);
                        admissions.answered(guest, answer.at);
                    }
                    _ => {}
                }
            }
        } else if let Some(answered) = served_unseen(tcp) {
            // Its SYN-ACK came before the capture began, or was not captured: the port is served all the same.
            let mut port = Port::new(server.port, answered);
            port.offers_starttls(starttls);
            port.unseen = tcp.opening == Opening::Syn;
            port.known = true;
            known.add(&mut more, port);
        }
        let two_way = tcp.sides[Side::Client].segments > 0 && tcp.sides[Side::Server].segments > 0;
        let silent = tcp.sides[Side::Server].segments == 0
            && tcp.syns.count > 0
            && tcp.sides[Side::Client].data_segments == 0;
        if !silent {
            self.witness.flow(key.client.ip, two_way);
        }
        let ends = (key.client.ip, server);
        let (pair, mut more) = self.pairs.entry_and_rest(ends, Pair::default);
        // Only SYNs that were given up before they were sent often enough to speak for themselves.
        if silent && tcp.icmp_count == 0 && tcp.syns.count < 3 && !tcp.syns.seek_path() {
            if let (Some(first), Some(last)) =
                (tcp.syns.seen.first().map(|syn| syn.at), tcp.syns.last)
            {
                pair.tell_more();
                let lone = &mut more.make().lone;
                let (count, before, after) = lone.get_or_insert((0, first, last));
                *count = count.saturating_add(1);
                if first.time < before.time {
                    *before = first;
                }
                if last.time > after.time {
                    *after = last;
                }
            }
        } else if !silent {
            pair.answer();
        }
        if let Some(extra) = Extra::answered(tcp) {
            pair.add(extra);
        }
        let finished = tcp.established.is_some() && tcp.sides[Side::Server].data_segments > 0;
        if finished {
            pair.succeed(tcp.first);
        }
    }

    /// A bare TLS handshake of that client.
    pub fn bare_handshake(&mut self, key: &FlowKey) {
        let ends = (key.client.ip, key.server);
        let (pair, mut more) = self.pairs.entry_and_rest(ends, Pair::default);
        pair.tell_more();
        let count = &mut more.make().bare_handshakes;
        *count = count.saturating_add(1);
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
        let server = Served::of(&self.servers, key.server.ip);
        let ends = (key.client.ip, key.server);
        let pair = self.pairs.get(&ends);
        let more = pair.filter(|pair| pair.has_more());
        let more = more.and_then(|_| self.pairs.rest(&ends));
        let at = tcp.syns.last.map_or(tcp.last.time, |mark| mark.time);
        let own = server.and_then(|server| server.port(|port| port.port == key.server.port));
        let other = server.and_then(|server| server.port(|port| port.port != key.server.port));
        let other_answered = other.and_then(|port| Some((port.port, port.answered()?)));
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
            answers_unseen: own
                .is_some_and(|port| port.unseen && port.answered().is_some_and(near)),
            capture_drops: self.drops.during(tcp.first.time, tcp.last.time),
            port_served: own
                .and_then(Port::answered)
                .filter(|mark| Some(*mark) != own_answer && near(*mark)),
            others_let_in: server.zip(asked).and_then(|(server, (first, last))| {
                let client = Guest::of(key.client.ip);
                let admissions = server.admissions(key.server.port)?;
                admissions.meanwhile(client, first, last)
            }),
            host_answers: other_answered.filter(|(_, mark)| near(*mark)),
            server_hops: server.and_then(Served::hops),
            server_is_here: server.and_then(|server| server.is_here(key.client.ip)),
            server_ttls: server
                .filter(|_| !tcp.resets.is_empty())
                .map_or(Few::new(), |server| server.ttls(key.server.port)),
            server_name: None,
            lone_syns: pair
                .filter(|pair| !pair.is_answered())
                .and_then(|_| more?.lone),
            options_elsewhere: other_answered.filter(|_| other.is_some_and(|port| port.scaled)),
            extras_answered: pair.map_or(Few::new(), Pair::extras),
            retry_worked: pair.and_then(Pair::last_success).filter(|mark| {
                mark.time > tcp.last.time || mark.time > at && mark.frame != tcp.first.frame
            }),
            same_idle: u32::try_from(same_idle.saturating_sub(1)).unwrap_or(0),
            // Another service of the host has settings of its own.
            starttls_elsewhere: own.and_then(Port::starttls),
            refused_cut: self.refused_cut(key, tcp),
            bare_handshakes: more.map_or(0, |more| more.bare_handshakes),
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
    fn who_refuses_elsewhere_answers_with_that_ttl_at_once() {
        let mut knowledge = Knowledge::default();
        let host = key(25);
        knowledge.answered(host.server, mark(2), SynOptions::default(), 63);
        knowledge.refused(host.server.ip, 64);
        let served = Served::of(&knowledge.servers, host.server.ip).unwrap();
        assert!(served.ttls(25).contains(&64));
        assert!(!served.ttls(25).contains(&63));
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
