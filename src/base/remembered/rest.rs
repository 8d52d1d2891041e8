//! What few keys have besides their value.
//!
//! Of ten thousand addresses one has a second port or a second stretch of time: room for it, or for where it lies, in each value would
//! be most of what is remembered. So it lies apart, under the same key, and lives as long as the value does. It refuses to know which
//! keys have it: the values tell, so that nobody looks for what is not there.

use super::dense::{Dense, Fast};
use super::key::Fed;

/// The rest of one key, there or not.
pub struct Rest<'a, K, R> {
    pub(super) all: &'a mut Dense<K, R>,
    pub(super) hasher: &'a Fast,
    pub(super) hash: u64,
    pub(super) key: K,
}

impl<K: Fed + Copy, R: Default> Rest<'_, K, R> {
    /// It, where it is there.
    pub fn get(&mut self) -> Option<&mut R> {
        let at = self.all.find(self.hash, &self.key)?;
        Some(self.all.at(at))
    }

    /// It, made where it is not there.
    pub fn make(&mut self) -> &mut R {
        let Rest {
            all,
            hasher,
            hash,
            key,
        } = self;
        let known = all.find(*hash, key);
        let at = known.unwrap_or_else(|| all.add(*hash, *key, R::default(), hasher));
        all.at(at)
    }
}
