//! JSON out of records, written straight into a buffer.
//!
//! It writes byte for byte what `serde_json` makes of the same record, whose derived way to it is a call for every key, quote and comma: that
//! took a tenth of a replay. Here a record's keys are pieces that are known when this is compiled, and a string is looked at and copied as a
//! whole, since nearly all text has nothing to escape. It knows what records are made of and refuses anything else.

use std::collections::BTreeMap;

use super::buffer::Buffer;
use crate::base::Foreign;
use crate::engine::record::{Moment, two_digits};

/// What can be written as JSON.
pub(super) trait Json {
    /// Appends it.
    fn json(&self, out: &mut Buffer);
}

/// What is written as an object.
pub(super) trait Members: Json {
    /// Appends its members, without the braces.
    fn members(&self, out: &mut Buffer);
}

/// The key of a member: a field's own name, or another one.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

/// A member: its key, of which the length is known when this is compiled, and its value.
macro_rules! member {
    ($out:ident, $key:expr, $value:expr) => {{
        const KEY: &[u8] = $key.as_bytes();
        const PIECE: [u8; KEY.len()] = match KEY.first_chunk() {
            Some(piece) => *piece,
            None => [0; KEY.len()],
        };
        $out.piece(&PIECE);
        Json::json($value, $out);
    }};
}

/// How structs are written: their fields in order, `field: "key"` where the key is another word, and behind `without` what is not written.
/// A field that is forgotten is an error of the compiler.
macro_rules! objects {
    ($($type:ident { $first:ident $(: $first_key:literal)? $(, $field:ident $(: $key:literal)?)* $(; without $($left_out:ident),+)? })*) => {$(
        impl Members for $type {
            #[inline]
            fn members(&self, out: &mut Buffer) {
                let $type { $first, $($field,)* $($($left_out: _,)+)? } = self;
                member!(out, concat!("\"", key!($first $($first_key)?), "\":"), $first);
                $(member!(out, concat!(",\"", key!($field $($key)?), "\":"), $field);)*
            }
        }

        impl Json for $type {
            fn json(&self, out: &mut Buffer) {
                out.push(b'{');
                self.members(out);
                out.push(b'}');
            }
        }
    )*};
}

pub(super) use {key, member, objects};

/// Whether one of eight bytes has to be escaped: each byte's top bit tells, of bytes below 0x80 at least.
#[inline(always)]
fn odd(eight: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let quote = zero(eight ^ (ONES * b'"' as u64));
    let backslash = zero(eight ^ (ONES * b'\\' as u64));
    let control = eight.wrapping_sub(ONES * 0x20) & !eight;
    (quote | backslash | control) & TOPS
}

/// Whether one of sixteen bytes has to be escaped. Without a branch per byte, so that all are looked at at once.
#[inline(always)]
fn odd_among(sixteen: &[u8; 16]) -> bool {
    let odd =
        |byte: &u8| u8::from(*byte < 0x20) | u8::from(*byte == b'"') | u8::from(*byte == b'\\');
    sixteen.iter().fold(0, |found, byte| found | odd(byte)) != 0
}

/// Whether nothing has to be escaped, looked at by many bytes at once; the last ones some of them for a second time.
#[inline]
fn plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        let (whole, _) = bytes.as_chunks::<16>();
        return !whole.iter().any(odd_among) && !odd_among(last);
    }
    let word = |eight: &[u8; 8]| odd(u64::from_le_bytes(*eight));
    let found = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => word(first) | word(last),
        // Of fewer, spaces stand for what is missing.
        _ => {
            let mut all = [b' '; 8];
            for (place, byte) in all.iter_mut().zip(bytes) {
                *place = *byte;
            }
            word(&all)
        }
    };
    found == 0
}

/// A string that has nothing to escape.
#[inline]
fn quoted(out: &mut Buffer, bytes: &[u8]) {
    if let [first, text @ .., last] = out.place(bytes.len().saturating_add(2)) {
        *first = b'"';
        text.copy_from_slice(bytes);
        *last = b'"';
    }
}

fn escaped(out: &mut Buffer, text: &[u8]) {
    let mut rest = text;
    out.push(b'"');
    while let Some(at) = rest
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        let (before, after) = rest.split_at(at);
        out.extend(before);
        let Some((byte, after)) = after.split_first() else {
            break;
        };
        rest = after;
        match byte {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            0x08 => out.extend(b"\\b"),
            0x09 => out.extend(b"\\t"),
            0x0A => out.extend(b"\\n"),
            0x0C => out.extend(b"\\f"),
            0x0D => out.extend(b"\\r"),
            other => {
                let digit = |value: u8| match value & 0xF {
                    low @ 0..=9 => b'0' + low,
                    low => b'a' + (low - 10),
                };
                out.extend(b"\\u00");
                out.push(digit(other >> 4));
                out.push(digit(*other));
            }
        }
    }
    out.extend(rest);
    out.push(b'"');
}

impl Json for str {
    #[inline]
    fn json(&self, out: &mut Buffer) {
        match plain(self.as_bytes()) {
            true => quoted(out, self.as_bytes()),
            false => escaped(out, self.as_bytes()),
        }
    }
}

impl Json for String {
    fn json(&self, out: &mut Buffer) {
        self.as_str().json(out);
    }
}

impl Json for Foreign {
    fn json(&self, out: &mut Buffer) {
        self.as_str().json(out);
    }
}

