//! A verifier that lets every certificate through and remembers it: what it would have said is said afterwards.
//!
//! A probe wants to know what lies behind a bad certificate and must not leave a half-open handshake at a production server,
//! so the handshake is finished and the session ends with QUIT. Signatures of the handshake are checked all the same: who
//! does not hold the key is no server. What is sent to a server so accepted is never a credential; `auth` sees to that.

use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// The chain as sent, leaf first, once the server's Certificate message was read.
pub type Sent = Vec<Vec<u8>>;

/// The verifier; the caller keeps a clone and asks it afterwards.
#[derive(Clone, Debug)]
pub struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Arc<Mutex<Option<Sent>>>,
}

impl Recorder {
    /// One for one handshake.
    pub fn new(provider: Arc<CryptoProvider>) -> Recorder {
        Recorder {
            provider,
            seen: Arc::default(),
        }
    }

    /// The chain, leaf first; `None` when no Certificate message came.
    pub fn chain(&self) -> Option<Sent> {
        self.seen.lock().ok().and_then(|seen| seen.clone())
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Ok(mut seen) = self.seen.lock() {
            let all = std::iter::once(leaf).chain(rest);
            *seen = Some(all.map(|certificate| certificate.to_vec()).collect());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
