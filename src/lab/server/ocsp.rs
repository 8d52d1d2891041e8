//! OCSP responses (RFC 6960) as a server staples them to its certificate, honest and not.
//!
//! They are made when a service starts, as its certificate is. What is wrong with one is wrong in its dates, its subject or its
//! signature; each is a response otherwise. It answers no request: there is no responder here.

use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, SigningKey as _};
use ring::digest;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::{BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString};
use x509_cert::der::{self, Decode as _, Encode as _};
use x509_cert::ext::pkix::CrlReason;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspGeneralizedTime, OcspResponse, ResponderId,
    ResponseData, RevokedInfo, SingleResponse, Version,
};

use super::pki::{dated, named};
use super::spec::Staple;

const DAY: i64 = 86_400;
/// id-sha1, as nearly every responder hashes the issuer (RFC 6960 4.1.1, RFC 5019 2.1.1).
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// ecdsa-with-SHA256 (RFC 5758 3.2): all keys here are on P-256.
const ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// The response about `leaf`, which `issuer` issued; `now` in seconds since 1970.
///
/// # Errors
/// When a certificate cannot be read or nothing can be signed, in words.
pub fn response(
    issuer: &rcgen::CertifiedIssuer<'static, KeyPair>,
    leaf: &CertificateDer<'_>,
    staple: Staple,
    now: u64,
) -> Result<Vec<u8>, String> {
    let words = |error: der::Error| format!("an OCSP response: {error}");
    let its = Certificate::from_der(issuer.der()).map_err(words)?;
    let leaf = Certificate::from_der(leaf).map_err(words)?;
    let delegate = match staple {
        Staple::RevokedByDelegate => Some(responder(
            issuer,
            ExtendedKeyUsagePurpose::OcspSigning,
            now,
        )?),
        Staple::ByNobody => Some(responder(issuer, ExtendedKeyUsagePurpose::ServerAuth, now)?),
        _ => None,
    };
    let signer = delegate.as_ref().map_or(&its, |(named, _)| named);
    let subject = signer.tbs_certificate.subject.clone();
    let told = ResponseData {
        version: Version::V1,
        responder_id: ResponderId::ByName(subject),
        produced_at: at(now, -1).map_err(words)?,
        responses: vec![single(&its, &leaf, staple, now).map_err(words)?],
        response_extensions: None,
    };
    let key = delegate.as_ref().map_or(issuer.key(), |(_, key)| key);
    let signed = key
        .sign(&told.to_der().map_err(words)?)
        .map_err(|error| error.to_string())?;
    let signed = match staple {
        // A signature over something else is as well-formed as any.
        Staple::BadSignature => key.sign(b"").map_err(|error| error.to_string())?,
        _ => signed,
    };
    let basic = BasicOcspResponse {
        tbs_response_data: told,
        signature_algorithm: AlgorithmIdentifierOwned {
            oid: ECDSA,
            parameters: None,
        },
        signature: BitString::from_bytes(&signed).map_err(words)?,
        certs: delegate.map(|(named, _)| vec![named]),
    };
    let response = OcspResponse::successful(basic).map_err(words)?;
    response.to_der().map_err(words)
}

fn single(
    issuer: &Certificate,
    leaf: &Certificate,
    staple: Staple,
    now: u64,
) -> Result<SingleResponse, der::Error> {
    let hash = |bytes: &[u8]| {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
        OctetString::new(hash.as_ref())
    };
    let its = &issuer.tbs_certificate;
    let serial_number = match staple {
        Staple::OfAnother => SerialNumber::new(&[0x51])?,
        _ => leaf.tbs_certificate.serial_number.clone(),
    };
    let (from, to) = match staple {
        Staple::Expired => (-9, -2),
        _ => (-1, 6),
    };
    Ok(SingleResponse {
        cert_id: CertId {
            hash_algorithm: AlgorithmIdentifierOwned {
                oid: SHA1,
                parameters: Some(Null.into()),
            },
            issuer_name_hash: hash(&its.subject.to_der()?)?,
            issuer_key_hash: hash(its.subject_public_key_info.subject_public_key.raw_bytes())?,
            serial_number,
        },
        cert_status: match staple {
            Staple::Good => CertStatus::good(),
            Staple::Unknown => CertStatus::unknown(),
            _ => CertStatus::revoked(RevokedInfo {
                revocation_time: at(now, -5)?,
                revocation_reason: Some(CrlReason::KeyCompromise),
            }),
        },
        this_update: at(now, from)?,
        next_update: Some(at(now, to)?),
        single_extensions: None,
    })
}

