//! X25519MLKEM768, the key exchange that today's mail clients offer first.
//!
//! It exists for its size: its share makes a ClientHello of some 1,500 bytes, which fills a segment and spills into a
//! second one as the hellos of OpenSSL 3.5, Thunderbird and Apple Mail do, so that what only swallows large or split
//! hellos is met by our own first session. The provider (ring) lacks it; the lattice half comes from `ml-kem` (FIPS 203),
//! the other half from the provider. It refuses to be a server.
//!
//! Layout (draft-ietf-tls-ecdhe-mlkem 3.1, code point 0x11EC): client share = encapsulation key (1,184) ‖ X25519 (32),
//! server share = ciphertext (1,088) ‖ X25519 (32), secret = ML-KEM secret (32) ‖ X25519 secret (32).

use ml_kem::kem::{Decapsulate as _, KeyExport as _};
use ml_kem::ml_kem_768::DecapsulationKey;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::Zeroizing;

/// Length of an ML-KEM-768 ciphertext (FIPS 203 table 3).
const CIPHERTEXT: usize = 1_088;

/// The group, for a provider's list; put it first and X25519 behind it, so that both shares are sent.
#[derive(Debug)]
pub struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let classical = rustls::crypto::ring::kx_group::X25519.start()?;
        let mut seed = Zeroizing::new([0u8; 64]);
        SystemRandom::new()
            .fill(seed.as_mut())
            .map_err(|_| Error::FailedToGetRandomBytes)?;
        let lattice = DecapsulationKey::from_seed((*seed).into());
        let mut share = lattice.encapsulation_key().to_bytes().to_vec();
        share.extend_from_slice(classical.pub_key());
        Ok(Box::new(Active {
            classical,
            lattice,
            share,
        }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

struct Active {
    classical: Box<dyn ActiveKeyExchange>,
    lattice: DecapsulationKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Active {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let bad = || Error::from(PeerMisbehaved::InvalidKeyShare);
        let (ciphertext, point) = theirs.split_at_checked(CIPHERTEXT).ok_or_else(bad)?;
        let lattice = self
            .lattice
            .decapsulate_slice(ciphertext)
            .map_err(|_| bad())?;
        let classical = self.classical.complete(point)?;
        let mut secret = Zeroizing::new(lattice.to_vec());
        secret.extend_from_slice(classical.secret_bytes());
        Ok(SharedSecret::from(secret.as_slice()))
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.classical.group(), self.classical.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        self.classical.complete(theirs)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_kem::ml_kem_768::EncapsulationKey;

    #[test]
    fn both_ends_reach_the_same_secret() {
        let ours = X25519MlKem768.start().expect("randomness");
        let share = ours.pub_key().to_vec();
        assert_eq!(share.len(), 1_216);
        let (key, point) = share.split_at(1_184);
        let key = EncapsulationKey::new(key.try_into().expect("1,184 bytes")).expect("a key");
        let (ciphertext, lattice) = key.encapsulate_deterministic(&[7; 32].into());
        let theirs = rustls::crypto::ring::kx_group::X25519
            .start()
            .expect("randomness");
        let mut answer = ciphertext.to_vec();
        answer.extend_from_slice(theirs.pub_key());
        let classical = theirs.complete(point).expect("a point");
        let secret = ours.complete(&answer).expect("a share");
        let expected = [lattice.as_slice(), classical.secret_bytes()].concat();
        assert_eq!(secret.secret_bytes(), expected);
    }

    #[test]
    fn a_short_share_is_refused() {
        let ours = X25519MlKem768.start().expect("randomness");
        assert!(ours.complete(&[0; 40]).is_err());
    }
}
