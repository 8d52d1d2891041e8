//! `dns.timeout`: asked, asked again, and nothing ever came back – no answer, no ICMP error.
//!
//! Stub resolvers ask again after 5 s (RFC 1035 4.2.1 leaves it to them); the clock is that of verdicts.md.

use crate::base::SECOND;
use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Where};
use crate::flow::HopCount;

/// No path is longer: such a TTL is one that its sender chose.
const MOST_HOPS: u8 = 30;

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let Some(silence) = l.silence() else { return };
    let facts = l.facts;
    if facts.icmp_count > 0 || facts.tcp().reset.is_some() || facts.tcp().syn_ack.is_some() {
        return;
    }
    // Asked once, never again, and then connected, or at once asked for the next name of the search: the answer came and was not
    // captured, as where only one of several parallel links is watched.
    if silence.tries <= 1 && (l.context.went_on.is_some() || l.context.moved_on.is_some()) {
        return;
    }
    // Asked again, and at once connected to an address that no other answer gave: this one did, and was not captured. A client
    // that goes on with what another resolver said was told that, and one that gives up waits for its timeout first.
    if l.context.went_on_untold.is_some() {
        return;
    }
    let absence = l.absence();
    let full = if silence.tries >= 2 { 0.95 } else { 0.8 };
    let Some(confidence) = absence.confidence(full) else {
        return;
    };
    let lasted = silence.lasted as f64 / SECOND as f64;
    let tries = match silence.tries {
        0 | 1 => "one query".to_owned(),
        n => format!("{n} queries"),
    };
    let reached = at_resolver(l);
    let (place, confidence) = if reached {
        (Where::Resolver, confidence.min(0.85))
    } else {
        (Where::Network, confidence)
    };
    let mut claim = Claim::new(
        Code::DnsTimeout,
        At::address(place, facts.resolver),
        silence.last,
        confidence,
        format!(
            "Resolver {} never answered: {tries} for {} in {lasted:.1} s.",
            facts.resolver,
            l.question()
        ),
    )
    .shown_by(format!(
        "query number {}; no answer and no ICMP error came back",
        silence.tries
    ))
    .since(silence.first.time)
    .provisional_if(silence.open);
    if reached {
        claim = claim
            .shown_by("the queries arrive there: its answers to this client leave with an untouched TTL")
            .advise(format!(
                "Whoever runs {}: its log and its firewall at this time; the zone's own name servers may be silent",
                facts.resolver
            ));
    }
    claim = claim
        .advise(format!(
            "Check that the resolver {} is alive, or take it out of the client's settings",
            facts.resolver
        ))
        .advise(format!(
            "Ask whoever runs the firewalls between {} and {} to allow UDP and TCP port 53",
            facts.client, facts.resolver
        ));
    if silence.first != silence.last {
        claim = claim.because(
            silence.first,
            format!("query for {}, first time", l.question()),
        );
    }
    if absence.doubtful() {
        claim = claim.or(
            Code::CaptureOneWay,
            0.3,
            "any packet towards this client in the same capture",
        );
    }
    claims.push(claim);
}

/// The capture was made at the resolver or on its link: what it says to this client has not been forwarded yet, and the queries have.
fn at_resolver(l: &Lookup<'_>) -> bool {
    let spoke = l.context.resolver_answered;
    let mut queries = l.facts.queries.iter();
    spoke.is_some_and(|(hops, _)| hops.hops == 0)
        && !l.facts.queries.is_empty()
        && queries.all(|query| (1..=MOST_HOPS).contains(&HopCount::of(query.ttl).hops))
}
