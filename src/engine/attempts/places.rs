//! Open attempts, each in a place of its own, in the order in which they began.
//!
//! Tens of thousands are open at once, and most are not asked for again before they close. They lie in blocks that never move, a
//! place is used again, and whoever refers to an attempt keeps the number of its place: no table of keys, no box for each. It
//! refuses to know what an attempt is.

use crate::base::Blocks;

/// Places of one block.
const BLOCK: usize = 128;
/// No place.
const NONE: u32 = u32::MAX;

/// A place.
#[derive(Debug)]
enum Place<T> {
    /// The next that is free.
    Free(u32),
    Taken {
        /// What began before it, and after it.
        before: u32,
        after: u32,
        item: T,
    },
}

/// Items by place, in the order in which they came.
#[derive(Debug)]
pub(super) struct Places<T> {
    places: Blocks<Place<T>, BLOCK>,
    /// The first free one.
    free: u32,
    first: u32,
    last: u32,
    len: usize,
}

impl<T> Default for Places<T> {
    fn default() -> Places<T> {
        Places {
            places: Blocks::default(),
            free: NONE,
            first: NONE,
            last: NONE,
            len: 0,
        }
    }
}

impl<T> Places<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What stands there.
    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&T> {
        match self.places.get(at)? {
            Place::Taken { item, .. } => Some(item),
            Place::Free(_) => None,
        }
    }

    /// What stands there, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        match self.places.get_mut(at)? {
            Place::Taken { item, .. } => Some(item),
            Place::Free(_) => None,
        }
    }

    /// The place of what came first.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Adds an item behind all others; its place.
    pub(super) fn push(&mut self, item: T) -> u32 {
        let taken = Place::Taken {
            before: self.last,
            after: NONE,
            item,
        };
        let at = match self.free {
            NONE => self.places.push(taken),
            free => {
                if let Some(place) = self.places.get_mut(free)
                    && let Place::Free(next) = std::mem::replace(place, taken)
                {
                    self.free = next;
                }
                free
            }
        };
        match self.places.get_mut(self.last) {
            Some(Place::Taken { after, .. }) => *after = at,
            _ => self.first = at,
        }
        self.last = at;
        self.len += 1;
        at
    }

    /// Takes an item out of its place.
    pub(super) fn remove(&mut self, at: u32) -> Option<T> {
        let free = self.free;
        let place = self.places.get_mut(at)?;
        if matches!(place, Place::Free(_)) {
            return None;
        }
        let Place::Taken {
            before,
            after,
            item,
        } = std::mem::replace(place, Place::Free(free))
        else {
            return None;
        };
        self.free = at;
        match self.places.get_mut(before) {
            Some(Place::Taken { after: next, .. }) => *next = after,
            _ => self.first = after,
        }
        match self.places.get_mut(after) {
            Some(Place::Taken { before: next, .. }) => *next = before,
            _ => self.last = before,
        }
        self.len -= 1;
        if self.len == 0 {
            *self = Places::default();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, Places};

    proptest! {
        #[test]
        fn it_holds_what_came_in_its_order(steps in prop::collection::vec((0..3_u8, 0..1_000_usize), 0..1_000)) {
            let (mut places, mut plain) = (Places::default(), Vec::new());
            for (number, (step, which)) in steps.into_iter().enumerate() {
                if step > 0 || plain.is_empty() {
                    let at = places.push(number);
                    prop_assert!(plain.iter().all(|(other, _)| *other != at));
                    plain.push((at, number));
                } else {
                    let (at, number) = plain.remove(which % plain.len());
                    prop_assert_eq!(places.remove(at), Some(number));
                    prop_assert_eq!(places.remove(at), None);
                    prop_assert_eq!(places.get(at), None);
                }
                prop_assert_eq!(places.len(), plain.len());
                prop_assert_eq!(places.first(), plain.first().map(|(at, _)| *at));
            }
            for (at, number) in &plain {
                prop_assert_eq!(places.get_mut(*at).copied(), Some(*number));
            }
            while let Some(first) = places.first() {
                prop_assert_eq!((first, places.remove(first)), (plain[0].0, Some(plain[0].1)));
                plain.remove(0);
            }
            prop_assert!(plain.is_empty());
        }
    }

    #[test]
    fn a_place_is_used_again() {
        let mut places = Places::default();
        let all: Vec<u32> = (0..3 * BLOCK).map(|number| places.push(number)).collect();
        for at in &all[1..] {
            places.remove(*at);
        }
        for number in 1..all.len() {
            assert!(places.push(number) < all.len() as u32);
        }
    }
}
