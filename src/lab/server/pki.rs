//! Certificates of every kind, made when a run starts.
//!
//! Keys are fresh (ECDSA P-256) and dates are relative to the time that is handed in. The only
//! certificate made beforehand is the weak one: ring signs neither with SHA-1 nor with 1,024-bit RSA, so
//! `weak/` holds a leaf that such a root signed, valid from 2026 to 2126 for `example.net` and the names below it.
//! It refuses to be a real authority: the private keys die with the run (the weak leaf's is public).

use super::ocsp;
use super::spec::{CertificateKind, Staple};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::HashMap;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A leaf with what is sent beside it.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first, as sent.
    pub chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Identity {
    /// The leaf's private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// The lab's authority and what it issued.
#[derive(Debug)]
pub struct Pki {
    /// The roots that clients trust: the lab's, and the weak one.
    pub roots: Vec<CertificateDer<'static>>,
    /// The same for programs, as PEM.
    pub roots_pem: String,
    /// The root of the device that breaks TLS open, as PEM.
    pub inspection_pem: String,
    /// What a client shows when it is asked.
    pub client: Identity,
    issued: HashMap<(CertificateKind, Vec<String>), Identity>,
    trusted: Authority,
    made: u64,
}

#[derive(Debug)]
struct Authority {
    intermediate: CertifiedIssuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Pki {
    /// Makes the authority and one certificate for each wish (kind and names); `now` in seconds since 1970.
    ///
    /// # Errors
    /// When a name is no DNS name, or the system has no randomness.
    pub fn new(now: u64, wishes: &[(CertificateKind, Vec<String>)]) -> Result<Pki, rcgen::Error> {
        let trusted = authority("mxray lab", now)?;
        let stranger = authority("somebody unknown", now)?;
        let inspection = authority("Example Corp TLS inspection", now)?;
        let mut issued = HashMap::new();
        for (kind, names) in wishes {
            let authority = match kind {
                CertificateKind::UntrustedRoot => &stranger,
                CertificateKind::Inspected => &inspection,
                _ => &trusted,
            };
            issued.insert((*kind, names.clone()), issue(*kind, names, authority, now)?);
        }
        let client = issue(
            CertificateKind::Valid,
            &["client.example.org".to_owned()],
            &trusted,
            now,
        )?;
        let weak = CertificateDer::from(&include_bytes!("weak/root.der")[..]);
        let roots_pem = pem(&trusted.root) + &pem(&weak);
        Ok(Pki {
            roots: vec![trusted.root.clone(), weak],
            roots_pem,
            inspection_pem: pem(&inspection.root),
            client,
            issued,
            trusted,
            made: now,
        })
    }

    /// What was made for a wish.
    pub fn identity(&self, kind: CertificateKind, names: &[String]) -> Option<&Identity> {
        self.issued.get(&(kind, names.to_vec()))
    }

    /// An OCSP response about a certificate of the trusted authority, DER.
    ///
    /// # Errors
    /// When a certificate cannot be read or nothing can be signed, in words.
    pub fn staple(&self, of: &Identity, staple: Staple) -> Result<Vec<u8>, String> {
        let leaf = of.chain.first().ok_or("no certificate to staple to")?;
        ocsp::response(&self.trusted.intermediate, leaf, staple, self.made)
    }
}

fn authority(name: &str, now: u64) -> Result<Authority, rcgen::Error> {
    let ca = |common: String, path: BasicConstraints| {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&common);
        params.is_ca = IsCa::Ca(path);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        dated(&mut params, now, -400, 3_650);
        params
    };
    let root_params = ca(format!("{name} root"), BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root_params, KeyPair::generate()?)?;
    let mut params = ca(
        format!("{name} intermediate"),
        BasicConstraints::Constrained(0),
    );
    params.use_authority_key_identifier_extension = true;
    let intermediate = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &root)?;
    Ok(Authority {
        intermediate,
        root: root.der().clone(),
    })
}

fn issue(
    kind: CertificateKind,
    names: &[String],
    by: &Authority,
    now: u64,
) -> Result<Identity, rcgen::Error> {
    if kind == CertificateKind::Weak {
        return Ok(Identity {
            chain: vec![
                CertificateDer::from(&include_bytes!("weak/leaf.der")[..]),
                CertificateDer::from(&include_bytes!("weak/root.der")[..]),
            ],
            key: include_bytes!("weak/leaf-key.der").to_vec(),
        });
    }
    let names = match kind {
        CertificateKind::WrongName => vec!["www.hosting.example".to_owned()],
        _ => names.to_vec(),
    };
    let mut params = CertificateParams::new(names.clone())?;
    params.distinguished_name = named(names.first().map_or("nameless", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    match kind {
        CertificateKind::Expired => dated(&mut params, now, -100, -10),
        CertificateKind::NotYetValid => dated(&mut params, now, 10, 100),
        _ => dated(&mut params, now, -10, 80),
    }
    let key = KeyPair::generate()?;
    let chain = if kind == CertificateKind::SelfSigned {
        vec![params.self_signed(&key)?.der().clone()]
    } else {
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &by.intermediate)?.der().clone();
        match kind {
            CertificateKind::IncompleteChain => vec![leaf],
            _ => vec![leaf, by.intermediate.der().clone()],
        }
    };
    Ok(Identity {
        chain,
        key: key.serialize_der(),
    })
}

pub(super) fn named(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// Validity in days from `now`.
pub(super) fn dated(params: &mut CertificateParams, now: u64, from: i32, to: i32) {
    let at = |days: i32| {
        let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
        let distance = DAY.saturating_mul(days.unsigned_abs());
        if days < 0 {
            now - distance
        } else {
            now + distance
        }
    };
    params.not_before = at(from);
    params.not_after = at(to);
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
