//! The pieces that every record is made of: moments, verdicts, evidence.

use serde::{Serialize, Serializer};

use crate::base::{Nanos, SECOND, Timestamp, ip_text};
use crate::diagnosis::{At, Evidence, Verdict};

const DAY: Nanos = 86_400 * SECOND;

/// Year, month and day of a number of days after 1970-01-01, in the proleptic Gregorian calendar: years that begin in March
/// have their leap day last (H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let from_march = days + 719_468;
    let (era, day) = (from_march.div_euclid(ERA), from_march.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let january = month >= 10;
    let month = if january { month - 9 } else { month + 3 };
    (year + era * 400 + i64::from(january), month, day)
}

/// A point in time, RFC 3339 in UTC with nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl Moment {
    /// Its text, which has the same length for every moment.
    pub fn text(self) -> [u8; 30] {
        let nanos = self.0.0;
        let (days, within) = (nanos.div_euclid(DAY), nanos.rem_euclid(DAY));
        let (year, month, day) = date(days);
        // All are less than 2^32: a day's seconds, a second's nanoseconds, a year of four digits.
        let (seconds, nanos) = ((within / SECOND) as u32, (within % SECOND) as u32);
        let (year, month, day) = (year as u32, month as u32, day as u32);
        let digit = |value: u32| b'0' + (value % 10) as u8;
        let two = |value: u32| [digit(value / 10), digit(value)];
        let [year_first, year_last] = [two(year / 100), two(year)];
        let (month, day) = (two(month), two(day));
        let (hour, minute, second) = (
            two(seconds / 3_600),
            two(seconds / 60 % 60),
            two(seconds % 60),
        );
        let [n1, n3, n5, n7] = [10_000_000, 100_000, 1_000, 10].map(|unit| two(nanos / unit));
        [
            year_first[0],
            year_first[1],
            year_last[0],
            year_last[1],
            b'-',
            month[0],
            month[1],
            b'-',
            day[0],
            day[1],
            b'T',
            hour[0],
            hour[1],
            b':',
            minute[0],
            minute[1],
            b':',
            second[0],
            second[1],
            b'.',
            n1[0],
            n1[1],
            n3[0],
            n3[1],
            n5[0],
            n5[1],
            n7[0],
            n7[1],
            digit(nanos),
            b'Z',
        ]
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
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

impl From<Evidence> for EvidenceInfo {
    fn from(evidence: Evidence) -> EvidenceInfo {
        let frame = evidence.proof.frame();
        EvidenceInfo {
            source: frame.map(|frame| frame.source().0),
            frame: frame.map(|frame| frame.number()),
            text: evidence.text,
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

/// Made of each, into a list with room for just these: made in the place of the old list, as `collect` does it, each would be moved twice.
fn all(evidence: Vec<Evidence>) -> Vec<EvidenceInfo> {
    let mut list = Vec::with_capacity(evidence.len());
    list.extend(evidence.into_iter().map(EvidenceInfo::from));
    list
}

impl VerdictInfo {
    /// What is printed of a verdict. Takes its words and evidence with it; the code and all numbers stay.
    pub fn taking(verdict: &mut Verdict) -> VerdictInfo {
        let evidence = std::mem::take(&mut verdict.evidence);
        let alternatives = std::mem::take(&mut verdict.alternatives);
        VerdictInfo {
            code: verdict.code.name(),
            class: verdict.class.name(),
            confidence: rounded(verdict.confidence),
            is_final: verdict.is_final,
            at: AtInfo::from(&verdict.at),
            frame: verdict.frame.map(|frame| frame.number()),
            time: verdict.time.map(Moment),
            summary: std::mem::take(&mut verdict.summary),
            evidence: all(evidence),
            advice: std::mem::take(&mut verdict.advice),
            alternatives: alternatives
                .into_iter()
                .map(|alternative| AlternativeInfo {
                    code: alternative.code.name(),
                    confidence: rounded(alternative.confidence),
                    told_apart_by: alternative.told_apart_by,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
impl VerdictInfo {
    /// A verdict of tests about what is made of verdicts: a fault of the network, final, its code for words.
    pub fn plain(code: &'static str, place: &'static str, address: Option<&str>) -> VerdictInfo {
        VerdictInfo {
            code,
            class: Some("network"),
            confidence: 0.9,
            is_final: true,
            at: AtInfo {
                place,
                address: address.map(str::to_owned),
                hop: None,
                after_hop: None,
            },
            frame: None,
            time: None,
            summary: code.to_owned(),
            evidence: Vec::new(),
            advice: Vec::new(),
            alternatives: Vec::new(),
        }
    }
}

impl From<Verdict> for VerdictInfo {
    fn from(mut verdict: Verdict) -> VerdictInfo {
        VerdictInfo::taking(&mut verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, Moment};
    use crate::base::Timestamp;

    #[test]
    fn moments_are_as_the_calendar_has_them() {
        let step = DAY / 3 * 2 + 7_654_321_987;
        let ends = [i64::MIN, i64::MAX, 0, -1, 1_764_115_199_999_999_999];
        let all = (0..).map_while(|n: i64| i64::MIN.checked_add(n.checked_mul(step)?));
        for nanos in all.chain(ends) {
            let known = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            assert_eq!(Moment(Timestamp(nanos)).to_string(), format!("{known:.9}"));
        }
    }
}
