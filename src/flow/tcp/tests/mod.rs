//! Timed scripts in the manner of packetdrill: what passes the capture point, and what must be known of it.

mod answerable;
mod copies;
mod pauses;
mod script;
mod sizes;

use proptest::prelude::*;

use super::Verdict;
use super::labels::Labels;
use crate::base::{MILLISECOND, PerSide, SECOND, Side, Timestamp};
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
fn the_syn_ack_that_the_client_took_counts_whatever_comes_late_of_another() {
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(10, S, SYN | ACK, 5000, 1001, b"");
    script.pass(11, S, SYN | ACK, 900_000, 1001, b"");
    script.pass(12, C, ACK, 1001, 900_001, b"");
    script.pass(13, S, SYN | ACK, 5000, 1001, b"");
    script.pass(20, S, ACK | PSH, 900_001, 1001, b"220 hi\r\n");
    assert_eq!(script.sink.text(S), b"220 hi\r\n");
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

/// Losses told of a server's segment that comes after three later ones were selectively acknowledged: so late, with a clock that is
/// behind by so much. A round trip is 11 ms.
fn overtaken(late: i64, behind: Option<i64>) -> u32 {
    let mut script = handshake();
    script.ip_id = 0;
    let clock = |behind| PerSide {
        client: 0,
        server: behind,
    };
    script.behind = behind.map(|_| clock(0));
    for number in 1..4 {
        script.ip_id = 0;
        script.pass(20, S, ACK, 5001 + number * 100, 1001, &[b'x'; 100]);
        script.sack(20, C, 1001, 5001, &[(5101, 5101 + number * 100)]);
    }
    script.ip_id = 0;
    script.behind = behind.map(clock);
    script.pass(20 + late, S, ACK, 5001, 1001, &[b'x'; 100]);
    script.pass(21 + late, C, ACK, 1001, 5401, b"");
    script.tracker.facts().loss_count
}

#[test]
fn what_was_asked_for_and_comes_within_a_round_trip_was_overtaken() {
    // Sent together with what came before it, or earlier.
    assert_eq!(overtaken(9, Some(9)), 0);
    assert_eq!(overtaken(15, Some(17)), 0);
    // Without clocks half a round trip is sure.
    assert_eq!(overtaken(4, None), 0);
    // Near misses: sent anew; and too late to be sure.
    assert_eq!(overtaken(9, Some(5)), 1);
    assert_eq!(overtaken(15, Some(15)), 1);
    assert_eq!(overtaken(9, None), 1);
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

/// A client that has lost its connection opens it anew from the same port; its server still has the old one (RFC 9293 3.5.1).
#[test]
fn a_reset_that_ends_what_was_before_ends_nothing_of_what_begins() {
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(1, S, ACK, 77_000, 55_000, b"");
    script.pass(2, C, RST, 55_000, 0, b"");
    assert!(!script.tracker.closed());
    script.pass(1000, C, SYN, 1000, 0, b"");
    script.pass(1001, S, SYN | ACK, 5000, 1001, b"");
    script.pass(1002, C, ACK, 1001, 5001, b"");
    assert!(script.tracker.facts().resets.is_empty());
    // One that names what the SYN-ACK acknowledged refuses it.
    let mut script = Script::default();
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(1, S, SYN | ACK, 5000, 1001, b"");
    script.pass(2, C, RST, 1001, 0, b"");
    assert!(script.tracker.closed());
}

#[test]
fn what_was_said_first_comes_out_first_where_both_sides_have_holes() {
    let mut script = handshake();
    // Both greeting and command are lost: the answer was sent before what comes behind it, as it acknowledges none of that.
    script.pass(20, S, ACK | PSH, 5050, 1011, b"+OK\r\n");
    script.pass(21, C, ACK | PSH, 1011, 5055, b"PASS x\r\n");
    script.pass(40, S, ACK | PSH, 5055, 1019, b"-ERR\r\n");
    script.pass(41, C, ACK | PSH, 1019, 5061, b"QUIT\r\n");
    script
        .tracker
        .finish(Timestamp(60 * MILLISECOND), &mut script.sink);
    let [answer, question] = [4, 5].map(|number| {
        let mut frames = script.sink.frames.iter();
        frames.position(|frame| *frame == number)
    });
    assert!(
        answer.is_some() && answer < question,
        "{:?}",
        script.sink.frames
    );
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
