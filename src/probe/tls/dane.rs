//! Does a chain fit the TLSA records of its server (RFC 6698, RFC 7671, for SMTP RFC 7672)?
//!
//! Pure: records that DNSSEC has validated, the chain as sent, a name and a time in; an outcome out. Records of usage 0 and 1
//! are not usable for SMTP (RFC 7672 3.1.3), nor those with numbers that nobody knows (RFC 6698 4); with none usable the sender goes
//! on with unauthenticated TLS, and that is said as it is, not as a mismatch.

use ring::digest;

use crate::base::Timestamp;
use crate::proto::tls::{certificate, chain_verifies, name_matches};

/// A TLSA record (RFC 6698 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// Certificate usage: 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE.
    pub usage: u8,
    /// Selector: 0 the whole certificate, 1 its public key.
    pub selector: u8,
    /// Matching type: 0 as it is, 1 SHA-256, 2 SHA-512.
    pub matching: u8,
    /// What has to match.
    pub data: Vec<u8>,
}

impl Tlsa {
    /// From the data of a record; `None` when it is cut.
    pub fn from_data(data: &[u8]) -> Option<Tlsa> {
        let (&[usage, selector, matching], rest) = data.split_first_chunk::<3>()?;
        (!rest.is_empty()).then(|| Tlsa {
            usage,
            selector,
            matching,
            data: rest.to_vec(),
        })
    }

    fn is_usable(&self) -> bool {
        matches!(self.usage, 2 | 3)
            && self.selector <= 1
            && match self.matching {
                0 => true,
                1 => self.data.len() == 32,
                2 => self.data.len() == 64,
                _ => false,
            }
    }

    fn fits(&self, der: &[u8]) -> bool {
        let selected = match self.selector {
            0 => Some(der.to_vec()),
            _ => public_key(der),
        };
        let Some(selected) = selected else {
            return false;
        };
        let hashed = |algorithm| digest::digest(algorithm, &selected).as_ref() == self.data;
        match self.matching {
            0 => selected == self.data,
            1 => hashed(&digest::SHA256),
            2 => hashed(&digest::SHA512),
            _ => false,
        }
    }
}

/// The SubjectPublicKeyInfo of a certificate, DER.
fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some(parsed.public_key().raw.to_vec())
}

/// What DANE says of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dane {
    /// There are no records.
    None,
    /// Records, none of which can be used.
    Unusable,
    /// One matches: its usage.
    Matches(u8),
    /// None matches.
    Mismatch,
}

/// Checks `sent` (DER, leaf first). `name` is what the certificate has to name for usage 2 (RFC 7672 3.2.3).
pub fn check(records: &[Tlsa], sent: &[Vec<u8>], name: &str, at: Timestamp) -> Dane {
    if records.is_empty() {
        return Dane::None;
    }
    let mut usable = records
        .iter()
        .filter(|record| record.is_usable())
        .peekable();
    if usable.peek().is_none() {
        return Dane::Unusable;
    }
    let Some(leaf) = sent.first() else {
        return Dane::Mismatch;
    };
    let matched = usable.find(|record| match record.usage {
        // RFC 7671 5.1: neither name nor dates matter.
        3 => record.fits(leaf),
        _ => anchors(record, sent, name, at),
    });
    matched.map_or(Dane::Mismatch, |record| Dane::Matches(record.usage))
}

/// Usage 2: a certificate above the leaf fits, the leaf leads to it, its dates are good and it has the name (RFC 7671 5.2).
fn anchors(record: &Tlsa, sent: &[Vec<u8>], name: &str, at: Timestamp) -> bool {
    let chain: Vec<_> = sent.iter().map_while(|der| certificate(der)).collect();
    let Some(leaf) = chain.first() else {
        return false;
    };
    sent.iter().skip(1).any(|above| {
        record.fits(above)
            && chain_verifies(&chain, std::slice::from_ref(above), at).is_ok()
            && name_matches(leaf, name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000_000);

    fn chain() -> Vec<Vec<u8>> {
        let mut params = CertificateParams::new(vec!["ca.test".to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
            .expect("an authority");
        let params = CertificateParams::new(vec!["mx.example.test".to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &ca).expect("a leaf");
        vec![leaf.der().to_vec(), ca.der().to_vec()]
    }

    fn record(usage: u8, selector: u8, matching: u8, der: &[u8]) -> Tlsa {
        let selected = match selector {
            0 => der.to_vec(),
            _ => public_key(der).expect("a key"),
        };
        let data = match matching {
            0 => selected,
            1 => digest::digest(&digest::SHA256, &selected).as_ref().to_vec(),
            _ => digest::digest(&digest::SHA512, &selected).as_ref().to_vec(),
        };
        let bytes = [&[usage, selector, matching][..], &data].concat();
        Tlsa::from_data(&bytes).expect("a record")
    }

    #[test]
    fn every_selector_and_matching_type() {
        let sent = chain();
        for selector in [0, 1] {
            for matching in [0, 1, 2] {
                let leaf = record(3, selector, matching, &sent[0]);
                // The name does not matter for DANE-EE.
                assert_eq!(check(&[leaf], &sent, "other.test", NOW), Dane::Matches(3));
                let anchor = record(2, selector, matching, &sent[1]);
                let records = [anchor];
                assert_eq!(
                    check(&records, &sent, "mx.example.test", NOW),
                    Dane::Matches(2)
                );
                assert_eq!(check(&records, &sent, "other.test", NOW), Dane::Mismatch);
            }
        }
    }

    #[test]
    fn what_fits_nothing_and_what_cannot_be_used() {
        let (sent, other) = (chain(), chain());
        let wrong = record(3, 1, 1, &other[0]);
        assert_eq!(
            check(std::slice::from_ref(&wrong), &sent, "mx.example.test", NOW),
            Dane::Mismatch
        );
        let pkix = record(1, 1, 1, &sent[0]);
        assert_eq!(
            check(&[pkix], &sent, "mx.example.test", NOW),
            Dane::Unusable
        );
        assert_eq!(check(&[], &sent, "mx.example.test", NOW), Dane::None);
        let right = record(3, 1, 1, &sent[0]);
        assert_eq!(
            check(&[wrong, right], &sent, "x.test", NOW),
            Dane::Matches(3)
        );
        assert_eq!(Tlsa::from_data(&[3, 1, 1]), None);
    }
}
