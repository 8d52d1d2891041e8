//! What a report for people keeps of a run: the first few of every fault in full, the rest counted.
//!
//! A mail server's day is thousands of connections that die of three things. Nobody reads the ten-thousandth
//! block, so each fault keeps some examples and a count, and memory stays bounded however long the file is.

use std::collections::{BTreeMap, HashMap};

use crate::engine::record::{FindingRecord, PathRecord, Record, SourceRecord, Summary};
use crate::present::{self, Block, Clock};

/// Examples of one fault at one server.
const EXAMPLES: usize = 3;
/// Faults (code and server) of which examples are kept.
const FAULTS: usize = 256;
/// Blocks of failures shown in full.
pub(super) const FULL: usize = 20;
/// Blocks of what was degraded.
pub(super) const SHORT: usize = 10;
/// Findings of the run that are shown.
pub(super) const FINDINGS: usize = 20;

/// Paths that are kept.
const PATHS: usize = 256;
/// Addresses whose paths are shown without being asked for more.
pub(super) const TABLES: usize = 4;

/// What is kept.
#[derive(Default)]
pub(super) struct Digest {
    /// Several inputs were named.
    several: bool,
    names: HashMap<u32, String>,
    examples: HashMap<(&'static str, String), usize>,
    failed: Vec<Block>,
    degraded: Vec<Block>,
    /// Failed and degraded connections and look-ups by code.
    counted: BTreeMap<(&'static str, &'static str), u64>,
    /// Findings of connections and look-ups that worked, by code.
    asides: BTreeMap<&'static str, u64>,
    pub findings: Vec<FindingRecord>,
    /// Paths that a probe walked.
    pub paths: Vec<PathRecord>,
    pub sources: Vec<SourceRecord>,
    pub summary: Summary,
}

/// What of one outcome is shown, and what is only counted.
pub(super) struct Part<'a> {
    pub blocks: Vec<&'a Block>,
    /// Codes and how many of each are not shown, most first.
    pub more: Vec<(&'static str, u64)>,
}

impl Digest {
    /// Keeps nothing yet. `several`: blocks say which input they are from.
    pub fn new(several: bool) -> Digest {
        Digest {
            several,
            ..Digest::default()
        }
    }

    /// Remembers what an input is called.
    pub fn name(&mut self, id: u32, name: &str) {
        self.names.insert(id, name.to_owned());
    }

    /// A connection or look-up in words; names the file when there are several.
    pub fn block(&self, record: &Record, clock: &Clock) -> Option<Block> {
        let (mut block, source) = match record {
            Record::Connection(record) => (present::connection(record, clock), record.source),
            Record::Lookup(record) => (present::lookup(record, clock), record.source),
            _ => return None,
        };
        if self.several
            && let Some(name) = self.names.get(&source)
        {
            block.notes.insert(0, format!("in {name}"));
        }
        Some(block)
    }

    /// Takes a record in.
    pub fn add(&mut self, record: &Record, clock: &Clock) {
        let (outcome, code, server, findings) = match record {
            Record::Connection(record) => (
                record.outcome,
                record.verdict.code,
                present::endpoint(&record.server.ip, record.server.port),
                &record.findings,
            ),
            Record::Lookup(record) => (
                record.outcome,
                record.verdict.code,
                format!("{} {}", record.name, record.kind),
                &record.findings,
            ),
            Record::Finding(finding) => {
                if self.findings.len() < FINDINGS {
                    self.findings.push(finding.clone());
                }
                return;
            }
            Record::Source(source) => return self.sources.push(source.clone()),
            Record::Summary(summary) => {
                self.summary = summary.clone();
                return;
            }
            Record::Path(path) => {
                if self.paths.len() < PATHS {
                    self.paths.push(path.clone());
                }
                return;
            }
            Record::Attempt(_) => return,
        };
        if !matches!(outcome, "failed" | "degraded") {
            for finding in findings {
                let count = self.asides.entry(finding.code).or_default();
                *count = count.saturating_add(1);
            }
            return;
        }
        let count = self.counted.entry((outcome, code)).or_default();
        *count = count.saturating_add(1);
        let key = (code, server);
        let kept = self.examples.get(&key).copied().unwrap_or(0);
        if kept >= EXAMPLES || kept == 0 && self.examples.len() >= FAULTS {
            return;
        }
        self.examples.insert(key, kept.saturating_add(1));
        if let Some(block) = self.block(record, clock) {
            match outcome {
                "failed" => self.failed.push(block),
                _ => self.degraded.push(block),
            }
        }
    }

    /// What failed.
    pub fn failed(&self) -> Part<'_> {
        self.part("failed", &self.failed, FULL)
    }

    /// What was degraded.
    pub fn degraded(&self) -> Part<'_> {
        self.part("degraded", &self.degraded, SHORT)
    }

    /// Findings beside healthy and incomplete work: code and count, most first.
    pub fn asides(&self) -> Vec<(&'static str, u64)> {
        most_first(
            self.asides
                .iter()
                .map(|(code, count)| (*code, *count))
                .collect(),
        )
    }

    /// Network and service first, in the order of time within a class; every fault once before any is repeated.
    fn part<'a>(&'a self, outcome: &str, blocks: &'a [Block], most: usize) -> Part<'a> {
        let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
        let mut ranked: Vec<(usize, u8, &Block)> = blocks
            .iter()
            .map(|block| {
                let nth = seen.entry((block.code, block.target.as_str())).or_default();
                *nth = nth.saturating_add(1);
                (*nth, rank(block.class), block)
            })
            .collect();
        ranked.sort_by_key(|(nth, rank, _)| (*nth, *rank));
        ranked.truncate(most);
        ranked.sort_by_key(|(_, rank, _)| *rank);
        let blocks: Vec<&Block> = ranked.into_iter().map(|(_, _, block)| block).collect();
        let mut more: BTreeMap<&'static str, u64> = BTreeMap::new();
        for ((of, code), count) in &self.counted {
            if *of == outcome {
                more.insert(code, *count);
            }
        }
        for block in &blocks {
            if let Some(count) = more.get_mut(block.code) {
                *count = count.saturating_sub(1);
            }
        }
        more.retain(|_, count| *count > 0);
        Part {
            blocks,
            more: most_first(more.into_iter().collect()),
        }
    }
}

fn most_first(mut counts: Vec<(&'static str, u64)>) -> Vec<(&'static str, u64)> {
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts
}

/// Network and service before policy.
fn rank(class: Option<&str>) -> u8 {
    match class {
        Some("network") => 0,
        Some("service") => 1,
        Some("client") => 2,
        Some("policy") => 3,
        _ => 4,
    }
}

/// `9,800 tcp.dropped, 12 tls.version`.
pub(super) fn listed(counts: &[(&'static str, u64)]) -> String {
    let named: Vec<String> = counts
        .iter()
        .take(8)
        .map(|(code, count)| format!("{} {code}", present::thousands(*count)))
        .collect();
    let rest = counts.len().saturating_sub(named.len());
    match rest {
        0 => named.join(", "),
        rest => format!(
            "{} and {}",
            named.join(", "),
            present::counted(rest as u64, "more code", "more codes")
        ),
    }
}

/// How many that are.
pub(super) fn total(counts: &[(&'static str, u64)]) -> u64 {
    counts
        .iter()
        .fold(0, |sum, (_, count)| sum.saturating_add(*count))
}
