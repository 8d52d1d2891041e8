//! Tests of the floor: frames are crafted byte by byte around packets from `craft`, so that a
//! wrong offset in a reader cannot hide behind the same wrong offset in a writer.

mod chaos;
mod fragments;
mod layers;
mod transport;
mod tunnels;

use std::net::IpAddr;

use super::craft::{self, Header, Segment};
use super::{Ip, Net, Packet, Tcp, TcpFlags, Transport, dissect};

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn v4() -> Header {
    Header::new(addr("192.0.2.1"), addr("198.51.100.2"))
}

fn v6() -> Header {
    Header::new(addr("2001:db8::1"), addr("2001:db8::2"))
}

/// An IP packet with a segment from port 40000 to 25 that says `EHLO`.
fn mail(header: Header) -> Vec<u8> {
    let segment = Segment {
        source_port: 40_000,
        destination_port: 25,
        seq: 0x1122_3344,
        ack: 0x5566_7788,
        flags: TcpFlags(TcpFlags::ACK | TcpFlags::PSH),
        window: 501,
        options: &[1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9],
    };
    craft::tcp(header, &segment, b"EHLO x\r\n").unwrap()
}

/// Dissects a frame that was captured whole.
fn whole(link_type: u16, frame: &[u8]) -> Packet<'_> {
    dissect(link_type, frame, u32::try_from(frame.len()).unwrap())
}

fn ip_of(packet: &Packet<'_>) -> Ip {
    match packet.net {
        Net::Ip(ip) => ip,
        ref other => panic!("no IP but {other:?}, stop {:?}", packet.stop),
    }
}

fn tcp_of<'a>(packet: &Packet<'a>) -> Tcp<'a> {
    match packet.transport {
        Transport::Tcp(tcp) => tcp,
        ref other => panic!("no TCP but {other:?}, stop {:?}", packet.stop),
    }
}

/// Asserts that the innermost packet is the one of [`mail`], complete.
#[track_caller]
fn assert_mail(packet: &Packet<'_>) {
    let tcp = tcp_of(packet);
    assert_eq!((tcp.source_port, tcp.destination_port), (40_000, 25));
    assert_eq!((tcp.seq, tcp.ack), (0x1122_3344, 0x5566_7788));
    assert_eq!(tcp.flags.0, TcpFlags::ACK | TcpFlags::PSH);
    assert_eq!(tcp.window, Some(501));
    assert_eq!(tcp.options.timestamps, Some((7, 9)));
    assert_eq!(tcp.payload, b"EHLO x\r\n");
    assert_eq!(tcp.payload_len, 8);
    assert_eq!(packet.stop, None);
    let ip = ip_of(packet);
    let expected = if ip.source.is_ipv4() { v4() } else { v6() };
    assert_eq!(ip.source, expected.source);
    assert_eq!(ip.destination, expected.destination);
    assert_eq!(ip.protocol, 6);
    assert_eq!(ip.ttl, 64);
}

/// `head` and then `tail`.
fn join(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, tail].concat()
}
