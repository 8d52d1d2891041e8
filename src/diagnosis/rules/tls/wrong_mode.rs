//! `tls.on-plaintext-port` and `tls.plaintext-on-tls-port`: the client takes the one kind of port for the other.
//!
//! RFC 8314 3.3 lists which is which. The near miss: a QUIT that is sent only on giving up does not make it plaintext.
//! Beside them the client that asks for STARTTLS and does not begin (RFC 3207 4, RFC 9051 6.2.1): a server's alert is then about that.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::proto::Service;
use crate::proto::tls::{TlsFacts, alert_name};

use super::{clear_after_starttls, on_clear_port};

/// Hears a client that began with TLS.
pub fn tls_on_clear_port(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    if !on_clear_port(c, tls) || c.service == Service::Other || c.one_sided() {
        return;
    }
    // STARTTLS, and all that led to it, may lie before the client's first bytes in this capture.
    if tls.headless.client {
        return;
    }
    let Some(hello) = tls
        .client_hello
        .as_ref()
        .map(|hello| hello.at)
        .or(tls.started[Side::Client])
    else {
        return;
    };
    let spoken = tls.clear_text[Side::Server]
        .as_ref()
        .map(|(at, text)| (*at, format!("the server answers in clear: {text}")))
        .or_else(|| {
            let reply = c.dialogue.exchanges.first()?.reply.as_ref()?;
            Some((
                reply.at,
                format!("the server speaks in clear: {}", reply.line),
            ))
        });
    // What the server said before it left may be what was not captured.
    let unseen = c.frames_missing() || c.end_unseen(Side::Server);
    let closed = match c.ending {
        Ending::Closed {
            by: Side::Server,
            at,
            ..
        } if !unseen => Some((at, "the server ends the connection".to_owned())),
        _ => None,
    };
    let Some((answer, text)) = spoken.or(closed) else {
        return;
    };
    // Whichever came later shows that the two do not fit.
    let (death, shown, other) = if after(answer, hello) {
        (
            answer,
            text,
            (hello, "ClientHello without STARTTLS".to_owned()),
        )
    } else {
        (
            hello,
            "ClientHello without STARTTLS".to_owned(),
            (answer, text),
        )
    };
    let tls_port = match c.service {
        Service::Imap => ", or to port 993 with TLS",
        Service::Pop3 => ", or to port 995 with TLS",
        Service::Submission => ", or to port 465 with TLS",
        _ => "",
    };
    claims.push(
        Claim::new(
            Code::TlsOnPlaintextPort,
            At::address(Where::Client, c.client().ip),
            death,
            if tls.clear_text[Side::Server].is_some() || c.dialogue.greeted {
                0.96
            } else {
                0.75
            },
            if c.service.implicit_tls() {
                format!(
                    "The client starts TLS at once on port {}, where this server speaks in clear first.",
                    c.server().port
                )
            } else {
                format!(
                    "The client starts TLS at once on port {}, where STARTTLS or none belongs.",
                    c.server().port
                )
            },
        )
        .shown_by(shown)
        .because(other.0, other.1)
        .since(hello.time)
        .advise(format!(
            "Set the client to STARTTLS on port {}{tls_port}",
            c.server().port
        ))
        .advise("OpenSSL calls this \"wrong version number\""),
    );
}

/// Hears a client that spoke in clear to a port of implicit TLS.
pub fn clear_on_tls_port(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    if !c.service.implicit_tls() || tls.clear_text[Side::Server].is_some() {
        return;
    }
    let Some((spoke, text)) = &tls.clear_text[Side::Client] else {
        return;
    };
    if gave_up_with_words(c, *spoke, text.as_str()) || tls.started[Side::Client].is_some() {
        return;
    }
    let alert = tls.alerts.iter().find(|alert| alert.side == Side::Server);
    // Without an alert only the server's silence speaks: whatever it said is no silence, though nobody could read it, and a
    // greeting in clear may be among what was not captured.
    if alert.is_none() && (c.partly_unseen() || c.spoke(Side::Server)) {
        return;
    }
    let (death, shown) = match (alert, c.ending) {
        (Some(alert), _) => (
            alert.at,
            format!(
                "the server answers with a TLS alert ({})",
                alert.description
            ),
        ),
        (
            None,
            Ending::Closed {
                by: Side::Server,
                at,
                ..
            },
        ) => (at, "the server ends the connection".to_owned()),
        _ => return,
    };
    let clear_port = match c.service {
        Service::Submissions => 587,
        Service::Imaps => 143,
        _ => 110,
    };
    claims.push(
        Claim::new(
            Code::TlsPlaintextOnTlsPort,
            At::address(Where::Client, c.client().ip),
            death,
            if alert.is_some() { 0.96 } else { 0.85 },
            format!(
                "The client speaks plaintext on port {}, which is for TLS from the first byte.",
                c.server().port
            ),
        )
        .shown_by(shown)
        .because(*spoke, format!("the client in clear: {text}"))
        .since(spoke.time)
        .advise(format!(
            "Set the client to SSL/TLS on port {}, or to STARTTLS on port {clear_port}",
            c.server().port
        )),
    );
}

/// Hears a client that asked for STARTTLS, was told to go ahead, and went on in clear: whatever the number of the alert that it
/// gets, it is about that.
pub fn clear_instead_of_hello(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let Some(spoke) = clear_after_starttls(c.dialogue) else {
        return;
    };
    let mut alerts = tls.alerts.iter();
    let Some(alert) =
        alerts.find(|alert| alert.side == Side::Server && alert.fatal && after(alert.at, spoke))
    else {
        return;
    };
    let (number, name) = (alert.description, alert_name(alert.description));
    claims.push(
        Claim::new(
            Code::TlsAlert,
            At::address(Where::Client, c.client().ip),
            alert.at,
            0.93,
            format!("The client asked for STARTTLS and then went on in clear; the server ended it with alert {number}, {name}."),
        )
        .shown_by(format!("server alert: {name} ({number})"))
        .because(spoke, "clear text where the ClientHello belongs")
        .since(spoke.time)
        .advise("Client's maker: begin with TLS as soon as the server agrees to STARTTLS, or do not ask for it"),
    );
}

/// What the client says when it has waited for a banner in vain.
pub fn gave_up_with_words(c: &Connection<'_>, spoke: Mark, text: &str) -> bool {
    let opened = c.tcp.established.map_or(c.tcp.first.time, |mark| mark.time);
    let upper = text.to_ascii_uppercase();
    spoke.time.since(opened) >= 5 * SECOND && (upper.contains("QUIT") || upper.contains("LOGOUT"))
}

fn after(a: Mark, b: Mark) -> bool {
    (a.time, a.frame.number()) > (b.time, b.frame.number())
}