/// A word of this crate: it has nothing to escape.
impl Json for &'static str {
    #[inline]
    fn json(&self, out: &mut Buffer) {
        debug_assert!(plain(self.as_bytes()), "{self}");
        quoted(out, self.as_bytes());
    }
}

impl Json for bool {
    #[inline]
    fn json(&self, out: &mut Buffer) {
        match self {
            true => out.piece(b"true"),
            false => out.piece(b"false"),
        }
    }
}

impl Json for u64 {
    #[inline]
    fn json(&self, out: &mut Buffer) {
        match *self {
            one @ 0..10 => out.push(b'0' + one as u8),
            more => number(out, more),
        }
    }
}

/// A number's decimal digits.
fn number(out: &mut Buffer, value: u64) {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    let place = out.place(digits);
    let (first, pairs) = place.as_rchunks_mut::<2>();
    let mut left = value;
    for pair in pairs.iter_mut().rev() {
        *pair = two_digits((left % 100) as u32);
        left /= 100;
    }
    for digit in first {
        *digit = b'0' + (left % 10) as u8;
    }
}

macro_rules! small {
    ($($type:ty),+) => {$(
        impl Json for $type {
            #[inline]
            fn json(&self, out: &mut Buffer) {
                u64::from(*self).json(out);
            }
        }
    )+};
}

small!(u8, u16, u32);

/// Thousandths that are told in one piece; beyond them the library writes.
const THOUSANDTHS: f64 = 1e12;

impl Json for f64 {
    /// Milliseconds and shares are whole thousandths, and a decimal of so few digits is the shortest that stands for its value.
    fn json(&self, out: &mut Buffer) {
        let thousandths = (self * 1e3).round();
        let same = (thousandths / 1e3).to_bits() == self.to_bits();
        let told = (0.0..THOUSANDTHS).contains(&thousandths) && self.is_sign_positive();
        if !same || !told {
            // Memory takes everything.
            let _ = serde_json::to_writer(out, self);
            return;
        }
        let thousandths = thousandths as u64;
        (thousandths / 1_000).json(out);
        let part = (thousandths % 1_000) as u32;
        let digit = |value: u32| b'0' + (value % 10) as u8;
        out.piece(&[b'.', digit(part / 100)]);
        if !part.is_multiple_of(100) {
            out.push(digit(part / 10));
        }
        if !part.is_multiple_of(10) {
            out.push(digit(part));
        }
    }
}

impl Json for () {
    fn json(&self, out: &mut Buffer) {
        out.piece(b"null");
    }
}

impl Json for Moment {
    fn json(&self, out: &mut Buffer) {
        out.piece(&self.quoted());
    }
}

impl<T: Json> Json for Option<T> {
    #[inline]
    fn json(&self, out: &mut Buffer) {
        match self {
            Some(value) => value.json(out),
            None => out.piece(b"null"),
        }
    }
}

impl<T: Json> Json for Vec<T> {
    #[inline]
    fn json(&self, out: &mut Buffer) {
        out.push(b'[');
        let mut items = self.iter();
        if let Some(first) = items.next() {
            first.json(out);
        }
        for item in items {
            out.push(b',');
            item.json(out);
        }
        out.push(b']');
    }
}

impl Json for BTreeMap<&'static str, u64> {
    fn json(&self, out: &mut Buffer) {
        out.push(b'{');
        for (place, (key, value)) in self.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            key.json(out);
            out.push(b':');
            value.json(out);
        }
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, plain};
    use crate::report::buffer::Buffer;

    fn of(value: &(impl Json + ?Sized)) -> String {
        let mut out = Buffer::default();
        value.json(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn text_is_as_the_library_writes_it() {
        let all: String = (0..0x200).filter_map(char::from_u32).collect();
        assert_eq!(of(&all), serde_json::to_string(&all).unwrap());
        for length in 0..70 {
            for end in [
                "\\", "\"", "\u{1f}", "\u{7f}", "\u{80}", "ÿ", "¢", "Ü", " ", "!",
            ] {
                for place in 0..=length {
                    let mut text = "x".repeat(length);
                    text.insert_str(place, end);
                    let escapes = text
                        .bytes()
                        .any(|byte| byte < 0x20 || b"\"\\".contains(&byte));
                    assert_eq!(plain(text.as_bytes()), !escapes, "{text:?}");
                    assert_eq!(of(&text), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn numbers_are_as_the_library_writes_them() {
        for number in [0, 9, 10, 99, 100, 65_535, 1_234_567, u64::MAX] {
            assert_eq!(of(&number), number.to_string());
        }
        let odd = [
            0.0,
            -0.0,
            0.1,
            0.95,
            1.0,
            0.022,
            12.5,
            1e-5,
            1.0005,
            1e9,
            999_999_999.999,
            1e12,
            123_456_789_012.125,
            1e300,
            -0.5,
            1.0 / 3.0,
            f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
        ];
        let shares = (0..=100).map(|share| f64::from(share) / 100.0);
        let millis = (0..4_000).map(|step| f64::from(step * step * 37) / 1e3);
        for number in odd.into_iter().chain(shares).chain(millis) {
            assert_eq!(of(&number), serde_json::to_string(&number).unwrap());
        }
    }

    #[test]
    fn lists_are_as_the_library_writes_them() {
        let lists = [vec![], vec![Some(1.5)], vec![None, Some(2.0), None]];
        for list in lists {
            assert_eq!(of(&list), serde_json::to_string(&list).unwrap());
        }
    }
}
