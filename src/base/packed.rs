//! Times, distances and marks in forms that may begin at any byte.
//!
//! A number of eight bytes begins at every eighth one, so a pair of an IPv4 address and a mark takes 24 of which four are nothing. Of
//! what is remembered of tens of thousands of addresses that is a fifth. These are for such pairs alone: they are looked at through
//! what they stand for, and refuse to be compared, ordered or changed in part.

use super::{FrameRef, Mark, Nanos, Timestamp};

/// A point in time, in eight bytes.
#[derive(Clone, Copy)]
pub struct PackedTime([u8; 8]);

impl From<Timestamp> for PackedTime {
    #[inline]
    fn from(time: Timestamp) -> PackedTime {
        PackedTime(time.0.to_ne_bytes())
    }
}

impl PackedTime {
    /// What it stands for.
    #[inline]
    pub fn get(self) -> Timestamp {
        Timestamp(i64::from_ne_bytes(self.0))
    }
}

impl std::fmt::Debug for PackedTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// A mark or none, in sixteen bytes.
#[derive(Clone, Copy)]
pub struct PackedMark {
    /// The word of the frame; 0 where there is none.
    frame: [u8; 8],
    time: PackedTime,
}

impl PackedMark {
    /// No mark.
    pub const NONE: PackedMark = PackedMark {
        frame: [0; 8],
        time: PackedTime([0; 8]),
    };

    /// What it stands for.
    #[inline]
    pub fn get(self) -> Option<Mark> {
        let frame = FrameRef::from_bits(u64::from_ne_bytes(self.frame))?;
        Some(Mark {
            frame,
            time: self.time.get(),
        })
    }
}

impl Default for PackedMark {
    fn default() -> PackedMark {
        PackedMark::NONE
    }
}

impl From<Mark> for PackedMark {
    #[inline]
    fn from(mark: Mark) -> PackedMark {
        PackedMark {
            frame: mark.frame.to_bits().to_ne_bytes(),
            time: mark.time.into(),
        }
    }
}

impl From<Option<Mark>> for PackedMark {
    #[inline]
    fn from(mark: Option<Mark>) -> PackedMark {
        mark.map_or(PackedMark::NONE, PackedMark::from)
    }
}

impl std::fmt::Debug for PackedMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// A number in as many bytes as it is given: of nanoseconds five are 18 minutes, six are three days.
#[derive(Clone, Copy)]
pub struct PackedNumber<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> PackedNumber<BYTES> {
    /// 0.
    pub const ZERO: PackedNumber<BYTES> = PackedNumber([0; BYTES]);

    /// That number; none where it is too large.
    #[inline]
    pub fn of(number: u64) -> Option<PackedNumber<BYTES>> {
        let all = number.to_le_bytes();
        let (low, high) = all.split_first_chunk()?;
        let fits = high.iter().all(|byte| *byte == 0);
        fits.then_some(PackedNumber(*low))
    }

    /// What it stands for.
    #[inline]
    pub fn get(self) -> u64 {
        let bytes = self.0.iter().rev();
        bytes.fold(0, |high, byte| high << 8 | u64::from(*byte))
    }
}

impl<const BYTES: usize> Default for PackedNumber<BYTES> {
    fn default() -> PackedNumber<BYTES> {
        PackedNumber::ZERO
    }
}

impl<const BYTES: usize> std::fmt::Debug for PackedNumber<BYTES> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// From one mark to a later one of the same source, in nine bytes: as far as four thousand million frames and 18 minutes.
#[derive(Clone, Copy, Debug)]
pub struct PackedStep {
    frames: PackedNumber<4>,
    nanos: PackedNumber<5>,
}

impl PackedStep {
    /// No step.
    pub const NONE: PackedStep = PackedStep {
        frames: PackedNumber::ZERO,
        nanos: PackedNumber::ZERO,
    };

    /// The step; none where it is longer, or goes back.
    #[inline]
    pub fn between(from: Mark, to: Mark) -> Option<PackedStep> {
        if from.frame.source() != to.frame.source() {
            return None;
        }
        let frames = to.frame.number().checked_sub(from.frame.number())?;
        let nanos = to.time.0.checked_sub(from.time.0)?;
        Some(PackedStep {
            frames: PackedNumber::of(frames)?,
            nanos: PackedNumber::of(u64::try_from(nanos).ok()?)?,
        })
    }

    /// The mark that it leads to.
    #[inline]
    pub fn after(self, from: Mark) -> Mark {
        let number = from.frame.number().saturating_add(self.frames.get());
        Mark {
            frame: FrameRef::new(from.frame.source(), number),
            time: from.time.plus(self.nanos.get() as Nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PackedMark, PackedStep, PackedTime};
    use crate::base::{FrameRef, Mark, SourceId, Timestamp};

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(source: u32, number: u64, time: i64) {
            let mark = Mark {
                frame: FrameRef::new(SourceId(source), number),
                time: Timestamp(time),
            };
            prop_assert_eq!(PackedMark::from(mark).get(), Some(mark));
            prop_assert_eq!(PackedTime::from(mark.time).get(), mark.time);
        }

        #[test]
        fn a_step_leads_to_the_same_mark_or_is_none(
            sources in prop::array::uniform2(0..2_u32),
            (number, frames) in (any::<u64>(), -2..(1_i64 << 34)),
            (time, nanos) in (any::<i64>(), -2..(1_i64 << 42)),
        ) {
            let [from, to] = sources;
            let mark = |source, number, time| Mark {
                frame: FrameRef::new(SourceId(source), number),
                time: Timestamp(time),
            };
            let from = mark(from, number, time);
            let to = mark(to, number.saturating_add_signed(frames), time.saturating_add(nanos));
            match PackedStep::between(from, to) {
                Some(step) => prop_assert_eq!(step.after(from), to),
                None => {
                    let fits = frames >> 32 == 0 && nanos >> 40 == 0;
                    prop_assert!(!fits || sources[0] != sources[1]);
                }
            }
        }
    }

    #[test]
    fn no_mark_is_none_and_all_of_them_lie_anywhere() {
        assert_eq!(PackedMark::from(None).get(), None);
        assert_eq!(PackedMark::default().get(), None);
        assert_eq!((size_of::<PackedMark>(), align_of::<PackedMark>()), (16, 1));
        assert_eq!((size_of::<PackedTime>(), align_of::<PackedTime>()), (8, 1));
        assert_eq!((size_of::<PackedStep>(), align_of::<PackedStep>()), (9, 1));
    }
}
