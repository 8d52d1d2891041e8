//! The resends of one silence.

use super::script::{ACK, C, PSH, S};

/// Losses, and packets lost, of a command that is sent again and again; at those times the server says again what it had acknowledged.
fn again_and_again(heard: &[i64]) -> (u32, u64) {
    let mut script = super::handshake();
    for at in [20, 220, 620, 1420, 3020] {
        script.pass(at, C, ACK | PSH, 1001, 5001, b"NOOP\r\n");
        if heard.contains(&at) {
            script.pass(at + 50, S, ACK, 5001, 1001, b"");
        }
    }
    script.pass(3030, S, ACK, 5001, 1007, b"");
    let facts = script.tracker.facts();
    (facts.loss_count, facts.mss_equivalents_lost)
}

#[test]
fn resends_within_one_silence_are_one_loss() {
    assert_eq!(again_and_again(&[]), (1, 1));
    assert_eq!(again_and_again(&[20]), (1, 1));
    // Near misses: the other side is there, and hears nothing of them.
    assert_eq!(again_and_again(&[220]), (2, 2));
    assert_eq!(again_and_again(&[220, 620, 1420]), (4, 4));
}
