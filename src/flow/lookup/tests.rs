//! What belongs to one look-up, message by message.

use super::{LookupFacts, Lookups, Transport};
use crate::base::{FrameRef, Mark, Nanos, SourceId, Timestamp};
use crate::flow::Endpoint;
use crate::proto::dns::decode;
use crate::wire::{Icmp, Ip, Quote};

const CLIENT: [u8; 4] = [10, 0, 0, 5];
const RESOLVER: [u8; 4] = [10, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [10, 0, 0, 2];
const MICROSECOND: Nanos = 1_000;

/// A packet as it was captured.
#[derive(Clone, Copy)]
struct Seen {
    /// Microseconds.
    at: i64,
    ttl: u8,
    number: u16,
}

const fn seen(at: i64, number: u16) -> Seen {
    let ttl = 64;
    Seen { at, ttl, number }
}

fn packet(from: [u8; 4], to: [u8; 4], seen: Seen) -> Ip {
    Ip {
        source: from.into(),
        destination: to.into(),
        ttl: seen.ttl,
        id: Some(seen.number),
        dont_fragment: true,
        tos: 0,
        flow_label: None,
        total_len: 60,
        protocol: 17,
        fragment: None,
    }
}

/// Messages, one by one.
#[derive(Default)]
struct Talk {
    lookups: Lookups,
    frame: u64,
}

impl Talk {
    /// A question for `A of mx`, or an answer with that RCODE.
    fn say(&mut self, seen: Seen, rcode: Option<u8>) -> &mut Talk {
        let mut bytes = vec![0, 7];
        bytes.extend(match rcode {
            Some(rcode) => [0x81, 0x80 | rcode],
            None => [1, 0],
        });
        bytes.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend(b"\x02mx\0\0\x01\0\x01");
        let message = decode(&bytes, bytes.len() as u32).expect("a message");
        let (from, to) = match rcode {
            Some(_) => ((RESOLVER, 53), (CLIENT, 40_000)),
            None => ((CLIENT, 40_000), (RESOLVER, 53)),
        };
        let end = |(ip, port): ([u8; 4], u16)| Endpoint {
            ip: ip.into(),
            port,
        };
        let ip = packet(from.0, to.0, seen);
        let mark = self.mark(seen.at);
        self.lookups
            .message(mark, Transport::Udp, &ip, end(from), end(to), message);
        self
    }

    fn mark(&mut self, at: i64) -> Mark {
        self.frame += 1;
        Mark {
            frame: FrameRef::new(SourceId(0), self.frame),
            time: Timestamp(at * MICROSECOND),
        }
    }

    /// ICMP 3 with that code from who got the packet that it quotes: one from an address and port to another. Whether a look-up knows it.
    fn undelivered(&mut self, at: i64, code: u8, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> bool {
        let quote = Quote {
            ip: packet(from.0, to.0, seen(at, 0)),
            source_port: Some(from.1),
            destination_port: Some(to.1),
            seq: None,
            flags: None,
            window: None,
        };
        let icmp = Icmp {
            v6: false,
            kind: 3,
            code,
            mtu: None,
            word: 0,
            quote: Some(quote),
            neighbor: None,
            body: &[],
        };
        let mark = self.mark(at);
        let ip = packet(to.0, from.0, seen(at, 0));
        self.lookups.icmp(mark, &ip, &icmp, &quote)
    }

    /// The resolver's port is unreachable.
    fn closed(&mut self, at: i64) -> &mut Talk {
        assert!(self.undelivered(at, 3, (CLIENT, 40_000), (RESOLVER, 53)));
        self
    }

    /// That answer comes, but from another address than the one that was asked, to that port.
    fn answered_elsewhere(&mut self, at: i64, port: u16) -> &mut Talk {
        let mut bytes = vec![0, 7, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(b"\x02mx\0\0\x01\0\x01");
        let message = decode(&bytes, bytes.len() as u32).expect("a message");
        let end = |ip: [u8; 4], port| Endpoint {
            ip: ip.into(),
            port,
        };
        let (from, to) = (end(ELSEWHERE, 53), end(CLIENT, port));
        let ip = packet(ELSEWHERE, CLIENT, seen(at, 0));
        let mark = self.mark(at);
        self.lookups
            .message(mark, Transport::Udp, &ip, from, to, message);
        self
    }

    /// An ICMP error of the client that quotes the answer.
    fn turned_away(&mut self, at: i64, code: u8) -> &mut Talk {
        let known = self.undelivered(at, code, (RESOLVER, 53), (CLIENT, 40_000));
        assert_eq!(known, code != 3);
        self
    }

    fn only(&mut self) -> LookupFacts {
        let facts = self.lookups.drain().expect("a look-up");
        assert!(self.lookups.drain().is_none());
        *facts
    }
}

#[test]
fn what_is_asked_again_at_once_after_an_answer_is_a_try() {
    // Without an identification, and with one for each packet.
    for (first, second) in [(0, 0), (80, 81)] {
        let facts = Talk::default()
            .say(seen(0, first), None)
            .say(seen(700, 90), Some(2))
            .say(seen(800, second), None)
            .say(seen(1_200, 91), Some(0))
            .only();
        assert_eq!((facts.tries, facts.reply_count), (2, 2));
        assert_eq!(facts.answer().map(|reply| reply.message.rcode), Some(0));
    }
}

#[test]
fn what_is_captured_twice_is_one_try() {
    let copy = |at, ttl, number| Seen { at, ttl, number };
    for second in [
        // Before the answer.
        copy(30, 64, 0),
        copy(30, 63, 80),
        copy(30, 64, 81),
        // Behind it: the same packet, or that of the other side of a router.
        copy(90, 64, 80),
        copy(90, 63, 81),
        copy(90, 63, 0),
    ] {
        let mut talk = Talk::default();
        talk.say(seen(0, 80), None);
        if second.at < 60 {
            talk.say(second, None);
        }
        talk.say(seen(60, 90), Some(2));
        if second.at > 60 {
            talk.say(second, None);
        }
        let facts = talk.say(seen(100, 91), Some(0)).only();
        assert_eq!((facts.tries, facts.reply_count), (1, 2), "{}", second.at);
        // What contradicts the first answer does not outlive it.
        assert_eq!(facts.answer().map(|reply| reply.message.rcode), Some(2));
    }
}

#[test]
fn an_answer_right_behind_a_closed_port_is_remembered() {
    for (at, near) in [(500_000, true), (1_500_000, false)] {
        let facts = Talk::default()
            .say(seen(0, 80), None)
            .closed(100)
            .say(seen(at, 90), Some(0))
            .only();
        let answers: Vec<bool> = facts
            .icmp
            .iter()
            .map(|error| error.answers.is_some())
            .collect();
        assert_eq!(answers, [near]);
    }
    // Near miss: an answer before it.
    let facts = Talk::default()
        .say(seen(0, 80), None)
        .say(seen(50, 90), Some(0))
        .closed(100)
        .only();
    assert!(facts.icmp.iter().all(|error| error.answers.is_none()));
}

#[test]
fn an_answer_from_another_address_is_heard() {
    let facts = Talk::default()
        .say(seen(0, 80), None)
        .answered_elsewhere(700, 40_000)
        .say(seen(5_000_000, 81), None)
        .answered_elsewhere(5_000_700, 40_000)
        .only();
    assert_eq!((facts.tries, facts.reply_count), (2, 0));
    let stray = facts.astray.unwrap().elsewhere.unwrap();
    assert_eq!((stray.count, stray.from), (2, ELSEWHERE.into()));
    assert_eq!(
        (stray.first.frame.number(), stray.last.frame.number()),
        (2, 4)
    );
    // The near misses: to a port from which nobody asked; and before anybody asked.
    let facts = Talk::default()
        .say(seen(0, 80), None)
        .answered_elsewhere(700, 40_001)
        .only();
    assert_eq!(facts.astray, None);
    let facts = Talk::default()
        .answered_elsewhere(0, 40_000)
        .say(seen(9_000, 80), None)
        .only();
    assert_eq!(facts.astray, None);
}

#[test]
fn an_answer_that_a_rule_turns_away_is_heard() {
    let facts = Talk::default()
        .say(seen(0, 80), None)
        .say(seen(700, 90), Some(0))
        .turned_away(710, 13)
        .only();
    let rejected = facts.astray.unwrap().rejected.unwrap();
    assert_eq!((rejected.error, rejected.count), ((3, 13), 1));
    // The near miss: the socket is closed.
    let facts = Talk::default()
        .say(seen(0, 80), None)
        .say(seen(700, 90), Some(0))
        .turned_away(710, 3)
        .only();
    assert_eq!(facts.astray, None);
}
