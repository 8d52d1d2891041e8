//! Captures of OpenSSL's and rustls's clients with their key logs: what is inside TLS is read as tshark reads it, and judged.
//!
//! Each capture holds one session on a port of implicit TLS: greeting, EHLO, a login that the server refuses with 535. The
//! `t` ones are `openssl s_client`'s (t13update: it changes its keys before the login), the `r` ones rustls's (r13update: both
//! sides change their keys before the login and its answer).

use std::path::{Path, PathBuf};
use std::process::Command;

use mxray::engine::Config;
use mxray::engine::record::Record;
use mxray::engine::{Engine, SourceEnd};
use mxray::proto::Service;
use mxray::wire::{Transport, dissect};

mod support;

/// Capture and port of the server.
const CAPTURES: [(&str, u16); 14] = [
    ("t12gcm128", 4650),
    ("t12gcm256", 4651),
    ("t12chacha", 4652),
    ("t13gcm128", 4653),
    ("t13gcm256", 4654),
    ("t13chacha", 4655),
    ("r12rustls", 4656),
    ("r13rustls", 4657),
    ("r13update", 4658),
    ("t12ccm", 4659),
    ("t12ccm8", 4660),
    ("t13ccm", 4661),
    ("t13ccm8", 4662),
    ("t13update", 4663),
];

fn file(name: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/decrypt")
        .join(format!("{name}.{kind}"))
}

/// The connection's record, with and without keys.
fn connection(name: &str, port: u16, keys: Option<&[u8]>) -> serde_json::Value {
    let mut config = Config::default();
    config.ports.assign(port, Service::Submissions);
    if let Some(keys) = keys {
        assert!(config.keylog.add(keys) > 0, "{name}: no secret in the log");
    }
    let records = support::replay_with(&file(name, "pcap"), config).expect("the capture is read");
    let mut found = records
        .into_iter()
        .filter(|record| matches!(record, Record::Connection(_)))
        .map(|record| serde_json::to_value(record).expect("a record is serialised"));
    let first = found.next().expect("there is a connection");
    assert!(found.next().is_none(), "{name}: more than one connection");
    first
}

fn keys(name: &str) -> Vec<u8> {
    std::fs::read(file(name, "keys")).expect("the key log is read")
}

#[test]
fn a_refused_login_inside_tls_is_the_verdict() {
    for (name, port) in CAPTURES {
        let judged = connection(name, port, Some(&keys(name)));
        assert_eq!(
            judged["verdict"]["code"], "auth.credentials-rejected",
            "{name}: {judged:#}"
        );
        assert_eq!(
            judged["tls"]["certificates"].as_array().map(Vec::len),
            Some(1),
            "{name}"
        );
        let shown = judged.to_string();
        assert!(!shown.contains("AGFubmEAc2VjcmV0"), "{name}: {shown}");
    }
}

#[test]
fn without_the_right_keys_nothing_inside_is_claimed() {
    for (name, port) in CAPTURES {
        let opaque = connection(name, port, None);
        assert_ne!(opaque["verdict"]["code"], "auth.credentials-rejected");
        // The same randoms with other secrets: no tag fits.
        let wrong: String = String::from_utf8(keys(name))
            .expect("a key log is text")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (head, secret) = line.rsplit_once(' ').expect("three words");
                format!("{head} {}\n", secret.chars().rev().collect::<String>())
            })
            .collect();
        let given_up = connection(name, port, Some(wrong.as_bytes()));
        assert_eq!(
            given_up["verdict"]["code"], opaque["verdict"]["code"],
            "{name}"
        );
        assert_eq!(given_up["reached"], opaque["reached"], "{name}");
    }
}

/// OpenSMTPD with a key that it cannot sign with: its alert follows its certificate inside TLS 1.3, and of a handshake that fails
/// there no client has logged more than the secrets of the handshake.
#[test]
fn an_alert_within_the_handshake_is_read_with_its_secrets_alone() {
    let log = keys("t13alert");
    let text = String::from_utf8_lossy(&log);
    assert!(!text.contains("TRAFFIC_SECRET_0"), "{text}");
    let judged = connection("t13alert", 465, Some(&log));
    assert_eq!(judged["verdict"]["code"], "tls.alert", "{judged:#}");
    assert_eq!(judged["verdict"]["at"]["where"], "server", "{judged:#}");
    assert!(
        judged["verdict"]["summary"]
            .as_str()
            .is_some_and(|summary| summary.contains("internal_error")),
        "{judged:#}"
    );
    let opaque = connection("t13alert", 465, None);
    assert_eq!(opaque["verdict"]["code"], "unknown", "{opaque:#}");
}

