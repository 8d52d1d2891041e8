//! The latest attempt of each purpose.
//!
//! The number of its place alone is kept, and what it is found by stands in the attempt: with tens of thousands of them open, keys
//! of their own were the largest part of such a table. It knows open attempts only, so one is forgotten before it closes.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::{Attempt, Key, Open};

/// Places of open attempts, each under the purpose that the attempt itself names.
#[derive(Default)]
pub(super) struct Purposes {
    places: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

impl Purposes {
    /// The latest attempt of that purpose.
    pub(super) fn get(&self, open: &Open, key: Key<'_>) -> Option<u32> {
        let same = |at: &u32| open.get(*at).is_some_and(|known| known.key() == key);
        self.places.find(self.hasher.hash_one(key), same).copied()
    }

    /// That open attempt is the latest of its purpose now.
    pub(super) fn set(&mut self, open: &Open, at: u32) {
        let Some(key) = open.get(at).map(|attempt| attempt.key()) else {
            return;
        };
        let Purposes { places, hasher } = self;
        let same = |at: &u32| open.get(*at).is_some_and(|known| known.key() == key);
        let hash = |known: &Attempt| hasher.hash_one(known.key());
        let hash = |at: &u32| open.get(*at).map_or(0, hash);
        match places.entry(hasher.hash_one(key), same, hash) {
            Entry::Occupied(mut known) => *known.get_mut() = at,
            Entry::Vacant(place) => {
                place.insert(at);
            }
        }
    }

    /// That open attempt is not found by its purpose any more.
    pub(super) fn forget(&mut self, open: &Open, at: u32) {
        let Some(attempt) = open.get(at) else {
            return;
        };
        let hash = self.hasher.hash_one(attempt.key());
        if let Ok(known) = self.places.find_entry(hash, |known| *known == at) {
            known.remove();
        }
    }

    /// None is found any more.
    pub(super) fn clear(&mut self) {
        *self = Purposes::default();
    }
}
