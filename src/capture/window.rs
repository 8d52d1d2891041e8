//! The bytes of an input, from the front, through a bounded buffer.
//!
//! It exists so that the parsers see one thing: "so many bytes are here now". Files are read as streams are: a buffer that stays in the
//! processor's cache costs less than the pages of a map do, with their faults and with a wait for memory at each frame. The buffer grows only with
//! bytes that have really arrived, up to [`BUFFER`], so that a length field cannot make it allocate. Who hands frames on to another thread
//! may hold the [`Block`] that they lie in instead of copying them: then the window reads on in another one.

use std::fs::File;
use std::io::{self, Read};
use std::iter::repeat_n;
use std::sync::Arc;

use memmap2::Mmap;

/// The most bytes that are held at once: the longest block that is looked into.
pub(super) const BUFFER: usize = 2 << 20;

/// The buffer that is started with, and for most inputs the only one.
const START: usize = 256 << 10;

/// Buffers that somebody else held when they were full, and that are used again. Who holds more of them at a time makes work for the allocator.
const SPARE: usize = 32;

/// Bytes of an input that stay as they are while anybody holds them.
pub type Block = Arc<[u8]>;

fn block(len: usize) -> Block {
    repeat_n(0, len).collect()
}

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
    buffer: Block,
    spare: Vec<Block>,
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
            buffer: Block::default(),
            spare: Vec::new(),
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

    /// What they lie in, to be held; only when it is full, and of the usual size. A pipe that gives a frame at a time would need a buffer for each.
    #[inline]
    pub(super) fn block(&self) -> Option<&Block> {
        (self.end == START && self.buffer.len() == START).then_some(&self.buffer)
    }

    /// Waits until `wanted` bytes are here or the input has ended; says how many of them are.
    /// More than [`BUFFER`] are never promised.
    pub(super) fn fill(&mut self, wanted: usize) -> usize {
        let some = wanted.min(BUFFER);
        while self.end.saturating_sub(self.start) < some && !self.ended {
            let full = self.end == self.buffer.len();
            if full
                || self.start.saturating_add(some) > self.buffer.len()
                || Arc::strong_count(&self.buffer) > 1
            {
                self.make_room();
            }
            let buffer = Arc::get_mut(&mut self.buffer);
            let room = buffer.and_then(|buffer| buffer.get_mut(self.end..));
            let room = room.unwrap_or_default();
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

    /// Moves what is left to the buffer's front, or to that of another one when somebody holds it; of twice the size when it is full of
    /// what is needed.
    fn make_room(&mut self) {
        let left = self.start..self.end;
        let len = match left.len() == self.buffer.len() {
            true => left.len().saturating_mul(2).clamp(START, BUFFER),
            false => self.buffer.len(),
        };
        match Arc::get_mut(&mut self.buffer).filter(|buffer| buffer.len() == len) {
            Some(_) if left.start == 0 => {}
            Some(buffer) => buffer.copy_within(left.clone(), 0),
            None => self.change(len),
        }
        self.end = left.len();
        self.start = 0;
    }

    /// Goes on in a buffer of `len` bytes that nobody holds.
    fn change(&mut self, len: usize) {
        self.spare.retain(|spare| spare.len() == len);
        let unheld = |spare: &Block| Arc::strong_count(spare) == 1;
        let mut next = match self.spare.iter().position(unheld) {
            Some(at) => self.spare.swap_remove(at),
            None => block(len),
        };
        let left = self.bytes();
        // Nobody else has it.
        if let Some(front) = Arc::get_mut(&mut next).and_then(|next| next.get_mut(..left.len())) {
            front.copy_from_slice(left);
        }
        let before = std::mem::replace(&mut self.buffer, next);
        if before.len() == len && self.spare.len() < SPARE {
            self.spare.push(before);
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
    fn what_is_held_stays_as_it_is() {
        struct Count(u8, usize);
        impl std::io::Read for Count {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                let len = out.len().min(self.1);
                for byte in &mut out[..len] {
                    *byte = self.0;
                    self.0 = self.0.wrapping_add(1) % 251;
                }
                Ok(len)
            }
        }
        // What gives as much as it is asked for, and what does not.
        for most in [usize::MAX, 100_000, 1_000] {
            let mut window = Window::new(Box::new(Count(0, most)));
            let (mut held, mut seen) = (Vec::new(), 0_usize);
            for step in 0..2_000_usize {
                let len = step * 37 % 3_000 + 1;
                assert_eq!(window.fill(len), len);
                let bytes = &window.bytes()[..len];
                if let Some(block) = window.block() {
                    let at = bytes.as_ptr().addr() - block.as_ptr().addr();
                    held.push((block.clone(), at..at + len, seen));
                }
                seen += len;
                window.advance(len);
                if held.len() > 500 {
                    held.remove(step % 500);
                }
            }
            // Of a pipe that gives little at a time a buffer is held for its last frames only.
            assert!(held.len() > if most == 1_000 { 0 } else { 100 });
            for (block, range, from) in held {
                let expected = |at: usize| ((from + at) % 251) as u8;
                assert!((block[range].iter().enumerate()).all(|(at, byte)| *byte == expected(at)));
            }
            assert!(window.spare.len() <= super::SPARE);
        }
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
