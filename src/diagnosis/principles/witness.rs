//! Absence needs a witness: that something never came counts only if this capture would have shown it.

use crate::base::{Mark, SECOND, Side, Timestamp};
use crate::diagnosis::view::Connection;
use crate::proto::mail::Verb;

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

/// Whether the client was waiting for something when a silence that ended at `until` began: the greeting, the server's part of the
/// TLS handshake, the answer to a request. Then the silence was a wait, and the connection did not rest.
pub fn was_owed(c: &Connection<'_>, until: Timestamp) -> bool {
    // The answer may be in what was not captured.
    if c.partly_unseen() || c.began_late() {
        return false;
    }
    let spoke = |side: Side| {
        let first = c.tcp.sides[side].first_data;
        first.is_some_and(|first| first.time < until)
    };
    // Who speaks first is the server, and the client where TLS comes first (RFC 8314 3).
    if !spoke(Side::Server) && (!c.service.implicit_tls() || spoke(Side::Client)) {
        return true;
    }
    if let Some(tls) = c.tls.filter(|_| !c.reads_inside()) {
        let mut before = tls.opaque.iter().filter(|one| one.at.time < until);
        let hello = tls.started[Side::Client].is_some_and(|hello| hello.time < until);
        let answered = tls.started[Side::Server].is_some_and(|answer| answer.time < until);
        return match before.next_back() {
            Some(last) => last.side == Side::Client,
            None => hello && !answered,
        };
    }
    c.dialogue.exchanges.iter().any(|exchange| {
        let Some(command) = &exchange.command else {
            return false;
        };
        let quiet = matches!(command.verb, Verb::Quit | Verb::Idle | Verb::Unknown)
            || command.verb == Verb::Data && c.dialogue.in_data.is_some();
        let open = exchange
            .reply
            .as_ref()
            .is_none_or(|reply| reply.done.time >= until);
        !quiet && command.done.time < until && open
    })
}

/// That side asked again and again whether the other one is still there and heard nothing (RFC 9293 3.8.4): its kernel gave the
/// connection up, which no user and no process did.
pub fn gave_up_on_peer(c: &Connection<'_>, side: Side) -> bool {
    /// One question may be lost, and so may its answer.
    const UNANSWERED: u32 = 3;
    let (own, peer) = (&c.tcp.sides[side], &c.tcp.sides[side.other()]);
    // Probes of a closed window ask the same.
    if peer.zero_window.silent() {
        return true;
    }
    // Those of an earlier rest were answered.
    let open = own.keep_alives.saturating_sub(peer.labels.keep_alive_ack);
    open >= UNANSWERED
        && own.last_keep_alive.is_some_and(|asked| {
            peer.last
                .is_none_or(|heard| asked.time.since(heard.time) >= SECOND)
        })
}

/// The last that side asked was whether the other is still there (keep-alive, RFC 9293 3.8.4), and it heard nothing any more: fewer
/// times than [`gave_up_on_peer`] wants, some of which the capture may lack. `None`: it asked nothing of the kind.
pub fn asked_in_vain(c: &Connection<'_>, side: Side) -> Option<Mark> {
    let (own, peer) = (&c.tcp.sides[side], &c.tcp.sides[side.other()]);
    let asked = own.last_keep_alive?;
    let heard = peer.last.is_some_and(|heard| !heard.is_before(asked));
    let said = own.last_data.is_some_and(|said| !said.is_before(asked));
    (!heard && !said).then_some(asked)
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
