//! What an OCSP response says of a certificate (RFC 6960), and whether it may be believed.
//!
//! Servers staple it to their handshake (RFC 6066 8; RFC 8446 4.4.2.1), so that it can be read without asking anybody: that is
//! all that is done here. A response counts only as RFC 6960 3.2 demands: about this certificate, of this time, and signed by
//! the certificate's issuer or by somebody whom the issuer charged with it. Whatever falls short says nothing, least of all
//! that a certificate is revoked.

use ring::digest;
use x509_cert::der::{Decode as _, Encode as _, Header, Reader as _, SliceReader};
use x509_cert::ext::pkix::CrlReason;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspResponse, OcspResponseStatus,
    ResponderId,
};
use x509_parser::prelude::{AlgorithmIdentifier, FromDer as _, X509Certificate};
use x509_parser::verify::verify_signature;

use crate::base::{Foreign, Nanos, SECOND, Timestamp, limits};

use super::certificate::is_issued_by;

/// Clocks of responders and of this machine may differ so much (as OpenSSL's OCSP_check_validity is commonly asked).
const SKEW: Nanos = 300 * SECOND;

/// id-pkix-ocsp-basic (RFC 6960 4.2.1): the one type of response there is.
const BASIC: &str = "1.3.6.1.5.5.7.48.1.1";

/// What the issuer says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Its word.
    pub status: Status,
    /// When that was so.
    pub this_update: Timestamp,
    /// Who signed it.
    pub responder: Foreign,
}

/// A certificate's status (RFC 6960 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not revoked.
    Good,
    /// Revoked, for ever or for a while.
    Revoked {
        /// Since when.
        since: Timestamp,
        /// Why, in the words of RFC 5280 5.3.1; `None` where the issuer does not say.
        reason: Option<&'static str>,
    },
    /// The responder does not know of it.
    Unknown,
}

/// Why a response says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no response, or of a type that nobody knows.
    #[error("it cannot be read")]
    Unreadable,
    /// The responder had no answer (RFC 6960 4.2.1, OCSPResponseStatus).
    #[error("the responder answered that it has none ({0})")]
    NoAnswer(&'static str),
    /// Nobody's key can check it.
    #[error("the certificate of the issuer, which it is checked with, is missing")]
    NoIssuer,
    /// It is about other certificates.
    #[error("it is about another certificate")]
    Another,
    /// Neither the issuer nor somebody with the issuer's leave signed it, or the signature is wrong.
    #[error("neither the issuer nor a responder of the issuer's signed it")]
    Unsigned,
    /// It was to be replaced before.
    #[error("it is out of date")]
    Stale,
    /// It begins later.
    #[error("it is not valid yet")]
    Early,
}

/// What `response` says of `leaf` (DER) at the time `at`. Its issuer is looked for among `others` (DER).
///
/// # Errors
/// Why it says nothing.
pub fn revocation<'a>(
    response: &[u8],
    leaf: &[u8],
    others: impl IntoIterator<Item = &'a [u8]>,
    at: Timestamp,
) -> Result<Revocation, Unusable> {
    let (basic, signed) = read(response)?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| Unusable::NoIssuer)?;
    let issuer = others
        .into_iter()
        .filter_map(|der| X509Certificate::from_der(der).ok())
        .map(|(_, other)| other)
        .find(|other| is_issued_by(&leaf, other))
        .ok_or(Unusable::NoIssuer)?;
    let single = basic.tbs_response_data.responses.iter();
    let single = single
        .take(limits::CERTIFICATES)
        .find(|one| names(&one.cert_id, &leaf, &issuer))
        .ok_or(Unusable::Another)?;
    let responder = signer(&basic, &signed, &issuer, at).ok_or(Unusable::Unsigned)?;
    let this_update = time(&single.this_update);
    if this_update > at.plus(SKEW) {
        return Err(Unusable::Early);
    }
    // Without a nextUpdate newer words are always to be had, and these are not wrong (RFC 6960 2.4).
    let next = single.next_update.as_ref().map(time);
    if next.is_some_and(|next| next.plus(SKEW) < at) {
        return Err(Unusable::Stale);
    }
    let status = match &single.cert_status {
        CertStatus::Good(_) => Status::Good,
        CertStatus::Unknown(_) => Status::Unknown,
        CertStatus::Revoked(revoked) => Status::Revoked {
            since: time(&revoked.revocation_time),
            reason: revoked.revocation_reason.and_then(reason),
        },
    };
    Ok(Revocation {
        status,
        this_update,
        responder,
    })
}

