//! What one segment carries: which of its bytes are new, sent again or late, and whether they are handed on at once.
//!
//! Sizes and counts go to the facts, the story of each range to the scoreboard, the bytes to reassembly. It does not know what an
//! acknowledgement means, and judges nothing.

use crate::base::{Mark, Nanos, SECOND, Side};
use crate::wire::{Ip, Tcp};

use super::labels::Labels;
use super::range::Segment;
use super::reassembly::StreamSink;
use super::scoreboard::{Novelty, equivalents};
use super::tracker::{STRAY, Tracker};

/// Of a silence so long the acknowledgement that may be held back (RFC 1122 4.2.3.2) is no part, nor are parts of one answer.
const QUIET: Nanos = SECOND;

impl Tracker {
    /// The smallest round trip known from end to end: from the capture point to both sides and back.
    fn whole_round_trip(&self) -> Option<Nanos> {
        let facts = &self.facts;
        let client = facts.min_rtt[Side::Client].or(facts.rtt_client)?;
        let server = facts.min_rtt[Side::Server].or(facts.rtt_server)?;
        Some(client.saturating_add(server))
    }

    /// Whether that side was the last to send data, captured or not.
    fn spoke_last(&self, side: Side) -> bool {
        let last = |side: Side| self.facts.sides[side].last_data;
        let (own, other) = (last(side), last(side.other()));
        self.facts.sides[side].acked_ahead
            || own.is_some_and(|own| other.is_none_or(|other| other.is_before(own)))
    }

    /// How long both had been silent before that side spoke by itself; likewise what it goes on with before that is known to have arrived.
    /// Nothing where it may have been asked.
    fn unasked(&self, side: Side, silence: Nanos) -> Nanos {
        let quiet = if silence >= QUIET { silence } else { 0 };
        let quiet = quiet.max(self.halves[side].board.ends_unasked());
        if quiet > 0 && self.spoke_last(side) {
            quiet
        } else {
            0
        }
    }

    /// Whether that side said that it takes no selective acknowledgements (RFC 2018 2).
    fn blind(&self, side: Side) -> bool {
        let handshakes = match side {
            Side::Client => &self.facts.syns,
            Side::Server => &self.facts.syn_acks,
        };
        let first = handshakes.seen.first();
        first.is_some_and(|first| !first.options.sack && first.options.whole)
    }

