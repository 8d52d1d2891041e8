//! Exit codes: what a script learns from a run.
//!
//! They follow the whole run, whatever is shown of it.

use crate::diagnosis::{Class, Code};
use crate::engine::record::{AttemptRecord, Record, SourceRecord, Summary};

/// Nothing wrong.
pub const FINE: u8 = 0;
/// Something failed or was degraded.
pub const FAULT: u8 = 1;
/// Wrong usage, or nothing could be opened.
pub const USAGE: u8 = 2;
/// Not permitted.
pub const NOT_PERMITTED: u8 = 3;
/// No fault found, in evidence that cannot show that there is none.
pub const NO_EVIDENCE: u8 = 4;
/// Interrupted.
pub const INTERRUPTED: u8 = 130;

/// What counts as a failure of the run (`--fail-on`, `--tolerate-degraded`).
#[derive(Clone, Debug, Default)]
pub struct Strictness {
    /// Classes that count; empty for all.
    pub fail_on: Vec<String>,
    /// What was degraded does not count.
    pub tolerate_degraded: bool,
}

/// Watches the records of a run go by.
#[derive(Debug, Default)]
pub struct Verdicts {
    strictness: Strictness,
    /// Something counts.
    failing: bool,
    /// Something is wrong, whether it counts or not.
    fault: bool,
    damaged: bool,
    packets: u64,
    /// Codes of findings that belong to no connection or look-up.
    standing: Vec<&'static str>,
    incomplete: u64,
    complete: u64,
    /// Attempts and findings.
    judged: u64,
}

/// Codes that are root causes without an attempt.
fn stands_alone(code: &str) -> bool {
    code.starts_with("route.")
        || code.starts_with("settings.")
        || matches!(code, "path.split" | "tcp.rate-limited")
}

fn class_of(code: &str) -> Option<&'static str> {
    let known = Code::ALL.iter().find(|known| known.name() == code)?;
    known.class().name()
}

impl Verdicts {
    /// Judges by that strictness.
    pub fn new(strictness: Strictness) -> Verdicts {
        Verdicts {
            strictness,
            ..Verdicts::default()
        }
    }

    /// Takes note of a record.
    pub fn see(&mut self, record: &Record) {
        if matches!(record, Record::Attempt(_) | Record::Finding(_)) {
            self.judged = self.judged.saturating_add(1);
        }
        match record {
            Record::Attempt(attempt) => self.attempt(attempt),
            Record::Source(source) => self.source(source),
            Record::Finding(finding) => {
                if stands_alone(finding.verdict.code) && self.standing.len() < Code::ALL.len() {
                    self.standing.push(finding.verdict.code);
                }
            }
            Record::Summary(summary) => self.summary(summary),
            Record::Lookup(_) | Record::Connection(_) | Record::Path(_) => {}
        }
    }

    fn counts(&self, class: Option<&str>) -> bool {
        let wanted = &self.strictness.fail_on;
        wanted.is_empty() || class.is_some_and(|class| wanted.iter().any(|one| one == class))
    }

    fn attempt(&mut self, attempt: &AttemptRecord) {
        match attempt.outcome {
            "failed" | "degraded" => {
                self.complete = self.complete.saturating_add(1);
                self.fault = true;
                let tolerated = attempt.outcome == "degraded" && self.strictness.tolerate_degraded;
                self.failing |= !tolerated
                    && (self.strictness.fail_on.is_empty()
                        || self.counts(class_of(attempt.verdict.code)));
            }
            "incomplete" => self.incomplete = self.incomplete.saturating_add(1),
            _ => self.complete = self.complete.saturating_add(1),
        }
    }

    fn source(&mut self, source: &SourceRecord) {
        self.damaged |= source.damage.is_some();
        self.packets = self.packets.saturating_add(source.packets);
    }

    fn summary(&mut self, summary: &Summary) {
        for cause in &summary.root_causes {
            self.fault = true;
            // With --tolerate-degraded a cause counts by the attempts that failed of it, or by standing alone.
            let stands = !self.strictness.tolerate_degraded || self.standing.contains(&cause.code);
            self.failing |= stands && self.counts(cause.class.or(Class::None.name()));
        }
    }

    /// The exit code of a probe that came to its end; `left` are targets of which nothing was measured: that is no proof of health.
    pub fn code_of_probe(&self, left: &[String]) -> u8 {
        match self.code() {
            FINE if !left.is_empty() && !self.fault => {
                super::aside::say(&format_args!("not measured: {}", left.join(", ")));
                NO_EVIDENCE
            }
            FINE if self.judged == 0 => {
                super::aside::say(&"not measured: neither a look-up nor a connection was seen");
                NO_EVIDENCE
            }
            code => code,
        }
    }

    /// The exit code of a run that came to its end.
    pub fn code(&self) -> u8 {
        if self.failing {
            FAULT
        } else if self.fault {
            FINE
        } else if self.damaged || self.packets == 0 || self.incomplete > 0 && self.complete == 0 {
            NO_EVIDENCE
        } else {
            FINE
        }
    }
}
