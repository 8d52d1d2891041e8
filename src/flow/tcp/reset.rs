//! Resets: everything about one that helps to tell who sent it.
//!
//! A reset carries the address of an end but may come from a device between. This file records what speaks
//! for and against (distance, identification, window, options, what follows); who sent it is judged elsewhere.

use crate::base::{Foreign, MILLISECOND, Mark, Nanos, Side};
use crate::wire::{Ip, Link, Tcp};

use super::super::facts::Opening;
use super::super::resets::{HopCount, Reset, ResetTrigger};
use super::recent::SAME_ID;
use super::tracker::Tracker;

/// Data this soon after a reset may have been overtaken by it.
const OVERTAKEN: Nanos = 3 * MILLISECOND;
/// Bytes that one reset may acknowledge at once: a scaled window's worth.
const MOST_UNSEEN: i64 = 16 * 1024 * 1024;
/// Bytes that acknowledgements on their way at one time are apart, at the most.
const IN_FLIGHT: i64 = 64 * 1024;
/// The next identifications of one counter.
const COUNTER: std::ops::RangeInclusive<u16> = 1..=64;

impl Tracker {
    /// A segment with RST.
    pub(super) fn reset(&mut self, side: Side, mark: Mark, link: &Link, ip: &Ip, tcp: &Tcp<'_>) {
        let peer = side.other();
        let nonzero = ip.id.filter(|id| *id != 0);
        // Two capture points merged, at other distances and by other clocks: it ended the connection once.
        let known = |reset: &Reset| {
            reset.side == side
                && reset.ip_id == nonzero
                && reset.flags == tcp.flags
                && reset.timestamps == tcp.options.timestamps.is_some()
                && mark.time.since(reset.at.time).abs() <= SAME_ID
        };
        let again = self.reset_seqs[side].is_some_and(|(seq, _)| seq == tcp.seq);
        if again && nonzero.is_some() && self.facts.resets.iter().any(known) {
            self.facts.duplicates = self.facts.duplicates.saturating_add(1);
            return;
        }
        let trigger = self.trigger(side, tcp);
        if trigger == ResetTrigger::Unknown && self.answers_leftover(side, tcp) {
            return;
        }
        let (own, other) = (&self.halves[side], &self.halves[peer]);
        let seq_exact = match trigger {
            ResetTrigger::Syn => None,
            _ => own
                .offset(tcp.seq)
                .filter(|_| own.board.started())
                .map(|offset| {
                    let (high, acked) = (own.board.high(), own.board.acked());
                    // A host without the connection answers each segment at the number that this one acknowledged (RFC 9293
                    // 3.5.2): with several on their way, at older ones as well.
                    let older = acked.saturating_sub(IN_FLIGHT)..acked;
                    offset == high || offset == acked || !tcp.flags.ack() && older.contains(&offset)
                }),
        };
        let ahead = own
            .offset(tcp.seq)
            .filter(|_| own.board.started() && trigger != ResetTrigger::Syn)
            .is_some_and(|offset| {
                let beyond = offset.saturating_sub(own.board.high());
                // What its peer acknowledged unseen counts as sent by now.
                let acknowledged = beyond == 0 && self.facts.sides[side].acked_ahead;
                acknowledged || (1..=MOST_UNSEEN).contains(&beyond)
            });
        // An abort carries the acknowledgement of its host's socket; a device's guess may name anything.
        let acks = other
            .offset(tcp.ack)
            .filter(|_| tcp.flags.ack() && other.board.started())
            .filter(|offset| {
                (0..=MOST_UNSEEN).contains(&offset.saturating_sub(other.board.acked()))
            });
        let leftover = own.reset
            && !tcp.flags.ack()
            && own.offset(tcp.seq).is_some_and(|offset| {
                let oldest = self.reset_acked[side].saturating_sub(IN_FLIGHT);
                let acknowledgeable = oldest..=own.board.high();
                own.board.started() && acknowledgeable.contains(&offset)
            });
        if !own.reset {
            self.reset_acked[side] = own.board.acked();
        }
        let reset = Reset {
            side,
            at: mark,
            flags: tcp.flags,
            trigger,
            seq_exact,
            ahead,
            hops: HopCount::of(ip.ttl),
            ip_id: ip.id,
            ip_id_copied: nonzero.is_some() && nonzero == other.ip_id,
            ip_id_continues: match (nonzero, own.ip_id_line) {
                (Some(id), Some(line)) => COUNTER.contains(&id.wrapping_sub(line)),
                _ => false,
            },
            tos: ip.tos,
            flow_label: ip.flow_label,
            window: tcp.window.filter(|_| !tcp.options.incomplete),
            timestamps: tcp.options.timestamps.is_some(),
            payload: (!tcp.payload.is_empty()).then(|| Foreign::bounded(tcp.payload, 128)),
            after_peer: self.facts.sides[peer]
                .last
                .map(|last| mark.time.since(last.time)),
            answers: self.answers(side, mark.time, tcp, acks),
            own_before: u32::try_from(own.ordinal).unwrap_or(u32::MAX),
            leftover,
            data_after: false,
            after_peer_close: other.fin.is_some() || other.reset,
            after_own_fin: own.fin.is_some(),
            made_here: link.outgoing,
            other_mac: match (own.mac, link.source) {
                (Some(known), Some(source)) => known != source,
                _ => false,
            },
            acks_all: acks == Some(other.board.high()),
            acks_unseen: acks.is_some_and(|offset| offset > other.board.high()),
            acks_new: acks.is_some_and(|offset| offset > other.board.acked()),
        };
        self.facts.reset_count = self.facts.reset_count.saturating_add(1);
        let _ = self.facts.resets.try_push(reset);
        self.reset_seqs[side] = Some((tcp.seq, trigger));
        self.halves[side].reset = true;
        self.last_reset = Some(mark);
    }

