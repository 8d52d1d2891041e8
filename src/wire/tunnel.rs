//! Tunnels over IP and UDP: GRE with ERSPAN, PPTP and EoIP; VXLAN, Geneve, GTP-U, Teredo, L2TP.
//!
//! GRE says what it carries and is believed. A UDP port number says little, so a datagram is taken
//! for a tunnel only if what is inside looks like a frame or packet whose lengths agree; otherwise
//! it stays the UDP datagram it is. Encrypted tunnels (ESP, WireGuard) are not entered.

use super::dissect::{Dissector, Next};
use super::packet::Tunnel;
use super::rest::Rest;

impl<'a> Dissector<'a> {
    /// GRE version 0 (RFC 2784, 2890) and 1 (RFC 2637).
    pub fn gre(&mut self, rest: Rest<'a>) -> Next<'a> {
        const CHECKSUM: u16 = 0x8000;
        const ROUTING: u16 = 0x4000;
        const KEY: u16 = 0x2000;
        const SEQUENCE: u16 = 0x1000;
        const ACK: u16 = 0x0080;
        let Some([f0, f1, p0, p1]) = rest.array::<4>(0) else {
            return self.short("gre", rest, 4);
        };
        let flags = u16::from_be_bytes([f0, f1]);
        let protocol = u16::from_be_bytes([p0, p1]);
        let has = |bit: u16| flags & bit != 0;
        let optional = |bit: u16| if flags & bit == 0 { 0usize } else { 4 };
        match (flags & 7, protocol) {
            // Source routes in GRE were given up by RFC 2784.
            (0, _) if has(ROUTING) => self.unsupported("gre", rest, u32::from(flags)),
            (0, _) => {
                let len = 4usize
                    .saturating_add(optional(CHECKSUM))
                    .saturating_add(optional(KEY))
                    .saturating_add(optional(SEQUENCE));
                if rest.bytes.len() < len {
                    return self.short("gre", rest, len);
                }
                self.gre_payload(protocol, has(SEQUENCE), rest.skip(len))
            }
            // MikroTik EoIP.
            (1, 0x6400) => self.enter(Tunnel::Gre, Next::Ethernet(rest.skip(8)), rest),
            (1, 0x880b) => {
                let len = 8usize
                    .saturating_add(optional(SEQUENCE))
                    .saturating_add(optional(ACK));
                if !has(SEQUENCE) {
                    // An acknowledgement without payload.
                    return Next::Done;
                }
                let inside = self.ppp_framed(rest.skip(len));
                self.enter(Tunnel::Gre, inside, rest)
            }
            (version, _) => self.unsupported("gre", rest, u32::from(version)),
        }
    }

    fn gre_payload(&mut self, protocol: u16, sequence: bool, inner: Rest<'a>) -> Next<'a> {
        match protocol {
            // Type I has no header and no sequence number, type II has both.
            0x88be if !sequence => self.enter(Tunnel::Erspan, Next::Ethernet(inner), inner),
            0x88be => self.enter(Tunnel::Erspan, Next::Ethernet(inner.skip(8)), inner),
            0x22eb => {
                let Some([.., last]) = inner.array::<12>(0) else {
                    return self.short("erspan", inner, 12);
                };
                let len = if last & 1 == 0 { 12 } else { 20 };
                self.enter(Tunnel::Erspan, Next::Ethernet(inner.skip(len)), inner)
            }
            // WCCP: version 2 has a redirect header of 4 bytes before the packet.
            0x883e if !inner.looks_like_ip() => {
                self.enter(Tunnel::Gre, Next::Ip(inner.skip(4)), inner)
            }
            0x883e => self.enter(Tunnel::Gre, Next::Ip(inner), inner),
            other => self.enter(Tunnel::Gre, Next::Ethertype(other, inner), inner),
        }
    }

    /// What a UDP datagram may carry, by port and by looking.
    pub fn udp_tunnel(&mut self, source: u16, destination: u16, payload: Rest<'a>) -> Next<'a> {
        let found = match (source, destination) {
            (_, 4789 | 8472) => vxlan(payload),
            (_, 4790) => vxlan(payload).or_else(|| vxlan_gpe(payload)),
            (_, 6081) => geneve(payload),
            (_, 2152) | (2152, _) => gtp(payload),
            (_, 3544) | (3544, _) => teredo(payload),
            (_, 1701) | (1701, _) => l2tp(payload),
            _ => None,
        };
        match found {
            Some((tunnel, inside)) => self.enter(tunnel, inside, payload),
            None => Next::Done,
        }
    }
}

type Inside<'a> = Option<(Tunnel, Next<'a>)>;

/// VXLAN (RFC 7348 5): the I flag must be set.
fn vxlan(rest: Rest<'_>) -> Inside<'_> {
    let inner = rest.skip(8);
    let valid = rest.u8(0)? & 0x08 != 0 && inner.looks_like_ethernet();
    valid.then_some((Tunnel::Vxlan, Next::Ethernet(inner)))
}

/// VXLAN with a next protocol (draft-ietf-nvo3-vxlan-gpe: I and P flags, protocol at 3).
fn vxlan_gpe(rest: Rest<'_>) -> Inside<'_> {
    let [flags, _, _, protocol] = rest.array::<4>(0)?;
    let inner = rest.skip(8);
    let valid = flags & 0x0c == 0x0c && matches!(protocol, 1 | 2) && inner.looks_like_ip();
    valid.then_some((Tunnel::Vxlan, Next::Ip(inner)))
}

/// Geneve version 0 (RFC 8926 3.4).
fn geneve(rest: Rest<'_>) -> Inside<'_> {
    let [first, _, p0, p1] = rest.array::<4>(0)?;
    let options = usize::from(first & 0x3f).saturating_mul(4);
    let inner = rest.skip(options.saturating_add(8));
    match (first >> 6, u16::from_be_bytes([p0, p1])) {
        (0, 0x6558) if inner.looks_like_ethernet() => Some((Tunnel::Geneve, Next::Ethernet(inner))),
        (0, 0x0800 | 0x86dd) if inner.looks_like_ip() => Some((Tunnel::Geneve, Next::Ip(inner))),
        _ => None,
    }
}

/// GTP-U version 1, G-PDU (3GPP TS 29.281 5.1).
fn gtp(rest: Rest<'_>) -> Inside<'_> {
    let [flags, kind] = rest.array::<2>(0)?;
    if flags & 0xf0 != 0x30 || kind != 0xff {
        return None;
    }
    let mut inner = rest.skip(8);
    if flags & 7 != 0 {
        let mut next = inner.u8(3)?;
        inner = inner.skip(4);
        for _ in 0..8 {
            if flags & 4 == 0 || next == 0 {
                break;
            }
            let len = usize::from(inner.u8(0)?).saturating_mul(4);
            next = inner.u8(len.checked_sub(1)?)?;
            inner = inner.skip(len);
        }
    }
    inner
        .looks_like_ip()
        .then_some((Tunnel::Gtp, Next::Ip(inner)))
}

/// Teredo (RFC 4380 5.1.1): optional authentication, optional origin, IPv6.
fn teredo(rest: Rest<'_>) -> Inside<'_> {
    let mut inner = rest;
    if let [0, 1, id, value] = inner.array::<4>(0)? {
        let len = usize::from(id)
            .saturating_add(usize::from(value))
            .saturating_add(13);
        inner = inner.skip(len);
    }
    if inner.u16(0)? == 0 {
        inner = inner.skip(8);
    }
    let valid = inner.u8(0)? >> 4 == 6 && inner.looks_like_ip();
    valid.then_some((Tunnel::Other, Next::Ip(inner)))
}

/// L2TP version 2 data message (RFC 2661 3.1) with PPP and IP inside.
fn l2tp(rest: Rest<'_>) -> Inside<'_> {
    let flags = rest.u16(0)?;
    if flags & 0x8000 != 0 || flags & 0x000f != 2 {
        return None;
    }
    let mut len: usize = 6;
    if flags & 0x4000 != 0 {
        len = len.saturating_add(2);
    }
    if flags & 0x0800 != 0 {
        len = len.saturating_add(4);
    }
    if flags & 0x0200 != 0 {
        let pad = usize::from(rest.u16(len)?);
        len = len.saturating_add(2).saturating_add(pad);
    }
    let mut inner = rest.skip(len);
    if inner.u16(0)? == 0xff03 {
        inner = inner.skip(2);
    }
    let packet = match inner.array::<2>(0)? {
        [0x00, 0x21 | 0x57] => inner.skip(2),
        [0x21 | 0x57, _] => inner.skip(1),
        _ => return None,
    };
    packet
        .looks_like_ip()
        .then_some((Tunnel::Other, Next::Ppp(inner)))
}
