//! `dns.port-closed` on TCP/53: the resolver's RST to the SYN, without an answer over UDP before it (RFC 9293 3.10.7.1).
//!
//! A RST that came from nearer than the resolver's other answers is a middlebox's: `dns.blocked`.

use super::nearer;
use crate::base::{Mark, SECOND};
use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Where};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    let Some((reset, hops)) = facts.tcp().reset else {
        return;
    };
    if facts.reply_count > 0 || facts.icmp_count > 0 || facts.tcp().syn_ack.is_some() {
        return;
    }
    let resolver = facts.resolver;
    let mut claim = if let Some(base) = l.reset_on_the_way(hops) {
        let blocked = Claim::new(
            Code::DnsBlocked,
            At::of(Where::Network),
            reset,
            0.85,
            format!(
                "A device between {} and {resolver} rejects DNS: it resets TCP port 53 in the resolver's name.",
                facts.client
            ),
        )
        .shown_by(format!("RST to the SYN on TCP port 53{}", nearer(hops, base)))
        .or(
            Code::DnsPortClosed,
            0.1,
            "a SYN whose TTL cannot reach the resolver: who resets it is on the path",
        )
        .advise(format!(
            "Ask whoever runs the firewalls between {} and {resolver} to allow UDP and TCP port 53",
            facts.client
        ));
        match l.context.resolver_answered {
            Some((_, answer)) => blocked.because(answer, "the resolver answers another question"),
            None => blocked,
        }
    } else if answers_now(l, reset) {
        // It does serve DNS: what becomes of this question alone cannot be told by a refusal of TCP.
        return;
    } else {
        Claim::new(
            Code::DnsPortClosed,
            At::address(Where::Client, resolver),
            reset,
            0.7,
            format!("Nothing serves DNS at {resolver}: it refuses TCP port 53."),
        )
        .shown_by("RST to the SYN on TCP port 53")
        .or(
            Code::DnsBlocked,
            0.25,
            "another packet of the resolver to compare TTLs with: a firewall's REJECT looks the same",
        )
        .advise(format!(
            "Correct the client's resolver address, or start the DNS service on {resolver}"
        ))
    };
    if let Some(query) = facts.last_query {
        claim = claim.because(
            query,
            format!("query for {}, never answered over UDP", l.question()),
        );
    }
    claims.push(claim.since(facts.first.time));
}

/// The resolver answered a question of this client a moment ago, or a moment later.
fn answers_now(l: &Lookup<'_>, reset: Mark) -> bool {
    l.context
        .resolver_answered
        .is_some_and(|(_, answer)| answer.time.since(reset.time).abs() <= 60 * SECOND)
}
