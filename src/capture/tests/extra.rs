//! Other people's captures: the folder that `MXRAY_EXTRA_CAPTURES` names, with `tshark` as witness.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::{Kept, read};
use crate::capture::{CaptureReader, Input, expand};

/// LINKTYPE_SUNATM: Wireshark takes its four bytes of pseudo-header out of both lengths.
const SUNATM: u16 = 123;

/// A frame as tshark has it.
#[derive(Debug)]
struct Witnessed {
    number: u64,
    /// Nanoseconds.
    time: i64,
    captured: usize,
    original: u32,
}

/// What tshark says of a file; `None` when it does not know the link type.
fn witness(path: &Path) -> Option<Vec<Witnessed>> {
    let fields = [
        "frame.number",
        "frame.time_epoch",
        "frame.cap_len",
        "frame.len",
        "_ws.col.Protocol",
    ];
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-T", "fields"]).arg("-r").arg(path);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("unknown or unsupported") {
        return None;
    }
    let frame = |line: &str| {
        let values: Vec<&str> = line.split('\t').collect();
        let [number, time, captured, original, protocol] = values[..] else {
            panic!("{line}")
        };
        let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let nanoseconds: i64 = format!("{fraction:0<9}").parse().unwrap();
        let time = seconds.parse::<i64>().unwrap_or(0) * 1_000_000_000 + nanoseconds;
        let numbers = (
            number.parse().unwrap(),
            captured.parse().unwrap(),
            original.parse().unwrap(),
        );
        // Custom blocks and journal entries have numbers there and are no packets.
        let packet = !matches!(protocol, "PCAPNG" | "systemd Journal");
        packet.then_some(Witnessed {
            number: numbers.0,
            time,
            captured: numbers.1,
            original: numbers.2,
        })
    };
    Some(
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(frame)
            .collect(),
    )
}

/// Whether a frame is the same, or differs for a known reason.
fn agrees(ours: &Kept, theirs: &Witnessed, untimed: bool) -> bool {
    let header = if ours.link_type == SUNATM { 4 } else { 0 };
    // tshark keeps the fraction of a second in 32 bits with a sign: where a file has one of more than a second,
    // it wraps around, and the sign is lost in print. Where a packet has no time at all, tshark has none.
    let wraps = |other: i64| ours.time.wrapping_sub(other) % (1 << 32) == 0;
    let same_time = ours.time == theirs.time
        || wraps(theirs.time.abs())
        || wraps(-theirs.time.abs())
        || (untimed && theirs.time == 0);
    // A length on the wire below what was captured is raised to it here; tshark prints at most 31 bits.
    let original = i64::from(ours.original_len) - header;
    let same_original = original == i64::from(theirs.original)
        || theirs.original == i32::MAX as u32
        || ((theirs.original as usize) < theirs.captured && original == theirs.captured as i64);
    let same_captured = ours.data.len() as i64 - header == theirs.captured as i64;
    ours.number == theirs.number && same_time && same_captured && same_original
}

#[test]
fn every_extra_capture_is_read_as_tshark_reads_it() {
    let Some(folder) = std::env::var_os("MXRAY_EXTRA_CAPTURES") else {
        eprintln!("SKIPPED: MXRAY_EXTRA_CAPTURES names no folder of captures");
        return;
    };
    let with_tshark = Command::new("tshark").arg("--version").output().is_ok();
    if !with_tshark {
        eprintln!("SKIPPED in part: tshark is not installed, frames are read and not compared");
    }
    let mut differences = BTreeMap::new();
    let (mut files, mut compared) = (0, 0);
    for input in expand(&[folder]) {
        let input = input.unwrap();
        let (ours, summary) = read(CaptureReader::open(&input).unwrap());
        files += 1;
        let Input::Path(path) = &input else {
            unreachable!()
        };
        let Some(theirs) = with_tshark.then(|| witness(path)).flatten() else {
            continue;
        };
        compared += 1;
        let untimed = summary.untimed > 0;
        let differs = ours
            .iter()
            .zip(&theirs)
            .find(|(ours, theirs)| !agrees(ours, theirs, untimed));
        if ours.len() != theirs.len() || differs.is_some() {
            let counts = format!("{} and {} frames", ours.len(), theirs.len());
            differences.insert(
                path.clone(),
                format!("{counts}; {differs:?}; {:?}", summary.damage),
            );
        }
    }
    eprintln!("{files} captures read, {compared} of them compared with tshark");
    assert!(files > 0);
    assert!(differences.is_empty(), "{differences:#?}");
}
