//! `tls.no-reply`: the ClientHello was acknowledged, and nothing came back for so long that it counts.

use crate::base::Side;
use crate::diagnosis::principles::absence;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::proto::tls::TlsFacts;

use super::{hello_end, on_clear_port, seen_whole, server_answered};

/// Hears a connection with a ClientHello.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let Some(hello) = hello_end(tls) else { return };
    let answered = server_answered(tls) || c.unheard(Side::Server).is_some();
    if !seen_whole(c, tls) || answered || on_clear_port(c, tls) {
        return;
    }
    let unacknowledged = c.tcp.sides[Side::Client]
        .outstanding
        .is_some_and(|open| !open.fin_only && open.first.time <= hello.time);
    if unacknowledged || !c.silence_counts(hello.time, 15) {
        return;
    }
    // Seen from the server's side no answer left; from anywhere else a big answer may have been lost on the way.
    let sure = if c.captured_beside(Side::Server) {
        0.92
    } else {
        0.8
    };
    let Some(confidence) = absence(c).confidence(sure) else {
        return;
    };
    let waited = c.watched_after(hello.time) as f64 / 1e9;
    let mut claim = Claim::new(
        Code::TlsNoReply,
        At::address(Where::Server, c.server().ip),
        hello,
        confidence,
        format!(
            "{} took the ClientHello and said nothing more for {waited:.0} s.",
            c.server_text()
        ),
    )
    .shown_by("ClientHello, acknowledged by TCP, never answered")
    .provisional_if(!c.ended())
    .or(
        Code::PathMtuBlackhole,
        if c.captured_beside(Side::Server) { 0.01 } else { 0.12 },
        "a capture on the server's side: does a ServerHello leave there in full-size packets? A connection with a small MSS works",
    )
    .or(
        Code::TlsHelloDropped,
        0.06,
        "a small ClientHello, or one without the server's name: does that get an answer?",
    )
    .advise(format!(
        "Look at the mail service and the TLS proxy before {}: it accepts and does not serve",
        c.server_text()
    ))
    .advise("Try a small ClientHello: openssl s_client -groups X25519 -tls1_2");
    if let Some(hello) = &tls.client_hello
        && hello.post_quantum
    {
        claim = claim.because(
            hello.at,
            format!(
                "the ClientHello has {} bytes with a post-quantum key share",
                hello.length
            ),
        );
    }
    claims.push(claim);
}
