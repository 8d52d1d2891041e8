//! Every report keeps the schema that is shipped: JSON and NDJSON, with and without `--all`, of every capture.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use mxray::base::Foreign;
use mxray::engine::Config;
use mxray::engine::record::Record;
use mxray::present::Clock;
use mxray::report::{Format, Paint, Style, face};
use serde_json::{Value, json};

#[path = "support/mod.rs"]
mod support;

#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_or(Ok(0), |mut sheet| sheet.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn report(records: &[Record], format: Format) -> String {
    let sheet = Sheet::default();
    let style = Style {
        format,
        command: "replay",
        verbosity: 0,
        paint: Paint::default(),
        width: 80,
        clock: Clock::default(),
        selected: false,
        several: false,
        live: false,
    };
    let mut face = face(style, Box::new(sheet.clone()));
    face.source(0, &Foreign::from("a.pcapng"));
    for record in records {
        face.record(record).expect("a vector takes everything");
    }
    face.finish().expect("a vector takes everything");
    drop(face);
    let bytes = sheet.0.lock().expect("nobody panicked with it").clone();
    String::from_utf8(bytes).expect("reports are UTF-8")
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let text = std::fs::read_to_string(path).expect("the schema is in the repository");
    serde_json::from_str(&text).expect("the schema is JSON")
}

/// The same schema for one line of NDJSON.
fn line_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": "#/$defs/ndjson",
        "$defs": schema()["$defs"],
    })
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let captures: Vec<PathBuf> = support::files(&folder)
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e == "pcapng" || e == "pcap")
        })
        .collect();
    assert!(captures.len() > 20, "only {} captures", captures.len());
    captures
}

#[test]
fn every_report_keeps_the_schema() {
    assert!(
        jsonschema::meta::is_valid(&schema()),
        "the schema itself is not valid"
    );
    let document = jsonschema::validator_for(&schema()).expect("the schema can be compiled");
    let line =
        jsonschema::validator_for(&line_schema()).expect("the schema of a line can be compiled");
    let mut wrong = Vec::new();
    for path in captures() {
        for all in [false, true] {
            let config = Config {
                all,
                ..Config::default()
            };
            let records =
                support::replay_with(&path, config).expect("a shipped capture can be read");
            let json: Value =
                serde_json::from_str(&report(&records, Format::Json)).expect("the report is JSON");
            wrong.extend(
                document
                    .iter_errors(&json)
                    .map(|e| format!("{}: {} {e}", path.display(), e.instance_path())),
            );
            wrong.extend(rungs(&json).map(|text| format!("{}: {text}", path.display())));
            let lines = report(&records, Format::Ndjson);
            assert_eq!(lines.lines().count(), records.len(), "{}", path.display());
            for (text, record) in lines.lines().zip(&records) {
                let derived = serde_json::to_string(record).expect("a record is JSON");
                assert_eq!(text, derived, "{}: as it is derived", path.display());
                let record: Value = serde_json::from_str(text).expect("a line is JSON");
                if let Err(error) = line.validate(&record) {
                    wrong.push(format!("{}: {error}: {text}", path.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} errors, first {:#?}",
        wrong.len(),
        wrong.iter().take(5).collect::<Vec<_>>()
    );
}

/// Connections whose `stage`, the first that was not reached, contradicts `reached` or the verdict.
fn rungs(report: &Value) -> impl Iterator<Item = String> {
    let connections = report["connections"].as_array().into_iter().flatten();
    connections.filter_map(|connection| {
        let stage = connection["stage"].as_str()?;
        let code = connection["verdict"]["code"].as_str()?;
        let reached = |name| {
            connection["reached"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(name)))
        };
        let contradicts = stage != "done" && reached(stage)
            || code.starts_with("route.") && !reached("tcp") && stage != "route"
            || code == "mail.starttls-missing"
                && connection["outcome"] == "failed"
                && stage != "starttls"
            || code == "mail.helo-rejected" && !reached("capabilities") && stage != "capabilities";
        contradicts.then(|| format!("{code} at {stage}, reached {}", connection["reached"]))
    })
}

/// At most one cause is the true one: a verdict and its alternatives together are never surer than certain.
#[test]
fn a_verdict_and_its_alternatives_share_one_certainty() {
    let mut with_alternatives = 0;
    for path in captures() {
        for record in support::replay(&path).expect("a capture that is shipped") {
            let verdict = match &record {
                Record::Connection(one) => &one.verdict,
                Record::Lookup(one) => &one.verdict,
                _ => continue,
            };
            let others = verdict.alternatives.iter().map(|one| one.confidence);
            let all = verdict.confidence + others.sum::<f64>();
            with_alternatives += usize::from(!verdict.alternatives.is_empty());
            let (path, code) = (path.display(), verdict.code);
            assert!(all < 1.005, "{path}: {code} and what else fits: {all:.2}");
        }
    }
    assert!(with_alternatives > 20, "only {with_alternatives}");
}

#[test]
fn the_schema_is_strict() {
    let document = jsonschema::validator_for(&schema()).expect("the schema can be compiled");
    let path = captures().into_iter().next().expect("there are captures");
    let records =
        support::replay_with(&path, Config::default()).expect("a shipped capture can be read");
    let json: Value =
        serde_json::from_str(&report(&records, Format::Json)).expect("the report is JSON");
    assert!(document.is_valid(&json));
    for (pointer, value) in [
        ("/extra", json!(1)),
        ("/schema", json!("v2")),
        ("/summary", json!({})),
        ("/connections", json!([{}])),
    ] {
        let mut broken = json.clone();
        broken[&pointer[1..]] = value;
        assert!(!document.is_valid(&broken), "{pointer} is not checked");
    }
}

#[test]
fn people_get_text_that_fits_80_columns_and_harmless_markup() {
    for path in captures() {
        let records =
            support::replay_with(&path, Config::default()).expect("a shipped capture can be read");
        for line in report(&records, Format::Text).lines() {
            let words = line.split_whitespace().count();
            assert!(
                line.chars().count() <= 80 || words <= 3,
                "{}: {line}",
                path.display()
            );
            assert!(!line.contains('\u{1b}'), "{}: {line}", path.display());
        }
        let html = report(&records, Format::Html);
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
        assert!(
            ["<script", " src=", " href=", "url(", "@import"]
                .iter()
                .all(|loads| !html.contains(loads)),
            "{}",
            path.display()
        );
        assert!(report(&records, Format::Markdown).starts_with("# mxray replay"));
    }
}
