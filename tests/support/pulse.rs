//! When the machine stood still: a thread that wants to wake every 20 ms notes when it could not.
//!
//! Exists because a scenario's truth holds on a machine that runs. One that is stopped for a second (a neighbour's load, a snapshot of
//! the guest) adds that second to whatever was on its way, and what a probe then measures is that path, not the scenario's.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Between two beats.
const BEAT: Duration = Duration::from_millis(20);
/// A beat that is late by so much is no matter of scheduling among the suite's own threads.
const STILL: Duration = Duration::from_millis(300);

/// Beats that were late: when each was awaited, and when it came.
#[derive(Clone, Default)]
pub struct Pulse(Arc<Mutex<Vec<(Instant, Instant)>>>);

impl Pulse {
    /// Begins to beat, as long as the process lives.
    pub fn start() -> Pulse {
        let pulse = Pulse::default();
        let kept = pulse.clone();
        thread::spawn(move || {
            loop {
                let awaited = Instant::now() + BEAT;
                thread::sleep(BEAT);
                let came = Instant::now();
                if came - awaited >= STILL {
                    let mut late = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                    late.push((awaited, came));
                }
            }
        });
        pulse
    }

    /// The longest time that the machine stood still, wholly or in part since then.
    pub fn stood_still(&self, since: Instant) -> Option<Duration> {
        let late = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let during = late.iter().filter(|(_, came)| *came >= since);
        during.map(|(awaited, came)| *came - *awaited).max()
    }
}