/// A log that lacks what follows the handshake: the certificate is read, and the verdict is no other than without a log.
#[test]
fn secrets_of_the_handshake_alone_change_no_verdict() {
    for (name, port) in CAPTURES {
        let whole = String::from_utf8(keys(name)).expect("a key log is text");
        let part: Vec<&str> = whole
            .lines()
            .filter(|line| line.contains("HANDSHAKE"))
            .collect();
        if part.is_empty() {
            continue; // TLS 1.2 has one secret.
        }
        let judged = connection(name, port, Some(part.join("\n").as_bytes()));
        let opaque = connection(name, port, None);
        let codes = [&opaque["verdict"]["code"], &serde_json::json!("unknown")];
        assert!(
            codes.contains(&&judged["verdict"]["code"]),
            "{name}: {judged:#}"
        );
        let chain = judged["tls"]["certificates"].as_array().map(Vec::len);
        assert_eq!(chain, Some(1), "{name}");
    }
}

#[test]
fn the_replies_inside_are_tsharks() {
    for (name, port) in CAPTURES {
        let witness = Command::new("tshark")
            .arg("-r")
            .arg(file(name, "pcap"))
            .arg("-o")
            .arg(format!("tls.keylog_file:{}", file(name, "keys").display()))
            .args(["-d", &format!("tcp.port=={port},tls")])
            .args(["-d", &format!("tls.port=={port},smtp")])
            .args(["-Y", "smtp.response.code"])
            .args(["-T", "fields", "-e", "frame.number"])
            .args(["-e", "smtp.response.code"])
            .output();
        let Ok(witness) = witness else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "tshark is missing"
            );
            eprintln!("SKIPPED: tshark is missing");
            return;
        };
        let theirs: Vec<(u64, String)> = String::from_utf8_lossy(&witness.stdout)
            .lines()
            .filter_map(|line| {
                let (frame, code) = line.split_once('\t')?;
                Some((frame.parse().ok()?, code.split(',').next()?.to_owned()))
            })
            .collect();
        let judged = connection(name, port, Some(&keys(name)));
        let ours: Vec<(u64, String)> = judged["mail"]["transcript"]
            .as_array()
            .expect("there is a transcript")
            .iter()
            .filter(|line| line["from"] == "server")
            .map(|line| {
                let text = line["text"].as_str().unwrap_or_default();
                let code = text.get(..3).unwrap_or_default().to_owned();
                (line["frame"].as_u64().unwrap_or(0), code)
            })
            .collect();
        assert!(theirs.len() >= 3, "{name}: tshark read {theirs:?}");
        assert_eq!(ours, theirs, "{name}");
    }
}

/// The verdict on some of a capture's frames, with its keys.
fn judged(name: &str, port: u16, frames: &[&support::Kept]) -> Option<&'static str> {
    let mut config = Config::default();
    config.ports.assign(port, Service::Submissions);
    config.keylog.add(&keys(name));
    let mut engine = Engine::new(config);
    let source = engine.open_source("file", mxray::base::Foreign::from("memory"), None);
    let mut found = None;
    let mut take = |record: Record| {
        if let Record::Connection(one) = record {
            found = Some(one.verdict.code);
        }
    };
    for frame in frames {
        engine.frame(&frame.of(source), &mut take);
    }
    engine.close_source(source, SourceEnd::default(), &mut take);
    engine.finish(&mut take);
    found
}

#[test]
fn with_frames_missing_the_verdict_fades_and_never_changes() {
    for (name, port) in CAPTURES {
        let captured = support::Captured::read(&file(name, "pcap")).expect("a capture");
        let frames: Vec<&support::Kept> = captured.frames.iter().collect();
        let from_server = |frame: &support::Kept| {
            let packet = dissect(frame.link_type, &frame.data, frame.original_len);
            matches!(packet.transport, Transport::Tcp(tcp) if tcp.source_port == port)
        };
        let mut seen = std::collections::BTreeSet::new();
        let mut check = |what: String, kept: &[&support::Kept]| {
            let code = judged(name, port, kept);
            let fades = matches!(
                code,
                None | Some("auth.credentials-rejected" | "unknown" | "ok")
            );
            assert!(fades, "{name}, {what}: {code:?}");
            seen.extend(code);
        };
        for (at, frame) in frames.iter().enumerate() {
            let mut kept = frames.clone();
            kept.remove(at);
            check(format!("without frame {}", frame.number), &kept);
            for server in [true, false] {
                let kept: Vec<&support::Kept> = frames
                    .iter()
                    .enumerate()
                    .filter(|(other, frame)| *other < at || from_server(frame) != server)
                    .map(|(_, frame)| *frame)
                    .collect();
                let side = if server { "server" } else { "client" };
                check(format!("{side} unheard from frame {}", frame.number), &kept);
            }
        }
        // Most single frames are not what the verdict rests on.
        assert!(
            seen.contains("auth.credentials-rejected"),
            "{name}: {seen:?}"
        );
    }
}
