//! Record protection, undone with keys from a key log: one direction of TLS 1.3 or of an AEAD suite of TLS 1.2.
//!
//! Ciphers are `cipher`'s; key schedules of RFC 8446 7 and RFC 5246 6.3. It keeps the record number and gives a record up
//! when its tag does not fit: wrong bytes are never handed out. CBC and RC4 suites stay closed.

use ring::{hkdf, hmac};

use crate::base::Side;

use super::cipher::{Cipher, Key, NONCE};
use super::facts::Version;
use super::keylog::{Bytes, Random, Secrets};
use super::names;

/// Bytes of the nonce that each record of AES-GCM and AES-CCM in TLS 1.2 carries (RFC 5288 3, RFC 6655 3).
const EXPLICIT: usize = 8;

/// What a cipher suite does to records.
#[derive(Clone, Copy)]
struct Suite {
    cipher: Cipher,
    hkdf: hkdf::Algorithm,
    hmac: hmac::Algorithm,
    /// Bytes of the hash.
    hash: usize,
}

impl Suite {
    fn of(version: Version, cipher: u16) -> Option<Suite> {
        let name = names::cipher_name(cipher)?;
        let suite = |cipher, sha384| {
            if sha384 {
                Suite {
                    cipher,
                    hkdf: hkdf::HKDF_SHA384,
                    hmac: hmac::HMAC_SHA384,
                    hash: 48,
                }
            } else {
                Suite {
                    cipher,
                    hkdf: hkdf::HKDF_SHA256,
                    hmac: hmac::HMAC_SHA256,
                    hash: 32,
                }
            }
        };
        let of_13 = matches!(cipher, 0x1301..=0x1305);
        let fits = match version {
            Version(0x0304) => of_13,
            Version(0x0303) => !of_13,
            _ => false,
        };
        if !fits {
            return None;
        }
        // TLS 1.3 names the hash behind CCM; in TLS 1.2 it is SHA-256 without being named (RFC 6655 3).
        let name = name.strip_suffix("_SHA256").unwrap_or(name);
        let known = [
            ("AES_128_GCM", Cipher::Aes128Gcm, false),
            ("AES_256_GCM_SHA384", Cipher::Aes256Gcm, true),
            ("CHACHA20_POLY1305", Cipher::ChaCha20Poly1305, false),
            ("AES_128_CCM", Cipher::Aes128Ccm, false),
            ("AES_256_CCM", Cipher::Aes256Ccm, false),
            ("AES_128_CCM_8", Cipher::Aes128Ccm8, false),
            ("AES_256_CCM_8", Cipher::Aes256Ccm8, false),
        ];
        known
            .into_iter()
            .find(|(end, ..)| name.ends_with(end))
            .map(|(_, cipher, sha384)| suite(cipher, sha384))
    }

    /// HKDF-Expand-Label (RFC 8446 7.1) with an empty context.
    fn expand(&self, secret: &[u8], label: &[u8], out: &mut [u8]) -> Option<()> {
        let length = u16::try_from(out.len()).ok()?.to_be_bytes();
        let named = u8::try_from(label.len().checked_add(6)?).ok()?;
        let info: [&[u8]; 5] = [&length, &[named], b"tls13 ", label, &[0]];
        hkdf::Prk::new_less_safe(self.hkdf, secret)
            .expand(&info, Length(out.len()))
            .ok()?
            .fill(out)
            .ok()
    }

