//! A map by address whose values have a form for each family.
//!
//! A value that holds addresses of its key's own family takes twelve bytes more of each where one form is for both; that is half of
//! what is remembered of a client that opens connections. It forgets as one map does, and refuses to hold one key in two forms.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Remembered;
use super::dense::MOST;

/// Values by address, the latest `most` to twice as many of both families together.
#[derive(Debug)]
pub struct Families<V, W> {
    fours: Remembered<Ipv4Addr, V>,
    sixes: Remembered<Ipv6Addr, W>,
    most: usize,
}

impl<V, W> Families<V, W> {
    /// An empty map that remembers the last `most` addresses (at least one).
    pub fn new(most: usize) -> Families<V, W> {
        Families {
            fours: Remembered::new(MOST),
            sixes: Remembered::new(MOST),
            most: most.clamp(1, MOST),
        }
    }

    /// What is remembered of an IPv4 address.
    pub fn four(&self, key: &Ipv4Addr) -> Option<&V> {
        self.fours.get(key)
    }

    /// What is remembered of an IPv6 address.
    pub fn six(&self, key: &Ipv6Addr) -> Option<&W> {
        self.sixes.get(key)
    }

    /// What is remembered of an IPv4 address, else what `make` makes; it is young now.
    pub fn four_entry(&mut self, key: Ipv4Addr, make: impl FnOnce() -> V) -> &mut V {
        self.grow_old();
        self.fours.entry(key, make)
    }

    /// Likewise of an IPv6 address.
    pub fn six_entry(&mut self, key: Ipv6Addr, make: impl FnOnce() -> W) -> &mut W {
        self.grow_old();
        self.sixes.entry(key, make)
    }

    fn grow_old(&mut self) {
        let young = self.fours.young.len() + self.sixes.young.len();
        if young >= self.most {
            self.fours.age();
            self.sixes.age();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::super::Remembered;
    use super::Families;

    proptest! {
        #[test]
        fn it_remembers_what_one_map_does(
            most in 1..20_usize,
            steps in prop::collection::vec((0..30_u8, any::<bool>()), 0..300),
        ) {
            let address = |end: u8, four| match four {
                true => IpAddr::from([192, 0, 2, end]),
                false => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(end)]),
            };
            let mut both: Families<usize, usize> = Families::new(most);
            let mut one: Remembered<IpAddr, usize> = Remembered::new(most);
            for (at, (end, four)) in steps.into_iter().enumerate() {
                let key = address(end, four);
                let known = match key {
                    IpAddr::V4(key) => both.four_entry(key, || at),
                    IpAddr::V6(key) => both.six_entry(key, || at),
                };
                prop_assert_eq!(known, one.entry(key, || at));
                for end in 0..30 {
                    for four in [true, false] {
                        let key = address(end, four);
                        let known = match key {
                            IpAddr::V4(key) => both.four(&key),
                            IpAddr::V6(key) => both.six(&key),
                        };
                        prop_assert_eq!(known, one.get(&key));
                    }
                }
            }
        }
    }
}
