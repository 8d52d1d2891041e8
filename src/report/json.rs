//! `--format json` and `--format ndjson`: the records as they are.
//!
//! The document streams connections, which can be many; what is small is collected and follows.

use std::io::{self, Write};

use serde::Serialize;

use super::{Face, SCHEMA, Style};
use crate::base::{Foreign, Timestamp};
use crate::engine::record::{
    AttemptRecord, FindingRecord, LookupRecord, PathRecord, Record, SourceRecord, Summary,
};

/// One document.
pub(super) struct JsonFace<'a> {
    out: Box<dyn Write + 'a>,
    command: &'static str,
    /// Connections written.
    written: u64,
    rest: Rest,
}

/// What follows the connections.
#[derive(Default, Serialize)]
struct Rest {
    attempts: Vec<AttemptRecord>,
    lookups: Vec<LookupRecord>,
    /// Only probing measures paths.
    paths: Vec<PathRecord>,
    findings: Vec<FindingRecord>,
    sources: Vec<SourceRecord>,
    summary: Summary,
}

impl<'a> JsonFace<'a> {
    pub fn new(style: &Style, out: Box<dyn Write + 'a>) -> JsonFace<'a> {
        JsonFace {
            out,
            command: style.command,
            written: 0,
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
                if self.written == 0 {
                    self.head()?;
                } else {
                    self.out.write_all(b",")?;
                }
                self.written = self.written.saturating_add(1);
                self.out.write_all(b"\n")?;
                serde_json::to_writer(&mut self.out, connection)?;
            }
            Record::Attempt(attempt) => self.rest.attempts.push(attempt.clone()),
            Record::Lookup(lookup) => self.rest.lookups.push(lookup.clone()),
            Record::Finding(finding) => self.rest.findings.push(finding.clone()),
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
        let rest = serde_json::to_string(&self.rest)?;
        // The rest is an object of its own: without its opening brace it goes on with ours.
        let rest = rest.strip_prefix('{').unwrap_or(&rest);
        writeln!(self.out, "],\n{rest}")?;
        self.out.flush()
    }
}

/// One record per line, as they come.
pub(super) struct NdjsonFace<'a> {
    out: Box<dyn Write + 'a>,
}

impl<'a> NdjsonFace<'a> {
    pub fn new(out: Box<dyn Write + 'a>) -> NdjsonFace<'a> {
        NdjsonFace { out }
    }
}

impl Face for NdjsonFace<'_> {
    fn source(&mut self, _: u32, _: &Foreign) {}

    fn begin(&mut self, _: Timestamp) {}

    fn record(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, record)?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
