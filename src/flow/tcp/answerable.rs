//! Which packet of the other side a reset can answer, at the earliest.
//!
//! How soon a reset came is told from there, and not from the latest packet: in a stream of data there always is a latest
//! one, however long ago the one left that the reset answers. It judges nothing.

use crate::base::{Nanos, Side, Timestamp};
use crate::wire::Tcp;

use super::tracker::Tracker;

/// After so many round trips of rest an acknowledgement that nobody answered is taken to have come there.
const RESTED: Nanos = 2;

/// The oldest of a side's segments that the other side may still answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answerable {
    /// Of all that it sent.
    oldest: Option<Timestamp>,
    /// Of what it sent behind its latest data: nothing ever acknowledges that.
    trailing: Option<Timestamp>,
}

impl Tracker {
    /// `side` sent a segment that is no reset; what it acknowledges was taken in before.
    pub(super) fn answerable(&mut self, side: Side, time: Timestamp, tcp: &Tcp<'_>) {
        let round_trip = self.facts.min_rtt[side.other()].or(match side {
            Side::Client => self.facts.rtt_server,
            Side::Server => self.facts.rtt_client,
        });
        let own = &mut self.halves[side];
        // What only acknowledges came there, or was lost, when nothing has come back of it for long. Data is sent until it is acknowledged.
        let rested = round_trip
            .zip(own.spoke)
            .is_some_and(|(trip, last)| time.since(last) >= trip.saturating_mul(RESTED));
        own.spoke = Some(time);
        let answerable = &mut own.answerable;
        if rested && answerable.oldest == answerable.trailing {
            *answerable = Answerable::default();
        }
        answerable.oldest.get_or_insert(time);
        if tcp.payload_len > 0 || tcp.flags.fin() {
            answerable.trailing = None;
        } else {
            answerable.trailing.get_or_insert(time);
        }
        let peer = &mut self.halves[side.other()];
        if tcp.flags.ack() && peer.board.all_acked() {
            peer.answerable.oldest = peer.answerable.trailing;
        }
    }

    /// How long before `time` the first packet left that a reset of `side` can answer, as far as its numbers and what its host
    /// acknowledged before tell.
    pub(super) fn answers(
        &self,
        side: Side,
        time: Timestamp,
        tcp: &Tcp<'_>,
        acknowledged: Option<i64>,
    ) -> Option<Nanos> {
        let peer = &self.halves[side.other()];
        // RFC 9293 3.5.2: without ACK it stands at the number that the packet acknowledged which it answers. With ACK it answers
        // nothing (3.10.4, ABORT): all that it shows is which bytes had come before it was sent.
        let first = if tcp.flags.ack() {
            let end = acknowledged.filter(|end| *end > peer.board.acked())?;
            peer.board.first_sent(end)?
        } else {
            peer.answerable.oldest?
        };
        Some(time.since(first))
    }
}
