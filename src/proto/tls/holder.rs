//! Checks that a server holds the key of the certificate that it shows, and leaves the rest to whoever asks.
//!
//! Two callers let bad certificates through on purpose: a probe, that says afterwards what was wrong, and the lab's client,
//! that refuses as its scenario says. Both check the handshake's signatures all the same: who does not hold the key is no
//! server. Nothing is trusted here.

use std::fmt::Debug;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Says whether a chain is taken.
pub trait ChainJudge: Debug + Send + Sync {
    /// The leaf and what was sent beside it, for this name; `staple` is the OCSP response that came with it, empty if none did.
    ///
    /// # Errors
    /// When the handshake is to end; the error decides the alert.
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<(), Error>;
}

/// A verifier whose judgement of chains is another's.
#[derive(Debug)]
pub struct KeyHolder<J> {
    judge: J,
    provider: Arc<CryptoProvider>,
}

impl<J: ChainJudge> KeyHolder<J> {
    /// With the algorithms of this provider.
    pub fn new(judge: J, provider: Arc<CryptoProvider>) -> KeyHolder<J> {
        KeyHolder { judge, provider }
    }
}

impl<J: ChainJudge> ServerCertVerifier for KeyHolder<J> {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge.judge(leaf, rest, name, staple, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
