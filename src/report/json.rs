//! `--format json` and `--format ndjson`: the records as they are.
//!
//! The document streams connections; attempts, look-ups and findings follow it from spools of their own, because they may
//! be as many. Sources and summary come last.

use std::collections::HashSet;
use std::io::{self, Write};

use super::buffer::Buffer;
use super::pieces::{Json, Members, key, member, objects};
use super::spool::Spool;
use super::{Face, SCHEMA, Style};
use crate::base::{Foreign, Timestamp};
use crate::engine::record::{PathRecord, Record, SourceRecord, Summary};

/// Provisional verdicts that are remembered.
const TOLD: usize = 65_536;

/// One document.
pub(super) struct JsonFace<'a> {
    out: Box<dyn Write + 'a>,
    command: &'static str,
    /// Connections written.
    written: u64,
    /// The record in the making; kept so that nothing is allocated for each.
    text: Buffer,
    attempts: Spool,
    lookups: Spool,
    findings: Spool,
    rest: Rest,
}

/// What comes last.
#[derive(Default)]
struct Rest {
    /// Only probing measures paths.
    paths: Vec<PathRecord>,
    sources: Vec<SourceRecord>,
    summary: Summary,
}

objects! { Rest { paths, sources, summary } }

impl<'a> JsonFace<'a> {
    pub fn new(style: &Style, out: Box<dyn Write + 'a>) -> JsonFace<'a> {
        JsonFace {
            out,
            command: style.command,
            written: 0,
            text: Buffer::default(),
            attempts: Spool::default(),
            lookups: Spool::default(),
            findings: Spool::default(),
            rest: Rest::default(),
        }
    }

    fn head(&mut self) -> io::Result<()> {
        write!(
            self.out,
            "{{\"schema\":\"{SCHEMA}\",\"mxray\":\"{}\",\"command\":\"{}\",\n\"connections\":[",
            env!("CARGO_PKG_VERSION"),
            self.command
        )
    }
}

impl Face for JsonFace<'_> {
    fn source(&mut self, _: u32, _: &Foreign) {}

    fn begin(&mut self, _: Timestamp) {}

    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Connection(connection) => {
                self.text.clear();
                if self.written == 0 {
                    self.head()?;
                    self.text.push(b'\n');
                } else {
                    self.text.piece(b",\n");
                }
                self.written = self.written.saturating_add(1);
                connection.json(&mut self.text);
                self.out.write_all(&self.text)?;
            }
            Record::Attempt(attempt) => self.attempts.add(attempt),
            Record::Lookup(lookup) => self.lookups.add(lookup),
            Record::Finding(finding) => self.findings.add(finding),
            Record::Path(path) => self.rest.paths.push(path.clone()),
            Record::Source(source) => self.rest.sources.push(source.clone()),
            Record::Summary(summary) => self.rest.summary = summary.clone(),
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.written == 0 {
            self.head()?;
        }
        self.rest.sources.sort_by_key(|source| source.id);
        self.out.write_all(b"],\n\"attempts\":[")?;
        self.attempts.empty_into(&mut self.out)?;
        self.out.write_all(b"],\n\"lookups\":[")?;
        self.lookups.empty_into(&mut self.out)?;
        self.out.write_all(b"],\n\"findings\":[")?;
        self.findings.empty_into(&mut self.out)?;
        self.text.clear();
        self.rest.members(&mut self.text);
        self.out.write_all(b"],\n")?;
        self.out.write_all(&self.text)?;
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }
}

/// One record per line, as they come.
pub(super) struct NdjsonFace<'a> {
    out: Box<dyn Write + 'a>,
    /// Somebody reads along: every line is handed over at once.
    live: bool,
    /// Connections and look-ups (by kind and number) of which a provisional verdict was told and no last record yet.
    told: HashSet<(bool, u64)>,
    /// The line in the making.
    line: Buffer,
}

impl<'a> NdjsonFace<'a> {
    pub fn new(out: Box<dyn Write + 'a>, live: bool) -> NdjsonFace<'a> {
        NdjsonFace {
            out,
            live,
            told: HashSet::new(),
            line: Buffer::default(),
        }
    }

    /// A provisional record is told when it has a verdict, or replaces one that was told; an open connection in which
    /// nothing is wrong is no event.
    fn wants(&mut self, record: &Record) -> bool {
        let (key, code, last) = match record {
            Record::Connection(one) => ((true, one.id), one.verdict.code, one.attempt.is_some()),
            Record::Lookup(one) => ((false, one.id), one.verdict.code, one.attempt.is_some()),
            _ => return true,
        };
        if last {
            self.told.remove(&key);
            return true;
        }
        if matches!(code, "ok" | "unknown") {
            return self.told.remove(&key);
        }
        if self.told.len() < TOLD {
            self.told.insert(key);
        }
        true
    }
}

impl Face for NdjsonFace<'_> {
    fn source(&mut self, _: u32, _: &Foreign) {}

    fn begin(&mut self, _: Timestamp) {}

    fn record(&mut self, record: &Record) -> io::Result<()> {
        if !self.wants(record) {
            return Ok(());
        }
        self.line.clear();
        record.json(&mut self.line);
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        match self.live {
            true => self.out.flush(),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
