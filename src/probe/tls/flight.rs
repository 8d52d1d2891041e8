//! What a server answers to a hello of our own: an alert, or what it chose.
//!
//! It reads the server's first flight as far as that is in clear: version, suite, and, where they are named, the group and the
//! signature algorithm (up to TLS 1.2 in ServerKeyExchange, RFC 8422 5.4; in TLS 1.3 the group alone, RFC 8446 4.2.8). The bytes come
//! from a connection of our own that never finishes, so nothing is verified here and nothing is kept.

use crate::proto::tls::cipher_name;

/// Records of handshake, alert; versions of TLS 1.2 and 1.3.
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;
/// SHA-256 of "HelloRetryRequest": its random (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// What a server chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The version.
    pub version: u16,
    /// The suite.
    pub suite: u16,
    /// It asks for another hello (RFC 8446 4.1.4), with a share of `group`.
    pub retry: bool,
    /// The group, where it is named.
    pub group: Option<u16>,
    /// The signature algorithm, where it is named (TLS 1.2).
    pub scheme: Option<u16>,
    /// Bits of the prime of a finite field (up to TLS 1.2).
    pub prime_bits: Option<usize>,
}

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flight {
    /// Nothing whole yet.
    More,
    /// A ServerHello, and more of the choice may follow.
    Begun(Chosen),
    /// All that is in clear.
    Whole(Chosen),
    /// An alert before any ServerHello.
    Alert(u8),
    /// No TLS.
    Strange,
}

/// Walks over bytes with lengths in front; what is cut short is `None`.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        let bytes = self.take(width)?;
        Some(
            bytes
                .iter()
                .fold(0, |number, byte| (number << 8) | usize::from(*byte)),
        )
    }

    fn u16(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }

    /// What has its length in front, in so many bytes.
    fn vector(&mut self, width: usize) -> Option<Bytes<'a>> {
        let length = self.number(width)?;
        self.take(length).map(Bytes)
    }
}

/// Reads what came so far.
pub fn read(bytes: &[u8]) -> Flight {
    let mut messages = Vec::new();
    let mut records = Bytes(bytes);
    let mut closed = false;
    while let Some([kind, major, _]) = records.0.first_chunk().copied() {
        if !(20..=24).contains(&kind) || major != 3 {
            closed = true;
            break;
        }
        let _ = records.take(3);
        let Some(body) = records.vector(2) else { break };
        match kind {
            HANDSHAKE => messages.extend_from_slice(body.0),
            ALERT if messages.is_empty() => {
                return body
                    .0
                    .get(1)
                    .map_or(Flight::Strange, |number| Flight::Alert(*number));
            }
            _ => {
                closed = true;
                break;
            }
        }
    }
    // No line of a mail protocol begins with a content type of TLS (RFC 8446 5.1).
    if bytes.first().is_some_and(|kind| !(20..=24).contains(kind)) {
        return Flight::Strange;
    }
    handshake(&messages, closed)
}

/// Reads handshake messages; nothing in clear follows where `closed`.
fn handshake(messages: &[u8], closed: bool) -> Flight {
    let mut rest = Bytes(messages);
    let mut chosen: Option<Chosen> = None;
    while let Some(kind) = rest.number(1) {
        let Some(body) = rest.vector(3) else { break };
        match (kind, &mut chosen) {
            (2, None) => {
                let Some(hello) = server_hello(body) else {
                    return Flight::Strange;
                };
                if hello.version >= TLS13 || hello.retry {
                    return Flight::Whole(hello);
                }
                chosen = Some(hello);
            }
            (12, Some(hello)) => {
                key_exchange(body, hello);
                return Flight::Whole(*hello);
            }
            (14, Some(hello)) => return Flight::Whole(*hello),
            (_, None) => return Flight::Strange,
            _ => {}
        }
    }
    match chosen {
        Some(hello) if closed => Flight::Whole(hello),
        Some(hello) => Flight::Begun(hello),
        None => Flight::More,
    }
}

/// RFC 8446 4.1.3, RFC 5246 7.4.1.3.
fn server_hello(mut body: Bytes<'_>) -> Option<Chosen> {
    let version = body.u16()?;
    let retry = body.take(32)? == RETRY;
    body.vector(1)?;
    let suite = body.u16()?;
    body.number(1)?;
    let mut chosen = Chosen {
        version,
        suite,
        retry,
        group: None,
        scheme: None,
        prime_bits: None,
    };
    let Some(mut extensions) = body.vector(2) else {
        return Some(chosen);
    };
    while let (Some(kind), Some(mut data)) = (extensions.u16(), extensions.vector(2)) {
        match kind {
            43 => chosen.version = data.u16().unwrap_or(version),
            51 => chosen.group = data.u16(),
            _ => {}
        }
    }
    Some(chosen)
}

