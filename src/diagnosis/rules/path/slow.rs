//! `path.slow`: a handshake round trip of a second or more, measured from the last SYN (Karn).

use crate::base::{SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let (Some(server), Some(answer)) = (c.tcp.rtt_server, c.tcp.syn_acks.seen.first()) else {
        return;
    };
    // What was not captured may have been the SYN that was answered, and whatever went round faster.
    if c.frames_missing() {
        return;
    }
    // With a round trip above 1 s the SYN is always sent twice (RFC 6298 2.1), and Karn's last SYN is the wrong one: the
    // round trips of data then tell which SYN was answered.
    let first = c
        .tcp
        .syns
        .seen
        .first()
        .map_or(server, |syn| answer.at.time.since(syn.at.time));
    let slow_data = [Side::Client, Side::Server]
        .iter()
        .any(|side| c.tcp.min_rtt[*side].is_some_and(|rtt| rtt >= SECOND));
    let server = if c.tcp.syns.count > 1 && slow_data {
        first
    } else {
        server
    };
    let rtt = server.saturating_add(c.tcp.rtt_client.unwrap_or(0));
    if rtt < SECOND || c.tcp.syns.count > 1 && !slow_data {
        return;
    }
    // Data that goes round faster speaks against the path: then a SYN or SYN-ACK was lost and sent again.
    let far = if server >= rtt.saturating_sub(server) {
        Side::Server
    } else {
        Side::Client
    };
    if c.tcp.min_rtt[far].is_some_and(|quick| quick < rtt / 2) {
        return;
    }
    claims.push(
        Claim::new(
            Code::PathSlow,
            At::of(Where::Network),
            answer.at,
            0.8,
            format!("The handshake with {} took {:.1} s for one round trip.", c.server_text(), rtt as f64 / 1e9),
        )
        .weighing(Weight::Costly)
        .shown_by(format!("SYN-ACK {:.3} s after the SYN", server as f64 / 1e9))
        .advise("Look for a satellite or mobile link, or a queue that is full (bufferbloat), on the way"),
    );
}
