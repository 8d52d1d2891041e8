//! Certificates against TLSA records (RFC 6698, RFC 7671, and RFC 7672 for SMTP).
//!
//! It compares bytes and digests, and says when a record cannot be compared. It follows no policy, checks no name
//! and no DNSSEC: what a mismatch means is for others to say.

use sha2::{Digest, Sha256, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::facts::Certificate;

/// One TLSA record's data (RFC 6698 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsaRecord {
    /// Certificate usage: 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE.
    pub usage: u8,
    /// 0 the certificate, 1 its public key.
    pub selector: u8,
    /// 0 as it is, 1 SHA-256, 2 SHA-512.
    pub matching: u8,
    /// What is to be met.
    pub data: Box<[u8]>,
}

impl TlsaRecord {
    /// Reads the data of a record; `None` when it is too short.
    pub fn read(data: &[u8]) -> Option<TlsaRecord> {
        let [usage, selector, matching, data @ ..] = data else {
            return None;
        };
        Some(TlsaRecord {
            usage: *usage,
            selector: *selector,
            matching: *matching,
            data: data.into(),
        })
    }
}

/// How a chain stands to a set of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dane {
    /// A record is met.
    Met,
    /// No record is met, and each was understood.
    Unmet,
    /// Nothing to hold against it: no usable record (RFC 7672 3.1.3: usages 0 and 1 are unusable for SMTP), no chain, or
    /// a record that could be met by what was not sent.
    Undecided,
}

/// Holds a chain, leaf first as sent, against the records of its name and port.
pub fn dane(chain: &[Certificate], records: &[TlsaRecord]) -> Dane {
    let mut understood = false;
    for record in records {
        let candidates = match record.usage {
            3 => chain.get(..1),
            2 => Some(chain),
            _ => continue,
        };
        let Some(candidates) = candidates.filter(|some| !some.is_empty()) else {
            return Dane::Undecided;
        };
        match candidates
            .iter()
            .try_fold(false, |met, one| Some(met || meets(one, record)?))
        {
            Some(true) => return Dane::Met,
            Some(false) if record.usage == 2 && record.matching == 0 => {
                // A trust anchor given in full need not be sent (RFC 7671 5.2.2).
                return Dane::Undecided;
            }
            Some(false) => understood = true,
            // An unknown selector or matching type makes the record unusable (RFC 6698 4.1).
            None => {}
        }
    }
    if understood {
        Dane::Unmet
    } else {
        Dane::Undecided
    }
}

/// Whether one certificate meets one record; `None` when the record is not understood.
fn meets(certificate: &Certificate, record: &TlsaRecord) -> Option<bool> {
    let key;
    let selected: &[u8] = match record.selector {
        0 => &certificate.der,
        1 => {
            let (_, parsed) = X509Certificate::from_der(&certificate.der).ok()?;
            key = parsed.public_key().raw.to_vec();
            &key
        }
        _ => return None,
    };
    Some(match record.matching {
        0 => selected == &*record.data,
        1 => Sha256::digest(selected).as_slice() == &*record.data,
        2 => Sha512::digest(selected).as_slice() == &*record.data,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tls::certificate;

    fn made() -> Certificate {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["mx.example.test".to_owned()]);
        let made = params
            .expect("a name")
            .self_signed(&key)
            .expect("a certificate");
        certificate(made.der()).expect("readable")
    }

    fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> TlsaRecord {
        TlsaRecord {
            usage,
            selector,
            matching,
            data: data.into(),
        }
    }

    #[test]
    fn keys_and_certificates_are_met_in_each_form() {
        let (one, other) = (made(), made());
        let (_, parsed) = X509Certificate::from_der(&one.der).expect("readable");
        let key = parsed.public_key().raw.to_vec();
        let chain = [one.clone()];
        let met = |r: TlsaRecord| dane(&chain, &[r]);
        assert_eq!(met(record(3, 1, 1, &Sha256::digest(&key))), Dane::Met);
        assert_eq!(met(record(3, 0, 2, &Sha512::digest(&*one.der))), Dane::Met);
        assert_eq!(met(record(3, 1, 0, &key)), Dane::Met);
        assert_eq!(met(record(2, 0, 1, &Sha256::digest(&*one.der))), Dane::Met);
        assert_eq!(met(record(3, 1, 1, &[0; 32])), Dane::Unmet);
        // A trust anchor further up is met by what stands there, an end entity is not.
        let chain = [other.clone(), one.clone()];
        let anchor = Sha256::digest(&*one.der);
        assert_eq!(dane(&chain, &[record(2, 0, 1, &anchor)]), Dane::Met);
        assert_eq!(dane(&chain, &[record(3, 0, 1, &anchor)]), Dane::Unmet);
        // Old and new key side by side: one is enough.
        let both = [
            record(3, 1, 1, &[0; 32]),
            record(3, 0, 1, &Sha256::digest(&*other.der)),
        ];
        assert_eq!(dane(&chain, &both), Dane::Met);
    }

    #[test]
    fn what_cannot_be_compared_is_undecided() {
        let chain = [made()];
        for record in [
            record(1, 1, 1, &[0; 32]),
            record(3, 7, 1, &[0; 32]),
            record(3, 1, 9, &[0; 32]),
            record(2, 0, 0, &[0; 300]),
        ] {
            assert_eq!(dane(&chain, &[record]), Dane::Undecided);
        }
        assert_eq!(dane(&[], &[record(3, 1, 1, &[0; 32])]), Dane::Undecided);
        assert_eq!(TlsaRecord::read(&[3, 1]), None);
    }
}
