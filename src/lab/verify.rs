//! The truth against the report: the one matcher.
//!
//! It exists so that captures and live runs are held to the same truth in the same way. It refuses to be lenient: a
//! connection or look-up that the truth does not speak of is a mismatch, and every mismatch is said in words.

mod death;
mod lossy;
mod probe;

use std::fmt;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::LabError;
use super::record::{Frame, Recording};
use super::truth::{ConnectionTruth, Death, LookupTruth, Outcome, Place, Truth};
use crate::capture::{CaptureReader, Input as File, OpenError};
use crate::engine::record::{ConnectionRecord, LookupRecord, Record, VerdictInfo};
use crate::engine::{Config, Engine};
use death::Timeline;

pub use lossy::verify_lossy;
pub use probe::{expected, verify_probe};

/// One way in which a report differs from the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What it is about: a connection, a look-up, the report.
    pub subject: String,
    /// What is there and what should be.
    pub text: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.text)
    }
}

/// Replays a recording through the engine, by way of the file that it would be.
pub fn replay(recording: &Recording) -> Result<Vec<Record>, LabError> {
    let file = recording
        .pcapng()
        .map_err(LabError::when("write a recording"))?;
    let reader = CaptureReader::from_reader("lab", Box::new(Cursor::new(file)));
    let mut reader = reader.map_err(|error| LabError::Nonsense(error.to_string()))?;
    let mut records = Vec::new();
    let mut keep = |record| records.push(record);
    let mut engine = Engine::new(Config {
        roots: Arc::new(anchors(&recording.roots)?),
        ..Config::default()
    });
    let source = engine.open_source("lab", reader.name().clone(), Some("pcapng"));
    while let Some(frame) = reader.next_frame() {
        engine.frame(&frame.of(source), &mut keep);
    }
    engine.close_source(source, reader.summary().end(), &mut keep);
    engine.finish(&mut keep);
    Ok(records)
}

/// The certificates of a PEM text, as DER.
///
/// # Errors
/// When one of them is none.
pub fn anchors(pem: &str) -> Result<Vec<Vec<u8>>, LabError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|one| one.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| LabError::Nonsense(format!("these trust anchors are no PEM: {error}")))
}

/// The frames of a capture that was recorded from the lab.
pub fn frames(path: &Path) -> Result<Vec<Frame>, OpenError> {
    let mut reader = CaptureReader::open(&File::Path(path.to_owned()))?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame() {
        frames.push(Frame {
            time: frame.time,
            bytes: frame.data.to_vec(),
            length: frame.original_len,
        });
    }
    Ok(frames)
}

/// Every way in which the report on these frames differs from the truth.
pub fn verify(truth: &Truth, frames: &[Frame], records: &[Record]) -> Vec<Mismatch> {
    let timeline = Timeline::new(frames);
    let mut found = Vec::new();
    connections(truth, &timeline, records, &mut found);
    lookups(truth, &timeline, records, &mut found);
    report(truth, records, &mut found);
    found
}

fn connections(truth: &Truth, timeline: &Timeline, records: &[Record], found: &mut Vec<Mismatch>) {
    let mut seen: Vec<&ConnectionRecord> = records
        .iter()
        .filter_map(|record| match record {
            Record::Connection(connection) if connection.role == "target" => Some(&**connection),
            _ => None,
        })
        .collect();
    seen.sort_by_key(|connection| (connection.started, connection.id));
    let mut counts = vec![0usize; truth.connection.len()];
    for connection in &seen {
        let subject = format!(
            "{} {}:{} → {}:{}",
            connection.service,
            connection.client.ip,
            connection.client.port,
            connection.server.ip,
            connection.server.port
        );
        let entry = truth.connection.iter().position(|entry| {
            fits(entry, connection) && {
                let of_its_kind = seen.iter().filter(|other| fits(entry, other));
                let place = of_its_kind
                    .take_while(|other| other.id != connection.id)
                    .count();
                entry.nth.is_none_or(|nth| nth == place + 1)
            }
        });
        let Some((entry, count)) =
            entry.and_then(|at| truth.connection.get(at).zip(counts.get_mut(at)))
        else {
            let text = format!(
                "{} {}, and the truth does not know it",
                connection.outcome, connection.verdict.code
            );
            found.push(Mismatch { subject, text });
            continue;
        };
        *count += 1;
        let mut differ = Differ::new(subject, found);
        let expected = Expected {
            outcome: entry.outcome,
            code: &entry.code,
            or: &entry.or,
            place: entry.place,
            findings: &entry.findings,
        };
        differ.judgement(
            &expected,
            connection.outcome,
            &connection.verdict,
            &connection.findings,
        );
        differ.hop("hop", entry.hop, connection.verdict.at.hop);
        differ.hop(
            "after_hop",
            entry.after_hop,
            connection.verdict.at.after_hop,
        );
        if let Some(intent) = &entry.intent
            && connection.intent != Some(intent.as_str())
        {
            differ.say(format!(
                "intent is {:?}, should be {intent:?}",
                connection.intent
            ));
        }
        if let Some(most) = entry.at_most
            && connection.verdict.confidence > most
        {
            differ.say(format!(
                "confidence is {}, should be at most {most}",
                connection.verdict.confidence
            ));
        }
        if let Some(death) = entry.death {
            differ.death(
                death,
                &timeline.of_connection(connection),
                &connection.verdict,
            );
        }
    }
    for (entry, seen) in truth.connection.iter().zip(counts) {
        count(
            &format!(
                "connections that are {} {}",
                entry.outcome.name(),
                entry.code
            ),
            entry.count,
            seen,
            found,
        );
    }
}

