//! What is said of a resolver that does not answer, or never to one type of question.

use std::net::IpAddr;

use super::{Subject, words};
use crate::base::Nanos;
use crate::diagnosis::{At, Claim, Code, Where};
use crate::probe::dns::asking::TcpEnd;
use crate::probe::dns::odds::Controls;
use crate::probe::dns::walk::Vanishing;
use crate::proto::dns::{RecordType, type_name};

/// Everything measured about a silence.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    /// Questions without an answer, and since when.
    pub tries: u32,
    /// From the first to giving up.
    pub lasted: Nanos,
    /// Pings to the resolver.
    pub pings: Controls,
    /// The A of the same name was answered without an error so often meanwhile, of so many.
    pub address_answered: Option<(u32, u32)>,
    /// Another question that had been answered before, asked in between: answered so often, of so many.
    pub others_answered: Option<(u32, u32)>,
    /// The very question, asked again beside that, was answered so often.
    pub answered_again: u32,
    /// The resolver answered the same type of another name meanwhile.
    pub type_passes: bool,
    /// The resolver answers other questions.
    pub answers_others: bool,
    /// The same question over TCP: answered, or how it failed.
    pub tcp: Option<Result<(), TcpEnd>>,
    /// Where questions vanish while pings go on.
    pub vanishing: Option<Vanishing>,
    /// The farthest router that questions and pings both reach, when they end at the same place.
    pub common_end: Option<(u8, IpAddr)>,
    /// What a stub resolver suffers from it, in one sentence.
    pub stub: Option<String>,
}

impl Silence {
    /// What the resolver answers is mostly not answered now: loss, or a limit that the run's own questions may fill. One answer that does not
    /// come may be a lost packet.
    fn is_unsteady(&self) -> bool {
        self.others_answered
            .is_some_and(|(answered, sent)| answered.saturating_add(1) < sent)
    }
}

/// A silence of one question that others of its kind do not share is this sure.
const UNPLACED: f32 = 0.65;

/// Nothing came back: `dns.timeout`, or `dns.type-dropped` when only this type is not answered.
pub fn silence(of: &Subject<'_>, facts: &Silence) -> Claim {
    let kind = type_name(of.question.kind);
    let typed = facts
        .address_answered
        .filter(|(answered, _)| *answered >= 3 && of.question.kind != RecordType::A)
        .filter(|_| facts.answered_again == 0);
    let (code, what) = match typed {
        Some(_) => (
            Code::DnsTypeDropped,
            format!(
                "{} answers A of {} and never {kind}",
                of.resolver, of.question.name
            ),
        ),
        None => (
            Code::DnsTimeout,
            format!("Resolver {} never answered {}", of.resolver, of.question),
        ),
    };
    let passes = typed.is_some() && facts.type_passes;
    let unsteady = facts.is_unsteady();
    let (at, place) = match (facts.answered_again, passes) {
        (1.., _) => (
            At::address(Where::Unknown, of.resolver),
            format!(
                "; asked again a little later it was answered {} of 3 times",
                facts.answered_again
            ),
        ),
        // No rule for the type holds it back: perhaps the zone's own servers do not answer it (RFC 4074 4.1).
        (0, true) => (
            At::address(Where::Unknown, of.resolver),
            format!("; {kind} of another name it answers"),
        ),
        _ if unsteady => (
            At::address(Where::Unknown, of.resolver),
            "; what it had answered before it mostly does not answer now either".to_owned(),
        ),
        _ => silent_at(of, facts, typed.is_some()),
    };
    let mut claim = Claim::new(
        code,
        at,
        of.proof("questions without an answer"),
        if passes { UNPLACED } else { confidence(facts) },
        format!(
            "{what}: {} questions in {}{place}.",
            facts.tries,
            words(facts.lasted)
        ),
    )
    .shown_by(format!(
        "{} questions, no answer and no ICMP error in {}",
        facts.tries,
        words(facts.lasted)
    ));
    if let Some((answered, sent)) = typed.or(facts.address_answered) {
        claim = claim.because(
            of.proof("A beside it"),
            format!("A of the same name, asked in between: {answered} of {sent} answered without an error"),
        );
    }
    if let Some((answered, sent)) = facts.others_answered {
        claim = claim.because(
            of.proof("another question beside it"),
            format!(
                "what had been answered before, asked in between: {answered} of {sent} answered"
            ),
        );
    }
    if facts.answered_again > 0 {
        claim = claim.because(
            of.proof("the question again"),
            format!(
                "the very question, asked again in between: {} of 3 answered",
                facts.answered_again
            ),
        );
    }
    if passes {
        claim = claim.or(
            Code::DnsTimeout,
            0.3,
            "the zone's own servers, asked for the same type",
        );
    }
    for (name, text) in silence_evidence(of, facts) {
        claim = claim.because(of.proof(name), text);
    }
    for advice in silence_advice(of, facts, code) {
        claim = claim.advise(advice);
    }
    claim
}

fn confidence(facts: &Silence) -> f32 {
    if facts.answered_again > 0 || facts.is_unsteady() {
        return UNPLACED;
    }
    let certain = facts
        .address_answered
        .is_some_and(|(answered, _)| answered >= 3)
        || facts.vanishing.is_some()
        || facts.answers_others;
    match certain {
        true => 0.97,
        false if facts.pings.answered > 0 => 0.95,
        false => 0.9,
    }
}

