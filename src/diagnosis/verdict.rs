//! What is said in the end: one verdict for each connection and look-up, findings beside it.
//!
//! A verdict without evidence cannot be made: [`Claim::new`] takes the first piece of it, and a piece is
//! a frame or a named measurement of mxray's own. Who is to blame and how sure are types of their own.

use std::net::IpAddr;

use super::{Class, Code};
use crate::base::{FrameRef, Mark, Timestamp};

/// Whose doing it is: the side whose setting, server or device has to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Where {
    /// The client's machine or its user.
    Client,
    /// The server.
    Server,
    /// The resolver.
    Resolver,
    /// Something in between.
    Network,
    /// The evidence does not say.
    Unknown,
}

impl Where {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Where::Client => "client",
            Where::Server => "server",
            Where::Resolver => "resolver",
            Where::Network => "network",
            Where::Unknown => "unknown",
        }
    }
}

/// Where the culprit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Whose doing.
    pub place: Where,
    /// The culprit's address, or the last hop's.
    pub address: Option<IpAddr>,
    /// The culprit's distance in hops, when measured.
    pub hop: Option<u8>,
    /// The last TTL that still got through, when measured.
    pub after_hop: Option<u8>,
}

impl At {
    /// At that place, nothing more known.
    pub fn of(place: Where) -> At {
        At {
            place,
            address: None,
            hop: None,
            after_hop: None,
        }
    }

    /// At that place, with the culprit's address.
    pub fn address(place: Where, address: IpAddr) -> At {
        At {
            place,
            address: Some(address),
            hop: None,
            after_hop: None,
        }
    }
}

/// What proves something: a frame, or a measurement that mxray made itself and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A frame of a source.
    Frame(Mark),
    /// A measurement of mxray's own.
    Measured(&'static str, Timestamp),
}

impl Proof {
    /// The frame, if it is one.
    pub fn frame(&self) -> Option<FrameRef> {
        match self {
            Proof::Frame(mark) => Some(mark.frame),
            Proof::Measured(..) => None,
        }
    }

    /// When.
    pub fn time(&self) -> Timestamp {
        match self {
            Proof::Frame(mark) => mark.time,
            Proof::Measured(_, time) => *time,
        }
    }
}

impl From<Mark> for Proof {
    fn from(mark: Mark) -> Proof {
        Proof::Frame(mark)
    }
}

/// One piece of evidence: what proves it, and what it shows, in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The frame or measurement.
    pub proof: Proof,
    /// What it shows; made of escaped text.
    pub text: String,
}

/// Another cause that the same evidence fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// Its code.
    pub code: Code,
    /// How likely, 0–1.
    pub confidence: f32,
    /// The measurement that would tell them apart.
    pub told_apart_by: String,
}

/// How a judged thing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It did its work, or owes no answer.
    Healthy,
    /// It worked, at a cost.
    Degraded,
    /// It did not do what the client wanted.
    Failed,
    /// The evidence starts or ends in the middle and shows no fault.
    Incomplete,
}

impl Outcome {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Healthy => "healthy",
            Outcome::Degraded => "degraded",
            Outcome::Failed => "failed",
            Outcome::Incomplete => "incomplete",
        }
    }
}

/// How much a claim weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// It killed the connection.
    Fatal,
    /// It cost it time.
    Costly,
    /// It is what the packets show, but nothing was asked for: the outcome stays incomplete.
    Unsettled,
    /// Worth saying.
    Finding,
}

/// What one rule says: a cause, where it shows, what proves it, how sure.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The cause.
    pub code: Code,
    /// Fatal, costly, or only worth saying.
    pub weight: Weight,
    /// Whose doing and where.
    pub at: At,
    /// The frame of death: the first packet that shows the fault; for silence, the last one never answered.
    pub death: Proof,
    /// When the fault began to matter: what the arbiter orders by. For silence the first unanswered packet.
    pub since: Timestamp,
    /// How sure, 0–1: of all claims made at 0.9, nine in ten are right.
    pub confidence: f32,
    /// Until the flow ends a silence is provisional.
    pub provisional: bool,
    /// One sentence.
    pub summary: String,
    /// Never empty.
    evidence: Vec<Evidence>,
    /// What to do, most useful first.
    pub advice: Vec<String>,
    /// What else fits.
    pub alternatives: Vec<Alternative>,
}

