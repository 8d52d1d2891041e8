//! Agreeing on encryption.
//!
//! Rules read clear alerts, the order and size of encrypted records, and certificates where they are visible (TLS 1.2 and
//! before). A half-seen handshake proves nothing.

mod accepted;
mod alerts;
mod cert_rejected;
mod certificate;
mod certificate_chain;
pub mod certificate_words;
mod dane_mismatch;
mod hello_dropped;
mod mutual_wait;
mod no_reply;
mod refused_version;
mod reset_on_hello;
mod wrong_mode;

#[cfg(test)]
mod tests;

use super::Rule;
use crate::base::{Mark, Side};
use crate::diagnosis::principles::{clear_after_starttls, in_order, without_holes};
use crate::diagnosis::{Code, Connection};
use crate::proto::tls::{Alert, TlsFacts};

/// The rules of this stage.
pub const RULES: &[Rule] = &[
    Rule::Encrypted(wrong_mode::tls_on_clear_port),
    Rule::Encrypted(wrong_mode::clear_on_tls_port),
    Rule::Encrypted(wrong_mode::clear_instead_of_hello),
    Rule::Open(mutual_wait::rule),
    Rule::Encrypted(no_reply::rule),
    Rule::Encrypted(hello_dropped::rule),
    Rule::Encrypted(reset_on_hello::rule),
    Rule::Encrypted(alerts::rule),
    Rule::Encrypted(alerts::unseen_client_certificate),
    Rule::Encrypted(refused_version::rule),
    Rule::Encrypted(certificate::rule),
    Rule::Encrypted(cert_rejected::rule),
    Rule::Encrypted(dane_mismatch::rule),
    Rule::Encrypted(accepted::rule),
];

/// What everybody can see to be wrong with the certificate, for a client that left at it without a word: which, and the sentence. A weak
/// algorithm is taken by many, and nobody leaves for it without an alert.
pub fn fault_in_view(tls: &TlsFacts, at: Mark) -> Option<(Code, String)> {
    let (code, _, why) = certificate::by_sight(tls, at.time)?;
    let why = why.replace("; the client refused it", "");
    (code != Code::TlsCertWeak).then_some((code, why))
}

/// Encrypted data went both ways: the handshake is over, whatever comes now is not about it.
fn carried_data(tls: &TlsFacts) -> bool {
    tls.application_data[Side::Client].is_some() && tls.application_data[Side::Server].is_some()
}

/// What OpenSSL says to an end that it did not expect (RFC 8446 6.2: decode_error).
const DECODE_ERROR: u8 = 50;

/// The alert that ended the handshake: fatal, in clear, before data went both ways. `close_notify` and `user_canceled` are no
/// complaint (RFC 8446 6.1), nor is anything at warning level, nor what a side says to the other one's end (OpenSSL: decode_error).
fn fatal_alert<'t>(c: &Connection<'_>, tls: &'t TlsFacts) -> Option<&'t Alert> {
    // Alerts of somebody who met clear text say only that.
    let in_clear =
        tls.clear_text[Side::Client].is_some() || clear_after_starttls(c.dialogue).is_some();
    if carried_data(tls) || on_clear_port(c, tls) || in_clear {
        return None;
    }
    tls.alerts.iter().find(|alert| {
        let other = alert.side.other();
        let left = c.tcp.sides[other].fin;
        // What it answers came before the capture, or is no TLS: clear text draws alerts as well.
        let answers_unseen = c.began_late() && tls.started[other].is_none();
        // The end may be what was not captured.
        let remarks = match left {
            Some(left) => left.is_before(alert.at),
            None => {
                let unseen = c.partly_unseen() || c.began_late();
                alert.description == DECODE_ERROR && unseen
            }
        };
        // The server spoke in clear and never began with TLS: the alert is about its words (RFC 8446 6.2).
        let met_clear_text = alert.side == Side::Client
            && c.began_late()
            && c.dialogue.last_server.is_some()
            && c.dialogue.starttls_accepted.is_none()
            && tls.server_hello.is_none();
        alert.fatal
            && !matches!(alert.description, 0 | 90)
            && !remarks
            && !met_clear_text
            && !answers_unseen
            && tls.lost.is_none_or(|(_, at)| alert.at.time <= at.time)
    })
}

/// The client began with TLS where the server greets in clear, without asking for STARTTLS; also on a port of implicit TLS on
/// which the server greets in clear all the same.
fn on_clear_port(c: &Connection<'_>, tls: &TlsFacts) -> bool {
    let greets_in_clear = tls.clear_text[Side::Server].is_some() && c.dialogue.greeted;
    (!c.service.implicit_tls() || greets_in_clear)
        && c.dialogue.starttls_accepted.is_none()
        && tls.started[Side::Client].is_some()
        && tls.started[Side::Server].is_none()
        && c.dialogue
            .exchanges
            .iter()
            .all(|exchange| exchange.command.is_none())
}

/// The handshake was captured from its first byte, without holes and in order: order and size of its records can be trusted. Holes
/// before it count as well: what one side said while the other's bytes were waited for is heard later than it was said.
fn seen_whole(c: &Connection<'_>, tls: &TlsFacts) -> bool {
    tls.client_hello.is_some() && without_holes(c, tls) && !c.one_sided() && in_order(c.tcp)
}

/// The end of the ClientHello that counts: the second one after a HelloRetryRequest.
fn hello_end(tls: &TlsFacts) -> Option<Mark> {
    tls.second_client_hello
        .or(tls.client_hello.as_ref().map(|hello| hello.done))
}

/// The server has answered the ClientHello with something: TLS, an alert, or words.
fn server_answered(tls: &TlsFacts) -> bool {
    let retried = tls.second_client_hello.is_some();
    tls.server_hello.is_some()
        || tls.clear_text[Side::Server].is_some()
        || tls.alerts.iter().any(|alert| alert.side == Side::Server)
        || tls.started[Side::Server].is_some() && !retried
}
