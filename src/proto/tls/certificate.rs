//! Certificates as they were sent: from DER to facts, with `x509-parser`.
//!
//! Signatures are verified here where the algorithm is supported, because "signed by itself" and
//! "signed by another one sent with it" are facts, not opinions. Whether a chain is trusted is in `trust`.

use std::net::IpAddr;

use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::base::{Foreign, SECOND, Timestamp, limits};

use super::facts::Certificate;
use super::hello;
use super::reader::Reader;

/// DNS names, and addresses, kept of one certificate.
const NAMES: usize = 256;

/// A Certificate message up to TLS 1.2 (RFC 5246 7.4.2): the DER of each certificate.
///
/// Ends quietly where the bytes end: of a message with a hole the certificates before it remain.
fn split(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut list = Reader::new(body);
    let _ = list.u24();
    std::iter::from_fn(move || list.vec24())
}

/// Whether the message says that there is no certificate.
pub(super) fn is_empty(body: &[u8]) -> bool {
    Reader::new(body).u24() == Some(0)
}

/// The list of a Certificate message of TLS 1.3 (RFC 8446 4.4.2), behind the context of the request.
fn list13(body: &[u8]) -> Option<&[u8]> {
    let mut message = Reader::new(body);
    message.vec8()?;
    Some(message.rest())
}

/// Whether a message of TLS 1.3 says that there is no certificate.
pub(super) fn is_empty13(body: &[u8]) -> bool {
    list13(body).is_some_and(is_empty)
}

/// The chain of a Certificate message up to TLS 1.2, leaf first, at most [`limits::CERTIFICATES`].
pub(super) fn chain(body: &[u8]) -> Vec<Certificate> {
    chain_of(split(body))
}

/// Whether a message says more than the `read` certificates: bytes are missing, or one cannot be read.
pub(super) fn is_cut(body: &[u8], read: usize) -> bool {
    !is_all_there(body) || split(body).count() != read
}

/// The same of a message of TLS 1.3.
pub(super) fn is_cut13(body: &[u8], read: usize) -> bool {
    list13(body).is_none_or(|list| !is_all_there(list)) || split13(body).count() != read
}

/// The list has the length that it names.
fn is_all_there(list: &[u8]) -> bool {
    let mut list = Reader::new(list);
    list.u24().is_some_and(|length| list.rest().len() >= length)
}

/// A Certificate message of TLS 1.3: each certificate has extensions behind it.
fn split13(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut list = Reader::new(list13(body).unwrap_or_default());
    let _ = list.u24();
    std::iter::from_fn(move || {
        let der = list.vec24()?;
        // A cut list of extensions ends the chain behind this certificate.
        let _ = list.vec16();
        Some(der)
    })
}

/// The chain of a Certificate message of TLS 1.3.
pub(super) fn chain13(body: &[u8]) -> Vec<Certificate> {
    chain_of(split13(body))
}