impl Claim {
    /// A fatal claim with its first piece of evidence; `death` is the frame of death.
    pub fn new(
        code: Code,
        at: At,
        death: impl Into<Proof>,
        confidence: f32,
        summary: String,
    ) -> Claim {
        let death = death.into();
        Claim {
            code,
            weight: Weight::Fatal,
            at,
            death,
            since: death.time(),
            confidence,
            provisional: false,
            evidence: vec![Evidence {
                proof: death,
                text: summary.clone(),
            }],
            summary,
            advice: Vec::new(),
            alternatives: Vec::new(),
        }
    }

    /// Sets the weight.
    pub fn weighing(mut self, weight: Weight) -> Claim {
        self.weight = weight;
        self
    }

    /// Sets when the fault began.
    pub fn since(mut self, time: Timestamp) -> Claim {
        self.since = time;
        self
    }

    /// Replaces the words of the first piece of evidence, which are the summary until then.
    pub fn shown_by(mut self, text: impl Into<String>) -> Claim {
        if let Some(first) = self.evidence.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Replaces all evidence, when there is any.
    pub fn seen(mut self, evidence: impl Iterator<Item = (Proof, String)>) -> Claim {
        let evidence: Vec<Evidence> = evidence
            .map(|(proof, text)| Evidence { proof, text })
            .collect();
        if !evidence.is_empty() {
            self.evidence = evidence;
        }
        self
    }

    /// Adds a piece of evidence; the list is kept in time order.
    pub fn because(mut self, proof: impl Into<Proof>, text: impl Into<String>) -> Claim {
        let proof = proof.into();
        let position = self
            .evidence
            .partition_point(|e| e.proof.time() <= proof.time());
        self.evidence.insert(
            position,
            Evidence {
                proof,
                text: text.into(),
            },
        );
        self
    }

    /// Adds advice.
    pub fn advise(mut self, text: impl Into<String>) -> Claim {
        self.advice.push(text.into());
        self
    }

    /// Adds an alternative.
    pub fn or(mut self, code: Code, confidence: f32, told_apart_by: impl Into<String>) -> Claim {
        self.alternatives.push(Alternative {
            code,
            confidence,
            told_apart_by: told_apart_by.into(),
        });
        self
    }

    /// Marks it provisional when `open` is true: the flow has not ended yet.
    pub fn provisional_if(mut self, open: bool) -> Claim {
        self.provisional = open;
        self
    }

    /// What proves it; never empty.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }
}

/// A claim that won, or a finding beside it: what the report prints.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The cause.
    pub code: Code,
    /// Its class.
    pub class: Class,
    /// How sure, 0–1.
    pub confidence: f32,
    /// False while a later packet may still change it.
    pub is_final: bool,
    /// Whose doing and where.
    pub at: At,
    /// The frame of death; `None` for a measurement, and for `ok` and `unknown` without one.
    pub frame: Option<FrameRef>,
    /// Its time.
    pub time: Option<Timestamp>,
    /// One sentence.
    pub summary: String,
    /// What proves it.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub advice: Vec<String>,
    /// What else fits.
    pub alternatives: Vec<Alternative>,
}

impl Verdict {
    /// `ok` or `unknown`: nothing to blame; `evidence` may name the frame that shows it.
    pub fn without_fault(code: Code, summary: String, shown: Option<Mark>) -> Verdict {
        Verdict {
            code,
            class: code.class(),
            confidence: if code == Code::Ok { 0.95 } else { 0.0 },
            is_final: true,
            at: At::of(Where::Unknown),
            frame: shown.map(|mark| mark.frame),
            time: shown.map(|mark| mark.time),
            evidence: shown
                .map(|mark| Evidence {
                    proof: mark.into(),
                    text: summary.clone(),
                })
                .into_iter()
                .collect(),
            summary,
            advice: Vec::new(),
            alternatives: Vec::new(),
        }
    }
}

impl From<Claim> for Verdict {
    fn from(claim: Claim) -> Verdict {
        Verdict {
            code: claim.code,
            class: claim.code.class(),
            confidence: claim.confidence,
            is_final: !claim.provisional,
            at: claim.at,
            frame: claim.death.frame(),
            time: Some(claim.death.time()),
            summary: claim.summary,
            evidence: claim.evidence,
            advice: claim.advice,
            alternatives: claim.alternatives,
        }
    }
}
