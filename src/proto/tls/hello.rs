//! ClientHello, ServerHello and ServerKeyExchange: from a whole message to facts.
//!
//! Own code rather than `tls-parser`, because a hello with one odd extension must still give up its
//! other fields: an extension that cannot be read is left out, the rest stands. It refuses to guess:
//! a hello whose fixed part is broken gives nothing.

use crate::base::{Foreign, Mark};

use super::facts::{ClientHello, ServerHello, Version};
use super::ja4::{self, Ja4};
use super::names;
use super::reader::Reader;

/// The extension renegotiation_info (RFC 5746 3.2).
const RENEGOTIATION_INFO: u16 = 0xFF01;
/// The suite that asks for the same (RFC 5746 3.3).
const RENEGOTIATION_SCSV: u16 = 0x00FF;
/// Values kept of each list of a hello; more than any client sends.
const LIST: usize = 256;
/// Protocols kept of an ALPN extension.
const PROTOCOLS: usize = 16;
/// The random of a HelloRetryRequest: SHA-256 of its name (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// Reserved values that clients mix in to keep servers tolerant (RFC 8701).
pub(super) fn is_grease(value: u16) -> bool {
    value & 0x0F0F == 0x0A0A && value >> 8 == value & 0xFF
}

/// TLS 1.3, or a draft of it (0x7fXX): the encrypted part looks the same.
pub(super) fn is_tls13(version: Version) -> bool {
    version.0 == 0x0304 || version.0 >> 8 == 0x7F
}

/// Drafts of TLS 1.3 sort just below it.
fn rank(version: Version) -> (u16, u16) {
    if version.0 >> 8 == 0x7F {
        (0x0303, version.0)
    } else {
        (version.0, 0)
    }
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    bytes
        .chunks_exact(2)
        .filter_map(|pair| {
            pair.first_chunk::<2>()
                .map(|pair| u16::from_be_bytes(*pair))
        })
        .filter(|&value| !is_grease(value))
        .take(LIST)
        .collect()
}

/// A ClientHello and what of it only the decoder needs.
pub(super) struct Client {
    pub(super) hello: ClientHello,
    /// Data may follow before the server has answered (RFC 8446 4.2.10).
    pub(super) early_data: bool,
    /// The session id; an echo of it means resumption up to TLS 1.2.
    pub(super) session: Vec<u8>,
}

/// A ClientHello of which the extensions are still to be read, or that has none.
fn without_extensions(
    at: Mark,
    done: Mark,
    length: usize,
    version: Version,
    ciphers: Vec<u16>,
) -> ClientHello {
    let secure_renegotiation = ciphers.contains(&RENEGOTIATION_SCSV);
    ClientHello {
        at,
        done,
        length: u32::try_from(length).unwrap_or(u32::MAX),
        max_version: version,
        min_version: None,
        sni: None,
        alpn: Vec::new(),
        ciphers,
        groups: Vec::new(),
        key_shares: Vec::new(),
        ja4: Foreign::default(),
        post_quantum: false,
        secure_renegotiation,
    }
}

/// Reads the body of a ClientHello (without the four bytes of handshake header).
pub(super) fn client(body: &[u8], at: Mark, done: Mark) -> Option<Client> {
    let mut r = Reader::new(body);
    let legacy = r.u16()?;
    r.take(32)?;
    let session = r.vec8()?.to_vec();
    let ciphers = numbers(r.vec16()?);
    r.vec8()?;
    let length = body.len().saturating_add(4);
    let mut hello = without_extensions(at, done, length, Version(legacy), ciphers);
    let mut print = Ja4::default();
    let mut early_data = false;
    let mut extensions = Reader::new(r.vec16().unwrap_or_default());
    while let Some((kind, data)) = extension(&mut extensions) {
        if !is_grease(kind) && print.extensions.len() < LIST {
            print.extensions.push(kind);
        }
        let mut e = Reader::new(data);
        match kind {
            0 => {
                print.sni = true;
                hello.sni = hello.sni.take().or_else(|| server_name(e));
            }
            10 => hello.groups = e.vec16().map(numbers).unwrap_or_default(),
            13 => print.schemes = e.vec16().map(numbers).unwrap_or_default(),
            16 => {
                let mut list = Reader::new(e.vec16().unwrap_or_default());
                while let Some(protocol) = list.vec8() {
                    if print.alpn.is_none() {
                        print.alpn = Some(protocol);
                    }
                    let grease = protocol
                        .first_chunk::<2>()
                        .is_some_and(|p| protocol.len() == 2 && is_grease(u16::from_be_bytes(*p)));
                    if hello.alpn.len() < PROTOCOLS && !grease {
                        hello.alpn.push(Foreign::from_bytes(protocol));
                    }
                }
            }
            42 => early_data = true,
            RENEGOTIATION_INFO => hello.secure_renegotiation = true,
            43 => {
                let offered = e.vec8().map(numbers).unwrap_or_default();
                let offered = offered.into_iter().map(Version);
                if let Some(highest) = offered.clone().max_by_key(|&v| rank(v)) {
                    hello.max_version = highest;
                }
                hello.min_version = offered.min_by_key(|&v| rank(v));
            }
            51 | 40 => {
                let mut shares = Reader::new(e.vec16().unwrap_or_default());
                while let (Some(group), Some(_)) = (shares.u16(), shares.vec16()) {
                    if !is_grease(group) && hello.key_shares.len() < LIST {
                        hello.key_shares.push(group);
                    }
                }
            }
            _ => {}
        }
    }
    hello.post_quantum = hello
        .key_shares
        .iter()
        .any(|&group| names::is_post_quantum(group));
    hello.ja4 = ja4::fingerprint(&hello, &print);
    Some(Client {
        hello,
        early_data,
        session,
    })
}

