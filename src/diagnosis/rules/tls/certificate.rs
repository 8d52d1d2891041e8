//! The client refuses the server's certificate: which fault of it.
//!
//! A clear alert decides (RFC 8446 6.2): 44 revoked, 45 expired, 48 by the chain as sent. For 42, 43 and 46, for an encrypted alert
//! with the certificate visible, and for a client that leaves at it: dates at the packet's time, then name against SNI, then strength, as seen.
//! Untrusted is never said without alert 48 or roots given.

use crate::base::{Foreign, Mark, SECOND, Side, Timestamp};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::proto::tls::{
    Alert, Certificate, ChainFault, NameMatch, TlsFacts, alert_name, chain_verifies, name_match,
};

use super::certificate_words::{
    self as words, date, describe, early, incomplete, link_expired, self_signed, wrong_name,
};
use super::{carried_data, fatal_alert, seen_whole};

/// Whether an alert complains about the server's certificate: 42 to 46 and 48 from the client.
pub fn is_about_server(alert: &Alert, tls: &TlsFacts) -> bool {
    let weak = tls.certificates.iter().any(|certificate| certificate.weak);
    alert.side == Side::Client
        && match alert.description {
            42..=46 | 48 => true,
            // "ee key too small": only where there is a weak one.
            71 => weak && tls.dh_bits.is_none_or(|bits| bits >= 2048),
            _ => false,
        }
}

/// How the client refused.
#[derive(Clone, Copy)]
enum How {
    /// By an alert in clear.
    Alert(u8),
    /// By an encrypted record in the place of its Finished.
    Encrypted,
    /// By leaving.
    Left,
}

/// Hears a connection with TLS.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let Some((how, at)) = refusal(c, tls) else {
        return;
    };
    let chain = &tls.certificates;
    let Some((code, confidence, why, told)) = reason(c, chain, how, at, sni(tls)) else {
        return;
    };
    let place = match code {
        Code::TlsClientClock | Code::TlsClientRoots => At::address(Where::Client, c.client().ip),
        Code::TlsCertRejected => At::of(Where::Unknown),
        _ => At::address(Where::Server, c.server().ip),
    };
    let shown = match how {
        How::Alert(number) => format!("client alert: {} ({number})", alert_name(number)),
        How::Encrypted => {
            "an encrypted alert of the client in the place of its Finished".to_owned()
        }
        How::Left => "the client leaves without a word".to_owned(),
    };
    let mut claim = Claim::new(code, place, at, confidence, why).shown_by(shown);
    if let (Some(leaf), Some(seen)) = (chain.first(), tls.certificate_seen) {
        claim = claim.because(seen, describe(leaf, chain.len()));
    }
    for (code, confidence, told_apart_by) in told {
        claim = claim.or(code, confidence, told_apart_by);
    }
    claims.push(claim.advise(advice(code, c, chain)));
}

/// The client's refusal and its frame.
fn refusal(c: &Connection<'_>, tls: &TlsFacts) -> Option<(How, Mark)> {
    if let Some(alert) = fatal_alert(c, tls) {
        return is_about_server(alert, tls).then_some((How::Alert(alert.description), alert.at));
    }
    if carried_data(tls) || tls.certificates.is_empty() || !seen_whole(c, tls) {
        return None;
    }
    if let Some(refusal) = tls.refusal.filter(|refusal| refusal.side == Side::Client) {
        return Some((How::Encrypted, refusal.at));
    }
    let silent = tls.client_finished.is_none() && tls.change_cipher_spec[Side::Client].is_none();
    match c.ending {
        Ending::Closed {
            by: Side::Client,
            at,
            ..
        } if silent && tls.server_hello_done.is_some() => {
            // What it never acknowledged it may never have read.
            let read = c.tcp.sides[Side::Server].outstanding.is_none();
            read.then_some((How::Left, at))
        }
        _ => None,
    }
}

/// The name that the client asked for.
pub fn sni(tls: &TlsFacts) -> Option<&Foreign> {
    tls.client_hello
        .as_ref()
        .and_then(|hello| hello.sni.as_ref())
}

