//! What is said of a capture does not depend on how it is read: mapped or as a stream, packed or not, on one core or on
//! all there are; and the connections and look-ups of a clone among thousands are judged as one alone is.
//!
//! The manifest says nothing of attempts: their number was taken out of it without the reason for any difference being
//! understood. So this does not hold that attempts of a large capture are those of its clones; that is open.

#[path = "../benches/generator/mod.rs"]
#[allow(dead_code)] // the bench takes the rest
mod generator;
mod support;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use generator::{Case, Counts, Generator, Manifest, Recipe};

fn recipe(case: Case, size: u64) -> Recipe {
    Recipe {
        case,
        size,
        seed: 7,
    }
}

fn build(recipe: &Recipe, path: &Path) -> Manifest {
    let generator = Generator::new(&support::captures()).expect("the recordings are there");
    let file = File::create(path).expect("a file");
    generator
        .build(recipe, BufWriter::new(file))
        .expect("is written")
}

fn counted(path: &Path) -> Counts {
    let mut counts = Counts::default();
    for record in support::replay(path).expect("a capture") {
        counts.see(&record);
    }
    counts
}

/// Verdicts of connections and look-ups, and how many are not mail; not attempts (see above).
#[test]
fn every_case_is_judged_as_its_manifest_says() {
    let folder = tempfile::tempdir().expect("a folder");
    support::in_parallel(&Case::ALL, |case| {
        let path = folder.path().join(case.name());
        let manifest = build(&recipe(*case, 3 << 20), &path);
        assert!(manifest.frames > 500, "{}: {manifest:?}", case.name());
        assert_eq!(counted(&path), manifest.expected, "{}", case.name());
    });
}

#[test]
fn the_same_recipe_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    build(&recipe(Case::Mixed, 1 << 20), &one);
    build(&recipe(Case::Mixed, 1 << 20), &two);
    assert!(fs::read(one).expect("built") == fs::read(two).expect("built"));
}

/// The NDJSON report of the real program; the source's kind and name, which tell how it was read, are made equal.
fn report(arguments: &[&str], input: Option<&Path>, one_core: bool) -> String {
    let mut command = if one_core {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", env!("CARGO_BIN_EXE_mxray")]);
        command
    } else {
        Command::new(env!("CARGO_BIN_EXE_mxray"))
    };
    command.args(["replay", "-q", "--format", "ndjson"]);
    command.args(arguments);
    match input {
        Some(path) => command.stdin(File::open(path).expect("a file")),
        None => command.stdin(Stdio::null()),
    };
    let output = command.output().expect("it runs");
    assert!(
        matches!(output.status.code(), Some(0 | 1 | 4)),
        "{arguments:?}: {output:?}"
    );
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| {
            let mut record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if record["record"] == "source" {
                record["kind"] = serde_json::Value::Null;
                record["name"] = serde_json::Value::Null;
            }
            format!("{record}\n")
        })
        .collect()
}

#[test]
fn every_way_of_reading_gives_the_same_records_in_the_same_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let generated = folder.path().join("mixed.pcap");
    build(&recipe(Case::Mixed, 4 << 20), &generated);
    let mut paths: Vec<_> = support::recordings().into_values().collect();
    paths.push(generated);
    support::in_parallel(&paths, |path| {
        let name = path.to_str().expect("a plain name");
        let mapped = report(&[name], None, false);
        assert!(mapped.contains("\"summary\""), "{name}");
        assert_eq!(
            report(&["-"], Some(path), false),
            mapped,
            "{name} as a stream"
        );
        assert_eq!(report(&[name], None, true), mapped, "{name} on one core");
    });
}

/// Mapped and as a stream; of recordings, of which there are hundreds, one of the two for each number of shards.
#[test]
fn every_number_of_shards_gives_the_same_records_in_the_same_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut paths: Vec<_> = support::recordings()
        .into_values()
        .map(|path| (path, false))
        .collect();
    for case in Case::ALL {
        let path = folder.path().join(format!("{}.pcap", case.name()));
        build(&recipe(case, 1 << 20), &path);
        paths.push((path, true));
    }
    support::in_parallel(&paths, |(path, both)| {
        let name = path.to_str().expect("a plain name");
        let expected = report(&[name, "--shards", "0"], None, false);
        for (shards, streamed) in [("1", true), ("2", false), ("4", true), ("8", false)] {
            if *both || streamed {
                let stream = report(&["-", "--shards", shards], Some(path), false);
                assert!(stream == expected, "{name} as a stream, {shards} shards");
            }
            if *both || !streamed {
                let mapped = report(&[name, "--shards", shards], None, false);
                assert!(mapped == expected, "{name} with {shards} shards");
            }
        }
    });
}

#[test]
fn a_packed_capture_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("mixed.pcap");
    build(&recipe(Case::Mixed, 2 << 20), &plain);
    let expected = report(&[plain.to_str().expect("plain")], None, false);
    let packed = folder.path().join("mixed.pcap.gz");
    let file = File::create(&packed).expect("a file");
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder
        .write_all(&fs::read(&plain).expect("built"))
        .expect("packed");
    encoder.finish().expect("packed");
    assert_eq!(
        report(&[packed.to_str().expect("plain")], None, false),
        expected
    );
}
