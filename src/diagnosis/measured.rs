//! What mxray measured by experiment, and how it weighs beside what the packets show.
//!
//! A probe's own connection is judged by its packets like any other. A measurement (a TTL walk, the statistics of SYNs,
//! a size search) then says more: where, how sure, what it was measured against. The rules of that stand here, once:
//! the same cause is placed, a cause that refines the packets' replaces it, and what went well stays well. A measurement
//! is written into the probe's own capture as text and read back from it, so that a replay judges alike. It refuses to
//! make a healthy connection a failed one, but for what a session of mxray's own went through with on purpose.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::judge::Judgement;
use super::verdict::{Claim, Outcome, Proof, Verdict, Weight};
use super::{At, Code, Where};
use crate::base::{Foreign, Timestamp};
use crate::proto::Service;

/// Bytes of one measurement's text at the most.
pub const LONGEST: usize = 60_000;
/// Pieces of evidence, advice or alternatives that are read of one measurement.
const PIECES: usize = 64;

/// What a measurement is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// Connections to this server.
    Server(SocketAddr),
    /// Look-ups of this name and type at this resolver.
    Lookup {
        /// The resolver.
        resolver: IpAddr,
        /// The name, as asked for.
        name: Foreign,
        /// The type's number.
        kind: u16,
    },
    /// The run: a finding of the report.
    Run,
}

/// What a measurement may do to a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settles {
    /// It may place, refine or (where the packets say nothing) be the verdict.
    Verdict,
    /// It is what this very connection, which mxray held itself, would have died of: a probe lets a handshake finish that a
    /// client refuses, and says goodbye where a client cannot go on. It outranks an end that looks well, and whatever
    /// came later.
    Session,
    /// It is said beside the verdict, whatever that is.
    Finding,
}

impl Settles {
    /// As it is written.
    fn number(self) -> u8 {
        match self {
            Settles::Finding => 0,
            Settles::Verdict => 1,
            Settles::Session => 2,
        }
    }

    /// What is written; the weakest where that is unknown.
    fn of_number(number: u8) -> Settles {
        match number {
            1 => Settles::Verdict,
            2 => Settles::Session,
            _ => Settles::Finding,
        }
    }
}

/// A measurement of mxray's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What it is about.
    pub about: About,
    /// What it shows; its evidence names the measurement.
    pub claim: Claim,
    /// What it may do to a verdict.
    pub settles: Settles,
}

/// (what was measured, what the packets alone say): the first is the same death, known better. Either may be a code or a
/// prefix ending in a dot or a dash.
const REFINES: &[(&str, &str)] = &[
    ("tcp.reset-by-path", "tcp.refused"),
    ("tcp.prohibited", "tcp.dropped"),
    ("tcp.option-dropped", "tcp.dropped"),
    ("tcp.listen-overflow", "tcp.dropped"),
    ("route.", "tcp.dropped"),
    ("route.loop", "route.unreachable"),
    ("tcp.reset-midstream-by-path", "tcp.reset-midstream"),
    ("tcp.reset-midstream-by-path", "tcp.reset-before-greeting"),
    ("dns.large-dropped", "dns.timeout"),
    ("dns.type-dropped", "dns.timeout"),
    ("dns.blocked", "dns.timeout"),
    ("dns.port-closed", "dns.timeout"),
    ("dns.truncated-no-tcp", "dns.timeout"),
    ("dns.bogus", "dns.servfail"),
    ("dns.filtered", "dns.nxdomain"),
    ("dns.filtered", "dns.no-address"),
    ("dns.filtered", "dns.servfail"),
    ("dns.forged", "dns."),
    ("route.", "dns.timeout"),
    ("path.mtu-blackhole", "tcp.stalled"),
    ("path.mtu-blackhole", "tls.no-reply"),
    ("path.mtu-blackhole", "tls.hello-dropped"),
    ("path.mtu-blackhole", "mail.command-timeout"),
    ("tls.hello-dropped", "tls.no-reply"),
    ("tls.hello-dropped", "tcp.stalled"),
    // A small hello on a connection of its own vanished as well.
    ("tls.hello-dropped", "path.mtu-blackhole"),
    ("tls.version", "tls.reset-on-hello"),
    ("tls.version", "tls.alert"),
    ("tls.version", "tls.cipher"),
    ("tls.cert-", "tls.cert-rejected"),
    ("tls.client-", "tls.cert-rejected"),
    ("tls.dane-mismatch", "tls.cert-rejected"),
    ("tls.intercepted", "tls.cert-untrusted"),
    ("tls.intercepted", "tls.cert-rejected"),
    ("mail.starttls-stripped", "mail.starttls-missing"),
    ("mail.starttls-stripped", "mail.starttls-refused"),
    ("mail.proxy-protocol", "mail.no-greeting"),
    ("tls.mutual-wait", "mail.no-greeting"),
];

