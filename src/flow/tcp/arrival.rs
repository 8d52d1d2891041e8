//! What became of a range that arrived: told once, and taken back when the receiver says that it was told wrongly.
//!
//! Lost before the capture point, behind it, by the capture, or not at all; and which sizes got through. It keeps no range: the
//! scoreboard does.

use super::super::facts::{ByteRange, TcpFacts};
use super::super::losses::{LossEvent, LossPlace, MtuEvidence};
use super::range::{Range, Segment};
use super::scoreboard::{DEAD, Scoreboard, equivalents};
use crate::base::{Mark, Nanos, Side};

/// A loss that was told and may turn out to be none (D-SACK).
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    range: ByteRange,
    at: Mark,
    place: LossPlace,
    events: u32,
    equivalents: u64,
    waited: Nanos,
    /// Clock and identification of the first copy that was captured.
    tsval: Option<u32>,
    ip_id: Option<u16>,
}

impl Scoreboard {
    /// The receiver says that it got [left, right) twice: what was told lost there was not.
    pub(super) fn duplicate_sack(
        &mut self,
        side: Side,
        left: i64,
        right: i64,
        facts: &mut TcpFacts,
    ) {
        for range in self.ranges.iter_mut() {
            range.excused |= range.start < right && range.end > left && range.count > 1;
        }
        self.take_back(side, left, right, facts, |_| true);
    }

    /// What was told lost there before the capture point was not, when another copy comes after it had arrived: one of the two was sent first,
    /// and only overtaken. Where clock or identification say that the copy was sent later, it says nothing.
    pub(super) fn came_late(&mut self, side: Side, segment: &Segment, facts: &mut TcpFacts) {
        if !self.losses.told.is_empty() {
            self.take_back(side, segment.start, segment.end, facts, |told| {
                told.place == LossPlace::Before
                    && segment.is_older(told.tsval, told.ip_id) != Some(false)
            });
        }
    }

