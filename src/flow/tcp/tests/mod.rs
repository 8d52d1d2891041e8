//! Timed scripts in the manner of packetdrill: what passes the capture point, and what must be known of it.

mod script;

use proptest::prelude::*;

use super::Verdict;
use super::labels::Labels;
use crate::base::{MILLISECOND, PerSide, SECOND, Side, Timestamp};
use crate::flow::losses::MtuEvidence;
use crate::flow::{LossPlace, Opening, ResetTrigger, Vantage};
use script::{ACK, C, FIN, PSH, RST, S, SYN, Script};

fn handshake() -> Script {
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(10, S, SYN | ACK, 5000, 1001, b"");
    script.pass(11, C, ACK, 1001, 5001, b"");
    script
}

#[test]
fn a_mail_dialogue_comes_out_in_order_and_closes() {
    let mut script = handshake();
    script.pass(20, S, ACK | PSH, 5001, 1001, b"220 hi\r\n");
    script.pass(21, C, ACK | PSH, 1001, 5009, b"QUIT\r\n");
    script.pass(30, S, ACK | FIN, 5009, 1007, b"");
    script.pass(31, C, ACK | FIN, 1007, 5010, b"");
    assert!(!script.tracker.closed());
    script.pass(41, S, ACK, 5010, 1008, b"");
    assert!(script.tracker.closed());
    script.tracker.settle(Timestamp(SECOND));
    let facts = script.tracker.facts();
    assert_eq!(script.sink.text(S), b"220 hi\r\n");
    assert_eq!(script.sink.text(C), b"QUIT\r\n");
    assert_eq!(facts.opening, Opening::Syn);
    assert_eq!(facts.rtt_server, Some(10 * MILLISECOND));
    assert_eq!(facts.rtt_client, Some(MILLISECOND));
    assert_eq!(facts.vantage, Vantage::Client);
    assert_eq!(facts.loss_count, 0);
    assert_eq!(facts.established.map(|mark| mark.frame.number()), Some(3));
    assert_eq!(*facts.sides.client.outstanding, None);
    assert_eq!(*facts.sides.server.outstanding, None);
}

#[test]
fn a_syn_sent_again_is_one_connection_and_another_isn_is_not() {
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(1000, C, SYN, 1000, 0, b"");
    script.pass(3000, C, SYN, 1000, 0, b"");
    assert_eq!(script.tracker.facts().syns.count, 3);
    assert_eq!(script.belongs(4000, C, SYN, 1000), Verdict::SameConnection);
    assert_eq!(script.belongs(4000, C, SYN, 2000), Verdict::NewConnection);
    script.pass(4000, S, RST | ACK, 0, 1001, b"");
    assert_eq!(script.tracker.facts().resets[0].trigger, ResetTrigger::Syn);
    assert_eq!(script.belongs(5000, C, SYN, 2000), Verdict::SameConnection);
    assert_eq!(script.belongs(7001, C, SYN, 2000), Verdict::NewConnection);
    script.pass(5000, C, SYN, 2000, 0, b"");
    assert_eq!(script.tracker.facts().reopened, 1);
    assert!(!script.tracker.closed());
}

