//! Captures of other projects: whatever they hold, the engine answers in time and makes sense, and where a careful
//! analyst wrote down what is in one, the engine says the same.
//!
//! The folder is named by `MXRAY_EXTRA_CAPTURES` (colon-separated); the captures are other people's work and no part of
//! this project. Beside them may lie a `truths.tsv`: file, stream, protocol, client, server, packets, stage,
//! outcome, caution (1: ambiguous or partial), frames, words. The analyst's words are translated below, with reasons.

#[path = "extra_captures/sense.rs"]
mod sense;
mod support;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use mxray::engine::Config;
use mxray::engine::record::{ConnectionRecord, LookupRecord, Record};

use sense::contradictions;

/// Time that one file may take: a floor for opening it, and this much per megabyte (debug builds are slow).
const FLOOR: Duration = Duration::from_secs(5);
const PER_MEGABYTE: Duration = Duration::from_secs(4);

/// What may be said of one connection or look-up: any of these outcomes with any of these codes.
#[derive(Clone, Copy, Debug)]
struct Expected {
    outcomes: &'static [&'static str],
    /// Codes, or beginnings of codes where they end in a dot.
    codes: &'static [&'static str],
    /// The stage that is not reached; empty: not told.
    stages: &'static [&'static str],
}

const HEALTHY: Expected = Expected {
    outcomes: &["healthy"],
    codes: &["ok"],
    stages: &["done"],
};

/// Fine as far as seen, one direction only, headers only: no fault may be made of it.
const OPEN: Expected = Expected {
    outcomes: &["incomplete"],
    codes: &["unknown"],
    stages: &[],
};

const fn failed(codes: &'static [&'static str], stages: &'static [&'static str]) -> Expected {
    Expected {
        outcomes: &["failed"],
        codes,
        stages,
    }
}

/// The analyst's words that mean the same everywhere.
fn translate(protocol: &str, outcome: &str) -> Option<Expected> {
    Some(match (protocol, outcome) {
        ("dns", "ok") => Expected {
            outcomes: &["healthy"],
            codes: &["ok"],
            stages: &[],
        },
        ("dns", "nxdomain") => failed(&["dns.nxdomain"], &[]),
        ("dns", "refused") => failed(&["dns.refused"], &[]),
        (_, "healthy") => HEALTHY,
        (_, "capture-ends" | "one-sided" | "headers-only") => OPEN,
        (_, "refused") => failed(&["tcp.refused"], &["tcp"]),
        // 521 5.5.4 to a malformed BDAT: the client breaks the protocol. 5.5.x is the protocol's family
        // (RFC 3463 3.6), 521 the server's way to hang up.
        (_, "command-rejected") => failed(&["mail.protocol-error"], &["session"]),
        (_, "sender-rejected") => failed(&["mail.sender-rejected"], &["session"]),
        (_, "content-rejected") => failed(&["mail.content-rejected"], &["session"]),
        // Alert 70 names the cause by itself.
        ("tls", "alert-protocol_version") => failed(&["tls.version"], &["tls"]),
        // Alert 48: self-signed, incomplete or untrusted, as the chain shows.
        ("tls", "alert-unknown_ca") => failed(
            &[
                "tls.cert-self-signed",
                "tls.cert-untrusted",
                "tls.cert-incomplete-chain",
            ],
            &["tls"],
        ),
        // Alert 46 says "unspecified": what the certificate shows, or that nothing does.
        ("tls", "alert-certificate_unknown") => failed(&["tls.cert-"], &["tls"]),
        // Alert 40 of the server straight after the ClientHello.
        ("tls", "alert-handshake_failure") => failed(&["tls.cipher"], &["tls"]),
        _ => return None,
    })
}

