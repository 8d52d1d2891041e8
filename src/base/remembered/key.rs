//! What things are remembered under, in how much room, and how that is hashed.
//!
//! The hash that is derived for an address tells its variant, the length of its bytes and then the bytes; one connection asks for a dozen of
//! such hashes. Here a key gives its hasher as few words as tell it from others. An address takes 17 bytes, most of them none but four: keys that
//! have a short form are kept in it. It refuses nothing: any key may be one.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::Equivalent;

use super::dense::Fast;
use crate::base::Foreign;

/// Something that a hasher can tell from others of its type.
pub trait Fed: Eq {
    /// Gives a hasher what tells it from others. Equal ones give the same.
    fn feed(&self, state: &mut impl Hasher);
}

/// Something that is remembered under.
pub trait Key: Fed {
    /// The same in less room, for those that have it: it feeds a hasher as they do.
    type Short: Fed + Copy + Debug;

    /// Its short form. Whether there is one depends on the key alone.
    fn short(&self) -> Option<Self::Short>;

    /// What has that short form.
    fn whole(short: Self::Short) -> Self
    where
        Self: Sized;
}

/// What may be asked for in place of a key.
pub trait Ask<K: Key>: Fed + Equivalent<K> {
    /// The short form of that key.
    fn short_key(&self) -> Option<K::Short>;
}

impl<K: Key> Ask<K> for K {
    #[inline]
    fn short_key(&self) -> Option<K::Short> {
        self.short()
    }
}

impl Ask<Box<[u8]>> for [u8] {
    #[inline]
    fn short_key(&self) -> Option<Never> {
        None
    }
}

/// The short form of what has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

impl Fed for Never {
    fn feed(&self, _: &mut impl Hasher) {
        match *self {}
    }
}

/// The hash of a key.
#[inline]
pub(super) fn hash_of(hasher: &Fast, key: &(impl Fed + ?Sized)) -> u64 {
    let mut state = hasher.build_hasher();
    key.feed(&mut state);
    state.finish()
}

impl Fed for IpAddr {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        match self {
            IpAddr::V4(address) => address.feed(state),
            IpAddr::V6(address) => address.feed(state),
        }
    }
}

impl Fed for Ipv4Addr {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write_u32(self.to_bits());
    }
}

impl Fed for Ipv6Addr {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write_u128(self.to_bits());
    }
}

impl Key for IpAddr {
    type Short = Ipv4Addr;

    #[inline]
    fn short(&self) -> Option<Ipv4Addr> {
        match self {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        }
    }

    fn whole(short: Ipv4Addr) -> IpAddr {
        IpAddr::V4(short)
    }
}

impl<A: Fed, B: Fed> Fed for (A, B) {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        self.0.feed(state);
        self.1.feed(state);
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    type Short = (A::Short, B::Short);

    #[inline]
    fn short(&self) -> Option<(A::Short, B::Short)> {
        self.0.short().zip(self.1.short())
    }

    fn whole((one, other): (A::Short, B::Short)) -> (A, B) {
        (A::whole(one), B::whole(other))
    }
}

impl Fed for [u8] {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self);
    }
}

impl Fed for Box<[u8]> {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self);
    }
}

impl Fed for Foreign {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self.as_str().as_bytes());
    }
}

/// Keys without a short form.
macro_rules! only_whole {
    ($($key:ty),*) => {$(
        impl Key for $key {
            type Short = Never;

            #[inline]
            fn short(&self) -> Option<Never> {
                None
            }

            fn whole(short: Never) -> $key {
                match short {}
            }
        }
    )*};
}

only_whole!(Ipv4Addr, Ipv6Addr, Box<[u8]>, Foreign);

#[cfg(test)]
only_whole!(u32, &'static str);

#[cfg(test)]
impl Fed for u32 {
    fn feed(&self, state: &mut impl Hasher) {
        state.write_u32(*self);
    }
}

#[cfg(test)]
impl Fed for &'static str {
    fn feed(&self, state: &mut impl Hasher) {
        state.write(self.as_bytes());
    }
}
