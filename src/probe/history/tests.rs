//! Rounds as they come, and what is said of them.

use super::{History, Seen, Standing, words};
use crate::base::{SECOND, Timestamp};

fn seen(code: &'static str) -> Vec<Seen> {
    vec![Seen {
        what: "192.0.2.10:25".to_owned(),
        name: None,
        code,
        failed: code != "ok",
        unknown: code == "unknown",
        text: "It is so.".to_owned(),
        stage: if code.starts_with("tls") {
            "tls"
        } else {
            "tcp"
        },
        reached: vec!["route", "done"],
        rtt_ms: Some(1.0),
    }]
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(1_790_000_000 * SECOND).plus(seconds * SECOND)
}

#[test]
fn a_line_for_each_change_and_none_for_the_rest() {
    let mut history = History::default();
    let mut lines = Vec::new();
    for (n, code) in ["ok", "ok", "tcp.dropped", "unknown", "tcp.dropped", "ok"]
        .iter()
        .enumerate()
    {
        let changes = history.round(at(30 * n as i64), &seen(code), true);
        lines.extend(changes.iter().map(super::Change::line));
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[1].contains("ok → tcp.dropped (was ok for 60 s)"),
        "{}",
        lines[1]
    );
    let text = history.summary();
    assert!(text.contains("broke once, 90 s in all"), "{text}");
    assert!(text.contains("failed in 2 of 5 rounds"), "{text}");
}

#[test]
fn what_breaks_regularly_is_said_to() {
    let mut history = History::default();
    for n in 0..400i64 {
        let code = if n % 10 == 0 { "tcp.dropped" } else { "ok" };
        history.round(at(30 * n), &seen(code), true);
    }
    let text = history.summary();
    assert!(text.contains("broke 40 times"), "{text}");
    assert!(text.contains("regularly: every 5 min for 30 s"), "{text}");
    let (_, service) = history.services().next().expect("one");
    assert!(service.latest.len() <= super::REMEMBERED);
}

#[test]
fn what_breaks_by_chance_is_not() {
    let mut history = History::default();
    for n in 0..200i64 {
        let code = if [3, 17, 20, 55, 56, 58, 120, 171].contains(&n) {
            "tcp.dropped"
        } else {
            "ok"
        };
        history.round(at(30 * n), &seen(code), true);
    }
    assert!(
        history.summary().contains("at no regular times"),
        "{}",
        history.summary()
    );
}

#[test]
fn a_glance_takes_back_only_what_it_reached() {
    let mut history = History::default();
    history.round(at(0), &seen("tls.cert-expired"), true);
    assert_eq!(history.round(at(30), &seen("ok"), false), []);
    assert_eq!(history.standing("192.0.2.10:25"), Standing::Faulty);
    assert_eq!(history.round(at(60), &seen("ok"), true).len(), 1);
    assert_eq!(history.round(at(90), &seen("tcp.dropped"), false).len(), 1);
    // Still dropped, under whatever name.
    assert_eq!(history.round(at(120), &seen("tcp.refused"), false), []);
    assert_eq!(history.round(at(150), &seen("ok"), false).len(), 1);
}

#[test]
fn spans() {
    assert_eq!(words(30 * SECOND), "30 s");
    assert_eq!(words(7_500 * SECOND), "2 h 5 min");
}
