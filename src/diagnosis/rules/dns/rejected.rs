//! ICMP errors that quote a query: `dns.blocked`, `dns.port-closed`, `route.unreachable`, `route.loop`.
//!
//! One table: type and code (RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1), and whether the resolver itself sent it.
//! A host says port-unreachable for itself (RFC 1122 4.1.3.1); anybody else who says so is a firewall.

use crate::base::{Mark, SECOND};
use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Weight, Where};
use crate::flow::lookup::LookupIcmp;

/// What an ICMP error that quotes a question means, and its name; `own`: the resolver itself sent it.
pub fn refusal(v6: bool, kind: u8, code: u8, own: bool) -> Option<(Code, &'static str)> {
    Some(match (v6, kind, code) {
        (false, 3, 9) => (
            Code::DnsBlocked,
            "network administratively prohibited (3/9)",
        ),
        (false, 3, 10) => (Code::DnsBlocked, "host administratively prohibited (3/10)"),
        (false, 3, 13) => (
            Code::DnsBlocked,
            "communication administratively prohibited (3/13)",
        ),
        (true, 1, 1) => (Code::DnsBlocked, "administratively prohibited (1/1)"),
        (true, 1, 5) => (Code::DnsBlocked, "source address failed policy (1/5)"),
        (true, 1, 6) => (Code::DnsBlocked, "reject route (1/6)"),
        (false, 3, 3) if own => (Code::DnsPortClosed, "port unreachable (3/3)"),
        (true, 1, 4) if own => (Code::DnsPortClosed, "port unreachable (1/4)"),
        (false, 3, 3) => (Code::DnsBlocked, "port unreachable (3/3)"),
        (true, 1, 4) => (Code::DnsBlocked, "port unreachable (1/4)"),
        (false, 3, 0) => (Code::RouteUnreachable, "network unreachable (3/0)"),
        (false, 3, 1) => (Code::RouteUnreachable, "host unreachable (3/1)"),
        (false, 3, 6) => (Code::RouteUnreachable, "network unknown (3/6)"),
        (false, 3, 7) => (Code::RouteUnreachable, "host unknown (3/7)"),
        (true, 1, 0) => (Code::RouteUnreachable, "no route to destination (1/0)"),
        (true, 1, 3) => (Code::RouteUnreachable, "address unreachable (1/3)"),
        (false, 11, 0) => (Code::RouteLoop, "time exceeded (11/0)"),
        (true, 3, 0) => (Code::RouteLoop, "hop limit exceeded (3/0)"),
        _ => return None,
    })
}

/// Where a resolver answered although it had just said, and said again, that nothing serves DNS there. A service that was started again
/// answers what comes later, and from then on: there only the last of several errors may lie right before an answer.
pub fn serves(errors: &[LookupIcmp]) -> Option<Mark> {
    let (first, last) = errors.first().zip(errors.last())?;
    let mut answers = errors.iter().filter_map(|error| error.answers);
    first
        .answers
        .or_else(|| answers.find(|answer| last.at.time > answer.time))
}

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    // Over TCP after a truncated answer it is that answer's fault.
    if facts.truncated().is_some() {
        return;
    }
    let serves = serves(&facts.icmp).is_some();
    let Some((error, code, name)) = facts.icmp.iter().find_map(|error| {
        // No host's TCP says port-unreachable (RFC 9293 3.10.7.1: it resets).
        let own = error.sender == facts.resolver && !error.tcp;
        let (code, name) = refusal(error.v6, error.kind, error.code, own)?;
        (code != Code::DnsPortClosed || !serves).then_some((error, code, name))
    }) else {
        return;
    };
    let query = facts
        .queries
        .iter()
        .rev()
        .find(|query| query.at.time <= error.at.time);
    // A probe whose TTL was meant to end on the way is no loop.
    if code == Code::RouteLoop && query.is_none_or(|query| query.ttl < 30) {
        return;
    }
    let delay = query.map(|query| error.at.time.since(query.at.time));
    let (resolver, sender, client) = (facts.resolver, error.sender, facts.client);
    let (place, confidence, summary, advice) = match code {
        Code::DnsPortClosed => (
            Where::Client,
            0.92,
            format!("Nothing serves DNS at {resolver}: its own ICMP says {name}."),
            format!(
                "Correct the client's resolver address, or start the DNS service on {resolver}"
            ),
        ),
        Code::DnsBlocked => (
            Where::Network,
            0.95,
            format!("A device at {sender} rejects DNS to {resolver}: ICMP {name}."),
            format!(
                "Ask whoever runs {sender} to allow UDP and TCP port 53 from {client} to {resolver}"
            ),
        ),
        Code::RouteLoop => (
            Where::Network,
            0.9,
            format!("Queries to {resolver} run in a circle: {sender} says {name}."),
            format!("Ask whoever runs {sender} to look at the route to {resolver}"),
        ),
        _ => (
            Where::Network,
            0.93,
            format!("{sender} cannot reach the resolver {resolver}: ICMP {name}."),
            match delay {
                Some(delay) if delay >= 2 * SECOND => {
                    format!(
                        "{sender} asked for {resolver} by ARP or NDP and got no answer: start the resolver, or correct its address"
                    )
                }
                _ => format!("Ask whoever runs {sender} for its route to {resolver}"),
            },
        ),
    };
    let late = delay.map_or(String::new(), |delay| {
        format!(", {:.3} s after it", delay as f64 / SECOND as f64)
    });
    let mut claim = Claim::new(
        code,
        At::address(place, sender),
        error.at,
        confidence,
        summary,
    )
    .shown_by(format!("ICMP {name} from {sender} quotes the query{late}"))
    .advise(advice);
    if let Some(query) = query {
        claim = claim
            .because(query.at, format!("query for {}", l.question()))
            .since(query.at.time);
    }
    if code == Code::DnsPortClosed {
        claim = claim.or(
            Code::DnsBlocked,
            0.05,
            "the resolver's own firewall: a plain REJECT looks the same",
        );
    }
    if l.answer().is_some() {
        claim = claim.weighing(Weight::Finding);
    }
    claims.push(claim);
}
