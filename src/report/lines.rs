//! A line per event, as a live run is told where there is no terminal: what died, what was degraded, what works again.
//! The root causes follow at the end.
//!
//! A silence is told when it has become a verdict and not again when it is final. A server that failed is told to have
//! recovered with the first connection that works. Memory is bounded: beyond it an event may be told twice, never wrongly.

use std::collections::HashMap;
use std::io::{self, Write};

use super::text::TextFace;
use super::{Face, Style};
use crate::base::{Foreign, Timestamp};
use crate::engine::record::{Record, VerdictInfo};
use crate::present;

/// Open faults and failing servers that are remembered.
const REMEMBERED: usize = 65_536;

/// Lines as they come.
pub(super) struct LineFace<'a> {
    style: Style,
    /// Has the output: it writes the end.
    text: TextFace<'a>,
    /// What was said of connections and look-ups that are not over.
    told: HashMap<(bool, u64), &'static str>,
    /// Servers and services that fail: the code and how many times.
    failing: HashMap<String, (&'static str, u64)>,
}

/// What a line is made of.
struct Event<'a> {
    key: (bool, u64),
    outcome: &'static str,
    verdict: &'a VerdictInfo,
    from: String,
    to: String,
    name: Option<String>,
    /// Address and port of the server, or the resolver.
    server: String,
    time: Timestamp,
    check: bool,
    /// It is the last record of that number.
    last: bool,
}

impl<'a> LineFace<'a> {
    pub fn new(style: Style, out: Box<dyn Write + 'a>) -> LineFace<'a> {
        let brief = Style {
            verbosity: -1,
            ..style.clone()
        };
        LineFace {
            style,
            text: TextFace::new(brief, out),
            told: HashMap::new(),
            failing: HashMap::new(),
        }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let code = event.verdict.code;
        let before = self.told.get(&event.key).copied();
        let settled = event.last;
        let word = match event.outcome {
            "failed" if before == Some(code) => None,
            "failed" => Some("DEAD"),
            "degraded" if settled => Some("SLOW"),
            _ if before.is_some() && code != "unknown" => Some("BACK"),
            "healthy" if settled && self.style.verbosity > 0 => Some("OK"),
            _ => None,
        };
        if settled {
            self.told.remove(&event.key);
        } else if event.outcome == "failed" {
            if self.told.len() < REMEMBERED {
                self.told.insert(event.key, code);
            }
        } else if word == Some("BACK") {
            self.told.remove(&event.key);
        }
        if event.outcome == "failed" && before != Some(code) && self.failing.len() < REMEMBERED {
            let known = self
                .failing
                .entry(event.server.clone())
                .or_insert((code, 0));
            *known = (code, known.1.saturating_add(1));
        }
        if let Some(word) = word {
            self.line(word, event, &event.verdict.summary)?;
        }
        // A check proves that a server answers, but not that mail works.
        let works = settled && matches!(event.outcome, "healthy" | "degraded") && !event.check;
        if works && let Some((code, count)) = self.failing.remove(&event.server) {
            let failures = present::counted(count, "failure", "failures");
            self.line(
                "BACK",
                event,
                &format!("works again, after {failures} with {code}"),
            )?;
        }
        Ok(())
    }

    fn line(&mut self, word: &str, event: &Event<'_>, summary: &str) -> io::Result<()> {
        let outcome = match word {
            "DEAD" => "failed",
            "SLOW" => "degraded",
            _ => "healthy",
        };
        let code = if word == "BACK" {
            ""
        } else {
            event.verdict.code
        };
        let name = event
            .name
            .as_ref()
            .map_or_else(String::new, |name| format!(" {name}"));
        let line = format!(
            "{} {} {}{}{} → {}{name}  {summary}",
            self.style.clock.absolute(event.time),
            self.style.paint.outcome(outcome, &format!("{word:<4}")),
            self.style.paint.code(code),
            if code.is_empty() { "" } else { "  " },
            event.from,
            event.to,
        );
        self.text.write_line(&line)
    }
}

impl Face for LineFace<'_> {
    fn source(&mut self, id: u32, name: &Foreign) {
        self.text.source(id, name);
    }

    fn begin(&mut self, first: Timestamp) {
        self.style.clock.begin(first);
        self.text.begin(first);
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record {
            Record::Connection(one) => {
                let server = present::endpoint(&one.server.ip, one.server.port);
                let event = Event {
                    key: (true, one.id),
                    outcome: one.outcome,
                    verdict: &one.verdict,
                    from: present::endpoint(&one.client.ip, one.client.port),
                    to: server.clone(),
                    name: one.server.name.known().map(ToString::to_string),
                    server,
                    time: one.verdict.time.unwrap_or(one.started).0,
                    check: one.intent.is_some(),
                    last: one.attempt.is_some(),
                };
                self.event(&event)?;
            }
            Record::Lookup(one) => {
                let event = Event {
                    key: (false, one.id),
                    outcome: one.outcome,
                    verdict: &one.verdict,
                    from: one.client.clone(),
                    to: one.resolver.clone(),
                    name: Some(format!("{} {}", one.name, one.kind)),
                    server: one.resolver.clone(),
                    time: one.verdict.time.unwrap_or(one.started).0,
                    check: false,
                    last: one.attempt.is_some(),
                };
                self.event(&event)?;
            }
            _ => {}
        }
        // What may still change is told as it comes, and counted when it is over.
        let over = match record {
            Record::Connection(one) => one.attempt.is_some(),
            Record::Lookup(one) => one.attempt.is_some(),
            _ => true,
        };
        match over {
            true => self.text.record(record),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.text.finish()
    }
}
