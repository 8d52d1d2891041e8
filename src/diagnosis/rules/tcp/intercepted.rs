//! `tcp.intercepted`: the SYN-ACK comes from nearer than the same server's later packets.
//!
//! Two hops or more of difference; where the later distances vary, a round trip at least 5 × and 20 ms below the later
//! minimum as well. A SYN proxy or a transparent mail proxy. A connection that works keeps this as a finding.

use crate::base::{MILLISECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::HopCount;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let server = &c.tcp.sides[Side::Server];
    let Some(answer) = c.tcp.syn_acks.seen.first() else {
        return;
    };
    let (Some(syn), Some(later)) = (server.syn_hops, server.hops) else {
        return;
    };
    // One of several equal paths may be a hop longer, and any packet may take it: none of the later ones comes from about there.
    let near = |ttl: &u8| HopCount::of(*ttl).hops.abs_diff(syn.hops) < 2;
    if syn.ttl == later.ttl || server.ttls.iter().any(near) {
        return;
    }
    // Which of several SYNs was answered is known from the echo alone (RFC 7323 4.1).
    let timed = c.tcp.syns.count <= 1 || answer.options.timestamps;
    let mut signal = None;
    if server.ttls.len() <= 1 {
        signal = Some((
            0.85,
            format!(
                "SYN-ACK from {} hops away (TTL {}), later packets from {} (TTL {})",
                syn.hops, syn.ttl, later.hops, later.ttl
            ),
        ));
    } else if let (Some(syn_rtt), Some(min)) = (c.tcp.rtt_server, c.tcp.min_rtt[Side::Server])
        && min - syn_rtt >= 20 * MILLISECOND
        && min >= 5 * syn_rtt
        && timed
    {
        signal = Some((
            0.6,
            format!(
                "SYN-ACK after {:.1} ms, nothing later in under {:.1} ms",
                syn_rtt as f64 / 1e6,
                min as f64 / 1e6
            ),
        ));
    }
    let Some((confidence, text)) = signal else {
        return;
    };
    claims.push(
        Claim::new(
            Code::TcpIntercepted,
            At::of(Where::Network),
            answer.at,
            confidence,
            format!(
                "Something on the path answers the handshake in the name of {}.",
                c.server_text()
            ),
        )
        .weighing(Weight::Finding)
        .shown_by(text)
        .advise("Ask whether a SYN proxy or a transparent mail proxy stands on the path"),
    );
}
