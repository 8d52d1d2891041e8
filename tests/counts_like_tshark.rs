//! tshark as an independent witness over the project's own recordings: frames, TCP streams, frames with RST, and frames
//! that carry data or FIN again are as many there as here, or the difference is one of those explained below.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mxray::engine::Config;
use mxray::engine::record::Record;
use mxray::wire::{Transport, dissect};

use support::{Captured, in_parallel, recordings, replay_with};

/// What both are asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    frames: usize,
    streams: usize,
    resets: usize,
    /// Frames that carry data or FIN again.
    again: u64,
    /// Frames that tshark calls out of order: among them resends within its 3 ms, or within one round trip.
    late: u64,
}

fn by_tshark(file: &Path) -> Counts {
    let mut command = Command::new("tshark");
    command
        .args(["-n", "-T", "fields", "-E", "occurrence=f", "-r"])
        .arg(file);
    for field in [
        "frame.number",
        "tcp.stream",
        "tcp.flags.reset",
        "tcp.flags.fin",
        "tcp.len",
        "tcp.analysis.retransmission",
        "tcp.analysis.fast_retransmission",
        "tcp.analysis.spurious_retransmission",
        "icmp.type",
        "icmpv6.type",
        "tcp.analysis.out_of_order",
    ] {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    let mut counts = Counts::default();
    let mut streams = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        counts.frames += 1;
        let fields: Vec<&str> = line.split('\t').collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        // What an ICMP error quotes is no segment of its own.
        if field(1).is_empty() || !field(8).is_empty() || !field(9).is_empty() {
            continue;
        }
        streams.insert(field(1).to_owned());
        let set = |at: usize| matches!(field(at), "1" | "True");
        counts.resets += usize::from(set(2));
        let labelled = (5..8).any(|at| !field(at).is_empty());
        // SYNs are counted apart here.
        let carries = set(3) || !matches!(field(4), "" | "0");
        counts.again += u64::from(labelled && carries);
        counts.late += u64::from(!field(10).is_empty() && carries);
    }
    counts.streams = streams.len();
    counts
}

fn by_mxray(file: &Path) -> (Counts, BTreeSet<&'static str>) {
    let config = Config {
        all: true,
        ..Config::default()
    };
    let mut counts = Counts::default();
    let mut findings = BTreeSet::new();
    for record in replay_with(file, config).expect("a capture") {
        match record {
            Record::Source(one) => counts.frames = usize::try_from(one.packets).expect("few"),
            Record::Connection(one) => {
                counts.streams += 1;
                counts.again += one.tcp.retransmitted.client + one.tcp.retransmitted.server;
                findings.extend(one.findings.iter().map(|finding| finding.code));
            }
            Record::Finding(one) => {
                findings.insert(one.verdict.code);
            }
            _ => {}
        }
    }
    for frame in Captured::read(file).expect("a capture").frames {
        let seen = dissect(frame.link_type, &frame.data, frame.original_len);
        let reset = matches!(&seen.transport, Transport::Tcp(tcp) if tcp.flags.rst());
        counts.resets += usize::from(reset);
    }
    (counts, findings)
}

/// Recordings that are counted otherwise, and why.
const EXPLAINED: [(&str, &str); 9] = [
    (
        "capture.disorder/near-overtaken",
        "a frame that another overtook comes late, not again: tshark knows the two apart by 3 ms only",
    ),
    (
        "capture.disorder/several-queues",
        "the capture's queues disorder frames by more than 3 ms: late, not again",
    ),
    (
        "capture.disorder/several-queues-imap-v6",
        "the capture's queues disorder frames by more than 3 ms: late, not again",
    ),
    (
        "capture.duplicates/mirror-port",
        "a mirror port's second copy of a frame is no resend",
    ),
    (
        "capture.duplicates/mirror-port-imap-v6",
        "a mirror port's second copy of a frame is no resend",
    ),
    (
        "path.loss/bursts-v6",
        "lost before the capture point: what fills a hole passes here for the first time",
    ),
    (
        "route.duplicate-address/near-mirrored",
        "a mirror port's second copy of a frame is no resend",
    ),
    (
        "tcp.wrong-reply-address/imap-v6",
        "the SYN-ACK from the wrong address belongs to the connection that it answers; tshark makes a stream of it",
    ),
    (
        "tcp.wrong-reply-address/nat-forgets",
        "the SYN-ACK from the wrong address belongs to the connection that it answers; tshark makes a stream of it",
    ),
];

/// Whether both count the same.
fn agree(ours: &Counts, theirs: &Counts) -> bool {
    // A loss that is repaired within 3 ms is out of order to tshark, and a resend by its story.
    let again = theirs.again..=theirs.again + theirs.late;
    (ours.frames, ours.streams, ours.resets) == (theirs.frames, theirs.streams, theirs.resets)
        && again.contains(&ours.again)
}

#[test]
fn frames_streams_resets_and_resends_are_those_of_tshark() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED frames_streams_resets_and_resends_are_those_of_tshark: there is no tshark"
        );
        return;
    }
    let entries: Vec<_> = recordings().into_iter().collect();
    let found = in_parallel(&entries, |(name, path)| {
        let (ours, findings) = by_mxray(path);
        let theirs = by_tshark(path);
        (!agree(&ours, &theirs))
            .then(|| format!("{name}: {ours:?}, tshark {theirs:?} {findings:?}"))
    });
    let differences: Vec<String> = entries
        .iter()
        .zip(found)
        .filter_map(|((name, _), difference)| {
            let known = EXPLAINED.iter().any(|(explained, _)| explained == name);
            difference.filter(|_| !known)
        })
        .collect();
    for (name, _) in EXPLAINED {
        assert!(
            entries.iter().any(|(known, _)| known == name),
            "{name}: no such recording"
        );
    }
    assert!(
        differences.is_empty(),
        "{} of {} recordings are counted otherwise by tshark:\n  {}",
        differences.len(),
        entries.len(),
        differences.join("\n  ")
    );
}
