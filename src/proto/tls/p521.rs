//! ECDSA on secp521r1: the one signature of everyday certificates that the provider (ring) cannot check.
//!
//! Programs built on OpenSSL, GnuTLS or NSS take such certificates, so a chain of them is no doubt and no fault. The curve's
//! arithmetic is the `p521` crate's (FIPS 186-5); here it is made known to webpki. Up to TLS 1.2 a scheme fixes the digest
//! alone, and servers sign with SHA-256 as well. It signs nothing.

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use p521::ecdsa::{Signature, VerifyingKey};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Octets of the curve's order: a digest is a number of that length (FIPS 186-5 6.4.2).
const ORDER: usize = 66;

#[derive(Debug)]
enum EcdsaP521 {
    Sha256,
    Sha384,
    Sha512,
}

/// With SHA-256.
pub static ECDSA_P521_SHA256: &dyn SignatureVerificationAlgorithm = &EcdsaP521::Sha256;
/// With SHA-384.
pub static ECDSA_P521_SHA384: &dyn SignatureVerificationAlgorithm = &EcdsaP521::Sha384;
/// With SHA-512: ecdsa_secp521r1_sha512 (RFC 8446 4.2.3).
pub static ECDSA_P521_SHA512: &dyn SignatureVerificationAlgorithm = &EcdsaP521::Sha512;

impl SignatureVerificationAlgorithm for EcdsaP521 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        let digest = match self {
            EcdsaP521::Sha256 => Sha256::digest(message).to_vec(),
            EcdsaP521::Sha384 => Sha384::digest(message).to_vec(),
            EcdsaP521::Sha512 => Sha512::digest(message).to_vec(),
        };
        let mut number = vec![0; ORDER.saturating_sub(digest.len())];
        number.extend(digest);
        key.verify_prehash(&number, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            EcdsaP521::Sha256 => alg_id::ECDSA_SHA256,
            EcdsaP521::Sha384 => alg_id::ECDSA_SHA384,
            EcdsaP521::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

#[cfg(test)]
mod tests {
    use p521::ecdsa::signature::Signer as _;
    use p521::ecdsa::{Signature, SigningKey};

    use super::{ECDSA_P521_SHA256, ECDSA_P521_SHA512};

    #[test]
    fn what_the_key_signed_verifies_and_nothing_else_does() {
        let mut secret = [7u8; 66];
        secret[0] = 0;
        let key = SigningKey::from_slice(&secret).expect("a key");
        let public = key.verifying_key().to_sec1_point(false);
        let signature: Signature = key.sign(b"a handshake");
        let signature = signature.to_der();
        let verify = |message: &[u8], signature: &[u8]| {
            ECDSA_P521_SHA512.verify_signature(public.as_bytes(), message, signature)
        };
        assert!(verify(b"a handshake", signature.as_bytes()).is_ok());
        assert!(verify(b"another", signature.as_bytes()).is_err());
        assert!(verify(b"a handshake", &[0x30, 0]).is_err());
        let other = ECDSA_P521_SHA256;
        assert!(
            other
                .verify_signature(public.as_bytes(), b"a handshake", signature.as_bytes())
                .is_err()
        );
    }
}
