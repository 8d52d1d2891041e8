//! A side that could take no more for a moment, and was never heard again.
//!
//! A host with a closed window answers each probe of it, whether its program reads or not (RFC 9293 3.8.6.1): where none is answered the window is
//! not the fault. It makes no claim; whose silence it is, is said by the rule of that side.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::{Claim, Connection};

/// Probe after probe of a window that was closed for a moment, and no answer.
#[derive(Clone, Copy, Debug)]
pub struct Unanswered {
    /// The window was closed here.
    closed: Mark,
    /// The latest segment of the side that closed it.
    heard: Mark,
    /// The latest probe.
    pub asked: Mark,
    probes: u32,
}

/// Whether that side closed its window for a moment and answered no probe for three seconds and more.
pub fn silent_behind_window(c: &Connection<'_>, side: Side) -> Option<Unanswered> {
    let silent = &c.tcp.sides[side];
    let window = &silent.zero_window;
    if c.one_sided() || c.partly_unseen() || silent.fin.is_some() || !window.fell_silent() {
        return None;
    }
    let (closed, heard) = (window.closed_since?, silent.last?);
    let asked = c.tcp.sides[side.other()].last?;
    let probes = window.unanswered;
    (asked.time.since(heard.time) >= 3 * SECOND).then_some(Unanswered {
        closed,
        heard,
        asked,
        probes,
    })
}

impl Unanswered {
    /// The claim with what shows it.
    pub fn shows(self, c: &Connection<'_>, claim: Claim) -> Claim {
        let seconds = self.asked.time.since(self.heard.time) as f64 / 1e9;
        claim
            .since(self.heard.time)
            .shown_by(format!(
                "{} window probes in {seconds:.1} s, and no answer to any",
                self.probes
            ))
            .because(self.closed, "window 0")
            .because(self.heard, "the latest segment that came back")
            .provisional_if(!c.ended())
    }
}
