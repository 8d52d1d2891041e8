//! IP, TCP, UDP and ICMP: lengths, cuts, lies, options and quotes.

use super::*;
use crate::wire::{Neighbor, StopReason};

#[test]
fn the_snap_length_cuts_payload_without_a_stop() {
    let bytes = mail(v4());
    let packet = dissect(101, &bytes[..54], u32::try_from(bytes.len()).unwrap());
    assert_eq!(packet.stop, None);
    assert_eq!(tcp_of(&packet).payload, b"EH");
    assert_eq!(tcp_of(&packet).payload_len, 8);
}

#[test]
fn a_cut_tcp_header_still_gives_ports_and_flags() {
    let bytes = mail(v4());
    let original = u32::try_from(bytes.len()).unwrap();
    for cut in 34..52 {
        let packet = dissect(101, &bytes[..cut], original);
        let tcp = tcp_of(&packet);
        assert_eq!((tcp.source_port, tcp.seq), (40_000, 0x1122_3344));
        assert_eq!(tcp.payload_len, 8);
        assert!(tcp.payload.is_empty());
        assert!(tcp.options.incomplete);
        let stop = packet.stop.unwrap();
        assert_eq!((stop.layer, stop.reason), ("tcp", StopReason::Snaplen));
        assert_eq!((stop.offset, stop.needed), (20, 32));
    }
    let packet = dissect(101, &bytes[..33], original);
    assert_eq!(packet.transport, Transport::None);
    assert_eq!(packet.stop.unwrap().reason, StopReason::Snaplen);
    assert_eq!(ip_of(&packet).total_len, original);
}

#[test]
fn a_claim_that_nobody_captured_is_malformed_but_keeps_its_length() {
    let bytes = mail(v4());
    let packet = whole(101, &bytes[..54]);
    let stop = packet.stop.unwrap();
    assert_eq!((stop.layer, stop.reason), ("ip", StopReason::Malformed));
    assert_eq!(tcp_of(&packet).payload_len, 8);
}

#[test]
fn offload_without_a_length_uses_the_frames() {
    let mut bytes = mail(v4());
    bytes[2] = 0;
    bytes[3] = 0;
    let packet = whole(101, &bytes);
    assert_mail(&packet);
    assert_eq!(ip_of(&packet).total_len, 60);
    let mut bytes = mail(v6());
    bytes[4] = 0;
    bytes[5] = 0;
    assert_mail(&whole(101, &bytes));
}

#[test]
fn impossible_headers_are_malformed() {
    for (at, value, layer) in [
        (0, 0x44, "ip"),
        (32, 0x40, "tcp"),
        (32, 0xf0, "tcp"),
        (3, 19, "ip"),
    ] {
        let mut bytes = mail(v4());
        bytes[at] = value;
        let packet = whole(101, &bytes);
        let stop = packet.stop.unwrap();
        assert_eq!((stop.layer, stop.reason), (layer, StopReason::Malformed));
        assert_eq!(packet.transport, Transport::None);
    }
}

#[test]
fn ipv4_options_are_stepped_over() {
    let inner = mail(v4());
    let mut bytes = inner[..20].to_vec();
    bytes[0] = 0x46;
    bytes[3] += 4;
    bytes.extend([1, 1, 1, 0]);
    bytes.extend(&inner[20..]);
    assert_mail(&whole(101, &bytes));
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let inner = mail(v6());
    let chain = [
        &[43, 0, 1, 4, 0, 0, 0, 0][..],
        &[60, 0, 0, 0, 0, 0, 0, 0],
        &[44, 0, 1, 4, 0, 0, 0, 0],
        // Atomic fragment: whole.
        &[6, 0, 0, 0, 1, 2, 3, 4],
    ]
    .concat();
    let mut bytes = inner[..40].to_vec();
    bytes[5] += 32;
    bytes[6] = 0;
    bytes.extend(chain);
    bytes.extend(&inner[40..]);
    let packet = whole(101, &bytes);
    assert_mail(&packet);
    assert_eq!(ip_of(&packet).fragment, None);
    assert!(ip_of(&packet).dont_fragment);
}

