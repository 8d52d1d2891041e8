//! One TCP connection as an observer in the middle sees it.
//!
//! Both ends' state is inferred from what passes; nothing is assumed of where the capture was taken, and both
//! directions may be missing in part. It fills `TcpFacts` and hands the bytes on; it judges nothing. A flow that is
//! nobody's business keeps its header statistics only.

use crate::base::{Mark, Nanos, PerSide, SECOND, Side, Timestamp};
use crate::wire::{Ip, Link, Tcp, TcpFlags};

use super::super::facts::{FlowKey, Opening, TcpFacts};
use super::super::resets::{HopCount, ResetTrigger};
use super::early::Unseen;
use super::half::Half;
use super::labels::{Labeller, Labels};
use super::pieces::Recut;
use super::reassembly::StreamSink;
use super::ticks::Ticks;

/// A SYN with another ISN so soon after a reset belongs to the same connection.
pub(super) const REOPEN: Nanos = 3 * SECOND;
/// A sequence number further away than this from all others is a stray.
pub(super) const STRAY: i64 = 1 << 28;

/// Whether a segment belongs to the connection that has its five-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs here.
    SameConnection,
    /// It opens another connection on the same five-tuple.
    NewConnection,
}

/// One connection.
#[derive(Debug)]
pub struct Tracker {
    pub(super) key: FlowKey,
    pub(super) facts: TcpFacts,
    pub(super) halves: PerSide<Half>,
    pub(super) labeller: Labeller,
    pub(super) ordinal: u64,
    /// Resets before this index belong to an earlier opening.
    pub(super) resets_before: usize,
    pub(super) last_reset: Option<Mark>,
    /// Sequence number of each side's latest reset, and what it answered.
    pub(super) reset_seqs: PerSide<Option<(u32, ResetTrigger)>>,
    /// What of a side's stream was acknowledged when it first reset.
    pub(super) reset_acked: PerSide<i64>,
    pub(super) interested: bool,
    /// Clocks of both ends.
    pub(super) ticks: Ticks,
}

impl Tracker {
    /// A connection whose first frame is `first`. `interested`: its bytes matter; without it only headers are
    /// counted. `reused`: its five-tuple belonged to an earlier connection of the same capture.
    pub fn new(key: FlowKey, first: Mark, interested: bool, reused: bool) -> Tracker {
        Tracker {
            key,
            facts: TcpFacts::new(first),
            halves: PerSide::default(),
            labeller: Labeller::new(reused),
            ordinal: 0,
            resets_before: 0,
            last_reset: None,
            reset_seqs: PerSide::default(),
            reset_acked: PerSide::default(),
            interested,
            ticks: Ticks::default(),
        }
    }

    /// The five-tuple.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// What is known now. [`Tracker::settle`] brings what depends on the end up to date.
    pub fn facts(&self) -> &TcpFacts {
        &self.facts
    }

    /// For what only the table can know (a SYN-ACK from another address).
    pub fn facts_mut(&mut self) -> &mut TcpFacts {
        &mut self.facts
    }

    /// Whether both FINs were acknowledged, or a reset ended it (and nothing of its sender contradicts that).
    pub fn closed(&self) -> bool {
        let facts = &self.facts;
        if facts.sides.client.fin_acked && facts.sides.server.fin_acked {
            return true;
        }
        self.halves.client.reset || self.halves.server.reset
    }

    /// When the latest segment of either side was captured.
    pub fn last_activity(&self) -> Timestamp {
        self.facts.last.time
    }

    /// Whether any byte of the stream was handed on or waits to be.
    pub fn has_data(&self) -> bool {
        self.halves.client.stream.started() || self.halves.server.stream.started()
    }

    /// Whether a segment continues this connection or opens the next on its five-tuple. To be asked before
    /// [`Tracker::segment`].
    pub fn belongs(&self, side: Side, mark: Mark, tcp: &Tcp<'_>) -> Verdict {
        if !tcp.flags.opens() || self.ordinal == 0 {
            return Verdict::SameConnection;
        }
        let half = &self.halves[side];
        let same = side == Side::Client && half.isn == Some(tcp.seq);
        // The SYN was captured late, or only the server's answer before it.
        let before_answer = side == Side::Client
            && half.isn.is_none()
            && half.base == Some(tcp.seq.wrapping_add(1));
        let reset_just_now = self
            .last_reset
            .is_some_and(|reset| mark.time.since(reset.time) <= REOPEN);
        let reopens = side == Side::Client && reset_just_now && !self.has_data();
        if same || before_answer || reopens {
            Verdict::SameConnection
        } else {
            Verdict::NewConnection
        }
    }

