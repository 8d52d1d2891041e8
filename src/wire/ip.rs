//! IPv4 and IPv6 with extension headers, and the authentication header.
//!
//! The IP header decides what is payload and what is Ethernet padding. Its length is believed
//! unless it is 0 (segmentation offload, jumbograms), when the frame's end counts. It refuses to
//! reassemble: a fragment ends dissection with its bytes. RFC 791, RFC 8200, RFC 4302.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dissect::{Dissector, Next};
use super::packet::{Fragment, Ip, Net, StopReason, Transport, Tunnel};
use super::rest::Rest;

/// Extension headers of one packet that are followed.
const EXTENSIONS: usize = 16;

impl<'a> Dissector<'a> {
    /// IPv4 or IPv6: the version nibble decides, whatever the layer below announced.
    #[inline]
    pub fn ip(&mut self, rest: Rest<'a>) -> Next<'a> {
        if !self.descend(rest) {
            return Next::Done;
        }
        match rest.u8(0).map(|byte| byte >> 4) {
            Some(4) => self.ipv4(rest),
            Some(6) => self.ipv6(rest),
            Some(_) => self.malformed("ip", rest, 20),
            None => self.short("ip", rest, 20),
        }
    }

    fn ipv4(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(head) = rest.bytes.first_chunk::<20>() else {
            return self.short("ip", rest, 20);
        };
        let header_len = usize::from(head[0] & 15).saturating_mul(4);
        let mut ip = ipv4_header(head);
        let claimed = usize::try_from(ip.total_len).unwrap_or(0);
        if header_len < 20 {
            return self.malformed("ip", rest, 20);
        }
        let whole = if claimed == 0 {
            ip.total_len = saturating(rest.wire);
            rest
        } else if claimed < header_len {
            return self.malformed("ip", rest, header_len);
        } else {
            self.claim("ip", rest, claimed)
        };
        self.innermost(ip);
        if whole.bytes.len() < header_len {
            return self.short("ip", whole, header_len);
        }
        let payload = whole.skip(header_len);
        if ip.fragment.is_some() {
            return self.fragment("ip", payload);
        }
        Next::Upper(ip.protocol, payload)
    }

    fn ipv6(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(mut ip) = ipv6_header(rest) else {
            return self.short("ipv6", rest, 40);
        };
        let whole = if ip.total_len == 40 {
            // No payload, a jumbogram (RFC 2675) or offload: the frame's end counts.
            ip.total_len = saturating(rest.wire);
            rest
        } else {
            self.claim("ipv6", rest, usize::try_from(ip.total_len).unwrap_or(0))
        };
        self.ipv6_chain(ip, whole.skip(40))
    }

    /// From the first next header of `ip` to the upper protocol. Also entered by a reassembled
    /// datagram, whose extension headers come after the fragment header.
    pub fn ipv6_chain(&mut self, mut ip: Ip, payload: Rest<'a>) -> Next<'a> {
        let mut rest = payload;
        for _ in 0..EXTENSIONS {
            match extension(ip.protocol, rest) {
                Extension::None => {
                    self.innermost(ip);
                    return Next::Upper(ip.protocol, rest);
                }
                Extension::Short(needed) => {
                    self.innermost(ip);
                    return self.short("ipv6", rest, needed);
                }
                Extension::Header { next, len } => {
                    ip.protocol = next;
                    rest = rest.skip(len);
                }
                Extension::Fragment { next, fragment } => {
                    ip.protocol = next;
                    rest = rest.skip(8);
                    // An atomic fragment (RFC 6946) is whole.
                    if fragment.more || fragment.offset > 0 {
                        ip.fragment = Some(fragment);
                        self.innermost(ip);
                        return self.fragment("ipv6", rest);
                    }
                }
            }
        }
        self.innermost(ip);
        self.stop("ipv6", rest, 0, StopReason::TooDeep)
    }

    /// Applies a length from an IP header. One that exceeds the frame is noted, and still believed:
    /// capture programs that forget the original length exist, and a payload believed too long is a
    /// gap in the stream, while one believed too short would be a wrong sequence number.
    fn claim(&mut self, layer: &'static str, rest: Rest<'a>, claimed: usize) -> Rest<'a> {
        if claimed > rest.wire {
            self.malformed(layer, rest, claimed);
            return Rest {
                wire: claimed,
                ..rest
            };
        }
        rest.limit(claimed)
    }

    /// The bytes of a fragment. When some were cut, the stop tells the reassembler.
    fn fragment(&mut self, layer: &'static str, payload: Rest<'a>) -> Next<'a> {
        self.packet.transport = Transport::Fragment(payload.bytes);
        if payload.bytes.len() < payload.wire {
            return self.short(layer, payload, payload.wire);
        }
        Next::Done
    }

