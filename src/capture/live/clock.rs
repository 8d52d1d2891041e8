//! The clock of a live run: one that only goes forward.
//!
//! Frames carry the time of the wall clock, which somebody may set by hours at any moment. Here they are put on a clock
//! that started with the wall clock and then goes on by itself (time in suspend included), so that no connection is older
//! or younger for it. Small corrections, as NTP makes them, are followed; a jump is reported and left out.

use rustix::time::{ClockId, clock_gettime};

use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};

/// From this difference on the wall clock was set, not slewed.
const JUMP: Nanos = 250 * MILLISECOND;
/// A frame is read at most this long after it was captured, as a rule.
const BACKLOG: Nanos = 5 * SECOND;

/// Where the run's time stands against the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct LiveClock {
    /// Wall time minus steady time, jumps left out.
    base: Nanos,
    /// What the wall clock is ahead by, from being set since.
    ahead: Nanos,
    /// The same before it was set for the last time.
    before: Nanos,
}

fn read(clock: ClockId) -> Nanos {
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(SECOND)
        .saturating_add(time.tv_nsec)
}

impl LiveClock {
    /// Starts at the wall clock's time.
    pub fn start() -> LiveClock {
        LiveClock::at(read(ClockId::Realtime), read(ClockId::Boottime))
    }

    fn at(wall: Nanos, steady: Nanos) -> LiveClock {
        LiveClock {
            base: wall.saturating_sub(steady),
            ahead: 0,
            before: 0,
        }
    }

    /// The time now, as frames carry it.
    pub fn now(&self) -> Timestamp {
        Timestamp(read(ClockId::Boottime).saturating_add(self.base))
    }

    /// Looks at the wall clock; says by how much it was set since the last look, when it was.
    pub fn check(&mut self) -> Option<Nanos> {
        self.compare(read(ClockId::Realtime), read(ClockId::Boottime))
    }

    fn compare(&mut self, wall: Nanos, steady: Nanos) -> Option<Nanos> {
        let drift = wall
            .saturating_sub(steady)
            .saturating_sub(self.base)
            .saturating_sub(self.ahead);
        if drift.abs() < JUMP {
            self.base = self.base.saturating_add(drift);
            return None;
        }
        self.before = self.ahead;
        self.ahead = self.ahead.saturating_add(drift);
        Some(drift)
    }

    /// The time of a frame that the wall clock stamped, read at `now`. Never after `now`.
    pub fn place(&self, stamp: Timestamp, now: Timestamp) -> Timestamp {
        let fits = |time: &Timestamp| {
            let age = now.since(*time);
            (-JUMP..=BACKLOG).contains(&age)
        };
        let usual = stamp.plus(self.ahead.saturating_neg());
        // It may have been stamped before the clock was set.
        let earlier = stamp.plus(self.before.saturating_neg());
        let time = [usual, earlier].into_iter().find(fits).unwrap_or(usual);
        time.min(now)
    }
}

#[cfg(test)]
mod tests {
    use super::LiveClock;
    use crate::base::{MILLISECOND, SECOND, Timestamp};

    const HOUR: i64 = 3_600 * SECOND;

    #[test]
    fn a_clock_that_is_set_ages_nothing() {
        for jump in [3 * HOUR, -3 * HOUR] {
            let wall = 1_000_000 * HOUR;
            let mut clock = LiveClock::at(wall, 5 * SECOND);
            let before = Timestamp(wall + 10 * SECOND);
            assert_eq!(clock.place(before, before), before);
            assert_eq!(clock.compare(wall + 10 * SECOND, 15 * SECOND), None);
            // Set; a frame that was stamped just before is read after.
            let set = wall + 11 * SECOND + jump;
            assert_eq!(clock.compare(set, 16 * SECOND), Some(jump));
            let now = Timestamp(wall + 11 * SECOND);
            assert_eq!(clock.place(Timestamp(set), now), now);
            let late = Timestamp(wall + 11 * SECOND - 20 * MILLISECOND);
            assert_eq!(clock.place(late, now), late);
        }
    }

    #[test]
    fn a_clock_that_is_slewed_is_followed() {
        let wall = 1_000_000 * HOUR;
        let mut clock = LiveClock::at(wall, 0);
        for step in 1..=1_000 {
            let drift = step * 100_000;
            assert_eq!(
                clock.compare(wall + step * SECOND + drift, step * SECOND),
                None
            );
        }
        let now = Timestamp(wall + 1_000 * SECOND + 100 * MILLISECOND);
        assert_eq!(clock.place(now, now), now);
    }

    #[test]
    fn no_frame_is_from_the_future() {
        let wall = 1_000_000 * HOUR;
        let clock = LiveClock::at(wall, 0);
        let now = Timestamp(wall + SECOND);
        assert_eq!(clock.place(Timestamp(wall + 2 * HOUR), now), now);
    }
}