    /// Takes one segment of `side`; hands the bytes that are now in order to `out`; returns Wireshark's labels for it.
    pub fn segment(
        &mut self,
        side: Side,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
        out: &mut impl StreamSink,
    ) -> Labels {
        let reopens = tcp.flags.opens() && self.reopens(side, tcp);
        if reopens {
            self.reopen();
        }
        let labels = self.labeller.segment(side, mark.time, tcp);
        if !labels.is_empty() {
            labels.count(&mut self.facts.sides[side].labels);
        }
        let copied = self.halves[side].recent.copied_from(mark.time, ip, tcp);
        let copied = copied.map(|ttl| Recut { ttl, whole: true });
        let copied = copied.or_else(|| self.recut(side, mark, ip, tcp));
        if let Some(Recut { ttl, whole }) = copied {
            self.halves[side].recent.copied(Some((ttl, ip.ttl)));
            self.halves[side.other()].recent.copied(None);
            if whole {
                self.facts.duplicates = self.facts.duplicates.saturating_add(1);
                return labels;
            }
        }
        self.halves[side].recent.push(mark.time, ip, tcp);
        let silence = if self.ordinal == 0 {
            0
        } else {
            mark.time.since(self.facts.last.time)
        };
        self.silence(side, mark, tcp, silence);
        self.ticks(side, mark, silence, tcp);
        self.ordinal = self.ordinal.saturating_add(1);
        self.headers(side, mark, link, ip, tcp);
        if tcp.flags.rst() {
            self.reset(side, mark, link, ip, tcp);
        } else {
            if tcp.flags.syn() {
                self.syn(side, mark, ip, tcp);
            }
            self.locate(side, tcp);
            if tcp.flags.ack() {
                self.establish(side, mark, tcp);
                self.acknowledgement(side, mark, tcp);
            }
            if tcp.flags.syn() && tcp.flags.ack() {
                self.contradict_resets(side, mark, tcp.seq.wrapping_add(1));
            }
            let silence = silence.max(0);
            self.payload(side, mark, ip, tcp, labels, silence, copied.is_some(), out);
            self.window(side, mark, tcp);
            self.answerable(side, mark.time, tcp);
        }
        self.after_segment(side, mark, ip, tcp);
        self.release(Some(mark.time), out);
        let first = self.longer_waiting();
        for side in [first, first.other()] {
            self.halves[side].stream.advance(side, mark.time, out);
        }
        labels
    }

    /// Nothing came for a while: gives back memory that holds nothing.
    pub fn rest(&mut self) {
        for side in [Side::Client, Side::Server] {
            let half = &mut self.halves[side];
            half.board.ranges.shrink_to_fit();
            half.stream.rest();
            half.recent.rest();
        }
    }

    /// Settles what depends on the end and hands on what still waited. Nothing may follow but [`Tracker::facts`].
    pub fn finish(&mut self, now: Timestamp, out: &mut impl StreamSink) {
        self.release(None, out);
        while self.halves.client.stream.waits().is_some()
            && self.halves.server.stream.waits().is_some()
        {
            let side = self.longer_waiting();
            self.halves[side].stream.give_up_hole(side, out);
        }
        for side in [Side::Client, Side::Server] {
            self.halves[side].stream.flush(side, out);
        }
        self.settle(now);
    }

    /// The side of which bytes behind a hole were captured first, where both have such: what was said first is handed on first.
    #[inline]
    fn longer_waiting(&self) -> Side {
        let (client, server) = (&self.halves.client.stream, &self.halves.server.stream);
        match (client.waits(), server.waits()) {
            (Some(client), Some(server)) if server.is_before(client) => Side::Server,
            _ => Side::Client,
        }
    }

    fn reopens(&self, side: Side, tcp: &Tcp<'_>) -> bool {
        self.ordinal > 0
            && side == Side::Client
            && self.last_reset.is_some()
            && self.halves.client.isn.is_some_and(|isn| isn != tcp.seq)
    }

    /// Begins again on the same five-tuple: the facts stay, what sequence numbers mean does not.
    fn reopen(&mut self) {
        self.facts.reopened = self.facts.reopened.saturating_add(1);
        self.resets_before = self.facts.resets.len();
        self.last_reset = None;
        self.halves = PerSide::default();
        self.labeller = Labeller::new(true);
    }

    /// Counts and remembers what every segment shows in its headers.
    fn headers(&mut self, side: Side, mark: Mark, link: &Link, ip: &Ip, tcp: &Tcp<'_>) {
        if self.ordinal == 1 {
            self.facts.opening = match (tcp.flags.syn(), tcp.flags.ack()) {
                (true, false) => Opening::Syn,
                (true, true) => Opening::SynAck,
                _ => Opening::Midstream,
            };
        }
        let direction = &mut self.facts.sides[side];
        direction.segments = direction.segments.saturating_add(1);
        direction.first.get_or_insert(mark);
        direction.last = Some(mark);
        let half = &mut self.halves[side];
        half.last_ttl = Some(ip.ttl);
        if tcp.flags.rst() {
            return;
        }
        half.timestamps |= tcp.options.timestamps.is_some();
        if half.mac.is_none() {
            half.mac = link.source;
        }
        if direction.hops.is_none() && direction.syn_hops.is_none() {
            direction.made_here = link.outgoing;
        }
        direction.tos = ip.tos;
        direction.flow_label = ip.flow_label;
        let hops = HopCount::of(ip.ttl);
        if tcp.flags.syn() {
            direction.syn_hops.get_or_insert(hops);
        } else {
            direction.hops = half.vote(hops);
            if !direction.ttls.contains(&ip.ttl) {
                let _ = direction.ttls.try_push(ip.ttl);
            }
        }
        if tcp.payload.len() < usize::try_from(tcp.payload_len).unwrap_or(usize::MAX) {
            self.facts.cut_frames = self.facts.cut_frames.saturating_add(1);
        }
    }

