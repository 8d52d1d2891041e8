//! Where each connection of the table stands, found by its five-tuple or by the answer that its SYN waits for.
//!
//! Places are numbers that are used again. It knows nothing of what stands there.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashTable;

use super::endpoint::Endpoint;
use super::queues::NONE;
use crate::base::{Side, SourceId};

type Fast = foldhash::fast::RandomState;

/// Both directions of a connection have the same of these. In five words, because it is hashed and compared with every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuple {
    low: [u64; 2],
    high: [u64; 2],
    /// Source, families of both addresses, both ports.
    rest: u64,
}

/// Where the source begins in the last word; below it the families, below those the ports.
const SOURCE: u32 = 34;
const LOW_IS_SIX: u64 = 1 << 33;
const HIGH_IS_SIX: u64 = 1 << 32;

/// An address in two words.
#[inline]
fn words(ip: IpAddr) -> [u64; 2] {
    match ip {
        IpAddr::V4(ip) => [0, u64::from(ip.to_bits())],
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            [(bits >> 64) as u64, bits as u64]
        }
    }
}

/// The address that has these words.
fn address([upper, lower]: [u64; 2], six: bool) -> IpAddr {
    if six {
        Ipv6Addr::from_bits(u128::from(upper) << 64 | u128::from(lower)).into()
    } else {
        Ipv4Addr::from_bits(lower as u32).into()
    }
}

impl Tuple {
    #[inline]
    pub(super) fn new(source: SourceId, a: Endpoint, b: Endpoint) -> Tuple {
        Tuple::with_end(source, a, b).0
    }

    /// The same, and which of its ends `a` is.
    #[inline]
    pub(super) fn with_end(source: SourceId, a: Endpoint, b: Endpoint) -> (Tuple, End) {
        let (first, second) = (words(a.ip), words(b.ip));
        let number = |[upper, lower]: [u64; 2]| u128::from(upper) << 64 | u128::from(lower);
        let (one, other) = (number(first), number(second));
        let ordered = one < other || one == other && a.port <= b.port;
        let end = |end: Endpoint, six: u64, port: u32| {
            let six = if end.ip.is_ipv6() { six } else { 0 };
            six | u64::from(end.port) << port
        };
        let source = u64::from(source.0) << SOURCE;
        if ordered {
            let rest = source | end(a, LOW_IS_SIX, 16) | end(b, HIGH_IS_SIX, 0);
            let (low, high) = (first, second);
            (Tuple { low, high, rest }, End::Low)
        } else {
            let rest = source | end(b, LOW_IS_SIX, 16) | end(a, HIGH_IS_SIX, 0);
            let (low, high) = (second, first);
            (Tuple { low, high, rest }, End::High)
        }
    }

    /// The source, as far as frames tell them apart.
    pub(super) fn source(&self) -> SourceId {
        SourceId((self.rest >> SOURCE) as u32)
    }

    #[inline]
    fn low(&self) -> Endpoint {
        Endpoint {
            ip: address(self.low, self.rest & LOW_IS_SIX != 0),
            port: (self.rest >> 16) as u16,
        }
    }

    #[inline]
    fn high(&self) -> Endpoint {
        Endpoint {
            ip: address(self.high, self.rest & HIGH_IS_SIX != 0),
            port: self.rest as u16,
        }
    }
}

/// The same of two IPv4 addresses, in three fifths of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Four {
    low: u32,
    high: u32,
    rest: u64,
}

impl Four {
    /// `None` where an address is of IPv6.
    #[inline]
    pub(super) fn of(tuple: &Tuple) -> Option<Four> {
        let ([_, low], [_, high]) = (tuple.low, tuple.high);
        (tuple.rest & (LOW_IS_SIX | HIGH_IS_SIX) == 0).then_some(Four {
            low: low as u32,
            high: high as u32,
            rest: tuple.rest,
        })
    }
}

impl From<Four> for Tuple {
    #[inline]
    fn from(four: Four) -> Tuple {
        Tuple {
            low: [0, four.low.into()],
            high: [0, four.high.into()],
            rest: four.rest,
        }
    }
}

