//! What experiments on a look-up say, as claims: the only place where measured facts become causes.
//!
//! Each names its control: the pings, the other type, the other size, the repetition that it was measured against. The packets' own verdict stands on the look-up; these place it, name
//! it better, or stand beside it. Nothing is sent here.

mod no_response;
mod silence;
mod untaken;

use std::net::IpAddr;

pub use no_response::no_response;
pub use silence::{Silence, silence};
pub use untaken::untaken;

use super::asking::TcpEnd;
use super::question::Question;
use super::walk::Impostor;
use crate::base::{Foreign, MILLISECOND, Nanos, SECOND, Timestamp};
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::proto::dns::rcode_name;

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

/// An ICMP error in the resolver's name that comes from nearer than the resolver is.
pub fn refused_nearby(
    of: &Subject<'_>,
    (hop, router): (u8, Option<IpAddr>),
    kind: (u8, u8),
) -> Claim {
    let at = At {
        place: Where::Network,
        address: router,
        hop: Some(hop),
        after_hop: None,
    };
    let who = router.map_or_else(String::new, |router| format!(" ({router})"));
    let resolver = of.resolver;
    Claim::new(
        Code::DnsBlocked,
        at,
        of.proof("questions with short TTLs"),
        0.85,
        format!(
            "A device at hop {hop}{who} refuses DNS in the name of {resolver}, which is farther away (ICMP {}/{}): questions to port 53 end there.",
            kind.0, kind.1
        ),
    )
    .shown_by(format!(
        "ICMP {}/{} comes as soon as a question's TTL reaches hop {hop}, where a ping's TTL runs out",
        kind.0, kind.1
    ))
    .because(
        of.proof("pings with short TTLs"),
        format!("pings to {resolver} get there only with a larger TTL, and its replies come from farther away than the error"),
    )
    .or(
        Code::DnsPortClosed,
        0.12,
        format!("a capture at {resolver}: whether the question arrives there"),
    )
    .advise(format!(
        "Ask whoever runs hop {hop}{who} whether it redirects DNS to itself (port 53), and whether its DNS service runs"
    ))
}

/// The name was found out: with records, without, or that there is none.
pub fn is_answer(rcode: u16) -> bool {
    matches!(rcode, 0 | 3)
}

/// SERVFAIL that goes away with CD=1, or does not (RFC 4035 3.2.2). `with_cd`: what CD=1 drew first; `again`: what was asked once it
/// was answered, with CD=1 or without. Validation is what fails only where no question without CD=1 was answered, and each with it.
pub fn checking_disabled(of: &Subject<'_>, with_cd: u16, again: &[(bool, u16)]) -> Option<Claim> {
    if is_answer(with_cd) {
        let as_told = |(disabled, rcode): &&(bool, u16)| is_answer(*rcode) == *disabled;
        let Some((disabled, rcode)) = again.iter().find(|one| !as_told(one)) else {
            // Whatever was not answered at all proves nothing.
            return (again.len() > 2).then(|| bogus(of, with_cd));
        };
        let proof = of.proof("the question repeated");
        let claim = Claim::new(
            Code::DnsServfail,
            At::address(Where::Resolver, of.resolver),
            proof,
            0.9,
            format!(
                "Resolver {} answered {} with SERVFAIL and at other times does not: something behind it fails now and then.",
                of.resolver, of.question
            ),
        )
        .shown_by(format!(
            "the same question again, validation switched {}: {}",
            if *disabled { "off" } else { "on" },
            rcode_name(*rcode)
        ))
        .advise(format!(
            "Resolver's operator ({}): look at what it forwards to, and at the zone's name servers, one by one",
            of.resolver
        ));
        return Some(claim);
    }
    let claim = Claim::new(
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
    ));
    Some(claim)
}

/// Validation fails.
fn bogus(of: &Subject<'_>, with_cd: u16) -> Claim {
    Claim::new(
        Code::DnsBogus,
        At::address(Where::Server, of.resolver),
        of.proof("the question with CD=1"),
        0.97,
        format!(
            "The signatures of {} do not hold: {} answers only with validation switched off.",
            of.question.name, of.resolver
        ),
    )
    .shown_by(format!(
        "the same question with CD=1: {}",
        rcode_name(with_cd)
    ))
    .because(
        of.proof("the question repeated"),
        "asked again in turns: never answered with validation, always without",
    )
    .advise(format!(
        "Owner of {}: check signatures, DS and clocks (dnsviz.net); then the resolver's own clock",
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
