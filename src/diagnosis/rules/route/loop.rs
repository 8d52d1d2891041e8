//! `route.loop`: time-exceeded for a SYN that left with a normal TTL (RFC 792 11/0, RFC 4443 3.3).
//!
//! A traceroute sends small TTLs on purpose: what left with less than 30 is none of this.

use crate::base::Side;
use crate::diagnosis::{At, Claim, Code, Connection, Where};

/// No path is that long, and no host starts that low.
const NORMAL_TTL: u8 = 30;

/// Hears a connection that never opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let exceeded = c.tcp.icmp.iter().find(|error| {
        error.quoted == Side::Client
            && error.matches
            && matches!(
                (error.v6, error.kind, error.code),
                (false, 11, 0) | (true, 3, 0)
            )
            && error.sent_ttl.is_some_and(|ttl| ttl >= NORMAL_TTL)
    });
    let Some(error) = exceeded else { return };
    let (server, sender) = (c.server().ip, error.sender);
    let others: Vec<String> = c
        .tcp
        .icmp
        .iter()
        .map(|other| other.sender)
        .filter(|other| *other != sender)
        .take(2)
        .map(|other| other.to_string())
        .collect();
    let with = if others.is_empty() {
        String::new()
    } else {
        format!(" (also {})", others.join(", "))
    };
    let ttl = error.sent_ttl.unwrap_or_default();
    let mut claim = Claim::new(
        Code::RouteLoop,
        At::address(Where::Network, sender),
        error.at,
        0.93,
        format!("Packets to {server} run in a circle until they die at {sender}{with}."),
    )
    .shown_by(format!(
        "ICMP time exceeded from {sender} for a SYN that left with TTL {ttl}"
    ))
    .advise(format!(
        "Ask whoever runs {sender} to compare its route to {server} with its neighbours'"
    ))
    .advise(format!(
        "Run: mxray probe {} – it names the routers of the circle",
        c.server_text()
    ));
    if let Some(syn) = c.tcp.syns.seen.first() {
        claim = claim.because(syn.at, "SYN").since(syn.at.time);
    }
    claims.push(claim);
}
