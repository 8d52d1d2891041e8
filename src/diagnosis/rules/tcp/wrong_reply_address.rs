//! `tcp.wrong-reply-address`: the SYN-ACK comes from another address than the one that was asked (NAT loopback).

use crate::diagnosis::{At, Claim, Code, Connection, Where};

/// Hears a connection that never opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some((mark, from)) = *c.tcp.foreign_syn_ack else {
        return;
    };
    let mut claim = Claim::new(
        Code::TcpWrongReplyAddress,
        At::address(Where::Network, from.ip),
        mark,
        0.95,
        format!("The answer to {} comes from {}: the client cannot take it for its own.", c.server_text(), from.ip),
    )
    .shown_by(format!("SYN-ACK from {} acknowledges the SYN that was sent to {}", from.ip, c.server().ip))
    .advise("Let the NAT device translate both directions (NAT loopback with source NAT), or use the inner address inside");
    if let Some(syn) = c.tcp.syns.seen.first() {
        claim = claim
            .because(syn.at, format!("SYN to {}", c.server().ip))
            .since(syn.at.time);
    }
    claims.push(claim);
}