/// A certificate of the issuer's for this purpose, and its key.
fn responder(
    issuer: &Issuer<'_, KeyPair>,
    purpose: ExtendedKeyUsagePurpose,
    now: u64,
) -> Result<(Certificate, KeyPair), String> {
    let words = |error: rcgen::Error| format!("an OCSP responder: {error}");
    let mut params = CertificateParams::default();
    params.distinguished_name = named("mxray lab responder");
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    dated(&mut params, now, -10, 80);
    let key = KeyPair::generate().map_err(words)?;
    let made = params.signed_by(&key, issuer).map_err(words)?;
    let made = Certificate::from_der(made.der()).map_err(|error| error.to_string())?;
    Ok((made, key))
}

/// A moment so many days from `now`.
fn at(now: u64, days: i64) -> Result<OcspGeneralizedTime, der::Error> {
    let seconds = now.saturating_add_signed(days.saturating_mul(DAY));
    let time = GeneralizedTime::from_unix_duration(Duration::from_secs(seconds))?;
    Ok(OcspGeneralizedTime(time))
}

#[cfg(test)]
mod tests {
    use super::super::pki::Pki;
    use super::super::spec::{CertificateKind, Staple};
    use crate::base::{SECOND, Timestamp};
    use crate::proto::tls::{Revocation, Status, Unusable, revocation};

    const NOW: u64 = 1_790_000_000;
    const DAY: i64 = 86_400 * SECOND;

    struct Ground {
        pki: Pki,
        names: Vec<String>,
        at: Timestamp,
    }

    impl Ground {
        fn new() -> Ground {
            let names = vec!["mail.example.net".to_owned()];
            let wishes = [(CertificateKind::Valid, names.clone())];
            Ground {
                pki: Pki::new(NOW, &wishes).expect("certificates"),
                names,
                at: Timestamp(1_790_000_000 * SECOND),
            }
        }

        fn staple(&self, staple: Staple) -> Vec<u8> {
            let leaf = self.pki.identity(CertificateKind::Valid, &self.names);
            let leaf = leaf.expect("the certificate");
            self.pki.staple(leaf, staple).expect("a response")
        }

        fn read(&self, staple: &[u8], at: Timestamp) -> Result<Revocation, Unusable> {
            let leaf = self.pki.identity(CertificateKind::Valid, &self.names);
            let (leaf, rest) = leaf.expect("it").chain.split_first().expect("a chain");
            revocation(staple, leaf, rest.iter().map(|one| &**one), at)
        }
    }

    #[test]
    fn only_the_issuers_word_of_today_about_this_certificate_counts() {
        let ground = Ground::new();
        let said = |staple| {
            let said = ground.read(&ground.staple(staple), ground.at);
            said.map(|said| said.status)
        };
        let revoked = Status::Revoked {
            since: ground.at.plus(-5 * DAY),
            reason: Some("key compromise"),
        };
        assert_eq!(said(Staple::Good), Ok(Status::Good));
        assert_eq!(said(Staple::Unknown), Ok(Status::Unknown));
        assert_eq!(said(Staple::Revoked), Ok(revoked));
        assert_eq!(said(Staple::RevokedByDelegate), Ok(revoked));
        assert_eq!(said(Staple::Expired), Err(Unusable::Stale));
        assert_eq!(said(Staple::OfAnother), Err(Unusable::Another));
        assert_eq!(said(Staple::BadSignature), Err(Unusable::Unsigned));
        assert_eq!(said(Staple::ByNobody), Err(Unusable::Unsigned));
        let revoked = ground.staple(Staple::Revoked);
        let when = |days| ground.read(&revoked, ground.at.plus(days * DAY));
        assert_eq!(when(-2), Err(Unusable::Early));
        assert_eq!(when(7), Err(Unusable::Stale));
        // A delegate whose own certificate is over has no leave any more.
        let delegated = ground.staple(Staple::RevokedByDelegate);
        let late = ground.read(&delegated, ground.at.plus(81 * DAY));
        assert_eq!(late, Err(Unusable::Unsigned));
    }

    #[test]
    fn no_damage_makes_another_word_of_it() {
        let ground = Ground::new();
        for staple in [Staple::Good, Staple::RevokedByDelegate] {
            let response = ground.staple(staple);
            let said = ground.read(&response, ground.at);
            assert!(said.is_ok());
            for at in 0..response.len() {
                let mut damaged = response.clone();
                damaged[at] ^= 0x41;
                let read = ground.read(&damaged, ground.at);
                assert!(read.is_err() || read == said, "byte {at}: {read:?}");
                assert!(ground.read(&response[..at], ground.at).is_err());
            }
        }
    }
}
