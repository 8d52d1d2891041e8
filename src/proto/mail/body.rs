//! Message data and other bytes that are not lines: skipped fast, never kept.
//!
//! A body is either counted (BDAT chunks, literals) or ends in a line with a single dot (DATA, RETR).
//! It exists so that a message of any size costs one pass over its bytes and no memory. It refuses to
//! look into a message.

use memchr::{memchr, memmem};

/// How the bytes of a side are to be read at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Command or reply lines.
    Lines,
    /// So many bytes, then lines again.
    Count {
        /// Bytes still to come.
        left: u64,
        /// Keep the beginning (a login literal), see `Core::literal`.
        keep: bool,
    },
    /// Up to a line with a single dot (RFC 5321 4.1.1.4, RFC 1939 3).
    Dotted(Dots),
    /// Clear text has ended for this side.
    Over,
}

/// Looks for the dot line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dots {
    place: Place,
    /// A line of this message ended in CR LF: then a bare LF does not end it.
    crlf: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Middle,
    MiddleCr,
    Dot,
    DotCr,
}

impl Place {
    /// Behind bytes that begin in the middle of a line and do not end a message whose lines end in CR LF.
    fn behind(bytes: &[u8]) -> Place {
        match bytes {
            [.., b'\n'] => Place::LineStart,
            [.., b'\n', b'.'] => Place::Dot,
            [.., b'\n', b'.', b'\r'] => Place::DotCr,
            [.., b'\r'] => Place::MiddleCr,
            _ => Place::Middle,
        }
    }
}

impl Dots {
    /// At the start of a line.
    pub fn new() -> Dots {
        Dots {
            place: Place::LineStart,
            crlf: false,
        }
    }

    /// After missing bytes: in the middle of a line.
    pub fn gap(&mut self) {
        self.place = Place::Middle;
    }

    /// Scans; returns the bytes used and whether the dot line ended with the last of them.
    pub fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut used = 0usize;
        while let Some(rest) = bytes.get(used..) {
            let Some(&byte) = rest.first() else { break };
            match self.place {
                // The only loop over message bytes, once a line of it ended in CR LF: lines are of no interest, only the dot.
                Place::Middle if self.crlf => {
                    let end = memmem::find(rest, b"\n.\r\n");
                    if end.is_none() {
                        self.place = Place::behind(rest);
                    }
                    let step = end.map_or(rest.len(), |end| end.saturating_add(4));
                    return (used.saturating_add(step), end.is_some());
                }
                Place::Middle => {
                    let Some(end) = memchr(b'\n', rest) else {
                        if rest.last() == Some(&b'\r') {
                            self.place = Place::MiddleCr;
                        }
                        return (bytes.len(), false);
                    };
                    let before = end.checked_sub(1).and_then(|i| rest.get(i));
                    self.crlf |= before == Some(&b'\r');
                    self.place = Place::LineStart;
                    used = used.saturating_add(end).saturating_add(1);
                    continue;
                }
                Place::MiddleCr => {
                    self.place = match byte {
                        b'\n' => {
                            self.crlf = true;
                            Place::LineStart
                        }
                        b'\r' => Place::MiddleCr,
                        _ => Place::Middle,
                    };
                }
                Place::LineStart => {
                    self.place = match byte {
                        b'.' => Place::Dot,
                        b'\n' => Place::LineStart,
                        b'\r' => Place::MiddleCr,
                        _ => Place::Middle,
                    };
                }
                Place::Dot => match byte {
                    b'\n' if !self.crlf => return (used.saturating_add(1), true),
                    b'\n' => self.place = Place::LineStart,
                    b'\r' => self.place = Place::DotCr,
                    _ => self.place = Place::Middle,
                },
                Place::DotCr => match byte {
                    b'\n' => return (used.saturating_add(1), true),
                    b'\r' => self.place = Place::MiddleCr,
                    _ => self.place = Place::Middle,
                },
            }
            used = used.saturating_add(1);
        }
        (used, false)
    }
}

#[cfg(test)]
mod tests {
    use super::{Dots, Place};

