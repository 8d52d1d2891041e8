//! What one side sent and what became of it, as the observer in the middle can know.
//!
//! Every range of the stream that is not acknowledged stands here once, with how often and at which sizes it
//! passed the capture point; ranges that never passed stand here as holes. When a range arrives (ACK or SACK)
//! its story is told: lost before the capture point, behind it, by the capture, or not at all (RFC 6298 3 for
//! Karn's rule, RFC 3522 for Eifel's, RFC 2883 for D-SACK). It refuses to call anything lost that may have
//! been resent for nothing. Offsets are relative to the first byte of the stream; a FIN is one offset long.

use std::collections::VecDeque;

use crate::base::{Few, Mark, Nanos, Rare, SECOND, Side, Timestamp, Usual};

use super::super::facts::{ByteRange, Outstanding, TcpFacts};
use super::super::losses::MtuEvidence;
use super::arrival::{Told, count_capture_gap};
use super::range::{Range, Segment};

/// Ranges kept apart per direction; beyond it neighbours are told as one.
const RANGES: usize = 512;
/// Up to here room for ranges is made by the few; then as lists grow.
const ROOM: usize = 4;
/// Losses that may be taken back: as many as a window of resends in flight, which D-SACKs tell of one by one (RFC 2883 4).
const TOLD: usize = 128;
/// Transmissions at one size before it counts as dead (the clock of verdicts: ≥ 3 transmissions).
pub(super) const DEAD: u32 = 3;

/// Payload of the smallest packet that may be what is left of a whole one, and the rest before it: retransmission timers run out a few times
/// before a sender tries smaller packets (RFC 4821 7.7).
const SMALLEST: u32 = 500;
const RESTED: Nanos = SECOND;

/// A size, how often something was carried in it, and when first and last.
type Carried = (u32, u32, Mark, Mark);

/// What a segment was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Novelty {
    /// Offsets that the capture had not seen, FIN included.
    pub(super) fresh: i64,
    /// Offsets that it had.
    pub(super) again: bool,
}

impl Novelty {
    /// Nothing of it was seen before.
    pub(super) fn fresh(offsets: i64) -> Novelty {
        Novelty {
            fresh: offsets,
            again: false,
        }
    }
}

/// One direction's ranges.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    pub(super) ranges: VecDeque<Range>,
    /// One past the highest offset that was sent.
    high: Option<i64>,
    /// Highest cumulative acknowledgement.
    acked: i64,
    /// Losses below this offset belong to the loss event that is being repaired.
    recover: i64,
    pub(super) losses: Rare<Losses>,
    pub(super) largest_arrived: u32,
}

/// What is remembered of losses; most directions have none.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) told: Few<Told, TOLD>,
    /// Waiting for a resend was counted up to here.
    pub(super) still_until: Option<Mark>,
    /// Something smaller than the oldest missing range arrived after it had been sent.
    pub(super) smaller_arrived: Option<(i64, Mark)>,
    /// Something smaller than a packet arrived from behind a hole: where the hole begins.
    pub(super) smaller_behind_hole: Option<(i64, Mark)>,
    /// The dead size that finally got through in smaller pieces.
    pub(super) recovered: Option<MtuEvidence>,
    /// Where what is smaller than a packet came after a rest: its offset, and how long the rest was.
    resumed: Option<(i64, Mark, Nanos)>,
    /// Such a place from which whole packets are missing: full size, and how long the rest was.
    healed: Option<(Mark, u32, Nanos)>,
}

impl Usual for Losses {
    const USUAL: &'static Losses = &Losses {
        told: Few::new(),
        still_until: None,
        smaller_arrived: None,
        smaller_behind_hole: None,
        recovered: None,
        resumed: None,
        healed: None,
    };
}

/// ⌈bytes / mss⌉, at least one: what a frame counts in loss statistics.
pub(super) fn equivalents(bytes: u32, mss: u32) -> u64 {
    u64::from(bytes.div_ceil(mss.max(1)).max(1))
}

impl Scoreboard {
    /// One past the highest offset sent; 0 before anything was.
    #[inline]
    pub(super) fn high(&self) -> i64 {
        self.high.unwrap_or(0)
    }

    /// Highest offset acknowledged cumulatively.
    pub(super) fn acked(&self) -> i64 {
        self.acked
    }

