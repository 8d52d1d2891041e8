//! ICMP errors that quote a segment of the connection.
//!
//! An error counts as this connection's only by the five-tuple that it quotes; whether the quoted segment was
//! really captured is said beside it. It also tells the scoreboard which sizes the path has refused, since what is
//! sent again in smaller pieces after that is no loss.

use crate::base::{Mark, Side};
use crate::wire::{Icmp, Ip, Quote};

use super::super::facts::IcmpError;
use super::super::resets::HopCount;
use super::tracker::Tracker;

impl Tracker {
    /// Takes an ICMP error. Returns false, and records nothing, if it does not quote this connection.
    pub fn icmp(&mut self, mark: Mark, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) -> bool {
        let ports = (quote.source_port, quote.destination_port);
        let (client, server) = (self.key.client, self.key.server);
        let quoted = if ports == (Some(client.port), Some(server.port))
            && quote.ip.source == client.ip
            && quote.ip.destination == server.ip
        {
            Side::Client
        } else if ports == (Some(server.port), Some(client.port))
            && quote.ip.source == server.ip
            && quote.ip.destination == client.ip
        {
            Side::Server
        } else {
            return false;
        };
        let half = &self.halves[quoted];
        let matches = quote.seq.is_some_and(|seq| {
            half.isn == Some(seq)
                || half.recent.has_seq(seq)
                || half
                    .offset(seq)
                    .is_some_and(|offset| half.board.has_start(offset))
        });
        let error = IcmpError {
            at: mark,
            sender: ip.source,
            v6: icmp.v6,
            kind: icmp.kind,
            code: icmp.code,
            mtu: icmp.mtu,
            quoted,
            quoted_flags: quote.flags,
            quoted_ttl: quote.ip.ttl,
            sent_ttl: half.last_ttl,
            hops: HopCount::of(ip.ttl),
            delay: self.facts.sides[quoted]
                .last
                .map_or(0, |last| mark.time.since(last.time)),
            matches,
        };
        self.facts.icmp_count = self.facts.icmp_count.saturating_add(1);
        let _ = self.facts.icmp.try_push(error);
        // RFC 1191 4: routers that predate it say 0, which tells only that the quoted packet was too big.
        if (icmp.v6 && icmp.kind == 2) || (!icmp.v6 && icmp.kind == 3 && icmp.code == 4) {
            let told = icmp.mtu.filter(|mtu| *mtu >= 68);
            let limit = told.unwrap_or_else(|| quote.ip.total_len.saturating_sub(1));
            // No link of IPv6 carries less, and what says so is not to be heeded (RFC 8200 5, RFC 8201 4).
            let limit = if icmp.v6 { limit.max(1280) } else { limit };
            let half = &mut self.halves[quoted];
            // A host heeds what quotes bytes that are on their way (RFC 5927 4.1).
            let outstanding = half.board.acked()..half.board.high();
            let offset = quote.seq.and_then(|seq| half.offset(seq));
            let heeded = offset.is_some_and(|offset| outstanding.contains(&offset));
            half.board.too_big(limit, heeded);
        }
        true
    }
}