    /// Fixes stream offset 0 of either side where this segment tells it first.
    fn locate(&mut self, side: Side, tcp: &Tcp<'_>) {
        let half = &mut self.halves[side];
        if half.base.is_none() {
            half.base = Some(tcp.seq.wrapping_add(u32::from(tcp.flags.syn())));
        }
        if !tcp.flags.ack() {
            return;
        }
        let peer = side.other();
        if self.halves[peer].base.is_none() {
            self.halves[peer].base = Some(tcp.ack);
            let handshake = tcp.flags.syn()
                || (self.halves[side].syn_seen && self.halves[side].board.high() == 0);
            if handshake {
                self.halves[peer].board.begin(0);
                self.halves[peer].stream.begin(0);
            }
        }
    }

    fn acknowledgement(&mut self, side: Side, mark: Mark, tcp: &Tcp<'_>) {
        let peer = side.other();
        let half = &mut self.halves[side];
        let repeats = half.ack == Some(tcp.ack);
        let pure = tcp.payload_len == 0 && !tcp.flags.syn() && !tcp.flags.fin();
        if !repeats {
            half.duplicate_acks = 0;
            half.sacking = false;
        } else if pure && half.raw_window == tcp.window {
            half.duplicate_acks = half.duplicate_acks.saturating_add(1);
        }
        half.ack = Some(tcp.ack);
        half.sacking |= tcp.options.sack_count > 0;
        if !self.interested {
            self.acknowledge_fin(side, tcp);
            return;
        }
        let Some(ack) = self.halves[peer].offset(tcp.ack) else {
            return;
        };
        if ack.saturating_sub(self.halves[peer].board.high()).abs() > STRAY {
            return;
        }
        // An answer to somebody else's SYN (RFC 5961's challenge ACK) acknowledges nothing of this stream.
        if self.facts.established.is_none()
            && self.halves[side].isn.is_none()
            && side == Side::Server
            && ack != 0
            && self.facts.opening == Opening::Syn
            && self.facts.sides.client.data_segments == 0
        {
            return;
        }
        let echo = tcp.options.timestamps.map(|(_, echo)| echo);
        let unseen_before = self.facts.capture_gaps[peer];
        let high = self.halves[peer].board.high();
        if self.halves[peer].board.started() && ack > high {
            self.halves[peer]
                .unseen
                .set(Some(Unseen::new(high, ack, mark)));
            self.facts.sides[peer].acked_ahead = true;
        }
        let rtt = self.halves[peer]
            .board
            .ack(peer, ack, mark, echo, &mut self.facts);
        if let Some(rtt) = rtt {
            let least = &mut self.facts.min_rtt[side];
            *least = Some(least.map_or(rtt, |known| known.min(rtt)));
        }
        if self.facts.capture_gaps[peer] != unseen_before || ack > 0 {
            let fin = self.halves[peer].fin;
            let bytes = fin.map_or(ack, |fin| ack.min(fin));
            self.halves[peer].stream.acked(bytes, mark);
        }
        self.selective(side, mark, tcp, ack);
        self.acknowledge_fin(side, tcp);
        let sent = self.halves[peer].probe;
        if let Some(sent) = sent {
            self.halves[peer].probe = None;
            self.halves[peer].board.probe_answered(sent, mark);
        }
    }

    fn acknowledge_fin(&mut self, side: Side, tcp: &Tcp<'_>) {
        let peer = side.other();
        let Some(fin) = self.halves[peer].fin else {
            return;
        };
        if self.halves[peer]
            .offset(tcp.ack)
            .is_some_and(|ack| ack > fin)
        {
            self.facts.sides[peer].fin_acked = true;
        }
    }

    fn after_segment(&mut self, side: Side, mark: Mark, ip: &Ip, tcp: &Tcp<'_>) {
        let half = &mut self.halves[side];
        half.ordinal = self.ordinal;
        if tcp.flags.0 & (TcpFlags::RST | TcpFlags::ACK) == TcpFlags::ACK {
            half.ack_ordinal = self.ordinal;
        }
        // Linux sends SYN-ACKs and resets with identification 0: they say nothing of the sender's counter.
        half.ip_id = ip.id;
        if ip.id.is_some_and(|id| id != 0) && !tcp.flags.rst() {
            half.ip_id_line = ip.id;
        }
        if mark.time >= self.facts.last.time {
            self.facts.last = mark;
        }
    }
}
