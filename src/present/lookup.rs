//! A look-up in words.

use super::block::{Block, alternatives, evidence, findings, frames, headline, sureness};
use super::clock::{Clock, duration};
use super::wireshark;
use crate::engine::record::LookupRecord;

/// Answers named.
const ANSWERS: usize = 8;

/// Says what there is to say of a look-up.
pub fn lookup(record: &LookupRecord, clock: &Clock) -> Block {
    let mut shown = frames(&record.verdict, record.source);
    shown.extend(&record.frames);
    Block {
        id: format!("look-up {}", record.id),
        outcome: record.outcome,
        code: record.verdict.code,
        class: record.verdict.class,
        target: format!("{} {}", record.name, record.kind),
        title: headline(&record.verdict),
        client: record.client.clone(),
        server: format!("{} port 53/{}", record.resolver, record.transport),
        when: match record.rtt_ms {
            Some(rtt) => format!(
                "{} +{}",
                clock.absolute(record.started.0),
                duration((rtt * 1e6) as i64)
            ),
            None => format!("{} no answer", clock.absolute(record.started.0)),
        },
        notes: notes(record),
        rungs: Vec::new(),
        summary: record.verdict.summary.clone(),
        evidence: evidence(&record.verdict, record.started.0),
        findings: findings(&record.findings),
        sure: sureness(&record.verdict),
        alternatives: alternatives(&record.verdict),
        advice: record.verdict.advice.clone(),
        look: wireshark::dns(
            &record.client,
            &record.resolver,
            record.name.as_str(),
            &shown,
        ),
        transcript: Vec::new(),
    }
}

fn notes(record: &LookupRecord) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(record.rcode.clone());
    if record.tries > 1 {
        notes.push(format!("{} tries", record.tries));
    }
    if !record.answers.is_empty() {
        let names: Vec<&str> = record
            .answers
            .iter()
            .take(ANSWERS)
            .map(|a| a.as_str())
            .collect();
        let more = record.answers.len().saturating_sub(names.len());
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        notes.push(format!("answered {}{rest}", names.join(", ")));
    }
    notes
}