    /// What it answers (RFC 9293 3.5.2).
    fn trigger(&self, side: Side, tcp: &Tcp<'_>) -> ResetTrigger {
        let facts = &self.facts;
        let client = &self.halves.client;
        let answers_syn = client.isn.is_some_and(|isn| {
            let covered = tcp.ack.wrapping_sub(isn.wrapping_add(1));
            // A SYN with data (fast open) may be acknowledged with it. Whoever acknowledges more answers what was not captured.
            tcp.flags.ack() && i64::from(covered) <= client.board.high().max(0)
        });
        match side {
            // A kernel that has no such port has no timestamps to send either: this is a connection's, whose opening was not captured.
            Side::Server
                if facts.syn_acks.count == 0
                    && facts.established.is_none()
                    && answers_syn
                    && !(tcp.options.timestamps.is_some() && tcp.window != Some(0)) =>
            {
                ResetTrigger::Syn
            }
            Side::Client if facts.syn_acks.count > 0 && facts.established.is_none() => {
                ResetTrigger::SynAck
            }
            _ if facts.established.is_some() => ResetTrigger::Established,
            _ if facts.opening == Opening::Midstream
                && (facts.sides.client.data_segments > 0
                    || facts.sides.server.data_segments > 0) =>
            {
                ResetTrigger::Established
            }
            _ => ResetTrigger::Unknown,
        }
    }

    /// The client has only asked to open, and what it answers acknowledges something else: a connection of before on this
    /// five-tuple that its server still has. Such a reset ends that one, and the client asks again (RFC 9293 3.5.1, figure 9; RFC 5961 4.2).
    fn answers_leftover(&self, side: Side, tcp: &Tcp<'_>) -> bool {
        let own = &self.halves[side];
        let answered = self.halves[side.other()].ack == Some(tcp.seq);
        let next = own.isn.map(|isn| isn.wrapping_add(1));
        side == Side::Client
            && !tcp.flags.ack()
            && answered
            && next.is_some_and(|next| next != tcp.seq)
            && self.facts.syn_acks.count == 0
    }

    /// That side sent something new, ending at sequence number `end`: a reset of its own before it is contradicted,
    /// unless the two merely changed places on the way.
    pub(super) fn contradict_resets(&mut self, side: Side, mark: Mark, end: u32) {
        if !self.halves[side].reset {
            return;
        }
        let Some((seq, trigger)) = self.reset_seqs[side] else {
            return;
        };
        let beyond = end.wrapping_sub(seq) as i32 > 0;
        let mut contradicted = false;
        for reset in self
            .facts
            .resets
            .iter_mut()
            .skip(self.resets_before)
            .filter(|reset| reset.side == side)
        {
            let later = mark.time.since(reset.at.time) > OVERTAKEN;
            if later && (beyond || trigger == ResetTrigger::Syn) {
                reset.data_after = true;
                contradicted = true;
            }
        }
        if contradicted {
            self.halves[side].reset = false;
        }
    }
}
