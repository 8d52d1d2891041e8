//! Key exchanges that programs built on OpenSSL offer and the provider (ring) lacks: secp521r1, and finite fields by name.
//!
//! A server that takes nothing else is served well by every such program, so a probe that could not speak to it would cry wolf.
//! They stand behind the usual groups and send no share by themselves: a server that wants one asks for it (RFC 8446 4.1.4), and
//! all others never notice. In finite fields only the groups of RFC 7919, and only in TLS 1.3: up to 1.2 a server names no
//! group and sends whatever prime it was given, which nobody can check.

use num_bigint::BigUint;
use p521::elliptic_curve::sec1::ToSec1Point as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::{FFDHE2048, FFDHE3072, FFDHE4096, FfdheGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::Zeroizing;

/// All of them, for a provider's list, behind the usual ones.
pub static BEYOND_THE_PROVIDER: [&dyn SupportedKxGroup; 4] = [
    &Secp521r1,
    &FiniteField(NamedGroup::FFDHE2048, FFDHE2048),
    &FiniteField(NamedGroup::FFDHE3072, FFDHE3072),
    &FiniteField(NamedGroup::FFDHE4096, FFDHE4096),
];

/// Octets of a coordinate of secp521r1.
const COORDINATE: usize = 66;
/// Tries for a number below the order: each fails with a chance below 2⁻²⁵⁸.
const TRIES: usize = 4;
/// Octets of an exponent: RFC 7919 appendix A asks for 325 bits at the most in the groups used here.
const EXPONENT: usize = 48;

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Error::FailedToGetRandomBytes)
}

fn bad_share() -> Error {
    PeerMisbehaved::InvalidKeyShare.into()
}

/// secp521r1 (RFC 8446 4.2.8.2).
#[derive(Debug)]
struct Secp521r1;

impl SupportedKxGroup for Secp521r1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut bytes = Zeroizing::new([0u8; COORDINATE]);
        for _ in 0..TRIES {
            random(bytes.as_mut())?;
            // 521 bits.
            if let Some(first) = bytes.first_mut() {
                *first &= 1;
            }
            if let Ok(secret) = p521::SecretKey::from_slice(bytes.as_ref()) {
                let share = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
                return Ok(Box::new(OnCurve { secret, share }));
            }
        }
        Err(Error::FailedToGetRandomBytes)
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct OnCurve {
    secret: p521::SecretKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for OnCurve {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        // RFC 8446 4.2.8.2: an uncompressed point; that it lies on the curve is checked as it is read.
        if theirs.first() != Some(&4) {
            return Err(bad_share());
        }
        let theirs = p521::PublicKey::from_sec1_bytes(theirs).map_err(|_| bad_share())?;
        let shared =
            p521::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), theirs.as_affine());
        Ok(SharedSecret::from(shared.raw_secret_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// A group of RFC 7919.
#[derive(Debug)]
struct FiniteField(NamedGroup, FfdheGroup<'static>);

impl SupportedKxGroup for FiniteField {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut exponent = Zeroizing::new([0u8; EXPONENT]);
        random(exponent.as_mut())?;
        let exponent = BigUint::from_bytes_be(exponent.as_ref());
        let prime = BigUint::from_bytes_be(self.1.p);
        let share = BigUint::from_bytes_be(self.1.g).modpow(&exponent, &prime);
        Ok(Box::new(InField {
            name: self.0,
            field: self.1,
            share: as_long_as(&share, self.1.p.len()),
            exponent,
            prime,
        }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(self.1)
    }

    fn name(&self) -> NamedGroup {
        self.0
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// Left-padded with zeros to the length of the prime (RFC 8446 4.2.8.1, 7.4.1).
fn as_long_as(number: &BigUint, length: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let mut padded = vec![0; length.saturating_sub(bytes.len())];
    padded.extend(bytes);
    padded
}

struct InField {
    name: NamedGroup,
    field: FfdheGroup<'static>,
    share: Vec<u8>,
    exponent: BigUint,
    prime: BigUint,
}

impl ActiveKeyExchange for InField {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let public = BigUint::from_bytes_be(theirs);
        let one = BigUint::from(1u8);
        // RFC 7919 5.1: 1 < Y < p - 1.
        if theirs.len() != self.field.p.len() || public <= one || public >= &self.prime - &one {
            return Err(bad_share());
        }
        let shared = public.modpow(&self.exponent, &self.prime);
        let shared = Zeroizing::new(as_long_as(&shared, self.field.p.len()));
        Ok(SharedSecret::from(shared.as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        Some(self.field)
    }

    fn group(&self) -> NamedGroup {
        self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_reach_the_same_secret_in_every_group() {
        for group in BEYOND_THE_PROVIDER {
            let (ours, theirs) = (group.start().expect("one"), group.start().expect("two"));
            let (share, answer) = (ours.pub_key().to_vec(), theirs.pub_key().to_vec());
            assert_eq!(share.len(), answer.len(), "{:?}", group.name());
            let here = ours.complete(&answer).expect("a share");
            let there = theirs.complete(&share).expect("a share");
            assert_eq!(here.secret_bytes(), there.secret_bytes());
            assert!(here.secret_bytes().len() >= COORDINATE);
        }
    }

    #[test]
    fn shares_that_prove_nothing_are_refused() {
        for group in BEYOND_THE_PROVIDER {
            let length = group.start().expect("one").pub_key().len();
            let mut one = vec![0; length];
            one[length - 1] = 1;
            for share in [vec![0; length], one, vec![0xFF; length], vec![4; 3]] {
                assert!(group.start().expect("one").complete(&share).is_err());
            }
        }
    }
}
