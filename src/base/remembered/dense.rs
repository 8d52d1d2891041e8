//! A map whose pairs lie one behind the other, found through an index of their numbers.
//!
//! It exists for maps of tens of thousands of pairs: a hash table that holds its pairs itself keeps room for up to twice as many,
//! and for all of them once more while it grows. Here only the index does, which has three bytes a pair; the pairs lie in blocks that
//! never move. It refuses to keep an order.

use hashbrown::{Equivalent, HashTable};

use super::key::{Fed, hash_of};
use crate::base::Blocks;

/// How keys are hashed.
pub(super) type Fast = foldhash::fast::RandomState;

/// Pairs of one block.
const BLOCK: usize = 512;

/// The number of a pair as the index has it: three bytes instead of four are a fifth of the index, which has one more for each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number([u8; 3]);

/// As many pairs have numbers.
pub(super) const MOST: usize = 1 << 24;

impl Number {
    #[inline]
    fn of(at: u32) -> Number {
        let [one, two, three, _] = at.to_le_bytes();
        Number([one, two, three])
    }

    #[inline]
    fn get(self) -> u32 {
        let [one, two, three] = self.0;
        u32::from_le_bytes([one, two, three, 0])
    }
}

/// Pairs of key and value, no more than [`MOST`]. Hashes of keys are the caller's, who asks several of these about one key.
#[derive(Debug)]
pub(super) struct Dense<K, V> {
    /// The numbers of the pairs.
    index: HashTable<Number>,
    pairs: Blocks<(K, V), BLOCK>,
}

impl<K, V> Default for Dense<K, V> {
    fn default() -> Dense<K, V> {
        Dense {
            index: HashTable::new(),
            pairs: Blocks::default(),
        }
    }
}

impl<K: Fed, V> Dense<K, V> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The number of a pair.
    #[inline]
    pub(super) fn find<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<u32> {
        let same = |at: &Number| {
            let pair = self.pairs.get(at.get());
            pair.is_some_and(|(known, _)| key.equivalent(known))
        };
        self.index.find(hash, same).map(|at| at.get())
    }

    #[inline]
    pub(super) fn get<Q: Equivalent<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        self.pairs
            .get(self.find(hash, key)?)
            .map(|(_, value)| value)
    }

    /// The value of the pair with a number that [`Dense::find`] gave.
    #[inline]
    pub(super) fn at(&mut self, at: u32) -> &mut V {
        &mut self.pairs.at(at).1
    }

    /// Adds a pair whose key is new, and tells its number.
    pub(super) fn add(&mut self, hash: u64, key: K, value: V, hasher: &Fast) -> u32 {
        if self.index.len() >= self.index.capacity() {
            self.widen(hasher);
        }
        let Dense { index, pairs } = self;
        let at = index.len() as u32;
        // There is room.
        index.insert_unique(hash, Number::of(at), |_| hash);
        pairs.push((key, value));
        at
    }

    /// An index of twice the size, made from the pairs as they lie: asked for the hash of each in its own order, as the table does when it
    /// grows by itself, they would be fetched from all over the memory.
    #[cold]
    #[inline(never)]
    fn widen(&mut self, hasher: &Fast) {
        let Dense { index, pairs } = self;
        // Half as many again: the next power of two where it is full, and no more where pairs were only taken out.
        let room = index.len().saturating_add(index.len() / 2);
        let mut wider = HashTable::with_capacity(room.saturating_add(1));
        for (at, (key, _)) in pairs.iter().enumerate() {
            wider.insert_unique(hash_of(hasher, key), Number::of(at as u32), |_| 0);
        }
        *index = wider;
    }

    /// Takes a pair out; the last one has its place then.
    pub(super) fn remove<Q: Equivalent<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        hasher: &Fast,
    ) -> Option<(K, V)> {
        let Dense { index, pairs } = self;
        if index.is_empty() {
            return None;
        }
        let same = |at: &Number| {
            let pair = pairs.get(at.get());
            pair.is_some_and(|(known, _)| key.equivalent(known))
        };
        let (at, _) = index.find_entry(hash, same).ok()?.remove();
        let last = Number::of(index.len() as u32);
        let moved = pairs.pop()?;
        let Some(place) = pairs.get_mut(at.get()) else {
            return Some(moved);
        };
        let number = index.find_mut(hash_of(hasher, &moved.0), |number| *number == last);
        if let Some(number) = number {
            *number = at;
        }
        Some(std::mem::replace(place, moved))
    }

    /// All pairs, in no order; none afterwards.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V> {
        self.index.clear();
        self.pairs.drain()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::key::hash_of;
    use super::{Dense, Fast, MOST, Number};

    #[test]
    fn a_number_takes_three_bytes_and_is_the_same_again() {
        assert_eq!(size_of::<Number>(), 3);
        for at in [0, 1, 255, 256, 65_536, MOST as u32 - 1] {
            assert_eq!(Number::of(at).get(), at);
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_a_hash_map_holds(steps in prop::collection::vec((0..4_u8, 0..1_100_u32, any::<u32>()), 0..4_000)) {
            let hasher = Fast::default();
            let mut dense = Dense::default();
            let mut plain = HashMap::new();
            for (step, key, value) in steps {
                let hash = hash_of(&hasher, &key);
                prop_assert_eq!(dense.get(hash, &key), plain.get(&key));
                match (step, dense.find(hash, &key)) {
                    (0, _) => prop_assert_eq!(dense.remove(hash, &key, &hasher), plain.remove_entry(&key)),
                    (_, Some(at)) => {
                        *dense.at(at) = value;
                        plain.insert(key, value);
                    }
                    (_, None) => {
                        dense.add(hash, key, value, &hasher);
                        plain.insert(key, value);
                    }
                }
                prop_assert_eq!(dense.len(), plain.len());
            }
            let mut left: Vec<_> = dense.drain().collect();
            left.sort_unstable();
            let mut expected: Vec<_> = plain.into_iter().collect();
            expected.sort_unstable();
            prop_assert_eq!(left, expected);
            prop_assert_eq!(dense.len(), 0);
        }
    }
}
