//! The client refuses the server's certificate: which fault of it.
//!
//! A clear alert decides (RFC 8446 6.2): 44 revoked, 45 expired, 48 by the chain as sent, 43 by purpose and key. For 42 and 46, for an
//! encrypted alert with the certificate visible, and for a client that leaves at it: dates at the packet's time, then name against SNI, then strength, as seen.
//! Untrusted is never said without alert 48 or roots given.

use crate::base::{Foreign, Mark, SECOND, Side, Timestamp};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::proto::tls::{
    Alert, Certificate, NameMatch, TlsFacts, alert_name, name_match, same_authority,
};

use super::certificate_chain::{
    by_roots, no_visible_fault, only_common_name, path_end, unknown_authority, unsupported,
};
use super::certificate_words::{self as words, date, describe, early, link_expired, wrong_name};
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
    let Some((code, confidence, why, told)) = reason(c, tls, how, at) else {
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
    let told_of_roots =
        code == Code::TlsClientClock && told.iter().any(|other| other.0 == Code::TlsClientRoots);
    for (code, confidence, told_apart_by) in told {
        claim = claim.or(code, confidence, told_apart_by);
    }
    claim = claim.advise(advice(code, c, chain));
    if told_of_roots {
        let client = c.client().ip;
        claim = claim.advise(format!(
            "Update the root certificates and revocation lists of {client}"
        ));
    }
    claims.push(claim);
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

/// A code that fits as well: how likely, and what tells it apart.
pub type Other = (Code, f32, &'static str);
/// Code, confidence, sentence, and what fits as well.
pub type Reason = (Code, f32, String, Vec<Other>);

fn reason(c: &Connection<'_>, tls: &TlsFacts, how: How, at: Mark) -> Option<Reason> {
    match how {
        How::Alert(44) => Some((
            Code::TlsCertRevoked,
            0.95,
            "The client says that the server's certificate has been revoked.".to_owned(),
            Vec::new(),
        )),
        How::Alert(45) => Some(expired(c, tls, at.time)),
        How::Alert(48) => Some(unknown_authority(c, tls, at.time)),
        How::Alert(43) => Some(unsupported(tls, at.time)),
        How::Alert(_) => Some(
            by_sight(tls, at.time)
                .map(|(code, sure, why)| (code, 0.92 * sure, why, Vec::new()))
                .or_else(|| by_roots(c, tls, at.time))
                .unwrap_or_else(|| no_visible_fault(tls)),
        ),
        How::Encrypted => Some(
            by_sight(tls, at.time)
                .map(|(code, sure, why)| (code, 0.85 * sure, why, Vec::new()))
                .or_else(|| by_roots(c, tls, at.time))
                .unwrap_or_else(|| no_visible_fault(tls)),
        ),
        How::Left => {
            let told = (
                Code::TcpClientReset,
                0.25,
                "the client's own log or dialogue",
            );
            // A weak algorithm is taken by many, and by some without a word too: that alone says nothing of why a client left.
            by_sight(tls, at.time)
                .filter(|(code, ..)| *code != Code::TlsCertWeak)
                .map(|(code, sure, why)| (code, 0.7 * sure, why, vec![told]))
                .or_else(|| {
                    let name = only_common_name(tls)?;
                    let why = "The client leaves at the server's certificate; what it dislikes cannot be seen.";
                    Some((Code::TlsCertRejected, 0.45, why.to_owned(), vec![name, told]))
                })
        }
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
pub fn by_sight(tls: &TlsFacts, at: Timestamp) -> Option<(Code, f32, String)> {
    let chain = &tls.certificates;
    let leaf = chain.first()?;
    let dated = has_date(at);
    if dated && leaf.not_after < at {
        return Some((Code::TlsCertExpired, 1.0, over(leaf)));
    }
    if dated && leaf.not_before > at {
        return Some((Code::TlsCertNotYetValid, 1.0, early(leaf)));
    }
    let links = || chain.iter().skip(1).filter(|link| !link.self_issued);
    // What was not seen of the chain may hold the copy that is in its dates.
    let dated = dated && !tls.certificates_cut;
    if let Some(link) = links().find(|link| dated && is_over(link, chain, at)) {
        return Some((Code::TlsCertExpired, 0.8, link_expired(link)));
    }
    // One that fits by its common name alone is taken by some clients: no fault that everybody sees.
    if let Some(name) = sni(tls)
        && name_match(leaf, name.as_str()) == NameMatch::None
    {
        let why = wrong_name(leaf, name.as_str());
        return Some((Code::TlsCertWrongName, 1.0, why));
    }
    std::iter::once(leaf)
        .chain(links())
        .find(|certificate| certificate.weak)
        .map(|weak| (Code::TlsCertWeak, 0.9, words::weak(weak)))
}

/// Whether a certificate on the way to the root is over, and none that was sent can stand for it: an old copy beside the renewed one is
/// passed over by clients.
fn is_over(link: &Certificate, chain: &[Certificate], at: Timestamp) -> bool {
    let good = |other: &&Certificate| other.not_before <= at && at <= other.not_after;
    link.not_after < at
        && !chain
            .iter()
            .filter(good)
            .any(|other| same_authority(link, other))
}

/// Alert 45: over, not begun, or something of the client's own: its clock, a root or a revocation list in its store.
fn expired(c: &Connection<'_>, tls: &TlsFacts, at: Timestamp) -> Reason {
    let chain = &tls.certificates;
    let clock = (Code::TlsClientClock, 0.05, "the client's date");
    let Some(leaf) = chain.first().filter(|_| has_date(at)) else {
        let why = "The client says that the server's certificate has expired.".to_owned();
        return (
            Code::TlsCertExpired,
            0.8,
            why,
            vec![
                (
                    Code::TlsClientClock,
                    0.1,
                    "the certificate itself: openssl s_client",
                ),
                (
                    Code::TlsClientRoots,
                    0.08,
                    "an expired root or revocation list in the client's own store",
                ),
            ],
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
    if let Some(link) = chain.iter().find(|link| is_over(link, chain, at)) {
        let why = format!(
            "The certificate {} in the server's chain expired on {}.",
            link.subject,
            date(link.not_after)
        );
        return (Code::TlsCertExpired, 0.9, why, vec![clock]);
    }
    client_says_expired(c, tls, leaf)
}

/// The client calls something expired, and nothing that the server sent is. Its clock is the sure reason only where all that has a
/// date was seen, the root too, and by a clock that is not the client's: a capture beside it mostly has its own time.
fn client_says_expired(c: &Connection<'_>, tls: &TlsFacts, leaf: &Certificate) -> Reason {
    let until = date(leaf.not_after);
    let rooted = path_end(&tls.certificates).is_some_and(|end| end.top.self_signed);
    if rooted && !tls.certificates_cut && !c.captured_beside(Side::Client) {
        let why = format!(
            "The client calls the certificate expired, which is valid until {until}: its clock is wrong."
        );
        let told = vec![(
            Code::TlsCertExpired,
            0.12,
            "the client's date; an expired root or revocation list in the client's own store",
        )];
        return (Code::TlsClientClock, 0.85, why, told);
    }
    let why = format!(
        "The client calls the certificate expired, which is valid until {until}: its clock is wrong, or a root or a revocation list in its store has expired."
    );
    let told = vec![
        (
            Code::TlsClientRoots,
            0.35,
            "the client's date; an expired root or revocation list in the client's own store",
        ),
        (
            Code::TlsCertRejected,
            0.1,
            "the client's log names what has expired",
        ),
    ];
    let sure = match c.captured_beside(Side::Client) {
        true => 0.4,
        false => 0.5,
    };
    (Code::TlsClientClock, sure, why, told)
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
