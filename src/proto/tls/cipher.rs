//! The AEAD ciphers of TLS records, opened: AES-GCM (RFC 5288) and ChaCha20-Poly1305 (RFC 7905) by `ring`, AES-CCM (RFC 6655,
//! RFC 7251) by `ccm`, which `ring` does not have.
//!
//! It exists so that record protection knows one kind of key. It knows no records, and hands out nothing whose tag does not
//! fit.

use aes::{Aes128, Aes256};
use ccm::Ccm;
use ccm::aead::{AeadInPlace, KeyInit, consts};
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of a nonce of any of them.
pub(super) const NONCE: usize = 12;

/// A cipher with its key length and tag length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    Aes128Ccm,
    Aes256Ccm,
    Aes128Ccm8,
    Aes256Ccm8,
}

impl Cipher {
    /// Bytes of a key.
    pub(super) fn key_len(self) -> usize {
        match self {
            Cipher::Aes128Gcm | Cipher::Aes128Ccm | Cipher::Aes128Ccm8 => 16,
            Cipher::Aes256Gcm
            | Cipher::ChaCha20Poly1305
            | Cipher::Aes256Ccm
            | Cipher::Aes256Ccm8 => 32,
        }
    }

    /// Bytes of a tag.
    pub(super) fn tag(self) -> usize {
        match self {
            Cipher::Aes128Ccm8 | Cipher::Aes256Ccm8 => 8,
            _ => 16,
        }
    }
}

type Long<A> = Box<Ccm<A, consts::U16, consts::U12>>;
type Short<A> = Box<Ccm<A, consts::U8, consts::U12>>;

/// A key of one of them.
pub(super) enum Key {
    Ring(Box<LessSafeKey>),
    Ccm128(Long<Aes128>),
    Ccm256(Long<Aes256>),
    Ccm128Short(Short<Aes128>),
    Ccm256Short(Short<Aes256>),
}

impl Key {
    /// `None` when the bytes are no key of that cipher.
    pub(super) fn new(cipher: Cipher, bytes: &[u8]) -> Option<Key> {
        let ring = |algorithm| {
            let key = UnboundKey::new(algorithm, bytes).ok()?;
            Some(Key::Ring(Box::new(LessSafeKey::new(key))))
        };
        match cipher {
            Cipher::Aes128Gcm => ring(&aead::AES_128_GCM),
            Cipher::Aes256Gcm => ring(&aead::AES_256_GCM),
            Cipher::ChaCha20Poly1305 => ring(&aead::CHACHA20_POLY1305),
            Cipher::Aes128Ccm => Some(Key::Ccm128(Box::new(Ccm::new_from_slice(bytes).ok()?))),
            Cipher::Aes256Ccm => Some(Key::Ccm256(Box::new(Ccm::new_from_slice(bytes).ok()?))),
            Cipher::Aes128Ccm8 => {
                Some(Key::Ccm128Short(Box::new(Ccm::new_from_slice(bytes).ok()?)))
            }
            Cipher::Aes256Ccm8 => {
                Some(Key::Ccm256Short(Box::new(Ccm::new_from_slice(bytes).ok()?)))
            }
        }
    }

    /// Opens what stands in `text`, tag included, and says how many bytes of it are text then. `None`: the tag does not fit.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE],
        covered: &[u8],
        text: &mut Vec<u8>,
    ) -> Option<usize> {
        let opened = match self {
            Key::Ring(key) => {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let opened = key.open_in_place(nonce, Aad::from(covered), text);
                return opened.ok().map(|text| text.len());
            }
            Key::Ccm128(key) => key.decrypt_in_place(nonce.into(), covered, text),
            Key::Ccm256(key) => key.decrypt_in_place(nonce.into(), covered, text),
            Key::Ccm128Short(key) => key.decrypt_in_place(nonce.into(), covered, text),
            Key::Ccm256Short(key) => key.decrypt_in_place(nonce.into(), covered, text),
        };
        opened.ok().map(|()| text.len())
    }
}