impl Hash for Tuple {
    /// In one or three pieces instead of the dozen that the parts would come in.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ([low_upper, low], [high_upper, high]) = (self.low, self.high);
        let pair = |upper: u64, lower: u64| u128::from(upper) << 64 | u128::from(lower);
        if self.rest & (LOW_IS_SIX | HIGH_IS_SIX) == 0 {
            state.write_u128(pair(self.rest, low << 32 | high));
        } else {
            state.write_u128(pair(low_upper, low));
            state.write_u128(pair(high_upper, high));
            state.write_u64(self.rest);
        }
    }
}

/// A SYN that waits for its answer: client, server's port, and the acknowledgement that would fit.
pub(super) type Pending = (SourceId, Endpoint, u16, u32);

/// One end of a five-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Low,
    High,
}

/// A connection in its place. It fills a line of the cache, since nearly every segment asks for one.
#[repr(align(64))]
pub(super) struct Slot<F> {
    tuple: Tuple,
    pub(super) flow: F,
    /// The acknowledgement that its SYN waits for, if it waits.
    acknowledgement: u32,
    awaited: bool,
    /// The client's end.
    opener: End,
    /// It stands in the list of what changed.
    pub(super) noted: bool,
}

impl<F> Slot<F> {
    /// Which side stands at that end.
    #[inline]
    pub(super) fn side(&self, end: End) -> Side {
        if self.opener == end {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// The client's end.
    fn client(&self) -> Endpoint {
        match self.opener {
            End::Low => self.tuple.low(),
            End::High => self.tuple.high(),
        }
    }

    fn pending(&self) -> Option<Pending> {
        if !self.awaited {
            return None;
        }
        let server = match self.opener {
            End::Low => self.tuple.high(),
            End::High => self.tuple.low(),
        };
        let (source, ack) = (self.tuple.source(), self.acknowledgement);
        Some((source, self.client(), server.port, ack))
    }
}

/// All places. The indexes hold numbers only, and what they are found by stands in the places: so they stay small enough for a
/// cache, and the place is wanted next anyway.
pub(super) struct Slots<F> {
    index: HashTable<u32>,
    pending: HashTable<u32>,
    slots: Vec<Option<Slot<F>>>,
    free: Vec<u32>,
    hasher: Fast,
}

impl<F> Default for Slots<F> {
    fn default() -> Slots<F> {
        Slots {
            index: HashTable::new(),
            pending: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hasher: Fast::default(),
        }
    }
}

/// Room for so many more, by an eighth at least: doubled, as a list does by itself, most of what tens of thousands of places take
/// would be room that nobody needs.
pub(super) fn make_room<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 8).max(16));
    }
}

fn at<F>(slots: &[Option<Slot<F>>], at: u32) -> Option<&Slot<F>> {
    slots.get(at as usize)?.as_ref()
}

impl<F> Slots<F> {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The place of a five-tuple.
    #[inline]
    pub(super) fn find(&self, tuple: &Tuple) -> Option<u32> {
        let same = |known: &u32| at(&self.slots, *known).is_some_and(|slot| slot.tuple == *tuple);
        self.index.find(self.hasher.hash_one(tuple), same).copied()
    }

    /// The place whose SYN waits for that.
    pub(super) fn waiting(&self, pending: &Pending) -> Option<u32> {
        let same = |known: &u32| {
            at(&self.slots, *known).is_some_and(|slot| slot.pending() == Some(*pending))
        };
        self.pending
            .find(self.hasher.hash_one(pending), same)
            .copied()
    }