/// Connections whose line needs more than the words: end of the file's name, stream, what is expected, and why.
const SPECIAL: &[(&str, &str, Expected)] = &[
    // "-ERR authentication failed" to AUTH PLAIN, no text that says more.
    (
        "pop3/pop3.pcap",
        "3",
        failed(&["auth.credentials-rejected"], &["auth"]),
    ),
    // AUTH was not offered, STARTTLS was: the login needs TLS.
    (
        "socks5-smtp-503.pcap",
        "0",
        failed(&["auth.needs-tls"], &["auth"]),
    ),
    // "Sender address rejected: not logged in": the sender is what was refused, a login what was missing.
    (
        "smtp-rcpt-553.pcap",
        "0",
        failed(
            &["mail.sender-rejected", "auth.required"],
            &["session", "auth"],
        ),
    ),
    // An empty Certificate of the client, then alert 40.
    (
        "certificate-request-failed.pcap",
        "",
        failed(&["tls.client-cert-required"], &["tls"]),
    ),
    // The message was accepted and the capture ends: no QUIT, nothing owed.
    (
        "Traces/smtp.pcap",
        "2",
        Expected {
            outcomes: &["incomplete", "healthy"],
            codes: &["unknown", "ok"],
            stages: &[],
        },
    ),
    // Everything and FIN at once from an early talker, no byte of the server: the file ends within a second.
    ("smtp-subject-multi-nospace.pcap", "0", OPEN),
    // Delivered, but greeted after 5.4 s: that is beyond the five seconds from which waiting is a cost.
    (
        "smtp-subject-gb2312-b.pcap",
        "0",
        Expected {
            outcomes: &["degraded"],
            codes: &["mail.greeting-slow"],
            stages: &["done"],
        },
    ),
    // A dynamic update is no look-up of the kinds that are judged; if it has a record, the rcode is named.
    ("dns-update.pcap", "", failed(&["dns.error"], &[])),
];

/// Lines that the engine may leave without a record at all.
const MAY_BE_ABSENT: &[&str] = &["dns-update.pcap"];

struct Truth {
    file: String,
    stream: String,
    protocol: String,
    client: String,
    server: String,
    expected: Expected,
    caution: bool,
    frames: Vec<u64>,
}

fn truths(folder: &Path) -> Vec<Truth> {
    let Ok(text) = std::fs::read_to_string(folder.join("truths.tsv")) else {
        return Vec::new();
    };
    let mut truths = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        assert!(cells.len() >= 10, "a short line in truths.tsv: {line}");
        let special = SPECIAL
            .iter()
            .find(|(file, stream, _)| cells[0].ends_with(file) && cells[1] == *stream)
            .map(|(_, _, expected)| *expected);
        let expected = special
            .or_else(|| translate(cells[2], cells[7]))
            .unwrap_or_else(|| panic!("no translation of {} {}: {line}", cells[2], cells[7]));
        truths.push(Truth {
            file: cells[0].to_owned(),
            stream: cells[1].to_owned(),
            protocol: cells[2].to_owned(),
            client: cells[3].to_owned(),
            server: cells[4].to_owned(),
            expected,
            caution: cells[8] == "1",
            frames: cells[9]
                .split_whitespace()
                .filter_map(|number| number.parse().ok())
                .collect(),
        });
    }
    truths
}

fn endpoint(ip: &str, port: u16) -> String {
    format!("{ip}:{port}")
}

fn fits(expected: &Expected, outcome: &str, code: &str, stage: Option<&str>) -> bool {
    expected.outcomes.contains(&outcome)
        && expected
            .codes
            .iter()
            .any(|wanted| *wanted == code || wanted.ends_with('-') && code.starts_with(wanted))
        && stage.is_none_or(|stage| expected.stages.is_empty() || expected.stages.contains(&stage))
}

