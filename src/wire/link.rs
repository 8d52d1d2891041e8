//! Link layers of capture files and their tags: Ethernet, VLAN, Linux cooked, BSD loopback, PPP,
//! PPPoE, Cisco HDLC, LLC/SNAP, MPLS and ARP.
//!
//! Link types are pcap's (<https://www.tcpdump.org/linktypes.html>). Frame Relay and the Linux
//! IrDA header are refused: no mail firewall is captured through them.

use std::net::IpAddr;

use super::dissect::{Dissector, Next};
use super::packet::{Arp, Net, Tunnel};
use super::rest::Rest;

/// Labels in an MPLS stack that are followed.
const LABELS: usize = 16;

impl<'a> Dissector<'a> {
    /// The outermost layer, by link type.
    pub fn link_layer(&mut self, link_type: u16, rest: Rest<'a>) -> Next<'a> {
        match link_type {
            1 => Next::Ethernet(rest),
            113 => self.cooked(rest),
            276 => self.cooked2(rest),
            12 | 14 | 101 | 228 | 229 => Next::Ip(rest),
            0 | 108 => self.loopback(rest),
            9 | 50 | 166 => self.serial(rest),
            10 => self.fddi(rest),
            51 => self.pppoe(rest),
            104 => self.cisco_hdlc(rest),
            105 => self.wlan(rest, false),
            119 => self.prism(rest),
            127 => self.radiotap(rest),
            163 => self.avs(rest),
            // Solaris ipnet: 24 bytes that say nothing about the packet.
            226 => Next::Ip(rest.skip(24)),
            239 => self.nflog(rest),
            258 => self.pktap(rest),
            other => self.unsupported("frame", rest, u32::from(other)),
        }
    }

    /// Ethernet II or 802.3 (length field up to 1500).
    #[inline]
    pub fn ethernet(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(&[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1]) =
            rest.bytes.first_chunk::<14>()
        else {
            return self.short("eth", rest, 14);
        };
        // Only the outermost addresses are the link's; a bridged frame in a tunnel has its own.
        if self.packet.tunnels.is_empty() {
            self.packet.link.destination = Some([d0, d1, d2, d3, d4, d5]);
            self.packet.link.source = Some([s0, s1, s2, s3, s4, s5]);
        }
        typed(u16::from_be_bytes([t0, t1]), rest.skip(14))
    }

    /// What an ethertype announces (IANA "IEEE 802 numbers").
    #[inline]
    pub fn ethertype(&mut self, kind: u16, rest: Rest<'a>) -> Next<'a> {
        match kind {
            0x0800 | 0x86dd => Next::Ip(rest),
            0x0806 => self.arp(rest),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => self.vlan(rest),
            0x8847 | 0x8848 => self.mpls(rest),
            0x8864 => self.pppoe(rest),
            0x6558 => Next::Ethernet(rest),
            0x880b => self.ppp_framed(rest),
            0x8870 => Next::Llc(rest),
            // 802.1ah: instance tag of 4 bytes, then the customer's whole frame.
            0x88e7 => self.enter(Tunnel::Other, Next::Ethernet(rest.skip(4)), rest),
            // Cisco metadata: version, length and a group tag, then the ethertype.
            // In GRE the ethertype is left 0 and IP follows all the same.
            0x8909 if rest.skip(8).looks_like_ip() => Next::Ip(rest.skip(8)),
            0x8909 => match rest.u16(6) {
                Some(inner) => typed(inner, rest.skip(8)),
                None => self.short("cmd", rest, 8),
            },
            0x894f => self.service_header(rest),
            // Cisco VN-Tag: 4 bytes, then the ethertype.
            0x8926 => match rest.u16(4) {
                Some(inner) => typed(inner, rest.skip(6)),
                None => self.short("vntag", rest, 6),
            },
            other => self.unsupported("ethertype", rest, u32::from(other)),
        }
    }

    /// Network service header (RFC 8300 2): length in words at 1, next protocol at 3.
    pub fn service_header(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some([_, words, _, next]) = rest.array::<4>(0) else {
            return self.short("nsh", rest, 8);
        };
        let inner = rest.skip(usize::from(words & 0x3f).saturating_mul(4).max(8));
        let inside = match next {
            1 | 2 => Next::Ip(inner),
            3 => Next::Ethernet(inner),
            other => return self.unsupported("nsh", rest, u32::from(other)),
        };
        self.enter(Tunnel::Other, inside, rest)
    }

    /// FDDI: frame control, addresses, LLC (async LLC frames only).
    fn fddi(&mut self, rest: Rest<'a>) -> Next<'a> {
        match rest.u8(0) {
            Some(control) if control & 0xf0 == 0x50 => {
                self.packet.link.destination = rest.array(1);
                self.packet.link.source = rest.array(7);
                Next::Llc(rest.skip(13))
            }
            Some(control) => self.unsupported("fddi", rest, u32::from(control)),
            None => self.short("fddi", rest, 13),
        }
    }

    /// Apple's packet tap, as written on little-endian machines: length at 0, link type at 8.
    fn pktap(&mut self, rest: Rest<'a>) -> Next<'a> {
        let (Some(len), Some(inner)) = (rest.array(0), rest.array(8)) else {
            return self.short("pktap", rest, 12);
        };
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
        let inner = u32::from_le_bytes(inner);
        match u16::try_from(inner) {
            _ if len < 12 => self.malformed("pktap", rest, 12),
            // Not itself again: the link layer is chosen once.
            Ok(kind) if kind != 258 => self.link_layer(kind, rest.skip(len)),
            _ => self.unsupported("pktap", rest, inner),
        }
    }

    /// 802.1Q or 802.1ad tag.
    fn vlan(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some([c0, c1, t0, t1]) = rest.array::<4>(0) else {
            return self.short("vlan", rest, 4);
        };
        if self.packet.tunnels.is_empty() {
            // More than four tags do not occur; their numbers would not be shown.
            let _ = self
                .packet
                .link
                .vlans
                .try_push(u16::from_be_bytes([c0, c1]) & 0x0fff);
        }
        typed(u16::from_be_bytes([t0, t1]), rest.skip(4))
    }

    /// IEEE 802.2 with SNAP (RFC 1042), IP directly under LLC, and NLPID.
    pub fn llc(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some([dsap, ssap, control]) = rest.array::<3>(0) else {
            return self.short("llc", rest, 3);
        };
        match (dsap, ssap, control) {
            (0xaa, 0xaa, 0x03) => {
                let Some([o0, o1, o2, p0, p1]) = rest.array::<5>(3) else {
                    return self.short("llc", rest, 8);
                };
                match [o0, o1, o2] {
                    // Ethertype, plain or tunnelled over a bridge (802.1H).
                    [0, 0, 0] | [0, 0, 0xf8] => {
                        Next::Ethertype(u16::from_be_bytes([p0, p1]), rest.skip(8))
                    }
                    oui => self.unsupported("llc", rest, oui_number(oui)),
                }
            }
            (0x06, 0x06, 0x03) => Next::Ip(rest.skip(3)),
            (0xfe, 0xfe, 0x03) => match rest.u8(3) {
                Some(0xcc | 0x8e) => Next::Ip(rest.skip(4)),
                _ => self.unsupported("llc", rest, u32::from(dsap)),
            },
            _ => self.unsupported("llc", rest, u32::from(dsap)),
        }
    }

    /// LINKTYPE_LINUX_SLL.
    fn cooked(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(&[_, kind, _, _, _, len, a0, a1, a2, a3, a4, a5, _, _, p0, p1]) =
            rest.bytes.first_chunk::<16>()
        else {
            return self.short("sll", rest, 16);
        };
        self.cooked_facts(kind, len, [a0, a1, a2, a3, a4, a5]);
        self.cooked_protocol(u16::from_be_bytes([p0, p1]), rest.skip(16))
    }

    /// LINKTYPE_LINUX_SLL2.
    fn cooked2(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(
            &[
                p0,
                p1,
                _,
                _,
                i0,
                i1,
                i2,
                i3,
                _,
                _,
                kind,
                len,
                a0,
                a1,
                a2,
                a3,
                a4,
                a5,
                _,
                _,
            ],
        ) = rest.bytes.first_chunk::<20>()
        else {
            return self.short("sll", rest, 20);
        };
        self.cooked_facts(kind, len, [a0, a1, a2, a3, a4, a5]);
        self.packet.link.interface = Some(u32::from_be_bytes([i0, i1, i2, i3]));
        self.cooked_protocol(u16::from_be_bytes([p0, p1]), rest.skip(20))
    }

    fn cooked_facts(&mut self, kind: u8, address_len: u8, address: [u8; 6]) {
        if address_len == 6 {
            self.packet.link.source = Some(address);
        }
        self.packet.link.outgoing = Some(kind == 4);
    }

    fn cooked_protocol(&mut self, protocol: u16, rest: Rest<'a>) -> Next<'a> {
        match protocol {
            // ETH_P_802_2.
            0x0004 => Next::Llc(rest),
            // ETH_P_WAN_PPP and ETH_P_PPP_MP.
            0x0007 | 0x0008 => self.ppp_framed(rest),
            other => Next::Ethertype(other, rest),
        }
    }

    /// LINKTYPE_NULL (host order, so both are tried) and LINKTYPE_LOOP (network order).
    fn loopback(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(word) = rest.array::<4>(0) else {
            return self.short("null", rest, 4);
        };
        let family = u32::from_be_bytes(word).min(u32::from_le_bytes(word));
        match family {
            // AF_INET; AF_INET6 of Linux, Windows, NetBSD, FreeBSD, macOS.
            2 | 10 | 23 | 24 | 28 | 30 => Next::Ip(rest.skip(4)),
            other => self.unsupported("null", rest, other),
        }
    }

    /// LINKTYPE_PPP, PPP_HDLC and PPP_PPPD (direction in the first byte).
    fn serial(&mut self, rest: Rest<'a>) -> Next<'a> {
        match rest.array::<2>(0) {
            Some([0x00 | 0x01, 0x03]) => Next::Ppp(rest.skip(2)),
            Some([0x0f | 0x8f, 0x00]) => self.cisco_hdlc(rest),
            Some(_) => self.ppp_framed(rest),
            None => self.short("ppp", rest, 2),
        }
    }

    /// PPP with or without address and control (RFC 1662 3.1; left out when so negotiated).
    pub fn ppp_framed(&mut self, rest: Rest<'a>) -> Next<'a> {
        match rest.array::<2>(0) {
            Some([0xff, 0x03]) => Next::Ppp(rest.skip(2)),
            _ => Next::Ppp(rest),
        }
    }

    /// The PPP protocol field, which is one byte when its first byte is odd (RFC 1661 2).
    pub fn ppp(&mut self, rest: Rest<'a>) -> Next<'a> {
        let (protocol, inner) = match (rest.u8(0), rest.u16(0)) {
            (Some(byte), _) if byte & 1 == 1 => (u16::from(byte), rest.skip(1)),
            (_, Some(word)) => (word, rest.skip(2)),
            _ => return self.short("ppp", rest, 2),
        };
        match protocol {
            0x0021 | 0x0057 => Next::Ip(inner),
            0x0281 | 0x0283 => self.mpls(inner),
            other => self.unsupported("ppp", rest, u32::from(other)),
        }
    }

    /// PPPoE (RFC 2516 4); only sessions carry packets.
    fn pppoe(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some([version, code, _, _, l0, l1]) = rest.array::<6>(0) else {
            return self.short("pppoe", rest, 6);
        };
        if version != 0x11 {
            return self.malformed("pppoe", rest, 6);
        }
        if code != 0 {
            return self.unsupported("pppoed", rest, u32::from(code));
        }
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let inside = Next::Ppp(rest.skip(6).limit(len));
        self.enter(Tunnel::Pppoe, inside, rest)
    }

    /// Cisco HDLC: address, control, ethertype.
    fn cisco_hdlc(&mut self, rest: Rest<'a>) -> Next<'a> {
        match rest.array::<4>(0) {
            Some([0xff, 0x03, _, _]) => Next::Ppp(rest.skip(2)),
            Some([_, _, p0, p1]) => Next::Ethertype(u16::from_be_bytes([p0, p1]), rest.skip(4)),
            None => self.short("chdlc", rest, 4),
        }
    }

    /// LINKTYPE_NFLOG: type-length-values in the capturing host's order; 9 is the packet.
    fn nflog(&mut self, rest: Rest<'a>) -> Next<'a> {
        const PAYLOAD: u16 = 9;
        let mut at = rest.skip(4);
        for _ in 0..32 {
            let Some([l0, l1, t0, t1]) = at.array::<4>(0) else {
                return self.short("nflog", at, 4);
            };
            let (little, big) = (u16::from_le_bytes([l0, l1]), u16::from_be_bytes([l0, l1]));
            // The kernel's types are small numbers, so the order shows.
            let (len, kind) = if t0 == 0 && t1 != 0 {
                (big, u16::from(t1))
            } else {
                (little, u16::from(t0))
            };
            let len = usize::from(len);
            if len < 4 {
                return self.malformed("nflog", at, 4);
            }
            if kind == PAYLOAD {
                return Next::Ip(at.limit(len).skip(4));
            }
            at = at.skip(len.next_multiple_of(4));
        }
        self.malformed("nflog", at, 4)
    }

    /// MPLS label stack (RFC 3032). What follows is not announced: IP if it looks like IP, else an
    /// Ethernet pseudo-wire, with the control word of RFC 4448 or without.
    pub fn mpls(&mut self, rest: Rest<'a>) -> Next<'a> {
        let mut inner = rest;
        for _ in 0..LABELS {
            let Some(label) = inner.u32(0) else {
                return self.short("mpls", inner, 4);
            };
            inner = inner.skip(4);
            if label & 0x100 == 0 {
                continue;
            }
            let word = inner.skip(4);
            let inside = if inner.looks_like_ip() {
                Next::Ip(inner)
            } else if inner.looks_like_ethernet() {
                Next::Ethernet(inner)
            } else {
                match inner.u8(0).map(|byte| byte >> 4) {
                    Some(0) => Next::Ethernet(word),
                    // Cut or damaged, but it says IP: the IP reader will say what is wrong.
                    Some(4 | 6) => Next::Ip(inner),
                    Some(nibble) => return self.unsupported("mpls", inner, u32::from(nibble)),
                    None => return self.short("mpls", inner, 1),
                }
            };
            return self.enter(Tunnel::Mpls, inside, rest);
        }
        self.malformed("mpls", rest, 4)
    }

    /// ARP for IPv4 over Ethernet (RFC 826).
    fn arp(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(
            &[
                h0,
                h1,
                p0,
                p1,
                hlen,
                plen,
                o0,
                o1,
                s0,
                s1,
                s2,
                s3,
                s4,
                s5,
                a0,
                a1,
                a2,
                a3,
                _,
                _,
                _,
                _,
                _,
                _,
                t0,
                t1,
                t2,
                t3,
            ],
        ) = rest.bytes.first_chunk::<28>()
        else {
            return self.short("arp", rest, 28);
        };
        // 6 is IEEE 802, which some bridges write for Ethernet.
        let hardware = u16::from_be_bytes([h0, h1]);
        if !matches!(hardware, 1 | 6) || [p0, p1] != [8, 0] || hlen != 6 || plen != 4 {
            return self.unsupported("arp", rest, u32::from(hardware));
        }
        let operation = u16::from_be_bytes([o0, o1]);
        if !matches!(operation, 1 | 2) {
            return self.unsupported("arp", rest, u32::from(operation));
        }
        self.packet.net = Net::Arp(Arp {
            reply: operation == 2,
            sender_mac: [s0, s1, s2, s3, s4, s5],
            sender_ip: IpAddr::from([a0, a1, a2, a3]),
            target_ip: IpAddr::from([t0, t1, t2, t3]),
        });
        self.packet.transport = super::packet::Transport::None;
        Next::Done
    }
}

/// What follows a type field that may also be an 802.3 length.
#[inline]
fn typed<'a>(kind: u16, rest: Rest<'a>) -> Next<'a> {
    match kind {
        // A length of 0 is written by old offloading drivers; the frame's end counts then.
        0 => Next::Llc(rest),
        1..=1500 => Next::Llc(rest.limit(usize::from(kind))),
        _ => Next::Ethertype(kind, rest),
    }
}

fn oui_number([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}
