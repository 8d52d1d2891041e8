//! Five-tuples of connections that were handed out: for a while, late segments of theirs are no connection.
//!
//! Exists apart from the places of connections because most five-tuples of a busy minute are over, and of those nothing is known any more
//! but when: 24 bytes with IPv4 addresses instead of a place and its node in a queue. They stand in the order in which they came, each
//! found by its number, and leave in that order. What counts is a five-tuple's own time, so it does not matter what stands before it.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::slots::{Four, Tuple};
use crate::base::{Nanos, SECOND, Timestamp};

/// What was handed out is remembered for so long after its last segment.
const KEPT: Nanos = 60 * SECOND;
/// The time of what was taken out before its turn.
const TAKEN: Timestamp = Timestamp(i64::MIN);
/// So many may have been taken out, and as many as half of all, before the others move up.
const GAPS: usize = 1_024;

type Fast = foldhash::fast::RandomState;

/// A five-tuple in a form of its own.
trait Kept: Copy + PartialEq {
    /// What it stands for.
    fn tuple(self) -> Tuple;
}

impl Kept for Tuple {
    fn tuple(self) -> Tuple {
        self
    }
}

impl Kept for Four {
    fn tuple(self) -> Tuple {
        self.into()
    }
}

/// Those of one form.
struct Ring<K> {
    index: HashTable<u32>,
    places: VecDeque<(K, Timestamp)>,
    /// The number of the first one; numbers begin anew after the last.
    first: u32,
    taken: usize,
}

impl<K> Default for Ring<K> {
    fn default() -> Ring<K> {
        Ring {
            index: HashTable::new(),
            places: VecDeque::new(),
            first: 0,
            taken: 0,
        }
    }
}

impl<K: Kept> Ring<K> {
    fn find(&self, hash: u64, key: K) -> Option<Timestamp> {
        let Ring { places, first, .. } = self;
        let place = |number: u32| places.get(number.wrapping_sub(*first) as usize);
        let same = |number: &u32| place(*number).is_some_and(|(known, _)| *known == key);
        let number = self.index.find(hash, same)?;
        place(*number).map(|(_, time)| *time)
    }

    fn put(&mut self, hasher: &Fast, key: K, time: Timestamp) {
        self.take(hasher, key);
        let Ring {
            index,
            places,
            first,
            ..
        } = self;
        if places.len() == places.capacity() {
            // By an eighth: see `slots::make_room`.
            places.reserve_exact((places.len() / 8).max(16));
        }
        let number = first.wrapping_add(places.len() as u32);
        places.push_back((key, time));
        let hash = |number: &u32| {
            let place = places.get(number.wrapping_sub(*first) as usize);
            place.map_or(0, |(known, _)| hasher.hash_one(known.tuple()))
        };
        index.insert_unique(hasher.hash_one(key.tuple()), number, hash);
    }

    /// Takes one out before its turn.
    fn take(&mut self, hasher: &Fast, key: K) {
        let Ring {
            index,
            places,
            first,
            taken,
        } = self;
        let place = |number: u32| number.wrapping_sub(*first) as usize;
        let same = |number: &u32| {
            places
                .get(place(*number))
                .is_some_and(|(known, _)| *known == key)
        };
        let Ok(known) = index.find_entry(hasher.hash_one(key.tuple()), same) else {
            return;
        };
        let (number, _) = known.remove();
        if let Some((_, time)) = places.get_mut(place(number)) {
            *time = TAKEN;
            *taken = taken.saturating_add(1);
        }
        if self.taken > GAPS.max(self.places.len() / 2) {
            self.move_up(hasher);
        }
    }

    /// Fills the gaps, which nobody but who ends and begins one connection again and again makes many of.
    #[cold]
    fn move_up(&mut self, hasher: &Fast) {
        self.places.retain(|(_, time)| *time != TAKEN);
        (self.first, self.taken) = (0, 0);
        self.index.clear();
        let places = &self.places;
        let hash = |number: &u32| {
            let place = places.get(*number as usize);
            place.map_or(0, |(known, _)| hasher.hash_one(known.tuple()))
        };
        for number in 0..places.len() as u32 {
            self.index.insert_unique(hash(&number), number, hash);
        }
    }

    /// The time of the first one.
    fn oldest(&mut self) -> Option<Timestamp> {
        while let Some((_, TAKEN)) = self.places.front() {
            self.places.pop_front();
            self.first = self.first.wrapping_add(1);
            self.taken = self.taken.saturating_sub(1);
        }
        self.places.front().map(|(_, time)| *time)
    }

    /// The first one leaves.
    fn pop(&mut self, hasher: &Fast) {
        let number = self.first;
        if let Some((key, time)) = self.places.pop_front() {
            self.first = number.wrapping_add(1);
            if time == TAKEN {
                self.taken = self.taken.saturating_sub(1);
                return;
            }
            let hash = hasher.hash_one(key.tuple());
            if let Ok(known) = self.index.find_entry(hash, |known| *known == number) {
                known.remove();
            }
        }
    }

    fn expire(&mut self, hasher: &Fast, now: Timestamp) {
        while self.oldest().is_some_and(|time| is_over(time, now)) {
            self.pop(hasher);
        }
    }
}

