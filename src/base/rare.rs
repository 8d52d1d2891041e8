//! A value that nearly always stays as it was at first, and takes one word until it does not.
//!
//! Most connections lose nothing, close no window and have no label: what is kept of such things is room that would be written,
//! waited for and read for nothing. It refuses to make room for a value that is only looked at.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// What has a value that is the usual one.
pub trait Usual: Default + 'static {
    /// The default, where it can be looked at.
    const USUAL: &'static Self;
}

impl<T: 'static> Usual for VecDeque<T> {
    const USUAL: &'static VecDeque<T> = &VecDeque::new();
}

impl<T: 'static> Usual for Option<T> {
    const USUAL: &'static Option<T> = &None;
}

/// The usual value, or another one in its own place.
#[derive(Clone)]
pub struct Rare<T>(Option<Box<T>>);

impl<T: Usual + PartialEq> Rare<T> {
    /// Becomes `value`; what is usual takes no room.
    pub fn set(&mut self, value: T) {
        if value == *T::USUAL {
            self.0 = None;
        } else {
            **self = value;
        }
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Rare<T> {
        Rare(None)
    }
}

impl<T: Usual> Deref for Rare<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::USUAL)
    }
}

impl<T: Usual> DerefMut for Rare<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Usual + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Rare;

    #[test]
    fn it_takes_room_for_what_is_unusual_alone() {
        let mut rare: Rare<Option<u64>> = Rare::default();
        rare.set(None);
        assert!(rare.0.is_none() && rare.is_none());
        rare.set(Some(7));
        assert_eq!(*rare, Some(7));
        rare.set(None);
        assert!(rare.0.is_none());
        assert_eq!(size_of::<Rare<[u64; 9]>>(), size_of::<usize>());
    }
}
