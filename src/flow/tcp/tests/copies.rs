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
