//! A refused chain as it was sent: whose certificate it ends at, and what is left to say where no fault is visible.
//!
//! The issuer is looked for among all that was sent, since servers send in any order and more than is needed (RFC 8446 4.4.2). Of a
//! chain that was not seen to its end nothing is said to be missing.

use crate::base::Timestamp;
use crate::diagnosis::{Code, Connection};
use crate::proto::tls::{Certificate, ChainFault, NameMatch, TlsFacts, chain_verifies, name_match};

use super::certificate::{Other, Reason, by_sight, sni};
use super::certificate_words::{incomplete, self_signed};

/// Where the way from the leaf to its issuers ends.
pub struct PathEnd<'a> {
    /// The last certificate of it that was sent.
    pub top: &'a Certificate,
    /// How many steps it is above the leaf.
    pub steps: usize,
}

/// The way from the leaf up, among what was sent in whatever order.
pub fn path_end(chain: &[Certificate]) -> Option<PathEnd<'_>> {
    let mut end = PathEnd {
        top: chain.first()?,
        steps: 0,
    };
    // Authorities that issued each other go round in a ring.
    while end.steps < chain.len() && !end.top.self_signed {
        let Some(issuer) = end.top.issued_by.and_then(|place| chain.get(place)) else {
            break;
        };
        end.top = issuer;
        end.steps = end.steps.saturating_add(1);
    }
    Some(end)
}

/// Alert 48: by the chain as sent, and by the roots where they are given.
pub fn unknown_authority(c: &Connection<'_>, tls: &TlsFacts, at: Timestamp) -> Reason {
    let chain = &tls.certificates;
    let seen = "the chain as sent: openssl s_client -showcerts";
    let unseen = "The client does not trust who issued the server's certificate.";
    let (Some(leaf), Some(end)) = (chain.first(), path_end(chain)) else {
        let told = vec![
            (Code::TlsCertIncompleteChain, 0.2, seen),
            (Code::TlsCertSelfSigned, 0.15, seen),
        ];
        return (Code::TlsCertUntrusted, 0.6, unseen.to_owned(), told);
    };
    if !c.context.roots.is_empty() && chain_verifies(chain, &c.context.roots, at).is_ok() {
        let why = "The client does not know an issuer that is generally trusted: its root certificates are old.".to_owned();
        return (Code::TlsClientRoots, 0.9, why, Vec::new());
    }
    if leaf.self_signed {
        let why = format!("{}; the client refused it.", self_signed(leaf));
        return (Code::TlsCertSelfSigned, 0.96, why, Vec::new());
    }
    if tls.certificates_cut && !end.top.self_signed {
        let told = vec![(Code::TlsCertIncompleteChain, 0.3, seen)];
        return (Code::TlsCertUntrusted, 0.6, unseen.to_owned(), told);
    }
    if end.steps == 0 {
        return issuer_missing(leaf);
    }
    let why = format!(
        "The client does not trust {}, which issued the server's certificate.",
        end.top.issuer
    );
    let told = "the certificate of that issuer: is it a root?";
    // With certificates that no way leads to, one between them may be what is missing.
    let all_used = end.steps.saturating_add(1) >= chain.len();
    match (end.top.self_signed, all_used) {
        (true, _) => (Code::TlsCertUntrusted, 0.95, why, Vec::new()),
        (false, true) => {
            let told = vec![(Code::TlsCertIncompleteChain, 0.15, told)];
            (Code::TlsCertUntrusted, 0.8, why, told)
        }
        (false, false) => {
            let told = vec![(Code::TlsCertIncompleteChain, 0.35, told)];
            (Code::TlsCertUntrusted, 0.6, why, told)
        }
    }
}

/// The leaf's issuer was not sent. Public authorities say in what they issue where their own certificate lies; without that it may as
/// well be a private root, which need not be sent (RFC 8446 4.4.2).
fn issuer_missing(leaf: &Certificate) -> Reason {
    let (sure, untrusted) = match leaf.issuer_located {
        true => (0.83, 0.15),
        false => (0.6, 0.35),
    };
    let told = (
        Code::TlsCertUntrusted,
        untrusted,
        "the issuer's certificate: is it a root, and does the client know it?",
    );
    let why = incomplete(leaf);
    (Code::TlsCertIncompleteChain, sure, why, vec![told])
}

/// What roots given tell about a chain in which nothing is seen.
pub fn by_roots(c: &Connection<'_>, tls: &TlsFacts, at: Timestamp) -> Option<Reason> {
    let chain = &tls.certificates;
    if c.context.roots.is_empty() || chain.is_empty() || tls.certificates_cut {
        return None;
    }
    match chain_verifies(chain, &c.context.roots, at) {
        Err(ChainFault::UnknownIssuer) => {
            let (code, sure, why, told) = unknown_authority(c, tls, at);
            Some((code, sure * 0.9, why, told))
        }
        _ => None,
    }
}

/// Alert 43, unsupported_certificate: its purpose or its key (RFC 5246 7.2.2). Whatever else is wrong with it is said by other alerts.
pub fn unsupported(tls: &TlsFacts, at: Timestamp) -> Reason {
    if let Some(purpose) = wrong_purpose(tls) {
        return purpose;
    }
    let why = "The client does not support the server's certificate: its purpose, its key or its signature.";
    match by_sight(tls, at) {
        Some((Code::TlsCertWeak, sure, why)) => (Code::TlsCertWeak, 0.92 * sure, why, Vec::new()),
        Some((code, _, _)) => (
            Code::TlsCertRejected,
            0.6,
            why.to_owned(),
            vec![(code, 0.3, "the client's log")],
        ),
        None => (
            Code::TlsCertRejected,
            0.85,
            why.to_owned(),
            vec![(Code::TlsCertWeak, 0.1, "the client's log")],
        ),
    }
}

/// The leaf is not made for servers (RFC 5280 4.2.1.12).
fn wrong_purpose(tls: &TlsFacts) -> Option<Reason> {
    let leaf = tls.certificates.first().filter(|leaf| !leaf.for_servers)?;
    let why = format!(
        "The client refused the server's certificate {}, which is not made for servers: its extended key usage lacks serverAuth.",
        leaf.subject
    );
    let told = vec![(Code::TlsCertUntrusted, 0.1, "the client's log")];
    Some((Code::TlsCertRejected, 0.85, why, told))
}

/// The name that the client asked for is the leaf's by its common name alone, which clients of today pass over (RFC 9525 2).
pub fn only_common_name(tls: &TlsFacts) -> Option<Other> {
    let (leaf, name) = (tls.certificates.first()?, sni(tls)?);
    (name_match(leaf, name.as_str()) == NameMatch::CommonName).then_some((
        Code::TlsCertWrongName,
        0.3,
        "the client's log: the name stands only in the common name, which many clients ignore",
    ))
}

/// Refused, and the chain shows no reason that the client must have had.
pub fn no_visible_fault(tls: &TlsFacts) -> Reason {
    if let Some(purpose) = wrong_purpose(tls) {
        return purpose;
    }
    let whole = !tls.certificates_cut;
    let (code, sure, why, mut told) = match tls.certificates.as_slice() {
        [leaf] if leaf.self_signed && whole => (
            Code::TlsCertSelfSigned,
            0.8,
            format!("{}; the client refused it.", self_signed(leaf)),
            vec![(Code::TlsCertRejected, 0.15, "the client's log")],
        ),
        [_] if whole => (
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
    };
    match only_common_name(tls) {
        Some(name) if code == Code::TlsCertRejected => {
            told.insert(0, name);
            (code, 0.6, why, told)
        }
        _ => (code, sure, why, told),
    }
}
