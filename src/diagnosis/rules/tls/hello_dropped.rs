//! `tls.hello-dropped`: the ClientHello is sent again and again and never acknowledged, while small packets are.
//!
//! A hello whose first full-size segment alone is missing is a path MTU's fault, which outranks this one.

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::absence;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::proto::tls::TlsFacts;

use super::server_answered;

/// Hears a connection with a ClientHello.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let (Some(hello), Some(open)) = (&tls.client_hello, c.tcp.sides[Side::Client].outstanding)
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
    let Some(confidence) = absence(c).confidence(full) else {
        return;
    };
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
    claims.push(claim);
}
