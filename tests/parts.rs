//! One recording in several files is judged as one: rotated parts by themselves, interleaved ones with `--merge`, and
//! files that have nothing to do with each other not at all.

use std::path::{Path, PathBuf};
use std::process::Command;

use mxray::base::Timestamp;
use mxray::capture::{CaptureReader, Input, PcapngWriter, expand};
use serde_json::Value;

const CAPTURES: [&str; 4] = [
    "ok/smtp-plain.pcapng",
    "ok/smtp-starttls.pcapng",
    "ok/lookup-mx.pcapng",
    "tcp.dropped/smtp-v4.pcapng",
];

type Held = (Timestamp, u16, Vec<u8>, u32);

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

fn frames(path: &Path) -> Vec<Held> {
    let input: Input = expand(&[path]).remove(0).unwrap();
    let mut reader = CaptureReader::open(&input).unwrap();
    let mut held = Vec::new();
    while let Some(frame) = reader.next_frame() {
        let data = frame.data.to_vec();
        held.push((frame.time, frame.link_type, data, frame.original_len));
    }
    held
}

fn write<'a>(path: &Path, frames: impl IntoIterator<Item = &'a Held>) {
    let mut writer = PcapngWriter::new(Vec::new()).unwrap();
    let mut interface = None;
    for (time, link_type, data, len) in frames {
        let number = match interface {
            Some(number) => number,
            None => writer.interface("eth0", *link_type, 262_144).unwrap(),
        };
        interface = Some(number);
        writer.packet(number, *time, data, *len, None).unwrap();
    }
    std::fs::write(path, writer.into_inner().unwrap()).unwrap();
}

/// What is said of each connection and look-up; and the number of sources.
fn verdicts(options: &[&str], files: &[&Path]) -> (Vec<String>, usize) {
    let output = Command::new(env!("CARGO_BIN_EXE_mxray"))
        .args(["replay", "--format", "json"])
        .args(options)
        .args(files)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut said = Vec::new();
    for kind in ["connections", "lookups"] {
        for record in report[kind].as_array().into_iter().flatten() {
            said.push(format!(
                "{kind} {} {} {}",
                record["outcome"], record["stage"], record["verdict"]["code"]
            ));
        }
    }
    assert!(!said.is_empty(), "{files:?}: nothing was said");
    let sources = report["sources"].as_array().map_or(0, Vec::len);
    (said, sources)
}

/// Names of a whole capture and of its two parts, in a folder of their own.
fn files(folder: &str) -> [PathBuf; 3] {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    ["w.pcapng", "1.pcapng", "2.pcapng"].map(|name| folder.join(name))
}

#[test]
fn a_recording_cut_in_two_is_judged_as_the_whole() {
    let [whole, one, two] = files("rotated");
    for name in CAPTURES {
        let held = frames(&shipped(name));
        write(&whole, &held);
        let (expected, _) = verdicts(&[], &[&whole]);
        let mut tried = 0;
        for at in 1..held.len() {
            // Beyond a second of silence it is another recording for all that the files say.
            if held[at].0.since(held[at - 1].0) > 1_000_000_000 || held[at].0 <= held[0].0 {
                continue;
            }
            write(&one, &held[..at]);
            write(&two, &held[at..]);
            let (said, sources) = verdicts(&[], &[&one, &two]);
            assert_eq!(
                (&said, sources),
                (&expected, 2),
                "{name} cut after frame {at}"
            );
            tried += 1;
        }
        assert!(
            tried > 0 || name.starts_with("tcp.dropped"),
            "{name}: never cut"
        );
    }
}

#[test]
fn parts_in_the_order_of_a_shell_are_judged_as_the_whole() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shell");
    std::fs::create_dir_all(&folder).unwrap();
    let part = |number: usize| match number {
        0 => folder.join("x.pcap"),
        number => folder.join(format!("x.pcap{number}")),
    };
    let whole = folder.join("whole.pcapng");
    let held = frames(&shipped(CAPTURES[0]));
    write(&whole, &held);
    let (expected, _) = verdicts(&[], &[&whole]);
    let parts: Vec<PathBuf> = (0..held.len().div_ceil(2)).map(part).collect();
    for (part, held) in parts.iter().zip(held.chunks(2)) {
        write(part, held);
    }
    let mut named: Vec<&Path> = parts
        .iter()
        .map(PathBuf::as_path)
        .filter(|part| part.exists())
        .collect();
    named.sort();
    assert!(named[2] == parts[10], "x.pcap10 comes before x.pcap2");
    let sources = named.len();
    assert_eq!(verdicts(&[], &named), (expected, sources));
}

#[test]
fn interleaved_files_need_merge() {
    let [whole, odd, even] = files("merged");
    for name in CAPTURES {
        let held = frames(&shipped(name));
        write(&whole, &held);
        write(&odd, held.iter().step_by(2));
        write(&even, held.iter().skip(1).step_by(2));
        let (expected, _) = verdicts(&[], &[&whole]);
        let (said, sources) = verdicts(&["--merge"], &[&odd, &even]);
        assert_eq!((&said, sources), (&expected, 2), "{name}");
        let (apart, _) = verdicts(&[], &[&odd, &even]);
        assert_ne!(apart, expected, "{name}: as good without --merge");
    }
}

#[test]
fn unrelated_files_stay_apart() {
    let (one, two) = (shipped(CAPTURES[0]), shipped(CAPTURES[3]));
    let (mut expected, _) = verdicts(&[], &[&one]);
    expected.extend(verdicts(&[], &[&two]).0);
    assert_eq!(verdicts(&[], &[&one, &two]), (expected, 2));
}
