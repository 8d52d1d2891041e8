//! `route.loop`: time-exceeded for a packet that left with a normal TTL (RFC 792 11/0, RFC 4443 3.3): the SYN, or what is sent again and
//! again on a connection that had worked.
//!
//! A traceroute sends small TTLs on purpose: what left with less than 30 is none of this.

use crate::base::{SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::{IcmpError, NORMAL_TTL};

/// Hears a connection that never opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let mut told = c.tcp.icmp.iter();
    let exceeded = told.find(|error| exceeded(error, Side::Client));
    let Some(error) = exceeded else { return };
    let (server, sender) = (c.server().ip, error.sender);
    let with = others(c, error);
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

/// Hears a connection that opened.
pub fn midstream(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    for side in [Side::Client, Side::Server] {
        let Some(o) = *c.tcp.sides[side].outstanding else {
            continue;
        };
        // The clock of data that is not acknowledged. After the end nothing is a fault.
        if o.transmissions < 3
            || o.last.time.since(o.first.time) < 3 * SECOND
            || c.done.is_some_and(|done| done.time <= o.first.time)
        {
            continue;
        }
        // Who looks for the path within the connection sends some segments with small TTLs, and draws such errors himself.
        if c.tcp.sides[side].ttls.iter().any(|ttl| *ttl < NORMAL_TTL) {
            continue;
        }
        // Routes change, and meanwhile some packets run in a circle: one such error is not why.
        let mut told = c
            .tcp
            .icmp
            .iter()
            .filter(|error| error.at.time >= o.first.time && exceeded(error, side));
        let (Some(first), Some(last)) = (told.next(), told.next_back()) else {
            continue;
        };
        // Of one packet, seen twice.
        if last.at.time.since(first.at.time) < SECOND {
            continue;
        }
        let (from, to) = match side {
            Side::Client => (c.client().ip, c.server().ip),
            Side::Server => (c.server().ip, c.client().ip),
        };
        let sender = first.sender;
        let with = others(c, first);
        claims.push(
            Claim::new(
                Code::RouteLoop,
                At::address(Where::Network, sender),
                first.at,
                0.9,
                format!("Since the middle of the connection packets from {from} to {to} run in a circle and die at {sender}{with}."),
            )
            .since(o.first.time)
            .shown_by(format!(
                "ICMP time exceeded from {sender} for a segment that left with TTL {}",
                first.sent_ttl.unwrap_or_default()
            ))
            .because(o.first, "a segment that is never acknowledged, first time")
            .because(
                o.last,
                format!("the same again, sent {} times in all", o.transmissions),
            )
            .because(last.at, "time exceeded again")
            .provisional_if(!c.ended())
            .advise(format!(
                "Ask whoever runs {sender} to compare its route to {to} with its neighbours', and what changed at that time"
            )),
        );
        return;
    }
}

/// It says that a packet of that side ran out of hops although it left with enough.
fn exceeded(error: &IcmpError, side: Side) -> bool {
    error.quoted == side
        && error.matches
        && matches!(
            (error.v6, error.kind, error.code),
            (false, 11, 0) | (true, 3, 0)
        )
        && error.sent_ttl.is_some_and(|ttl| ttl >= NORMAL_TTL)
}

/// Who else sent errors about the connection.
fn others(c: &Connection<'_>, error: &IcmpError) -> String {
    let mut others: Vec<String> = Vec::new();
    for other in &c.tcp.icmp {
        let text = other.sender.to_string();
        if other.sender != error.sender && !others.contains(&text) && others.len() < 2 {
            others.push(text);
        }
    }
    if others.is_empty() {
        String::new()
    } else {
        format!(" (also {})", others.join(", "))
    }
}
