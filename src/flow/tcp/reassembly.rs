//! One direction of a connection put back into order: every byte exactly once, or a gap in its place.
//!
//! In-order payload goes through as a borrowed slice of its frame, without a copy. What comes early waits,
//! bounded; a hole that cannot fill any more (acknowledged by the receiver yet never seen, bound reached,
//! other direction invisible, end of the connection) becomes a gap. Of overlapping copies the first wins.
//! It does not know acknowledgements' meaning for loss, and never judges.

use std::collections::VecDeque;

use crate::base::limits::{REASSEMBLY, REASSEMBLY_SEGMENTS};
use crate::base::{MILLISECOND, Mark, Nanos, Side, Timestamp};

/// Who gets the bytes of a connection.
pub trait StreamSink {
    /// The next bytes of that side's stream, from the frame of `mark`.
    fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]);
    /// So many bytes of that side's stream were never captured; `mark` is the frame after them. 0 before its first bytes: what
    /// was said before the capture began is not known.
    fn gap(&mut self, side: Side, mark: Mark, len: u64);
}

/// A sink for flows whose bytes are nobody's business.
impl StreamSink for () {
    fn data(&mut self, _: Side, _: Mark, _: &[u8]) {}
    fn gap(&mut self, _: Side, _: Mark, _: u64) {}
}

/// An acknowledged hole with later data waiting is given this long: captures interleave the two directions badly.
const GRACE: Nanos = 3 * MILLISECOND;
/// An acknowledged hole with nothing after it is given this long.
const GRACE_AT_END: Nanos = 200 * MILLISECOND;
/// Where the receiver is not visible, a hole is given up after this many later segments.
const ONE_WAY_SEGMENTS: usize = 8;

#[derive(Debug)]
struct Piece {
    start: i64,
    /// One past the last byte on the wire; beyond the captured ones when the snap length cut it.
    end: i64,
    bytes: Vec<u8>,
    mark: Mark,
}

/// One direction. Offsets are relative to the first byte of the stream.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// Next offset to hand on; none before the first byte was seen.
    next: Option<i64>,
    waiting: VecDeque<Piece>,
    waiting_bytes: usize,
    /// The receiver acknowledged up to here, seen first at that time.
    acked: Option<(i64, Mark)>,
}

impl Reassembly {
    /// The stream begins at `offset` (the SYN was seen).
    pub(super) fn begin(&mut self, offset: i64) {
        if self.next.is_none() {
            self.next = Some(offset);
        }
    }

    /// Gives back memory that holds nothing.
    pub(super) fn rest(&mut self) {
        self.waiting.shrink_to_fit();
    }

    /// Whether any byte was handed on or waits.
    pub(super) fn started(&self) -> bool {
        self.next.is_some_and(|next| next > 0) || !self.waiting.is_empty()
    }

    /// Where the first bytes that wait behind a hole were captured.
    #[inline]
    pub(super) fn waits(&self) -> Option<Mark> {
        self.waiting.front().map(|piece| piece.mark)
    }

    /// How far the stream was handed on; `None` before its first byte.
    pub(super) fn handed_on(&self) -> Option<i64> {
        self.next
    }