/// What is wrong with the answer to one line of the analyst.
fn compare(truth: &Truth, records: &[Record]) -> Option<String> {
    let about = |what: String| {
        Some(format!(
            "{} stream {} ({}): {what}; expected {:?}",
            truth.file, truth.stream, truth.protocol, truth.expected
        ))
    };
    if truth.protocol == "dns" {
        let named: Vec<&LookupRecord> = records
            .iter()
            .filter_map(|record| match record {
                Record::Lookup(lookup)
                    if lookup
                        .frames
                        .iter()
                        .any(|frame| truth.frames.contains(frame)) =>
                {
                    Some(lookup)
                }
                _ => None,
            })
            .collect();
        if named.is_empty() {
            let allowed = MAY_BE_ABSENT.iter().any(|file| truth.file.ends_with(file));
            return if allowed {
                None
            } else {
                about("no look-up".to_owned())
            };
        }
        let fit = named
            .iter()
            .any(|lookup| fits(&truth.expected, lookup.outcome, lookup.verdict.code, None));
        return if fit {
            None
        } else {
            let got: Vec<_> = named
                .iter()
                .map(|lookup| (lookup.outcome, lookup.verdict.code))
                .collect();
            about(format!("{got:?}"))
        };
    }
    let connections: Vec<&ConnectionRecord> = records
        .iter()
        .filter_map(|record| match record {
            Record::Connection(connection) => Some(connection.as_ref()),
            _ => None,
        })
        .filter(|connection| {
            truth.client.is_empty()
                || endpoint(&connection.client.ip, connection.client.port) == truth.client
                    && endpoint(&connection.server.ip, connection.server.port) == truth.server
        })
        .collect();
    if connections.is_empty() {
        return about("no connection".to_owned());
    }
    let fit = connections.iter().any(|connection| {
        let stage = (!truth.caution).then_some(connection.stage);
        fits(
            &truth.expected,
            connection.outcome,
            connection.verdict.code,
            stage,
        )
    });
    if fit {
        return None;
    }
    let got: Vec<_> = connections
        .iter()
        .take(3)
        .map(|c| (c.outcome, c.verdict.code, c.stage, &c.verdict.summary))
        .collect();
    about(format!("{got:?}"))
}

fn budget(file: &Path) -> Duration {
    let bytes = std::fs::metadata(file).map_or(0, |meta| meta.len());
    FLOOR + PER_MEGABYTE * u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX)
}

fn is_capture(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    !name.is_some_and(|name| name.ends_with(".tsv") || name.ends_with(".md"))
}

#[test]
fn captures_of_others_get_sensible_answers() {
    let Some(folders) = std::env::var_os("MXRAY_EXTRA_CAPTURES") else {
        // Not by eprintln!, which the test harness swallows when a test passes.
        let line = b"SKIPPED: MXRAY_EXTRA_CAPTURES is not set: captures of other projects are not replayed\n";
        let _ = std::io::stderr().write_all(line);
        return;
    };
    let (mut wrong, mut files, mut told) = (Vec::new(), 0, 0);
    for folder in std::env::split_paths(&folders) {
        let truths = truths(&folder);
        for path in support::files(&folder)
            .into_iter()
            .filter(|path| is_capture(path))
        {
            files += 1;
            let relative = path
                .strip_prefix(&folder)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            for all in [false, true] {
                let begin = Instant::now();
                let config = Config {
                    all,
                    ..Config::default()
                };
                let result = support::replay_with(&path, config);
                let took = begin.elapsed();
                if took > budget(&path) {
                    wrong.push(format!("{relative}: took {took:?}"));
                }
                // What cannot be opened says why; that is an answer as well.
                let Ok(records) = result else { continue };
                wrong.extend(
                    contradictions(&records)
                        .into_iter()
                        .map(|what| format!("{relative}: {what}")),
                );
                for truth in truths.iter().filter(|truth| truth.file == relative) {
                    // Plain TLS and look-ups without mail have records only when everything has.
                    let mail = !matches!(truth.protocol.as_str(), "tls" | "dns");
                    if all != mail {
                        told += 1;
                        wrong.extend(compare(truth, &records));
                    }
                }
            }
        }
        let expected: Vec<&Truth> = truths
            .iter()
            .filter(|truth| !folder.join(&truth.file).exists())
            .collect();
        wrong.extend(
            expected
                .into_iter()
                .map(|truth| format!("{} is missing", truth.file)),
        );
    }
    eprintln!("{files} files, {told} answers compared with an analyst's");
    assert!(files > 0, "no capture in {folders:?}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