    /// Authentication header (RFC 4302 2): next header, length in words less two.
    pub fn authentication(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some([next, words]) = rest.array::<2>(0) else {
            return self.short("ah", rest, 12);
        };
        let len = usize::from(words).saturating_add(2).saturating_mul(4);
        if rest.bytes.len() < len {
            return self.short("ah", rest, len);
        }
        if let Net::Ip(ip) = &mut self.packet.net {
            ip.protocol = next;
        }
        self.enter(Tunnel::Other, Next::Upper(next, rest.skip(len)), rest)
    }
}

/// What stands at a place in the chain of IPv6 headers.
pub(super) enum Extension {
    /// An upper protocol (or AH and ESP, which the dissector treats as such).
    None,
    /// Too few bytes; this many are needed.
    Short(usize),
    /// Hop-by-hop, routing, destination options, mobility, HIP, shim6.
    Header { next: u8, len: usize },
    /// The fragment header.
    Fragment { next: u8, fragment: Fragment },
}

/// Reads one extension header (RFC 8200 4).
pub(super) fn extension(protocol: u8, rest: Rest<'_>) -> Extension {
    match protocol {
        0 | 43 | 60 | 135 | 139 | 140 => {
            let Some([next, units]) = rest.array::<2>(0) else {
                return Extension::Short(8);
            };
            let len = usize::from(units).saturating_add(1).saturating_mul(8);
            if rest.bytes.len() < len {
                return Extension::Short(len);
            }
            Extension::Header { next, len }
        }
        44 => {
            let Some([next, _, o0, o1, i0, i1, i2, i3]) = rest.array::<8>(0) else {
                return Extension::Short(8);
            };
            let offset = u16::from_be_bytes([o0, o1]);
            Extension::Fragment {
                next,
                fragment: Fragment {
                    id: u32::from_be_bytes([i0, i1, i2, i3]),
                    offset: u32::from(offset & 0xfff8),
                    more: offset & 1 == 1,
                },
            }
        }
        _ => Extension::None,
    }
}

/// The fixed part of an IPv4 header, as it claims. `total_len` may be 0.
#[inline]
pub(super) fn ipv4_header(head: &[u8; 20]) -> Ip {
    let &[
        _,
        tos,
        l0,
        l1,
        i0,
        i1,
        f0,
        f1,
        ttl,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = head;
    let id = u16::from_be_bytes([i0, i1]);
    let flags = u16::from_be_bytes([f0, f1]);
    let fragment = Fragment {
        id: u32::from(id),
        offset: u32::from(flags & 0x1fff) << 3,
        more: flags & 0x2000 != 0,
    };
    Ip {
        source: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        destination: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        ttl,
        id: Some(id),
        dont_fragment: flags & 0x4000 != 0,
        tos,
        flow_label: None,
        total_len: u32::from(u16::from_be_bytes([l0, l1])),
        protocol,
        fragment: (fragment.more || fragment.offset > 0).then_some(fragment),
    }
}

/// The fixed IPv6 header, as it claims. `protocol` is its next header field.
pub(super) fn ipv6_header(rest: Rest<'_>) -> Option<Ip> {
    let [w0, w1, w2, w3, l0, l1, next, hops] = rest.array::<8>(0)?;
    let source: [u8; 16] = rest.array(8)?;
    let destination: [u8; 16] = rest.array(24)?;
    let word = u32::from_be_bytes([w0, w1, w2, w3]);
    Some(Ip {
        source: IpAddr::V6(Ipv6Addr::from(source)),
        destination: IpAddr::V6(Ipv6Addr::from(destination)),
        ttl: hops,
        id: None,
        dont_fragment: true,
        tos: ((word >> 20) & 0xff) as u8,
        flow_label: Some(word & 0x000f_ffff),
        total_len: u32::from(u16::from_be_bytes([l0, l1])).saturating_add(40),
        protocol: next,
        fragment: None,
    })
}

/// A length as 32 bits.
pub(super) fn saturating(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
