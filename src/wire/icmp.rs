//! ICMP (RFC 792) and ICMPv6 (RFC 4443): errors with the packet they quote, and neighbours.
//!
//! A quote may be as short as the IP header and 8 bytes, and what middleboxes quote may be cut
//! anywhere, so it is read as far as it goes. Extensions (RFC 4884) are ignored.

use std::net::{IpAddr, Ipv6Addr};

use super::dissect::{Dissector, Next};
use super::ip::{Extension, extension, ipv4_header, ipv6_header};
use super::packet::{CutQuote, Icmp, Ip, Neighbor, Quote, TcpFlags, Transport};
use super::rest::Rest;

impl<'a> Dissector<'a> {
    /// An ICMP or ICMPv6 message.
    pub fn icmp(&mut self, v6: bool, rest: Rest<'a>) -> Next<'a> {
        let layer = if v6 { "icmpv6" } else { "icmp" };
        let Some([kind, code, _, _, w0, w1, w2, w3]) = rest.array::<8>(0) else {
            return self.short(layer, rest, 8);
        };
        let body = rest.skip(8);
        let error = match v6 {
            false => matches!(kind, 3 | 4 | 5 | 11 | 12),
            // RFC 4443 2.1: types below 128 are errors. 1 to 4 are the ones that are defined.
            true => matches!(kind, 1..=4),
        };
        let mtu = match (v6, kind, code) {
            // 0 is what routers from before RFC 1191 write: they do not know.
            (false, 3, 4) => match u32::from(u16::from_be_bytes([w2, w3])) {
                0 => None,
                mtu => Some(mtu),
            },
            (true, 2, _) => Some(u32::from_be_bytes([w0, w1, w2, w3])),
            _ => None,
        };
        let quote = if error { quote(body) } else { None };
        let neighbor = if v6 { neighbor(kind, body) } else { None };
        self.packet.transport = Transport::Icmp(Icmp {
            v6,
            kind,
            code,
            mtu,
            word: u32::from_be_bytes([w0, w1, w2, w3]),
            quote,
            neighbor,
            body: body.bytes,
        });
        if error && quote.is_none() {
            return self.short(layer, body, 20);
        }
        Next::Done
    }
}

/// Whether an ICMP error says that the packet it quotes did not arrive (RFC 792, RFC 4443 3). That one is too big is no such word (RFC 1191,
/// RFC 8201).
pub fn says_undelivered(v6: bool, kind: u8, code: u8) -> bool {
    match v6 {
        true => matches!(kind, 1 | 3),
        false => matches!(kind, 3 | 11) && (kind, code) != (3, 4),
    }
}

/// Whether it says that nobody listens on the port of the packet it quotes (RFC 792, RFC 4443 3.1).
pub fn says_port_closed(v6: bool, kind: u8, code: u8) -> bool {
    matches!((v6, kind, code), (false, 3, 3) | (true, 1, 4))
}

impl Icmp<'_> {
    /// It says that the packet it quotes was not delivered, or would not be in that size. A redirect (RFC 1812 5.2.7.2) comes from a router that
    /// passed the packet on, and a source quench says nothing any more (RFC 6633 3): both quote, and neither is an answer.
    pub fn is_error(&self) -> bool {
        match self.v6 {
            // RFC 4443 2.1.
            true => self.kind < 128,
            false => matches!(self.kind, 3 | 11 | 12),
        }
    }

    /// What can be read of the segment or datagram that an error quotes, if the quote ends before its ports; none where it surely is
    /// neither of TCP nor of UDP. Only of errors that say that it did not arrive.
    pub fn cut_quote(&self) -> Option<CutQuote> {
        if !says_undelivered(self.v6, self.kind, self.code)
            || self
                .quote
                .is_some_and(|quote| quote.destination_port.is_some())
        {
            return None;
        }
        // RFC 791 3.1, RFC 8200 3: where protocol and destination stand.
        let (protocol, destination) = if self.v6 { (6, 24..40) } else { (9, 16..20) };
        let protocol = self.body.get(protocol).copied();
        if protocol.is_some_and(|protocol| !matches!(protocol, 6 | 17)) {
            return None;
        }
        let end = destination.end.min(self.body.len());
        let octets = self.body.get(destination.start..end).unwrap_or_default();
        Some(CutQuote::new(self.v6, protocol, octets))
    }
}

/// The quoted packet: as many fields as the quote has bytes for.
fn quote(rest: Rest<'_>) -> Option<Quote> {
    let (ip, upper) = match rest.u8(0)? >> 4 {
        4 => {
            let head = rest.bytes.first_chunk::<20>()?;
            let header_len = usize::from(head[0] & 15).saturating_mul(4);
            if header_len < 20 {
                return None;
            }
            (ipv4_header(head), rest.skip(header_len))
        }
        6 => ipv6_quote(ipv6_header(rest)?, rest.skip(40)),
        _ => return None,
    };
    let mut quote = Quote {
        ip,
        source_port: None,
        destination_port: None,
        seq: None,
        flags: None,
        window: None,
    };
    // Bytes of a later fragment are no header.
    let begins = ip.fragment.is_none_or(|fragment| fragment.offset == 0);
    if begins && matches!(ip.protocol, 6 | 17) {
        quote.source_port = upper.u16(0);
        quote.destination_port = upper.u16(2);
        if ip.protocol == 6 {
            quote.seq = upper.u32(4);
            quote.flags = upper.u8(13).map(TcpFlags);
            quote.window = upper.u16(14);
        }
    }
    Some(quote)
}

/// Walks the quoted packet's extension headers, as far as they are there.
fn ipv6_quote(mut ip: Ip, payload: Rest<'_>) -> (Ip, Rest<'_>) {
    let mut rest = payload;
    for _ in 0..8 {
        match extension(ip.protocol, rest) {
            Extension::Header { next, len } => {
                ip.protocol = next;
                rest = rest.skip(len);
            }
            Extension::Fragment { next, fragment } => {
                ip.protocol = next;
                rest = rest.skip(8);
                if fragment.more || fragment.offset > 0 {
                    ip.fragment = Some(fragment);
                    break;
                }
            }
            Extension::None | Extension::Short(_) => break,
        }
    }
    (ip, rest)
}

/// Neighbour solicitation and advertisement (RFC 4861 4.3, 4.4).
fn neighbor(kind: u8, body: Rest<'_>) -> Option<Neighbor> {
    if !matches!(kind, 135 | 136) {
        return None;
    }
    let target: [u8; 16] = body.array(0)?;
    let mut options = body.skip(16);
    let mut mac = None;
    // Bounded by the shortest option, 8 bytes: the loop always moves on.
    while let Some([option, units]) = options.array::<2>(0) {
        if units == 0 {
            break;
        }
        if matches!(option, 1 | 2) && units == 1 {
            mac = options.array(2);
        }
        options = options.skip(usize::from(units).saturating_mul(8));
    }
    Some(Neighbor {
        advertisement: kind == 136,
        target: IpAddr::V6(Ipv6Addr::from(target)),
        mac,
    })
}
