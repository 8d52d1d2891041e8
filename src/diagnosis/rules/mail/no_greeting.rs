//! `mail.no-greeting`: TCP is up where the server speaks first, and it never says a word (RFC 5321 3.1, RFC 9051 7.1,
//! RFC 1939 4).
//!
//! Silent when the handshake itself is in doubt, when the server's side ended it (`tcp.*-before-greeting`), and on
//! ports of implicit TLS, where the client speaks first.

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::absence;
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::proto::TlsMode;

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    // A TLS server answers the client's leaving with an alert (RFC 8446 6): until then it was as silent as any.
    let late_alert = c.tls.is_some_and(|tls| tls.client_hello.is_none()) && !c.spoke(Side::Client);
    let encrypted = c.tls_mode == TlsMode::Implicit || c.tls.is_some();
    if c.service.implicit_tls() || encrypted && !late_alert {
        return;
    }
    let Some(established) = c.tcp.established else {
        return;
    };
    let (client, server) = (&c.tcp.sides[Side::Client], &c.tcp.sides[Side::Server]);
    if c.began_late()
        || c.tcp.syn_acks_after_ack > 0
        || c.spoke(Side::Server) && c.gave_up_waiting().is_none()
        || c.partly_unseen()
        || c.unheard(Side::Server).is_some()
        || c.tcp.cut_frames > 0
    {
        return;
    }
    let by_server = matches!(
        c.ending,
        Ending::Closed {
            by: Side::Server,
            ..
        }
    );
    let gave_up = c.gave_up_waiting();
    if by_server && gave_up.is_none() || !c.silence_counts(established.time, 30) {
        return;
    }
    // Whether the host answers at all after the handshake tells a silent program from a dead path.
    let unheard = client
        .outstanding
        .filter(|o| o.transmissions >= 2 && !o.peer_acked_after);
    let heard = client.data_segments > 0 && client.outstanding.is_none()
        || client.fin_acked
        || server.fin.is_some()
        || client.keep_alives > 0 && server.labels.keep_alive_ack > 0;
    let full = match (unheard.is_some(), heard) {
        (true, _) => 0.6,
        (false, true) => 0.93,
        (false, false) => 0.85,
    };
    let Some(confidence) = absence(c).confidence(full) else {
        return;
    };
    let too_late = server.first_data.filter(|_| c.spoke(Side::Server));
    let waited = match gave_up.filter(|_| by_server || too_late.is_some()) {
        Some(said) => said.time.since(established.time),
        None => c.watched_after(established.time),
    } as f64
        / SECOND as f64;
    let text = c.server_text();
    let mut claim = Claim::new(
        Code::MailNoGreeting,
        At::address(Where::Server, c.server().ip),
        established,
        confidence,
        if too_late.is_some() {
            format!("{text} took the connection and said no word for {waited:.0} s, until the client gave up.")
        } else {
            format!("{text} took the connection and never said a word in {waited:.0} s.")
        },
    )
    .shown_by("handshake complete; the server has to speak now")
    .provisional_if(!c.ended())
    .advise("Connect from the server itself (nc localhost PORT) and look at its log: overload, hung process, reverse look-up of the client, milters")
    .advise("Behind a load balancer: look whether a living back end stands behind it, and whether the port expects a PROXY header")
    .or(
        Code::MailProxyProtocol,
        0.05,
        "the server's configuration: does this port expect a PROXY header?",
    );
    if late_alert {
        claim = claim.or(
            Code::TlsMutualWait,
            0.35,
            "a ClientHello at once: does the server, which said a TLS alert on the client's leaving, answer it?",
        );
    }
    if let (Some(late), Some(said)) = (too_late, gave_up) {
        claim = claim
            .because(
                said,
                format!("the client gives up after {waited:.1} s, and says so"),
            )
            .because(late, "the server's first word, too late");
    } else if let Ending::Closed {
        by: Side::Client,
        at,
        ..
    } = c.ending
    {
        claim = claim.because(at, format!("the client gives up after {waited:.1} s"));
    } else if let Some(said) = gave_up.filter(|_| by_server) {
        claim = claim.because(
            said,
            format!("the client gives up after {waited:.1} s, and says so; only then does the server's side end it"),
        );
    }
    if let Some(o) = unheard {
        claim = claim
            .because(
                o.last,
                format!(
                    "what the client sends is not acknowledged either, {} times",
                    o.transmissions
                ),
            )
            .or(
                Code::TcpStalled,
                0.35,
                "a capture at the server: whether anything after the handshake arrives there",
            );
    }
    if absence(c).doubtful() {
        claim = claim.or(
            Code::CaptureOneWay,
            0.3,
            "a capture that shows both directions",
        );
    }
    claims.push(claim);
}