fn is_over(time: Timestamp, now: Timestamp) -> bool {
    now.since(time) >= KEPT
}

/// All of them.
#[derive(Default)]
pub(super) struct Gone {
    four: Ring<Four>,
    six: Ring<Tuple>,
    hasher: Fast,
}

impl Gone {
    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.four.index.len().saturating_add(self.six.index.len())
    }

    /// A connection of that five-tuple was handed out, whose last segment came then.
    pub(super) fn put(&mut self, tuple: Tuple, last: Timestamp) {
        match Four::of(&tuple) {
            Some(four) => self.four.put(&self.hasher, four, last),
            None => self.six.put(&self.hasher, tuple, last),
        }
    }

    /// Whether one was, not long before `now`.
    pub(super) fn holds(&self, tuple: &Tuple, now: Timestamp) -> bool {
        let hash = self.hasher.hash_one(tuple);
        let last = match Four::of(tuple) {
            Some(four) => self.four.find(hash, four),
            None => self.six.find(hash, *tuple),
        };
        last.is_some_and(|last| !is_over(last, now))
    }

    /// Its five-tuple is used again.
    pub(super) fn take(&mut self, tuple: &Tuple) {
        match Four::of(tuple) {
            Some(four) => self.four.take(&self.hasher, four),
            None => self.six.take(&self.hasher, *tuple),
        }
    }

    /// What is over by then leaves.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.four.expire(&self.hasher, now);
        self.six.expire(&self.hasher, now);
    }

    /// The one that has been here for longest leaves, if it came before that time. False if there is none.
    pub(super) fn make_room(&mut self, before: Option<Timestamp>) -> bool {
        let (four, six) = (self.four.oldest(), self.six.oldest());
        let oldest = [four, six].into_iter().flatten().min();
        let Some(oldest) = oldest.filter(|oldest| before.is_none_or(|before| *oldest < before))
        else {
            return false;
        };
        if four == Some(oldest) {
            self.four.pop(&self.hasher);
        } else {
            self.six.pop(&self.hasher);
        }
        true
    }

    /// Nothing was handed out.
    pub(super) fn clear(&mut self) {
        *self = Gone::default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::{GAPS, Gone, KEPT};
    use crate::base::{SECOND, SourceId, Timestamp};
    use crate::flow::Endpoint;
    use crate::flow::slots::Tuple;

    /// One of some thousand five-tuples of both families.
    fn tuple(number: u16) -> Tuple {
        let end = |last: u8, port| Endpoint {
            ip: if number.is_multiple_of(3) {
                Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(last)).into()
            } else {
                Ipv4Addr::new(192, 0, 2, last).into()
            },
            port,
        };
        Tuple::new(SourceId(2), end(1, 1_024 + number), end(2, 25))
    }

    proptest! {
        #[test]
        fn it_knows_what_a_plain_list_knows(steps in prop::collection::vec((0..8_u8, 0..60_u16, 0..3_i64), 0..600)) {
            let (mut gone, mut plain) = (Gone::default(), Vec::<(u16, Timestamp)>::new());
            let mut now = Timestamp(0);
            for (step, number, later) in steps {
                now = now.plus(later * SECOND);
                match step {
                    0..=3 => {
                        gone.put(tuple(number), now);
                        plain.retain(|(known, _)| *known != number);
                        plain.push((number, now));
                    }
                    4 => {
                        gone.take(&tuple(number));
                        plain.retain(|(known, _)| *known != number);
                    }
                    5 => {
                        gone.expire(now);
                        plain.retain(|(_, time)| now.since(*time) < KEPT);
                    }
                    6 => {
                        let oldest = plain.iter().map(|(_, time)| *time).min();
                        prop_assert_eq!(gone.make_room(Some(now)), oldest.is_some_and(|oldest| oldest < now));
                        if let Some(oldest) = oldest.filter(|oldest| *oldest < now) {
                            // Of several of one time any may leave.
                            let left = |known: u16| !gone.holds(&tuple(known), oldest);
                            let at = plain.iter().position(|(known, time)| *time == oldest && left(*known));
                            plain.remove(at.expect("one of the oldest left"));
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(gone.len(), plain.len());
                for number in 0..60 {
                    let known = plain.iter().any(|(known, time)| *known == number && now.since(*time) < KEPT);
                    prop_assert_eq!(gone.holds(&tuple(number), now), known);
                }
            }
        }
    }

    #[test]
    fn who_begins_one_connection_again_and_again_takes_no_room() {
        let mut gone = Gone::default();
        gone.put(tuple(7), Timestamp(0));
        for round in 0..20_000 {
            gone.put(tuple(1), Timestamp(round));
            gone.put(tuple(3), Timestamp(round));
            assert!(gone.four.places.len() <= 2 * GAPS && gone.six.places.len() <= 2 * GAPS);
        }
        assert_eq!(gone.len(), 3);
        let held = |number: u16| gone.holds(&tuple(number), Timestamp(20_000));
        assert_eq!([7, 1, 3, 2].map(held), [true, true, true, false]);
        assert_eq!(size_of_val(&gone.four.places[0]), 24);
    }
}