    /// The PRF of TLS 1.2 (RFC 5246 5) with the label for keys.
    fn key_block(&self, master: &[u8], server: &Random, client: &Random, out: &mut [u8]) {
        let key = hmac::Key::new(self.hmac, master);
        let seed: [&[u8]; 3] = [b"key expansion", server, client];
        let hash = |first: &[u8]| {
            let mut context = hmac::Context::with_key(&key);
            context.update(first);
            context
        };
        let with_seed = |mut context: hmac::Context| {
            for part in seed {
                context.update(part);
            }
            context.sign()
        };
        let mut a = with_seed(hash(&[]));
        for chunk in out.chunks_mut(self.hash) {
            let block = with_seed(hash(a.as_ref()));
            for (to, from) in chunk.iter_mut().zip(block.as_ref()) {
                *to = *from;
            }
            a = hash(a.as_ref()).sign();
        }
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// How nonces and additional data are made.
enum Manner {
    /// TLS 1.2: the outer type is the content's; AES-GCM carries a part of the nonce.
    V12 { explicit: bool },
    /// TLS 1.3, before this direction's Finished; then the secret of application data, if the log has it: of a handshake that
    /// failed no client has logged one.
    Handshake { traffic: Option<Bytes> },
    /// TLS 1.3 from there on; the secret, for an update of the keys.
    Traffic { secret: Bytes },
}

/// One direction of a session whose keys are known.
pub(super) struct Direction {
    suite: Suite,
    manner: Manner,
    key: Key,
    iv: [u8; NONCE],
    number: u64,
    /// A record was passed over: it may have been the one that changed the keys.
    skipped: bool,
}

/// What a record held.
pub(super) struct Opened {
    /// Content type.
    pub(super) kind: u8,
    /// Content.
    pub(super) text: Vec<u8>,
}

/// The directions of a session of which the keys are known, client's and server's; neither where the suite is none of these. An
/// end that gives up within a handshake of TLS 1.3 may have logged the other's secret alone (OpenSSL does).
pub(super) fn directions(
    version: Version,
    cipher: u16,
    client: &Random,
    server: &Random,
    secrets: Secrets,
) -> (Option<Direction>, Option<Direction>) {
    let Some(suite) = Suite::of(version, cipher) else {
        return (None, None);
    };
    if version == Version(0x0304) {
        let one = |handshake: Option<Bytes>, traffic: Option<Bytes>| {
            Direction::v13(suite, &handshake?, Manner::Handshake { traffic })
        };
        return (
            one(secrets.client_handshake, secrets.client_traffic),
            one(secrets.server_handshake, secrets.server_traffic),
        );
    }
    let one = |side| {
        let master = secrets.master.as_ref()?;
        Direction::v12(suite, side, master, client, server)
    };
    (one(Side::Client), one(Side::Server))
}

impl Direction {
    fn v12(
        suite: Suite,
        side: Side,
        master: &[u8],
        client: &Random,
        server: &Random,
    ) -> Option<Direction> {
        let explicit = suite.cipher != Cipher::ChaCha20Poly1305;
        let fixed = if explicit { NONCE - EXPLICIT } else { NONCE };
        let length = suite.cipher.key_len();
        // Keys of client and server, then both fixed parts of the nonce (RFC 5246 6.3; AEAD has no MAC keys).
        let mut block = [0; 2 * (32 + NONCE)];
        suite.key_block(master, server, client, &mut block);
        let (keys, ivs) = block.split_at_checked(length.checked_mul(2)?)?;
        let half = |bytes: &[u8], length: usize| -> Option<Vec<u8>> {
            let start = if side == Side::Client { 0 } else { length };
            Some(bytes.get(start..)?.get(..length)?.to_vec())
        };
        let mut iv = [0; NONCE];
        for (to, from) in iv.iter_mut().zip(half(ivs, fixed)?) {
            *to = from;
        }
        Some(Direction {
            suite,
            manner: Manner::V12 { explicit },
            key: Key::new(suite.cipher, &half(keys, length)?)?,
            iv,
            number: 0,
            skipped: false,
        })
    }

    fn v13(suite: Suite, secret: &[u8], manner: Manner) -> Option<Direction> {
        if secret.len() != suite.hash {
            return None;
        }
        let mut key = vec![0; suite.cipher.key_len()];
        let mut iv = [0; NONCE];
        suite.expand(secret, b"key", &mut key)?;
        suite.expand(secret, b"iv", &mut iv)?;
        Some(Direction {
            suite,
            manner,
            key: Key::new(suite.cipher, &key)?,
            iv,
            number: 0,
            skipped: false,
        })
    }

    /// Whether this direction's Finished is still to come (TLS 1.3).
    pub(super) fn in_handshake(&self) -> bool {
        matches!(self.manner, Manner::Handshake { .. })
    }

    /// Opens a whole record. `None`: its tag does not fit; then nothing has changed.
    pub(super) fn open(&mut self, kind: u8, record: &[u8]) -> Option<Opened> {
        if let Some(opened) = self.attempt(kind, record) {
            return Some(opened);
        }
        // The Finished may have been in what was passed over.
        if !self.skipped {
            return None;
        }
        let mut later = self.traffic()?;
        let opened = later.attempt(kind, record)?;
        *self = later;
        Some(opened)
    }

    fn attempt(&mut self, kind: u8, record: &[u8]) -> Option<Opened> {
        let mut nonce = self.iv;
        let number = self.number.to_be_bytes();
        let explicit = matches!(self.manner, Manner::V12 { explicit: true });
        let record = if explicit {
            let (own, rest) = record.split_at_checked(EXPLICIT)?;
            for (to, from) in nonce.iter_mut().skip(NONCE - EXPLICIT).zip(own) {
                *to = *from;
            }
            rest
        } else {
            for (to, from) in nonce.iter_mut().skip(NONCE - EXPLICIT).zip(number) {
                *to ^= from;
            }
            record
        };
        let old = matches!(self.manner, Manner::V12 { .. });
        let covered = if old {
            record.len().checked_sub(self.suite.cipher.tag())?
        } else {
            record.len()
        };
        let [high, low] = u16::try_from(covered).ok()?.to_be_bytes();
        let mut text = record.to_vec();
        let length = if old {
            // RFC 5246 6.2.3.3.
            let [a, b, c, d, e, f, g, h] = number;
            let aad = [a, b, c, d, e, f, g, h, kind, 3, 3, high, low];
            self.key.open(&nonce, &aad, &mut text)
        } else {
            // RFC 8446 5.2.
            let aad = [kind, 3, 3, high, low];
            self.key.open(&nonce, &aad, &mut text)
        }?;
        text.truncate(length);
        let kind = if old { kind } else { unpad(&mut text)? };
        self.number = self.number.checked_add(1)?;
        Some(Opened { kind, text })
    }

    /// A record was there but cannot be read.
    pub(super) fn skip(&mut self) {
        self.number = self.number.saturating_add(1);
        self.skipped = true;
    }

    /// This direction's Finished was read: its next record has the keys of application data.
    pub(super) fn finished(&mut self) {
        if let Some(later) = self.traffic() {
            *self = later;
        }
    }

    fn traffic(&self) -> Option<Direction> {
        let Manner::Handshake {
            traffic: Some(traffic),
        } = &self.manner
        else {
            return None;
        };
        let secret = traffic.clone();
        Direction::v13(self.suite, traffic, Manner::Traffic { secret })
    }

    /// This direction's KeyUpdate was read (RFC 8446 7.2).
    pub(super) fn update(&mut self) {
        let Manner::Traffic { secret } = &self.manner else {
            return;
        };
        let mut next = Bytes::new();
        let zeros = [0; 48];
        let known = next.try_extend_from_slice(zeros.get(..self.suite.hash).unwrap_or_default());
        if known.is_err()
            || self
                .suite
                .expand(secret, b"traffic upd", &mut next)
                .is_none()
        {
            return;
        }
        let manner = Manner::Traffic {
            secret: next.clone(),
        };
        if let Some(later) = Direction::v13(self.suite, &next, manner) {
            *self = later;
        }
    }
}

/// The content type stands behind the content, before any padding (RFC 8446 5.4).
fn unpad(text: &mut Vec<u8>) -> Option<u8> {
    let end = text.iter().rposition(|&byte| byte != 0)?;
    let kind = *text.get(end)?;
    text.truncate(end);
    Some(kind)
}