    /// Whether everything that was sent was acknowledged.
    pub(super) fn all_acked(&self) -> bool {
        self.high.is_none_or(|high| self.acked >= high)
    }

    /// Bytes sent and not acknowledged cumulatively.
    #[inline]
    pub(super) fn in_flight(&self) -> i64 {
        self.high().saturating_sub(self.acked).max(0)
    }

    /// Whether the stream's position is known.
    #[inline]
    pub(super) fn started(&self) -> bool {
        self.high.is_some()
    }

    /// The stream begins at that offset: what is below was before the capture.
    pub(super) fn begin(&mut self, offset: i64) {
        if self.high.is_none() {
            self.high = Some(offset);
            self.acked = offset;
            self.recover = offset;
        }
    }

    /// Raises the highest offset without remembering ranges, for flows that are only counted.
    pub(super) fn skip_to(&mut self, offset: i64) {
        self.high = Some(offset.max(self.high()));
    }

    /// Whether a segment beginning there is outstanding.
    pub(super) fn has_start(&self, offset: i64) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= offset);
        self.ranges
            .get(at)
            .is_some_and(|range| range.start <= offset && range.count > 0)
    }

    /// When the outstanding byte (or FIN) before that offset first passed.
    pub(super) fn first_sent(&self, end: i64) -> Option<Timestamp> {
        let at = self.ranges.partition_point(|range| range.end < end);
        let range = self.ranges.get(at)?;
        (range.start < end && range.count > 0).then_some(range.first.time)
    }

    /// Takes a segment with data or FIN.
    pub(super) fn sent(&mut self, segment: &Segment) -> Novelty {
        self.begin(segment.start);
        let high = self.high();
        let mut novelty = Novelty::default();
        if segment.start > high {
            let mut hole = Range::new(high, segment.start, segment, true);
            hole.excused |= self.heals(segment);
            self.push(hole);
        } else if segment.idle_before >= RESTED
            && segment.start == high
            && (SMALLEST..segment.mss).contains(&segment.payload)
        {
            self.losses.resumed = Some((high, segment.mark, segment.idle_before));
        }
        let mut covered = segment
            .start
            .min(self.ranges.front().map_or(high, |range| range.start));
        if segment.start < high {
            let known_end = segment.end.min(high);
            self.split(segment.start);
            self.split(known_end);
            let hole = self.ranges.iter().find(|range| range.count == 0);
            let hole = hole.map_or(high, |range| range.start);
            let mut at = self
                .ranges
                .partition_point(|range| range.end <= segment.start);
            while let Some(range) = self.ranges.get_mut(at) {
                if range.start >= known_end {
                    break;
                }
                covered = range.end;
                if range.count == 0 {
                    novelty.fresh = novelty
                        .fresh
                        .saturating_add(range.end.saturating_sub(range.start));
                    range.fill(segment, hole < range.start);
                    if range.lost_before && range.start >= self.recover {
                        range.lost();
                        self.recover = high;
                    }
                } else if !segment.copied {
                    novelty.again = true;
                    if segment.is_older(range.tsval, range.ip_id) == Some(true) {
                        // What was sent again came first.
                        range.lost_before = false;
                        range.tail();
                    } else {
                        range.resend(segment);
                        let repeated = range.count > 2;
                        if range.start >= self.recover || repeated {
                            range.lost();
                            self.recover = high.max(self.recover);
                        }
                    }
                }
                at = at.saturating_add(1);
            }
            // What is no longer kept was acknowledged: seen before.
            novelty.again |= !segment.copied && (covered < known_end || segment.start < self.acked);
        }
        let start = segment.start.max(high);
        if segment.end > start {
            novelty.fresh = novelty
                .fresh
                .saturating_add(segment.end.saturating_sub(start));
            self.push(Range::new(start, segment.end, segment, false));
            self.high = Some(segment.end);
        }
        novelty
    }

    /// Whether a hole before this segment began with the smaller packets of a sender that had sent whole ones before it rested (RFC 4821 7.7):
    /// from where it went on, whole packets are missing, and none ever came.
    fn heals(&mut self, segment: &Segment) -> bool {
        let Some((from, mark, rested)) = self.losses.resumed else {
            return false;
        };
        let (missing, full) = (segment.start.saturating_sub(from), i64::from(segment.mss));
        let whole = missing >= full && missing % full == 0 && self.largest_arrived < segment.mss;
        if whole {
            self.losses.healed = Some((mark, segment.mss, rested));
        }
        whole
    }

    /// Cumulative acknowledgement up to `ack`. Returns a round trip, if one could be measured.
    pub(super) fn ack(
        &mut self,
        side: Side,
        ack: i64,
        mark: Mark,
        tsecr: Option<u32>,
        facts: &mut TcpFacts,
    ) -> Option<Nanos> {
        self.begin(ack);
        let high = self.high();
        if ack <= self.acked {
            return None;
        }
        if ack > high {
            facts.acked_unseen = facts.acked_unseen.saturating_add(1);
            let missed = u32::try_from(ack.saturating_sub(high)).unwrap_or(u32::MAX);
            facts.capture_gaps[side] = facts.capture_gaps[side].saturating_add(missed);
            self.high = Some(ack);
        }
        let mut rtt = None;
        while let Some(range) = self.ranges.front_mut() {
            if range.start >= ack {
                break;
            }
            if range.end > ack {
                // A super-segment or a hole that is acknowledged in part.
                if range.count == 0 {
                    count_capture_gap(side, range.start, ack, facts);
                }
                if range.count == 1 && !range.sacked {
                    let arrived = range.at_most(ack.saturating_sub(range.start));
                    self.largest_arrived = self.largest_arrived.max(arrived);
                }
                range.start = ack;
                break;
            }
            if range.end == ack && range.count == 1 && !range.sacked && range.hole().is_none() {
                rtt = Some(mark.time.since(range.first.time)).filter(|rtt| *rtt >= 0);
            }
            if range.count == 1 && !range.sacked && !range.lost_before {
                // Sent once, arrived: all that is told of it, without moving its story.
                self.largest_arrived = self.largest_arrived.max(range.size_min);
                self.ranges.pop_front();
                continue;
            }
            let Some(range) = self.ranges.pop_front() else {
                break;
            };
            if !range.sacked {
                self.arrived(side, &range, mark, tsecr, facts);
            }
        }
        self.acked = ack;
        rtt
    }

    /// Selective acknowledgement of [left, right). `duplicate`: it reports a copy that was not needed (RFC 2883).
    pub(super) fn sack(
        &mut self,
        side: Side,
        left: i64,
        right: i64,
        mark: Mark,
        tsecr: Option<u32>,
        facts: &mut TcpFacts,
    ) {
        self.split(left);
        self.split(right);
        let mut at = self.ranges.partition_point(|range| range.end <= left);
        while let Some(range) = self.ranges.get_mut(at) {
            if range.start >= right {
                break;
            }
            if !range.sacked && range.start >= left && range.end <= right {
                range.sacked = true;
                // A part of a super-segment came in packets no larger than itself (RFC 2018 3: a block is contiguous data).
                range.size_min = range.at_most(range.end.saturating_sub(range.start));
                let range = range.clone();
                self.note_smaller(&range, mark);
                self.arrived(side, &range, mark, tsecr, facts);
            }
            at = at.saturating_add(1);
        }
    }

    /// ICMP said that packets over `mtu` bytes do not pass: what was sent in larger ones before is neither loss nor black hole. A sender
    /// that was told sends smaller ones (RFC 1191 3, RFC 8201 4); one that goes on did not hear it. `heeded`: a host would take it for an
    /// answer to what it sent.
    pub(super) fn too_big(&mut self, mtu: u32, heeded: bool) {
        for range in self.ranges.iter_mut() {
            range.refuse(mtu, heeded);
        }
    }

    /// A probe of at most one byte was answered at `mark`, sent after the oldest missing range.
    pub(super) fn probe_answered(&mut self, sent: u64, mark: Mark) {
        if let Some(oldest) = self
            .ranges
            .iter()
            .find(|range| range.count > 0 && !range.sacked)
            && oldest.ordinal < sent
            && oldest.size > 1
            && self
                .losses
                .smaller_arrived
                .is_none_or(|(start, _)| start != oldest.start)
        {
            self.losses.smaller_arrived = Some((oldest.start, mark));
        }
    }

    /// The oldest range that was sent and never acknowledged. The two `bool`s about the peer are the caller's to set.
    pub(super) fn outstanding(&self) -> Option<(Outstanding, u64)> {
        let range = self
            .ranges
            .iter()
            .find(|range| range.count > 0 && !range.sacked)?;
        let fin_only = range.fin && range.end.saturating_sub(range.start) == 1;
        let end = if range.fin && !fin_only {
            range.end.saturating_sub(1)
        } else {
            range.end
        };
        Some((
            Outstanding {
                range: ByteRange {
                    start: range.start,
                    end,
                },
                first: range.first,
                missed: range.hole(),
                last: range.last(),
                transmissions: range.count,
                fin_only,
                peer_spoke_after: false,
                peer_acked_after: false,
                peer_is_deaf: false,
                packet_len: range.packet_len,
                idle_before: range.idle_before,
            },
            range.ordinal,
        ))
    }

    /// What is known of sizes so far.
    pub(super) fn mtu(&self) -> MtuEvidence {
        let mut evidence = self.losses.recovered.unwrap_or_default();
        let dead = self.dead_in(|range| range.carried_largest(DEAD));
        let dead = dead.or_else(|| self.dead_in(|range| range.carried_latest(DEAD)));
        if let Some((range, (size, count, first, last))) = dead {
            evidence.smallest_dead = Some(size);
            evidence.dead = Some(first);
            evidence.dead_last = Some(last);
            evidence.dead_transmissions = count;
            evidence.unheeded = range.unheeded();
            // A hole of the capture's was sent before what stands behind it, though only its resends were captured.
            let behind = self.losses.smaller_behind_hole;
            let behind =
                behind.filter(|(start, _)| *start == range.start && range.hole().is_some());
            evidence.smaller_arrived_after = self
                .losses
                .smaller_arrived
                .filter(|(start, _)| *start <= range.start)
                .or(behind)
                .map(|(_, mark)| mark);
        }
        evidence.healed_gap = self.losses.healed;
        // Of whole packets.
        if let Some(range) = self.hole() {
            let length = u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX);
            if length >= range.mss && range.mss > 0 {
                evidence.unfilled_gap = range.hole().map(|mark| (mark, length));
            }
        }
        evidence
    }

    /// The range that died in the smallest size, of those that `carried` tells one of.
    fn dead_in(&self, carried: fn(&Range) -> Option<Carried>) -> Option<(&Range, Carried)> {
        self.ranges
            .iter()
            .filter(|range| range.count > 0 && !range.sacked)
            .filter(|range| !range.excused || range.unheeded() >= DEAD)
            .filter_map(|range| Some((range, carried(range)?)))
            .min_by_key(|(range, (size, ..))| (*size, range.start))
    }

    /// Where a hole was seen that has later bytes behind it and that no acknowledgment passed.
    pub(super) fn unfilled(&self) -> Option<Mark> {
        self.hole()?.hole()
    }

    /// Bytes never seen, with later ones behind them, and nothing acknowledged beyond their beginning.
    fn hole(&self) -> Option<&Range> {
        self.ranges
            .front()
            .filter(|range| range.count == 0 && self.ranges.len() > 1)
    }

    /// Starts of ranges and their ends, newest last, for the search of a SACK offset.
    pub(super) fn edges(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.ranges
            .iter()
            .rev()
            .take(16)
            .map(|range| (range.start, range.end))
    }

    fn push(&mut self, range: Range) {
        if self.ranges.len() >= RANGES
            && let Some(back) = self.ranges.back_mut()
        {
            back.end = range.end;
            back.fin |= range.fin;
            back.size = back.size.max(range.size);
            return;
        }
        let (kept, room) = (self.ranges.len(), self.ranges.capacity());
        if kept == room && room < ROOM {
            // Most connections have one at a time, and few more than two.
            self.ranges.reserve_exact(room.max(1));
        }
        self.ranges.push_back(range);
    }

    /// Makes `offset` an edge, if it lies inside a range and there is room.
    fn split(&mut self, offset: i64) {
        if self.ranges.len() >= RANGES {
            return;
        }
        let at = self.ranges.partition_point(|range| range.end <= offset);
        let Some(range) = self.ranges.get_mut(at) else {
            return;
        };
        if range.start >= offset {
            return;
        }
        let mut tail = range.clone();
        tail.start = offset;
        tail.tail();
        range.end = offset;
        range.fin = false;
        self.ranges.insert(at.saturating_add(1), tail);
    }
}