fn fits(entry: &ConnectionTruth, connection: &ConnectionRecord) -> bool {
    entry
        .service
        .as_ref()
        .is_none_or(|service| *service == connection.service)
        && entry.port.is_none_or(|port| port == connection.server.port)
        && entry
            .server
            .is_none_or(|server| server.to_string() == connection.server.ip)
}

fn lookups(truth: &Truth, timeline: &Timeline, records: &[Record], found: &mut Vec<Mismatch>) {
    let mut counts = vec![0usize; truth.lookup.len()];
    for record in records {
        let Record::Lookup(lookup) = record else {
            continue;
        };
        let subject = format!(
            "look-up {} {} {} → {}",
            lookup.name, lookup.kind, lookup.client, lookup.resolver
        );
        let entry = truth.lookup.iter().position(|entry| asks(entry, lookup));
        let Some((entry, count)) =
            entry.and_then(|at| truth.lookup.get(at).zip(counts.get_mut(at)))
        else {
            let text = format!(
                "{} {}, and the truth does not know it",
                lookup.outcome, lookup.verdict.code
            );
            found.push(Mismatch { subject, text });
            continue;
        };
        *count += 1;
        let mut differ = Differ::new(subject, found);
        let expected = Expected {
            outcome: entry.outcome,
            code: &entry.code,
            or: &entry.or,
            place: entry.place,
            findings: &entry.findings,
        };
        differ.judgement(&expected, lookup.outcome, &lookup.verdict, &lookup.findings);
        if let Some(death) = entry.death {
            differ.death(death, &timeline.of_lookup(lookup), &lookup.verdict);
        }
    }
    for (entry, seen) in truth.lookup.iter().zip(counts) {
        count(
            &format!("look-ups that are {} {}", entry.outcome.name(), entry.code),
            entry.count,
            seen,
            found,
        );
    }
}

fn asks(entry: &LookupTruth, lookup: &LookupRecord) -> bool {
    entry
        .name
        .as_ref()
        .is_none_or(|name| name.eq_ignore_ascii_case(lookup.name.as_str()))
        && entry.kind.as_ref().is_none_or(|kind| *kind == lookup.kind)
        && entry
            .resolver
            .is_none_or(|resolver| resolver.to_string() == lookup.resolver)
}

fn count(what: &str, wanted: Option<usize>, seen: usize, found: &mut Vec<Mismatch>) {
    let text = match wanted {
        None if seen == 0 => format!("there should be {what}, and there are none"),
        Some(wanted) if wanted != seen => {
            format!("there should be {wanted} {what}, and there are {seen}")
        }
        _ => return,
    };
    let subject = "the report".to_owned();
    found.push(Mismatch { subject, text });
}

