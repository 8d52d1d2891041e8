//! `tcp.options-stripped`: window scale, SACK or timestamps are missing on this port only.
//!
//! Seen from one point it is a finding: another port of the same host has them. It is the verdict only if the
//! transfer then stands still at the unscaled window: the sender's bytes in flight stop at what the window
//! says without its scale.

use crate::base::{SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let (Some(syn), Some(answer)) = (c.tcp.syns.seen.first(), c.tcp.syn_acks.seen.first()) else {
        return;
    };
    let missing = syn.options.window_scale.is_some()
        && answer.options.window_scale.is_none()
        && answer.options.whole;
    let Some((port, elsewhere)) = c.context.options_elsewhere else {
        return;
    };
    if !missing {
        return;
    }
    let stalled = c.tcp.sides[Side::Client]
        .outstanding
        .filter(|o| o.transmissions >= 3 && o.last.time.since(o.first.time) >= 3 * SECOND);
    let mut claim = Claim::new(
        Code::TcpOptionsStripped,
        At::of(Where::Network),
        answer.at,
        0.6,
        format!(
            "The SYN-ACK of port {} lacks window scaling that port {port} of the same host offers.",
            c.server().port
        ),
    )
    .weighing(Weight::Finding)
    .because(
        elsewhere,
        format!("SYN-ACK of port {port} with window scaling"),
    )
    .advise(
        "Look for a TCP normaliser on the path (Cisco: tcp-map, tcp-options window-scale allow)",
    );
    if let Some(o) = stalled {
        claim.weight = Weight::Fatal;
        claim = claim.because(
            o.last,
            "data beyond the unscaled window is never acknowledged",
        );
    }
    claims.push(claim);
}
