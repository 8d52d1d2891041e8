//! The pieces that every record is made of: moments, verdicts, evidence.

use serde::{Serialize, Serializer};

use crate::base::{Nanos, SECOND, Timestamp, ip_text};
use crate::diagnosis::{Alternative, At, Evidence, Verdict};

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

/// The two digits of each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The digits of a number below a hundred, of a higher one the last two.
#[inline]
pub fn two_digits(number: u32) -> [u8; 2] {
    PAIRS
        .get((number % 100) as usize)
        .copied()
        .unwrap_or_default()
}

/// How a moment looks, in quotes.
const FORM: [u8; 32] = *b"\"0000-00-00T00:00:00.000000000Z\"";

impl Moment {
    /// Its text in quotes, which has the same length for every moment.
    pub fn quoted(self) -> [u8; 32] {
        let nanos = self.0.0;
        let (days, within) = (nanos.div_euclid(DAY), nanos.rem_euclid(DAY));
        let (year, month, day) = date(days);
        // All are less than 2^32: a day's seconds, a second's nanoseconds, a year of four digits.
        let (seconds, nanos) = ((within / SECOND) as u32, (within % SECOND) as u32);
        let (year, month, day) = (year as u32, month as u32, day as u32);
        let mut text = FORM;
        let pairs = [
            (1, year / 100),
            (3, year),
            (6, month),
            (9, day),
            (12, seconds / 3_600),
            (15, seconds / 60 % 60),
            (18, seconds % 60),
            (21, nanos / 10_000_000),
            (23, nanos / 100_000),
            (25, nanos / 1_000),
            (27, nanos / 10),
            // Its second digit only; the first one is the one before.
            (28, nanos),
        ];
        for (at, number) in pairs {
            if let Some(place) = text.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *place = two_digits(number);
            }
        }
        text
    }

    /// Its text.
    pub fn text(self) -> [u8; 30] {
        let [_, text @ .., _] = self.quoted();
        text
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

/// What is left to alternatives that say they are so likely, beside a verdict that is so sure: at most one cause is the true one, so that
/// all of them together are no likelier than that the verdict is wrong. Where they say more, each gives way by the same share.
fn shares(verdict: f32, alternatives: &[Alternative]) -> Vec<f64> {
    let hundredths = |confidence: f32| (f64::from(confidence) * 100.0).round();
    let said = || alternatives.iter().map(|one| hundredths(one.confidence));
    let (room, all) = ((100.0 - hundredths(verdict)).max(0.0), said().sum::<f64>());
    let share = |one: f64| match all > room {
        true => (one * room / all).floor() / 100.0,
        false => one / 100.0,
    };
    said().map(share).collect()
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
        let shares = shares(verdict.confidence, &alternatives);
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
                .zip(shares)
                .map(|(alternative, confidence)| AlternativeInfo {
                    code: alternative.code.name(),
                    confidence,
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

    #[test]
    fn causes_that_exclude_each_other_share_one_certainty() {
        let of = |verdict: f32, said: &[f32]| {
            let alternatives: Vec<crate::diagnosis::Alternative> = said
                .iter()
                .map(|confidence| crate::diagnosis::Alternative {
                    code: crate::diagnosis::Code::Unknown,
                    confidence: *confidence,
                    told_apart_by: String::new(),
                })
                .collect();
            super::shares(verdict, &alternatives)
        };
        assert_eq!(of(0.95, &[0.1]), [0.05]);
        assert_eq!(of(0.9, &[0.08, 0.1]), [0.04, 0.05]);
        assert_eq!(of(0.9, &[0.1]), [0.1]);
        assert_eq!(of(0.0, &[0.3]), [0.3]);
        assert_eq!(of(1.0, &[0.3]), [0.0]);
    }
}
