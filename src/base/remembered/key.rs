//! What things are remembered under, and how that is hashed.
//!
//! The hash that is derived for an address tells its variant, the length of its bytes and then the bytes; one connection asks for a dozen of
//! such hashes. Here a key gives its hasher as few words as tell it from others. It refuses nothing: any key may be one.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use super::dense::Fast;
use crate::base::Foreign;

/// Something that is remembered under.
pub trait Key: Eq {
    /// Gives a hasher what tells it from others of its type. Equal ones give the same.
    fn feed(&self, state: &mut impl Hasher);
}

/// The hash of a key.
#[inline]
pub(super) fn hash_of(hasher: &Fast, key: &(impl Key + ?Sized)) -> u64 {
    let mut state = hasher.build_hasher();
    key.feed(&mut state);
    state.finish()
}

impl Key for IpAddr {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        match self {
            IpAddr::V4(address) => state.write_u32(address.to_bits()),
            IpAddr::V6(address) => state.write_u128(address.to_bits()),
        }
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        self.0.feed(state);
        self.1.feed(state);
    }
}

impl Key for [u8] {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self);
    }
}

impl Key for Box<[u8]> {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self);
    }
}

impl Key for Foreign {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self.as_str().as_bytes());
    }
}

#[cfg(test)]
impl Key for u32 {
    fn feed(&self, state: &mut impl Hasher) {
        state.write_u32(*self);
    }
}

#[cfg(test)]
impl Key for &str {
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self.as_bytes());
    }
}
