//! `tcp.synack-lost`: seen at the server, the SYN-ACK is repeated, never acknowledged, and the client keeps asking.

use crate::base::{SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Where};

/// Hears a connection that never opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if c.tcp.established.is_some()
        || c.tcp.reset_count > 0
        || c.tcp.syns.count < 2
        || c.tcp.syn_acks.count < 2
    {
        return;
    }
    let (Some(first), Some(last), Some(syn)) = (
        c.tcp.syn_acks.seen.first(),
        c.tcp.syn_acks.last,
        c.tcp.syns.last,
    ) else {
        return;
    };
    // The client must go on asking after the first answer, else it may have left.
    if syn.time <= first.at.time
        || last.time.since(first.at.time) < 3 * SECOND && c.tcp.syn_acks.count < 3
    {
        return;
    }
    let (client, server) = (c.client().ip, c.server().ip);
    // Captured beside the client it is past the whole way back.
    let arrives = c.captured_beside(Side::Client);
    let claim = if arrives {
        Claim::new(
            Code::TcpSynackLost,
            At::address(Where::Client, client),
            last,
            0.85,
            format!("The server's SYN-ACK arrives at {client}, which does not take it."),
        )
        .advise(format!(
            "Look at {client} itself: rules of its own firewall for what comes in, rp_filter"
        ))
    } else {
        Claim::new(
            Code::TcpSynackLost,
            At::of(Where::Network),
            last,
            0.93,
            format!("The server answers, but its SYN-ACK never reaches {client}."),
        )
        .advise(format!(
            "Look for a drop or an asymmetric route between {server} and {client}, on the way back"
        ))
    };
    claims.push(
        claim
            .shown_by(format!(
                "SYN-ACK, number {}, never acknowledged",
                c.tcp.syn_acks.count
            ))
            .since(first.at.time)
            .because(first.at, "SYN-ACK")
            .because(syn, "the client asks again: it did not get the answer")
            .provisional_if(!c.ended() && c.horizon.since(last.time) < 10 * SECOND),
    );
}
