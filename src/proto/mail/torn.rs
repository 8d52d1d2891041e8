//! The beginning of a server's line whose rest was not captured.
//!
//! What a reply says of its command stands in its first bytes: a code (RFC 5321 4.2), a tag and a status (RFC 9051 7.1), `+OK` or
//! `-ERR` (RFC 1939 3). A recorder that cuts frames short leaves them whole. The words behind them are not to be trusted: what is
//! missing of them may be the cause. Where the line opens something else than a plain answer it is left alone.

use super::core::Core;
use super::dialogue::{Language, Verb};
use super::syntax::{starts, token, upper};

/// Whether the line's beginning shows what it answers, and how.
pub(super) fn tells_status(core: &Core, line: &[u8]) -> bool {
    match core.dialogue.language {
        // The last line of a reply, and none that invites the client to go on.
        Some(Language::Smtp | Language::Lmtp) => {
            let coded = matches!(line, [b'2' | b'4' | b'5', tens, ones, b' ', ..]
                if tens.is_ascii_digit() && ones.is_ascii_digit());
            coded && !opens(core.pending.front().map(|pending| pending.verb))
        }
        Some(Language::Pop3) => {
            let said = starts(line, b"+OK ") || starts(line, b"-ERR ");
            said && !opens(core.pending.front().map(|pending| pending.verb))
        }
        Some(Language::Imap) => {
            let (tag, rest) = token(line);
            let (word, _) = token(rest);
            // The blank behind the word is there: it is not the beginning of a longer one.
            let whole = rest.trim_ascii_start().len() > word.len();
            let word = upper(word);
            let status = match tag {
                b"*" => matches!(word.as_slice(), b"OK" | b"PREAUTH" | b"BYE"),
                _ => matches!(word.as_slice(), b"OK" | b"NO" | b"BAD"),
            };
            let asked = core.pending.iter().find(|pending| *pending.tag == *tag);
            let known = tag == b"*" || asked.is_some();
            status && whole && known && !opens(asked.map(|pending| pending.verb))
        }
        Some(Language::Sieve) | None => false,
    }
}

/// What its positive answer opens begins at the very byte behind the line, which is among those that are missing.
fn opens(asked: Option<Verb>) -> bool {
    matches!(asked, Some(Verb::Starttls | Verb::Compress))
}
