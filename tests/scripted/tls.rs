//! TLS records for scripts: what the wire shows of a handshake, by size and type.
//!
//! Hellos and certificates are real; what is encrypted on the wire is bytes without meaning, of the size that
//! the script says.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

fn record(kind: u8, version: u16, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(version.to_be_bytes());
    out.extend(u16::try_from(body.len()).expect("a record").to_be_bytes());
    out.extend(body);
    out
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    let mut out = vec![kind];
    out.extend(&length[1..]);
    out.extend(body);
    out
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
    out.extend(body);
    out
}

fn sized(body: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(body.len())
        .expect("short")
        .to_be_bytes()
        .to_vec();
    out.extend(body);
    out
}

/// Bytes that look encrypted.
fn noise(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i.wrapping_mul(97) ^ 0xa5) as u8)
        .collect()
}

fn client_hello(words: &[&str]) -> Vec<u8> {
    let get = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
    let newest = words.first().copied().unwrap_or("1.3");
    let legacy: u16 = match newest {
        "1.0" => 0x0301,
        "1.1" => 0x0302,
        _ => 0x0303,
    };
    let mut body = legacy.to_be_bytes().to_vec();
    body.extend(noise(32));
    body.push(32);
    body.extend(noise(32));
    body.extend(sized(&[
        0x13, 0x01, 0x13, 0x02, 0xc0, 0x2f, 0xc0, 0x30, 0x00, 0x9c,
    ]));
    body.extend([1, 0]);
    let mut extensions = Vec::new();
    if let Some(name) = get("sni=") {
        let mut entry = vec![0];
        entry.extend(sized(name.as_bytes()));
        extensions.extend(extension(0, &sized(&entry)));
    }
    extensions.extend(extension(10, &sized(&[0, 29, 0, 23])));
    extensions.extend(extension(13, &sized(&[4, 3, 8, 4, 4, 1])));
    if newest == "1.3" {
        extensions.extend(extension(43, &[4, 3, 4, 3, 3]));
        let mut share = vec![0, 29];
        share.extend(sized(&noise(32)));
        extensions.extend(extension(51, &sized(&share)));
    }
    if let Some(padding) = get("pad=") {
        extensions.extend(extension(21, &vec![0; padding.parse().expect("a number")]));
    }
    body.extend(sized(&extensions));
    record(22, 0x0301, &handshake(1, &body))
}

fn server_hello(words: &[&str]) -> Vec<u8> {
    let version = words.first().copied().unwrap_or("1.3");
    let legacy: u16 = match version {
        "1.0" => 0x0301,
        "1.1" => 0x0302,
        _ => 0x0303,
    };
    let mut body = legacy.to_be_bytes().to_vec();
    if words.contains(&"retry") {
        // RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest".
        body.extend([
            0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65,
            0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2,
            0xc8, 0xa8, 0x33, 0x9c,
        ]);
    } else {
        body.extend(noise(32));
    }
    body.push(32);
    body.extend(noise(32));
    let suite: u16 = match words.iter().find_map(|word| word.strip_prefix("suite=")) {
        Some(hex) => u16::from_str_radix(hex, 16).expect("four hex digits"),
        None if version == "1.3" => 0x1301,
        None => 0xc02f,
    };
    body.extend(suite.to_be_bytes());
    body.push(0);
    let mut extensions = Vec::new();
    if version == "1.3" {
        extensions.extend(extension(43, &[3, 4]));
        if words.contains(&"retry") {
            extensions.extend(extension(51, &[0, 23]));
        } else {
            let mut share = vec![0, 29];
            share.extend(sized(&noise(32)));
            extensions.extend(extension(51, &share));
        }
    } else {
        extensions.extend(extension(0xff01, &[0]));
    }
    body.extend(sized(&extensions));
    record(22, 0x0303, &handshake(2, &body))
}

/// A self-signed certificate: `cn=…`, valid `from=` to `to=` days relative to the script's day.
fn certificate(words: &[&str]) -> Vec<u8> {
    let get = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
    let name = get("cn=").unwrap_or("mx.example.test").to_owned();
    let day = |key: &str, default: i64| {
        let days: i64 = get(key).map_or(default, |text| text.parse().expect("days"));
        // Civil date from days (Howard Hinnant, "chrono-compatible low-level date algorithms").
        let z = 1_795_165_200 / 86_400 + days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        rcgen::date_time_ymd(
            i32::try_from(year).expect("a year"),
            u8::try_from(month).expect("a month"),
            u8::try_from(doy - (153 * mp + 2) / 5 + 1).expect("a day"),
        )
    };
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.clone()]).expect("a name");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = day("from=", -30);
    params.not_after = day("to=", 60);
    let der = params
        .self_signed(&key)
        .expect("a certificate")
        .der()
        .to_vec();
    let entry = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
        let mut out = length[1..].to_vec();
        out.extend(bytes);
        out
    };
    record(22, 0x0303, &handshake(11, &entry(&entry(&der))))
}

/// The bytes of `hello 1.3 sni=… + ccs + app 53`: records, one after the other.
pub fn records(side: char, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for part in text.split(" + ") {
        let words: Vec<&str> = part.split_whitespace().collect();
        let Some((what, rest)) = words.split_first() else {
            continue;
        };
        let number = |at: usize| -> usize {
            rest.get(at)
                .unwrap_or_else(|| panic!("{part}: a number"))
                .parse()
                .expect("a number")
        };
        out.extend(match *what {
            "hello" if side == 'C' => client_hello(rest),
            "hello" => server_hello(rest),
            "ccs" => record(20, 0x0303, &[1]),
            "alert" => record(21, 0x0303, &[number(0) as u8, number(1) as u8]),
            "sealed-alert" => record(21, 0x0303, &noise(number(0))),
            "sealed" => record(22, 0x0303, &noise(number(0))),
            "app" => record(23, 0x0303, &noise(number(0))),
            "cert" => certificate(rest),
            "no-cert" => record(22, 0x0303, &handshake(11, &[0, 0, 0])),
            "cert-request" => record(22, 0x0303, &handshake(13, &[1, 64, 0, 2, 4, 3, 0, 0])),
            "ske" => record(22, 0x0303, &handshake(12, &noise(110))),
            "done" => record(22, 0x0303, &handshake(14, &[])),
            "cke" => record(22, 0x0303, &handshake(16, &noise(33))),
            other => panic!("{other}: no such record"),
        });
    }
    out
}