/// A named curve or a prime, and who signed with what (RFC 8422 5.4, RFC 5246 7.4.3). Finite-field groups have no name up to TLS 1.2.
fn key_exchange(mut body: Bytes<'_>, chosen: &mut Chosen) {
    let in_field = cipher_name(chosen.suite).is_some_and(|name| name.starts_with("TLS_DHE_"));
    let share = match in_field {
        true => {
            let prime = body.vector(2);
            chosen.prime_bits = prime.map(|prime| bits(prime.0));
            body.vector(2).and_then(|_| body.vector(2))
        }
        false if body.number(1) != Some(3) => return,
        false => {
            chosen.group = body.u16();
            body.vector(1)
        }
    };
    if share.is_some() && chosen.version == TLS12 {
        chosen.scheme = body.u16();
    }
}

/// Bits of a number, without its leading zeros.
fn bits(number: &[u8]) -> usize {
    let mut rest = number.iter().skip_while(|byte| **byte == 0);
    let zeros = rest.clone().next().map_or(0, |first| first.leading_zeros());
    let octets = rest.by_ref().count();
    octets
        .saturating_mul(8)
        .saturating_sub(usize::try_from(zeros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Chosen, Flight, RETRY, read};

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short").to_be_bytes();
        [&[kind, 3, 3], &length[..], body].concat()
    }

    fn hello(version: [u8; 2], random: &[u8; 32], extensions: &[u8]) -> Vec<u8> {
        let length = u16::try_from(extensions.len())
            .expect("short")
            .to_be_bytes();
        let body = [
            &version[..],
            random,
            &[0, 0xC0, 0x2F, 0],
            &length,
            extensions,
        ]
        .concat();
        message(2, &body)
    }

    #[test]
    fn tls12_names_curve_and_signature_in_its_key_exchange() {
        let first = hello([3, 3], &[7; 32], &[]);
        let exchange = message(12, &[3, 0, 0x17, 2, 4, 4, 8, 4, 0, 0]);
        let certificate = message(11, &[0; 40]);
        let begun = record(22, &first);
        assert!(matches!(read(&begun), Flight::Begun(_)));
        let whole = record(22, &[first, certificate, exchange].concat());
        let chosen = Chosen {
            version: 0x0303,
            suite: 0xC02F,
            retry: false,
            group: Some(0x0017),
            scheme: Some(0x0804),
            prime_bits: None,
        };
        assert_eq!(read(&whole), Flight::Whole(chosen));
        assert_eq!(read(&whole[..40]), Flight::More);
    }

    #[test]
    fn a_finite_field_has_a_prime_and_no_name() {
        let mut first = hello([3, 3], &[7; 32], &[]);
        // TLS_DHE_RSA_WITH_AES_128_GCM_SHA256.
        first[4 + 2 + 32 + 1..][..2].copy_from_slice(&[0x00, 0x9E]);
        let prime = [&[0, 0x7F][..], &[0xAA; 127]].concat();
        let length = u16::try_from(prime.len()).expect("short").to_be_bytes();
        let exchange = [&length[..], &prime, &[0, 1, 2, 0, 1, 9, 4, 1, 0, 0]].concat();
        let whole = record(22, &[first, message(12, &exchange)].concat());
        let Flight::Whole(chosen) = read(&whole) else {
            panic!("a whole flight");
        };
        assert_eq!(chosen.prime_bits, Some(1_023));
        assert_eq!((chosen.group, chosen.scheme), (None, Some(0x0401)));
    }

    #[test]
    fn tls13_names_its_group_and_a_retry_asks_for_one() {
        let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0x11, 0xEC];
        let Flight::Whole(retry) = read(&record(22, &hello([3, 3], &RETRY, &extensions))) else {
            panic!("a HelloRetryRequest");
        };
        assert!(retry.retry && retry.version == 0x0304 && retry.group == Some(0x11EC));
    }

    #[test]
    fn alerts_and_what_is_no_tls() {
        assert_eq!(read(&record(21, &[2, 70])), Flight::Alert(70));
        assert_eq!(read(b"220 mail ESMTP\r\n"), Flight::Strange);
        assert_eq!(read(b"-"), Flight::Strange);
        assert_eq!(read(&[22, 3]), Flight::More);
        assert_eq!(read(&record(22, &message(4, &[0; 4]))), Flight::Strange);
    }
}
