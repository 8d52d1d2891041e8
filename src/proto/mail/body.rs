//! Message data and other bytes that are not lines: skipped fast, never kept.
//!
//! A body is either counted (BDAT chunks, literals) or ends in a line with a single dot (DATA, RETR).
//! It exists so that a message of any size costs one pass over its bytes and no memory. It refuses to
//! look into a message.

use memchr::memchr;

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
                Place::Middle => {
                    // The only loop over message bytes: straight to the end of the line.
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
    use super::Dots;

    fn end(text: &[u8]) -> Option<usize> {
        let whole = Dots::new().scan(text);
        let mut bytewise = Dots::new();
        let mut split = None;
        for (i, byte) in text.chunks(1).enumerate() {
            if bytewise.scan(byte).1 {
                split = Some(i + 1);
                break;
            }
        }
        assert_eq!(whole.1.then_some(whole.0), split);
        split
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
}