type Reason = (Code, f32, String, Vec<(Code, f32, &'static str)>);

fn reason(
    c: &Connection<'_>,
    chain: &[Certificate],
    how: How,
    at: Mark,
    sni: Option<&Foreign>,
) -> Option<Reason> {
    match how {
        How::Alert(44) => Some((
            Code::TlsCertRevoked,
            0.95,
            "The client says that the server's certificate has been revoked.".to_owned(),
            Vec::new(),
        )),
        How::Alert(45) => Some(expired(chain, at.time)),
        How::Alert(48) => Some(unknown_authority(c, chain, at.time)),
        How::Alert(_) => Some(
            by_sight(chain, at.time, sni)
                .map(|(code, sure, why)| (code, 0.92 * sure, why, Vec::new()))
                .or_else(|| by_roots(c, chain, at.time))
                .unwrap_or_else(|| no_visible_fault(chain)),
        ),
        How::Encrypted => Some(
            by_sight(chain, at.time, sni)
                .map(|(code, sure, why)| (code, 0.85 * sure, why, Vec::new()))
                .or_else(|| by_roots(c, chain, at.time))
                .unwrap_or_else(|| no_visible_fault(chain)),
        ),
        // A weak algorithm is taken by many, and by some without a word too: that alone says nothing of why a client left.
        How::Left => by_sight(chain, at.time, sni)
            .filter(|(code, ..)| *code != Code::TlsCertWeak)
            .map(|(code, sure, why)| {
                let told = vec![(
                    Code::TcpClientReset,
                    0.25,
                    "the client's own log or dialogue",
                )];
                (code, 0.7 * sure, why, told)
            }),
    }
}

/// 1999, when mail began to use TLS (RFC 2487). A capture that says to be older was made without a clock (a router that was
/// never told the time, a pcapng of simple packet blocks), and no date is compared with its own.
const FIRST_MAIL_IN_TLS: Timestamp = Timestamp(915_148_800 * SECOND);

/// Whether a capture's time can be a date.
fn has_date(at: Timestamp) -> bool {
    at >= FIRST_MAIL_IN_TLS
}

/// A fault that everybody can see: code, how sure that this is the client's reason (1 is sure), and the sentence.
pub fn by_sight(
    chain: &[Certificate],
    at: Timestamp,
    sni: Option<&Foreign>,
) -> Option<(Code, f32, String)> {
    let leaf = chain.first()?;
    let dated = has_date(at);
    if dated && leaf.not_after < at {
        return Some((Code::TlsCertExpired, 1.0, over(leaf)));
    }
    if dated && leaf.not_before > at {
        return Some((Code::TlsCertNotYetValid, 1.0, early(leaf)));
    }
    let links = || chain.iter().skip(1).filter(|link| !link.self_issued);
    if let Some(link) = links().find(|link| dated && link.not_after < at) {
        return Some((Code::TlsCertExpired, 0.8, link_expired(link)));
    }
    if let Some(name) = sni {
        let (sure, fits) = match name_match(leaf, name.as_str()) {
            NameMatch::Alternative => (0.0, true),
            NameMatch::CommonName => (0.7, false),
            NameMatch::None => (1.0, false),
        };
        if !fits {
            return Some((
                Code::TlsCertWrongName,
                sure,
                wrong_name(leaf, name.as_str()),
            ));
        }
    }
    std::iter::once(leaf)
        .chain(links())
        .find(|certificate| certificate.weak)
        .map(|weak| (Code::TlsCertWeak, 0.9, words::weak(weak)))
}

/// Alert 45: over, not begun, or the client's clock.
fn expired(chain: &[Certificate], at: Timestamp) -> Reason {
    let clock = (Code::TlsClientClock, 0.05, "the client's date");
    let Some(leaf) = chain.first().filter(|_| has_date(at)) else {
        let why = "The client says that the server's certificate has expired.".to_owned();
        return (
            Code::TlsCertExpired,
            0.85,
            why,
            vec![(
                Code::TlsClientClock,
                0.12,
                "the certificate itself: openssl s_client",
            )],
        );
    };
    if leaf.not_after < at {
        return (
            Code::TlsCertExpired,
            0.98,
            over(leaf),
            vec![(clock.0, 0.01, clock.2)],
        );
    }
    if let Some(early) = chain.iter().find(|certificate| certificate.not_before > at) {
        let why = format!(
            "A certificate of the server is valid only from {} on.",
            date(early.not_before)
        );
        return (Code::TlsCertNotYetValid, 0.93, why, vec![clock]);
    }
    if let Some(link) = chain.iter().find(|certificate| certificate.not_after < at) {
        let why = format!(
            "The certificate {} in the server's chain expired on {}.",
            link.subject,
            date(link.not_after)
        );
        return (Code::TlsCertExpired, 0.9, why, vec![clock]);
    }
    let why = format!(
        "The client calls the certificate expired, which is valid until {}: its clock is wrong.",
        date(leaf.not_after)
    );
    let told = vec![(
        Code::TlsCertExpired,
        0.12,
        "the client's date; an expired root in the client's own store",
    )];
    (Code::TlsClientClock, 0.85, why, told)
}

/// Alert 48: by the chain as sent, and by the roots where they are given.
fn unknown_authority(c: &Connection<'_>, chain: &[Certificate], at: Timestamp) -> Reason {
    let Some((leaf, rest)) = chain.split_first() else {
        let why = "The client does not trust who issued the server's certificate.".to_owned();
        let told = vec![
            (
                Code::TlsCertIncompleteChain,
                0.2,
                "the chain as sent: openssl s_client -showcerts",
            ),
            (
                Code::TlsCertSelfSigned,
                0.15,
                "the chain as sent: openssl s_client -showcerts",
            ),
        ];
        return (Code::TlsCertUntrusted, 0.6, why, told);
    };
    if !c.context.roots.is_empty() && chain_verifies(chain, &c.context.roots, at).is_ok() {
        let why = "The client does not know an issuer that is generally trusted: its root certificates are old.".to_owned();
        return (Code::TlsClientRoots, 0.9, why, Vec::new());
    }
    if leaf.self_issued {
        let why = format!("{}; the client refused it.", self_signed(leaf));
        return (Code::TlsCertSelfSigned, 0.96, why, Vec::new());
    }
    let broken = chain
        .iter()
        .zip(rest)
        .any(|(certificate, _)| !certificate.issued_by_next);
    if rest.is_empty() || broken {
        let why = incomplete(leaf);
        let told = vec![(
            Code::TlsCertUntrusted,
            0.15,
            "the issuer's certificate: is it a root, and does the client know it?",
        )];
        return (Code::TlsCertIncompleteChain, 0.83, why, told);
    }
    let top = chain.last().unwrap_or(leaf);
    let why = format!(
        "The client does not trust {}, which issued the server's certificate.",
        top.issuer
    );
    let (sure, told) = if top.self_issued {
        (0.95, Vec::new())
    } else {
        (
            0.8,
            vec![(
                Code::TlsCertIncompleteChain,
                0.15,
                "the certificate of that issuer: is it a root?",
            )],
        )
    };
    (Code::TlsCertUntrusted, sure, why, told)
}

/// What roots given tell about a chain in which nothing is seen.
fn by_roots(c: &Connection<'_>, chain: &[Certificate], at: Timestamp) -> Option<Reason> {
    if c.context.roots.is_empty() || chain.is_empty() {
        return None;
    }
    match chain_verifies(chain, &c.context.roots, at) {
        Err(ChainFault::UnknownIssuer) => {
            let (code, sure, why, told) = unknown_authority(c, chain, at);
            Some((code, sure * 0.9, why, told))
        }
        _ => None,
    }
}

/// Refused, and the chain shows no reason that the client must have had.
fn no_visible_fault(chain: &[Certificate]) -> Reason {
    match chain {
        [leaf] if leaf.self_issued => (
            Code::TlsCertSelfSigned,
            0.8,
            format!("{}; the client refused it.", self_signed(leaf)),
            vec![(Code::TlsCertRejected, 0.15, "the client's log")],
        ),
        [_] => (
            Code::TlsCertRejected,
            0.6,
            "The client refused the server's certificate; no fault is visible but that it came alone.".to_owned(),
            vec![(Code::TlsCertIncompleteChain, 0.35, "the client's log; the chain sent with its intermediate")],
        ),
        _ => (
            Code::TlsCertRejected,
            0.85,
            "The client refused the server's certificate; why cannot be seen.".to_owned(),
            vec![(Code::TlsCertUntrusted, 0.1, "the client's log; mxray probe checks the chain against the roots")],
        ),
    }
}

fn advice(code: Code, c: &Connection<'_>, chain: &[Certificate]) -> String {
    let server = c.server_text();
    words::advice(code, &server, chain.first()).unwrap_or_else(|| match code {
        Code::TlsClientClock => {
            format!("Set the clock of {} (time server, battery)", c.client().ip)
        }
        Code::TlsClientRoots => format!("Update the root certificates of {}", c.client().ip),
        _ => format!("Look into the client's log, or run: mxray probe {server}"),
    })
}

fn over(leaf: &Certificate) -> String {
    format!("{}; the client refused it.", words::expired(leaf))
}
