//! One line of the list: a connection or a look-up, as the engine told it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::{Foreign, Timestamp};
use crate::engine::record::{ConnectionRecord, LookupRecord, VerdictInfo};
use crate::present::endpoint;
use crate::tui::event::ProbeTarget;

/// What names a row for good: a provisional record and the final one share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A connection's number.
    Connection(u64),
    /// A look-up's number.
    Lookup(u64),
}

/// What a row is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A connection.
    Connection(Box<ConnectionRecord>),
    /// A look-up.
    Lookup(Box<LookupRecord>),
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name for good.
    pub key: Key,
    /// Counts up as rows arrive; kept when a final record replaces a provisional one.
    pub arrived: u64,
    /// What it is about.
    pub subject: Subject,
    /// What the list found out of it last.
    pub passed: Passed,
}

/// Whether a row passed what a list asked last: to ask tens of thousands anew takes longer than a key may wait. It shows nothing of
/// the row and differs from one list to the next.
#[derive(Debug)]
pub struct Passed(AtomicU64);

impl Default for Passed {
    /// No question has this number.
    fn default() -> Passed {
        Passed(AtomicU64::new(u64::MAX))
    }
}

impl Passed {
    /// The answer to a question of that number; asked only if another one was asked last.
    pub fn answer(&self, question: u64, ask: impl FnOnce() -> bool) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        if last >> 1 == question {
            return last & 1 == 1;
        }
        let passed = ask();
        let answer = question << 1 | u64::from(passed);
        self.0.store(answer, Ordering::Relaxed);
        passed
    }
}

impl Clone for Passed {
    fn clone(&self) -> Passed {
        Passed(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

/// A rung of the short ladder that lists show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bead {
    /// Reached.
    Reached,
    /// It ended here.
    Died,
    /// Not seen to be reached; the evidence says no more.
    Unseen,
    /// Under way.
    Going,
    /// Not come to, not needed, or out of sight: a look-up that was made elsewhere.
    Blank,
}

/// The rungs that lists show, with the stages each stands for.
pub const RUNGS: [(&str, &[&str]); 6] = [
    ("dns", &["dns", "route"]),
    ("tcp", &["tcp"]),
    ("greeting", &["greeting", "capabilities"]),
    ("tls", &["starttls", "tls"]),
    ("auth", &["auth"]),
    ("session", &["session", "done"]),
];

impl Row {
    /// The verdict.
    pub fn verdict(&self) -> &VerdictInfo {
        match &self.subject {
            Subject::Connection(record) => &record.verdict,
            Subject::Lookup(record) => &record.verdict,
        }
    }

    /// `healthy`, `degraded`, `failed`, `incomplete`.
    pub fn outcome(&self) -> &'static str {
        match &self.subject {
            Subject::Connection(record) => record.outcome,
            Subject::Lookup(record) => record.outcome,
        }
    }

    /// The number of its input.
    pub fn source(&self) -> u32 {
        match &self.subject {
            Subject::Connection(record) => record.source,
            Subject::Lookup(record) => record.source,
        }
    }

    /// Whether a probe opened it only to measure something beside: it has no verdict and counts nowhere.
    pub fn is_control(&self) -> bool {
        matches!(&self.subject, Subject::Connection(record) if record.role == "control")
    }

    /// Whether it did not do what was wanted, or at a cost.
    pub fn is_bad(&self) -> bool {
        matches!(self.outcome(), "failed" | "degraded") && !self.is_control()
    }

    /// Whether a server refused it on purpose.
    pub fn is_policy(&self) -> bool {
        self.is_bad() && self.verdict().class == Some("policy")
    }

    /// What a probe of its server would open; `None` for a look-up.
    pub fn probe_target(&self) -> Option<ProbeTarget> {
        let Subject::Connection(record) = &self.subject else {
            return None;
        };
        Some(ProbeTarget {
            ip: record.server.ip.parse().ok()?,
            port: record.server.port,
            service: record.service,
            name: record.server.name.known().cloned(),
        })
    }

    /// Whether it is open as far as is known: its record is to be replaced.
    pub fn is_open(&self) -> bool {
        !self.verdict().is_final
    }

    /// What the state is called in the list and in filters.
    pub fn state(&self) -> &'static str {
        match (self.outcome(), self.is_open()) {
            ("incomplete", true) => "open",
            (outcome, _) => outcome,
        }
    }

    /// The client's address.
    pub fn client_ip(&self) -> &str {
        match &self.subject {
            Subject::Connection(record) => &record.client.ip,
            Subject::Lookup(record) => &record.client,
        }
    }

    /// The server's or resolver's address.
    pub fn server_ip(&self) -> &str {
        match &self.subject {
            Subject::Connection(record) => &record.server.ip,
            Subject::Lookup(record) => &record.resolver,
        }
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        match &self.subject {
            Subject::Connection(record) => record.server.port,
            Subject::Lookup(_) => 53,
        }
    }

