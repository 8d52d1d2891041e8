//! JA4, the fingerprint of a TLS client, exactly as FoxIO's specification of JA4 (TLS client) has it.
//!
//! It tells which client software died. It is text made of the hello alone; nothing is looked up.

use sha2::{Digest, Sha256};

use crate::base::Foreign;

use super::facts::{ClientHello, Version};

/// What JA4 needs beside the facts: lists without GREASE, in the order sent.
#[derive(Default)]
pub(super) struct Ja4<'a> {
    pub(super) extensions: Vec<u16>,
    pub(super) schemes: Vec<u16>,
    pub(super) alpn: Option<&'a [u8]>,
    pub(super) sni: bool,
}

/// The whole fingerprint: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(super) fn fingerprint(hello: &ClientHello, print: &Ja4<'_>) -> Foreign {
    let mut ciphers = hello.ciphers.clone();
    ciphers.sort_unstable();
    let mut extensions = print.extensions.clone();
    extensions.retain(|&kind| kind != 0 && kind != 16);
    extensions.sort_unstable();
    let mut listed = list(&extensions);
    if !print.schemes.is_empty() {
        listed.push('_');
        listed.push_str(&list(&print.schemes));
    }
    let text = format!(
        "t{}{}{:02}{:02}{}_{}_{}",
        version(hello.max_version),
        if print.sni { 'd' } else { 'i' },
        ciphers.len().min(99),
        print.extensions.len().min(99),
        alpn(print.alpn),
        if ciphers.is_empty() {
            EMPTY.to_owned()
        } else {
            hash(&list(&ciphers))
        },
        if print.extensions.is_empty() {
            EMPTY.to_owned()
        } else {
            hash(&listed)
        },
    );
    Foreign::from(text.as_str())
}

/// The hash of a list that is empty, as the specification wants it.
const EMPTY: &str = "000000000000";

fn version(version: Version) -> &'static str {
    match version.0 {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hex form when one is not alphanumeric.
fn alpn(protocol: Option<&[u8]>) -> String {
    let (Some(&first), Some(&last)) = (
        protocol.and_then(<[u8]>::first),
        protocol.and_then(<[u8]>::last),
    ) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        format!("{}{}", char::from(first), char::from(last))
    } else {
        format!("{:x}{:x}", first >> 4, last & 15)
    }
}

fn list(values: &[u16]) -> String {
    let mut text = String::with_capacity(values.len().saturating_mul(5));
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        for byte in value.to_be_bytes() {
            push_hex(&mut text, byte);
        }
    }
    text
}

/// Both hex digits of a byte.
fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        let from = if digit < 10 { b'0' } else { b'a' - 10 };
        text.push(char::from(from.saturating_add(digit)));
    }
}

/// The first twelve hex digits of SHA-256.
fn hash(text: &str) -> String {
    let mut hash = String::with_capacity(12);
    for byte in Sha256::digest(text.as_bytes()).iter().take(6) {
        push_hex(&mut hash, *byte);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::{alpn, hash};

    // The worked example of FoxIO's technical details of JA4.
    #[test]
    fn the_hashes_of_the_specification() {
        assert_eq!(
            hash("002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9"),
            "8daaf6152771"
        );
        assert_eq!(
            hash(
                "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
                 0403,0804,0401,0503,0805,0501,0806,0601"
            ),
            "e5627efa2ab1"
        );
    }

    #[test]
    fn protocols_as_the_specification_shortens_them() {
        assert_eq!(alpn(None), "00");
        assert_eq!(alpn(Some(b"")), "00");
        assert_eq!(alpn(Some(b"h2")), "h2");
        assert_eq!(alpn(Some(b"http/1.1")), "h1");
        assert_eq!(alpn(Some(&[0xAB])), "ab");
        assert_eq!(alpn(Some(&[0xAB, 0xCD])), "ad");
        assert_eq!(alpn(Some(&[0x30, 0xAB])), "3b");
    }
}
