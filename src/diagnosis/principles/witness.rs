//! Absence needs a witness: that something never came counts only if this capture would have shown it.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::view::Connection;

/// How much an absence weighs in this capture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Absence {
    /// Something else came back to this client at about that time: silence is silence. Cap on confidence.
    Witnessed(f32),
    /// Nothing to compare with: at most 0.6, with `capture.one-way` as alternative.
    Unwitnessed,
    /// The other flows of this client are one-directional too: nothing can be said.
    Blind,
}

/// Weighs what did not come, for this connection.
pub fn absence(c: &Connection<'_>) -> Absence {
    if c.context.one_way && !c.context.answered_near {
        return Absence::Blind;
    }
    // ACKed but unseen bytes and kernel drops weaken every verdict that rests on absence.
    let weak = c.context.capture_drops || c.tcp.acked_unseen > 0;
    // Packets of the peer on this very connection witness as well as those of others.
    let own = c.tcp.sides[Side::Client].segments > 0 && c.tcp.sides[Side::Server].segments > 0;
    // What came back from elsewhere does not outweigh that the server's answers to others were not captured, or that nothing of any
    // other connection of this client was.
    let unlike = c.context.answers_unseen || c.context.one_way;
    if c.context.answered_near && !unlike || own {
        Absence::Witnessed(if weak { 0.75 } else { 0.97 })
    } else {
        Absence::Unwitnessed
    }
}

/// Whether the client had been silent when the server's data, never acknowledged since, first left: who had spoken a moment before,
/// waits for it, and it is on the path that it dies.
pub fn client_was_silent(c: &Connection<'_>, first: Mark) -> bool {
    c.tcp.sides[Side::Client]
        .last
        .is_none_or(|last| first.time.since(last.time) >= SECOND)
}

impl Absence {
    /// The confidence for a claim that rests on this absence and would otherwise have `full`; `None` when blind.
    pub fn confidence(self, full: f32) -> Option<f32> {
        match self {
            Absence::Witnessed(cap) => Some(full.min(cap)),
            Absence::Unwitnessed => Some(full.min(0.6)),
            Absence::Blind => None,
        }
    }

    /// Whether `capture.one-way` has to stand as an alternative.
    pub fn doubtful(self) -> bool {
        self == Absence::Unwitnessed
    }
}
