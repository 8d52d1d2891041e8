//! What experiments on a look-up say, as claims: the only place where measured facts become causes.
//!
//! Each names its control: the pings, the other type, the other size, the repetition that it was measured against. The packets' own verdict stands on the look-up; these place it, name
//! it better, or stand beside it. Nothing is sent here.

use std::net::IpAddr;

use super::asking::TcpEnd;
use super::odds::Controls;
use super::question::Question;
use super::walk::{Impostor, Vanishing};
use crate::base::{Foreign, MILLISECOND, Nanos, SECOND, Timestamp};
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::proto::dns::{RecordType, rcode_name, type_name};

/// The look-up that was measured.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Who was asked.
    pub resolver: IpAddr,
    /// What.
    pub question: &'a Question,
    /// When the measurement ended.
    pub now: Timestamp,
}

impl Subject<'_> {
    fn proof(&self, name: &'static str) -> Proof {
        Proof::Measured(name, self.now)
    }

    /// The measurement, for the engine.
    pub fn measured(&self, claim: Claim, settles: Settles) -> Measured {
        Measured {
            about: About::Lookup {
                resolver: self.resolver,
                name: Foreign::from(self.question.name.as_str()),
                kind: self.question.kind.0,
            },
            claim,
            settles,
        }
    }
}

/// A duration in words: `4.2 s`, `35 ms`.
pub fn words(duration: Nanos) -> String {
    match duration < SECOND {
        true => format!("{:.0} ms", duration as f64 / MILLISECOND as f64),
        false => format!("{:.1} s", duration as f64 / SECOND as f64),
    }
}

/// Everything measured about a silence.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    /// Questions without an answer, and since when.
    pub tries: u32,
    /// From the first to giving up.
    pub lasted: Nanos,
    /// Pings to the resolver.
    pub pings: Controls,
    /// The A of the same name was answered so often meanwhile, of so many.
    pub address_answered: Option<(u32, u32)>,
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