fn server_name(mut extension: Reader<'_>) -> Option<Foreign> {
    let mut list = Reader::new(extension.vec16()?);
    while let (Some(kind), Some(name)) = (list.u8(), list.vec16()) {
        if kind == 0 {
            return Some(Foreign::from_bytes(name));
        }
    }
    None
}

/// The protocol chosen in EncryptedExtensions (RFC 8446 4.3.1).
pub(super) fn alpn(body: &[u8]) -> Option<Foreign> {
    let mut extensions = Reader::new(Reader::new(body).vec16()?);
    while let Some((kind, data)) = extension(&mut extensions) {
        if kind == 16 {
            let mut list = Reader::new(Reader::new(data).vec16()?);
            return list.vec8().map(Foreign::from_bytes);
        }
    }
    None
}

/// The next extension; one that is cut short ends the list.
fn extension<'a>(list: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    Some((list.u16()?, list.vec16()?))
}

/// A ClientHello in the record format of SSLv2 (RFC 5246 E.2), without its two bytes of header.
pub(super) fn sslv2(body: &[u8], at: Mark, done: Mark) -> Option<Client> {
    let mut r = Reader::new(body);
    if r.u8()? != 1 {
        return None;
    }
    let version = r.u16()?;
    let ciphers = usize::from(r.u16()?);
    let session = usize::from(r.u16()?);
    r.u16()?;
    let ciphers = r.take(ciphers)?;
    let session = r.take(session)?.to_vec();
    let ciphers = ciphers
        .as_chunks::<3>()
        .0
        .iter()
        .filter(|[kind, _, _]| *kind == 0)
        .map(|&[_, a, b]| u16::from_be_bytes([a, b]))
        .take(LIST)
        .collect();
    let mut hello = without_extensions(at, done, body.len(), Version(version), ciphers);
    hello.ja4 = ja4::fingerprint(&hello, &Ja4::default());
    Some(Client {
        hello,
        early_data: false,
        session,
    })
}

/// What a ServerHello message turned out to be.
pub(super) enum Server {
    /// A HelloRetryRequest (RFC 8446 4.1.4).
    Retry,
    /// A ServerHello.
    Hello(ServerHello),
}

/// Reads the body of a ServerHello. `session` is the session id that the client sent.
pub(super) fn server(body: &[u8], session: &[u8], at: Mark) -> Option<Server> {
    let mut r = Reader::new(body);
    let mut version = Version(r.u16()?);
    let random = r.take(32)?;
    // Drafts below 22 of TLS 1.3 had neither session id nor compression in their ServerHello.
    let old_draft = version.0 >> 8 == 0x7F;
    let echo = if old_draft { &[][..] } else { r.vec8()? };
    let cipher = r.u16()?;
    if !old_draft {
        r.u8()?;
    }
    let mut alpn = None;
    let mut psk = false;
    let mut secure_renegotiation = false;
    let mut extensions = Reader::new(r.vec16().unwrap_or_default());
    while let Some((kind, data)) = extension(&mut extensions) {
        let mut e = Reader::new(data);
        match kind {
            16 => {
                let mut list = Reader::new(e.vec16().unwrap_or_default());
                alpn = list.vec8().map(Foreign::from_bytes);
            }
            41 => psk = true,
            RENEGOTIATION_INFO => secure_renegotiation = true,
            43 => version = e.u16().map_or(version, Version),
            _ => {}
        }
    }
    if random == RETRY {
        return Some(Server::Retry);
    }
    let resumed = if is_tls13(version) {
        psk
    } else {
        !echo.is_empty() && echo == session
    };
    Some(Server::Hello(ServerHello {
        at,
        version,
        cipher,
        alpn,
        resumed,
        secure_renegotiation,
    }))
}

/// Size in bits of the prime in a ServerKeyExchange, when `cipher` says that it is finite-field
/// Diffie-Hellman (RFC 5246 7.4.3).
pub(super) fn dh_bits(body: &[u8], cipher: u16) -> Option<u32> {
    let name = names::cipher_name(cipher)?;
    let finite = name.contains("_DHE_") || name.contains("_DH_anon");
    if !finite {
        return None;
    }
    let mut r = Reader::new(body);
    if name.contains("_PSK_") {
        r.vec16()?;
    }
    Some(bits(r.vec16()?))
}

/// Bits of a big-endian number.
pub(super) fn bits(number: &[u8]) -> u32 {
    let start = number
        .iter()
        .position(|&byte| byte != 0)
        .unwrap_or(number.len());
    let number = number.get(start..).unwrap_or_default();
    let whole = u32::try_from(number.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8);
    whole.saturating_sub(number.first().map_or(0, |byte| byte.leading_zeros()))
}
