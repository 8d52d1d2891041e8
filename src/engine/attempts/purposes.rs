//! The latest attempt of each purpose.
//!
//! Its number alone is kept, and what it is found by stands in the attempt: with tens of thousands of them open, keys of their own
//! were the largest part of such a table. It knows open attempts only, so one is forgotten before it closes.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::{Attempt, Key, Open};

/// Numbers of open attempts, each under the purpose that the attempt itself names.
#[derive(Default)]
pub(super) struct Purposes {
    numbers: HashTable<u64>,
    hasher: foldhash::fast::RandomState,
}

impl Purposes {
    /// The latest attempt of that purpose.
    pub(super) fn get(&self, open: &Open, key: Key<'_>) -> Option<u64> {
        let same = |id: &u64| open.get(id).is_some_and(|known| known.key() == key);
        self.numbers.find(self.hasher.hash_one(key), same).copied()
    }

    /// That open attempt is the latest of its purpose now.
    pub(super) fn set(&mut self, open: &Open, id: u64) {
        let Some(key) = open.get(&id).map(|attempt| attempt.key()) else {
            return;
        };
        let Purposes { numbers, hasher } = self;
        let same = |id: &u64| open.get(id).is_some_and(|known| known.key() == key);
        let hash = |known: &Attempt| hasher.hash_one(known.key());
        let hash = |id: &u64| open.get(id).map_or(0, |known| hash(known));
        match numbers.entry(hasher.hash_one(key), same, hash) {
            Entry::Occupied(mut known) => *known.get_mut() = id,
            Entry::Vacant(place) => {
                place.insert(id);
            }
        }
    }

    /// That open attempt is not found by its purpose any more.
    pub(super) fn forget(&mut self, open: &Open, id: u64) {
        let Some(attempt) = open.get(&id) else {
            return;
        };
        let hash = self.hasher.hash_one(attempt.key());
        if let Ok(known) = self.numbers.find_entry(hash, |known| *known == id) {
            known.remove();
        }
    }
}
