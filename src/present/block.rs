//! What there is to say of one connection or look-up, piece by piece, before any face lays it out.

use super::clock::{Clock, duration};
use super::ladder::Rung;
use super::page::title;
use crate::base::Timestamp;
use crate::engine::record::VerdictInfo;

/// A connection or look-up in words.
#[derive(Clone, Debug)]
pub struct Block {
    /// `connection 3`, `look-up 1`.
    pub id: String,
    /// `healthy`, `degraded`, `failed`, `incomplete`.
    pub outcome: &'static str,
    /// The verdict's code.
    pub code: &'static str,
    /// Its class.
    pub class: Option<&'static str>,
    /// What the client wanted: a name and port, or a question.
    pub target: String,
    /// The cause in a few words, with the hop where one was measured.
    pub title: String,
    /// The client's end.
    pub client: String,
    /// The server's end.
    pub server: String,
    /// Absolute time of the first frame, and how long it went on.
    pub when: String,
    /// Service and other small facts.
    pub notes: Vec<String>,
    /// The rungs; empty for look-ups.
    pub rungs: Vec<Rung>,
    /// One sentence.
    pub summary: String,
    /// What proves it.
    pub evidence: Vec<Shown>,
    /// What else is worth saying.
    pub findings: Vec<Aside>,
    /// How sure: a number and, where it may change, why.
    pub sure: String,
    /// What else fits, and what would tell it apart.
    pub alternatives: Vec<Aside>,
    /// What to do.
    pub advice: Vec<String>,
    /// Where to look.
    pub look: Look,
    /// The dialogue.
    pub transcript: Vec<Exchange>,
}

/// A piece of evidence in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `#17`, or `measured`.
    pub frame: String,
    /// Since the first frame of the connection.
    pub after: String,
    /// What it shows.
    pub text: String,
}

/// A code and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The code.
    pub code: &'static str,
    /// The sentence.
    pub text: String,
}

/// Display filters for Wireshark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// All packets of it.
    pub filter: String,
    /// The frames that are evidence.
    pub frames: Option<String>,
}

/// A line of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// `#6`.
    pub frame: String,
    /// `client` or `server`.
    pub from: &'static str,
    /// What was said.
    pub text: String,
}

/// The cause in a few words, as its page's title has it, and where it was measured.
pub(super) fn headline(verdict: &VerdictInfo) -> String {
    let mut text = title(verdict.code).to_owned();
    if let Some(hop) = verdict.at.after_hop {
        text.push_str(&format!(" after hop {hop}"));
    } else if let Some(hop) = verdict.at.hop {
        text.push_str(&format!(" at hop {hop}"));
    }
    text
}

/// How sure a verdict is.
pub(super) fn sureness(verdict: &VerdictInfo) -> String {
    let mut text = format!("{:.2}", verdict.confidence);
    if !verdict.is_final {
        text.push_str("   its end was not seen: a late answer would change it");
    }
    text
}

pub(super) fn alternatives(verdict: &VerdictInfo) -> Vec<Aside> {
    let said = |alternative: &crate::engine::record::AlternativeInfo| Aside {
        code: alternative.code,
        text: format!(
            "{:.2}, told apart by: {}",
            alternative.confidence, alternative.told_apart_by
        ),
    };
    verdict.alternatives.iter().map(said).collect()
}

pub(super) fn findings(findings: &[VerdictInfo]) -> Vec<Aside> {
    let said = |finding: &VerdictInfo| Aside {
        code: finding.code,
        text: finding.summary.clone(),
    };
    findings.iter().map(said).collect()
}

pub(super) fn evidence(verdict: &VerdictInfo, began: Timestamp) -> Vec<Shown> {
    verdict
        .evidence
        .iter()
        .map(|piece| Shown {
            frame: match piece.frame {
                Some(frame) => format!("#{frame}"),
                None => "measured".to_owned(),
            },
            after: match piece.frame {
                Some(_) => seconds(piece.time.since(began)),
                None => String::new(),
            },
            text: piece.text.clone(),
        })
        .collect()
}

/// Seconds with milliseconds, so that a column of them can be compared.
fn seconds(nanos: i64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

/// The frames of a verdict: its own and its evidence's, of one source.
pub(super) fn frames(verdict: &VerdictInfo, source: u32) -> Vec<u64> {
    verdict
        .evidence
        .iter()
        .filter(|piece| piece.source == Some(source))
        .filter_map(|piece| piece.frame)
        .chain(verdict.frame)
        .collect()
}

/// `2026-11-23 14:03:12.345Z +7.12 s`.
pub(super) fn span(clock: &Clock, from: Timestamp, to: Timestamp) -> String {
    format!("{} +{}", clock.absolute(from), duration(to.since(from)))
}
