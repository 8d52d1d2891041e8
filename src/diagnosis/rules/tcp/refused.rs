//! `tcp.refused`: RST to the SYN, and nothing speaks against the server having sent it (RFC 9293 3.5.2).

use crate::base::Side;
use crate::diagnosis::principles::{port_served, reset_origin, with_words};
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::ResetTrigger;

/// Hears a connection that never opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some(reset) = c
        .tcp
        .resets
        .iter()
        .find(|r| r.side == Side::Server && r.trigger == ResetTrigger::Syn)
    else {
        return;
    };
    let origin = reset_origin(c, reset);
    if origin.by_path() {
        return;
    }
    // Alone, a RST says little of its sender; beside other packets of the server from the same distance it says more.
    let compared = c.context.server_hops.is_some();
    // Of a port that served another connection just now: its service has ended, or something refuses what is too much.
    let served = port_served(c);
    let full = match (origin.score > 0.0, compared) {
        (true, _) => 0.6,
        (false, true) => 0.93,
        (false, false) => 0.8,
    };
    let confidence = served.confidence(Code::TcpRefused, full);
    let server = c.server_text();
    let why = if served.is_some() {
        "nothing listens on that port any more, or somebody limits new connections"
    } else {
        "nothing listens on that port"
    };
    let mut claim = Claim::new(
        Code::TcpRefused,
        At::address(Where::Server, c.server().ip),
        reset.at,
        confidence,
        format!("{server} refused the connection: {why}."),
    )
    .shown_by(match reset.hops.ttl {
        // Retold from a socket: nobody saw one.
        0 => "RST,ACK to the SYN".to_owned(),
        ttl => format!("RST,ACK to the SYN, TTL {ttl}"),
    })
    .advise(format!("Start the mail service on port {}, or use the port that it listens on", c.server().port))
    .or(
        Code::TcpResetByPath,
        if served.is_some() { 0.2 } else { 1.0 - confidence },
        "a SYN whose TTL cannot reach the server, or another packet of the server to compare TTLs with: a firewall's REJECT looks the same",
    );
    claim = served.shown(claim);
    if let Some(syn) = c.tcp.syns.seen.first() {
        claim = claim.because(syn.at, "SYN");
    }
    for signal in &origin.signals {
        claim = claim.because(reset.at, format!("RST: {signal}"));
    }
    if c.tcp.reset_count > 1 {
        claim = claim.because(
            reset.at,
            format!("{} tries, {} resets", c.tcp.syns.count, c.tcp.reset_count),
        );
    }
    claims.push(with_words(claim, reset));
}
