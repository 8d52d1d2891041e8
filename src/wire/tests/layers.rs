//! One frame per link type and tag.

use super::*;
use crate::wire::{Arp, StopReason, Tunnel};

const A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const B: [u8; 6] = [2, 0, 0, 0, 0, 2];

#[test]
fn ethernet_knows_its_addresses() {
    let frame = craft::ethernet(A, B, &[], &mail(v4()));
    let packet = whole(1, &frame);
    assert_mail(&packet);
    assert_eq!(packet.link.source, Some(A));
    assert_eq!(packet.link.destination, Some(B));
    assert_mail(&whole(1, &craft::ethernet(A, B, &[], &mail(v6()))));
}

#[test]
fn padding_of_short_frames_is_not_payload() {
    let segment = Segment {
        flags: TcpFlags(TcpFlags::ACK),
        ..Segment::default()
    };
    let mut frame = craft::ethernet(A, B, &[], &craft::tcp(v4(), &segment, b"").unwrap());
    frame.resize(60, 0xee);
    let packet = whole(1, &frame);
    assert_eq!(tcp_of(&packet).payload, b"");
    assert_eq!(tcp_of(&packet).payload_len, 0);
    assert_eq!(ip_of(&packet).total_len, 40);
}

#[test]
fn tags_are_listed_outermost_first() {
    let frame = craft::ethernet(A, B, &[100, 7], &mail(v4()));
    let packet = whole(1, &frame);
    assert_mail(&packet);
    assert_eq!(packet.link.vlans.as_slice(), [100, 7]);
}

#[test]
fn snap_under_802_3_is_read_and_its_length_believed() {
    let inner = mail(v4());
    let len = u16::try_from(inner.len() + 8).unwrap().to_be_bytes();
    let head = [&B[..], &A, &len, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat();
    let frame = join(&join(&head, &inner), &[0; 9]);
    assert_mail(&whole(1, &frame));
}

#[test]
fn linux_cooked_says_who_sent() {
    let sll = [0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let frame = join(&sll, &mail(v4()));
    let packet = whole(113, &frame);
    assert_mail(&packet);
    assert_eq!(packet.link.outgoing, Some(true));
    assert_eq!(packet.link.source, Some(A));

    let sll2 = [
        0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0,
    ];
    let frame = join(&sll2, &mail(v6()));
    let packet = whole(276, &frame);
    assert_mail(&packet);
    assert_eq!(packet.link.outgoing, Some(false));
}

#[test]
fn raw_ip_goes_by_its_version() {
    for link_type in [12, 14, 101, 228, 229] {
        assert_mail(&whole(link_type, &mail(v4())));
        assert_mail(&whole(link_type, &mail(v6())));
    }
}

#[test]
fn loopback_families_in_both_byte_orders() {
    for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
        assert_mail(&whole(0, &join(&family, &mail(v4()))));
    }
    for family in [[30, 0, 0, 0], [0, 0, 0, 24], [10, 0, 0, 0]] {
        assert_mail(&whole(0, &join(&family, &mail(v6()))));
    }
    assert_mail(&whole(108, &join(&[0, 0, 0, 2], &mail(v4()))));
}

#[test]
fn ppp_with_and_without_framing() {
    assert_mail(&whole(9, &join(&[0xff, 3, 0, 0x21], &mail(v4()))));
    assert_mail(&whole(9, &join(&[0x21], &mail(v4()))));
    assert_mail(&whole(50, &join(&[0xff, 3, 0, 0x57], &mail(v6()))));
    assert_mail(&whole(50, &join(&[0x0f, 0, 8, 0], &mail(v4()))));
    assert_mail(&whole(104, &join(&[0x0f, 0, 0x86, 0xdd], &mail(v6()))));
}

#[test]
fn pppoe_by_link_type_and_by_ethertype() {
    let inner = mail(v4());
    let len = u16::try_from(inner.len() + 2).unwrap().to_be_bytes();
    let session = join(&[0x11, 0, 0, 1, len[0], len[1], 0, 0x21], &inner);
    let packet = whole(51, &session);
    assert_mail(&packet);
    assert_eq!(packet.tunnels.as_slice(), [Tunnel::Pppoe]);
    let frame = join(&[&B[..], &A, &[0x88, 0x64]].concat(), &session);
    assert_mail(&whole(1, &frame));
}

#[test]
fn wlan_data_frames() {
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let inner = join(&snap, &mail(v4()));
    // To the distribution system: BSSID, source, destination.
    let mut head = vec![0x08, 0x01, 0, 0];
    head.extend([9; 6]);
    head.extend(A);
    head.extend(B);
    head.extend([0, 0]);
    let frame = join(&head, &inner);
    let packet = whole(105, &frame);
    assert_mail(&packet);
    assert_eq!(packet.link.source, Some(A));
    assert_eq!(packet.link.destination, Some(B));

    // QoS, four addresses, behind radiotap whose flags say that the body is padded.
    let mut head = vec![0, 0, 9, 0, 2, 0, 0, 0, 0x20];
    head.extend([0x88, 0x03, 0, 0]);
    head.extend([9; 12]);
    head.extend(B);
    head.extend([0, 0]);
    head.extend(A);
    head.extend([0, 0]);
    let frame = join(&head, &inner);
    let packet = whole(127, &frame);
    assert_mail(&packet);
    assert_eq!(packet.link.source, Some(A));

    let mut sealed = frame.clone();
    sealed[10] |= 0x40;
    let packet = whole(127, &sealed);
    assert_eq!(packet.transport, Transport::None);
    assert!(matches!(
        packet.stop.unwrap().reason,
        StopReason::Unsupported(_)
    ));
}

#[test]
fn nflog_in_both_byte_orders() {
    let inner = mail(v4());
    let len = u16::try_from(inner.len() + 4).unwrap();
    let little = [
        &[2, 0, 0, 1, 8, 0, 1, 0, 0, 8, 1, 0][..],
        &len.to_le_bytes(),
        &[9, 0],
    ]
    .concat();
    let big = [
        &[2, 0, 0, 1, 0, 8, 0, 1, 0, 8, 1, 0][..],
        &len.to_be_bytes(),
        &[0, 9],
    ]
    .concat();
    assert_mail(&whole(239, &join(&little, &inner)));
    assert_mail(&whole(239, &join(&big, &inner)));
}

#[test]
fn arp_is_read() {
    let mut frame = [&B[..], &A, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
    frame.extend(A);
    frame.extend([192, 0, 2, 1]);
    frame.extend(B);
    frame.extend([192, 0, 2, 9]);
    let packet = whole(1, &frame);
    assert_eq!(packet.stop, None);
    assert_eq!(
        packet.net,
        Net::Arp(Arp {
            reply: true,
            sender_mac: A,
            sender_ip: addr("192.0.2.1"),
            target_ip: addr("192.0.2.9"),
        })
    );
}

#[test]
fn an_unknown_link_type_is_said() {
    let packet = whole(147, b"anything");
    assert_eq!(packet.net, Net::None);
    assert_eq!(packet.stop.unwrap().reason, StopReason::Unsupported(147));
}