fn chain_of<'a>(sent: impl Iterator<Item = &'a [u8]>) -> Vec<Certificate> {
    let sent: Vec<(X509Certificate<'_>, &[u8])> = sent
        .take(limits::CERTIFICATES)
        .map_while(|der| {
            let (_, parsed) = X509Certificate::from_der(der).ok()?;
            Some((parsed, der))
        })
        .collect();
    let mut chain: Vec<Certificate> = sent.iter().map(|(cert, der)| facts(cert, der)).collect();
    let issuers: Vec<Option<usize>> = (0..sent.len())
        .map(|at| issuer_of(at, &sent, &chain))
        .collect();
    for (facts, issuer) in chain.iter_mut().zip(issuers) {
        facts.issued_by = issuer;
    }
    chain
}

/// Which of the certificates sent issued the one at that place: of several one that ends the way (a root beside its cross-signed
/// copy), then the next one.
fn issuer_of(
    at: usize,
    sent: &[(X509Certificate<'_>, &[u8])],
    chain: &[Certificate],
) -> Option<usize> {
    let ends = |place: usize| chain.get(place).is_some_and(|facts| facts.self_signed);
    let (cert, _) = sent.get(at)?;
    if ends(at) {
        return None;
    }
    let mut named: Vec<(usize, &X509Certificate<'_>)> = sent
        .iter()
        .enumerate()
        .map(|(place, (other, _))| (place, other))
        .filter(|(place, other)| *place != at && other.subject().as_raw() == cert.issuer().as_raw())
        .collect();
    let next = at.saturating_add(1);
    named.sort_by_key(|(place, _)| (!ends(*place), *place != next));
    named
        .into_iter()
        .find(|(_, issuer)| is_signed_by(cert, issuer))
        .map(|(place, _)| place)
}

/// Whether two certificates are of one authority: the same subject with the same key, as a renewed or cross-signed copy has.
pub fn same_authority(one: &Certificate, other: &Certificate) -> bool {
    let (Ok((_, one)), Ok((_, other))) = (
        X509Certificate::from_der(&one.der),
        X509Certificate::from_der(&other.der),
    ) else {
        return false;
    };
    one.subject().as_raw() == other.subject().as_raw()
        && one.public_key().raw == other.public_key().raw
}

/// The facts of one certificate; `None` when the DER cannot be read.
///
/// `issued_by` is not known: nothing was sent with it.
pub fn certificate(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some(facts(&parsed, der))
}

fn facts(cert: &X509Certificate<'_>, der: &[u8]) -> Certificate {
    let (key, key_bits) = key(cert);
    let signature = signature_name(cert);
    let self_issued = cert.subject().as_raw() == cert.issuer().as_raw();
    let self_signed = self_issued && is_signed_by(cert, cert);
    let old_digest = matches!(
        signature.as_deref(),
        Ok("md2WithRSAEncryption"
            | "md4WithRSAEncryption"
            | "md5WithRSAEncryption"
            | "sha1WithRSAEncryption"
            | "dsaWithSHA1"
            | "ecdsa-with-SHA1")
    );
    let small = match key {
        "RSA" | "DSA" => key_bits > 0 && key_bits < 2048,
        "EC" => key_bits > 0 && key_bits < 224,
        _ => false,
    };
    Certificate {
        subject: Foreign::from(cert.subject().to_string().as_str()),
        issuer: Foreign::from(cert.issuer().to_string().as_str()),
        not_before: Timestamp(
            cert.validity()
                .not_before
                .timestamp()
                .saturating_mul(SECOND),
        ),
        not_after: Timestamp(cert.validity().not_after.timestamp().saturating_mul(SECOND)),
        names: names(cert),
        addresses: addresses(cert),
        common_name: cert
            .subject()
            .iter_common_name()
            .last()
            .and_then(|name| name.as_str().ok())
            .map(|name| Foreign::from(name.to_ascii_lowercase().as_str())),
        self_issued,
        self_signed,
        issued_by: None,
        issuer_located: locates_issuer(cert),
        // One that cannot be read denies nothing.
        for_servers: !matches!(
            cert.extended_key_usage(),
            Ok(Some(usage)) if !usage.value.server_auth && !usage.value.any
        ),
        key,
        key_bits,
        signature: Foreign::from(match &signature {
            Ok(name) => name,
            Err(number) => number.as_str(),
        }),
        // Nobody checks the digest of a certificate that vouches for itself (OpenSSL does not either).
        weak: small || (old_digest && !self_signed),
        authority: cert.is_ca(),
        der: der.into(),
    }
}

/// Whether caIssuers stands in its authority information access (RFC 5280 4.2.2.1).
fn locates_issuer(cert: &X509Certificate<'_>) -> bool {
    cert.iter_extensions()
        .any(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => access
                .accessdescs
                .iter()
                .any(|entry| entry.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2"),
            _ => false,
        })
}

fn names(cert: &X509Certificate<'_>) -> Vec<Foreign> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(Foreign::from(name.to_ascii_lowercase().as_str())),
            _ => None,
        })
        .take(NAMES)
        .collect()
}

/// An iPAddress of another length than an address has is none (RFC 5280 4.2.1.6).
fn addresses(cert: &X509Certificate<'_>) -> Vec<IpAddr> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
                .ok(),
            _ => None,
        })
        .take(NAMES)
        .collect()
}

/// Kind and size in bits of the key; 0 when the size is not known.
fn key(cert: &X509Certificate<'_>) -> (&'static str, u32) {
    let spki = cert.public_key();
    match spki.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" | "1.2.840.113549.1.1.7" => {
            let bits = match spki.parsed() {
                Ok(PublicKey::RSA(rsa)) => hello::bits(rsa.modulus),
                _ => 0,
            };
            ("RSA", bits)
        }
        "1.2.840.10045.2.1" => ("EC", curve_bits(cert)),
        "1.3.101.112" => ("Ed25519", 253),
        "1.3.101.113" => ("Ed448", 456),
        "1.2.840.10040.4.1" => ("DSA", dsa_bits(cert)),
        "2.16.840.1.101.3.4.3.17" => ("ML-DSA-44", 10_496),
        "2.16.840.1.101.3.4.3.18" => ("ML-DSA-65", 15_616),
        "2.16.840.1.101.3.4.3.19" => ("ML-DSA-87", 20_736),
        _ => ("unknown", 0),
    }
}

