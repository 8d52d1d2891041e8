//! Small words of grammar that the five languages share: tokens, numbers, codes.
//!
//! Pure functions over byte slices; they exist once so that "a token" means the same everywhere.
//! They never fail: what is not there is empty or `None`.

use arrayvec::ArrayVec;
use memchr::memchr_iter;

use super::dialogue::Enhanced;

/// Splits off the first blank-separated token; the rest has its leading blanks removed.
pub(super) fn token(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    let end = line
        .iter()
        .position(|b| matches!(b, b' ' | b'\t'))
        .unwrap_or(line.len());
    let (head, tail) = line.split_at_checked(end).unwrap_or((line, &[]));
    (head, tail.trim_ascii_start())
}

/// Letters of a word that tell it from all others: no command or mechanism that is known has as many.
const WORD: usize = 24;

/// A word in capitals, to be compared with known ones; of a longer one its beginning.
pub(super) fn upper(word: &[u8]) -> ArrayVec<u8, WORD> {
    let mut upper = ArrayVec::new();
    let _ = upper.try_extend_from_slice(word.get(..WORD).unwrap_or(word));
    upper.make_ascii_uppercase();
    upper
}

/// Whether `text` contains `word`, ASCII case ignored. `word` is short, the text bounded by a line.
pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    !word.is_empty()
        && text
            .windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word))
}

/// Whether `text` starts with `word`, ASCII case ignored.
pub(super) fn starts(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// A decimal number and nothing else; `None` on overflow, sign or emptiness.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The start of an SMTP reply line (RFC 5321 4.2): code, whether it is the last line, and the text.
pub(super) fn reply_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = u16::try_from(number(digits)?).ok()?;
    if !(100..600).contains(&code) {
        return None;
    }
    match rest.split_first() {
        None => Some((code, true, &[])),
        Some((b'-', text)) => Some((code, false, text)),
        Some((b' ' | b'\t', text)) => Some((code, true, text)),
        Some(_) => None,
    }
}

/// An enhanced status code (RFC 3463 2) at the start, also in Cisco's `#5.5.1`; and the text after it.
pub(super) fn enhanced(text: &[u8]) -> Option<(Enhanced, &[u8])> {
    let text = text.strip_prefix(b"#").unwrap_or(text);
    let end = text
        .iter()
        .position(|b| !(b.is_ascii_digit() || *b == b'.'))
        .unwrap_or(text.len());
    let (head, tail) = text.split_at_checked(end)?;
    let mut parts = head.split(|b| *b == b'.');
    let mut part = || -> Option<u16> {
        let digits = parts.next().filter(|digits| digits.len() <= 3)?;
        u16::try_from(number(digits)?).ok()
    };
    let code = Enhanced {
        class: part()?,
        subject: part()?,
        detail: part()?,
    };
    if parts.next().is_some() || !matches!(code.class, 2 | 4 | 5) {
        return None;
    }
    Some((code, tail.trim_ascii_start()))
}

/// An enhanced code in brackets somewhere, as qmail writes it: `(#5.7.1)`.
pub(super) fn enhanced_in_brackets(text: &[u8]) -> Option<Enhanced> {
    let mut brackets = memchr_iter(b'(', text).map(|at| text.get(at.saturating_add(1)..));
    let inside =
        brackets.find(|inside| inside.is_some_and(|inside| inside.starts_with(b"#")))??;
    enhanced(inside).map(|(code, _)| code)
}

/// The size of a literal that the line ends in: `{12}`, `{12+}`, `~{12}` (RFC 9051 4.3, RFC 3516, RFC 7888).
pub(super) fn literal(line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}")?;
    let start = inner.iter().rposition(|b| *b == b'{')?;
    let inner = inner.get(start.saturating_add(1)..)?;
    let digits = inner.strip_suffix(b"+").or(inner.strip_suffix(b"-"));
    number(digits.unwrap_or(inner))
}

/// Whether a word was masked by a device: `X` only, with at least four of them (field names never are).
pub(super) fn is_masked(word: &[u8]) -> bool {
    match word.split_last() {
        Some((last, head)) => {
            head.len() >= 3 && head.iter().all(|b| *b == b'X') && matches!(last, b'X' | b'A')
        }
        None => false,
    }
}

/// Whether a word could be base64 (RFC 4648 4): such a line is shown masked when a login is near.
pub(super) fn is_base64(word: &[u8]) -> bool {
    !word.is_empty()
        && word
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// One atom, quoted string (escapes undone) or parenthesised list of IMAP or Sieve, and the rest.
pub(super) fn astring(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let text = text.trim_ascii_start();
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let (atom, rest) = token(text);
        return (!atom.is_empty()).then(|| (atom.to_vec(), rest));
    };
    let mut value = Vec::new();
    let mut escaped = false;
    for (i, byte) in quoted.iter().enumerate() {
        match byte {
            _ if escaped => {
                value.push(*byte);
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => {
                let rest = quoted.get(i.saturating_add(1)..).unwrap_or(&[]);
                return Some((value, rest.trim_ascii_start()));
            }
            _ => value.push(*byte),
        }
    }
    Some((value, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_nothing_else() {
        assert_eq!(reply_line(b"250-SIZE"), Some((250, false, &b"SIZE"[..])));
        assert_eq!(reply_line(b"250"), Some((250, true, &b""[..])));
        assert_eq!(reply_line(b"2501 x"), None);
        assert_eq!(reply_line(b"999 x"), None);
        let (code, rest) = enhanced(b"#5.5.1 command").unwrap();
        assert_eq!((code.class, code.subject, code.detail), (5, 5, 1));
        assert_eq!(rest, b"command");
        assert!(enhanced(b"5.5 x").is_none());
        assert!(enhanced(b"10.5.1 x").is_none());
        assert!(enhanced(b"5.7.1.2 x").is_none());
        assert_eq!(enhanced_in_brackets(b"sorry (#5.7.1)").unwrap().subject, 7);
        assert_eq!(
            enhanced_in_brackets(b"(a) (#5.1.1) (#5.7.1)")
                .unwrap()
                .subject,
            1
        );
        assert!(enhanced_in_brackets(b"sorry (").is_none());
    }

    #[test]
    fn literals_never_overflow() {
        assert!(literal(b"a LOGIN {18446744073709551616}").is_none());
        assert_eq!(literal(b"x {3+}"), Some(3));
        assert_eq!(literal(b"x ~{3}"), Some(3));
        assert!(literal(b"x {-3}").is_none());
    }

    #[test]
    fn quoted_strings_lose_their_escapes() {
        let (value, rest) = astring(br#""a\"b" c"#).unwrap();
        assert_eq!((value.as_slice(), rest), (&b"a\"b"[..], &b"c"[..]));
    }
}
