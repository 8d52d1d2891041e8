//! Packets that die for their size, and the sizes that show it.

use super::handshake;
use super::script::{ACK, C, PSH, S};
use crate::base::{SECOND, Timestamp};
use crate::flow::losses::MtuEvidence;

#[test]
fn full_packets_that_die_while_small_ones_arrive() {
    let mut script = handshake();
    let full = [b'x'; 1448];
    script.pass(20, C, ACK, 1001, 5001, &full);
    script.pass(21, C, ACK | PSH, 2449, 5001, b"tail");
    script.sack(31, S, 5001, 1001, &[(2449, 2453)]);
    for time in [300, 900, 2100, 4500] {
        script.pass(time, C, ACK, 1001, 5001, &full);
    }
    script.tracker.settle(Timestamp(10 * SECOND));
    let client = &script.tracker.facts().sides.client;
    let mtu = &client.mtu;
    assert_eq!(mtu.smallest_dead, Some(1448));
    assert_eq!(mtu.dead_transmissions, 5);
    assert_eq!(client.largest_arrived, 4);
    assert!(mtu.smaller_arrived_after.is_some());
    let outstanding = script.tracker.facts().sides.client.outstanding.unwrap();
    assert_eq!(
        (
            outstanding.range.start,
            outstanding.range.end,
            outstanding.transmissions
        ),
        (0, 1448, 5)
    );
    assert!(outstanding.peer_acked_after);
}

/// What is known of sizes when the first packet of a frame as long as that dies, and `arrived` of the frame is acknowledged.
fn super_segment(length: usize, arrived: &[(u32, u32)]) -> (u32, MtuEvidence) {
    let mut script = handshake();
    let frame = vec![b'x'; length];
    script.pass(20, C, ACK | PSH, 1001, 5001, &frame);
    script.sack(31, S, 5001, 1001, arrived);
    for time in [300, 900, 2100, 4500] {
        script.pass(time, C, ACK, 1001, 5001, &frame[..1460]);
    }
    script.tracker.settle(Timestamp(10 * SECOND));
    let client = &script.tracker.facts().sides.client;
    (client.largest_arrived, *client.mtu)
}

#[test]
fn the_tail_of_a_super_segment_is_a_small_packet() {
    let (largest, mtu) = super_segment(1743, &[(2461, 2744)]);
    assert_eq!(largest, 283);
    assert_eq!(mtu.smallest_dead, Some(1460));
    assert!(mtu.smaller_arrived_after.is_some());
    // The near miss: a packet of full size was among what arrived.
    let (largest, mtu) = super_segment(5000, &[(2461, 3921)]);
    assert_eq!(largest, 1460);
    assert!(mtu.smaller_arrived_after.is_none());
    let mut script = handshake();
    script.pass(20, C, ACK, 1001, 5001, &[b'x'; 5000]);
    script.pass(31, S, ACK, 5001, 2461, b"");
    script.tracker.settle(Timestamp(10 * SECOND));
    assert_eq!(script.tracker.facts().sides.client.largest_arrived, 1460);
}

#[test]
fn full_packets_that_die_and_of_which_the_first_was_not_captured() {
    let play = |tail: &[u8]| {
        let mut script = handshake();
        let end = 2461 + tail.len() as u32;
        script.pass(21, C, ACK | PSH, 2461, 5001, tail);
        script.sack(31, S, 5001, 1001, &[(2461, end)]);
        for time in [300, 900, 2100, 4500] {
            script.pass(time, C, ACK, 1001, 5001, &[b'x'; 1460]);
        }
        script.tracker.settle(Timestamp(10 * SECOND));
        let client = &script.tracker.facts().sides.client;
        (client.largest_arrived, *client.mtu)
    };
    let (largest, mtu) = play(b"tail");
    assert_eq!((largest, mtu.smallest_dead), (4, Some(1460)));
    assert!(mtu.smaller_arrived_after.is_some());
    // The near miss: what arrived from behind it was as large.
    let (largest, mtu) = play(&[b'x'; 1460]);
    assert_eq!(largest, 1460);
    assert!(mtu.smaller_arrived_after.is_none());
}

/// What is known of sizes of a frame of many packets that dies whole, sent again in packets of these sizes.
fn sent_again_in(sizes: &[usize]) -> MtuEvidence {
    let mut script = handshake();
    let frame = vec![b'x'; 11_584];
    script.pass(20, C, ACK | PSH, 1001, 5001, &frame);
    for (turn, size) in sizes.iter().enumerate() {
        let time = 300 << turn;
        script.pass(time, C, ACK, 1001, 5001, &frame[..*size]);
    }
    script.tracker.settle(Timestamp(60 * SECOND));
    *script.tracker.facts().sides.client.mtu
}

#[test]
fn a_size_that_is_smaller_than_the_first_packet_dies_as_well() {
    let mtu = sent_again_in(&[1398, 1398, 1398, 1398]);
    assert_eq!((mtu.smallest_dead, mtu.dead_transmissions), (Some(1398), 4));
    assert_eq!(mtu.dead.map(|mark| mark.frame.number()), Some(5));
    // The near misses: twice only in that size; and in the largest, which is what is told.
    let mtu = sent_again_in(&[1398, 1398]);
    assert_eq!(mtu.smallest_dead, None);
    let mtu = sent_again_in(&[1460, 1460, 1398, 1398, 1398]);
    assert_eq!((mtu.smallest_dead, mtu.dead_transmissions), (Some(1460), 3));
}

/// A full packet that dies, of which a router says at 50 ms that packets over `limit` bytes do not pass; sent again at those times in those
/// sizes.
fn refused(limit: u32, again: &[(i64, usize)]) -> MtuEvidence {
    let mut script = handshake();
    let full = [b'x'; 1460];
    script.pass(20, C, ACK, 1001, 5001, &full);
    script.pass(21, C, ACK | PSH, 2461, 5001, b"tail");
    script.sack(31, S, 5001, 1001, &[(2461, 2465)]);
    script.too_big(50, 1001, limit);
    for (time, size) in again {
        script.pass(*time, C, ACK, 1001, 5001, &full[..*size]);
    }
    script.tracker.settle(Timestamp(60 * SECOND));
    *script.tracker.facts().sides.client.mtu
}

#[test]
fn a_size_that_a_router_refused_and_that_is_sent_all_the_same() {
    let full = 1460;
    let deaf = refused(1300, &[(300, full), (900, full), (2100, full)]);
    assert_eq!((deaf.smallest_dead, deaf.unheeded), (Some(1460), 3));
    assert!(deaf.smaller_arrived_after.is_some());
    // The near misses: what was on its way when the router spoke; and a sender that heeds it.
    let late = refused(1300, &[(300, full), (900, full)]);
    assert_eq!(late.smallest_dead, None);
    let heeds = refused(1300, &[(300, 1260), (900, 1260), (2100, 1260)]);
    assert_eq!((heeds.smallest_dead, heeds.unheeded), (None, 0));
}
