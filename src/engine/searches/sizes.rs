//! What came over UDP from a resolver to a client: how large, how lately, from how far.
//!
//! It tells whether a path lets large answers through. Kept of each pair of the two in numbers that lie at any byte; it judges nothing.

use crate::base::{Mark, PackedMark};
use crate::flow::HopCount;

/// Those of one pair.
#[derive(Default)]
pub(super) struct Sizes {
    /// The largest one.
    largest: ([u8; 4], PackedMark),
    /// The latest that any path lets through.
    small: PackedMark,
    /// The latest of any size, and its TTL.
    latest: (u8, PackedMark),
}

impl Sizes {
    /// The largest one.
    pub(super) fn largest(&self) -> Option<(u32, Mark)> {
        let (length, mark) = self.largest;
        Some((u32::from_le_bytes(length), mark.get()?))
    }

    /// The latest, and from how far.
    pub(super) fn latest(&self) -> Option<(HopCount, Mark)> {
        let (ttl, mark) = self.latest;
        Some((HopCount::of(ttl), mark.get()?))
    }

    /// The latest that any path lets through.
    pub(super) fn small(&self) -> Option<Mark> {
        self.small.get()
    }

    /// One more.
    pub(super) fn take(&mut self, length: u32, hops: HopCount, at: Mark) {
        if self.latest().is_none_or(|(_, mark)| at.time >= mark.time) {
            self.latest = (hops.ttl, at.into());
        }
        if self.largest().is_none_or(|(known, _)| length > known) {
            self.largest = (length.to_le_bytes(), at.into());
        }
        if length <= 512 {
            self.small = at.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sizes;
    use crate::base::{FrameRef, Mark, SourceId, Timestamp};
    use crate::flow::HopCount;

    #[test]
    fn the_largest_stays_and_the_latest_is_by_time() {
        assert_eq!((size_of::<Sizes>(), align_of::<Sizes>()), (53, 1));
        let mark = |time| Mark {
            frame: FrameRef::new(SourceId(0), 1),
            time: Timestamp(time),
        };
        let mut sizes = Sizes::default();
        assert!(sizes.largest().is_none() && sizes.latest().is_none());
        for (time, length, ttl) in [(5, 1_200, 60), (9, 1_200, 61), (7, 512, 62)] {
            sizes.take(length, HopCount::of(ttl), mark(time));
        }
        assert_eq!(sizes.largest(), Some((1_200, mark(5))));
        assert_eq!(sizes.latest(), Some((HopCount::of(61), mark(9))));
        assert_eq!(sizes.small(), Some(mark(7)));
    }
}
