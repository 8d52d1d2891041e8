//! The latest attempt of each purpose, or of each errand of a purpose.
//!
//! The number of its place alone is kept, and what it is found by stands in the attempt: with tens of thousands of them open, keys
//! of their own were the largest part of such a table. It knows open attempts only, so one is forgotten before it closes.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::errand::Errand;
use super::{Attempt, Key, Open};

/// Places of open attempts, each under the purpose that the attempt itself names.
#[derive(Default)]
pub(super) struct Purposes {
    places: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    /// What an attempt failed of is a part of its purpose.
    by_errand: bool,
}

/// What one is found by.
type Found<'a> = (Key<'a>, Option<Errand>);

fn found(attempt: &Attempt, by_errand: bool) -> Found<'_> {
    (attempt.key(), attempt.errand.filter(|_| by_errand))
}

impl Purposes {
    /// A table of those that failed of an errand in view, by that as well.
    pub(super) fn by_errand() -> Purposes {
        Purposes {
            by_errand: true,
            ..Purposes::default()
        }
    }

    fn find(&self, open: &Open, wanted: Found<'_>) -> Option<u32> {
        let same = |at: &u32| {
            open.get(*at)
                .is_some_and(|known| found(known, self.by_errand) == wanted)
        };
        let hash = self.hasher.hash_one(wanted);
        self.places.find(hash, same).copied()
    }

    /// The latest attempt of that purpose.
    pub(super) fn get(&self, open: &Open, key: Key<'_>) -> Option<u32> {
        self.find(open, (key, None))
    }

    /// The latest attempt of that purpose that failed of that errand.
    pub(super) fn failed_of(&self, open: &Open, key: Key<'_>, errand: Errand) -> Option<u32> {
        self.find(open, (key, Some(errand)))
    }

    /// None is known.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// That open attempt is the latest of its purpose now.
    pub(super) fn set(&mut self, open: &Open, at: u32) {
        let Some(known) = open.get(at) else {
            return;
        };
        let Purposes {
            places,
            hasher,
            by_errand,
        } = self;
        let wanted = found(known, *by_errand);
        let same = |at: &u32| {
            open.get(*at)
                .is_some_and(|known| found(known, *by_errand) == wanted)
        };
        let hash = |known: &Attempt| hasher.hash_one(found(known, *by_errand));
        let hash = |at: &u32| open.get(*at).map_or(0, hash);
        match places.entry(hasher.hash_one(wanted), same, hash) {
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
        let hash = self.hasher.hash_one(found(attempt, self.by_errand));
        if let Ok(known) = self.places.find_entry(hash, |known| *known == at) {
            known.remove();
        }
    }

    /// None is found any more.
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }
}
