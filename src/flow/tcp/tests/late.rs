//! What comes late or twice and was not lost.

use super::script::{ACK, C, PSH, S, SYN, Script};
use crate::base::{MILLISECOND, PerSide, SECOND, Timestamp};

/// A handshake whose ends have clocks of milliseconds, a round trip of 20 ms away from the server.
fn timed() -> Script {
    let mut script = Script::default();
    script.behind = Some(PerSide::default());
    for (at, side, flags, seq, ack) in [
        (0, C, SYN, 1000, 0),
        (20, S, SYN | ACK, 5000, 1001),
        (20, C, ACK, 1001, 5001),
    ] {
        script.ip_id = 0;
        script.pass(at, side, flags, seq, ack, b"");
    }
    script
}

/// The server's packet number so and so, sent `age` milliseconds before it comes.
fn packet(script: &mut Script, at: i64, number: u32, age: i64) {
    script.ip_id = 0;
    script.behind = Some(PerSide {
        client: 0,
        server: age,
    });
    script.pass(at, S, ACK, 5001 + number * 100, 1001, &[b'x'; 100]);
}

fn acknowledged(script: &mut Script, at: i64, packets: u32) {
    script.ip_id = 0;
    script.pass(at, C, ACK, 1001, 5001 + packets * 100, b"");
}

/// Losses told of a packet that comes 60 ms behind its successor and of which another copy comes 20 ms later, of these ages.
fn twice(first: i64, second: i64) -> u32 {
    let mut script = timed();
    packet(&mut script, 100, 0, 10);
    packet(&mut script, 101, 2, 10);
    packet(&mut script, 160, 1, first);
    acknowledged(&mut script, 160, 3);
    packet(&mut script, 180, 1, second);
    acknowledged(&mut script, 180, 3);
    script.tracker.facts().loss_count
}

#[test]
fn what_comes_later_than_its_resend_was_overtaken() {
    assert_eq!(twice(10, 90), 0);
    // Near misses: sent a third time; and a copy of the resend.
    assert_eq!(twice(10, 10), 1);
    assert_eq!(twice(10, 30), 1);
}

#[test]
fn what_was_sent_in_the_same_tick_as_its_successor_was_no_answer_to_it() {
    let late = |age| {
        let mut script = timed();
        packet(&mut script, 100, 0, 10);
        packet(&mut script, 101, 2, 10);
        packet(&mut script, 160, 1, age);
        acknowledged(&mut script, 160, 3);
        script.tracker.facts().loss_count
    };
    assert_eq!(late(69), 0);
    // The near miss: the next tick.
    assert_eq!(late(68), 1);
}

#[test]
fn a_receiver_that_tells_of_many_copies_takes_back_as_many_losses() {
    let sent = |told: u32| {
        let mut script = super::handshake();
        let part = |number: u32| 1001 + number * 100;
        for number in 0..40 {
            script.pass(20, C, ACK, part(number), 5001, &[b'x'; 100]);
        }
        script.sack(40, S, 5001, 1001, &[(part(39), part(40))]);
        for number in 0..39 {
            script.pass(50, C, ACK, part(number), 5001, &[b'x'; 100]);
        }
        for number in 0..39 {
            script.pass(70, S, ACK, 5001, part(number + 1), b"");
        }
        for number in 0..told {
            let copy = (part(number), part(number + 1));
            script.sack(80, S, 5001, part(40), &[copy]);
        }
        let facts = script.tracker.facts();
        let (lost, needless) = (facts.mss_equivalents_lost, facts.mss_equivalents_needless);
        (facts.loss_count, lost, needless)
    };
    assert_eq!(sent(39), (0, 0, 39));
    assert_eq!(sent(1), (0, 38, 1));
    assert_eq!(sent(0), (1, 39, 0));
}

/// A rest of so many milliseconds behind a server's answer, then pieces of that size, with so many bytes missing from their beginning on.
fn healed(rest: i64, piece: usize, missing: u32) -> Option<(u32, i64)> {
    let mut script = super::handshake();
    script.pass(20, S, ACK | PSH, 5001, 1001, b"220 hi\r\n");
    script.pass(21, C, ACK, 1001, 5009, b"");
    let at = 21 + rest;
    script.pass(at, S, ACK, 5009, 1001, &vec![b'x'; piece]);
    script.pass(at, C, ACK, 1001, 5009 + piece as u32, b"");
    script.pass(at + 20, S, ACK, 5009 + missing, 1001, &[b'x'; 1024]);
    script.tracker.settle(Timestamp(60 * SECOND));
    let mtu = &script.tracker.facts().sides.server.mtu;
    mtu.healed_gap
        .map(|(_, size, rest)| (size, rest / MILLISECOND))
}

#[test]
fn whole_packets_that_come_in_pieces_after_a_rest() {
    assert_eq!(healed(6_000, 1024, 14 * 1460), Some((1460, 6_000)));
    // Near misses: at once (a router told the sender); what is missing is not whole packets; the first piece is one.
    assert_eq!(healed(300, 1024, 14 * 1460), None);
    assert_eq!(healed(6_000, 1024, 14 * 1400), None);
    assert_eq!(healed(6_000, 1460, 14 * 1460), None);
}