    /// What stands there.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Slot<F>> {
        at(&self.slots, place)
    }

    /// What stands there, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Slot<F>> {
        self.slots.get_mut(at as usize)?.as_mut()
    }

    /// Finds a place for a connection of `client` whose five-tuple has none; `awaited`: the acknowledgement that its SYN waits for.
    /// `None`: all numbers are in use.
    pub(super) fn put(
        &mut self,
        tuple: Tuple,
        client: Endpoint,
        flow: F,
        awaited: Option<u32>,
    ) -> Option<u32> {
        let slot = Slot {
            tuple,
            flow,
            acknowledgement: awaited.unwrap_or_default(),
            awaited: awaited.is_some(),
            opener: if client == tuple.low() {
                End::Low
            } else {
                End::High
            },
            noted: false,
        };
        let pending = slot.pending();
        let place = match self.free.pop() {
            Some(free) => {
                *self.slots.get_mut(free as usize)? = Some(slot);
                free
            }
            None => {
                let new = u32::try_from(self.slots.len())
                    .ok()
                    .filter(|new| *new != NONE)?;
                make_room(&mut self.slots, 1);
                self.slots.push(Some(slot));
                new
            }
        };
        let Slots {
            index,
            pending: waiting,
            slots,
            hasher,
            ..
        } = self;
        let hash = |known: &u32| at(slots, *known).map_or(0, |known| hasher.hash_one(known.tuple));
        index.insert_unique(hasher.hash_one(tuple), place, hash);
        if let Some(pending) = pending {
            let same =
                |known: &u32| at(slots, *known).is_some_and(|slot| slot.pending() == Some(pending));
            let hash = |known: &u32| {
                let known = at(slots, *known).and_then(Slot::pending);
                known.map_or(0, |known| hasher.hash_one(known))
            };
            waiting
                .entry(hasher.hash_one(pending), same, hash)
                .insert(place);
        }
        Some(place)
    }

    /// Its SYN waits no longer.
    #[inline]
    pub(super) fn answered(&mut self, place: u32) {
        if self.get(place).is_some_and(|slot| slot.awaited) {
            self.forget(place);
        }
    }

    #[cold]
    fn forget(&mut self, place: u32) {
        let Some(pending) = self.get(place).and_then(Slot::pending) else {
            return;
        };
        let slots = &self.slots;
        let same =
            |known: &u32| at(slots, *known).is_some_and(|slot| slot.pending() == Some(pending));
        let hash = self.hasher.hash_one(pending);
        if let Ok(known) = self.pending.find_entry(hash, same) {
            known.remove();
        }
        if let Some(slot) = self.get_mut(place) {
            slot.awaited = false;
        }
    }

    /// The place is free again: what stood there, and its five-tuple.
    pub(super) fn remove(&mut self, place: u32) -> Option<(Tuple, F)> {
        self.answered(place);
        let slot = self.slots.get_mut(place as usize)?.take()?;
        let hash = self.hasher.hash_one(slot.tuple);
        if let Ok(known) = self.index.find_entry(hash, |known| *known == place) {
            known.remove();
        }
        self.free.push(place);
        Some((slot.tuple, slot.flow))
    }
}

#[cfg(test)]
mod tests {
    use super::{Slot, Tuple};
    use crate::base::SourceId;
    use crate::flow::Endpoint;

    #[test]
    fn a_five_tuple_is_the_same_from_both_ends_and_tells_families_apart() {
        let end = |ip: &str, port| Endpoint {
            ip: ip.parse().expect("an address"),
            port,
        };
        let ends = [
            (end("192.0.2.1", 40_000), end("192.0.2.2", 25)),
            (end("192.0.2.2", 25), end("192.0.2.2", 26)),
            (end("2001:db8::1", 25), end("2001:db8::2", 25)),
            (end("::192.0.2.1", 40_000), end("::192.0.2.2", 25)),
        ];
        let mut known = Vec::new();
        for (a, b) in ends {
            let tuple = Tuple::new(SourceId(7), a, b);
            assert_eq!(tuple, Tuple::new(SourceId(7), b, a));
            assert_ne!(tuple, Tuple::new(SourceId(8), a, b));
            assert_eq!(tuple.source(), SourceId(7));
            let both = [tuple.low(), tuple.high()];
            assert!(both == [a, b] || both == [b, a]);
            assert!(!known.contains(&tuple));
            known.push(tuple);
        }
    }

    #[test]
    fn a_place_is_a_line_of_the_cache() {
        assert_eq!(size_of::<Option<Slot<[usize; 2]>>>(), 64);
    }
}
