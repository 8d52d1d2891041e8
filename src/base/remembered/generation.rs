//! The pairs of one generation: those whose keys have a short form apart from those that are kept whole.
//!
//! It exists because a list of pairs has one room for all: IPv4 addresses beside IPv6 ones would take four times what they need. It
//! refuses to know how old anything is.

use super::dense::{Dense, Fast};
use super::key::{Ask, Key};

/// Pairs of key and value. Hashes of keys are the caller's, who asks two generations about one key.
#[derive(Debug)]
pub(super) struct Generation<K: Key, V> {
    short: Dense<K::Short, V>,
    whole: Dense<K, V>,
}

/// Where a pair lies.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Short(u32),
    Whole(u32),
}

impl<K: Key, V> Default for Generation<K, V> {
    fn default() -> Generation<K, V> {
        Generation {
            short: Dense::default(),
            whole: Dense::default(),
        }
    }
}

impl<K: Key, V> Generation<K, V> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.short.len() + self.whole.len()
    }

    #[inline]
    pub(super) fn find<Q: Ask<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<Place> {
        match key.short_key() {
            Some(short) => self.short.find(hash, &short).map(Place::Short),
            None => self.whole.find(hash, key).map(Place::Whole),
        }
    }

    #[inline]
    pub(super) fn get<Q: Ask<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        match key.short_key() {
            Some(short) => self.short.get(hash, &short),
            None => self.whole.get(hash, key),
        }
    }

    /// The value in a place that [`Generation::find`] gave.
    #[inline]
    pub(super) fn at(&mut self, place: Place) -> &mut V {
        match place {
            Place::Short(at) => self.short.at(at),
            Place::Whole(at) => self.whole.at(at),
        }
    }

    /// Adds a pair whose key is new, and tells its place.
    pub(super) fn add(&mut self, hash: u64, key: K, value: V, hasher: &Fast) -> Place {
        match key.short() {
            Some(short) => Place::Short(self.short.add(hash, short, value, hasher)),
            None => Place::Whole(self.whole.add(hash, key, value, hasher)),
        }
    }

    /// Takes a pair out.
    pub(super) fn remove<Q: Ask<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        hasher: &Fast,
    ) -> Option<V> {
        match key.short_key() {
            Some(short) => {
                let taken = self.short.remove(hash, &short, hasher);
                taken.map(|(_, value)| value)
            }
            None => self.whole.remove(hash, key, hasher).map(|(_, value)| value),
        }
    }

    /// All pairs, in no order; none afterwards.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V> {
        let short = self.short.drain();
        short
            .map(|(short, value)| (K::whole(short), value))
            .chain(self.whole.drain())
    }
}
