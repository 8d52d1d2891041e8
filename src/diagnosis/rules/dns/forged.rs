//! `dns.forged`: more answers than tries, and they contradict each other (RFC 5452 4).
//!
//! Two answers to one query without a shared address, or with different codes, cannot both be the resolver's. Copies of one answer, answers to
//! repeated queries, and lists in another order are no contradiction.

use crate::base::MILLISECOND;
use crate::diagnosis::lookup_view::{Lookup, addresses};
use crate::diagnosis::{At, Claim, Code, Where};
use crate::flow::lookup::{Reply, Transport};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    let mut distinct: Vec<&Reply> = Vec::new();
    for reply in &facts.replies {
        let sound = reply.transport == Transport::Udp
            && !reply.message.truncated
            && !reply.message.incomplete;
        let copy = distinct.iter().any(|other| {
            other.message.id == reply.message.id
                && reply.at.time.since(other.at.time) <= 3 * MILLISECOND
                && !contradict(other, reply)
        });
        if sound && !copy {
            distinct.push(reply);
        }
    }
    let (Some(first), Some(second)) = (
        distinct.first(),
        distinct.iter().skip(1).find(|reply| {
            distinct
                .first()
                .is_some_and(|first| contradict(first, reply))
        }),
    ) else {
        return;
    };
    let answers = distinct
        .iter()
        .filter(|reply| reply.at.time <= second.at.time)
        .count();
    let tries = l.tries_until(second.at) as usize;
    if tries == 0 || answers <= tries {
        return;
    }
    let distance = first.hops.hops.abs_diff(second.hops.hops);
    let sure = distance >= 2 && first.hops.ttl != second.hops.ttl;
    let mut claim = Claim::new(
        Code::DnsForged,
        At::of(Where::Network),
        second.at,
        if sure { 0.95 } else { 0.82 },
        format!(
            "Two answers to one query for {} contradict each other: a device answers for {}.",
            l.question(),
            facts.resolver
        ),
    )
    .shown_by(format!(
        "answer number {answers} to {tries}: {}, TTL {}",
        content(second),
        second.hops.ttl
    ))
    .because(
        first.at,
        format!("first answer: {}, TTL {}", content(first), first.hops.ttl),
    )
    .because(facts.first, format!("query for {}", l.question()))
    .since(first.at.time)
    .advise(format!(
        "Ask who runs the network whether DNS is redirected, and to except {}",
        facts.resolver
    ))
    .advise("Use an encrypted transport (DNS over TLS) to a resolver that you trust");
    if !sure {
        claim = claim.or(
            Code::DnsBadResponse,
            0.1,
            "a query whose TTL cannot reach the resolver: an answer to it is a device's",
        );
    }
    claims.push(claim);
}

fn contradict(a: &Reply, b: &Reply) -> bool {
    if a.message.rcode != b.message.rcode {
        return true;
    }
    let (mut of_a, mut of_b) = (addresses(a).peekable(), addresses(b).peekable());
    of_a.peek().is_some()
        && of_b.peek().is_some()
        && !of_a.any(|ip| addresses(b).any(|other| other == ip))
}

fn content(reply: &Reply) -> String {
    let list: Vec<String> = addresses(reply).take(3).map(|ip| ip.to_string()).collect();
    if list.is_empty() {
        crate::proto::dns::rcode_name(reply.message.rcode).into_owned()
    } else {
        list.join(", ")
    }
}
