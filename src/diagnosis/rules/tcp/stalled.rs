//! `tcp.stalled`: established and talking, then segments of any size are sent again and again, and nothing comes back.

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::absence;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::Opening;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    for side in [Side::Client, Side::Server] {
        let Some(o) = c.tcp.sides[side].outstanding else {
            continue;
        };
        // After the end nothing is a fault; a 421 of a server that waited in vain for the data is no such end.
        if c.done.is_some_and(|done| done.time <= o.first.time) {
            continue;
        }
        // Established and talking: something got through before, in either direction.
        let unproven = o.range.start <= 0 && c.tcp.opening != Opening::Midstream;
        if unproven && c.tcp.sides[side.other()].data_segments == 0 {
            continue;
        }
        if o.fin_only
            || o.transmissions < 3
            || o.last.time.since(o.first.time) < 3 * SECOND
            || o.idle_before >= 30 * SECOND
        {
            continue;
        }
        if c.tcp.sides[side.other()].zero_window.closed_since.is_some() {
            continue;
        }
        // The peer's receiving side has to have been alive on this connection, else it is a one-way capture.
        if c.tcp.sides[side.other()].segments == 0 {
            continue;
        }
        if side == Side::Server
            && c.tcp.sides[Side::Client]
                .last
                .is_none_or(|last| last.time <= o.first.time)
        {
            continue; // a client that is silent altogether has vanished
        }
        let Some(confidence) = absence(c).confidence(0.88) else {
            continue;
        };
        let (from, to) = match side {
            Side::Client => (c.client().ip, c.server().ip),
            Side::Server => (c.server().ip, c.client().ip),
        };
        claims.push(
            Claim::new(
                Code::TcpStalled,
                At::of(Where::Network),
                o.last,
                confidence,
                format!("Packets from {from} to {to} stopped getting through in the middle of the connection."),
            )
            .since(o.first.time)
            .shown_by(format!("sent {} times in {:.1} s, never acknowledged", o.transmissions, o.last.time.since(o.first.time) as f64 / 1e9))
            .because(o.first, format!("{} bytes at stream offset {}, first time", o.range.end - o.range.start, o.range.start))
            .provisional_if(!c.ended())
            .advise(format!("Look at the path from {from} to {to} at this time: routing change, firewall state lost, link down"))
            .or(Code::PathMtuBlackhole, 0.1, "a smaller segment sent later that is acknowledged"),
        );
        return;
    }
}