    /// The place of a segment in its side's stream, and what it carries there. `silence`: of the connection before it.
    /// `copied`: what was seen of it before is a copy.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn payload(
        &mut self,
        side: Side,
        mark: Mark,
        ip: &Ip,
        tcp: &Tcp<'_>,
        labels: Labels,
        silence: Nanos,
        copied: bool,
        out: &mut impl StreamSink,
    ) {
        let peer = side.other();
        let Some(offset) = self.halves[side].offset(tcp.seq) else {
            return;
        };
        let start = offset.saturating_add(i64::from(tcp.flags.syn()));
        let (high, started) = (
            self.halves[side].board.high(),
            self.halves[side].board.started(),
        );
        let data_end = start.saturating_add(i64::from(tcp.payload_len));
        let end = data_end.saturating_add(i64::from(tcp.flags.fin()));
        let late = self.is_late(side, start, end, mark.time);
        if !late && self.is_keep_alive(side, start, tcp) {
            self.keep_alive(side, mark);
            return;
        }
        if (tcp.payload_len == 0 && !tcp.flags.fin())
            || (started && start.saturating_sub(high).abs() > STRAY)
        {
            if !started && !tcp.flags.syn() {
                self.halves[side].board.begin(start);
            }
            let unseen = start.saturating_sub(high);
            if started && tcp.flags.ack() && (1..=STRAY).contains(&unseen) {
                let unseen = u32::try_from(unseen).unwrap_or(u32::MAX);
                self.facts.sides[side].ahead = Some((mark, unseen));
            }
            return;
        }
        if tcp.flags.fin() {
            self.halves[side].fin.get_or_insert(data_end);
            self.halves[side].stream.ends(data_end);
            let direction = &mut self.facts.sides[side];
            direction.fin.get_or_insert(mark);
            direction.fin_ahead = started && start > high;
        }
        let direction = &mut self.facts.sides[side];
        if tcp.payload_len > 0 {
            direction.data_segments = direction.data_segments.saturating_add(1);
            direction.first_data.get_or_insert(mark);
        }
        if !self.interested {
            self.count_foreign(side, mark, start, end, tcp);
            return;
        }
        let mss = self.halves[side].packet_payload(self.halves[peer].mss);
        let probe = labels.contains(Labels::ZERO_WINDOW_PROBE);
        if probe {
            self.probe(side);
        }
        if labels.contains(Labels::SPURIOUS_RETRANSMISSION) {
            let half = &mut self.halves[side];
            let [_, latest] = half.needless;
            half.needless = [latest, self.ordinal];
        }
        // Some of it stands before what was seen.
        let known = start < high;
        let segment = Segment {
            mark,
            ordinal: self.ordinal,
            start,
            end,
            payload: tcp.payload_len,
            fin: tcp.flags.fin(),
            packet_len: ip.total_len,
            may_be_cut: ip.source.is_ipv4() && !ip.dont_fragment,
            ip_id: ip.id,
            tsval: tcp.options.timestamps.map(|(value, _)| value),
            idle_before: silence,
            mss,
            rtt: self.facts.min_rtt[peer].or(self.facts.rtt_server),
            whole_rtt: self.whole_round_trip(),
            tick: known.then(|| self.halves[side].recent.tick()).flatten(),
            asked: self.halves[peer].duplicate_acks >= 3 || self.halves[peer].sacking,
            blind: known && !self.halves[peer].sacking && self.blind(side),
            probe,
            copied,
            unasked: self.unasked(side, silence),
        };
        let novelty = if late {
            self.shown_late(side, end);
            Novelty::fresh(end.saturating_sub(start))
        } else {
            self.halves[side].board.sent(&segment)
        };
        if novelty.again {
            let board = &mut self.halves[side].board;
            board.came_late(side, &segment, &mut self.facts);
        }
        let alone = u64::from(tcp.payload_len == 0);
        let fresh = u32::try_from(novelty.fresh).unwrap_or(0);
        let sent = if copied { fresh } else { tcp.payload_len };
        self.facts.mss_equivalents = self
            .facts
            .mss_equivalents
            .saturating_add(equivalents(sent, mss).max(alone));
        let in_flight = u32::try_from(self.halves[side].board.in_flight()).unwrap_or(u32::MAX);
        let direction = &mut self.facts.sides[side];
        direction.max_in_flight = direction.max_in_flight.max(in_flight);
        if novelty.fresh > 0 && tcp.payload_len > 0 {
            let fresh = novelty.fresh.min(i64::from(tcp.payload_len)).unsigned_abs();
            direction.bytes = direction.bytes.saturating_add(fresh);
            direction.last_data = Some(mark);
            direction.ahead = None;
            direction.acked_ahead = false;
            direction.fin_ahead &= tcp.flags.fin();
        }
        if novelty.again && novelty.fresh == 0 {
            direction.retransmitted = direction.retransmitted.saturating_add(1);
        }
        if tcp.payload_len > 0 {
            let visible = self.facts.sides[peer].segments > 0;
            let acknowledges = self.unseen(peer, tcp).filter(|_| visible);
            if acknowledges.is_some() || !self.halves[side].early.is_empty() {
                let (len, bytes) = (tcp.payload_len, tcp.payload);
                let acknowledges = acknowledges.unwrap_or(0);
                self.halves[side]
                    .early
                    .push(mark, start, len, bytes, acknowledges);
            } else {
                self.halves[side].stream.segment(
                    side,
                    mark,
                    start,
                    tcp.payload_len,
                    tcp.payload,
                    visible,
                    out,
                );
            }
        }
        if novelty.fresh > 0 {
            self.contradict_resets(
                side,
                mark,
                tcp.seq
                    .wrapping_add(tcp.payload_len)
                    .wrapping_add(u32::from(tcp.flags.fin())),
            );
        }
    }

    /// What this segment acknowledges of the other side's stream beyond all that was captured of it.
    fn unseen(&self, peer: Side, tcp: &Tcp<'_>) -> Option<i64> {
        if !tcp.flags.ack() {
            return None;
        }
        let half = &self.halves[peer];
        let ack = half.offset(tcp.ack)?;
        let ack = half.fin.map_or(ack, |fin| ack.min(fin));
        let seen = half.stream.handed_on()?;
        (ack > seen && ack.saturating_sub(seen) <= STRAY).then_some(ack)
    }

    /// Header statistics of a flow that is nobody's business: highest offset only.
    fn count_foreign(&mut self, side: Side, mark: Mark, start: i64, end: i64, tcp: &Tcp<'_>) {
        let high = self.halves[side].board.high();
        self.halves[side].board.begin(start);
        if end > high {
            let fresh = end
                .saturating_sub(start.max(high))
                .min(i64::from(tcp.payload_len))
                .unsigned_abs();
            let direction = &mut self.facts.sides[side];
            direction.bytes = direction.bytes.saturating_add(fresh);
            direction.last_data = Some(mark);
            self.halves[side].board.skip_to(end);
        } else {
            let direction = &mut self.facts.sides[side];
            direction.retransmitted = direction.retransmitted.saturating_add(1);
        }
    }
}
