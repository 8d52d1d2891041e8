//! Error codes of the answer: `dns.servfail`, `dns.bogus`, `dns.refused`, `dns.error`.
//!
//! RCODEs of RFC 1035 4.1.1 and RFC 6895 2.3; extended errors of RFC 8914 4 make SERVFAIL more precise: 6 to 12 say that DNSSEC
//! validation failed.

use super::filtered::unreached;
use crate::base::{Mark, SECOND};
use crate::diagnosis::lookup_view::{Content, Lookup, Sibling};
use crate::diagnosis::{At, Claim, Code, Weight, Where};
use crate::flow::lookup::{LookupFacts, Query};
use crate::proto::dns::rcode_name;

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let Some(Content::Error(reply)) = l.content() else {
        return;
    };
    let (message, facts) = (&reply.message, l.facts);
    let (name, resolver) = (rcode_name(message.rcode), facts.resolver);
    let extended = |range: std::ops::RangeInclusive<u16>| {
        message
            .extended_errors
            .iter()
            .find(|(code, _)| range.contains(code))
    };
    // Missing signatures and keys (9, 10, 12) are also what a validator lacks when it cannot fetch them.
    let not_fetched =
        unreached(message) && extended(6..=8).is_none() && extended(11..=11).is_none();
    let unsigned = extended(6..=12).is_some();
    let (code, place, confidence, summary, advice) = match message.rcode {
        2 if unsigned && !not_fetched => (
            Code::DnsBogus,
            Where::Server,
            0.95,
            format!(
                "The signatures of {} do not hold: DNSSEC validation fails at {resolver}.",
                facts.name
            ),
            format!(
                "Owner of {}: check signatures, DS and clocks (dnsviz.net); then the resolver's own clock",
                facts.name
            ),
        ),
        2 => (
            Code::DnsServfail,
            Where::Resolver,
            match (unsigned, extended(18..=18).is_some()) {
                (true, _) => 0.75,
                (false, true) => 0.85,
                (false, false) => 0.95,
            },
            format!(
                "Resolver {resolver} could not find out {}: SERVFAIL.",
                l.question()
            ),
            format!(
                "Ask another resolver for {}; if it fails too, the zone's own name servers are at fault",
                facts.name
            ),
        ),
        5 => (
            Code::DnsRefused,
            Where::Resolver,
            // "Prohibited" is an access list's word, and some filters' (RFC 8914 4.19).
            if extended(18..=18).is_some() {
                0.8
            } else {
                0.95
            },
            format!("Resolver {resolver} refuses to answer {}.", facts.client),
            format!(
                "Use a resolver meant for this network, or let {resolver} admit {}",
                facts.client
            ),
        ),
        _ => (
            Code::DnsError,
            Where::Resolver,
            0.9,
            format!("Resolver {resolver} answered {} with {name}.", l.question()),
            format!(
                "Ask without EDNS (dig +noedns @{resolver} {}); update the resolver, switch off DNS inspection",
                facts.name
            ),
        ),
    };
    let mut words = format!("response code {name}");
    for (number, text) in message.extended_errors.iter().take(2) {
        words.push_str(&format!(", extended error {number}"));
        if !text.is_empty() {
            words.push_str(&format!(" \"{text}\""));
        }
    }
    let mut claim = Claim::new(
        code,
        At::address(place, resolver),
        reply.at,
        confidence,
        summary,
    )
    .shown_by(words)
    .because(facts.first, format!("query for {}", l.question()))
    .advise(advice);
    if code == Code::DnsServfail {
        claim = claim.or(
            Code::DnsBogus,
            if unsigned { 0.2 } else { 0.04 },
            format!(
                "dig +cd @{resolver} {}: an answer means that DNSSEC validation fails",
                facts.name
            ),
        );
    }
    if code == Code::DnsServfail && !unsigned && extended(18..=18).is_some() {
        claim = claim.or(
            Code::DnsFiltered,
            0.1,
            "another resolver: whether it gives the address",
        );
    }
    if code == Code::DnsRefused && extended(18..=18).is_some() {
        claim = claim.or(
            Code::DnsFiltered,
            0.18,
            "another name at the same resolver: an access list refuses them all",
        );
    }
    if code == Code::DnsError
        && let Some(answered) = outlived(l, reply.at)
    {
        claim = claim
            .because(
                answered,
                "the same question without EDNS, asked at once, is answered",
            )
            .weighing(Weight::Costly);
    }
    claims.push(claim);
}

/// Where the question was answered that the client put again at once: a server that does not know EDNS, or what stands in it, says FORMERR,
/// NOTIMP or BADVERS, and is asked again without it (RFC 6891 6.1.3, 7).
fn outlived(l: &Lookup<'_>, refused: Mark) -> Option<Mark> {
    let LookupFacts { kind, resolver, .. } = l.facts;
    let had_edns = |query: &Query| query.edns_size.is_some();
    let again = |one: &&Sibling| {
        let after = one.first.time.since(refused.time);
        (one.kind, one.resolver) == (*kind, *resolver)
            && matches!(one.rcode, Some(0 | 3))
            && (0..=SECOND).contains(&after)
    };
    if !l.facts.queries.iter().all(had_edns) {
        return None;
    }
    l.same_name().find(again)?.answer
}
