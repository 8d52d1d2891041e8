//! A short list with a bound, that takes one word while it is empty.
//!
//! Most connections have no reset, no loss and no ICMP error: what they would need for sixteen of each is memory that a
//! million half-open connections do not have. It refuses to hold more than its bound.

use std::ops::{Deref, DerefMut};

use thin_vec::ThinVec;

/// At most `MOST` items, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<T, const MOST: usize>(ThinVec<T>);

impl<T, const MOST: usize> Few<T, MOST> {
    /// An empty list.
    pub const fn new() -> Few<T, MOST> {
        Few(ThinVec::new())
    }

    /// Adds an item at the end; gives it back when the list is full.
    pub fn try_push(&mut self, item: T) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        self.make_room();
        self.0.push(item);
        Ok(())
    }

    /// Adds an item at the end; a full list stays as it is.
    pub fn push(&mut self, item: T) {
        let _ = self.try_push(item);
    }

    /// Adds an item at the end; of a full list the first one leaves.
    pub fn push_last(&mut self, item: T) {
        if self.is_full() {
            self.remove(0);
        }
        self.push(item);
    }

    /// Puts an item before the one at `at` (at the end, when there is none). Of a full list the last one leaves.
    pub fn insert(&mut self, at: usize, item: T) {
        if self.is_full() {
            self.0.pop();
        }
        self.make_room();
        self.0.insert(at.min(self.0.len()), item);
    }

    /// Takes an item out; those behind it move up. `None` when there is none at `at`.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        (at < self.0.len()).then(|| self.0.remove(at))
    }

    /// Keeps the items that fit.
    pub fn retain(&mut self, fits: impl FnMut(&T) -> bool) {
        self.0.retain(fits);
    }

    /// Whether nothing more can be added.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    /// Doubles the room from one item on: the first of many lists is the only one they ever hold.
    fn make_room(&mut self) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len().max(1));
        }
    }
}

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Few<T, MOST> {
        Few::new()
    }
}

impl<T, const MOST: usize> Deref for Few<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MOST: usize> DerefMut for Few<T, MOST> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<'a, T, const MOST: usize> IntoIterator for &'a Few<T, MOST> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T, const MOST: usize> IntoIterator for &'a mut Few<T, MOST> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

impl<T, const MOST: usize> FromIterator<T> for Few<T, MOST> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Few<T, MOST> {
        Few(items.into_iter().take(MOST).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Few;

    #[test]
    fn the_bound_holds_and_the_order_stays() {
        let mut few: Few<u8, 3> = Few::new();
        for item in [1, 2, 4] {
            assert_eq!(few.try_push(item), Ok(()));
        }
        assert_eq!(few.try_push(5), Err(5));
        few.insert(1, 9);
        assert_eq!(*few, [1, 9, 2]);
        assert_eq!(few.remove(0), Some(1));
        assert_eq!(few.remove(7), None);
        assert!(!few.is_full());
    }
}