    /// Where the message ends, byte by byte, as the automaton of RFC 5321 4.1.1.4 and 4.5.2 has it.
    fn end(text: &[u8]) -> Option<usize> {
        let mut dots = Dots::new();
        text.chunks(1)
            .position(|byte| dots.scan(byte).1)
            .map(|at| at + 1)
    }

    /// The same through pieces of which the second is a gap when `missing`; and where the automaton stands.
    fn through(pieces: [&[u8]; 3], missing: bool, bytewise: bool) -> (Option<usize>, Dots) {
        let mut dots = Dots::new();
        let mut before = 0;
        for (i, piece) in pieces.into_iter().enumerate() {
            if missing && i == 1 {
                dots.gap();
            } else {
                let step = if bytewise { 1 } else { piece.len().max(1) };
                let mut at = 0;
                for part in piece.chunks(step) {
                    let (used, done) = dots.scan(part);
                    at += used;
                    if done {
                        return (Some(before + at), dots);
                    }
                    assert_eq!(used, part.len());
                }
            }
            before += piece.len();
        }
        (None, dots)
    }

    #[test]
    fn only_a_dot_alone_ends_a_message() {
        assert_eq!(end(b".\r\n"), Some(3));
        assert_eq!(end(b"a\r\n.\r\nQUIT\r\n"), Some(6));
        assert_eq!(end(b"a\r\n..\r\n.b\r\n"), None);
        assert_eq!(end(b"a\n.\n"), Some(4));
        assert_eq!(end(b"a\r\nb\n.\nc\r\n.\r\n"), Some(13));
        assert_eq!(end(b"a\r\r\n.\r\n"), Some(7));
        assert_eq!(end(b"\r\n\r\n.\r\n"), Some(7));
    }

    /// Every text of up to seven of the bytes that matter, behind a line that ended in CR LF, in LF, and behind none, and
    /// behind a line too long for a look at single bytes.
    #[test]
    fn whole_pieces_end_where_single_bytes_do() {
        let long = [b"a\r\n".as_slice(), &[b'x'; 100], b".\r\n"].concat();
        for head in [b"".as_slice(), b"a\r\n", b"a\n", &long] {
            for number in 0..4_usize.pow(7) {
                let mut text = head.to_vec();
                text.extend((0..7).map(|i| b"\r\n.a"[number >> (2 * i) & 3]));
                let whole = through([&text, b"", b""], false, false);
                assert_eq!(whole.0, end(&text), "{text:?}");
            }
        }
    }

    /// A body with stuffed dots, bare LF and CR: cut into three pieces anywhere, with the middle one missing or not.
    #[test]
    fn cuts_and_gaps_anywhere_change_nothing() {
        let text = b"a\r\n..b\r\n.\nc\r.\r\n.\rd\n.\r\r\n.e\r\n.\r\nQUIT\r\n";
        for from in 0..=text.len() {
            for to in from..=text.len() {
                let pieces = [&text[..from], &text[from..to], &text[to..]];
                for missing in [false, true] {
                    let (ends, dots) = through(pieces, missing, false);
                    let (expected, single) = through(pieces, missing, true);
                    assert_eq!(ends, expected, "{from} {to} {missing}");
                    if ends.is_none() {
                        assert_eq!(dots, single, "{from} {to} {missing}");
                    }
                }
                assert_eq!(through(pieces, false, false).0, Some(30));
            }
        }
    }

    #[test]
    fn the_end_of_a_piece_is_where_single_bytes_stop() {
        for number in 0..4_usize.pow(5) {
            let tail: Vec<u8> = (0..5).map(|i| b"\r\n.a"[number >> (2 * i) & 3]).collect();
            if memchr::memmem::find(&tail, b"\n.\r\n").is_some() {
                continue;
            }
            let (_, single) = through([b"a\r\na", &tail, b""], false, true);
            let place = Place::behind(&[b"a", tail.as_slice()].concat());
            assert_eq!(place, single.place, "{tail:?}");
        }
    }
}
