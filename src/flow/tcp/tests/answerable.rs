//! What a reset can answer at the earliest, beside packets that left too late for it.

use super::handshake;
use super::script::{ACK, C, PSH, RST, S, Script};
use crate::base::MILLISECOND;

/// Ten milliseconds of round trip, a greeting that was acknowledged, then what is played: how old what the reset answers is.
fn answered(then: impl FnOnce(&mut Script)) -> Option<i64> {
    let mut script = handshake();
    script.pass(20, S, ACK | PSH, 5001, 1001, b"220 hi\r\n");
    script.pass(21, C, ACK, 1001, 5009, b"");
    then(&mut script);
    let reset = &script.tracker.facts().resets[0];
    reset.answers.map(|age| age / MILLISECOND)
}

#[test]
fn after_a_rest_it_answers_the_latest_packet() {
    let age = answered(|script| {
        script.pass(100, C, ACK | PSH, 1001, 5009, b"EHLO a\r\n");
        script.pass(102, S, RST, 5009, 0, b"");
    });
    assert_eq!(age, Some(2));
}

#[test]
fn what_was_acknowledged_by_data_was_answered() {
    let age = answered(|script| {
        script.pass(100, C, ACK | PSH, 1001, 5009, b"EHLO a\r\n");
        script.pass(110, S, ACK | PSH, 5009, 1009, b"250 hi\r\n");
        script.pass(111, C, ACK | PSH, 1009, 5017, b"QUIT\r\n");
        script.pass(112, S, RST, 5017, 0, b"");
    });
    assert_eq!(age, Some(1));
}

#[test]
fn with_data_on_its_way_it_may_answer_the_oldest() {
    let age = answered(|script| {
        script.pass(100, C, ACK | PSH, 1001, 5009, b"one ");
        script.pass(105, C, ACK | PSH, 1005, 5009, b"two ");
        script.pass(111, C, ACK | PSH, 1009, 5009, b"three ");
        script.pass(112, S, RST, 5009, 0, b"");
    });
    assert_eq!(age, Some(12));
    // The first of it came there, the connection went on: a part was acknowledged.
    let age = answered(|script| {
        script.pass(100, C, ACK | PSH, 1001, 5009, b"one ");
        script.pass(105, C, ACK | PSH, 1005, 5009, b"two ");
        script.pass(110, S, ACK, 5009, 1005, b"");
        script.pass(119, C, ACK | PSH, 1009, 5009, b"three ");
        script.pass(120, S, RST, 5009, 0, b"");
    });
    assert_eq!(age, Some(20));
}

#[test]
fn it_may_answer_an_acknowledgement_that_left_a_round_trip_ago() {
    let age = answered(|script| {
        script.pass(89, S, ACK | PSH, 5009, 1001, b"* 1 EXISTS\r\n");
        script.pass(90, C, ACK, 1001, 5021, b"");
        script.pass(101, C, ACK | PSH, 1001, 5021, b"EHLO a\r\n");
        script.pass(102, S, RST, 5021, 0, b"");
    });
    assert_eq!(age, Some(12));
    // Behind data: that data came there says nothing of it.
    let age = answered(|script| {
        script.pass(90, C, ACK | PSH, 1001, 5009, b"EHLO a\r\n");
        script.pass(91, C, ACK, 1009, 5009, b"");
        script.pass(100, S, ACK, 5009, 1009, b"");
        script.pass(101, C, ACK | PSH, 1009, 5009, b"EHLO a\r\n");
        script.pass(102, S, RST, 5009, 0, b"");
    });
    assert_eq!(age, Some(11));
}

#[test]
fn an_abort_answers_nothing_but_shows_what_had_come() {
    let age = answered(|script| {
        script.pass(100, C, ACK | PSH, 1001, 5009, b"EHLO a\r\n");
        script.pass(102, S, RST | ACK, 5009, 1001, b"");
    });
    assert_eq!(age, None);
    let age = answered(|script| {
        script.pass(100, C, ACK | PSH, 1001, 5009, b"one ");
        script.pass(105, C, ACK | PSH, 1005, 5009, b"two ");
        script.pass(111, S, RST | ACK, 5009, 1005, b"");
    });
    assert_eq!(age, Some(11));
    let age = answered(|script| {
        script.pass(100, C, ACK | PSH, 1001, 5009, b"one ");
        script.pass(105, C, ACK | PSH, 1005, 5009, b"two ");
        script.pass(111, S, RST | ACK, 5009, 1009, b"");
    });
    assert_eq!(age, Some(6));
}