#[test]
fn every_tcp_option_that_matters() {
    let options = [
        &[2, 4, 5, 0xb4, 4, 2, 3, 3, 7, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2][..],
        &[34, 2, 30, 4, 0, 0, 77, 3, 9],
    ]
    .concat();
    let segment = Segment {
        flags: TcpFlags(TcpFlags::SYN),
        options: &options,
        ..Segment::default()
    };
    let bytes = craft::tcp(v4(), &segment, b"").unwrap();
    let packet = whole(101, &bytes);
    let read = tcp_of(&packet).options;
    assert_eq!((read.mss, read.window_scale), (Some(1460), Some(7)));
    assert_eq!(read.timestamps, Some((1, 2)));
    assert!(read.sack_permitted && read.fast_open && read.multipath && !read.incomplete);
    assert!(!read.joins, "subtype 0 is MP_CAPABLE");

    let mut sack = vec![5, 26];
    sack.extend((1..=24).collect::<Vec<u8>>());
    let segment = Segment {
        options: &sack,
        ..segment
    };
    let bytes = craft::tcp(v4(), &segment, b"").unwrap();
    let packet = whole(101, &bytes);
    let read = tcp_of(&packet).options;
    assert_eq!(
        read.sack_blocks(),
        [
            (0x0102_0304, 0x0506_0708),
            (0x090a_0b0c, 0x0d0e_0f10),
            (0x1112_1314, 0x1516_1718)
        ]
    );
    for broken in [
        &[2, 0, 1, 1][..],
        &[2, 9, 1, 1],
        &[8, 3, 1, 0],
        &[1, 1, 1, 8],
    ] {
        let segment = Segment {
            options: broken,
            ..segment
        };
        let bytes = craft::tcp(v4(), &segment, b"").unwrap();
        assert!(tcp_of(&whole(101, &bytes)).options.incomplete, "{broken:?}");
    }
}

#[test]
fn icmp_errors_quote_as_far_as_they_go() {
    let quoted = mail(v4());
    let router = Header::new(addr("203.0.113.9"), addr("192.0.2.1"));
    let bytes = craft::icmp(router, 3, 4, 1400, &quoted[..28]).unwrap();
    let packet = whole(101, &bytes);
    let Transport::Icmp(icmp) = packet.transport else {
        panic!("{packet:?}");
    };
    assert_eq!((icmp.kind, icmp.code, icmp.mtu), (3, 4, Some(1400)));
    let quote = icmp.quote.unwrap();
    assert_eq!(quote.ip.destination, addr("198.51.100.2"));
    assert_eq!(quote.source_port, Some(40_000));
    assert_eq!(quote.destination_port, Some(25));
    assert_eq!(quote.seq, Some(0x1122_3344));
    assert_eq!(quote.flags, None);
    assert_eq!(ip_of(&packet).source, addr("203.0.113.9"));

    let router = Header::new(addr("2001:db8::9"), addr("2001:db8::1"));
    let bytes = craft::icmp(router, 2, 0, 1280, &mail(v6())).unwrap();
    let Transport::Icmp(icmp) = whole(101, &bytes).transport else {
        panic!("no ICMPv6");
    };
    assert!(icmp.v6);
    assert_eq!(icmp.mtu, Some(1280));
    let quote = icmp.quote.unwrap();
    assert_eq!(quote.flags, Some(TcpFlags(TcpFlags::ACK | TcpFlags::PSH)));
    assert_eq!(quote.destination_port, Some(25));
}

#[test]
fn neighbours_are_read() {
    let mut body = vec![0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
    body.extend([2, 1, 2, 0, 0, 0, 0, 7]);
    let bytes = craft::icmp(v6(), 136, 0, 0x6000_0000, &body).unwrap();
    let Transport::Icmp(icmp) = whole(101, &bytes).transport else {
        panic!("no ICMPv6");
    };
    assert_eq!(
        icmp.neighbor,
        Some(Neighbor {
            advertisement: true,
            target: addr("2001:db8::5"),
            mac: Some([2, 0, 0, 0, 0, 7]),
        })
    );
    assert_eq!(icmp.quote, None);
}

#[test]
fn crafted_checksums_are_what_etherparse_reads() {
    let bytes = mail(v4());
    let read = etherparse::SlicedPacket::from_ip(&bytes).unwrap();
    let Some(etherparse::TransportSlice::Tcp(tcp)) = read.transport else {
        panic!("no TCP");
    };
    let header = tcp.to_header();
    let sum = header.calc_checksum_ipv4_raw([192, 0, 2, 1], [198, 51, 100, 2], tcp.payload());
    assert_eq!(sum.unwrap(), tcp_of(&whole(101, &bytes)).checksum);
    assert_eq!(
        craft::tcp(
            Header::new(addr("192.0.2.1"), addr("2001:db8::1")),
            &Segment::default(),
            b""
        ),
        Err(craft::CraftError::Families)
    );
}
