//! The text form of a measurement: what stands in a custom block of a probe's own capture, so that a replay judges alike.
//!
//! A capture may come from anybody: every text is made harmless and every list is bounded.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{About, Measured, Settles};
use crate::base::{Foreign, Timestamp};
use crate::diagnosis::verdict::{Claim, Proof, Weight};
use crate::diagnosis::{At, Code, Where};
use crate::proto::Service;

/// Bytes of one measurement's text at the most.
pub const LONGEST: usize = 60_000;
/// Pieces of evidence, advice or alternatives that are read of one measurement.
const PIECES: usize = 64;

impl Settles {
    /// As it is written.
    fn number(self) -> u8 {
        match self {
            Settles::Finding => 0,
            Settles::Verdict => 1,
            Settles::Session => 2,
            Settles::Doubt => 3,
            Settles::Cause => 4,
            Settles::Limit => 5,
        }
    }

    /// What is written; the weakest where that is unknown.
    fn of_number(number: u8) -> Settles {
        match number {
            1 => Settles::Verdict,
            2 => Settles::Session,
            3 => Settles::Doubt,
            4 => Settles::Cause,
            5 => Settles::Limit,
            _ => Settles::Finding,
        }
    }
}

/// The text form: what stands in a custom block.
#[derive(Serialize, Deserialize)]
struct Written {
    about: WrittenAbout,
    settles: u8,
    code: String,
    weight: u8,
    place: String,
    address: Option<IpAddr>,
    hop: Option<u8>,
    after_hop: Option<u8>,
    time: i64,
    since: i64,
    confidence: f32,
    provisional: bool,
    summary: String,
    evidence: Vec<(i64, String)>,
    advice: Vec<String>,
    alternatives: Vec<(String, f32, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenAbout {
    Server(SocketAddr),
    Lookup(IpAddr, String, u16),
    Run,
}

/// Until when a probe listened, as text: silence counts until then.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Until {
    until: i64,
}

/// The text that says until when a probe listened.
pub fn until(time: Timestamp) -> String {
    format!("{{\"until\":{}}}", time.0)
}

/// Reads it back.
pub fn read_until(text: &[u8]) -> Option<Timestamp> {
    let until: Until = serde_json::from_slice(text).ok()?;
    Some(Timestamp(until.until))
}

/// What the user said is spoken on a port, as text: a replay then reads it alike.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Serves {
    port: u16,
    serves: String,
}

/// The text that says what is spoken on a port.
pub fn serves(port: u16, service: Service) -> String {
    format!("{{\"port\":{port},\"serves\":\"{}\"}}", service.name())
}

/// Reads it back.
pub fn read_serves(text: &[u8]) -> Option<(u16, Service)> {
    let serves: Serves = serde_json::from_slice(text).ok()?;
    Some((serves.port, Service::from_name(&serves.serves)?))
}

/// What a measurement read back from a capture is called: its name is in its evidence's words.
const READ_BACK: &str = "measured by the probe";

impl Measured {
    /// As text, for a custom block; `None` when it is longer than [`LONGEST`].
    pub fn to_text(&self) -> Option<String> {
        let claim = &self.claim;
        let written = Written {
            about: match &self.about {
                About::Server(server) => WrittenAbout::Server(*server),
                About::Lookup {
                    resolver,
                    name,
                    kind,
                } => WrittenAbout::Lookup(*resolver, name.as_str().to_owned(), *kind),
                About::Run => WrittenAbout::Run,
            },
            settles: self.settles.number(),
            code: claim.code.name().to_owned(),
            weight: match claim.weight {
                Weight::Fatal => 0,
                Weight::Costly => 1,
                Weight::Unsettled => 2,
                Weight::Finding => 3,
            },
            place: claim.at.place.name().to_owned(),
            address: claim.at.address,
            hop: claim.at.hop,
            after_hop: claim.at.after_hop,
            time: claim.death.time().0,
            since: claim.since.0,
            confidence: claim.confidence,
            provisional: claim.provisional,
            summary: claim.summary.clone(),
            evidence: claim
                .evidence()
                .iter()
                .map(|piece| (piece.proof.time().0, piece.text.clone()))
                .collect(),
            advice: claim.advice.clone(),
            alternatives: claim
                .alternatives
                .iter()
                .map(|other| {
                    (
                        other.code.name().to_owned(),
                        other.confidence,
                        other.told_apart_by.clone(),
                    )
                })
                .collect(),
        };
        serde_json::to_string(&written)
            .ok()
            .filter(|text| text.len() <= LONGEST)
    }

    /// Reads it back. `None` for what is none: a capture may come from anybody, so every text is made harmless and
    /// every list is bounded.
    pub fn from_text(text: &[u8]) -> Option<Measured> {
        let written: Written = serde_json::from_slice(text.get(..LONGEST).unwrap_or(text)).ok()?;
        let place = [
            Where::Client,
            Where::Server,
            Where::Resolver,
            Where::Network,
            Where::Unknown,
        ]
        .into_iter()
        .find(|place| place.name() == written.place)?;
        let at = At {
            place,
            address: written.address,
            hop: written.hop,
            after_hop: written.after_hop,
        };
        let safe = |text: &str| {
            Foreign::bounded(text.as_bytes(), 4 * Foreign::MAX)
                .as_str()
                .to_owned()
        };
        let sure = |confidence: f32| {
            if confidence.is_finite() {
                confidence.clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        let death = Proof::Measured(READ_BACK, Timestamp(written.time));
        let mut claim = Claim::new(
            Code::from_name(&written.code)?,
            at,
            death,
            sure(written.confidence),
            safe(&written.summary),
        )
        .since(Timestamp(written.since))
        .provisional_if(written.provisional)
        .weighing(match written.weight {
            0 => Weight::Fatal,
            1 => Weight::Costly,
            2 => Weight::Unsettled,
            _ => Weight::Finding,
        })
        .seen(
            written
                .evidence
                .iter()
                .take(PIECES)
                .map(|(time, text)| (Proof::Measured(READ_BACK, Timestamp(*time)), safe(text))),
        );
        for text in written.advice.iter().take(PIECES) {
            claim = claim.advise(safe(text));
        }
        for (code, confidence, text) in written.alternatives.iter().take(PIECES) {
            claim = claim.or(Code::from_name(code)?, sure(*confidence), safe(text));
        }
        Some(Measured {
            about: match written.about {
                WrittenAbout::Server(server) => About::Server(server),
                WrittenAbout::Lookup(resolver, name, kind) => About::Lookup {
                    resolver,
                    name: Foreign::from(name.as_str()),
                    kind,
                },
                WrittenAbout::Run => About::Run,
            },
            claim,
            settles: Settles::of_number(written.settles),
        })
    }
}
