//! Frames that no kernel of a test sends by itself: tags, tunnels, fragments, and floods.

use std::net::{IpAddr, SocketAddr};

use mxray::wire::TcpFlags;
use mxray::wire::craft::{Header, Segment, ethernet, tcp, udp};
use pcap::{Active, Capture};

pub const FROM: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
pub const TO: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of the test")
}

/// A TCP segment as an IP packet.
pub fn segment(
    from: (&str, u16),
    to: (&str, u16),
    flags: u8,
    numbers: (u32, u32),
    text: &[u8],
) -> Vec<u8> {
    let segment = Segment {
        source_port: from.1,
        destination_port: to.1,
        seq: numbers.0,
        ack: numbers.1,
        flags: TcpFlags(flags),
        window: 64_000,
        options: &[],
    };
    tcp(Header::new(address(from.0), address(to.0)), &segment, text).expect("a segment of the test")
}

/// A UDP datagram as an IP packet.
pub fn datagram(from: (&str, u16), to: (&str, u16), payload: &[u8]) -> Vec<u8> {
    let (from, to) = (
        SocketAddr::new(address(from.0), from.1),
        SocketAddr::new(address(to.0), to.1),
    );
    udp(Header::new(from.ip(), to.ip()), from, to, payload).expect("a datagram of the test")
}

/// A packet on Ethernet, with tags.
pub fn frame(vlans: &[u16], packet: &[u8]) -> Vec<u8> {
    ethernet(FROM, TO, vlans, packet)
}

/// A frame of any type.
pub fn typed(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&TO[..], &FROM, &ethertype.to_be_bytes(), payload].concat()
}

/// An IPv4 packet of that protocol (RFC 791 3.1).
pub fn ipv4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("a short packet");
    let mut head = [0u8; 20];
    head[0] = 0x45;
    head[2..4].copy_from_slice(&length.to_be_bytes());
    head[4..6].copy_from_slice(&[0x12, 0x34]);
    head[6..8].copy_from_slice(&fragment.to_be_bytes());
    head[8] = 64;
    head[9] = protocol;
    head[12..16].copy_from_slice(&[203, 0, 113, 1]);
    head[16..20].copy_from_slice(&[203, 0, 113, 2]);
    let sum: u32 = head
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    head[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&head[..], payload].concat()
}

/// An IPv6 packet that begins with that header (RFC 8200 3).
pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short packet");
    let mut head = vec![0x60, 0, 0, 0];
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&[next, 64]);
    for last in [1, 2] {
        head.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    [&head[..], payload].concat()
}

/// Something that puts frames on the wire.
pub fn sender(interface: &str) -> Result<Capture<Active>, String> {
    let opened = Capture::from_device(interface)
        .and_then(|inactive| inactive.snaplen(64).buffer_size(1 << 20).open());
    let mut capture = opened.map_err(|error| format!("{interface}: {error}"))?;
    // It sends only: nothing is to be copied for it.
    capture
        .filter("less 1", true)
        .map_err(|error| error.to_string())?;
    Ok(capture)
}
