//! Silences: whether a reset behind one is all that its side says to it. And of several SYNs, which one was answered.

use super::handshake;
use super::script::{ACK, C, PSH, RST, S, SYN, Script};
use crate::base::{MILLISECOND, PerSide, SECOND};

/// 60 s of silence, then what is played; whether the first reset is the only answer to what ended the silence.
fn only_a_reset(then: impl FnOnce(&mut Script)) -> bool {
    let mut script = handshake();
    script.pass(20, S, ACK | PSH, 5001, 1001, b"* OK hi\r\n");
    script.pass(21, C, ACK, 1001, 5010, b"");
    then(&mut script);
    let facts = script.tracker.facts();
    let gap = facts.idle.first().unwrap();
    assert!(gap.length >= 59 * SECOND);
    facts.resets.first().unwrap().answers_first(gap)
}

#[test]
fn who_has_no_such_connection_answers_by_a_reset_and_nothing_else() {
    assert!(only_a_reset(|script| {
        script.pass(60_000, C, ACK | PSH, 1001, 5010, b"a NOOP\r\n");
        script.pass(60_010, S, RST, 5010, 0, b"");
    }));
    // The first one may be lost.
    assert!(only_a_reset(|script| {
        script.pass(60_000, C, ACK | PSH, 1001, 5010, b"a NOOP\r\n");
        script.pass(60_300, C, ACK | PSH, 1001, 5010, b"a NOOP\r\n");
        script.pass(60_310, S, RST | ACK, 5010, 1001, b"");
    }));
}

#[test]
fn who_spoke_since_or_took_the_bytes_had_the_connection() {
    assert!(!only_a_reset(|script| {
        script.pass(60_000, C, ACK | PSH, 1001, 5010, b"a NOOP\r\n");
        script.pass(60_010, S, ACK, 5010, 1009, b"");
        script.pass(60_020, S, RST, 5010, 0, b"");
    }));
    assert!(!only_a_reset(|script| {
        script.pass(60_000, C, ACK | PSH, 1001, 5010, b"a NOOP\r\n");
        script.pass(60_010, S, RST | ACK, 5010, 1009, b"");
    }));
    // The reset itself ends the silence.
    assert!(!only_a_reset(|script| {
        script.pass(60_000, S, RST | ACK, 5010, 1001, b"");
        script.pass(60_001, C, ACK, 1001, 5010, b"");
    }));
}

/// Two SYNs a second apart; the round trip to the server when the answer, 1.1 s after the first, echoes so many milliseconds.
fn echoing(milliseconds: u32) -> Option<i64> {
    let mut script = Script::default();
    script.behind = Some(PerSide::default());
    script.pass(0, C, SYN, 1000, 0, b"");
    script.pass(1_000, C, SYN, 1000, 0, b"");
    script.echo = milliseconds;
    script.pass(1_100, S, SYN | ACK, 5000, 1001, b"");
    let rtt = script.tracker.facts().rtt_server;
    rtt.map(|rtt| rtt / MILLISECOND)
}

#[test]
fn the_answer_is_timed_from_the_syn_that_it_echoes() {
    assert_eq!(echoing(0), Some(1_100));
    assert_eq!(echoing(1_000), Some(100));
    assert_eq!(echoing(5), Some(100), "echoes none: Karn's rule");
}
