//! Certificates as they were sent: from DER to facts, with `x509-parser`.
//!
//! Signatures are verified here where the algorithm is supported, because "signed by itself" and
//! "signed by the next one" are facts, not opinions. Whether a chain is trusted is in `trust`.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::base::{Foreign, SECOND, Timestamp, limits};

use super::facts::Certificate;
use super::hello;
use super::reader::Reader;

/// DNS names kept of one certificate.
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

/// The chain of a Certificate message of TLS 1.3: each certificate has extensions behind it.
pub(super) fn chain13(body: &[u8]) -> Vec<Certificate> {
    let mut list = Reader::new(list13(body).unwrap_or_default());
    let _ = list.u24();
    chain_of(std::iter::from_fn(|| {
        let der = list.vec24()?;
        // A cut list of extensions ends the chain behind this certificate.
        let _ = list.vec16();
        Some(der)
    }))
}

fn chain_of<'a>(sent: impl Iterator<Item = &'a [u8]>) -> Vec<Certificate> {
    let mut chain: Vec<Certificate> = Vec::new();
    let mut previous: Option<X509Certificate<'_>> = None;
    for der in sent.take(limits::CERTIFICATES) {
        let Ok((_, parsed)) = X509Certificate::from_der(der) else {
            break;
        };
        if let (Some(previous), Some(facts)) = (&previous, chain.last_mut()) {
            facts.issued_by_next = is_issued_by(previous, &parsed);
        }
        chain.push(facts(&parsed, der));
        previous = Some(parsed);
    }
    chain
}

/// The facts of one certificate; `None` when the DER cannot be read.
///
/// `issued_by_next` is false: alone there is no next one.
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
        common_name: cert
            .subject()
            .iter_common_name()
            .last()
            .and_then(|name| name.as_str().ok())
            .map(|name| Foreign::from(name.to_ascii_lowercase().as_str())),
        self_issued,
        self_signed,
        issued_by_next: false,
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
            x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(key) => {
                key.key_identifier.as_ref().map(|id| id.0)
            }
            _ => None,
        })
}

fn subject_key<'a>(cert: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    cert.iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
            _ => None,
        })
}
