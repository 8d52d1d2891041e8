//! `tls.hello-dropped`: the ClientHello is sent again and again and never acknowledged, while small packets are.
//!
//! A hello whose first full-size segment alone is missing is a path MTU's fault, which outranks this one. Where a large hello
//! has no tail that would tell, or packets get lost here anyway, the two cannot be told apart, and both are named.

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::absence;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::proto::tls::TlsFacts;

use super::server_answered;

/// Payload in bytes from which on a path may be too narrow for a segment: every IPv6 link takes 1,280 (RFC 8200 5), tunnels
/// seldom less.
const LARGE: u32 = 1_000;
/// How sure it is at the most where the size alone may be the reason.
const SIZE_UNTOLD: f32 = 0.65;

/// Whether a path that is too narrow for the hello's first segment would look the same: nothing as large ever arrived, and the
/// silence of the hello's tail proves nothing, since there is none or since packets get lost here.
fn may_be_its_size(c: &Connection<'_>, tls: &TlsFacts, transmissions: u32) -> bool {
    let client = &c.tcp.sides[Side::Client];
    let (Some(hello), Some(size)) = (&tls.client_hello, client.mtu.smallest_dead) else {
        return false;
    };
    let is_large = size >= LARGE && client.largest_arrived < size;
    // With the header of the record that carries it (RFC 8446 5.1).
    let has_tail = u64::from(hello.length) + 5 > u64::from(size);
    let others_lost = client.retransmitted > transmissions
        || c.tcp.sides[Side::Server].retransmitted > 0
        || c.tcp.syns.count > 1;
    is_large && (!has_tail || others_lost)
}

/// Hears a connection with a ClientHello.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let (Some(hello), Some(open)) = (&tls.client_hello, *c.tcp.sides[Side::Client].outstanding)
    else {
        return;
    };
    let server = &c.tcp.sides[Side::Server];
    if open.fin_only
        || server_answered(tls)
        || open.first.time < hello.at.time
        || open.first.time > hello.done.time
        || open.transmissions < 3
        || open.last.time.since(open.first.time) < 3 * SECOND
        || server.segments == 0
        // The server says again and again what was acknowledged: nothing of the client reaches it, whatever it is.
        || open.peer_is_deaf
        || server.zero_window.closed_since.is_some()
    {
        return;
    }
    let talks = open.peer_spoke_after || open.peer_acked_after;
    // Right after the handshake nothing else was in flight; later in a dialogue silence may mean the whole path.
    let full = match (talks, server.data_segments > 0) {
        (true, _) => 0.92,
        (false, false) => 0.8,
        (false, true) => 0.75,
    };
    let Some(mut confidence) = absence(c).confidence(full) else {
        return;
    };
    let may_be_its_size = may_be_its_size(c, tls, open.transmissions);
    if may_be_its_size {
        confidence = confidence.min(SIZE_UNTOLD);
    }
    let name = hello
        .sni
        .as_ref()
        .map_or(String::new(), |sni| format!(" for {sni}"));
    let mut claim = Claim::new(
        Code::TlsHelloDropped,
        At::of(Where::Network),
        open.last,
        confidence,
        format!("The ClientHello{name} vanishes: sent {} times, never acknowledged.", open.transmissions),
    )
    .shown_by(format!("ClientHello again, number {}, {} bytes on the wire", open.transmissions, open.packet_len))
    .because(open.first, format!("ClientHello of {} bytes, first time", hello.length))
    .since(open.first.time)
    .provisional_if(!c.ended() && c.horizon.since(open.last.time) < 10 * SECOND)
    .advise(format!(
        "Ask whoever runs the firewalls between {} and {} for TLS inspection or filters on server names on TCP port {}",
        c.client().ip,
        c.server().ip,
        c.server().port
    ))
    .advise("Compare: a ClientHello without the name (openssl s_client -noservername), and a small one (-groups X25519)");
    if !talks {
        claim = claim.or(
            Code::TcpStalled,
            0.2,
            "any other data on this connection: is that acknowledged?",
        );
    }
    if may_be_its_size {
        claim = claim.or(
            Code::PathMtuBlackhole,
            0.3,
            "a ClientHello of under 500 bytes, and other large packets: which of them pass?",
        );
    }
    claims.push(claim);
}
