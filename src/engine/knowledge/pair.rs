//! What is kept of a client and a port of a server.
//!
//! Most pairs have one connection, which answers or does not: what else there may be lies apart. It judges nothing.

use crate::base::{Few, Mark, PackedMark};
use crate::flow::Extra;

/// Some connection was more than SYNs without an answer.
const ANSWERED: u8 = 1;
/// There is more of it.
const MORE: u8 = 2;
/// Above those, two bits for each extra of its SYNs that were answered, in their order; none is 0.
const EXTRAS: [u8; 3] = [2, 4, 6];
const EXTRA: u8 = 3;

/// One pair.
#[derive(Debug, Default)]
pub(super) struct Pair {
    last_success: PackedMark,
    bits: u8,
}

/// What few pairs have.
#[derive(Debug, Default)]
pub(super) struct More {
    /// How many connections were a SYN or two and nothing else, where the first began and the last ended.
    pub(super) lone: Option<(u32, Mark, Mark)>,
    /// TLS handshakes without anything before or behind them.
    pub(super) bare_handshakes: u32,
}

impl Pair {
    /// Whether a connection was more than SYNs without an answer.
    pub(super) fn is_answered(&self) -> bool {
        self.bits & ANSWERED != 0
    }

    pub(super) fn answer(&mut self) {
        self.bits |= ANSWERED;
    }

    /// Whether there is more of it.
    pub(super) fn has_more(&self) -> bool {
        self.bits & MORE != 0
    }

    pub(super) fn tell_more(&mut self) {
        self.bits |= MORE;
    }

    /// Where the latest connection began that worked.
    pub(super) fn last_success(&self) -> Option<Mark> {
        self.last_success.get()
    }

    pub(super) fn succeed(&mut self, mark: Mark) {
        self.last_success = mark.into();
    }

    /// Extras of its SYNs that were answered, in the order in which they were.
    pub(super) fn extras(&self) -> Few<Extra, 3> {
        let each = EXTRAS.iter().map(|at| self.bits >> at & EXTRA);
        each.filter_map(|bits| match bits {
            1 => Some(Extra::Multipath),
            2 => Some(Extra::FastOpen),
            3 => Some(Extra::Ecn),
            _ => None,
        })
        .collect()
    }

    /// A SYN with that extra was answered.
    pub(super) fn add(&mut self, extra: Extra) {
        let bits = match extra {
            Extra::Multipath => 1,
            Extra::FastOpen => 2,
            Extra::Ecn => 3,
        };
        for at in EXTRAS {
            match self.bits >> at & EXTRA {
                0 => {
                    self.bits |= bits << at;
                    return;
                }
                known if known == bits => return,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pair;
    use crate::base::Few;
    use crate::flow::Extra;

    #[test]
    fn a_pair_takes_seventeen_bytes() {
        assert_eq!((size_of::<Pair>(), align_of::<Pair>()), (17, 1));
    }

    proptest! {
        #[test]
        fn it_keeps_each_extra_once_and_their_order(
            steps in prop::collection::vec(
                prop_oneof![Just(Extra::Multipath), Just(Extra::FastOpen), Just(Extra::Ecn)],
                0..6,
            ),
        ) {
            let (mut pair, mut plain) = (Pair::default(), Few::<Extra, 3>::new());
            for extra in steps {
                pair.add(extra);
                if !plain.contains(&extra) {
                    plain.push(extra);
                }
                prop_assert_eq!(pair.extras(), plain.clone());
                prop_assert!(!pair.is_answered() && !pair.has_more());
            }
        }
    }
}
