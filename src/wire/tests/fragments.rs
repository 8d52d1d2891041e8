//! Reassembly: orders, duplicates, overlaps, limits.

use super::*;
use crate::base::{SECOND, Timestamp, limits};
use crate::wire::{Datagram, Reassembler};

/// An IPv4 fragment of a UDP datagram.
fn piece(id: u16, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
    let total = u16::try_from(bytes.len() + 20).unwrap().to_be_bytes();
    let place = u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 };
    let (id, place) = (id.to_be_bytes(), place.to_be_bytes());
    let head = [
        0x45, 0, total[0], total[1], id[0], id[1], place[0], place[1], 64, 17, 0, 0, 10, 0, 0, 53,
        10, 0, 0, 1,
    ];
    join(&head, bytes)
}

/// A UDP datagram from port 53 with 3,000 bytes that differ.
fn datagram() -> Vec<u8> {
    let mut bytes = vec![0, 53, 0x9c, 0x40, 0x0b, 0xc0, 0, 0];
    bytes.extend((0..3000u32).map(|n| (n % 251) as u8));
    bytes
}

fn add(reassembler: &mut Reassembler, bytes: &[u8], seconds: i64) -> Option<Datagram> {
    reassembler.add(&whole(101, bytes), Timestamp(seconds * SECOND))
}

#[track_caller]
fn assert_whole(found: Option<Datagram>) {
    let found = found.expect("complete");
    let Transport::Udp(udp) = found.transport() else {
        panic!("{:?}", found.packet());
    };
    assert_eq!((udp.source_port, udp.destination_port), (53, 40_000));
    assert_eq!(udp.payload, &datagram()[8..]);
    assert_eq!(found.ip.fragment, None);
    assert_eq!(found.ip.total_len, 20 + 3008);
}

#[test]
fn pieces_in_any_order_with_duplicates() {
    let all = datagram();
    let pieces = [
        piece(7, 0, true, &all[..1000]),
        piece(7, 1000, true, &all[1000..2000]),
        piece(7, 2000, false, &all[2000..]),
    ];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut reassembler = Reassembler::new();
        assert_eq!(add(&mut reassembler, &pieces[order[0]], 0), None);
        assert_eq!(add(&mut reassembler, &pieces[order[1]], 0), None);
        assert_eq!(add(&mut reassembler, &pieces[order[0]], 0), None);
        assert_whole(add(&mut reassembler, &pieces[order[2]], 0));
        assert_eq!(reassembler.waiting(), 0);
        assert_eq!(reassembler.counts().completed, 1);
    }
}

#[test]
fn a_fragment_is_never_a_transport() {
    let bytes = piece(7, 0, true, &datagram()[..1000]);
    let packet = whole(101, &bytes);
    assert_eq!(packet.transport, Transport::Fragment(&datagram()[..1000]));
    assert!(ip_of(&packet).fragment.is_some_and(|it| it.more));
}

#[test]
fn ipv6_pieces_with_options_behind_the_fragment_header() {
    let inner = mail(v6());
    let mut body = vec![6, 0, 1, 4, 0, 0, 0, 0];
    body.extend(&inner[40..]);
    let frame = |offset: u8, more: u8, bytes: &[u8]| {
        let mut frame = inner[..40].to_vec();
        frame[5] = u8::try_from(bytes.len() + 8).unwrap();
        frame[6] = 44;
        frame.extend([60, 0, 0, offset | more, 0, 0, 0, 9]);
        frame.extend(bytes);
        frame
    };
    let mut reassembler = Reassembler::new();
    assert_eq!(add(&mut reassembler, &frame(24, 0, &body[24..]), 0), None);
    let found = add(&mut reassembler, &frame(0, 1, &body[..24]), 0).unwrap();
    assert_mail(&found.packet());
}

#[test]
fn a_partial_overlap_throws_the_datagram_away() {
    let all = datagram();
    let mut reassembler = Reassembler::new();
    add(&mut reassembler, &piece(7, 0, true, &all[..1000]), 0);
    assert_eq!(reassembler.waiting(), 1);
    let overlap = piece(7, 992, true, &all[992..2000]);
    assert_eq!(add(&mut reassembler, &overlap, 0), None);
    assert_eq!(reassembler.waiting(), 0);
    assert_eq!(reassembler.counts().overlapping, 1);
}

#[test]
fn a_contained_piece_does_not_replace_the_first_one() {
    let all = datagram();
    let mut reassembler = Reassembler::new();
    add(&mut reassembler, &piece(7, 0, true, &all[..2000]), 0);
    add(&mut reassembler, &piece(7, 800, true, &[0xee; 80]), 0);
    assert_whole(add(
        &mut reassembler,
        &piece(7, 2000, false, &all[2000..]),
        0,
    ));
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let mut reassembler = Reassembler::new();
    // Past 64 KiB ("ping of death"), a ragged middle, an end before what is there.
    add(&mut reassembler, &piece(1, 65_528, false, &[1; 100]), 0);
    add(&mut reassembler, &piece(2, 0, true, &[1; 1001]), 0);
    add(&mut reassembler, &piece(3, 800, true, &[1; 800]), 0);
    add(&mut reassembler, &piece(3, 8, false, &[1; 80]), 0);
    assert_eq!(reassembler.counts().impossible, 3);
    assert_eq!(reassembler.waiting(), 0);
}

#[test]
fn cut_pieces_are_counted_and_not_taken() {
    let bytes = piece(7, 0, true, &datagram()[..1000]);
    let packet = dissect(101, &bytes[..200], 1020);
    let mut reassembler = Reassembler::new();
    assert_eq!(reassembler.add(&packet, Timestamp(0)), None);
    assert_eq!(reassembler.counts().cut, 1);
    assert_eq!(reassembler.waiting(), 0);
}

#[test]
fn patience_ends_after_30_seconds_of_capture_time() {
    let all = datagram();
    let mut reassembler = Reassembler::new();
    add(&mut reassembler, &piece(7, 0, true, &all[..2000]), 100);
    let last = piece(7, 2000, false, &all[2000..]);
    assert_eq!(add(&mut reassembler, &last, 131), None);
    assert_eq!(reassembler.counts().timed_out, 1);
    assert_whole(add(&mut reassembler, &piece(7, 0, true, &all[..2000]), 131));
}

#[test]
fn the_oldest_leaves_when_there_are_too_many() {
    let all = datagram();
    let mut reassembler = Reassembler::new();
    let count = u16::try_from(limits::FRAGMENTS).unwrap();
    for id in 0..=count {
        add(&mut reassembler, &piece(id, 0, true, &all[..2000]), 0);
    }
    assert_eq!(reassembler.waiting(), limits::FRAGMENTS);
    assert_eq!(reassembler.counts().evicted, 1);
    let last = |id| piece(id, 2000, false, &all[2000..]);
    assert_eq!(add(&mut reassembler, &last(0), 0), None);
    assert_whole(add(&mut reassembler, &last(count), 0));
}