    /// Takes back what was told lost of [left, right), where `wrongly` says so.
    fn take_back(
        &mut self,
        side: Side,
        left: i64,
        right: i64,
        facts: &mut TcpFacts,
        wrongly: impl Fn(&Told) -> bool,
    ) {
        let mut at = 0;
        while let Some(told) = self.losses.told.get(at).copied() {
            if told.range.start < right && told.range.end > left && wrongly(&told) {
                facts.loss_count = facts.loss_count.saturating_sub(told.events);
                facts.mss_equivalents_lost =
                    facts.mss_equivalents_lost.saturating_sub(told.equivalents);
                facts.stood_still = facts.stood_still.saturating_sub(told.waited);
                if told.place == LossPlace::After {
                    facts.mss_equivalents_needless = facts
                        .mss_equivalents_needless
                        .saturating_add(told.equivalents);
                }
                if told.events > 0 {
                    facts
                        .losses
                        .retain(|event| event.side != side || event.at != told.at);
                }
                self.losses.told.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Nobody had asked for what was sent last and is not known to have arrived: after what silence it was said, or 0.
    pub(super) fn ends_unasked(&self) -> Nanos {
        let last = self.ranges.back().filter(|last| !last.sacked);
        last.map_or(0, |last| last.unasked)
    }

    pub(super) fn note_smaller(&mut self, range: &Range, mark: Mark) {
        if let Some(hole) = self.ranges.front().filter(|first| first.count == 0)
            && hole.start < range.start
            && (1..hole.mss).contains(&range.size_min)
            && self
                .losses
                .smaller_behind_hole
                .is_none_or(|(start, _)| start != hole.start)
        {
            self.losses.smaller_behind_hole = Some((hole.start, mark));
        }
        let Some(oldest) = self
            .ranges
            .iter()
            .find(|oldest| oldest.count > 0 && !oldest.sacked)
        else {
            return;
        };
        // Bytes behind others were sent after these, whatever the capture shows of the first time that they were sent.
        let later = oldest.start < range.start
            || oldest.ordinal < range.ordinal
            || oldest.first.is_before(range.last());
        if later
            && range.size_min < oldest.size
            && self
                .losses
                .smaller_arrived
                .is_none_or(|(start, _)| start != oldest.start)
        {
            self.losses.smaller_arrived = Some((oldest.start, mark));
        }
    }

    /// Tells the story of a range that arrived.
    pub(super) fn arrived(
        &mut self,
        side: Side,
        range: &Range,
        mark: Mark,
        tsecr: Option<u32>,
        facts: &mut TcpFacts,
    ) {
        if range.count == 0 {
            count_capture_gap(side, range.start, range.end, facts);
            return;
        }
        self.largest_arrived = self.largest_arrived.max(range.size_min);
        let (count, first, last) = range.largest();
        let unheeded = range.unheeded();
        let dead = !range.excused || unheeded >= DEAD;
        if count >= DEAD && range.size_min < range.size && dead {
            self.losses.recovered = Some(MtuEvidence {
                smallest_dead: Some(range.size),
                dead: Some(first),
                dead_last: Some(last),
                dead_transmissions: count,
                unheeded,
                recovered: Some(mark),
                ..MtuEvidence::default()
            });
        }
        let bytes = u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX);
        let once = equivalents(bytes, range.mss);
        if range.lost_before {
            let noticed = range.hole().unwrap_or(range.first);
            let loss = LossEvent {
                side,
                at: range.first,
                place: LossPlace::Before,
                sent: noticed.time,
                events: range.episodes().min(1),
                equivalents: u32::try_from(once).unwrap_or(u32::MAX),
                waited: self.stood_still(noticed, range.first, facts),
                unasked: range.unasked,
            };
            self.tell(range, loss, facts);
        }
        let resends = u64::from(range.count.saturating_sub(1));
        let Some(at) = range.resent().filter(|_| resends > 0 && !range.excused) else {
            return;
        };
        let equivalents = resends.saturating_mul(once);
        if range.needless(mark, tsecr, facts.min_rtt[side.other()]) {
            facts.mss_equivalents_needless =
                facts.mss_equivalents_needless.saturating_add(equivalents);
            return;
        }
        let events = range
            .episodes()
            .saturating_sub(u32::from(range.lost_before));
        let loss = LossEvent {
            side,
            at,
            place: LossPlace::After,
            sent: range.first.time,
            events,
            equivalents: u32::try_from(equivalents).unwrap_or(u32::MAX),
            waited: self.stood_still(range.first, range.last(), facts),
            unasked: range.unasked,
        };
        self.tell(range, loss, facts);
    }

    fn tell(&mut self, range: &Range, loss: LossEvent, facts: &mut TcpFacts) {
        let LossEvent { side, at, .. } = loss;
        let equivalents = u64::from(loss.equivalents);
        let events = loss.events;
        facts.loss_count = facts.loss_count.saturating_add(events);
        facts.mss_equivalents_lost = facts.mss_equivalents_lost.saturating_add(equivalents);
        if events > 0 {
            let _ = facts.losses.try_push(loss);
        } else if let Some(last) = facts.losses.last_mut().filter(|last| last.side == side) {
            // More of what is being repaired.
            last.equivalents = last.equivalents.saturating_add(loss.equivalents);
            last.waited = last.waited.saturating_add(loss.waited);
        }
        if self.losses.told.is_full() {
            self.losses.told.remove(0);
        }
        let _ = self.losses.told.try_push(Told {
            range: ByteRange {
                start: range.start,
                end: range.end,
            },
            at,
            place: loss.place,
            events,
            equivalents,
            waited: loss.waited,
            tsval: range.tsval,
            ip_id: range.ip_id,
        });
    }

    /// Adds the wait from `from` to `to`, each moment once; returns what was added.
    fn stood_still(&mut self, from: Mark, to: Mark, facts: &mut TcpFacts) -> Nanos {
        let from = self
            .losses
            .still_until
            .map_or(from.time, |until| until.time.max(from.time));
        let waited = to.time.since(from);
        if waited > 0 {
            facts.stood_still = facts.stood_still.saturating_add(waited);
            self.losses.still_until = Some(to);
        }
        waited.max(0)
    }
}

pub(super) fn count_capture_gap(side: Side, start: i64, end: i64, facts: &mut TcpFacts) {
    facts.acked_unseen = facts.acked_unseen.saturating_add(1);
    let missed = u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX);
    facts.capture_gaps[side] = facts.capture_gaps[side].saturating_add(missed);
}
