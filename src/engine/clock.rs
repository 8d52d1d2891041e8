//! How far a world has been watched, by its own clock.
//!
//! Silence is judged by the time that passed since; a clock that was set back, or recordings put one behind the other, must not
//! make a silence of what was only not recorded. It reads no clock: frames bring their times.

use crate::base::{FrameRef, Mark, Nanos, SECOND, Timestamp};

/// A clock that goes back by more than this was set, or recordings were put one behind the other.
const STEP: Nanos = SECOND;

/// The clock went back: what it showed before says nothing of how long anything was watched after.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The first frame after it.
    frame: FrameRef,
    /// The latest time before the first step.
    before: Timestamp,
    /// The latest time since this one.
    after: Timestamp,
    /// It went back more than once.
    again: bool,
}

/// The clock of one world.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorldClock {
    /// The latest time that any of its sources showed.
    horizon: Option<Timestamp>,
    /// It went back, when last.
    step: Option<Step>,
}

impl WorldClock {
    /// A frame of the world.
    #[inline]
    pub(super) fn see(&mut self, mark: Mark) {
        match (self.step, self.horizon) {
            (None, Some(known)) if mark.time >= known => self.horizon = Some(mark.time),
            _ => self.see_odd(mark),
        }
    }

    /// The first frame, one that is earlier than another, or one after a step.
    fn see_odd(&mut self, mark: Mark) {
        let shown = self.step.map(|step| step.after).or(self.horizon);
        if let Some(shown) = shown.filter(|shown| shown.since(mark.time) > STEP) {
            self.step = Some(Step {
                frame: mark.frame,
                before: self.step.map_or(shown, |step| step.before),
                after: mark.time,
                again: self.step.is_some(),
            });
        } else if let Some(step) = &mut self.step {
            step.after = step.after.max(mark.time);
        }
        self.reach(mark.time);
    }

    /// It was watched until that time.
    pub(super) fn reach(&mut self, time: Timestamp) {
        self.horizon = Some(self.horizon.map_or(time, |known| known.max(time)));
    }

    /// Whether it showed any time.
    pub(super) fn runs(&self) -> bool {
        self.horizon.is_some()
    }

    /// The latest time that it showed after its frame `last`, as far as it can be trusted.
    pub(super) fn after(&self, last: Mark) -> Option<Timestamp> {
        match self.step {
            Some(step) if step.frame.source() == last.frame.source() => {
                Some(if last.frame.number() >= step.frame.number() {
                    step.after.max(last.time)
                } else if step.again {
                    last.time
                } else {
                    step.before.max(last.time)
                })
            }
            _ => self.horizon,
        }
    }
}
