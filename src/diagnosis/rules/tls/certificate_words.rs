//! What is wrong with a certificate, and what to do about it, in words.
//!
//! A client's refusal in a capture and a check of mxray's own find the same faults; they are said here, once. Which fault it is, and
//! how sure, is the caller's business.

use crate::base::{Foreign, Timestamp, ip_text};
use crate::diagnosis::Code;
use crate::proto::tls::Certificate;

/// A day, UTC.
pub fn date(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time.0)).map_or_else(
        |_| "?".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

/// A certificate in one line of evidence.
pub fn describe(leaf: &Certificate, count: usize) -> String {
    let more = match count {
        0 | 1 => String::new(),
        n => format!(", and {} more", n.saturating_sub(1)),
    };
    format!(
        "Certificate {}, issued by {}, not after {}{more}",
        leaf.subject,
        leaf.issuer,
        date(leaf.not_after)
    )
}

/// It is over; without its full stop, so that what the client did can follow.
pub fn expired(leaf: &Certificate) -> String {
    format!(
        "The server's certificate expired on {}",
        date(leaf.not_after)
    )
}

/// It has not begun.
pub fn early(leaf: &Certificate) -> String {
    format!(
        "The server's certificate is valid only from {} on.",
        date(leaf.not_before)
    )
}

/// One between it and the root is over.
pub fn link_expired(link: &Certificate) -> String {
    format!(
        "The intermediate certificate {} expired on {}.",
        link.subject,
        date(link.not_after)
    )
}

/// It vouches for itself; without its full stop.
pub fn self_signed(leaf: &Certificate) -> String {
    format!(
        "The server's certificate {} vouches for itself",
        leaf.subject
    )
}

/// Its issuer's certificate is not sent.
pub fn incomplete(leaf: &Certificate) -> String {
    format!(
        "The server does not send the certificate of {}, which issued its own.",
        leaf.issuer
    )
}

/// It names somebody else.
pub fn wrong_name(leaf: &Certificate, wanted: &str) -> String {
    let addresses: Vec<String> = leaf.addresses.iter().map(|ip| ip_text(*ip)).collect();
    let common = leaf.common_name.as_ref();
    let named = leaf.names.iter();
    let names: Vec<&str> = named
        .chain(common.filter(|_| leaf.names.is_empty()))
        .map(Foreign::as_str)
        .chain(addresses.iter().map(String::as_str))
        .take(3)
        .collect();
    let held = match names.is_empty() {
        true => "no name at all".to_owned(),
        false => names.join(", "),
    };
    format!("The server's certificate is for {held}, not for {wanted}.")
}

/// Its key is short, or its digest broken.
pub fn weak(weak: &Certificate) -> String {
    format!(
        "The certificate {} is weak: {} {} bits, {}.",
        weak.subject, weak.key, weak.key_bits, weak.signature
    )
}

/// Its issuer took it back: since when, and why if that is said.
pub fn revoked(leaf: &Certificate, since: Timestamp, reason: Option<&str>) -> String {
    let why = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    format!(
        "The server's certificate {} was revoked on {}{why}",
        leaf.subject,
        date(since)
    )
}

/// What to do about a fault that the server's operator has to mend; `None` for others.
pub fn advice(code: Code, server: &str, leaf: Option<&Certificate>) -> Option<String> {
    let subject = leaf.map_or_else(|| server.to_owned(), |leaf| leaf.subject.to_string());
    Some(match code {
        Code::TlsCertExpired => {
            format!("Renew the certificate of {subject}, then reload the mail service on {server}")
        }
        Code::TlsCertNotYetValid => {
            format!("Correct the clock of whoever issued {subject}, or wait; then reload {server}")
        }
        Code::TlsCertSelfSigned => format!(
            "Install a certificate of a trusted authority on {server}, or let clients trust this one (mxray's --roots FILE tests that)"
        ),
        Code::TlsCertIncompleteChain => {
            format!("Install the full chain (certificate and intermediates) on {server}")
        }
        Code::TlsCertWrongName => format!(
            "Add the name to the certificate of {server}, or give clients the name that is in it"
        ),
        Code::TlsCertWeak => {
            format!("Issue a new certificate for {subject}: RSA 2048 bits or EC P-256, SHA-256")
        }
        Code::TlsCertRevoked => format!("Replace the certificate of {subject} on {server}"),
        Code::TlsCertUntrusted => format!(
            "Let clients trust that issuer (mxray's --roots FILE tests that), or install a certificate of a public one on {server}"
        ),
        _ => return None,
    })
}
