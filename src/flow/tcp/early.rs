//! Segments that were captured before what they answer.
//!
//! A mirror port and a card with several queues hand over the two directions in an order of their own: the reply stands some
//! frames before its command, and a decoder would take it for an answer to something else. The acknowledgement number tells
//! (RFC 9293 3.4): who acknowledges a byte has seen it. Such a segment waits until the byte is there; bounded in
//! time and number, since the byte may be lost for good.

use std::collections::VecDeque;

use super::reassembly::StreamSink;
use super::tracker::Tracker;
use crate::base::{MILLISECOND, Mark, Nanos, Rare, Side, Timestamp};

/// Directions are interleaved no worse than this, as far as captures show it.
const GRACE: Nanos = 3 * MILLISECOND;
/// Segments that wait at the most; with one more the first goes on.
const WAITING: usize = 8;

#[derive(Debug)]
struct Segment {
    mark: Mark,
    start: i64,
    len: u32,
    bytes: Vec<u8>,
    /// What it acknowledges of the other side's stream.
    acknowledges: i64,
}

/// Those of one side, in the order of its stream.
#[derive(Debug, Default)]
pub(super) struct Early(Rare<VecDeque<Segment>>);

impl Early {
    /// Whether none waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a segment; everything of this side behind it has to wait as well.
    pub(super) fn push(
        &mut self,
        mark: Mark,
        start: i64,
        len: u32,
        bytes: &[u8],
        acknowledges: i64,
    ) {
        // Segments of one side change places as well.
        let later = self.0.iter().rev().take_while(|one| one.start > start);
        let at = self.0.len() - later.count();
        let segment = Segment {
            mark,
            start,
            len,
            bytes: bytes.to_vec(),
            acknowledges,
        };
        self.0.insert(at, segment);
    }

    /// The next one, if it need not wait any more: the other side's stream was handed on up to `seen`, or it waited long
    /// enough at `now` (`None`: nothing more will come).
    fn due(&mut self, seen: i64, now: Option<Timestamp>) -> Option<Segment> {
        let front = self.0.front()?;
        let patient = now.is_some_and(|now| now.since(front.mark.time) < GRACE);
        let ready = front.acknowledges <= seen || !patient || self.0.len() > WAITING;
        if ready { self.0.pop_front() } else { None }
    }

    /// Whether the next one of this side was sent before the next one of the other: it acknowledges nothing of it. Where
    /// both wait for bytes that are lost, that decides which is handed on first; where each acknowledges nothing of the
    /// other, the order of capture does.
    fn precedes(&self, other: &Early) -> bool {
        let (Some(own), Some(others)) = (self.0.front(), other.0.front()) else {
            return false;
        };
        let free = own.acknowledges <= others.start;
        let others_free = others.acknowledges <= own.start;
        if free == others_free {
            own.mark.is_before(others.mark)
        } else {
            free
        }
    }
}

/// A stretch of a stream that was acknowledged before it was captured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unseen {
    from: i64,
    to: i64,
    at: Mark,
}

impl Unseen {
    /// `[from, to)`, acknowledged at that frame.
    pub(super) fn new(from: i64, to: i64, at: Mark) -> Unseen {
        Unseen { from, to, at }
    }
}

impl Tracker {
    /// Whether a segment shows what was acknowledged just now and not captured yet.
    pub(super) fn is_late(&self, side: Side, start: i64, end: i64, now: Timestamp) -> bool {
        self.halves[side].unseen.is_some_and(|unseen| {
            let soon = now.since(unseen.at.time) < GRACE;
            start == unseen.from && end > start && end <= unseen.to && soon
        })
    }

    /// Takes a late segment: the capture lost nothing after all.
    pub(super) fn shown_late(&mut self, side: Side, end: i64) {
        let Some(unseen) = *self.halves[side].unseen else {
            return;
        };
        let shown = u32::try_from(end.saturating_sub(unseen.from)).unwrap_or(0);
        let facts = &mut self.facts;
        facts.behind = facts.behind.saturating_add(1);
        facts.capture_gaps[side] = facts.capture_gaps[side].saturating_sub(shown);
        let left = if end == unseen.to {
            facts.acked_unseen = facts.acked_unseen.saturating_sub(1);
            None
        } else {
            Some(Unseen::new(end, unseen.to, unseen.at))
        };
        self.halves[side].unseen.set(left);
    }

    /// Hands on what need not wait any more.
    #[inline]
    pub(super) fn release(&mut self, now: Option<Timestamp>, out: &mut impl StreamSink) {
        if !self.halves.client.early.is_empty() || !self.halves.server.early.is_empty() {
            self.release_some(now, out);
        }
    }

    fn release_some(&mut self, now: Option<Timestamp>, out: &mut impl StreamSink) {
        loop {
            let (client, server) = (&self.halves.client.early, &self.halves.server.early);
            let first = if client.is_empty() || server.precedes(client) {
                Side::Server
            } else {
                Side::Client
            };
            if !self.release_next(first, now, out) && !self.release_next(first.other(), now, out) {
                return;
            }
        }
    }

    /// Hands on that side's next one, if it need not wait any more.
    fn release_next(
        &mut self,
        side: Side,
        now: Option<Timestamp>,
        out: &mut impl StreamSink,
    ) -> bool {
        let visible = self.facts.sides[side.other()].segments > 0;
        let Some(seen) = self.halves[side.other()].stream.handed_on() else {
            return false;
        };
        let Some(one) = self.halves[side].early.due(seen, now) else {
            return false;
        };
        let (mark, bytes) = (one.mark, &one.bytes);
        self.halves[side]
            .stream
            .segment(side, mark, one.start, one.len, bytes, visible, out);
        true
    }
}
