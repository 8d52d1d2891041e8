//! Root causes, sources and counts in words.

use super::block::Aside;
use super::clock::Clock;
use super::page::title;
use super::{counted, thousands};
use crate::engine::record::{AtInfo, RootCause, SourceRecord, Summary};

/// A root cause in words.
#[derive(Clone, Debug)]
pub struct CauseLines {
    /// The code and the sentence.
    pub cause: Aside,
    /// Its class.
    pub class: Option<&'static str>,
    /// The cause in a few words.
    pub title: String,
    /// How many attempts it cost, and where it is.
    pub reach: String,
    /// What to do.
    pub advice: Vec<String>,
}

/// Says what there is to say of a root cause.
pub fn cause(cause: &RootCause) -> CauseLines {
    let mut reach = Vec::new();
    if cause.attempts > 0 {
        reach.push(counted(cause.attempts, "attempt", "attempts"));
    }
    reach.extend(place(&cause.at));
    CauseLines {
        cause: Aside {
            code: cause.code,
            text: cause.text.clone(),
        },
        class: cause.class,
        title: title(cause.code).to_owned(),
        reach: reach.join(", "),
        advice: cause.advice.clone(),
    }
}

/// Whose doing it is and where, as far as it is known: `network, after hop 6 (203.0.113.1)`.
pub fn place(at: &AtInfo) -> Option<String> {
    let mut text = match at.place {
        "unknown" => String::new(),
        "network" => "in the network".to_owned(),
        place => format!("at the {place}"),
    };
    if let Some(hop) = at.hop {
        text.push_str(&format!(", hop {hop}"));
    }
    if let Some(hop) = at.after_hop {
        text.push_str(&format!(", after hop {hop}"));
    }
    if let Some(address) = &at.address {
        text.push_str(&format!(" ({address})"));
    }
    let text = text.trim_start_matches([',', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

/// The counts of a run in one sentence.
pub fn counts(summary: &Summary) -> String {
    let mut parts = Vec::new();
    let healthy = match summary.checks {
        0 => format!("{} healthy", thousands(summary.healthy)),
        checks => format!(
            "{} healthy (connections that were only checks: {})",
            thousands(summary.healthy),
            thousands(checks)
        ),
    };
    parts.push(healthy);
    for (count, name) in [
        (summary.degraded, "degraded"),
        (summary.failed, "failed"),
        (summary.incomplete, "incomplete"),
    ] {
        if count > 0 {
            parts.push(format!("{} {name}", thousands(count)));
        }
    }
    let mut text = format!(
        "{} with {}: {}",
        counted(summary.attempts, "attempt", "attempts"),
        counted(summary.connections, "connection", "connections"),
        parts.join(", ")
    );
    if summary.other > 0 {
        text.push_str(&format!(
            "; {} not mail (--all shows {})",
            thousands(summary.other),
            if summary.other == 1 { "it" } else { "them" }
        ));
    }
    text
}

/// A source in one sentence.
pub fn source_line(source: &SourceRecord, clock: &Clock) -> String {
    if let (None, Some(damage)) = (source.format, &source.damage) {
        return format!("{}: {damage}", source.name);
    }
    let mut text = format!(
        "{}: {}",
        source.name,
        counted(source.packets, "frame", "frames")
    );
    if let (Some(first), Some(last)) = (source.first, source.last) {
        let span = super::block::span(clock, first.0, last.0);
        // A time is one word.
        text.push_str(&format!(", {}", span.replace(' ', "\u{a0}")));
    }
    if source.dropped > 0 {
        text.push_str(&format!(
            "; the capture says that it lost {}",
            counted(source.dropped, "frame", "frames")
        ));
    }
    if let Some(damage) = &source.damage {
        text.push_str(&format!("; damaged: {damage}"));
    }
    text
}

/// What the reader has to know of how a source was measured, a sentence each.
pub fn source_notes(source: &SourceRecord) -> impl Iterator<Item = String> {
    source.notes.iter().map(|note| format!("note: {note}"))
}
