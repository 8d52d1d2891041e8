//! ClientHellos of versions that no library here speaks any more: SSL 2.0, SSL 3.0, TLS 1.0 and 1.1.
//!
//! Enough for a server to answer or refuse; the handshake is never finished (RFC 6101, 2246, 4346).

use super::spec::RawHello;

/// Suites of that time: RSA and ECDHE with AES, 3DES, RC4.
const SUITES: &[u16] = &[0xc014, 0xc013, 0x0035, 0x002f, 0x000a, 0x0005];

fn put(out: &mut Vec<u8>, value: usize) {
    out.extend(u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes());
}

/// The bytes to send.
pub fn bytes(version: RawHello, name: &str) -> Vec<u8> {
    let minor = match version {
        RawHello::Ssl2 => return ssl2(),
        RawHello::Ssl3 => 0,
        RawHello::Tls10 => 1,
        RawHello::Tls11 => 2,
    };
    let mut hello = vec![3, minor];
    hello.extend((0..32u8).map(|n| n.wrapping_mul(37).wrapping_add(11)));
    hello.push(0);
    put(&mut hello, SUITES.len().saturating_mul(2));
    hello.extend(SUITES.iter().flat_map(|suite| suite.to_be_bytes()));
    hello.extend([1, 0]);
    if minor > 0 {
        let mut extensions = Vec::new();
        put(&mut extensions, 0);
        put(&mut extensions, name.len().saturating_add(5));
        put(&mut extensions, name.len().saturating_add(3));
        extensions.push(0);
        put(&mut extensions, name.len());
        extensions.extend(name.bytes());
        // supported_groups: secp256r1, secp384r1; ec_point_formats: uncompressed.
        extensions.extend([0, 10, 0, 6, 0, 4, 0, 23, 0, 24, 0, 11, 0, 2, 1, 0]);
        put(&mut hello, extensions.len());
        hello.extend(extensions);
    }
    let mut record = vec![22, 3, minor.min(1)];
    put(&mut record, hello.len().saturating_add(4));
    record.extend([1, 0]);
    put(&mut record, hello.len());
    record.extend(hello);
    record
}

fn ssl2() -> Vec<u8> {
    let mut body = vec![1, 0, 2];
    let specs = [[1, 0, 0x80], [7, 0, 0xc0], [3, 0, 0x80]];
    put(&mut body, 9);
    put(&mut body, 0);
    put(&mut body, 16);
    body.extend(specs.iter().flatten());
    body.extend((0..16u8).map(|n| n.wrapping_mul(37).wrapping_add(11)));
    let mut out = Vec::new();
    put(&mut out, body.len() | 0x8000);
    out.extend(body);
    out
}

/// What came back, in words.
pub fn describe(answer: &[u8]) -> String {
    match answer {
        [21, _, _, _, _, _, alert, ..] => format!("alert {alert}"),
        [22, 3, minor, _, _, 2, ..] => format!("ServerHello, record version 3.{minor}"),
        other => format!("{} bytes that are no TLS", other.len()),
    }
}
