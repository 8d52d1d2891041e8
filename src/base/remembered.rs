//! A map that forgets what nobody touched for longest, in two generations.
//!
//! What is learned of addresses must be bounded, and the newest must count: a map that takes nothing more when it is full
//! knows everything of the first hour and nothing of the rest. Keys that were written lately are young; when there are
//! enough of them, they become the old ones, and the old ones before them are forgotten. So at least the last `most` keys
//! written are there, at most twice as many. Reading changes nothing: what is remembered depends on what was written alone.

mod dense;
mod generation;
mod key;

use dense::Fast;
use generation::Generation;
use key::{Ask, hash_of};

pub use key::{Fed, Key};

/// Values by key, the latest `most` to twice as many.
#[derive(Debug)]
pub struct Remembered<K: Key, V> {
    young: Generation<K, V>,
    old: Generation<K, V>,
    hasher: Fast,
    most: usize,
}

impl<K: Key, V> Remembered<K, V> {
    /// An empty map that remembers the last `most` keys (at least one).
    pub fn new(most: usize) -> Remembered<K, V> {
        Remembered {
            young: Generation::default(),
            old: Generation::default(),
            hasher: Fast::default(),
            most: most.clamp(1, u32::MAX as usize),
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
        self.grow_old();
        let Remembered {
            young, old, hasher, ..
        } = self;
        let hash = hash_of(hasher, &key);
        if let Some(at) = young.find(hash, &key) {
            return young.at(at);
        }
        let value = old.remove(hash, &key, hasher).unwrap_or_else(make);
        young.add(hash, key, value, hasher)
    }

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

    /// When there are enough young keys, they are the old ones.
    fn grow_old(&mut self) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
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
}
