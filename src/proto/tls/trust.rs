//! Does a chain reach a trusted root at a given time, and does a certificate fit a name?
//!
//! Pure computation on what was sent and on roots that the caller read: it opens no store, fetches no
//! missing intermediate and asks nobody about revocation. Time is the packet's.

use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use crate::base::Timestamp;

use super::facts::Certificate;
use super::p521::{ECDSA_P521_SHA256, ECDSA_P521_SHA384, ECDSA_P521_SHA512};

/// Why a chain does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// There is no certificate.
    #[error("no certificate was sent")]
    Empty,
    /// A certificate of the path is over.
    #[error("a certificate has expired")]
    Expired,
    /// A certificate of the path has not begun.
    #[error("a certificate is not valid yet")]
    NotYetValid,
    /// No path to any of the roots.
    #[error("no path leads to a trusted root")]
    UnknownIssuer,
    /// A signature does not verify.
    #[error("a signature is wrong")]
    BadSignature,
    /// A path exists, but its certificates may not be used so (purpose, constraints, path length).
    #[error("a certificate may not be used like this")]
    Misused,
    /// The leaf is an authority's (CA:TRUE): the verifier refuses it (RFC 5280 does not), so that no statement is made. OpenSSL, GnuTLS and NSS
    /// accept such a server.
    #[error(
        "the server's certificate is that of an authority (CA:TRUE), which this check does not follow"
    )]
    AuthorityAsServer,
    /// A certificate cannot be read.
    #[error("a certificate is malformed")]
    Malformed,
    /// An algorithm or version that the verifier does not know: no statement either way.
    #[error("an algorithm or version cannot be checked")]
    Unsupported,
}

/// Whether `chain` (leaf first, as sent) verifies against `roots` (DER) at the time `at`.
///
/// # Errors
/// The fault of the best path. [`ChainFault::Unsupported`] and [`ChainFault::AuthorityAsServer`] are no verdict on the chain. Roots that
/// cannot be read are passed over. A leaf that is itself among the roots is trusted in its validity.
pub fn chain_verifies(
    chain: &[Certificate],
    roots: &[Vec<u8>],
    at: Timestamp,
) -> Result<(), ChainFault> {
    let (leaf, rest) = chain.split_first().ok_or(ChainFault::Empty)?;
    if roots.iter().any(|root| root.as_slice() == &*leaf.der) {
        return if at < leaf.not_before {
            Err(ChainFault::NotYetValid)
        } else if at > leaf.not_after {
            Err(ChainFault::Expired)
        } else {
            Ok(())
        };
    }
    let roots: Vec<CertificateDer<'_>> = roots
        .iter()
        .map(|root| CertificateDer::from(root.as_slice()))
        .collect();
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|r| anchor_from_trusted_cert(r).ok())
        .collect();
    let leaf = CertificateDer::from(&*leaf.der);
    let rest: Vec<CertificateDer<'_>> = rest
        .iter()
        .map(|certificate| CertificateDer::from(&*certificate.der))
        .collect();
    let algorithms: Vec<_> = webpki::ALL_VERIFICATION_ALGS
        .iter()
        .copied()
        .chain([ECDSA_P521_SHA256, ECDSA_P521_SHA384, ECDSA_P521_SHA512])
        .collect();
    let seconds = u64::try_from(at.0.div_euclid(crate::base::SECOND)).unwrap_or(0);
    let leaf = EndEntityCert::try_from(&leaf).map_err(fault)?;
    leaf.verify_for_usage(
        &algorithms,
        &anchors,
        &rest,
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map(|_| ())
    .map_err(fault)
}

