//! `dns.port-closed` on TCP/53: the resolver's RST to the SYN, without an answer over UDP before it (RFC 9293 3.10.7.1).

use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Where};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    let Some((reset, _)) = facts.tcp().reset else {
        return;
    };
    if facts.reply_count > 0 || facts.icmp_count > 0 || facts.tcp().syn_ack.is_some() {
        return;
    }
    let mut claim = Claim::new(
        Code::DnsPortClosed,
        At::address(Where::Client, facts.resolver),
        reset,
        0.7,
        format!(
            "Nothing serves DNS at {}: it refuses TCP port 53.",
            facts.resolver
        ),
    )
    .shown_by("RST to the SYN on TCP port 53")
    .or(
        Code::DnsBlocked,
        0.25,
        "another packet of the resolver to compare TTLs with: a firewall's REJECT looks the same",
    )
    .advise(format!(
        "Correct the client's resolver address, or start the DNS service on {}",
        facts.resolver
    ));
    if let Some(query) = facts.last_query {
        claim = claim.because(
            query,
            format!("query for {}, never answered over UDP", l.question()),
        );
    }
    claims.push(claim.since(facts.first.time));
}