/// What the report says as a whole: root causes, its own findings, and what it must not say at all.
fn report(truth: &Truth, records: &[Record], found: &mut Vec<Mismatch>) {
    let mut differ = Differ::new("the report".to_owned(), found);
    let mut said: Vec<(&'static str, &'static str)> = Vec::new();
    let mut causes = Vec::new();
    let mut own = Vec::new();
    for record in records {
        match record {
            Record::Connection(connection) => {
                said.push(("a connection's verdict", connection.verdict.code));
                let findings = connection.findings.iter();
                said.extend(findings.map(|finding| ("a connection's finding", finding.code)));
            }
            Record::Lookup(lookup) => {
                said.push(("a look-up's verdict", lookup.verdict.code));
                let findings = lookup.findings.iter();
                said.extend(findings.map(|finding| ("a look-up's finding", finding.code)));
            }
            Record::Attempt(attempt) => said.push(("an attempt's verdict", attempt.verdict.code)),
            Record::Finding(finding) => own.push(finding.verdict.code),
            Record::Summary(summary) => {
                causes.extend(summary.root_causes.iter().map(|cause| cause.code));
            }
            Record::Source(_) | Record::Path(_) => {}
        }
    }
    said.extend(own.iter().map(|code| ("a finding of the report", *code)));
    said.extend(causes.iter().map(|code| ("a root cause", *code)));
    for (role, code) in said {
        if truth.never.iter().any(|never| never == code) {
            differ.say(format!("{code} is {role}, and must never be"));
        }
    }
    for wanted in &truth.findings {
        if !own.contains(&wanted.as_str()) {
            differ.say(format!(
                "the finding {wanted} is missing; there are {own:?}"
            ));
        }
    }
    if let Some(wanted) = &truth.root_causes {
        let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        causes.sort_unstable();
        if wanted != causes {
            differ.say(format!("root causes are {causes:?}, should be {wanted:?}"));
        }
    }
}

struct Expected<'a> {
    outcome: Outcome,
    code: &'a str,
    or: &'a [String],
    place: Option<Place>,
    findings: &'a [String],
}

struct Differ<'a> {
    subject: String,
    found: &'a mut Vec<Mismatch>,
}

impl<'a> Differ<'a> {
    fn new(subject: String, found: &'a mut Vec<Mismatch>) -> Differ<'a> {
        Differ { subject, found }
    }

    fn say(&mut self, text: String) {
        let subject = self.subject.clone();
        self.found.push(Mismatch { subject, text });
    }

    fn judgement(
        &mut self,
        expected: &Expected<'_>,
        outcome: &str,
        verdict: &VerdictInfo,
        findings: &[VerdictInfo],
    ) {
        let also = expected.or.iter().any(|code| code == verdict.code);
        // Another right code has an outcome of its own.
        let wanted = match verdict.code {
            "ok" if also => Outcome::Healthy.name(),
            "unknown" if also => Outcome::Incomplete.name(),
            _ if also && expected.outcome == Outcome::Healthy => Outcome::Degraded.name(),
            _ => expected.outcome.name(),
        };
        if (verdict.code != expected.code && !also) || outcome != wanted {
            self.say(format!(
                "is {outcome} {} (frame {}, {}: {}), should be {wanted} {}",
                verdict.code,
                verdict.frame.map_or("none".to_owned(), |n| n.to_string()),
                verdict.confidence,
                verdict.summary,
                expected.code
            ));
        }
        if let Some(place) = expected.place
            && place.name() != verdict.at.place
        {
            self.say(format!(
                "where is {}, should be {}",
                verdict.at.place,
                place.name()
            ));
        }
        for code in expected.findings {
            if !findings.iter().any(|finding| finding.code == code) {
                let there: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
                self.say(format!(
                    "the finding {code} is missing; there are {there:?}"
                ));
            }
        }
    }

    fn hop(&mut self, what: &str, wanted: Option<u32>, seen: Option<u8>) {
        if wanted.is_some() && wanted != seen.map(u32::from) {
            self.say(format!("{what} is {seen:?}, should be {wanted:?}"));
        }
    }

    fn death(&mut self, death: Death, flow: &death::Flow<'_>, verdict: &VerdictInfo) {
        let wanted = flow.frames(death);
        if wanted.is_empty() {
            self.say(format!("there is no frame that could be {death:?}"));
        } else if !verdict.frame.is_some_and(|frame| wanted.contains(&frame)) {
            self.say(format!(
                "the verdict's frame is {:?}, should be {death:?}, {wanted:?}",
                verdict.frame
            ));
        }
    }
}

#[cfg(test)]
mod tests;