/// Nothing came back: `dns.timeout`, or `dns.type-dropped` when only this type is not answered.
pub fn silence(of: &Subject<'_>, facts: &Silence) -> Claim {
    let kind = type_name(of.question.kind);
    let typed = facts
        .address_answered
        .filter(|(answered, _)| *answered >= 3 && of.question.kind != RecordType::A);
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
    let (at, place) = silent_at(of, facts);
    let mut claim = Claim::new(
        code,
        at,
        of.proof("questions without an answer"),
        confidence(facts),
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
            format!("A of the same name, asked in between: {answered} of {sent} answered"),
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

/// Whose doing it is, and the end of the sentence that says so.
fn silent_at(of: &Subject<'_>, facts: &Silence) -> (At, String) {
    if let Some(found) = facts.vanishing {
        let last = found.pings_reach == found.after_hop.saturating_add(1) && found.host_answers;
        let at = At {
            place: if last { Where::Unknown } else { Where::Network },
            address: Some(found.address),
            hop: None,
            after_hop: Some(found.after_hop),
        };
        let text = match last {
            true => format!(
                "; they reach hop {} ({}), the last before it, and pings reach it",
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
    if code == Code::DnsTypeDropped {
        let kind = type_name(of.question.kind);
        advice.push(match facts.vanishing {
            Some(place) => format!("Ask who runs the device after {} to let questions for {kind} pass", place.address),
            None => format!("Look for DNS inspection between here and {resolver} that drops {kind}, then ask the zone's own servers for {kind}"),
        });
        return advice;
    }
    match facts.vanishing {
        Some(place) if place.pings_reach > place.after_hop.saturating_add(1) || !place.host_answers => {
            advice.push(format!("Ask who runs the device after {} to allow UDP and TCP port 53 to {resolver}", place.address));
        }
        Some(_) => advice.push(format!("{resolver} is up: look at its DNS service and at its own firewall (UDP and TCP port 53)")),
        None if facts.answers_others => advice.push(format!(
            "Operator of {resolver}: see which name servers of {} it waits for",
            of.question.name
        )),
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

/// An ICMP error in answer to a question, with its distance: the packets' own verdict, placed.
pub fn refused_at(
    of: &Subject<'_>,
    code: Code,
    place: Where,
    sender: IpAddr,
    kind: (u8, u8),
    hop: u8,
) -> Claim {
    let at = At {
        place,
        address: Some(sender),
        hop: Some(hop),
        after_hop: None,
    };
    let what = match code {
        Code::DnsPortClosed => format!(
            "Nothing serves DNS at {}: its own ICMP says port unreachable",
            of.resolver
        ),
        Code::DnsBlocked => format!(
            "A device at {sender}, hop {hop}, rejects DNS to {}",
            of.resolver
        ),
        _ => format!(
            "{sender}, hop {hop}, cannot reach the resolver {}",
            of.resolver
        ),
    };
    let advice = match code {
        Code::DnsPortClosed => format!(
            "Correct the resolver's address in the settings, or start the DNS service on {}",
            of.resolver
        ),
        Code::DnsBlocked => format!(
            "Ask whoever runs {sender} to allow UDP and TCP port 53 to {}",
            of.resolver
        ),
        _ => format!("Ask whoever runs {sender} for its route to {}", of.resolver),
    };
    Claim::new(
        code,
        at,
        of.proof("questions with short TTLs"),
        0.97,
        format!("{what} (ICMP {}/{}).", kind.0, kind.1),
    )
    .shown_by(format!(
        "ICMP {}/{} from {sender} as soon as a question's TTL reaches hop {hop}, not before",
        kind.0, kind.1
    ))
    .advise(advice)
}

/// SERVFAIL that goes away with CD=1, or does not (RFC 4035 3.2.2).
pub fn checking_disabled(of: &Subject<'_>, with_cd: u16) -> Claim {
    if matches!(with_cd, 0 | 3) {
        return Claim::new(
            Code::DnsBogus,
            At::address(Where::Server, of.resolver),
            of.proof("the question with CD=1"),
            0.97,
            format!("The signatures of {} do not hold: {} answers only with validation switched off.", of.question.name, of.resolver),
        )
        .shown_by(format!("the same question with CD=1: {}", rcode_name(with_cd)))
        .advise(format!(
            "Owner of {}: check signatures, DS and clocks (dnsviz.net); then the resolver's own clock",
            of.question.name
        ));
    }
    Claim::new(
        Code::DnsServfail,
        At::address(Where::Resolver, of.resolver),
        of.proof("the question with CD=1"),
        0.97,
        format!(
            "Resolver {} could not find out {}: SERVFAIL, with and without DNSSEC validation.",
            of.resolver, of.question
        ),
    )
    .shown_by(format!(
        "the same question with CD=1: {}",
        rcode_name(with_cd)
    ))
    .advise(format!(
        "Ask another resolver for {}; if it fails too, the zone's own name servers are at fault",
        of.question.name
    ))
}

/// The EDNS ladder: the largest size that is answered and the smallest that never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Offered and answered; how often, of how many.
    pub small: (u16, u32, u32),
    /// Offered and never answered; how often it was asked.
    pub large: (u16, u32),
}

/// Long answers vanish, short ones do not.
pub fn large_dropped(of: &Subject<'_>, ladder: Ladder, cost: Nanos) -> Claim {
    let (small, answered, sent) = ladder.small;
    let (large, lost) = ladder.large;
    Claim::new(
        Code::DnsLargeDropped,
        At::address(Where::Network, of.resolver),
        of.proof("the EDNS ladder"),
        0.95,
        format!(
            "Long answers of {} vanish: {} is answered with room for {small} bytes and never with room for {large}.",
            of.resolver, of.question
        ),
    )
    .weighing(Weight::Costly)
    .shown_by(format!("offering {large} bytes: 0 of {lost} answered; offering {small}: {answered} of {sent}"))
    .because(of.proof("the look-up"), format!("it took {}", words(cost)))
    .advise(format!("Let answers of UDP port 53 above {small} bytes, and their fragments, pass between {} and here", of.resolver))
    .advise("Resolver's operator: offer at most 1232 bytes (unbound edns-buffer-size, BIND max-udp-size)")
}

/// TCP/53 does not work although an answer needs it: as the look-up's own fault, or for those who ask without EDNS.
pub fn no_tcp(of: &Subject<'_>, end: TcpEnd, needed: bool, length: u32) -> Claim {
    let (place, shown) = match end {
        TcpEnd::Silent => (Where::Network, "SYNs to TCP port 53 are not answered"),
        TcpEnd::Refused => (Where::Resolver, "TCP port 53 is refused or reset"),
        TcpEnd::Unreachable => (Where::Network, "TCP port 53 draws an ICMP error"),
        TcpEnd::NoAnswer => (
            Where::Unknown,
            "TCP port 53 opens, and no answer comes over it",
        ),
    };
    let summary = match needed {
        true => format!(
            "{} needs TCP port 53 of {}, and that does not work.",
            of.question, of.resolver
        ),
        false => format!(
            "The answer to {} has {length} bytes: programs that ask without EDNS need TCP port 53 of {}, and that does not work.",
            of.question, of.resolver
        ),
    };
    let claim = Claim::new(
        Code::DnsTruncatedNoTcp,
        At::address(place, of.resolver),
        of.proof("TCP port 53"),
        0.93,
        summary,
    )
    .shown_by(shown)
    .advise(format!("Allow TCP port 53 beside UDP to {}", of.resolver));
    match needed {
        true => claim,
        false => claim.weighing(Weight::Finding),
    }
}

/// The first answer was late: is it the rule? Times of the same question, asked again.
pub fn slow(of: &Subject<'_>, mut times: Vec<Nanos>) -> Option<Claim> {
    times.sort_unstable();
    let median = *times.get(times.len() / 2)?;
    let is_slow = median >= 2 * SECOND;
    let list: Vec<String> = times.iter().map(|time| words(*time)).collect();
    let summary = match is_slow {
        true => format!(
            "{} takes {} at {}, in the median of {}.",
            of.question,
            words(median),
            of.resolver,
            times.len()
        ),
        false => format!(
            "{} was answered late once by {}, {} in the median of {}.",
            of.question,
            of.resolver,
            words(median),
            times.len()
        ),
    };
    let claim = Claim::new(
        Code::DnsSlow,
        At::address(Where::Unknown, of.resolver),
        of.proof("the question repeated"),
        0.95,
        summary,
    )
    .shown_by(format!(
        "the same question again and again: {}",
        list.join(", ")
    ))
    .advise(format!(
        "Resolver's operator ({}): look at its load and at the name servers it waits for",
        of.resolver
    ));
    Some(match is_slow {
        true => claim.weighing(Weight::Costly),
        false => claim.weighing(Weight::Finding),
    })
}

/// Every answer over UDP breaks off before its sections do. `whole`: over TCP it does not.
pub fn broken(of: &Subject<'_>, tries: u32, whole: Option<bool>) -> Claim {
    let (place, shown) = match whole {
        Some(true) => (
            Where::Network,
            "the same question over TCP port 53 gets a whole answer",
        ),
        Some(false) => (
            Where::Resolver,
            "the answer over TCP port 53 is broken as well",
        ),
        None => (Where::Unknown, "over TCP port 53 no answer comes"),
    };
    Claim::new(
        Code::DnsBadResponse,
        At::address(place, of.resolver),
        of.proof("the question repeated"),
        0.95,
        format!(
            "The answers of {} to {} are broken: each ends before its sections do.",
            of.resolver, of.question
        ),
    )
    .shown_by(format!(
        "{tries} questions, with EDNS and without, and no whole answer"
    ))
    .because(of.proof("the question over TCP"), shown)
    .advise(match place {
        Where::Network => format!(
            "Look at DNS inspection and at the MTU between here and {}",
            of.resolver
        ),
        _ => format!(
            "Operator of {}: look at what makes its answers, and at what forwards them",
            of.resolver
        ),
    })
}

/// Somebody answers in the resolver's name. `contradicted`: what the resolver itself says over TCP, when it differs.
pub fn forged(of: &Subject<'_>, found: &Impostor, contradicted: Option<String>) -> Claim {
    let at = At {
        place: Where::Network,
        address: found.address,
        hop: Some(found.hop),
        after_hop: None,
    };
    let who = match found.address {
        Some(address) => format!("hop {} ({address})", found.hop),
        None => format!("a device no farther than hop {}", found.hop),
    };
    let weight = if contradicted.is_some() || found.both {
        Weight::Fatal
    } else {
        Weight::Finding
    };
    let mut claim = Claim::new(
        Code::DnsForged,
        at,
        of.proof("questions with short TTLs"),
        if contradicted.is_some() { 0.97 } else { 0.9 },
        format!(
            "{who} answers in the name of {}, which is at least {} hops away.",
            of.resolver, found.resolver_at_least
        ),
    )
    .weighing(weight)
    .shown_by(format!("a question with TTL {} is answered", found.hop))
    .because(
        of.proof("pings with short TTLs"),
        match found.both {
            true => "a router says that the very question ended with it, and yet it is answered"
                .to_owned(),
            false => format!(
                "pings to {} need a TTL of at least {}",
                of.resolver, found.resolver_at_least
            ),
        },
    )
    .advise(format!(
        "Ask who runs the network whether DNS is redirected, and to except {}",
        of.resolver
    ))
    .advise("Use an encrypted transport (DNS over TLS) to a resolver that you trust");
    if let Some(text) = contradicted {
        claim = claim.because(of.proof("the question over TCP"), text);
    }
    claim
}

/// A resolver that nobody needed does not work.
pub fn spare(of: &Subject<'_>, code: Code, summary: String) -> Claim {
    Claim::new(code, At::address(Where::Resolver, of.resolver), of.proof("the same question"), 0.85, summary)
        .weighing(Weight::Finding)
        .advise(format!("Take {} out of the client's settings, or repair it: it is what remains when the first fails", of.resolver))
}

#[cfg(test)]
mod tests;