    /// The server's name, or the name that was looked up.
    pub fn name(&self) -> Option<&Foreign> {
        match &self.subject {
            Subject::Connection(record) => record.server.name.known(),
            Subject::Lookup(record) => Some(&record.name),
        }
    }

    /// What was wanted: name or address with the port, or the question.
    pub fn target(&self) -> String {
        match &self.subject {
            Subject::Connection(record) => match record.server.name.known() {
                Some(name) => format!("{name}:{}", record.server.port),
                None => endpoint(&record.server.ip, record.server.port),
            },
            Subject::Lookup(record) => format!("{} {}", record.name, record.kind),
        }
    }

    /// What it is folded under by server.
    pub fn server_group(&self) -> String {
        match &self.subject {
            Subject::Connection(_) => self.target(),
            Subject::Lookup(record) => format!("resolver {}", record.resolver),
        }
    }

    /// `smtp`, `imap` …, `dns`.
    pub fn service(&self) -> &'static str {
        match &self.subject {
            Subject::Connection(record) => record.service,
            Subject::Lookup(_) => "dns",
        }
    }

    /// First frame.
    pub fn started(&self) -> Timestamp {
        match &self.subject {
            Subject::Connection(record) => record.started.0,
            Subject::Lookup(record) => record.started.0,
        }
    }

    /// Last frame.
    pub fn ended(&self) -> Timestamp {
        match &self.subject {
            Subject::Connection(record) => record.ended.0,
            Subject::Lookup(record) => {
                let took = record.rtt_ms.unwrap_or(0.0) * 1e6;
                record.started.0.plus(took as i64)
            }
        }
    }

    /// When it died: the verdict's time, else the end.
    pub fn died(&self) -> Timestamp {
        self.verdict().time.map_or(self.ended(), |moment| moment.0)
    }

    /// The attempt it belongs to; `None` while that is not known.
    pub fn attempt(&self) -> Option<u64> {
        match &self.subject {
            Subject::Connection(record) => record.attempt,
            Subject::Lookup(record) => record.attempt,
        }
    }

    /// The short ladder.
    pub fn beads(&self) -> [Bead; RUNGS.len()] {
        match &self.subject {
            Subject::Connection(record) => self.connection_beads(record),
            Subject::Lookup(_) => {
                let mut beads = [Bead::Blank; RUNGS.len()];
                beads[0] = match self.outcome() {
                    "failed" => Bead::Died,
                    "incomplete" if self.is_open() => Bead::Going,
                    "incomplete" => Bead::Unseen,
                    _ => Bead::Reached,
                };
                beads
            }
        }
    }

    fn connection_beads(&self, record: &ConnectionRecord) -> [Bead; RUNGS.len()] {
        RUNGS.map(|(name, stages)| {
            let reached = |stage: &&str| record.reached.contains(stage);
            // A route that was found says nothing of a look-up: that one may never have been made here.
            let there = match name {
                "dns" => reached(&"dns"),
                _ => stages.iter().any(reached),
            };
            let ends_here = stages.contains(&record.stage) && record.stage != "done";
            match record.outcome {
                "failed" if ends_here => Bead::Died,
                "incomplete" if ends_here && self.is_open() => Bead::Going,
                "incomplete" if ends_here => Bead::Unseen,
                _ if there => Bead::Reached,
                _ => Bead::Blank,
            }
        })
    }

    /// Bytes that the row takes, about.
    pub fn cost(&self) -> usize {
        const FIXED: usize = 1_200;
        let verdict = |verdict: &VerdictInfo| {
            let texts: usize = verdict
                .evidence
                .iter()
                .map(|piece| piece.text.len() + 64)
                .sum();
            let advice: usize = verdict.advice.iter().map(|text| text.len() + 24).sum();
            verdict.summary.len() + texts + advice
        };
        match &self.subject {
            Subject::Connection(record) => {
                let lines = record.mail.as_ref().map_or(0, |mail| {
                    let said: usize = mail
                        .transcript
                        .iter()
                        .map(|line| line.text.as_str().len() + 56)
                        .sum();
                    said + mail
                        .capabilities
                        .iter()
                        .map(|text| text.as_str().len() + 16)
                        .sum::<usize>()
                });
                let tls = record
                    .tls
                    .as_ref()
                    .map_or(0, |tls| 400 + 400 * tls.certificates.len());
                let findings: usize = record.findings.iter().map(|f| 200 + verdict(f)).sum();
                FIXED + lines + tls + findings + verdict(&record.verdict)
            }
            Subject::Lookup(record) => {
                FIXED / 2
                    + 40 * record.answers.len()
                    + 8 * record.frames.len()
                    + verdict(&record.verdict)
            }
        }
    }
}