fn fault(error: Error) -> ChainFault {
    match error {
        Error::CertExpired { .. } => ChainFault::Expired,
        Error::CertNotValidYet { .. } => ChainFault::NotYetValid,
        Error::UnknownIssuer => ChainFault::UnknownIssuer,
        Error::InvalidSignatureForPublicKey => ChainFault::BadSignature,
        Error::CaUsedAsEndEntity => ChainFault::AuthorityAsServer,
        Error::EndEntityUsedAsCa
        | Error::NameConstraintViolation
        | Error::PathLenConstraintViolated
        | Error::RequiredEkuNotFoundContext(_)
        | Error::CertDistrusted => ChainFault::Misused,
        Error::BadDer
        | Error::BadDerTime
        | Error::ExtensionValueInvalid
        | Error::InvalidCertValidity
        | Error::InvalidSerialNumber
        | Error::MalformedExtensions
        | Error::TrailingData(_)
        | Error::SignatureAlgorithmMismatch => ChainFault::Malformed,
        _ => ChainFault::Unsupported,
    }
}

/// How a certificate fits a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// A DNS name or an address of the subject alternative name extension fits (RFC 9525 6.3, 6.4).
    Alternative,
    /// There is no such name, but the common name fits: old clients only (RFC 6125 6.4.4).
    CommonName,
    /// Nothing fits.
    None,
}

/// How `certificate` fits `name`, a DNS name without regard to case or a final dot, or an address: some clients name one in the SNI
/// although RFC 6066 3 forbids it, and compare it with the addresses of the certificate.
pub fn name_match(certificate: &Certificate, name: &str) -> NameMatch {
    let address = name.parse::<IpAddr>().ok();
    if address.is_some_and(|address| certificate.addresses.contains(&address)) {
        return NameMatch::Alternative;
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if certificate
        .names
        .iter()
        .any(|pattern| fits(pattern.as_str(), &name))
    {
        return NameMatch::Alternative;
    }
    match &certificate.common_name {
        Some(pattern) if certificate.names.is_empty() && fits(pattern.as_str(), &name) => {
            NameMatch::CommonName
        }
        _ => NameMatch::None,
    }
}

/// Whether `certificate` fits `name` in any way; [`name_match`] says in which.
pub fn name_matches(certificate: &Certificate, name: &str) -> bool {
    name_match(certificate, name) != NameMatch::None
}

/// RFC 9525 6.3: a wildcard is the whole leftmost label and stands for exactly one label.
fn fits(pattern: &str, name: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    if pattern.is_empty() || name.is_empty() {
        return false;
    }
    match pattern.strip_prefix("*.") {
        // A wildcard for a whole top-level domain is honoured by nobody.
        Some(parent) => {
            parent.contains('.')
                && name.split_once('.').is_some_and(|(label, rest)| {
                    !label.is_empty() && rest.eq_ignore_ascii_case(parent)
                })
        }
        None => pattern.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate;
    use super::{NameMatch, fits, name_match};

    #[test]
    fn an_address_fits_an_address_alone() {
        let names = ["192.0.2.10", "2001:db8::10", "mail.example.net"].map(str::to_owned);
        let key = rcgen::KeyPair::generate().expect("a key");
        let named = rcgen::CertificateParams::new(names).expect("names");
        let der = named.self_signed(&key).expect("one").der().to_vec();
        let leaf = certificate(&der).expect("readable");
        assert_eq!(leaf.names, ["mail.example.net".into()]);
        for name in ["192.0.2.10", "2001:DB8:0::10", "mail.example.net."] {
            assert_eq!(name_match(&leaf, name), NameMatch::Alternative, "{name}");
        }
        for name in ["192.0.2.1", "2001:db8::1", "192.0.2.10.example.net"] {
            assert_eq!(name_match(&leaf, name), NameMatch::None, "{name}");
        }
    }

    #[test]
    fn a_wildcard_is_one_whole_label() {
        assert!(fits("mail.example.org", "mail.example.org"));
        assert!(fits("*.example.org", "mail.example.org"));
        assert!(!fits("*.example.org", "example.org"));
        assert!(!fits("*.example.org", "a.mail.example.org"));
        assert!(!fits("m*.example.org", "mail.example.org"));
        assert!(!fits("*.org", "example.org"));
        assert!(!fits("*", "localhost"));
    }
}