fn curve_bits(cert: &X509Certificate<'_>) -> u32 {
    let curve = cert
        .public_key()
        .algorithm
        .parameters
        .as_ref()
        .and_then(|p| p.as_oid().ok());
    match curve.map(|oid| oid.to_id_string()).as_deref() {
        Some("1.2.840.10045.3.1.1") => 192,
        Some("1.3.132.0.33") => 224,
        Some("1.2.840.10045.3.1.7" | "1.3.132.0.10" | "1.3.36.3.3.2.8.1.1.7") => 256,
        Some("1.3.132.0.34" | "1.3.36.3.3.2.8.1.1.11") => 384,
        Some("1.3.36.3.3.2.8.1.1.13") => 512,
        Some("1.3.132.0.35") => 521,
        _ => 0,
    }
}

/// Size of the prime `p` of DSA parameters (RFC 3279 2.3.2): the first integer of their sequence.
fn dsa_bits(cert: &X509Certificate<'_>) -> u32 {
    let parameters = cert.public_key().algorithm.parameters.as_ref();
    let Some(mut r) = parameters.map(|p| Reader::new(p.data)) else {
        return 0;
    };
    let length = match (r.u8(), r.u8()) {
        (Some(2), Some(n @ 0..=0x7F)) => Some(usize::from(n)),
        (Some(2), Some(0x81)) => r.u8().map(usize::from),
        (Some(2), Some(0x82)) => r.u16().map(usize::from),
        _ => None,
    };
    length.and_then(|n| r.take(n)).map_or(0, hello::bits)
}

/// OpenSSL's name of the signature algorithm, or its object identifier.
fn signature_name(cert: &X509Certificate<'_>) -> Result<&'static str, String> {
    let oid = cert.signature_algorithm.algorithm.to_id_string();
    Ok(match oid.as_str() {
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.3" => "md4WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10040.4.3" => "dsaWithSHA1",
        "2.16.840.1.101.3.4.3.1" => "dsa_with_SHA224",
        "2.16.840.1.101.3.4.3.2" => "dsa_with_SHA256",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "ED25519",
        "1.3.101.113" => "ED448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        _ => return Err(oid),
    })
}

/// Whether `issuer` is named as the issuer of `cert`, and its key signed it (RFC 5280 6.1.3).
pub(super) fn is_issued_by(cert: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    cert.issuer().as_raw() == issuer.subject().as_raw() && is_signed_by(cert, issuer)
}

/// Whether `issuer`'s key verifies `cert`; where it cannot be checked, the key identifiers decide
/// (RFC 5280 4.2.1.1), and with none of them it is not denied.
fn is_signed_by(cert: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    if is_checkable(cert, issuer) {
        return cert.verify_signature(Some(issuer.public_key())).is_ok();
    }
    match (authority_key(cert), subject_key(issuer)) {
        (Some(authority), Some(subject)) => authority == subject,
        _ => true,
    }
}

/// What the verifier supports: it reports an unsupported size or hash as a bad signature, so sizes
/// and algorithms are looked at first.
fn is_checkable(cert: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let (kind, bits) = key(issuer);
    let sha1 = 1024..=8192;
    let sha2 = 2048..=8192;
    match signature_name(cert) {
        Ok("sha1WithRSAEncryption") => kind == "RSA" && sha1.contains(&bits),
        Ok("sha256WithRSAEncryption" | "sha384WithRSAEncryption" | "sha512WithRSAEncryption") => {
            kind == "RSA" && sha2.contains(&bits)
        }
        Ok("ecdsa-with-SHA256" | "ecdsa-with-SHA384") => {
            let curve = issuer.public_key().algorithm.parameters.as_ref();
            let curve = curve
                .and_then(|p| p.as_oid().ok())
                .map(|oid| oid.to_id_string());
            kind == "EC"
                && matches!(
                    curve.as_deref(),
                    Some("1.2.840.10045.3.1.7" | "1.3.132.0.34")
                )
        }
        Ok("ED25519") => kind == "Ed25519",
        _ => false,
    }
}

fn authority_key<'a>(cert: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    cert.iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => {
                key.key_identifier.as_ref().map(|id| id.0)
            }
            _ => None,
        })
}

fn subject_key<'a>(cert: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    cert.iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
            _ => None,
        })
}
