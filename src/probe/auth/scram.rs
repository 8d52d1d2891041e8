//! SCRAM-SHA-1 and SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677), the client's half.
//!
//! The password never leaves this process, and the server proves that it knows it too. Names and passwords beyond ASCII
//! need SASLprep (RFC 4013), which is not done here: the caller chooses another mechanism for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// Iterations beyond this are refused: a server must not keep us busy.
const MOST_ITERATIONS: u32 = 1_000_000;

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Hash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        }
    }
}

/// One exchange.
pub(super) struct Scram {
    hash: Hash,
    first_bare: String,
    nonce: String,
    /// The signature that the server has to show.
    expected: Option<Vec<u8>>,
}

/// Why an exchange cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server's message is none of SCRAM.
    Malformed,
    /// It wants more work than is reasonable.
    TooManyIterations,
    /// It did not prove that it knows the password.
    NotProven,
}

impl Scram {
    /// With a nonce of printable characters without comma.
    pub(super) fn new(hash: Hash, user: &str, nonce: String) -> Scram {
        // RFC 5802 5.1: `=` and `,` in a name.
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Scram {
            hash,
            first_bare: format!("n={user},r={nonce}"),
            nonce,
            expected: None,
        }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// The answer to the server's first message (RFC 5802 3).
    pub(super) fn answer(
        &mut self,
        challenge: &str,
        password: &str,
    ) -> Result<Zeroizing<String>, Trouble> {
        let field = |key: &str| {
            challenge
                .split(',')
                .find_map(|part| part.strip_prefix(key))
                .ok_or(Trouble::Malformed)
        };
        let nonce = field("r=")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() <= self.nonce.len() {
            return Err(Trouble::Malformed);
        }
        let salt = STANDARD
            .decode(field("s=")?)
            .map_err(|_| Trouble::Malformed)?;
        let iterations: u32 = field("i=")?.parse().map_err(|_| Trouble::Malformed)?;
        let iterations = NonZeroU32::new(iterations).ok_or(Trouble::Malformed)?;
        if iterations.get() > MOST_ITERATIONS {
            return Err(Trouble::TooManyIterations);
        }
        let mut salted = Zeroizing::new(vec![0u8; self.hash.digest().output_len()]);
        pbkdf2::derive(
            self.hash.pbkdf2(),
            iterations,
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let sign = |key: &[u8], text: &[u8]| {
            let key = hmac::Key::new(self.hash.hmac(), key);
            Zeroizing::new(hmac::sign(&key, text).as_ref().to_vec())
        };
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest(), &client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{challenge},{without_proof}", self.first_bare);
        let signature = sign(stored_key.as_ref(), message.as_bytes());
        let proof: Zeroizing<Vec<u8>> = Zeroizing::new(
            client_key
                .iter()
                .zip(signature.iter())
                .map(|(key, signature)| key ^ signature)
                .collect(),
        );
        let server_key = sign(&salted, b"Server Key");
        self.expected = Some(sign(&server_key, message.as_bytes()).to_vec());
        Ok(Zeroizing::new(format!(
            "{without_proof},p={}",
            STANDARD.encode(proof.as_slice())
        )))
    }

    /// The server's last message: its own proof, or its refusal.
    pub(super) fn check(&self, last: &str) -> Result<(), Trouble> {
        let shown = last
            .split(',')
            .find_map(|part| part.strip_prefix("v="))
            .and_then(|text| STANDARD.decode(text).ok());
        match (&self.expected, shown) {
            (Some(expected), Some(shown)) if *expected == shown => Ok(()),
            _ => Err(Trouble::NotProven),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677() {
        let mut scram = Scram::new(Hash::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let answer = scram
            .answer(
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "pencil",
            )
            .expect("a challenge");
        assert_eq!(
            answer.as_str(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(
            scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
            Ok(())
        );
        assert_eq!(scram.check("v=AAAA"), Err(Trouble::NotProven));
    }

    #[test]
    fn the_example_of_rfc_5802() {
        let mut scram = Scram::new(Hash::Sha1, "user", "fyko+d2lbbFgONRv9qkxdawL".into());
        let answer = scram
            .answer(
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "pencil",
            )
            .expect("a challenge");
        assert!(answer.ends_with(",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="));
        assert_eq!(scram.check("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Ok(()));
    }

    #[test]
    fn a_server_cannot_make_us_work_or_swap_the_nonce() {
        let mut scram = Scram::new(Hash::Sha256, "a=b,c", "abc".into());
        assert_eq!(scram.first(), "n,,n=a=3Db=2Cc,r=abc");
        let bad = |text: &str, scram: &mut Scram| scram.answer(text, "x").err();
        assert_eq!(
            bad("r=abcd,s=AAAA,i=99999999", &mut scram),
            Some(Trouble::TooManyIterations)
        );
        assert_eq!(
            bad("r=xyz,s=AAAA,i=4096", &mut scram),
            Some(Trouble::Malformed)
        );
        assert_eq!(
            bad("r=abcd,s=AAAA,i=0", &mut scram),
            Some(Trouble::Malformed)
        );
        assert_eq!(bad("", &mut scram), Some(Trouble::Malformed));
    }
}
