//! Other clothes for a frame: link types, labels and tunnels, written as their standards say.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::support::Kept;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
const ARP: u16 = 0x0806;

/// Ends of the tunnels: routers that are no part of any recording.
const OUTER: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(100, 64, 0, 1), Ipv4Addr::new(100, 64, 0, 2));

/// The frame's EtherType.
pub fn ethertype(frame: &Kept) -> Option<u16> {
    let two = frame.data.get(12..14)?;
    Some(u16::from_be_bytes([two[0], two[1]]))
}

/// Whether a link type that carries only IP can carry it.
pub fn is_ip(frame: &Kept) -> bool {
    matches!(ethertype(frame), Some(IPV4 | IPV6))
}

/// The frame's captured bytes replaced; what the wire had grows or shrinks by as much as they do.
pub fn with(frame: &Kept, link_type: u16, data: Vec<u8>) -> Kept {
    let cut = frame.original_len - u32::try_from(frame.data.len()).expect("a frame");
    Kept {
        link_type,
        original_len: u32::try_from(data.len()).expect("a frame") + cut,
        data: Arc::from(data),
        ..frame.clone()
    }
}

/// New bytes before a part of the old ones.
fn before(frame: &Kept, link_type: u16, head: &[u8], from: usize) -> Kept {
    let data = [head, &frame.data[from..]].concat();
    with(frame, link_type, data)
}

/// Link types that carry packets of IP alone; ARP has no place there.
pub fn bare(frame: &Kept, link_type: u16) -> Option<Kept> {
    let six = match ethertype(frame)? {
        IPV4 => false,
        IPV6 => true,
        _ => return None,
    };
    let head: &[u8] = match (link_type, six) {
        (101, _) => &[],
        // BSD loopback in the byte order of the host that captured: AF_INET, AF_INET6 of FreeBSD.
        (0, false) => &[2, 0, 0, 0],
        (0, true) => &[28, 0, 0, 0],
        (108, false) => &[0, 0, 0, 2],
        (108, true) => &[0, 0, 0, 28],
        // PPP in HDLC-like framing (RFC 1662), IPv4 and IPv6 (RFC 1332, RFC 5072).
        (9, false) => &[0xFF, 0x03, 0x00, 0x21],
        (9, true) => &[0xFF, 0x03, 0x00, 0x57],
        _ => return None,
    };
    Some(before(frame, link_type, head, 14))
}

/// Linux cooked capture v1 (LINKTYPE_LINUX_SLL): what an `any` interface gave.
pub fn cooked(frame: &Kept) -> Option<Kept> {
    let kind = ethertype(frame)?.to_be_bytes();
    let mut head = vec![0, 0, 0, 1, 0, 6];
    head.extend(&frame.data[6..12]);
    head.extend([0, 0]);
    head.extend(kind);
    Some(before(frame, 113, &head, 14))
}

/// The same v2 (LINKTYPE_LINUX_SLL2).
pub fn cooked2(frame: &Kept) -> Option<Kept> {
    let kind = ethertype(frame)?.to_be_bytes();
    let mut head = vec![kind[0], kind[1], 0, 0, 0, 0, 0, 2, 0, 1, 0, 6];
    head.extend(&frame.data[6..12]);
    head.extend([0, 0]);
    Some(before(frame, 276, &head, 14))
}

/// A data frame of 802.11 from an access point, LLC and SNAP inside.
pub fn wireless(frame: &Kept) -> Option<Kept> {
    let kind = ethertype(frame)?.to_be_bytes();
    // Data, from the distribution system; addresses: receiver, BSSID, source.
    let mut head = vec![0x08, 0x02, 0, 0];
    head.extend(&frame.data[..6]);
    head.extend([2, 0, 0, 0, 0, 0xAA]);
    head.extend(&frame.data[6..12]);
    head.extend([0x10, 0, 0xAA, 0xAA, 0x03, 0, 0, 0]);
    head.extend(kind);
    Some(before(frame, 105, &head, 14))
}

/// Two MPLS labels (RFC 3032) before IP.
pub fn labelled(frame: &Kept) -> Option<Kept> {
    let mut head = frame.data[..12].to_vec();
    head.extend([0x88, 0x47, 0x00, 0x01, 0x40, 0x3F, 0x00, 0x02, 0xA1, 0x3F]);
    is_ip(frame).then(|| before(frame, 1, &head, 14))
}