#[test]
fn a_loss_behind_the_capture_point_is_seen_twice_here() {
    let mut script = handshake();
    script.pass(20, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
    script.pass(300, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
    script.pass(310, S, ACK, 5001, 1009, b"");
    let facts = script.tracker.facts();
    assert_eq!(facts.loss_count, 1);
    assert_eq!(facts.losses[0].place, LossPlace::After);
    assert_eq!(facts.stood_still, 280 * MILLISECOND);
    assert_eq!(script.sink.text(C), b"EHLO a\r\n");
}

#[test]
fn a_resend_that_was_not_needed_is_no_loss() {
    let mut script = handshake();
    script.pass(20, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
    script.pass(30, S, ACK, 5001, 1009, b"");
    let labels = script.pass(300, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
    assert!(labels.contains(Labels::SPURIOUS_RETRANSMISSION));
    script.pass(310, S, ACK, 5001, 1009, b"");
    assert_eq!(script.tracker.facts().loss_count, 0);
    assert_eq!(script.tracker.facts().sides.client.retransmitted, 1);
}

#[test]
fn a_late_segment_is_reordering_when_it_was_sent_earlier_and_a_loss_when_it_was_sent_again() {
    let mut script = handshake();
    script.pass(20, S, ACK, 5003, 1001, b"0 hi\r\n");
    script.pass(21, S, ACK, 5001, 1001, b"22");
    script.pass(22, C, ACK, 1001, 5009, b"");
    assert_eq!(script.tracker.facts().loss_count, 0);
    assert_eq!(script.sink.text(S), b"220 hi\r\n");

    let mut script = handshake();
    script.pass(20, S, ACK, 5003, 1001, b"0 hi\r\n");
    script.pass(400, S, ACK, 5001, 1001, b"22");
    script.pass(401, C, ACK, 1001, 5009, b"");
    assert_eq!(script.tracker.facts().loss_count, 1);
    assert_eq!(script.tracker.facts().losses[0].place, LossPlace::Before);
}

#[test]
fn what_was_acknowledged_and_never_seen_is_a_gap_of_the_capture() {
    let mut script = handshake();
    script.pass(20, S, ACK, 5001, 1001, b"220");
    script.pass(21, S, ACK, 5009, 1001, b"next");
    script.pass(22, C, ACK, 1001, 5013, b"");
    script.pass(40, C, ACK | PSH, 1001, 5013, b"QUIT");
    assert_eq!(script.sink.text(S), b"220?????next");
    assert_eq!(script.tracker.facts().capture_gaps.server, 5);
    assert_eq!(script.tracker.facts().loss_count, 0);
}

/// Ten seconds of silence before a greeting, of which each end saw all but so many milliseconds.
fn silence_unseen(client: i64, server: i64) -> Option<i64> {
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.behind = Some(PerSide::default());
    script.pass(10, S, SYN | ACK, 5000, 1001, b"");
    script.pass(11, C, ACK, 1001, 5001, b"");
    script.behind = Some(PerSide { client, server });
    script.pass(10_011, S, ACK | PSH, 5001, 1001, b"220 hi\r\n");
    script.pass(10_012, C, ACK | PSH, 1001, 5009, b"QUIT\r\n");
    let jump = &script.tracker.facts().clock_jump;
    jump.map(|gap| gap.length / MILLISECOND)
}

#[test]
fn a_silence_that_neither_end_saw_is_a_jump_of_the_clock() {
    assert_eq!(silence_unseen(10_000, 10_000), Some(10_000));
    assert_eq!(silence_unseen(9_990, 9_900), Some(10_000));
    assert_eq!(silence_unseen(0, 0), None, "a real silence");
    assert_eq!(
        silence_unseen(0, 10_000),
        None,
        "the answer was under way all the time"
    );
    assert_eq!(silence_unseen(10_000, 0), None);
    assert_eq!(
        silence_unseen(9_000, 9_000),
        None,
        "a second of it was real"
    );
}

/// Ten seconds of silence after which only one end speaks, of which it saw all but so many milliseconds; then the other, if told.
fn silence_of_one(side: Side, behind: i64, other: Option<i64>) -> Option<i64> {
    let mut script = Script::default();
    script.behind = Some(PerSide::default());
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(10, S, SYN | ACK, 5000, 1001, b"");
    script.pass(21, C, ACK, 1001, 5001, b"");
    script.pass(32, S, ACK | PSH, 5001, 1001, b"220 hi\r\n");
    let mut behind = PerSide {
        client: behind,
        server: behind,
    };
    script.behind = Some(behind);
    match side {
        C => script.pass(10_032, C, ACK | PSH, 1001, 5009, b"QUIT\r\n"),
        S => script.pass(10_032, S, ACK | PSH, 5009, 1001, b"221 bye\r\n"),
    };
    if let Some(other) = other {
        behind[side.other()] = other;
        script.behind = Some(behind);
        script.pass(10_040, side.other(), ACK, 1007, 5018, b"");
    }
    let doubt = &script.tracker.facts().clock_doubt;
    doubt.map(|gap| gap.length / MILLISECOND)
}

#[test]
fn a_silence_that_the_only_end_heard_did_not_see_is_a_doubt() {
    for side in [C, S] {
        assert_eq!(silence_of_one(side, 10_000, None), Some(10_000));
        assert_eq!(silence_of_one(side, 0, None), None, "a real silence");
        assert_eq!(
            silence_of_one(side, 10_000, Some(0)),
            None,
            "the other end saw it"
        );
    }
}

#[test]
fn directions_timed_by_two_clocks_contradict_each_other() {
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(1, C, ACK, 1001, 5001, b"");
    script.pass(7_000, S, SYN | ACK, 5000, 1001, b"");
    let facts = script.tracker.facts();
    assert_eq!(facts.clock_error, 6_999 * MILLISECOND);
    assert_eq!(facts.rtt_server, None);
}

#[test]
fn a_slow_handshake_contradicts_nothing() {
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(2_000, S, SYN | ACK, 5000, 1001, b"");
    script.pass(2_001, C, ACK, 1001, 5001, b"");
    let facts = script.tracker.facts();
    assert_eq!(facts.clock_error, 0);
    assert_eq!(facts.rtt_server, Some(2_000 * MILLISECOND));
}

#[test]
fn clocks_that_never_move_say_nothing_of_a_silence() {
    let mut script = Script::default();
    for (time, side) in [(0, C), (10, S), (11, C), (10_011, S), (10_012, C)] {
        script.behind = Some(PerSide {
            client: time,
            server: time,
        });
        script.pass(time, side, ACK, 1001, 1001, b"");
    }
    assert_eq!(*script.tracker.facts().clock_jump, None);
}

#[test]
fn a_copy_made_by_the_network_is_not_a_segment() {
    let mut script = handshake();
    script.ip_id = 7;
    script.pass(20, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
    script.ip_id = 7;
    script.pass(21, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
    assert_eq!(script.tracker.facts().duplicates, 1);
    assert_eq!(script.tracker.facts().sides.client.data_segments, 1);
}

#[test]
fn copies_of_a_burst_come_behind_all_of_it() {
    let mut script = Script::default();
    for (at, side, flags, seq, ack) in [
        (0, C, SYN, 1000, 0),
        (10, S, SYN | ACK, 5000, 1001),
        (11, C, ACK, 1001, 5001),
    ] {
        let id = script.ip_id;
        script.pass(at, side, flags, seq, ack, b"");
        script.ip_id = id;
        script.pass(at, side, flags, seq, ack, b"");
    }
    let burst = |script: &mut Script, at, id| {
        script.ip_id = id;
        for number in 0..40 {
            script.pass(at, S, ACK | PSH, 5001 + number * 100, 1001, &[b'x'; 100]);
        }
    };
    burst(&mut script, 20, 500);
    burst(&mut script, 23, 500);
    let facts = script.tracker.facts();
    assert_eq!(
        (facts.duplicates, facts.sides.server.retransmitted),
        (43, 0)
    );
    // Near miss: what is sent again has another identification.
    burst(&mut script, 400, 900);
    let facts = script.tracker.facts();
    assert_eq!(
        (facts.duplicates, facts.sides.server.retransmitted),
        (43, 40)
    );
}

#[test]
fn a_copy_at_a_second_point_comes_over_other_hops_with_the_same_clock() {
    let say = |script: &mut Script, time, late: i64, further, seq, text: &[u8]| {
        script.ip_id = 0;
        script.further = further;
        script.behind = Some(PerSide {
            client: 900_000 + late,
            server: 0,
        });
        script.pass(time, C, ACK | PSH, seq, 5001, text);
    };
    let counts = |script: &Script| {
        let facts = script.tracker.facts();
        let client = &facts.sides.client;
        (facts.duplicates, client.retransmitted, client.data_segments)
    };
    let mut script = handshake();
    say(&mut script, 20, 0, 0, 1001, b"EHLO a\r\n");
    say(&mut script, 32, 12, 7, 1001, b"EHLO a\r\n");
    assert_eq!(counts(&script), (1, 0, 1));
    // Near misses: sent again, with a clock that went on, whatever way it took; and with the same clock the same way.
    say(&mut script, 240, 0, 0, 1001, b"EHLO a\r\n");
    assert_eq!(counts(&script), (1, 1, 2));
    say(&mut script, 480, 0, 7, 1001, b"EHLO a\r\n");
    assert_eq!(counts(&script), (1, 2, 3));
    say(&mut script, 500, 0, 0, 1009, b"NOOP\r\n");
    say(&mut script, 510, 10, 0, 1009, b"NOOP\r\n");
    assert_eq!(counts(&script), (1, 3, 5));
}

#[test]
fn a_reset_is_a_copy_where_all_else_comes_twice_over_the_same_hops() {
    let reset = |script: &mut Script, time, further| {
        script.ip_id = 0;
        script.further = further;
        script.pass(time, C, RST | ACK, 1009, 5001, b"");
    };
    let resets = |script: &Script| script.tracker.facts().reset_count;
    let copied = |further: u8| {
        let mut script = handshake();
        for (time, further) in [(20, 0), (30, further)] {
            script.ip_id = 7;
            script.further = further;
            script.pass(time, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
        }
        script
    };
    let mut script = copied(7);
    reset(&mut script, 40, 0);
    reset(&mut script, 50, 7);
    assert_eq!(resets(&script), 1);
    // Near misses: over hops that no copy took; and where nothing else comes twice.
    reset(&mut script, 60, 3);
    assert_eq!(resets(&script), 2);
    let mut script = handshake();
    reset(&mut script, 40, 0);
    reset(&mut script, 50, 7);
    assert_eq!(resets(&script), 2);
}

#[test]
fn keep_alives_are_never_data() {
    let mut script = handshake();
    script.pass(20, C, ACK | PSH, 1001, 5001, b"NOOP\r\n");
    script.pass(30, S, ACK, 5001, 1007, b"");
    let labels = script.pass(60_000, C, ACK, 1006, 5001, b"\0");
    assert!(labels.contains(Labels::KEEP_ALIVE));
    script.pass(60_010, S, ACK, 5001, 1007, b"");
    let facts = script.tracker.facts();
    assert_eq!(
        (
            facts.sides.client.keep_alives,
            facts.sides.client.retransmitted
        ),
        (1, 0)
    );
    assert_eq!(facts.idle[0].length, 59_970 * MILLISECOND);
    assert_eq!(script.sink.text(C), b"NOOP\r\n");
}

#[test]
fn a_closed_window_is_timed() {
    let mut script = handshake();
    script.window = 0;
    script.pass(100, S, ACK, 5001, 1001, b"");
    script.window = 500;
    script.pass(6_100, S, ACK, 5001, 1001, b"");
    let zero = &script.tracker.facts().sides.server.zero_window;
    assert_eq!(
        (zero.episodes, zero.total, zero.closed_since),
        (1, 6 * SECOND, None)
    );
}

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

#[test]
fn a_device_that_forgets_sack_is_found_by_one_constant_distance() {
    let mut script = handshake();
    script.pass(20, C, ACK, 1001, 5001, &[b'a'; 100]);
    script.pass(21, C, ACK, 1101, 5001, &[b'b'; 110]);
    script.pass(22, C, ACK, 1211, 5001, &[b'c'; 120]);
    script.sack(30, S, 5001, 1001, &[(1101 + 77_000, 1211 + 77_000)]);
    script.sack(31, S, 5001, 1001, &[(1101 + 77_000, 1331 + 77_000)]);
    assert_eq!(
        script
            .tracker
            .facts()
            .sack_offset
            .map(|(_, distance)| distance),
        Some(77_000)
    );
}

#[test]
fn data_after_a_reset_contradicts_it() {
    let mut script = handshake();
    script.pass(20, S, ACK | PSH, 5001, 1001, b"220 hi\r\n");
    script.pass(30, S, RST, 5009, 0, b"");
    assert!(script.tracker.closed());
    assert_eq!(script.tracker.facts().resets[0].seq_exact, Some(true));
    script.pass(60, S, ACK | PSH, 5009, 1001, b"more");
    assert!(script.tracker.facts().resets[0].data_after);
    assert!(!script.tracker.closed());
}

#[test]
fn one_direction_alone_is_read_and_holes_do_not_stop_it() {
    let mut script = Script::default();
    let mut seq = 9_000u32;
    script.pass(0, S, ACK, seq, 1, b"start");
    seq += 5 + 3;
    for time in 1..=8 {
        script.pass(time, S, ACK, seq, 1, b"ab");
        seq += 2;
    }
    assert_eq!(script.sink.text(S), b"start???abababababababab");
}

#[test]
fn a_cut_payload_is_data_and_then_a_gap() {
    let mut script = handshake();
    script.cut = Some(3);
    script.pass(20, S, ACK, 5001, 1001, b"220 hi\r\n");
    script.cut = None;
    script.pass(21, S, ACK, 5009, 1001, b"x");
    assert_eq!(script.sink.text(S), b"220?????x");
    assert_eq!(script.tracker.facts().cut_frames, 1);
}

proptest! {
    /// Whatever the order and however often, at any place in sequence space: every byte once, in order.
    #[test]
    fn every_byte_exactly_once(
        isn in any::<u32>(),
        cuts in proptest::collection::vec(1usize..40, 1..30),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        let total: usize = cuts.iter().sum();
        let stream: Vec<u8> = (0..total).map(|at| (at % 251) as u8).collect();
        let mut segments = Vec::new();
        let mut at = 0;
        for cut in cuts {
            segments.push((at, at + cut));
            at += cut;
        }
        let mut script = Script::default();
        script.pass(0, C, SYN, 7, 0, b"");
        script.pass(1, S, SYN | ACK, isn, 8, b"");
        script.pass(2, C, ACK, 8, isn.wrapping_add(1), b"");
        let chosen = order.iter().map(|index| *index.get(&segments)).collect::<Vec<_>>();
        for (time, (from, to)) in chosen.into_iter().chain(segments.iter().copied()).enumerate() {
            let seq = isn.wrapping_add(1).wrapping_add(from as u32);
            script.pass(3 + time as i64, S, ACK, seq, 8, &stream[from..to]);
        }
        prop_assert_eq!(script.sink.text(S), stream);
        prop_assert_eq!(script.tracker.facts().sides.server.bytes, total as u64);
    }
}

#[test]
fn bytes_that_waited_keep_the_mark_of_their_own_frame() {
    let mut script = handshake();
    script.pass(20, S, ACK, 5003, 1001, b"0 hi");
    script.pass(21, S, ACK, 5001, 1001, b"22");
    assert_eq!(script.sink.frames, [5, 4]);
}

/// What most connections never need stands in boxes: all of a tracker is written, and later read, for each connection.
#[test]
fn a_tracker_is_small() {
    let sizes = [
        size_of::<super::tracker::Tracker>(),
        size_of::<super::super::facts::TcpFacts>(),
        size_of::<super::half::Half>(),
        size_of::<super::range::Range>(),
    ];
    let most = [2_400, 1_200, 640, 112];
    assert!(
        sizes.iter().zip(most).all(|(size, most)| *size <= most),
        "{sizes:?}"
    );
}
