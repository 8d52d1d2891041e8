//! What comes twice because it was captured twice, and what was sent again.

use super::handshake;
use super::script::{ACK, C, PSH, RST, S, SYN, Script};
use crate::base::PerSide;

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
fn a_segment_beyond_a_device_that_numbers_anew_is_a_copy() {
    const SHIFT: u32 = 1_500_000_000;
    let counts = |script: &Script| {
        let facts = script.tracker.facts();
        let client = &facts.sides.client;
        (facts.duplicates, client.retransmitted, client.data_segments)
    };
    let mut script = handshake();
    script.ip_id = 7;
    script.pass(20, C, ACK | PSH, 1001, 5001, b"EHLO a\r\n");
    script.ip_id = 7;
    script.further = 1;
    script.pass(20, C, ACK | PSH, 1001, 5001 + SHIFT, b"EHLO a\r\n");
    assert_eq!(counts(&script), (1, 0, 1));
    // Near miss: what is sent again acknowledges a little more at most, has another identification, and goes the same way.
    script.further = 0;
    script.pass(22, C, ACK | PSH, 1001, 5101, b"EHLO a\r\n");
    assert_eq!(counts(&script), (1, 1, 2));
}

/// A handshake of which every frame comes twice.
fn open_twice(script: &mut Script) {
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
}

#[test]
fn copies_of_a_burst_come_behind_all_of_it() {
    let mut script = Script::default();
    open_twice(&mut script);
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

/// Copies of a client's word, which comes again the same way so many milliseconds later, by a clock that went on by so many.
fn again_the_same_way(later: i64, ticked: i64, opened: bool) -> u32 {
    let mut script = Script::default();
    script.behind = Some(PerSide::default());
    let say = |script: &mut Script, at, behind, flags, seq, text: &[u8]| {
        script.ip_id = 0;
        script.behind = Some(PerSide {
            client: behind,
            server: 0,
        });
        script.pass(at, C, flags, seq, 5001, text);
    };
    if opened {
        say(&mut script, 0, 0, SYN, 1000, b"");
    }
    say(&mut script, 20, 0, ACK, 1001, b"");
    say(&mut script, 21, 0, ACK | PSH, 1001, b"EHLO a\r\n");
    let behind = later - ticked;
    say(
        &mut script,
        21 + later,
        behind,
        ACK | PSH,
        1001,
        b"EHLO a\r\n",
    );
    script.tracker.facts().duplicates
}

#[test]
fn what_was_sent_before_the_clock_went_on_is_a_copy() {
    assert_eq!(again_the_same_way(6, 0, true), 1);
    // Near misses: sent again; and by a clock of which nothing is known.
    assert_eq!(again_the_same_way(6, 6, true), 0);
    assert_eq!(again_the_same_way(6, 0, false), 0);
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

const SIZE: usize = 1448;
const BURST: [u8; 8 * SIZE] = [b'x'; 8 * SIZE];

/// A handshake of which every frame came twice, with a clock that stands still at 900 s; the segments that follow have those identifications.
fn mirrored() -> Script {
    let mut script = Script::default();
    script.behind = Some(PerSide::default());
    open_twice(&mut script);
    script
}

/// The client sends so many packets of full size in one segment, the first of them that far into its stream.
fn packets(script: &mut Script, at: i64, id: u16, first: usize, count: usize) {
    script.ip_id = id;
    script.behind = Some(PerSide {
        client: at - 900_000,
        server: 0,
    });
    let seq = 1001 + (first * SIZE) as u32;
    script.pass(at, C, ACK, seq, 5001, &BURST[..count * SIZE]);
}

/// Copies, needless or needed resends, segments with data, and losses.
fn client_sent(script: &mut Script) -> (u32, u32, u64, u32) {
    script.pass(60, S, ACK, 5001, 1001 + BURST.len() as u32, b"");
    let facts = script.tracker.facts();
    let client = &facts.sides.client;
    let copies = facts.duplicates - 3;
    (
        copies,
        client.retransmitted,
        client.data_segments,
        facts.loss_count,
    )
}

#[test]
fn a_frame_of_many_packets_and_its_pieces_are_sent_once() {
    for further in [0, 1] {
        let mut script = mirrored();
        packets(&mut script, 20, 700, 0, 8);
        script.further = further;
        for piece in 0..8 {
            packets(&mut script, 20, 700 + piece as u16, piece, 1);
        }
        script.further = 0;
        assert_eq!(client_sent(&mut script), (8, 0, 1, 0));

        let mut script = mirrored();
        for piece in 0..8 {
            packets(&mut script, 20, 700 + piece as u16, piece, 1);
        }
        script.further = further;
        packets(&mut script, 20, 700, 0, 8);
        script.further = 0;
        assert_eq!(client_sent(&mut script), (1, 0, 8, 0));
    }
}

#[test]
fn mirrored_packets_joined_with_the_next_are_sent_once() {
    // With identifications, and without.
    for step in [1, 0] {
        let mut script = mirrored();
        let id = |packet: usize| (700 + packet as u16) * step;
        packets(&mut script, 20, id(0), 0, 1);
        for packet in 0..7 {
            packets(&mut script, 20, id(packet), packet, 2);
        }
        packets(&mut script, 20, id(7), 7, 1);
        assert_eq!(client_sent(&mut script), (1, 0, 8, 0), "{step}");
        assert_eq!(script.tracker.facts().mss_equivalents, 8, "{step}");
        assert_eq!(script.sink.text(C).len(), BURST.len());
    }
}

#[test]
fn a_piece_that_is_sent_again_is_lost() {
    let lost = |id: u16, again: &dyn Fn(&mut Script)| {
        let mut script = mirrored();
        packets(&mut script, 20, id, 0, 8);
        again(&mut script);
        let (copies, again, _, losses) = client_sent(&mut script);
        assert_eq!((copies, again, losses), (0, 1, 1));
    };
    let asked = |script: &mut Script| {
        script.ip_id = 40;
        for _ in 0..4 {
            script.pass(21, S, ACK, 5001, 1001, b"");
        }
    };
    // Three duplicate ACKs, within one tick of the sender's clock: with and without identifications.
    for (id, again) in [(700, 708), (0, 0)] {
        lost(id, &|script| {
            asked(script);
            packets(script, 22, again, 0, 1);
        });
    }
    // Unasked: another identification; a later time.
    lost(700, &|script| packets(script, 22, 708, 7, 1));
    lost(0, &|script| packets(script, 29, 0, 7, 1));
    lost(0, &|script| {
        script.ip_id = 0;
        script.behind = Some(PerSide {
            client: -900_000,
            server: 0,
        });
        script.pass(22, C, ACK, 1001, 5001, &BURST[..SIZE]);
    });
}
