//! A device that randomises sequence numbers and forgets the SACK option (RFC 2018 3): told under `tcp.options-stripped`.
//!
//! All SACK edges lie outside what was sent, and all by the same distance. The sender cannot use them, so one
//! lost segment costs a timeout. DSACK (RFC 2883) lies below what is acknowledged by design and does not count.

use crate::base::SECOND;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some((mark, distance)) = *c.tcp.sack_offset else {
        return;
    };
    let costly = c.tcp.stood_still >= SECOND;
    claims.push(
        Claim::new(
            Code::TcpOptionsStripped,
            At::of(Where::Network),
            mark,
            0.9,
            "A device on the path rewrites sequence numbers but not SACK: losses cannot be mended quickly.".to_owned(),
        )
        .weighing(if costly { Weight::Costly } else { Weight::Finding })
        .shown_by(format!("SACK edges lie {distance} beside what was sent, all by the same distance"))
        .advise("Switch off sequence randomisation on the firewall (Cisco: set connection random-sequence-number disable), or SACK at one end"),
    );
}
