//! `path.slow`: a handshake round trip of a second or more, measured from the last SYN (Karn).

use crate::base::SECOND;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let (Some(server), Some(answer)) = (c.tcp.rtt_server, c.tcp.syn_acks.seen.first()) else {
        return;
    };
    let rtt = server.saturating_add(c.tcp.rtt_client.unwrap_or(0));
    if rtt < SECOND || c.tcp.syns.count > 1 {
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
