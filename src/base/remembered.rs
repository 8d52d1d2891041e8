//! A map that forgets what nobody touched for longest, in two generations.
//!
//! What is learned of addresses must be bounded, and the newest must count: a map that takes nothing more when it is full
//! knows everything of the first hour and nothing of the rest. Keys that were written lately are young; when there are
//! enough of them, they become the old ones, and the old ones before them are forgotten. So at least the last `most` keys
//! written are there, at most twice as many. Reading changes nothing: what is remembered depends on what was written alone.

mod dense;
mod families;
mod generation;
mod key;
mod rest;

use dense::{Dense, Fast, MOST};
use generation::{Generation, Place};
use key::{Ask, hash_of};

pub use families::Families;
pub use key::{Fed, Key};
pub use rest::Rest;

/// Values by key, the latest `most` to twice as many; and of few of them a rest.
#[derive(Debug)]
pub struct Remembered<K: Key, V, R = ()> {
    young: Generation<K, V>,
    old: Generation<K, V>,
    /// The rest of those that are young, and of the old ones.
    young_rest: Dense<K, R>,
    old_rest: Dense<K, R>,
    hasher: Fast,
    most: usize,
}

impl<K: Key, V, R> Remembered<K, V, R> {
    /// An empty map that remembers the last `most` keys (at least one).
    pub fn new(most: usize) -> Remembered<K, V, R> {
        Remembered {
            young: Generation::default(),
            old: Generation::default(),
            young_rest: Dense::default(),
            old_rest: Dense::default(),
            hasher: Fast::default(),
            most: most.clamp(1, MOST),
        }
    }

    /// What is remembered under that key.
    pub fn get<Q: Ask<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        if self.is_empty() {
            return None;
        }
        let hash = hash_of(&self.hasher, key);
        self.young
            .get(hash, key)
            .or_else(|| self.old.get(hash, key))
    }

    /// What is remembered under that key, to be changed where it is; it becomes no younger.
    pub fn get_mut<Q: Ask<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut V> {
        if self.is_empty() {
            return None;
        }
        let hash = hash_of(&self.hasher, key);
        if let Some(at) = self.young.find(hash, key) {
            return Some(self.young.at(at));
        }
        let at = self.old.find(hash, key)?;
        Some(self.old.at(at))
    }

    fn is_empty(&self) -> bool {
        self.young.len() == 0 && self.old.len() == 0
    }

    /// What is remembered under that key, else what `make` makes; it is young now.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let hash = hash_of(&self.hasher, &key);
        let at = self.make_young(hash, key, make);
        self.young.at(at)
    }

    fn make_young(&mut self, hash: u64, key: K, make: impl FnOnce() -> V) -> Place {
        self.grow_old();
        let Remembered {
            young, old, hasher, ..
        } = self;
        if let Some(at) = young.find(hash, &key) {
            return at;
        }
        let value = old.remove(hash, &key, hasher);
        if value.is_some()
            && let Some((key, rest)) = self.old_rest.remove(hash, &key, hasher)
        {
            self.young_rest.add(hash, key, rest, hasher);
        }
        young.add(hash, key, value.unwrap_or_else(make), hasher)
    }

    /// When there are enough young keys, they are the old ones.
    fn grow_old(&mut self) {
        if self.young.len() >= self.most {
            self.age();
        }
    }

    fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
        self.old_rest = std::mem::take(&mut self.young_rest);
    }
}

impl<K: Key + Copy, V, R: Default> Remembered<K, V, R> {
    /// Like [`Remembered::entry`], and the rest of that key.
    pub fn entry_and_rest(&mut self, key: K, make: impl FnOnce() -> V) -> (&mut V, Rest<'_, K, R>) {
        let hash = hash_of(&self.hasher, &key);
        let at = self.make_young(hash, key, make);
        let rest = Rest {
            all: &mut self.young_rest,
            hasher: &self.hasher,
            hash,
            key,
        };
        (self.young.at(at), rest)
    }

    /// The rest of a key whose value tells that there is one.
    pub fn rest(&self, key: &K) -> Option<&R> {
        let hash = hash_of(&self.hasher, key);
        let young = self.young_rest.get(hash, key);
        young.or_else(|| self.old_rest.get(hash, key))
    }
}

/// What has no rest can be put in another's place and taken out.
impl<K: Key, V> Remembered<K, V> {
    /// Remembers a value; what was there before is gone.
    pub fn insert(&mut self, key: K, value: V) {
        self.grow_old();
        let Remembered {
            young, old, hasher, ..
        } = self;
        let hash = hash_of(hasher, &key);
        if let Some(at) = young.find(hash, &key) {
            *young.at(at) = value;
            return;
        }
        old.remove(hash, &key, hasher);
        young.add(hash, key, value, hasher);
    }

    /// Everything that is remembered, in no order; nothing is afterwards.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, V)> + '_ {
        self.young.drain().chain(self.old.drain())
    }

    /// Forgets a key.
    pub fn remove<Q: Ask<K> + ?Sized>(&mut self, key: &Q) {
        let hash = hash_of(&self.hasher, key);
        self.young.remove(hash, key, &self.hasher);
        self.old.remove(hash, key, &self.hasher);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Remembered;

    #[test]
    fn the_latest_are_there_and_the_number_is_bounded() {
        let mut map = Remembered::new(100);
        for key in 0..1_000_u32 {
            map.insert(key, key);
            *map.entry(7, || 0) += 0;
        }
        assert!((901..1_000).all(|key| map.get(&key) == Some(&key)));
        assert_eq!(
            map.get(&7),
            Some(&7),
            "what is written again and again stays"
        );
        assert!((0..1_000).filter(|key| map.get(key).is_some()).count() <= 200);
    }

    #[test]
    fn a_new_value_replaces_and_a_removed_one_is_gone() {
        let mut map = Remembered::new(1);
        map.insert("a", 1);
        map.insert("b", 2);
        map.insert("a", 3);
        assert_eq!((map.get(&"a"), map.get(&"b")), (Some(&3), Some(&2)));
        map.remove(&"a");
        assert_eq!(map.get(&"a"), None);
    }

    proptest! {
        #[test]
        fn the_rest_of_a_key_is_there_as_long_as_its_value(
            most in 1..20_usize,
            steps in prop::collection::vec((0..40_u32, any::<bool>()), 0..400),
        ) {
            let mut map: Remembered<u32, Vec<usize>, Vec<usize>> = Remembered::new(most);
            for (at, (key, apart)) in steps.into_iter().enumerate() {
                let (value, mut rest) = map.entry_and_rest(key, Vec::new);
                if apart {
                    value.push(at);
                    rest.make().push(at);
                    prop_assert_eq!(rest.get(), Some(value));
                }
                for key in 0..40 {
                    let told = map.get(&key).filter(|told| !told.is_empty());
                    prop_assert_eq!(told, map.rest(&key));
                }
            }
        }
    }
}
