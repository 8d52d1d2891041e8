//! What belongs to one look-up, message by message.

use super::{LookupFacts, Lookups, Transport};
use crate::base::{FrameRef, MILLISECOND, Mark, SourceId, Timestamp};
use crate::flow::Endpoint;
use crate::proto::dns::decode;
use crate::wire::Ip;

const CLIENT: [u8; 4] = [10, 0, 0, 5];
const RESOLVER: [u8; 4] = [10, 0, 0, 1];

/// Messages at so many milliseconds.
#[derive(Default)]
struct Talk {
    lookups: Lookups,
    frame: u64,
}

impl Talk {
    /// A question for `A of mx`, or an answer with that RCODE; `number`: its packet's identification.
    fn say(&mut self, at: i64, id: u16, number: u16, rcode: Option<u8>) {
        let mut bytes = id.to_be_bytes().to_vec();
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
            ttl: 64,
            id: Some(number),
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
            time: Timestamp(at * MILLISECOND),
        };
        self.lookups
            .message(mark, Transport::Udp, &ip, end(from), end(to), message);
    }

    fn only(mut self) -> LookupFacts {
        let facts = self.lookups.drain().expect("a look-up");
        assert!(self.lookups.drain().is_none());
        *facts
    }
}

#[test]
fn asked_again_at_once_is_no_copy_where_an_answer_lies_between() {
    let mut talk = Talk::default();
    talk.say(0, 7, 0, None);
    talk.say(1, 7, 90, Some(2));
    talk.say(2, 7, 0, None);
    talk.say(3, 7, 91, Some(0));
    let facts = talk.only();
    assert_eq!((facts.tries, facts.reply_count), (2, 2));
    // Near miss: on both sides of a mirror.
    let mut talk = Talk::default();
    talk.say(0, 7, 0, None);
    talk.say(1, 7, 0, None);
    talk.say(2, 7, 90, Some(2));
    assert_eq!(talk.only().tries, 1);
}

#[test]
fn another_identification_is_another_query() {
    for (second, tries) in [(5, 1), (6, 2), (0, 1)] {
        let mut talk = Talk::default();
        talk.say(0, 7, 5, None);
        talk.say(1, 7, second, None);
        assert_eq!(talk.only().tries, tries);
    }
}

#[test]
fn an_answer_to_nothing_shows_that_queries_are_missing() {
    let mut talk = Talk::default();
    talk.say(0, 7, 1, None);
    let facts = |talk: &Talk| talk.lookups.open().next().expect("a look-up").clone();
    assert!(talk.lookups.unasked(&facts(&talk)).is_none());
    let mut other = Talk::default();
    other.say(0, 9, 1, Some(3));
    // It waits a moment for its question.
    other.say(10, 7, 1, None);
    assert!(other.lookups.unasked(&facts(&other)).is_some());
    other.say(90_000, 7, 2, None);
    let mut late = facts(&other);
    late.first.time = Timestamp(90_000 * MILLISECOND);
    assert!(other.lookups.unasked(&late).is_none());
}
