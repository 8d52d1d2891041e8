//! Witnesses: what else came back, so that the absence of an answer means something.
//!
//! That a SYN was never answered proves nothing if the capture shows no answers at all. This keeps, per client,
//! when anything came back to it. Bounded; it judges nothing.

use std::net::IpAddr;

use crate::base::{Few, Nanos, PackedTime, Remembered, SECOND, Timestamp};

/// Clients and servers that are remembered at the least: the latest ones. What fills a hash table of 65,536 places.
const ADDRESSES: usize = 57_344;
/// Stretches of time per client before the latest one; the oldest is forgotten.
const EARLIER: usize = 63;
/// Answers no further apart than this are one stretch.
const JOIN: Nanos = 30 * SECOND;

/// Bits of a length: 52 days.
const LENGTH: u32 = 52;
/// A length that is this or more is not kept as one: the end of the stretch stands in the rest.
const LONG: u64 = (1 << LENGTH) - 1;
/// Something came back at some time.
const HEARD: u64 = 1 << LENGTH;
/// There were stretches before the latest one: they are in the rest.
const SEVERAL: u64 = 2 << LENGTH;
/// A flow was seen in one direction only.
const ONE_WAY: u64 = 4 << LENGTH;
/// A flow was seen in both directions.
const TWO_WAY: u64 = 8 << LENGTH;

/// What is kept of one client, in 15 bytes: there are a hundred thousand of them.
#[derive(Debug)]
struct Client {
    /// When the latest stretch began in which something came back.
    start: PackedTime,
    /// How long it is, and above that the flags.
    bits: [u8; 7],
}

/// Of a client to which something came back in several stretches, or in a very long one.
#[derive(Debug, Default)]
struct More {
    /// Those before the latest one, in order.
    earlier: Few<(Timestamp, Timestamp), EARLIER>,
    /// The end of the latest one, when it is [`LONG`].
    end: Timestamp,
}

impl Default for Client {
    fn default() -> Client {
        Client {
            start: Timestamp::default().into(),
            bits: [0; 7],
        }
    }
}

impl Client {
    fn bits(&self) -> u64 {
        let [a, b, c, d, e, f, g] = self.bits;
        u64::from_le_bytes([a, b, c, d, e, f, g, 0])
    }

    fn set_bits(&mut self, bits: u64) {
        let [a, b, c, d, e, f, g, _] = bits.to_le_bytes();
        self.bits = [a, b, c, d, e, f, g];
    }

    /// Whether one of those flags is set.
    fn is(&self, flags: u64) -> bool {
        self.bits() & flags != 0
    }

    fn mark(&mut self, flag: u64) {
        self.set_bits(self.bits() | flag);
    }

    fn is_long(&self) -> bool {
        self.bits() & LONG == LONG
    }

    /// The latest stretch; `more` is asked where it is long.
    fn latest<'a>(&self, more: impl FnOnce() -> Option<&'a More>) -> (Timestamp, Timestamp) {
        let start = self.start.get();
        let end = if self.is_long() {
            more().map_or(start, |more| more.end)
        } else {
            start.plus((self.bits() & LONG) as Nanos)
        };
        (start, end)
    }

    /// Makes the latest stretch end there; whether that is to be kept in the rest.
    #[must_use]
    fn end(&mut self, end: Timestamp) -> bool {
        let length = end.0.abs_diff(self.start.get().0).min(LONG);
        self.set_bits(self.bits() & !LONG | length);
        length == LONG
    }
}

/// What came back to whom.
#[derive(Debug)]
pub struct Witness {
    clients: Remembered<IpAddr, Client, More>,
    /// Flows of all clients that were seen in one direction only, and whether any was seen in both.
    one_way: bool,
    two_way: bool,
}

impl Default for Witness {
    fn default() -> Witness {
        Witness {
            clients: Remembered::new(ADDRESSES),
            one_way: false,
            two_way: false,
        }
    }
}

impl Witness {
    /// Something from another host arrived for `client`.
    pub fn came_back(&mut self, client: IpAddr, time: Timestamp) {
        let (client, mut more) = self.clients.entry_and_rest(client, Client::default);
        if client.is(HEARD) {
            let (start, end) = client.latest(|| more.get().map(|more| &*more));
            let apart = time.since(end);
            if apart <= 0 && time >= start {
                return;
            }
            if apart > 0 && apart <= JOIN {
                if client.end(time) {
                    more.make().end = time;
                }
                return;
            }
            more.make().earlier.push_last((start, end));
            client.mark(SEVERAL);
        }
        client.start = time.into();
        // Its length is none: never in the rest.
        let _ = client.end(time);
        client.mark(HEARD);
    }