/// The response within its envelope, and the bytes that its signature is over, as they came.
fn read(response: &[u8]) -> Result<(BasicOcspResponse, Vec<u8>), Unusable> {
    let unreadable = |_| Unusable::Unreadable;
    let envelope = OcspResponse::from_der(response).map_err(unreadable)?;
    match envelope.response_status {
        OcspResponseStatus::Successful => {}
        OcspResponseStatus::MalformedRequest => return Err(Unusable::NoAnswer("malformedRequest")),
        OcspResponseStatus::InternalError => return Err(Unusable::NoAnswer("internalError")),
        OcspResponseStatus::TryLater => return Err(Unusable::NoAnswer("tryLater")),
        OcspResponseStatus::SigRequired => return Err(Unusable::NoAnswer("sigRequired")),
        OcspResponseStatus::Unauthorized => return Err(Unusable::NoAnswer("unauthorized")),
    }
    let inner = envelope.response_bytes.ok_or(Unusable::Unreadable)?;
    if inner.response_type.to_string() != BASIC {
        return Err(Unusable::Unreadable);
    }
    let bytes = inner.response.as_bytes();
    let basic = BasicOcspResponse::from_der(bytes).map_err(unreadable)?;
    let mut within = SliceReader::new(bytes).map_err(unreadable)?;
    Header::decode(&mut within).map_err(unreadable)?;
    let signed = within.tlv_bytes().map_err(unreadable)?.to_vec();
    Ok((basic, signed))
}

/// Whether a CertID is this certificate's (RFC 6960 4.1.1): issuer's name and key, hashed, and the serial number.
fn names(id: &CertId, leaf: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let algorithm = match id.hash_algorithm.oid.to_string().as_str() {
        "1.3.14.3.2.26" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "2.16.840.1.101.3.4.2.1" => &digest::SHA256,
        "2.16.840.1.101.3.4.2.2" => &digest::SHA384,
        "2.16.840.1.101.3.4.2.3" => &digest::SHA512,
        _ => return false,
    };
    let is = |bytes: &[u8], hash: &[u8]| digest::digest(algorithm, bytes).as_ref() == hash;
    let key = &issuer.public_key().subject_public_key.data;
    significant(id.serial_number.as_bytes()) == significant(leaf.raw_serial())
        && is(issuer.subject().as_raw(), id.issuer_name_hash.as_bytes())
        && is(key, id.issuer_key_hash.as_bytes())
}

/// A serial number is positive (RFC 5280 4.1.2.2): zeros before it are the encoding's.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Who signed, if it is the issuer itself or a certificate of the issuer's for this purpose (RFC 6960 4.2.2.2).
fn signer(
    basic: &BasicOcspResponse,
    signed: &[u8],
    issuer: &X509Certificate<'_>,
    at: Timestamp,
) -> Option<Foreign> {
    let id = &basic.tbs_response_data.responder_id;
    if is_responder(id, issuer) {
        return verifies(basic, signed, issuer).then(|| subject(issuer));
    }
    let sent = basic.certs.as_deref().unwrap_or_default();
    sent.iter().take(limits::CERTIFICATES).find_map(|sent| {
        let der = sent.to_der().ok()?;
        let (_, delegate) = X509Certificate::from_der(&der).ok()?;
        let purposes = delegate.extended_key_usage().ok().flatten()?;
        let valid = x509_parser::time::ASN1Time::from_timestamp(at.0.div_euclid(SECOND)).ok()?;
        let charged = purposes.value.ocsp_signing
            && is_responder(id, &delegate)
            && is_issued_by(&delegate, issuer)
            && delegate.validity().is_valid_at(valid)
            && verifies(basic, signed, &delegate);
        charged.then(|| subject(&delegate))
    })
}

fn subject(certificate: &X509Certificate<'_>) -> Foreign {
    Foreign::from(certificate.subject().to_string().as_str())
}

/// Whether the response names this certificate as its responder: by its name, or by the SHA-1 of its key.
fn is_responder(id: &ResponderId, certificate: &X509Certificate<'_>) -> bool {
    match id {
        ResponderId::ByName(name) => name
            .to_der()
            .is_ok_and(|name| name == certificate.subject().as_raw()),
        ResponderId::ByKey(hash) => {
            let key = &certificate.public_key().subject_public_key.data;
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key).as_ref() == hash.as_bytes()
        }
    }
}

fn verifies(basic: &BasicOcspResponse, signed: &[u8], by: &X509Certificate<'_>) -> bool {
    let (Ok(algorithm), Ok(signature)) =
        (basic.signature_algorithm.to_der(), basic.signature.to_der())
    else {
        return false;
    };
    let (Ok((_, algorithm)), Ok((_, signature))) = (
        AlgorithmIdentifier::from_der(&algorithm),
        x509_parser::asn1_rs::BitString::from_der(&signature),
    ) else {
        return false;
    };
    verify_signature(by.public_key(), &algorithm, &signature, signed).is_ok()
}

fn time(time: &OcspGeneralizedTime) -> Timestamp {
    let seconds = i64::try_from(time.0.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp(seconds.saturating_mul(SECOND))
}

fn reason(reason: CrlReason) -> Option<&'static str> {
    Some(match reason {
        CrlReason::Unspecified => return None,
        CrlReason::KeyCompromise => "key compromise",
        CrlReason::CaCompromise => "compromise of the authority",
        CrlReason::AffiliationChanged => "affiliation changed",
        CrlReason::Superseded => "superseded",
        CrlReason::CessationOfOperation => "cessation of operation",
        CrlReason::CertificateHold => "on hold",
        CrlReason::RemoveFromCRL => "removed from the list",
        CrlReason::PrivilegeWithdrawn => "privilege withdrawn",
        CrlReason::AaCompromise => "compromise of the attribute authority",
    })
}
