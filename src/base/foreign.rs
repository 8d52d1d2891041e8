//! Text that somebody else wrote: banners, names, certificates, file names.
//!
//! It is made safe when it is made: no control character, no terminal escape, no bidirectional
//! override and no invisible character survives, so no face has to remember to escape. What was
//! replaced stays readable as `\x1b` or `\u{202e}`. Bounded at creation.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// Foreign text, already harmless to a terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Foreign(Arc<str>);

impl Foreign {
    /// How many bytes of input are kept at the most; the rest becomes `…`.
    pub const MAX: usize = 512;

    /// From bytes: UTF-8 where it is, `\xNN` where it is not; at most [`Foreign::MAX`] bytes of input.
    pub fn from_bytes(bytes: &[u8]) -> Foreign {
        Foreign::bounded(bytes, Foreign::MAX)
    }

    /// Like [`Foreign::from_bytes`] with a bound of its own.
    pub fn bounded(bytes: &[u8], max: usize) -> Foreign {
        let kept = bytes.get(..max).unwrap_or(bytes);
        // Nearly all text is plain: it is copied as it is.
        if is_plain(kept)
            && kept.len() == bytes.len()
            && let Ok(text) = std::str::from_utf8(kept)
        {
            return Foreign(text.into());
        }
        let mut text = String::with_capacity(kept.len());
        for chunk in kept.utf8_chunks() {
            for c in chunk.valid().chars() {
                push_escaped(&mut text, c);
            }
            for byte in chunk.invalid() {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        if kept.len() < bytes.len() {
            text.push('…');
        }
        Foreign(text.into())
    }

    /// The harmless text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether all bytes are ASCII and none is a control character. Eight at a time, which are one number.
fn is_plain(bytes: &[u8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // In each byte the highest bit: of 0x80 and more; of 0x7F and one more; of what is less than 0x20 and so much less. What is
    // carried over to the next byte comes from one that is odd itself.
    let odd = |word: [u8; 8]| {
        let word = u64::from_le_bytes(word);
        word | word.wrapping_add(EACH) | word.wrapping_sub(EACH * 0x20)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut found = words.iter().fold(0, |found, word| found | odd(*word));
    // The last ones together with some before them, where there are any.
    match bytes.last_chunk::<8>() {
        Some(last) => found |= odd(*last),
        None => {
            for byte in rest {
                found |= odd([*byte; 8]);
            }
        }
    }
    found & (EACH * 0x80) == 0
}

fn push_escaped(text: &mut String, c: char) {
    match c {
        '\t' => text.push(' '),
        '\\' => text.push('\\'),
        c if (c as u32) < 0x80 && c.is_control() => {
            let _ = write!(text, "\\x{:02x}", c as u32);
        }
        c if is_dangerous(c) => {
            let _ = write!(text, "\\u{{{:x}}}", c as u32);
        }
        c => text.push(c),
    }
}

/// Control, format and private characters: what can hide, reorder or forge text (Unicode TR36, TR9).
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c as u32,
            0xAD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xE000..=0xF8FF | 0xE0000..=0x10FFFF)
}

impl From<&str> for Foreign {
    fn from(text: &str) -> Foreign {
        Foreign::from_bytes(text.as_bytes())
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl serde::Serialize for Foreign {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Foreign;

    #[test]
    fn nothing_that_moves_a_cursor_survives() {
        let text = Foreign::from_bytes(b"220 \x1b[2J\r\n\xff\xe2\x80\xaeok\x9b");
        assert_eq!(text.as_str(), "220 \\x1b[2J\\x0d\\x0a\\xff\\u{202e}ok\\x9b");
    }

    #[test]
    fn plain_text_is_as_it_was() {
        let plain: Vec<u8> = (0x20..0x7F).collect();
        assert_eq!(Foreign::from_bytes(&plain).as_str().as_bytes(), plain);
        assert_eq!(Foreign::from_bytes(b"a\tb").as_str(), "a b");
        assert_eq!(Foreign::from_bytes(b"").as_str(), "");
        assert_eq!(Foreign::from_bytes(b"a\x7f").as_str(), "a\\x7f");
    }

    #[test]
    fn an_odd_byte_is_found_wherever_it_stands() {
        for length in 1..40 {
            for place in 0..length {
                for byte in 0..=255 {
                    let mut bytes = vec![b' '; length];
                    bytes[place] = byte;
                    assert_eq!(
                        super::is_plain(&bytes),
                        (0x20..0x7F).contains(&byte),
                        "{bytes:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let text = Foreign::bounded(&[b'a'; 40], 8);
        assert_eq!(text.as_str(), "aaaaaaaa…");
    }
}
