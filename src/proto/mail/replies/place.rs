//! Whether words stand in a reply as words: not inside a name, not denied, not within another word.
//!
//! It knows no row of the table.

use std::net::IpAddr;

use super::Asked;
use crate::proto::mail::dialogue::Phase;

/// Whether a match lies inside a name, whatever words the name is made of: a mail address, a host before its address, or
/// the server's own name, which opens the text of a greeting and of 421 (RFC 5321 4.2).
pub(super) fn in_name(asked: &Asked, text: &str, start: usize, end: usize) -> bool {
    let edge = |ch: char| ch.is_whitespace() || "<>()[]\"',;".contains(ch);
    let before = text.get(..start).unwrap_or_default();
    let from = before
        .rfind(edge)
        .map_or(0, |at| at.saturating_add(1).min(start));
    let word = text.get(from..).unwrap_or_default();
    let word = word
        .get(..word.find(edge).unwrap_or(word.len()))
        .unwrap_or_default();
    let matched = text.get(start..end).unwrap_or_default();
    if word.contains('@') {
        // Some tables name an address on purpose.
        return !matched.contains('@');
    }
    let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if word.bytes().all(host) && has_address(text, from.saturating_add(word.len())) {
        return true;
    }
    let own = from == 0 && asked.is_smtp() && (asked.phase == Phase::Greeting || asked.closing);
    own && word.contains('.') && word.bytes().all(host)
}

/// Whether the name that ends here is followed by its address, as in Postfix's `host[192.0.2.1]`. 127.0.0.0/8 is what a
/// blocklist answers (RFC 5782 2.1), and the name before it then is the list's.
fn has_address(text: &str, end: usize) -> bool {
    let address = text.get(end..).and_then(|rest| rest.strip_prefix('['));
    let address = address.and_then(|rest| rest.split_once(']'));
    address.is_some_and(|(address, _)| {
        let address = address.strip_prefix("IPv6:").unwrap_or(address);
        address
            .parse::<IpAddr>()
            .is_ok_and(|ip| !(ip.is_ipv4() && ip.is_loopback()))
    })
}

/// Whether the words before a match deny it: "not listed in" is no listing.
pub(super) fn denied(lower: &str, start: usize) -> bool {
    let before = lower.get(..start).unwrap_or_default();
    before.ends_with("not ") || before.ends_with("n't ")
}

/// Whether a match begins a word: "rate" is not in "corporate".
pub(super) fn starts_word(text: &str, start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|i| text.as_bytes().get(i));
    let first = text.as_bytes().get(start);
    !(before.is_some_and(u8::is_ascii_alphanumeric) && first.is_some_and(u8::is_ascii_alphanumeric))
}

/// Whether the further parts of a text follow, in order.
pub(super) fn follows(lower: &str, from: usize, parts: &[&str]) -> bool {
    let mut rest = lower.get(from..).unwrap_or_default();
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest
            .get(at.saturating_add(part.len())..)
            .unwrap_or_default();
    }
    true
}
