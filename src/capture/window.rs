//! The bytes of an input, from the front, through a bounded buffer.
//!
//! It exists so that the parsers see one thing: "so many bytes are here now". Files are read as streams are: a buffer that stays in the
//! processor's cache costs less than the pages of a map do, with their faults and with a wait for memory at each frame. The buffer grows only with
//! bytes that have really arrived, up to [`BUFFER`], so that a length field cannot make it allocate.

use std::fs::File;
use std::io::{self, Read};

use memmap2::Mmap;

/// The most bytes that are held at once: the longest block that is looked into.
pub(super) const BUFFER: usize = 2 << 20;

/// The buffer that is started with, and for most inputs the only one.
const START: usize = 256 << 10;

/// A capture file in memory, for whoever looks at its frames again later. The reader itself never touches it.
pub struct Mapping(Mmap);

impl Mapping {
    pub(super) fn of(file: &File) -> io::Result<Mapping> {
        // SAFETY: the map is read-only and private. What remains is a file that somebody cuts while it is looked at: the
        // system then ends the process (SIGBUS), it does not hand out other memory.
        let map = unsafe { Mmap::map(file)? };
        Ok(Mapping(map))
    }

    /// `len` bytes at `position`, as [`super::Frame::position`] counts; `None` outside of the file.
    pub fn get(&self, position: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(position).ok()?;
        self.0.get(from..from.checked_add(len)?)
    }
}

pub(super) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// How many bytes were passed before the window's front.
    position: u64,
    failure: Option<io::Error>,
}

impl Window {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Window {
        Window {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            position: 0,
            failure: None,
        }
    }

    /// Where the window's front stands in the (uncompressed) input, in bytes.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Why an input ended before its time.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// What is here now.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Waits until `wanted` bytes are here or the input has ended; says how many of them are.
    /// More than [`BUFFER`] are never promised.
    pub(super) fn fill(&mut self, wanted: usize) -> usize {
        let some = wanted.min(BUFFER);
        while self.end.saturating_sub(self.start) < some && !self.ended {
            if self.end == self.buffer.len() || self.start.saturating_add(some) > self.buffer.len()
            {
                self.make_room();
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end = self.end.saturating_add(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(error);
                }
            }
        }
        self.bytes().len().min(wanted)
    }

    /// Passes over `count` bytes that are here.
    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        let count = count.min(self.bytes().len());
        self.position = self.position.saturating_add(count as u64);
        self.start = self.start.saturating_add(count);
    }

    /// Passes over `count` bytes, here or not; says how many there were.
    pub(super) fn skip(&mut self, count: u64) -> u64 {
        let mut left = count;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(START);
            let here = self.fill(part);
            self.advance(here);
            left = left.saturating_sub(here as u64);
            if here < part {
                break;
            }
        }
        count.saturating_sub(left)
    }

    /// Moves what is left to the buffer's front; doubles the buffer when it is full of what is needed.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let more = self.buffer.len().saturating_mul(2).clamp(START, BUFFER);
            self.buffer.resize(more, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BUFFER, START, Window};

    /// Gives one byte less than asked, as pipes do.
    struct Trickle(u64);
    impl std::io::Read for Trickle {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let len = (out.len().min(1000) as u64).min(self.0) as usize;
            self.0 -= len as u64;
            out[..len].fill(7);
            Ok(len)
        }
    }

    #[test]
    fn a_claim_alone_allocates_nothing() {
        let mut window = Window::new(Box::new(Trickle(10_000)));
        assert_eq!(window.fill(usize::MAX), 10_000);
        assert_eq!(window.buffer.len(), START);
    }

    #[test]
    fn a_stream_passes_through_a_bounded_buffer() {
        let mut window = Window::new(Box::new(Trickle(20_000_000)));
        let mut seen = 0;
        for len in (1..).map(|n: usize| n * 7919 % BUFFER) {
            let here = window.fill(len);
            assert!(window.bytes().iter().take(3).all(|byte| *byte == 7));
            window.advance(here);
            seen += here;
            if here < len {
                break;
            }
        }
        assert_eq!((seen, window.position()), (20_000_000, 20_000_000));
        assert!(window.buffer.len() <= BUFFER);
        assert_eq!(
            Window::new(Box::new(Trickle(5_000_000))).skip(6_000_000),
            5_000_000
        );
    }
}