    /// A flow of `client` was seen to its end: both directions of it, or one.
    pub fn flow(&mut self, client: IpAddr, both_directions: bool) {
        self.one_way |= !both_directions;
        self.two_way |= both_directions;
        let client = self.clients.entry(client, Client::default);
        client.mark(if both_directions { TWO_WAY } else { ONE_WAY });
    }

    /// Whether anything came back to `client` at most `within` before or after `time`.
    pub fn answered_near(&self, client: IpAddr, time: Timestamp, within: Nanos) -> bool {
        let near = |(start, end): (Timestamp, Timestamp)| {
            time.plus(within) >= start && time.plus(within.saturating_neg()) <= end
        };
        let Some(known) = self.clients.get(&client).filter(|known| known.is(HEARD)) else {
            return false;
        };
        let more = || self.clients.rest(&client);
        near(known.latest(more))
            || known.is(SEVERAL)
                && more().is_some_and(|more| more.earlier.iter().any(|one| near(*one)))
    }

    /// Whether flows of `client` were seen and every one in one direction only; or no flow of it, and all of others so.
    pub fn one_way(&self, client: IpAddr) -> bool {
        match self.clients.get(&client) {
            Some(known) if known.is(ONE_WAY | TWO_WAY) => !known.is(TWO_WAY),
            known => self.one_way && !self.two_way && !known.is_some_and(|known| known.is(HEARD)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::{Client, JOIN, LONG, Witness};
    use crate::base::{SECOND, Timestamp};

    #[test]
    fn an_answer_a_minute_away_is_a_witness_and_one_further_is_not() {
        let client = "10.0.0.5".parse().unwrap();
        let at = |seconds: i64| Timestamp(seconds * SECOND);
        let mut witness = Witness::default();
        witness.came_back(client, at(100));
        witness.came_back(client, at(120));
        assert!(witness.answered_near(client, at(40), 60 * SECOND));
        assert!(witness.answered_near(client, at(180), 60 * SECOND));
        assert!(!witness.answered_near(client, at(181), 60 * SECOND));
        assert!(!witness.answered_near(client, at(39), 60 * SECOND));
    }

    #[test]
    fn a_client_takes_fifteen_bytes() {
        assert_eq!((size_of::<Client>(), align_of::<Client>()), (15, 1));
    }

    #[test]
    fn one_way_is_who_was_never_seen_both_ways() {
        let [one, both, other] = [1, 2, 3].map(|end| IpAddr::from([10, 0, 0, end]));
        let mut witness = Witness::default();
        assert!(!witness.one_way(one));
        witness.flow(one, false);
        assert!(witness.one_way(one) && witness.one_way(other));
        witness.came_back(other, Timestamp(0));
        assert!(!witness.one_way(other));
        witness.flow(both, false);
        witness.flow(both, true);
        assert!(witness.one_way(one) && !witness.one_way(both));
    }

    /// The stretches as a list.
    #[derive(Default)]
    struct Plain(Vec<(Timestamp, Timestamp)>);

    impl Plain {
        fn came_back(&mut self, time: Timestamp) {
            if let Some((start, end)) = self.0.last_mut() {
                let apart = time.since(*end);
                if apart <= 0 && time >= *start {
                    return;
                }
                if apart > 0 && apart <= JOIN {
                    *end = time;
                    return;
                }
            }
            if self.0.len() == 64 {
                self.0.remove(0);
            }
            self.0.push((time, time));
        }
    }

    proptest! {
        #[test]
        fn the_stretches_are_those_of_a_plain_list(
            begin in prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX - 900 * SECOND), any::<i64>()],
            long: bool,
            steps in prop::collection::vec((-40_i64..70, -1_i64..=1), 0..200),
        ) {
            let client = IpAddr::from([10, 0, 0, 5]);
            let (mut witness, mut plain) = (Witness::default(), Plain::default());
            let mut now = Timestamp(begin);
            if long {
                // As if something had come back all the time for as long as can just be told.
                let start = now.plus(-(LONG as i64));
                let length = now.0.abs_diff(start.0).saturating_sub(1);
                let known = witness.clients.entry(client, Client::default);
                known.start = start.into();
                assert!(!known.end(start.plus(length as i64)));
                known.mark(super::HEARD);
                plain.0.push((start, start.plus(length as i64)));
            }
            for (seconds, nanos) in steps {
                now = now.plus(seconds * SECOND + nanos);
                witness.came_back(client, now);
                plain.came_back(now);
                for away in [-100, -61, -60, -30, 0, 30, 60, 61] {
                    let time = now.plus(away * SECOND);
                    for within in [0, 60 * SECOND] {
                        let near = plain.0.iter().any(|(start, end)| {
                            time.plus(within) >= *start && time.plus(-within) <= *end
                        });
                        prop_assert_eq!(witness.answered_near(client, time, within), near);
                    }
                }
            }
        }
    }
}
