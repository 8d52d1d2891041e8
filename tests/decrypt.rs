//! Captures of `openssl s_client` with its key log: what is inside TLS is read as tshark reads it, and judged.
//!
//! Each capture holds one session on a port of implicit TLS: greeting, EHLO, a login that the server refuses with 535.

use std::path::{Path, PathBuf};
use std::process::Command;

use mxray::engine::Config;
use mxray::engine::record::Record;
use mxray::proto::Service;

mod support;

/// Capture and port of the server.
const CAPTURES: [(&str, u16); 6] = [
    ("t12gcm128", 4650),
    ("t12gcm256", 4651),
    ("t12chacha", 4652),
    ("t13gcm128", 4653),
    ("t13gcm256", 4654),
    ("t13chacha", 4655),
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
