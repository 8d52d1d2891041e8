//! Wireshark's labels mean the same here as in Wireshark: every TCP frame of every capture in the folders named by
//! `MXRAY_EXTRA_CAPTURES` (colon-separated) is labelled by the tracker and by tshark, and compared.
//!
//! tshark delivers the headers as well, so that nothing but the labels is under test.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use mxray::base::{FrameRef, Mark, Side, SourceId, Timestamp};
use mxray::flow::tcp::{Labels, StreamSink};
use mxray::flow::{Dialogue, Ports, Table};
use mxray::proto::Service;
use mxray::wire::{Ip, Link, Tcp, TcpFlags, TcpOptions};

const HEADERS: [&str; 15] = [
    "frame.number",
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.window_size_value",
    "tcp.len",
    "tcp.options.wscale.shift",
    "ip.proto",
];

struct Nobody;

impl StreamSink for Nobody {
    fn data(&mut self, _: Side, _: Mark, _: &[u8]) {}
    fn gap(&mut self, _: Side, _: Mark, _: u64) {}
}

impl Dialogue for Nobody {
    type Seed = ();

    fn open((): &(), _: Option<Service>) -> Nobody {
        Nobody
    }

    fn rest(&mut self) {}
}

fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            captures(&path, found);
        } else if path
            .extension()
            .is_some_and(|kind| kind == "pcap" || kind == "pcapng" || kind == "cap")
        {
            found.push(path);
        }
    }
}

fn nanoseconds(epoch: &str) -> Option<i64> {
    let (seconds, fraction) = epoch.split_once('.')?;
    let fraction: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(seconds.parse::<i64>().ok()? * 1_000_000_000 + fraction)
}

/// One line of tshark: the segment, and the labels that tshark gave.
fn segment(line: &str) -> Option<(Mark, Ip, Tcp<'static>, Labels)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let address = |v4: usize, v6: usize| -> Option<IpAddr> {
        fields[if fields[v4].is_empty() { v6 } else { v4 }]
            .parse()
            .ok()
    };
    let number = |at: usize| -> Option<u32> {
        match fields[at].strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => fields[at].parse().ok(),
        }
    };
    let mark = Mark {
        frame: FrameRef::new(SourceId(0), fields[0].parse().ok()?),
        time: Timestamp(nanoseconds(fields[1])?),
    };
    let ip = Ip {
        source: address(2, 4)?,
        destination: address(3, 5)?,
        ttl: 64,
        id: None,
        dont_fragment: true,
        tos: 0,
        flow_label: None,
        total_len: number(12)? + 40,
        protocol: 6,
        fragment: None,
    };
    let tcp = Tcp {
        source_port: number(6)? as u16,
        destination_port: number(7)? as u16,
        seq: number(8)?,
        ack: number(9)?,
        flags: TcpFlags(number(10)? as u8),
        window: Some(number(11)? as u16),
        options: TcpOptions {
            window_scale: number(13).map(|shift| shift as u8),
            ..TcpOptions::default()
        },
        payload: &[],
        payload_len: number(12)?,
        checksum: 0,
    };
    let mut labels = Labels::default();
    for (at, (label, _)) in Labels::NAMES.iter().enumerate() {
        if !fields[HEADERS.len() + at].is_empty() {
            labels.insert(*label);
        }
    }
    // Wireshark says "retransmission" beside "fast" and "spurious".
    Some((mark, ip, tcp, labels))
}

fn names(labels: Labels) -> Vec<&'static str> {
    let special = labels.contains(Labels::FAST_RETRANSMISSION)
        || labels.contains(Labels::SPURIOUS_RETRANSMISSION);
    Labels::NAMES
        .iter()
        .filter(|(label, _)| {
            labels.contains(*label) && !(special && *label == Labels::RETRANSMISSION)
        })
        .map(|(_, name)| *name)
        .collect()
}

#[test]
fn labels_are_those_of_tshark() {
    let Some(folders) = std::env::var_os("MXRAY_EXTRA_CAPTURES") else {
        eprintln!(
            "SKIPPED labels_are_those_of_tshark: MXRAY_EXTRA_CAPTURES names no folder of captures"
        );
        return;
    };
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("SKIPPED labels_are_those_of_tshark: there is no tshark");
        return;
    }
    let mut files = Vec::new();
    for folder in std::env::split_paths(&folders) {
        captures(&folder, &mut files);
    }
    files.sort();
    let (mut frames, mut different) = (0u64, Vec::new());
    for file in &files {
        let mut command = Command::new("tshark");
        command
            .args([
                "-n",
                "-Y",
                "tcp && !icmp && !icmpv6",
                "-T",
                "fields",
                "-E",
                "occurrence=l",
                "-r",
            ])
            .arg(file);
        for field in HEADERS {
            command.args(["-e", field]);
        }
        for (_, name) in Labels::NAMES {
            command.args(["-e", &format!("tcp.analysis.{name}")]);
        }
        let Ok(output) = command.output() else {
            continue;
        };
        let mut ports = Ports::default();
        ports.only((0..=u16::MAX).collect());
        let mut table: Table<Nobody> = Table::new(ports);
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Some((mark, ip, tcp, expected)) = segment(line) else {
                continue;
            };
            let labels = table
                .segment(mark, &Link::default(), &ip, &tcp)
                .unwrap_or_default();
            frames += 1;
            if names(labels) != names(expected) {
                different.push(format!(
                    "{} #{}: {:?}, tshark {:?}",
                    file.display(),
                    mark.frame.number(),
                    names(labels),
                    names(expected)
                ));
            }
        }
    }
    eprintln!(
        "{} captures, {frames} TCP frames, {} labelled otherwise than by tshark",
        files.len(),
        different.len()
    );
    for line in &different {
        eprintln!("{line}");
    }
    assert!(
        different.len() as u64 * 1000 <= frames,
        "more than 0.1 % differ"
    );
}
