//! A short list with a bound that mostly holds one item, which lies in the list itself.
//!
//! What is remembered of tens of thousands of addresses is mostly one port, one name, one stretch of time each: a list on the heap
//! is an allocation for each of them, and one more place in memory to wait for. It refuses to hold more than its bound.

use std::ops::{Deref, DerefMut};
use std::{mem, slice};

use thin_vec::ThinVec;

/// At most `MOST` items, in order; the first one alone takes no room elsewhere.
#[derive(Clone)]
pub struct Solo<T, const MOST: usize>(Held<T>);

#[derive(Clone)]
enum Held<T> {
    One(T),
    /// None, or several.
    Many(ThinVec<T>),
}

impl<T, const MOST: usize> Solo<T, MOST> {
    /// An empty list.
    pub const fn new() -> Solo<T, MOST> {
        Solo(Held::Many(ThinVec::new()))
    }

    /// Adds an item at the end; gives it back when the list is full.
    pub fn try_push(&mut self, item: T) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        self.0 = match mem::replace(&mut self.0, Held::Many(ThinVec::new())) {
            Held::Many(mut items) if items.capacity() > 0 => {
                if items.len() == items.capacity() {
                    items.reserve_exact(items.len());
                }
                items.push(item);
                Held::Many(items)
            }
            Held::Many(_) => Held::One(item),
            Held::One(first) => {
                let mut items = ThinVec::with_capacity(2);
                items.extend([first, item]);
                Held::Many(items)
            }
        };
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

    /// Takes an item out; those behind it move up. `None` when there is none at `at`.
    pub fn remove(&mut self, at: usize) -> Option<T> {
        match &mut self.0 {
            Held::Many(items) => (at < items.len()).then(|| items.remove(at)),
            Held::One(_) if at > 0 => None,
            Held::One(_) => match mem::replace(&mut self.0, Held::Many(ThinVec::new())) {
                Held::One(item) => Some(item),
                Held::Many(_) => None,
            },
        }
    }

    /// Takes so many items out at the front, or all; those behind them move up.
    pub fn remove_first(&mut self, count: usize) {
        match &mut self.0 {
            Held::Many(items) => drop(items.drain(..count.min(items.len()))),
            Held::One(_) if count == 0 => {}
            Held::One(_) => self.0 = Held::Many(ThinVec::new()),
        }
    }

    /// Whether nothing more can be added.
    pub fn is_full(&self) -> bool {
        self.len() >= MOST
    }
}

impl<T, const MOST: usize> Default for Solo<T, MOST> {
    fn default() -> Solo<T, MOST> {
        Solo::new()
    }
}

impl<T, const MOST: usize> Deref for Solo<T, MOST> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Held::One(item) => slice::from_ref(item),
            Held::Many(items) => items,
        }
    }
}

impl<T, const MOST: usize> DerefMut for Solo<T, MOST> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Held::One(item) => slice::from_mut(item),
            Held::Many(items) => items,
        }
    }
}

impl<T: std::fmt::Debug, const MOST: usize> std::fmt::Debug for Solo<T, MOST> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T, const MOST: usize> IntoIterator for &'a Solo<T, MOST> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T, const MOST: usize> IntoIterator for &'a mut Solo<T, MOST> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T, const MOST: usize> FromIterator<T> for Solo<T, MOST> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Solo<T, MOST> {
        let mut list = Solo::new();
        for item in items.into_iter().take(MOST) {
            list.push(item);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Solo;
    use crate::base::{Few, Timestamp};

    #[test]
    fn one_small_item_costs_no_more_than_none() {
        assert_eq!(size_of::<Solo<(Timestamp, Timestamp), 9>>(), 24);
        assert_eq!(size_of::<Solo<[u8; 20], 9>>(), 24);
    }

    proptest! {
        #[test]
        fn it_holds_what_any_short_list_holds(steps in prop::collection::vec((0..5_u8, 0..6_usize), 0..40)) {
            let (mut solo, mut few) = (Solo::<usize, 5>::new(), Few::<usize, 5>::new());
            for (step, item) in steps {
                match step {
                    0 => prop_assert_eq!(solo.remove(item), few.remove(item)),
                    1 => {
                        solo.push_last(item);
                        few.push_last(item);
                    }
                    2 => {
                        solo.remove_first(item);
                        few = few.iter().skip(item).copied().collect();
                    }
                    _ => prop_assert_eq!(solo.try_push(item), few.try_push(item)),
                }
                prop_assert_eq!(&*solo, &*few);
                prop_assert_eq!(solo.is_full(), few.is_full());
            }
        }
    }
}