/// A session of PPP over Ethernet (RFC 2516).
pub fn pppoe(frame: &Kept) -> Option<Kept> {
    let protocol: u16 = match ethertype(frame)? {
        IPV4 => 0x0021,
        IPV6 => 0x0057,
        _ => return None,
    };
    let wire = frame.original_len - 14 + 2;
    let length = u16::try_from(wire).ok()?;
    let mut head = frame.data[..12].to_vec();
    head.extend([0x88, 0x64, 0x11, 0x00, 0x00, 0x2A]);
    head.extend(length.to_be_bytes());
    head.extend(protocol.to_be_bytes());
    Some(before(frame, 1, &head, 14))
}

/// What stands between the outer IP header and what it carries.
#[derive(Clone, Copy, Debug)]
pub enum Tunnel {
    /// GRE (RFC 2784) with the packet's own EtherType.
    Gre,
    /// GRE with key and sequence number (RFC 2890) around whole frames.
    GreBridge,
    /// ERSPAN type II.
    Erspan2,
    /// ERSPAN type III.
    Erspan3,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926) with an option.
    Geneve,
    /// IP in IP (RFC 2003), 6in4 (RFC 4213).
    Ip,
}

/// The frame inside of a tunnel over IPv4.
pub fn tunnelled(frame: &Kept, tunnel: Tunnel) -> Option<Kept> {
    let kind = ethertype(frame)?;
    let [k0, k1] = kind.to_be_bytes();
    let (protocol, mut head, whole): (u8, Vec<u8>, bool) = match tunnel {
        Tunnel::Gre => (47, vec![0, 0, k0, k1], false),
        Tunnel::GreBridge => (47, vec![0x30, 0, 0x65, 0x58, 0, 0, 0, 9, 0, 0, 0, 1], true),
        Tunnel::Erspan2 => (
            47,
            vec![
                0x10, 0, 0x88, 0xBE, 0, 0, 0, 7, 0x10, 0x01, 0, 0x64, 0, 0, 0, 3,
            ],
            true,
        ),
        Tunnel::Erspan3 => (
            47,
            [
                &[0x10, 0, 0x22, 0xEB, 0, 0, 0, 7, 0x20, 0x01, 0, 0x64][..],
                &[0, 0, 0, 1, 0, 0, 0, 0][..],
            ]
            .concat(),
            true,
        ),
        Tunnel::Vxlan => (17, vec![0x08, 0, 0, 0, 0, 0x12, 0x34, 0], true),
        Tunnel::Geneve => (
            17,
            vec![0x01, 0, 0x65, 0x58, 0, 0, 0x2A, 0, 0x01, 0x02, 0x80, 0],
            true,
        ),
        Tunnel::Ip if kind == ARP => return None,
        Tunnel::Ip => (if kind == IPV4 { 4 } else { 41 }, Vec::new(), false),
    };
    if !whole && !is_ip(frame) {
        return None;
    }
    let inner = if whole { 0 } else { 14 };
    let carried = usize::try_from(frame.original_len).expect("a frame") - inner;
    if protocol == 17 {
        let port: u16 = if matches!(tunnel, Tunnel::Vxlan) {
            4789
        } else {
            6081
        };
        let length = u16::try_from(8 + head.len() + carried).ok()?;
        let mut udp = Vec::from(50_123_u16.to_be_bytes());
        udp.extend(port.to_be_bytes());
        udp.extend(length.to_be_bytes());
        udp.extend([0, 0]); // no checksum, as RFC 7348 4.1 wants it
        head.splice(..0, udp);
    }
    let total = u16::try_from(20 + head.len() + carried).ok()?;
    let mut outer = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
    outer.extend([0x45, 0]);
    outer.extend(total.to_be_bytes());
    outer.extend([0, 0, 0x40, 0, 63, protocol, 0, 0]);
    outer.extend(OUTER.0.octets());
    outer.extend(OUTER.1.octets());
    outer.extend(&head);
    Some(before(frame, 1, &outer, inner))
}