/// Whether it is the resolver that waits: it answers other questions, and nothing is known to hold this one back on the way. That no
/// router beyond the last one says that it came by shows nothing, since a question that is never answered ends nowhere else.
fn waits(facts: &Silence) -> bool {
    facts.answers_others && !facts.vanishing.is_some_and(|found| found.is_between())
}

/// Whose doing it is, and the end of the sentence that says so. `typed`: it answers the same name when it is asked for another type.
fn silent_at(of: &Subject<'_>, facts: &Silence, typed: bool) -> (At, String) {
    if let Some(found) = facts.vanishing.filter(|_| typed || !waits(facts)) {
        let last = !found.is_between();
        let at = At {
            place: if last { Where::Unknown } else { Where::Network },
            address: Some(found.address),
            hop: None,
            after_hop: Some(found.after_hop),
        };
        let only = match found.pings_reach > found.after_hop.saturating_add(1) {
            true => " that says anything",
            false => "",
        };
        let text = match last {
            true => format!(
                "; they reach hop {} ({}), the last before it{only}, and pings reach it",
                found.after_hop, found.address
            ),
            false => format!(
                "; they vanish after hop {} ({}), pings get further",
                found.after_hop, found.address
            ),
        };
        return (at, text);
    }
    if facts.answers_others {
        let at = At::address(Where::Resolver, of.resolver);
        return (
            at,
            "; it answers other questions, so it waits for somebody itself".to_owned(),
        );
    }
    if let Some((hop, router)) = facts.common_end {
        let at = At {
            place: Where::Network,
            address: Some(router),
            hop: None,
            after_hop: Some(hop),
        };
        return (
            at,
            format!("; pings vanish as well, both after hop {hop} ({router})"),
        );
    }
    let text = match facts.pings.answered {
        0 if facts.pings.lost > 0 => "; pings are not answered either",
        0 => "",
        _ => "; pings are answered",
    };
    (At::address(Where::Unknown, of.resolver), text.to_owned())
}

fn silence_evidence(of: &Subject<'_>, facts: &Silence) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let pings = facts.pings;
    let sent = pings.answered.saturating_add(pings.lost);
    if sent > 0 {
        found.push((
            "pings",
            format!(
                "pings to {}: {} of {sent} answered",
                of.resolver, pings.answered
            ),
        ));
    }
    match facts.tcp {
        Some(Ok(())) => found.push((
            "TCP port 53",
            "the same question over TCP port 53 is answered".to_owned(),
        )),
        Some(Err(TcpEnd::Silent)) => found.push((
            "TCP port 53",
            "SYNs to TCP port 53 are not answered either".to_owned(),
        )),
        Some(Err(TcpEnd::Refused)) => found.push((
            "TCP port 53",
            "TCP port 53 is closed: the host answers with RST".to_owned(),
        )),
        Some(Err(TcpEnd::Unreachable)) => {
            found.push(("TCP port 53", "TCP port 53 draws an ICMP error".to_owned()))
        }
        Some(Err(TcpEnd::NoAnswer)) => found.push((
            "TCP port 53",
            "TCP port 53 opens, and no answer comes over it".to_owned(),
        )),
        None => {}
    }
    if let Some(place) = facts.vanishing {
        let reach = match place.host_answers {
            true => format!(
                "pings are answered by the resolver at TTL {}",
                place.pings_reach
            ),
            false => format!("pings get to hop {}", place.pings_reach),
        };
        found.push((
            "questions with short TTLs",
            format!(
                "hop {} ({}) says that questions came as far; behind it nothing; {reach}",
                place.after_hop, place.address
            ),
        ));
    }
    if facts.answers_others {
        found.push((
            "another question",
            "the resolver answers another question at once".to_owned(),
        ));
    }
    if let Some(stub) = &facts.stub {
        found.push(("resolv.conf", stub.clone()));
    }
    found
}

fn silence_advice(of: &Subject<'_>, facts: &Silence, code: Code) -> Vec<String> {
    let resolver = of.resolver;
    let mut advice = Vec::new();
    if facts.answered_again > 0 || facts.is_unsteady() {
        advice.push(format!("Look at what limits or loses questions between here and {resolver}, and how long it waits for others itself"));
        return advice;
    }
    if code == Code::DnsTypeDropped {
        let kind = type_name(of.question.kind);
        advice.push(match facts.vanishing {
            Some(place) => format!("Ask who runs the device after {} to let questions for {kind} pass", place.address),
            None => format!("Look for DNS inspection between here and {resolver} that drops {kind}, then ask the zone's own servers for {kind}"),
        });
        return advice;
    }
    if waits(facts) {
        let name = &of.question.name;
        advice.push(format!("Owner of {name}: check that every name server that its delegation names answers: dig +trace {name}"));
        advice.push(format!(
            "Operator of {resolver}: see which name servers of {name} it waits for"
        ));
        return advice;
    }
    match facts.vanishing {
        Some(place) if place.is_between() => {
            advice.push(format!("Ask who runs the device after {} to allow UDP and TCP port 53 to {resolver}", place.address));
        }
        Some(_) => advice.push(format!("{resolver} is up: look at its DNS service and at its own firewall (UDP and TCP port 53)")),
        None => advice.push(format!("Check that {resolver} is alive and meant for this network")),
    }
    if facts.tcp == Some(Ok(())) {
        advice.push("Until then: \"options use-vc\" in /etc/resolv.conf asks over TCP".to_owned());
    }
    advice.push(format!(
        "Take {resolver} out of the client's settings, or put it behind one that answers"
    ));
    advice
}
