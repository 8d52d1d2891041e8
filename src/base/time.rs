//! Time as an argument: a point in capture time and a signed distance between two of them.
//!
//! Capture clocks jump backwards, so distances are signed and arithmetic saturates. Nothing here
//! can ask what time it is now; formatting lives in `present`.

/// A signed distance in nanoseconds.
pub type Nanos = i64;

/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;

/// One millisecond in [`Nanos`].
pub const MILLISECOND: Nanos = 1_000_000;

/// Nanoseconds since 1970-01-01T00:00:00Z, by the clock of whoever captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The distance from `earlier` to this point; negative when `earlier` is later. Clamped to ± 4.5 years, so that
    /// arithmetic on distances of damaged captures cannot overflow.
    #[inline]
    pub fn since(self, earlier: Timestamp) -> Nanos {
        const FARTHEST: Nanos = Nanos::MAX / 64;
        self.0.saturating_sub(earlier.0).clamp(-FARTHEST, FARTHEST)
    }

    /// This point moved by a distance, saturating at the ends of the range.
    #[inline]
    pub fn plus(self, distance: Nanos) -> Timestamp {
        Timestamp(self.0.saturating_add(distance))
    }
}