fn refines(measured: Code, seen: Code) -> bool {
    let names = |pattern: &str, code: Code| {
        if pattern.ends_with(['.', '-']) {
            code.name().starts_with(pattern)
        } else {
            code.name() == pattern
        }
    };
    REFINES
        .iter()
        .any(|(finer, plain)| names(finer, measured) && names(plain, seen))
}

/// Lets measurements weigh in on a judgement made from packets.
pub fn weigh<'a>(judgement: &mut Judgement, measured: impl Iterator<Item = &'a Measured>) {
    for one in measured {
        let claim = &one.claim;
        let works = matches!(judgement.outcome, Outcome::Healthy | Outcome::Degraded);
        if judgement.verdict.code == claim.code && claim.code != Code::Ok {
            place(&mut judgement.verdict, claim);
            if judgement.outcome == Outcome::Degraded && claim.weight == Weight::Finding {
                excuse(judgement);
            }
        } else if one.settles == Settles::Session && decides(judgement, claim) {
            judgement
                .findings
                .retain(|finding| finding.code != claim.code);
            judgement.verdict = Verdict::from(claim.clone());
            judgement.outcome = Outcome::Failed;
            judgement.is_check = false;
        } else if one.settles == Settles::Verdict
            && claim.weight == Weight::Fatal
            && !works
            && (judgement.verdict.code == Code::Unknown
                || refines(claim.code, judgement.verdict.code))
        {
            replace(&mut judgement.verdict, claim);
            judgement.outcome = Outcome::Failed;
        } else if let Some(known) = judgement
            .findings
            .iter_mut()
            .find(|finding| finding.code == claim.code)
        {
            place(known, claim);
        } else {
            judgement.findings.push(Verdict::from(claim.clone()));
        }
    }
}

/// Repetition showed that what it cost was a moment's trouble and not the rule: it is said beside a healthy verdict.
fn excuse(judgement: &mut Judgement) {
    let ok = Verdict {
        frame: judgement.verdict.frame,
        time: judgement.verdict.time,
        ..Verdict::without_fault(
            Code::Ok,
            "It worked; what it cost once did not come again.".to_owned(),
            None,
        )
    };
    let finding = std::mem::replace(&mut judgement.verdict, ok);
    judgement.findings.push(finding);
    judgement.outcome = Outcome::Healthy;
}

/// Whether what a session of ours would have died of is its verdict: the packets show no death of it, or the same one under a
/// vaguer name, or a later one.
fn decides(judgement: &Judgement, claim: &Claim) -> bool {
    if claim.weight != Weight::Fatal {
        return false;
    }
    judgement.outcome != Outcome::Failed
        || refines(claim.code, judgement.verdict.code)
        || judgement
            .verdict
            .time
            .is_some_and(|time| time >= claim.since)
}

/// The same cause, known better: where, how sure, what to do. The frame stays the packets'.
fn place(verdict: &mut Verdict, claim: &Claim) {
    let at = &mut verdict.at;
    at.place = claim.at.place;
    at.address = claim.at.address.or(at.address);
    at.hop = claim.at.hop.or(at.hop);
    at.after_hop = claim.at.after_hop.or(at.after_hop);
    verdict.summary.clone_from(&claim.summary);
    verdict.confidence = claim.confidence;
    verdict.is_final = !claim.provisional;
    if !claim.advice.is_empty() {
        verdict.advice.clone_from(&claim.advice);
    }
    verdict.alternatives.clone_from(&claim.alternatives);
    add_evidence(verdict, claim);
}

/// The same death under its better name; the frame of death stays the packets'.
fn replace(verdict: &mut Verdict, claim: &Claim) {
    let finer = Verdict::from(claim.clone());
    let (frame, time) = (verdict.frame, verdict.time);
    let shown = std::mem::take(&mut verdict.evidence);
    *verdict = Verdict {
        frame,
        time: time.or(finer.time),
        evidence: shown,
        ..finer
    };
    add_evidence(verdict, claim);
}

