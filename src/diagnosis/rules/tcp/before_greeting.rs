//! `tcp.reset-before-greeting` and `tcp.closed-before-greeting`: the handshake is done, and the server's side ends it
//! before any byte of its own.

use crate::base::Side;
use crate::diagnosis::principles::reset_origin;
use crate::diagnosis::{At, Claim, Code, Connection, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some((at, reset)) = c.closed_by(Side::Server) else {
        return;
    };
    let server = &c.tcp.sides[Side::Server];
    if server.data_segments > 0 || c.began_late() || c.partly_unseen() || c.tls.is_some() {
        return;
    }
    // Whether it had spoken shows in the number that it ends at, beside the one that it began with.
    if c.tcp.syn_acks.count == 0 || c.end_unseen(Side::Server) {
        return;
    }
    // Silence that the client broke at last, with a QUIT: what the server does then is no answer to the opening.
    if c.gave_up_waiting().is_some() {
        return;
    }
    let text = c.server_text();
    let waited =
        at.time
            .since(c.tcp.established.map_or(c.tcp.first.time, |mark| mark.time)) as f64
            / 1e9;
    let mut claim = if reset {
        let first = c.tcp.resets.iter().find(|r| r.side == Side::Server);
        // Where the client speaks first, what it said may be what the reset is about, though it was not captured.
        if c.service.implicit_tls() && first.is_some_and(|reset| reset.acks_unseen) {
            return;
        }
        let origin = first.map(|r| reset_origin(c, r));
        if origin.as_ref().is_some_and(|origin| origin.by_path()) {
            return;
        }
        Claim::new(
            Code::TcpResetBeforeGreeting,
            At::address(Where::Server, c.server().ip),
            at,
            0.85,
            format!("{text} took the connection and reset it before its first word."),
        )
        .shown_by(format!(
            "RST {waited:.3} s after the handshake, no byte before it"
        ))
        .or(
            Code::TcpResetMidstreamByPath,
            0.12,
            "a capture at the server: if it sends no reset there, a device on the path does",
        )
    } else {
        Claim::new(
            Code::TcpClosedBeforeGreeting,
            At::address(Where::Server, c.server().ip),
            at,
            0.9,
            format!("{text} took the connection and closed it without a word."),
        )
        .shown_by(format!(
            "FIN {waited:.3} s after the handshake, no byte before it"
        ))
    };
    if let Some(established) = c.tcp.established {
        claim = claim.because(established, "handshake complete");
    }
    if !reset && (2.5..=6.0).contains(&waited) {
        claim = claim.or(Code::MailProxyProtocol, 0.2, "the server's configuration: does this port expect a PROXY header (haproxy_trusted_networks, postscreen_upstream_proxy_protocol)?");
    }
    claims.push(
        claim
            .advise("Look into the server's log at this time: connection limits (per address), access lists (TCP wrappers, postscreen, couriertcpd MAXPERIP), crashed or missing service behind a proxy"),
    );
}
