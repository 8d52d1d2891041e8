//! Bytes to lines, whatever the segments look like.
//!
//! It exists so that no language decoder ever sees a segment border: a line may be split anywhere,
//! also between CR and LF, and knows the frame of its first and of its last byte. CRLF, LF alone and
//! CR alone end a line. It keeps at most [`limits::LINE`] bytes of a line and refuses to guess what a
//! line after a gap is: it only says that one came before it. A line that lies whole in one segment, as nearly all do, is
//! lent out where it lies; only what is split is collected.

use std::borrow::Cow;

use memchr::memchr2;

use crate::base::{MILLISECOND, Mark, limits};

/// A silence within a line or between the lines of a reply that counts as pacing.
const PAUSE: i64 = 200 * MILLISECOND;

/// One line, without its end.
#[derive(Default)]
pub(super) struct Line<'a> {
    /// The bytes, at most [`limits::LINE`].
    pub bytes: Cow<'a, [u8]>,
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
    /// The rest of it is missing.
    pub torn: bool,
}

impl Line<'_> {
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
    bytes: Vec<u8>,
    at: Option<Mark>,
    long: bool,
    pauses: u32,
    last: Option<Mark>,
    carriage_return: Option<Mark>,
    swallow_line_feed: bool,
    gap: bool,
}

/// What feeding some bytes came to.
pub(super) struct Fed<'a> {
    /// How many bytes were used up.
    pub used: usize,
    /// The line, if it is complete.
    pub line: Option<Line<'a>>,
}

impl LineBuffer {
    /// Gives back memory that holds nothing.
    pub fn rest(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Takes bytes up to the end of the line; call again with the rest. An empty slice is fine.
    pub fn feed<'a>(&mut self, mark: Mark, bytes: &'a [u8]) -> Fed<'a> {
        if self.is_empty()
            && !self.swallow_line_feed
            && let Some(fed) = self.whole(mark, bytes)
        {
            return fed;
        }
        self.collect(mark, bytes)
    }

    /// A line that begins here and ends in these bytes; none where it may go on in bytes to come, or ends in CR alone.
    fn whole<'a>(&mut self, mark: Mark, bytes: &'a [u8]) -> Option<Fed<'a>> {
        let end = memchr2(b'\n', b'\r', bytes)?;
        let (content, rest) = bytes.split_at_checked(end)?;
        let used = match rest {
            [b'\n', ..] => end.saturating_add(1),
            [b'\r', b'\n', ..] => end.saturating_add(2),
            _ => return None,
        };
        let kept = content.get(..limits::LINE).unwrap_or(content);
        let line = Line {
            bytes: Cow::Borrowed(kept),
            at: Some(mark),
            done: Some(mark),
            after_gap: std::mem::take(&mut self.gap),
            long: kept.len() < content.len(),
            pauses: 0,
            torn: false,
        };
        Some(Fed {
            used,
            line: Some(line),
        })
    }

    /// The general way: a line whose parts come one by one.
    fn collect(&mut self, mark: Mark, bytes: &[u8]) -> Fed<'static> {
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
                line: Some(self.finish(done)),
            };
        }
        self.at.get_or_insert(mark);
        if let Some(last) = self.last
            && is_pause(last, mark)
        {
            self.pauses = self.pauses.saturating_add(1);
        }
        self.last = Some(mark);
        let end = memchr2(b'\n', b'\r', bytes);
        let content = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        let room = limits::LINE.saturating_sub(self.bytes.len());
        let kept = content.get(..room).unwrap_or(content);
        self.long |= kept.len() < content.len();
        self.bytes.extend_from_slice(kept);
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
                        line: Some(self.finish(mark)),
                    };
                }
                self.carriage_return = Some(mark);
                Fed { used, line: None }
            }
        }
    }

    /// The other side speaks: a line that ended in CR alone is complete.
    pub fn flush_carriage_return(&mut self) -> Option<Line<'static>> {
        let at = self.carriage_return.take()?;
        self.swallow_line_feed = true;
        Some(self.finish(at))
    }

    /// Bytes are missing: what there is of the line that they belong to, if its first byte is.
    pub fn torn(&mut self) -> Option<Line<'static>> {
        if self.gap || self.bytes.is_empty() {
            return None;
        }
        let whole = self.carriage_return.take();
        let done = whole.or(self.last).or(self.at)?;
        let mut line = self.finish(done);
        line.torn = whole.is_none();
        Some(line)
    }

    /// Bytes are missing: what was collected is worthless, and the next line may be only a tail.
    pub fn gap(&mut self) {
        self.bytes.clear();
        self.at = None;
        self.pauses = 0;
        self.long = false;
        self.last = None;
        self.carriage_return = None;
        self.swallow_line_feed = false;
        self.gap = true;
    }

    /// Whether the next byte is the first of a line.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.at.is_none() && self.carriage_return.is_none()
    }

    /// Gives a collected line's memory back for the next one.
    pub fn recycle(&mut self, line: Line<'_>) {
        if let Cow::Owned(mut bytes) = line.bytes
            && self.is_empty()
            && self.bytes.capacity() == 0
        {
            bytes.clear();
            self.bytes = bytes;
        }
    }

    fn finish(&mut self, done: Mark) -> Line<'static> {
        self.last = None;
        Line {
            bytes: Cow::Owned(std::mem::take(&mut self.bytes)),
            at: self.at.take(),
            done: Some(done),
            after_gap: std::mem::take(&mut self.gap),
            long: std::mem::take(&mut self.long),
            pauses: std::mem::take(&mut self.pauses),
            torn: false,
        }
    }
}
