//! A truth that holds, and the same truth bent in every way that there is.

use std::path::Path;

use super::{frames, replay, verify};
use crate::lab::record::Recording;
use crate::lab::truth::{Death, Outcome, Place, Truth};
use crate::lab::{Frame, Scenario};

/// A recording of SYNs that vanish, behind a look-up that works, and the truth about it.
fn vanished() -> (Vec<Frame>, Truth) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/tcp.dropped/smtp-v4.toml");
    let truth = Scenario::read(&file).expect("a scenario").truth;
    let frames = frames(&file.with_extension("pcapng")).expect("a capture");
    (frames, truth)
}

/// What is said of the recording against a truth that was bent.
fn said(bend: impl FnOnce(&mut Truth)) -> Vec<String> {
    let (frames, mut truth) = vanished();
    bend(&mut truth);
    let recording = Recording {
        frames,
        ..Recording::default()
    };
    let records = replay(&recording).expect("records");
    let mismatches = verify(&truth, &recording.frames, &records);
    mismatches.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_true_is_no_mismatch() {
    assert_eq!(said(|_| ()), [""; 0]);
}

#[test]
fn every_lie_is_said_in_words() {
    #[allow(clippy::type_complexity)] // a table
    let lies: [(&str, fn(&mut Truth)); 16] = [
        ("should be failed tcp.refused", |t| {
            t.connection[0].code = "tcp.refused".into()
        }),
        ("should be degraded", |t| {
            t.connection[0].outcome = Outcome::Degraded
        }),
        ("where is network", |t| {
            t.connection[0].place = Some(Place::Server)
        }),
        ("hop is None", |t| t.connection[0].hop = Some(2)),
        ("after_hop is None", |t| t.connection[0].after_hop = Some(2)),
        ("intent is None", |t| {
            t.connection[0].intent = Some("check".into())
        }),
        ("confidence is", |t| t.connection[0].at_most = Some(0.01)),
        ("no frame that could be Rst", |t| {
            t.connection[0].death = Some(Death::Rst)
        }),
        ("no frame that could be Icmp", |t| {
            t.lookup[0].death = Some(Death::Icmp)
        }),
        ("finding path.loss is missing", |t| {
            t.connection[0].findings = vec!["path.loss".into()]
        }),
        ("there should be 2 connections", |t| {
            t.connection[0].count = Some(2)
        }),
        ("the truth does not know it", |t| {
            t.connection[0].nth = Some(2)
        }),
        ("the truth does not know it", |t| {
            t.lookup[0].name = Some("other.example.net".into())
        }),
        ("tcp.dropped is a connection's verdict", |t| {
            t.never.push("tcp.dropped".into())
        }),
        ("root causes are", |t| t.root_causes = Some(Vec::new())),
        ("finding path.split is missing", |t| {
            t.findings.push("path.split".into())
        }),
    ];
    for (words, lie) in lies {
        let said = said(lie);
        assert!(
            said.iter().any(|one| one.contains(words)),
            "{words}: {said:?}"
        );
    }
}

#[test]
fn another_right_code_is_right() {
    let said = said(|truth| {
        truth.connection[0].code = "tcp.refused".into();
        truth.connection[0].or = vec!["tcp.dropped".into()];
    });
    assert_eq!(said, [""; 0]);
}
