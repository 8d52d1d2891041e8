//! `tls.mutual-wait`: on a port of implicit TLS the client waits for a banner and the server for a ClientHello.
//!
//! Nobody sends a byte until one gives up. A QUIT sent only then changes nothing.

use crate::base::Side;
use crate::diagnosis::principles::asked_in_vain;
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::flow::Reset;

use super::wrong_mode::gave_up_with_words;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some(opened) = c.tcp.established else {
        return;
    };
    if !c.service.implicit_tls()
        || c.began_late()
        || c.partly_unseen()
        || c.end_unseen(Side::Client)
        || c.end_unseen(Side::Server)
        || swallowed(c)
        || c.tcp.syn_acks_after_ack > 0
        || !c.silence_counts(opened.time, 30)
    {
        return;
    }
    let words = c.tls.and_then(|tls| tls.clear_text[Side::Client].as_ref());
    let began = c
        .tls
        .is_some_and(|tls| tls.client_hello.is_some() || tls.started[Side::Client].is_some());
    let silent = !began && !c.spoke(Side::Client) && !c.spoke(Side::Server);
    let parting = words.filter(|(at, text)| gave_up_with_words(c, *at, text.as_str()));
    if !silent && parting.is_none() {
        return;
    }
    let end = match (parting, c.ending) {
        (Some((at, text)), _) => Some((*at, format!("the client gives up: {text}"))),
        (None, Ending::Closed { by, at, .. }) => Some((at, format!("the {} gives up", by.name()))),
        (None, Ending::Open) => None,
    };
    let until = end.as_ref().map_or(c.horizon, |(at, _)| at.time);
    let waited = until.since(opened.time) as f64 / 1e9;
    let port = c.server().port;
    let mut claim = Claim::new(
        Code::TlsMutualWait,
        At::address(Where::Client, c.client().ip),
        opened,
        0.88,
        format!("On port {port} both wait: the client for a greeting, the server for TLS; {waited:.0} s without a byte."),
    )
    .shown_by("handshake complete; after it nobody sends a byte")
    .provisional_if(end.is_none())
    .or(
        Code::MailNoGreeting,
        0.1,
        format!("a ClientHello: openssl s_client -connect {}", c.server_text()),
    )
    .advise(format!("Set the client to SSL/TLS on port {port}, or to STARTTLS on the plaintext port"));
    if !c.captured_beside(Side::Client) {
        claim = claim.or(
            Code::TlsHelloDropped,
            0.2,
            "a capture at the client: does it send a ClientHello?",
        );
    }
    if let Some((at, text)) = end {
        claim = claim.because(at, text);
    }
    claims.push(claim);
}

/// The client had said something that never came this far, as its own sequence numbers show (RFC 9293 3.4), or its host had ended the connection
/// long before: asked whether it is still there, it knows of none, or does not answer.
fn swallowed(c: &Connection<'_>) -> bool {
    let forgot = |reset: &Reset| reset.side == Side::Client && reset.of_unknown_connection();
    c.unheard(Side::Client).is_some()
        || c.tcp.resets.iter().any(forgot)
        || asked_in_vain(c, Side::Server).is_some()
}
