//! The client's side of TLS: what it trusts, and how it refuses.
//!
//! The alerts for a refused certificate are OpenSSL's (`ssl_x509err2alert`: 45 expired, 48 unknown issuer, 42 not yet
//! valid, wrong name and weak), since that is what most mail software says; rustls alone would say 51
//! for weak. In TLS 1.3 rustls sends them encrypted, OpenSSL in clear: run `openssl` for that.

use super::Network;
use super::spec::{ClientSpec, Trust};
use crate::lab::server::tls::{provider, versions};
use crate::proto::tls::{ChainJudge, KeyHolder};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};
use std::sync::{Arc, Mutex};

/// Judges certificates as the scenario says and remembers what it disliked.
#[derive(Debug)]
pub struct Judge {
    roots: Option<Arc<WebPkiServerVerifier>>,
    trust: Trust,
    refuse_with: Option<u8>,
    forgiving: bool,
    dislike: Mutex<Option<String>>,
}

impl Judge {
    /// What it disliked, if anything.
    pub fn dislike(&self) -> Option<String> {
        self.dislike.lock().ok().and_then(|dislike| dislike.clone())
    }
}

impl ChainJudge for Arc<Judge> {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        let outcome = match (self.refuse_with, self.trust, &self.roots) {
            (Some(alert), _, _) => Err(Error::InvalidCertificate(by_alert(alert))),
            (None, Trust::Anything, _) => Ok(()),
            (None, Trust::Lab, Some(roots)) => roots
                .verify_server_cert(leaf, rest, name, staple, now)
                .map(drop),
            (None, _, _) => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let Err(error) = outcome else {
            return Ok(());
        };
        if let Ok(mut dislike) = self.dislike.lock() {
            *dislike = Some(error.to_string());
        }
        if self.forgiving {
            return Ok(());
        }
        Err(match error {
            Error::InvalidCertificate(error) => Error::InvalidCertificate(as_openssl(error)),
            other => other,
        })
    }
}

/// An error whose alert is this one.
fn by_alert(alert: u8) -> CertificateError {
    match alert {
        43 => CertificateError::InvalidPurpose,
        44 => CertificateError::Revoked,
        45 => CertificateError::Expired,
        46 => CertificateError::Other(rustls::OtherError(Arc::new(std::fmt::Error))),
        48 => CertificateError::UnknownIssuer,
        49 => CertificateError::ApplicationVerificationFailure,
        _ => CertificateError::BadEncoding,
    }
}

fn as_openssl(error: CertificateError) -> CertificateError {
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::Revoked
        | CertificateError::UnknownIssuer
        | CertificateError::InvalidPurpose
        | CertificateError::InvalidPurposeContext { .. }
        | CertificateError::ApplicationVerificationFailure
        | CertificateError::NotValidForName
        | CertificateError::NotValidForNameContext { .. }
        | CertificateError::Other(_) => error,
        _ => CertificateError::BadEncoding,
    }
}

/// A connection that has said nothing yet, and its judge.
///
/// # Errors
/// When the scenario asks for something that rustls does not have, or the name is none.
pub fn connection(
    spec: &ClientSpec,
    network: &Network<'_>,
) -> Result<(ClientConnection, Arc<Judge>), String> {
    let text = |error: Error| error.to_string();
    let provider = provider(&spec.tls.suites)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(network.pki.roots.iter().cloned());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .ok();
    let judge = Arc::new(Judge {
        roots: verifier,
        trust: spec.tls.trust,
        refuse_with: spec.tls.refuse_with,
        forgiving: spec.tls.quit_on_bad_certificate,
        dislike: Mutex::new(None),
    });
    let verifier = Arc::new(KeyHolder::new(judge.clone(), provider.clone()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(&spec.tls.versions))
        .map_err(text)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match spec.tls.certificate {
        true => {
            let own = &network.pki.client;
            builder
                .with_client_auth_cert(own.chain.clone(), own.key())
                .map_err(text)?
        }
        false => builder.with_no_client_auth(),
    };
    // Names that no server knows make a hello long; a server without ALPN ignores them (RFC 7301 3.2).
    let padding = spec.tls.hello_size.unwrap_or(0).saturating_sub(230) / 250;
    let protocol =
        |number: usize| format!("{}-{:03}", "lab-padding".repeat(22), number).into_bytes();
    config.alpn_protocols = (0..padding.min(200)).map(protocol).collect();
    let name = spec.tls.name.clone().unwrap_or_else(|| spec.server.clone());
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(text)?;
    Ok((connection, judge))
}
