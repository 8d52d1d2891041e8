//! `mail.no-greeting`: TCP is up where the server speaks first, and it never says a word (RFC 5321 3.1, RFC 9051 7.1,
//! RFC 1939 4).
//!
//! Silent when the handshake itself is in doubt, and when the server's side ended it (`tcp.*-before-greeting`). On
//! ports of implicit TLS the client speaks first, and the greeting is due behind the handshake (RFC 8314 3).

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::{absence, without_holes};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::proto::TlsMode;
use crate::proto::tls::TlsFacts;

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    // A TLS server answers the client's leaving with an alert (RFC 8446 6): until then it was as silent as any.
    let late_alert = c.tls.is_some_and(|tls| tls.client_hello.is_none()) && !c.spoke(Side::Client);
    let encrypted = c.tls_mode == TlsMode::Implicit || c.tls.is_some();
    if let Some(tls) = c.tls.filter(|_| c.tls_mode == TlsMode::Implicit) {
        claims.extend(within(c, tls));
    }
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

/// Both sides finished the handshake, nothing that may be a greeting followed, and the client, which has nothing to say before it, gave up.
fn within(c: &Connection<'_>, tls: &TlsFacts) -> Option<Claim> {
    let finished = tls.finished()?;
    let by_server = matches!(
        c.ending,
        Ending::Closed {
            by: Side::Server,
            ..
        }
    );
    let left = tls.close_notify[Side::Client];
    let gave_up = left.is_none_or(|left| left.time.since(finished.time) >= 5 * SECOND);
    let quiet = tls.application_data[Side::Client].is_none()
        && tls.ungreeted()
        && !c.dialogue.greeted
        && tls.refusal.is_none()
        && tls.alerts.iter().all(|alert| !alert.fatal);
    // What the client said last has to have reached the server.
    let arrived = c.tcp.sides[Side::Client]
        .outstanding
        .is_none_or(|open| open.fin_only || open.first.time > finished.time);
    if by_server
        || !gave_up
        || !quiet
        || !arrived
        || !c.silence_counts(finished.time, 30)
        || !without_holes(c, tls)
        || c.unheard(Side::Server).is_some()
    {
        return None;
    }
    // Where tickets came, the first of them may be a greeting of their size.
    let nothing = tls.after_finished[Side::Server] == 0;
    let confidence = absence(c).confidence(if nothing { 0.85 } else { 0.7 })?;
    let waited = c.watched_after(finished.time) as f64 / SECOND as f64;
    let text = c.server_text();
    let claim = Claim::new(
        Code::MailNoGreeting,
        At::address(Where::Server, c.server().ip),
        finished,
        confidence,
        format!("{text} finished the TLS handshake and never said a word inside it in {waited:.0} s."),
    )
    .shown_by("TLS handshake complete; the server has to greet now")
    .provisional_if(!c.ended())
    .advise("Connect from the server itself (openssl s_client) and look at its log: overload, hung process, reverse look-up of the client")
    .advise("Where something else than the mail program ends TLS (stunnel, HAProxy, nginx): look whether it reaches the mail program")
    .or(
        Code::TlsCertRejected,
        0.1,
        "the client's log: whether it disliked the certificate and only left late",
    );
    Some(match c.ending {
        Ending::Closed { at, .. } => {
            claim.because(at, format!("the client gives up after {waited:.1} s"))
        }
        Ending::Open => claim,
    })
}