    /// A segment with `len` bytes on the wire at `start`, of which `bytes` were captured.
    /// `peer_visible`: the other direction is in the capture, so that its acknowledgements can be waited for.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn segment(
        &mut self,
        side: Side,
        mark: Mark,
        start: i64,
        len: u32,
        bytes: &[u8],
        peer_visible: bool,
        out: &mut impl StreamSink,
    ) {
        let end = start.saturating_add(i64::from(len));
        let next = match self.next {
            Some(next) => next,
            None => {
                // The stream began before the capture did.
                out.gap(side, mark, 0);
                *self.next.insert(start)
            }
        };
        if end <= next {
            return;
        }
        if start <= next {
            self.hand_on(side, mark, start, end, bytes, out);
            self.drain(side, out);
            return;
        }
        self.wait(
            Piece {
                start,
                end,
                bytes: Vec::new(),
                mark,
            },
            bytes,
        );
        while self.waiting.len() > REASSEMBLY_SEGMENTS || self.waiting_bytes > REASSEMBLY {
            self.give_up_hole(side, out);
        }
        if !peer_visible && self.waiting.len() >= ONE_WAY_SEGMENTS {
            self.give_up_hole(side, out);
        }
    }

    /// The receiver acknowledged everything before `offset`.
    pub(super) fn acked(&mut self, offset: i64, mark: Mark) {
        let Some(next) = self.next else { return };
        if offset > next && self.acked.is_none_or(|(known, _)| known <= next) {
            self.acked = Some((offset, mark));
        } else if let Some((known, _)) = &mut self.acked {
            *known = offset.max(*known);
        }
    }

    /// The stream's last byte is before `offset`: what acknowledges more acknowledges the FIN.
    pub(super) fn ends(&mut self, offset: i64) {
        if let Some((acked, _)) = &mut self.acked {
            *acked = offset.min(*acked);
        }
    }

    /// Time goes on: acknowledged holes become gaps.
    #[inline]
    pub(super) fn advance(&mut self, side: Side, now: Timestamp, out: &mut impl StreamSink) {
        if let Some((acked, mark)) = self.acked {
            self.advance_to(side, now, acked, mark, out);
        }
    }

    fn advance_to(
        &mut self,
        side: Side,
        now: Timestamp,
        acked: i64,
        mark: Mark,
        out: &mut impl StreamSink,
    ) {
        let Some(next) = self.next else { return };
        if acked <= next {
            self.acked = None;
            return;
        }
        let waited = now.since(mark.time);
        match self.waiting.front() {
            Some(piece) if piece.start <= acked && waited >= GRACE => self.give_up_hole(side, out),
            // The grace counts from the moment the hole was noticed; more of it may be acknowledged meanwhile.
            None if waited >= GRACE_AT_END => {
                out.gap(side, mark, acked.saturating_sub(next).unsigned_abs());
                self.next = Some(acked);
                self.acked = None;
            }
            _ => {}
        }
    }

    /// The connection is over: everything that waits is handed on, with gaps between.
    pub(super) fn flush(&mut self, side: Side, out: &mut impl StreamSink) {
        while !self.waiting.is_empty() {
            self.give_up_hole(side, out);
        }
        if let (Some((acked, mark)), Some(next)) = (self.acked.take(), self.next)
            && acked > next
        {
            out.gap(side, mark, acked.saturating_sub(next).unsigned_abs());
            self.next = Some(acked);
        }
    }

    /// Hands on what of [start, end) lies at or after `next`; `start` is not after `next`.
    fn hand_on(
        &mut self,
        side: Side,
        mark: Mark,
        start: i64,
        end: i64,
        bytes: &[u8],
        out: &mut impl StreamSink,
    ) {
        let next = self.next.unwrap_or(start);
        let skip = usize::try_from(next.saturating_sub(start)).unwrap_or(usize::MAX);
        let fresh = bytes.get(skip..).unwrap_or(&[]);
        let room = usize::try_from(end.saturating_sub(next)).unwrap_or(0);
        let fresh = fresh.get(..room).unwrap_or(fresh);
        if !fresh.is_empty() {
            out.data(side, mark, fresh);
        }
        if room > fresh.len() {
            out.gap(side, mark, (room - fresh.len()) as u64);
        }
        self.next = Some(end);
    }

    /// Hands on whatever of the waiting pieces is now in order.
    fn drain(&mut self, side: Side, out: &mut impl StreamSink) {
        while let (Some(next), Some(piece)) = (self.next, self.waiting.front()) {
            if piece.start > next {
                break;
            }
            let Some(piece) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(piece.bytes.len());
            if piece.end > next {
                self.hand_on(side, piece.mark, piece.start, piece.end, &piece.bytes, out);
            }
        }
    }

    /// Hands on what waits behind the first hole, with a gap in its place.
    pub(super) fn give_up_hole(&mut self, side: Side, out: &mut impl StreamSink) {
        let (Some(next), Some(piece)) = (self.next, self.waiting.front()) else {
            return;
        };
        if piece.start > next {
            out.gap(
                side,
                piece.mark,
                piece.start.saturating_sub(next).unsigned_abs(),
            );
            self.next = Some(piece.start);
        }
        self.drain(side, out);
    }

    /// Keeps the parts of a piece that nothing waiting covers yet.
    fn wait(&mut self, piece: Piece, bytes: &[u8]) {
        let mut start = piece.start;
        let mut at = self.waiting.partition_point(|other| other.end <= start);
        while start < piece.end {
            let (until, resume) = match self.waiting.get(at) {
                Some(other) if other.start <= start => {
                    start = other.end;
                    at = at.saturating_add(1);
                    continue;
                }
                Some(other) if other.start < piece.end => (other.start, other.end),
                _ => (piece.end, piece.end),
            };
            let from = usize::try_from(start.saturating_sub(piece.start)).unwrap_or(usize::MAX);
            let to = usize::try_from(until.saturating_sub(piece.start))
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let kept = bytes.get(from..to).unwrap_or(&[]).to_vec();
            self.waiting_bytes = self.waiting_bytes.saturating_add(kept.len());
            self.waiting.insert(
                at,
                Piece {
                    start,
                    end: until,
                    bytes: kept,
                    mark: piece.mark,
                },
            );
            at = at.saturating_add(2);
            start = resume;
        }
    }
}
