//! What belongs to one look-up, message by message.

use super::{LookupFacts, Lookups, Transport};
use crate::base::{FrameRef, Mark, Nanos, SourceId, Timestamp};
use crate::flow::Endpoint;
use crate::proto::dns::decode;
use crate::wire::Ip;

const CLIENT: [u8; 4] = [10, 0, 0, 5];
const RESOLVER: [u8; 4] = [10, 0, 0, 1];
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
        let ip = Ip {
            source: from.0.into(),
            destination: to.0.into(),
            ttl: seen.ttl,
            id: Some(seen.number),
            dont_fragment: true,
            tos: 0,
            flow_label: None,
            total_len: 60,
            protocol: 17,
            fragment: None,
        };
        self.frame += 1;
        let mark = Mark {
            frame: FrameRef::new(SourceId(0), self.frame),
            time: Timestamp(seen.at * MICROSECOND),
        };
        self.lookups
            .message(mark, Transport::Udp, &ip, end(from), end(to), message);
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
