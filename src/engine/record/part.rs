//! The pieces that every record is made of: moments, verdicts, evidence.

use serde::{Serialize, Serializer};

use crate::base::{Nanos, Timestamp, ip_text};
use crate::diagnosis::{At, Evidence, Verdict};

/// A point in time, RFC 3339 in UTC with nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0.0)) {
            Ok(time) => write!(f, "{time:.9}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999999999Z"),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A duration in milliseconds with microsecond precision.
pub fn millis(nanos: Nanos) -> f64 {
    (nanos as f64 / 1e3).round() / 1e3
}

/// `{"code": …}` alone.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct CodeOnly {
    /// The code.
    pub code: &'static str,
}

/// Where the culprit is.
#[derive(Clone, Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct AtInfo {
    /// Whose doing.
    #[serde(rename = "where")]
    pub place: &'static str,
    /// The culprit's address.
    pub address: Option<String>,
    /// Its distance.
    pub hop: Option<u8>,
    /// The last TTL that still got through.
    pub after_hop: Option<u8>,
}

impl From<&At> for AtInfo {
    fn from(at: &At) -> AtInfo {
        AtInfo {
            place: at.place.name(),
            address: at.address.map(ip_text),
            hop: at.hop,
            after_hop: at.after_hop,
        }
    }
}

/// A piece of evidence.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct EvidenceInfo {
    /// The source; null for a measurement of mxray's own.
    pub source: Option<u32>,
    /// The frame; null for a measurement of mxray's own.
    pub frame: Option<u64>,
    /// What it shows.
    pub text: String,
    /// When; used by faces, not printed in JSON.
    #[serde(skip)]
    pub time: Timestamp,
}

impl From<&Evidence> for EvidenceInfo {
    fn from(evidence: &Evidence) -> EvidenceInfo {
        let frame = evidence.proof.frame();
        EvidenceInfo {
            source: frame.map(|frame| frame.source.0),
            frame: frame.map(|frame| frame.number),
            text: evidence.text.clone(),
            time: evidence.proof.time(),
        }
    }
}

/// Another cause that fits.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct AlternativeInfo {
    /// Its code.
    pub code: &'static str,
    /// How likely.
    pub confidence: f64,
    /// What would tell them apart.
    pub told_apart_by: String,
}

/// A verdict or finding.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct VerdictInfo {
    /// The code.
    pub code: &'static str,
    /// Its class; null for `ok` and `unknown`.
    pub class: Option<&'static str>,
    /// How sure.
    pub confidence: f64,
    /// False while a later packet may change it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whose doing and where.
    pub at: AtInfo,
    /// The frame of death.
    pub frame: Option<u64>,
    /// Its time.
    pub time: Option<Moment>,
    /// One sentence.
    pub summary: String,
    /// What proves it.
    pub evidence: Vec<EvidenceInfo>,
    /// What to do.
    pub advice: Vec<String>,
    /// What else fits.
    pub alternatives: Vec<AlternativeInfo>,
}

fn rounded(confidence: f32) -> f64 {
    (f64::from(confidence) * 100.0).round() / 100.0
}

impl From<&Verdict> for VerdictInfo {
    fn from(verdict: &Verdict) -> VerdictInfo {
        VerdictInfo {
            code: verdict.code.name(),
            class: verdict.class.name(),
            confidence: rounded(verdict.confidence),
            is_final: verdict.is_final,
            at: AtInfo::from(&verdict.at),
            frame: verdict.frame.map(|frame| frame.number),
            time: verdict.time.map(Moment),
            summary: verdict.summary.clone(),
            evidence: verdict.evidence.iter().map(EvidenceInfo::from).collect(),
            advice: verdict.advice.clone(),
            alternatives: verdict
                .alternatives
                .iter()
                .map(|alternative| AlternativeInfo {
                    code: alternative.code.name(),
                    confidence: rounded(alternative.confidence),
                    told_apart_by: alternative.told_apart_by.clone(),
                })
                .collect(),
        }
    }
}
