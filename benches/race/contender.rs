//! Who races: mxray in several ways, and what others do with the same file.

use std::path::{Path, PathBuf};

/// The way of mxray that everything is about.
pub const OURS: &str = "mxray replay --format json";
/// Other ways of it.
pub const ONE_CORE: &str = "the same on one core";
/// See above.
pub const STDIN: &str = "the same from standard input";
/// See above.
pub const GZIPPED: &str = "the same of F.gz";
/// See above.
pub const PACKED: &str = "the same of F.zst";
/// What it is measured by.
pub const COPY: &str = "tcpdump -r F -w /dev/null";
/// What a packed file is measured by.
pub const GUNZIP: &str = "gzip -dc F.gz";
/// See above.
pub const UNPACK: &str = "zstd -dc F.zst";
/// Others who judge.
pub const TCPTRACE: &str = "tcptrace F";
/// See above.
pub const TSHARK: &str = "tshark -q -z expert -r F";

/// How the file is packed that a contender is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// By `gzip`, as most captures that are kept.
    Gzip,
    /// By `zstd`, whose decompressor is the fastest of those that save as much.
    Zstd,
}

impl Packed {
    /// What its file is called behind the capture's name.
    pub fn extension(self) -> &'static str {
        match self {
            Packed::Gzip => "pcap.gz",
            Packed::Zstd => "pcap.zst",
        }
    }
}

/// A program and its arguments; the file is put behind them or into standard input.
pub struct Contender {
    /// What it is called in tables.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Before the file.
    pub before: Vec<&'static str>,
    /// Behind the file.
    pub behind: Vec<&'static str>,
    /// The file is standard input.
    pub stdin: bool,
    /// It is given the packed file.
    pub packed: Option<Packed>,
    /// It may use one core only.
    pub one_core: bool,
}

/// Everybody who is installed; the names of those who are not.
pub fn all(binary: &Path, others: bool) -> (Vec<Contender>, Vec<&'static str>) {
    let ours = |name, stdin, packed, one_core| Contender {
        name,
        packed,
        program: binary.to_owned(),
        before: vec!["replay", "-q", "--format", "json"],
        behind: if stdin { vec!["-"] } else { Vec::new() },
        stdin,
        one_core,
    };
    let mut there = vec![
        ours(OURS, false, None, false),
        ours(ONE_CORE, false, None, true),
        ours(STDIN, true, None, false),
        ours(GZIPPED, false, Some(Packed::Gzip), false),
        ours(PACKED, false, Some(Packed::Zstd), false),
    ];
    let mut missing = Vec::new();
    type Other = (
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );
    let known: [Other; 7] = [
        ("cat F", "cat", &[], &[]),
        (COPY, "tcpdump", &["-r"], &["-w", "/dev/null"]),
        ("capinfos -c F", "capinfos", &["-c"], &[]),
        (GUNZIP, "gzip", &["-dc"], &[]),
        (UNPACK, "zstd", &["-qdc"], &[]),
        (TCPTRACE, "tcptrace", &["-n"], &[]),
        (TSHARK, "tshark", &["-n", "-q", "-z", "expert", "-r"], &[]),
    ];
    for (name, program, before, behind) in known {
        if !others && !matches!(program, "cat" | "tcpdump" | "gzip" | "zstd") {
            continue;
        }
        match find(program) {
            Some(path) => there.push(Contender {
                name,
                program: path,
                before: before.to_vec(),
                behind: behind.to_vec(),
                stdin: false,
                packed: match name {
                    GUNZIP => Some(Packed::Gzip),
                    UNPACK => Some(Packed::Zstd),
                    _ => None,
                },
                one_core: false,
            }),
            None => missing.push(program),
        }
    }
    (there, missing)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
