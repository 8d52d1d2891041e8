//! A packet of ours as the tap saw it: the raw answer, kept whole.
//!
//! Flags, TTL, IP-ID, DF, DSCP, window and options, or an ICMP error's sender, type, code and quote. What it means is
//! for planners and stages to say.

use crate::base::Timestamp;
use crate::wire::{Icmp, Ip, Quote, TcpFlags, TcpOptions};

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We sent it.
    Out,
    /// It came to us.
    In,
}

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A TCP segment.
    Tcp {
        /// The sender's port.
        source_port: u16,
        /// Control bits.
        flags: TcpFlags,
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number.
        ack: u32,
        /// Window, unscaled.
        window: u16,
        /// Options.
        options: TcpOptions,
        /// Bytes of payload on the wire.
        payload_len: u32,
    },
    /// A UDP datagram's payload.
    Udp(Vec<u8>),
    /// An ICMP error that quotes a packet of ours.
    Icmp {
        /// ICMPv6.
        v6: bool,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Next-hop MTU, where it says one.
        mtu: Option<u32>,
        /// What it quotes.
        quote: Quote,
    },
    /// An echo request (out) or reply (in).
    Echo {
        /// Its sequence number.
        sequence: u16,
    },
}

/// A packet of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// When the tap saw it.
    pub time: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// Its IP header.
    pub ip: Ip,
    /// The rest.
    pub what: What,
}

impl What {
    /// Whether it is a time-exceeded in transit (RFC 792 11/0, RFC 4443 3/0).
    pub fn time_exceeded(&self) -> bool {
        matches!(
            self,
            What::Icmp {
                v6: false,
                kind: 11,
                code: 0,
                ..
            } | What::Icmp {
                v6: true,
                kind: 3,
                code: 0,
                ..
            }
        )
    }
}

/// The hop distance that a received TTL stands for: from the nearest of the usual initial values above it.
pub fn distance(ttl: u8) -> u8 {
    let initial = match ttl {
        0..=32 => 32,
        33..=64 => 64,
        65..=128 => 128,
        _ => 255u8,
    };
    initial.saturating_sub(ttl)
}

/// An ICMP error by name and number (field notes C14; RFC 792, 1812, 4443).
pub fn icmp_name(v6: bool, kind: u8, code: u8) -> String {
    let name = match (v6, kind, code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) => "fragmentation needed",
        (false, 3, 6) => "network unknown",
        (false, 3, 7) => "host unknown",
        (false, 3, 9) => "network administratively prohibited",
        (false, 3, 10) => "host administratively prohibited",
        (false, 3, 13) => "communication administratively prohibited",
        (false, 11, _) | (true, 3, _) => "time exceeded",
        (true, 1, 0) => "no route",
        (true, 1, 1) => "administratively prohibited",
        (true, 1, 2) => "beyond scope of source address",
        (true, 1, 3) => "address unreachable",
        (true, 1, 5) => "source address failed policy",
        (true, 1, 6) => "reject route",
        (true, 2, _) => "packet too big",
        _ => return format!("ICMP {kind}/{code}"),
    };
    format!("ICMP {name} ({kind}/{code})")
}

/// The identifier of an echo message; our own put it first.
pub(super) fn echo_id(icmp: &Icmp<'_>) -> Option<u16> {
    Some((icmp.word >> 16) as u16)
}

/// The sequence number of an echo message.
pub(super) fn echo_sequence(icmp: &Icmp<'_>) -> Option<u16> {
    Some((icmp.word & 0xffff) as u16)
}

/// The identifier of an echo request that an ICMP error quotes.
pub(super) fn quoted_echo(body: &[u8]) -> Option<u16> {
    let header = match body.first()? >> 4 {
        4 => usize::from(body.first()? & 15) * 4,
        _ => 40,
    };
    let icmp = body.get(header..)?;
    if !matches!(icmp.first()?, 8 | 128) {
        return None;
    }
    Some(u16::from_be_bytes([*icmp.get(4)?, *icmp.get(5)?]))
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances_count_from_the_nearest_initial_value() {
        assert_eq!(
            [64, 60, 255, 250, 128, 120, 30].map(distance),
            [0, 4, 0, 5, 0, 8, 2]
        );
    }
}
