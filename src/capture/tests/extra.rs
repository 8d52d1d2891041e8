//! Other people's captures: the folder that `MXRAY_EXTRA_CAPTURES` names, with `tshark` as witness.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::read;
use crate::capture::{CaptureReader, Input, expand};

/// The number, time in nanoseconds and lengths of each frame, as tshark has them.
fn witness(path: &Path) -> Option<Vec<(u64, i64, usize, u32)>> {
    let fields = [
        "frame.number",
        "frame.time_epoch",
        "frame.cap_len",
        "frame.len",
    ];
    let mut tshark = Command::new("tshark");
    // With every dissector off frames are only counted: what they hold is not asked.
    tshark
        .args(["-n", "--disable-protocol", "eth", "-T", "fields"])
        .arg("-r")
        .arg(path);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().ok()?;
    let frame = |line: &str| {
        let mut values = line.split('\t');
        let number = values.next()?.parse().ok()?;
        let time = values.next()?;
        let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let nanoseconds = format!("{fraction:0<9}").parse::<i64>().ok()?;
        let time = seconds
            .parse::<i64>()
            .unwrap_or(0)
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds);
        Some((
            number,
            time,
            values.next()?.parse().ok()?,
            values.next()?.parse().ok()?,
        ))
    };
    Some(
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(frame)
            .collect(),
    )
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
    let mut files = 0;
    for input in expand(&[folder]) {
        let input = input.unwrap();
        let (frames, summary) = read(CaptureReader::open(&input).unwrap());
        files += 1;
        let Input::Path(path) = &input else {
            unreachable!()
        };
        let Some(theirs) = with_tshark.then(|| witness(path)).flatten() else {
            continue;
        };
        let ours: Vec<_> = frames
            .iter()
            .map(|frame| {
                (
                    frame.number,
                    frame.time,
                    frame.data.len(),
                    frame.original_len,
                )
            })
            .collect();
        if ours != theirs {
            let place = ours
                .iter()
                .zip(&theirs)
                .position(|(ours, theirs)| ours != theirs);
            let pair = place.map(|place| (ours[place], theirs[place]));
            differences.insert(
                path.clone(),
                format!(
                    "{} and {} frames; {pair:?}; {:?}",
                    ours.len(),
                    theirs.len(),
                    summary.damage
                ),
            );
        }
    }
    eprintln!("{files} captures read");
    assert!(files > 0);
    assert!(differences.is_empty(), "{differences:#?}");
}