fn add_evidence(verdict: &mut Verdict, claim: &Claim) {
    for piece in claim.evidence() {
        if !verdict.evidence.contains(piece) {
            verdict.evidence.push(piece.clone());
        }
    }
    verdict.evidence.sort_by_key(|piece| piece.proof.time());
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

#[cfg(test)]
mod tests {
    use super::{About, Measured, REFINES, Settles, weigh};
    use crate::base::Timestamp;
    use crate::diagnosis::{
        At, Claim, Code, Judgement, Ladder, Outcome, Proof, Verdict, Weight, Where,
    };

    fn measured(code: Code) -> Measured {
        let at = At {
            place: Where::Network,
            address: None,
            hop: None,
            after_hop: Some(2),
        };
        let proof = Proof::Measured("SYN walk", Timestamp(5));
        Measured {
            about: About::Server("192.0.2.10:25".parse().unwrap()),
            claim: Claim::new(code, at, proof, 0.99, "SYNs vanish after hop 2.".to_owned())
                .shown_by("hop 2 forwarded 5/5")
                .because(
                    Proof::Measured("reference", Timestamp(6)),
                    "port 443 answers 9/9",
                )
                .advise("Ask whoever runs it")
                .or(Code::TcpListenOverflow, 0.01, "a capture at the server"),
            settles: Settles::Verdict,
        }
    }

    fn judged(outcome: Outcome, code: Code) -> Judgement {
        let mut verdict = Verdict::without_fault(code, "as the packets say".to_owned(), None);
        verdict.time = Some(Timestamp(1));
        Judgement {
            outcome,
            verdict,
            findings: Vec::new(),
            ladder: Ladder::default(),
            is_check: false,
            undeclared: Vec::new(),
        }
    }

    #[test]
    fn what_did_not_come_again_is_no_fault() {
        let mut judgement = judged(Outcome::Degraded, Code::DnsSlow);
        let mut once = measured(Code::DnsSlow);
        once.claim = once.claim.weighing(Weight::Finding);
        weigh(&mut judgement, [once].iter());
        assert_eq!(judgement.outcome, Outcome::Healthy);
        assert_eq!(judgement.verdict.code, Code::Ok);
        assert_eq!(judgement.findings[0].code, Code::DnsSlow);

        let mut again = judged(Outcome::Degraded, Code::DnsSlow);
        weigh(&mut again, [measured(Code::DnsSlow)].iter());
        assert_eq!(again.outcome, Outcome::Degraded);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let one = measured(Code::TcpDropped);
        let back = Measured::from_text(one.to_text().unwrap().as_bytes()).unwrap();
        assert_eq!(back.about, one.about);
        assert_eq!(back.claim.at, one.claim.at);
        assert_eq!(back.claim.summary, one.claim.summary);
        let texts = |m: &Measured| -> Vec<String> {
            m.claim.evidence().iter().map(|e| e.text.clone()).collect()
        };
        assert_eq!(texts(&back), texts(&one));
        assert_eq!(back.to_text(), one.to_text());
    }

    #[test]
    fn the_end_of_listening_is_read_back() {
        let text = super::until(Timestamp(77));
        assert_eq!(super::read_until(text.as_bytes()), Some(Timestamp(77)));
        assert!(Measured::from_text(text.as_bytes()).is_none());
    }

    #[test]
    fn nonsense_is_no_measurement() {
        assert!(Measured::from_text(b"{}").is_none());
        assert!(Measured::from_text(b"\xff\x00").is_none());
    }

    #[test]
    fn the_same_cause_is_placed_and_keeps_its_time() {
        let mut judgement = judged(Outcome::Failed, Code::TcpDropped);
        weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
        assert_eq!(judgement.verdict.at.after_hop, Some(2));
        assert_eq!(judgement.verdict.time, Some(Timestamp(1)));
    }

    #[test]
    fn a_finer_cause_replaces_and_a_foreign_one_stands_beside() {
        let mut judgement = judged(Outcome::Failed, Code::TcpRefused);
        weigh(&mut judgement, [measured(Code::TcpResetByPath)].iter());
        assert_eq!(judgement.verdict.code, Code::TcpResetByPath);
        let mut judgement = judged(Outcome::Failed, Code::TcpRefused);
        weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
        assert_eq!(judgement.verdict.code, Code::TcpRefused);
        assert_eq!(judgement.findings.len(), 1);
    }

    #[test]
    fn what_works_goes_on_working() {
        let mut judgement = judged(Outcome::Healthy, Code::Ok);
        weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
        assert_eq!(judgement.outcome, Outcome::Healthy);
        assert_eq!(judgement.verdict.code, Code::Ok);
    }

    #[test]
    fn a_session_that_only_we_went_through_with_has_failed() {
        let mut one = measured(Code::TlsCertExpired);
        one.settles = Settles::Session;
        let mut judgement = judged(Outcome::Healthy, Code::Ok);
        weigh(&mut judgement, [one.clone()].iter());
        assert_eq!(judgement.verdict.code, Code::TlsCertExpired);
        assert_eq!(judgement.outcome, Outcome::Failed);
        // What killed it before stays.
        let mut judgement = judged(Outcome::Failed, Code::MailStarttlsRefused);
        weigh(&mut judgement, [one.clone()].iter());
        assert_eq!(judgement.verdict.code, Code::MailStarttlsRefused);
        let back = Measured::from_text(one.to_text().unwrap().as_bytes()).unwrap();
        assert_eq!(back.settles, Settles::Session);
    }

    #[test]
    fn where_packets_say_nothing_the_measurement_does() {
        let mut judgement = judged(Outcome::Incomplete, Code::Unknown);
        weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
        assert_eq!(judgement.outcome, Outcome::Failed);
        assert_eq!(judgement.verdict.code, Code::TcpDropped);
    }

    #[test]
    fn every_line_names_something_that_exists() {
        for name in REFINES.iter().flat_map(|(a, b)| [a, b]) {
            assert!(
                Code::ALL.iter().any(|code| if name.ends_with(['.', '-']) {
                    code.name().starts_with(name)
                } else {
                    code.name() == *name
                }),
                "{name} is in no catalogue"
            );
        }
    }
}
