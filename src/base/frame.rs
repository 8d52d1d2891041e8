//! Which frame, of which source, and when: the coin that all evidence is paid in.

use std::num::NonZeroU64;

use super::Timestamp;

/// An input (file, interface) in the order in which it was opened, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A frame of a source. Frames count from 1 per source, as Wireshark counts them.
///
/// Packed into one word, because nearly all that is known of a connection names frames. Of sources the first 2^24 are told
/// apart, of frames of one source the first 2^40: twelve days of a million a second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef(NonZeroU64);

/// Bits of a frame's number.
const NUMBER: u32 = 40;
/// The last number that is told apart.
const LAST: u64 = (1 << NUMBER) - 2;
/// The last source that is told apart.
const LAST_SOURCE: u32 = (1 << (u64::BITS - NUMBER)) - 1;

impl FrameRef {
    /// The frame of that number, from 1, of that source.
    #[inline]
    pub const fn new(source: SourceId, number: u64) -> FrameRef {
        let source = if source.0 > LAST_SOURCE {
            LAST_SOURCE
        } else {
            source.0
        };
        let number = if number > LAST { LAST } else { number };
        // Numbers are kept one higher, so that the word is never 0.
        FrameRef(NonZeroU64::MIN.saturating_add((source as u64) << NUMBER | number))
    }

    /// The input that the frame came from.
    #[inline]
    pub const fn source(self) -> SourceId {
        SourceId((self.word() >> NUMBER) as u32)
    }

    /// Its number there, from 1.
    #[inline]
    pub const fn number(self) -> u64 {
        self.word() & ((1 << NUMBER) - 1)
    }

    /// The word that it is kept in: never 0.
    #[inline]
    pub(super) const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// From such a word; none from 0.
    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Option<FrameRef> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(FrameRef(bits)),
            None => None,
        }
    }

    const fn word(self) -> u64 {
        self.0.get().saturating_sub(1)
    }
}

impl std::fmt::Debug for FrameRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameRef")
            .field("source", &self.source())
            .field("number", &self.number())
            .finish()
    }
}

/// A frame and the moment it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The frame.
    pub frame: FrameRef,
    /// Its capture time.
    pub time: Timestamp,
}

impl Mark {
    /// Whether it was captured before another: within a source by their numbers, since its clock may be set back; of two sources, whose
    /// numbers have nothing to do with each other, by their times.
    #[inline]
    pub fn is_before(self, other: Mark) -> bool {
        if self.frame.source() == other.frame.source() {
            self.frame.number() < other.frame.number()
        } else {
            self.time < other.time
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameRef, LAST, LAST_SOURCE, Mark, SourceId};
    use crate::base::Timestamp;

    #[test]
    fn a_frame_keeps_its_number_and_source_and_its_order() {
        let mut before = None;
        for source in [0, 1, 77, LAST_SOURCE] {
            for number in [0, 1, 2, 1 << 32, LAST] {
                let frame = FrameRef::new(SourceId(source), number);
                assert_eq!((frame.source(), frame.number()), (SourceId(source), number));
                assert!(before.is_none_or(|before| before < frame));
                before = Some(frame);
            }
        }
        let beyond = FrameRef::new(SourceId(u32::MAX), u64::MAX);
        assert_eq!((beyond.source().0, beyond.number()), (LAST_SOURCE, LAST));
        assert_eq!(size_of::<Option<Mark>>(), 16);
    }

    #[test]
    fn numbers_of_two_sources_say_nothing_of_their_order() {
        let mark = |source, number, time| Mark {
            frame: FrameRef::new(SourceId(source), number),
            time: Timestamp(time),
        };
        assert!(mark(0, 1, 9).is_before(mark(0, 2, 5)));
        assert!(!mark(0, 2, 5).is_before(mark(0, 1, 9)));
        assert!(mark(0, 53, 5).is_before(mark(1, 28, 9)));
        assert!(!mark(1, 28, 9).is_before(mark(0, 53, 5)));
        assert!(!mark(0, 1, 5).is_before(mark(0, 1, 5)));
    }
}
