//! The opening of a connection: SYN, SYN-ACK and the ACK that completes it.
//!
//! It exists apart because most deaths happen here. It records every sending with its options and measures
//! both halves of the round trip from the SYN that is echoed, or from the last one (Karn's rule); it does not say who is to blame.

use crate::base::{Mark, Side};
use crate::wire::{Ip, Tcp, TcpFlags};

use super::super::facts::Opening;
use super::super::transmissions::{SynOptions, Transmission, Transmissions};
use super::tracker::Tracker;

impl Tracker {
    /// A segment with SYN, and without RST.
    pub(super) fn syn(&mut self, side: Side, mark: Mark, ip: &Ip, tcp: &Tcp<'_>) {
        let transmission = transmission(mark, ip, tcp);
        if tcp.flags.ack() {
            if self.facts.established.is_some() {
                self.facts.syn_acks_after_ack = self.facts.syn_acks_after_ack.saturating_add(1);
            }
            if self.facts.syn_acks.count == 0 {
                let acknowledged = self.facts.established;
                self.facts.rtt_server = echoed(&self.facts.syns, tcp)
                    .or(self.facts.syns.last)
                    .map(|syn| mark.time.since(syn.time))
                    .filter(|rtt| *rtt >= 0 && acknowledged.is_none());
                // Who acknowledges has seen it (RFC 9293 3.4): the two directions were timed by clocks that differ.
                if let Some(before) = acknowledged {
                    let error = mark.time.since(before.time);
                    self.facts.clock_error = self.facts.clock_error.max(error);
                }
            }
            record(&mut self.facts.syn_acks, transmission);
        } else {
            self.facts.opening = Opening::Syn;
            record(&mut self.facts.syns, transmission);
        }
        let untouched = !self.halves[side].stream.started();
        let opened = self.facts.established.is_some();
        let half = &mut self.halves[side];
        if half.isn != Some(tcp.seq) && untouched && !(opened && half.isn.is_some()) {
            // A SYN cookie or a proxy may answer anew with another number; the latest before data counts, until the client took one: what
            // comes late of another is none of this connection (RFC 9293 3.10.7.4, first check).
            half.isn = Some(tcp.seq);
            half.base = Some(tcp.seq.wrapping_add(1));
        }
        half.syn_seen = true;
        half.mss = tcp.options.mss.or(half.mss);
        half.offered_scale = tcp.options.window_scale;
        // A header that was cut before this option says nothing of it.
        if tcp.flags.ack() && (tcp.options.window_scale.is_some() || !tcp.options.incomplete) {
            self.scales();
        }
        let half = &mut self.halves[side];
        half.board.begin(0);
        half.stream.begin(0);
    }

    /// Both SYNs are known: the window scales that are in force (RFC 7323 2.2; a shift is at most 14).
    fn scales(&mut self) {
        let (client, server) = (&self.halves.client, &self.halves.server);
        let server_scale = server.offered_scale.map(|shift| shift.min(14));
        // Without the client's SYN: a server only offers scaling when the client did (RFC 7323 2.2), but how much is unknown.
        let (client_scale, server_scale) =
            match (client.syn_seen, client.offered_scale, server_scale) {
                (true, Some(client), Some(server)) => (Some(client.min(14)), Some(server)),
                (false, _, Some(server)) => (None, Some(server)),
                _ => (Some(0), Some(0)),
            };
        self.facts.sides.client.window_scale = client_scale;
        self.facts.sides.server.window_scale = server_scale;
    }

    /// Whether this is the client's first ACK of the SYN-ACK; called for every ACK of either side.
    pub(super) fn establish(&mut self, side: Side, mark: Mark, tcp: &Tcp<'_>) {
        let plain = tcp.flags.0 & (TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK) == TcpFlags::ACK;
        if self.facts.established.is_some()
            || side != Side::Client
            || !plain
            || self.facts.opening == Opening::Midstream
        {
            return;
        }
        let answers = self
            .halves
            .server
            .isn
            .is_none_or(|isn| tcp.ack.wrapping_sub(isn.wrapping_add(1)) as i32 >= 0);
        if !answers {
            return;
        }
        self.facts.established = Some(mark);
        // The ACK itself: what stands further on is a later one, and the ACK was not captured.
        let first = |side: Side, number: u32| {
            self.halves[side]
                .isn
                .is_some_and(|isn| number == isn.wrapping_add(1))
        };
        let itself = first(Side::Client, tcp.seq)
            && first(Side::Server, tcp.ack)
            && !tcp.flags.fin()
            && tcp.payload_len == 0;
        self.facts.rtt_client = self
            .facts
            .syn_acks
            .last
            .map(|answer| mark.time.since(answer.time))
            // A server that has spoken had the ACK before.
            .filter(|rtt| *rtt >= 0 && itself && self.facts.sides.server.data_segments == 0);
    }
}

/// The SYN whose timestamp the answer echoes (RFC 7323 4.1): it answers that one, though others were sent since.
fn echoed(syns: &Transmissions, answer: &Tcp<'_>) -> Option<Mark> {
    let (_, echo) = answer.options.timestamps?;
    let mut alike = syns.seen.iter().filter(|syn| syn.tsval == Some(echo));
    let first = alike.next()?;
    alike.next().is_none().then_some(first.at)
}

fn record(list: &mut Transmissions, transmission: Transmission) {
    list.count = list.count.saturating_add(1);
    list.last = Some(transmission.at);
    let _ = list.seen.try_push(transmission);
}

/// One sending of a SYN or SYN-ACK.
fn transmission(at: Mark, ip: &Ip, tcp: &Tcp<'_>) -> Transmission {
    Transmission {
        at,
        options: SynOptions::of(tcp),
        ttl: ip.ttl,
        ip_id: ip.id,
        isn: tcp.seq,
        tsval: tcp.options.timestamps.map(|(value, _)| value),
    }
}
