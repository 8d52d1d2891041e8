//! Bytes to lines, whatever the segments look like.
//!
//! It exists so that no language decoder ever sees a segment border: a line may be split anywhere,
//! also between CR and LF, and knows the frame of its first and of its last byte. CRLF, LF alone and
//! CR alone end a line. It keeps at most [`limits::LINE`] bytes of a line and refuses to guess what a
//! line after a gap is: it only says that one came before it.

use memchr::memchr2;

use crate::base::{MILLISECOND, Mark, limits};

/// A silence within a line or between the lines of a reply that counts as pacing.
const PAUSE: i64 = 200 * MILLISECOND;

/// One line, without its end.
#[derive(Default)]
pub(super) struct Line {
    /// The bytes, at most [`limits::LINE`].
    pub bytes: Vec<u8>,
    /// First byte (the line end's, when the line is empty).
    pub at: Option<Mark>,
    /// Last byte of the line end.
    pub done: Option<Mark>,
    /// Bytes were missing in or right before this line.
    pub after_gap: bool,
    /// It was longer than what was kept.
    pub long: bool,
    /// Silences of at least 200 ms inside the line.
    pub pauses: u32,
    /// It ended in CR LF, not in one of them.
    pub crlf: bool,
}

impl Line {
    /// First and last byte.
    pub fn marks(&self, fallback: Mark) -> (Mark, Mark) {
        let at = self.at.or(self.done).unwrap_or(fallback);
        (at, self.done.unwrap_or(at))
    }
}

/// Whether the time between two marks is a pause on purpose.
pub(super) fn is_pause(earlier: Mark, later: Mark) -> bool {
    later.time.since(earlier.time) >= PAUSE
}

/// Collects one line of one side.
#[derive(Default)]
pub(super) struct LineBuffer {
    line: Line,
    last: Option<Mark>,
    carriage_return: Option<Mark>,
    swallow_line_feed: bool,
    gap: bool,
}

/// What feeding some bytes came to.
pub(super) struct Fed {
    /// How many bytes were used up.
    pub used: usize,
    /// The line, if it is complete.
    pub line: Option<Line>,
}

impl LineBuffer {
    /// Gives back memory that holds nothing.
    pub fn rest(&mut self) {
        self.line.bytes.shrink_to_fit();
    }

    /// Takes bytes up to the end of the line; call again with the rest. An empty slice is fine.
    pub fn feed(&mut self, mark: Mark, bytes: &[u8]) -> Fed {
        let Some(&first) = bytes.first() else {
            return Fed {
                used: 0,
                line: None,
            };
        };
        if std::mem::take(&mut self.swallow_line_feed) && first == b'\n' && self.is_empty() {
            return Fed {
                used: 1,
                line: None,
            };
        }
        if let Some(at) = self.carriage_return.take() {
            let line_feed = first == b'\n';
            let done = if line_feed { mark } else { at };
            return Fed {
                used: usize::from(line_feed),
                line: Some(self.finish(done, line_feed)),
            };
        }
        self.line.at.get_or_insert(mark);
        if let Some(last) = self.last
            && is_pause(last, mark)
        {
            self.line.pauses = self.line.pauses.saturating_add(1);
        }
        self.last = Some(mark);
        let end = memchr2(b'\n', b'\r', bytes);
        let content = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        let room = limits::LINE.saturating_sub(self.line.bytes.len());
        let kept = content.get(..room).unwrap_or(content);
        self.line.long |= kept.len() < content.len();
        self.line.bytes.extend_from_slice(kept);
        match end {
            None => Fed {
                used: bytes.len(),
                line: None,
            },
            Some(end) => {
                let used = end.saturating_add(1);
                if bytes.get(end) == Some(&b'\n') {
                    return Fed {
                        used,
                        line: Some(self.finish(mark, false)),
                    };
                }
                self.carriage_return = Some(mark);
                Fed { used, line: None }
            }
        }
    }

    /// The other side speaks: a line that ended in CR alone is complete.
    pub fn flush_carriage_return(&mut self) -> Option<Line> {
        let at = self.carriage_return.take()?;
        self.swallow_line_feed = true;
        Some(self.finish(at, false))
    }

    /// Bytes are missing: what was collected is worthless, and the next line may be only a tail.
    pub fn gap(&mut self) {
        self.line.bytes.clear();
        self.line.at = None;
        self.line.pauses = 0;
        self.line.long = false;
        self.last = None;
        self.carriage_return = None;
        self.swallow_line_feed = false;
        self.gap = true;
    }

    /// Whether the next byte is the first of a line.
    pub fn is_empty(&self) -> bool {
        self.line.bytes.is_empty() && self.line.at.is_none() && self.carriage_return.is_none()
    }

    /// Gives a line's memory back for the next one.
    pub fn recycle(&mut self, mut line: Line) {
        if self.is_empty() && self.line.bytes.capacity() == 0 {
            line.bytes.clear();
            self.line.bytes = line.bytes;
        }
    }

    fn finish(&mut self, done: Mark, crlf: bool) -> Line {
        let mut line = std::mem::take(&mut self.line);
        line.done = Some(done);
        line.after_gap = std::mem::take(&mut self.gap);
        line.crlf = crlf;
        self.last = None;
        line
    }
}
