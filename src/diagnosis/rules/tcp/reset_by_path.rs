//! `tcp.reset-by-path`: a RST to the SYN that contradicts the server's other packets.

use crate::base::Side;
use crate::diagnosis::principles::{reset_origin, with_words};
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
    if !origin.by_path() {
        return;
    }
    let probability = origin.probability().min(0.95);
    let mut claim = Claim::new(
        Code::TcpResetByPath,
        At::of(Where::Network),
        reset.at,
        probability,
        format!(
            "A device between {} and {} reset the connection in the server's name.",
            c.client().ip,
            c.server().ip
        ),
    )
    .shown_by(format!("RST to the SYN: {}", origin.signals.join("; ")))
    .advise(format!(
        "Ask whoever runs the firewalls between {} and {} which rule rejects TCP port {}",
        c.client().ip,
        c.server().ip,
        c.server().port
    ))
    .or(
        Code::TcpRefused,
        1.0 - probability,
        "a SYN whose TTL cannot reach the server: who resets it is on the path",
    );
    if let Some(syn) = c.tcp.syns.seen.first() {
        claim = claim.because(syn.at, "SYN");
    }
    claims.push(with_words(claim, reset));
}
