//! The bytes of an input, from the front: a mapped file, or a stream through a bounded buffer.
//!
//! It exists so that the parsers see one thing: "so many bytes are here now". A mapped file is never
//! copied; a stream's buffer grows only with bytes that have really arrived, up to [`BUFFER`], so that a
//! length field cannot make it allocate.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use memmap2::{Advice, Mmap, UncheckedAdvice};

/// The most bytes of a stream that are held at once: the longest block that is looked into.
pub(super) const BUFFER: usize = 2 << 20;

/// The buffer a stream starts with.
const START: usize = 256 << 10;

/// How much of a mapped file may stay in memory behind the reader. What was released is read again by
/// the system when somebody still looks at it.
const BEHIND: usize = 64 << 20;

/// How much of a mapped file is asked for at once, ahead of the reader: one call instead of a fault for each few pages.
const AHEAD: usize = 4 << 20;

/// What a processor fetches at once.
const CACHE_LINE: usize = 64;

/// A capture file in memory, shared with whoever analyses its frames on other threads.
pub struct Mapping(Mmap);

impl Mapping {
    pub(super) fn of(file: &File) -> io::Result<Mapping> {
        // SAFETY: the map is read-only and private. What remains is a file that somebody cuts while it is read: the
        // system then ends the process (SIGBUS), it does not hand out other memory.
        let map = unsafe { Mmap::map(file)? };
        // Advice: failing costs speed only.
        let _ = map.advise(Advice::Sequential);
        Ok(Mapping(map))
    }

    /// `len` bytes at `position`, as [`super::Frame::position`] counts; `None` outside of the file.
    pub fn get(&self, position: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(position).ok()?;
        self.0.get(from..from.checked_add(len)?)
    }
}

pub(super) struct Window {
    bytes: Bytes,
    /// How many bytes were passed before the window's front.
    position: u64,
    failure: Option<io::Error>,
}

enum Bytes {
    Mapped {
        map: Arc<Mapping>,
        at: usize,
        released: usize,
        /// Up to here it was asked for.
        asked: usize,
    },
    Stream {
        input: Box<dyn Read + Send>,
        buffer: Vec<u8>,
        start: usize,
        end: usize,
        ended: bool,
    },
}

impl Window {
    pub(super) fn mapped(map: Mapping) -> Window {
        Window {
            bytes: Bytes::Mapped {
                map: Arc::new(map),
                at: 0,
                released: 0,
                asked: 0,
            },
            position: 0,
            failure: None,
        }
    }

    pub(super) fn stream(input: Box<dyn Read + Send>) -> Window {
        let bytes = Bytes::Stream {
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
        };
        Window {
            bytes,
            position: 0,
            failure: None,
        }
    }

    /// The map, when the input is one.
    pub(super) fn mapping(&self) -> Option<Arc<Mapping>> {
        match &self.bytes {
            Bytes::Mapped { map, .. } => Some(Arc::clone(map)),
            Bytes::Stream { .. } => None,
        }
    }

    /// Where the window's front stands in the (uncompressed) input, in bytes.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Why a stream ended before its time.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// What is here now.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped { map, at, .. } => map.0.get(*at..).unwrap_or_default(),
            Bytes::Stream {
                buffer, start, end, ..
            } => buffer.get(*start..*end).unwrap_or_default(),
        }
    }

    /// Waits until `wanted` bytes are here or the input has ended; says how many of them are.
    /// More than [`BUFFER`] are never promised of a stream.
    pub(super) fn fill(&mut self, wanted: usize) -> usize {
        if let Bytes::Stream {
            input,
            buffer,
            start,
            end,
            ended,
        } = &mut self.bytes
        {
            let wanted = wanted.min(BUFFER);
            while end.saturating_sub(*start) < wanted && !*ended {
                if *end == buffer.len() || start.saturating_add(wanted) > buffer.len() {
                    make_room(buffer, start, end);
                }
                match input.read(buffer.get_mut(*end..).unwrap_or_default()) {
                    Ok(0) => *ended = true,
                    Ok(read) => *end = end.saturating_add(read),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        *ended = true;
                        self.failure = Some(error);
                    }
                }
            }
        }
        self.bytes().len().min(wanted)
    }

    /// Passes over `count` bytes that are here.
    pub(super) fn advance(&mut self, count: usize) {
        let count = count.min(self.bytes().len());
        self.position = self.position.saturating_add(count as u64);
        match &mut self.bytes {
            Bytes::Mapped {
                map,
                at,
                released,
                asked,
            } => {
                *at = at.saturating_add(count);
                if at.saturating_add(AHEAD / 2) > *asked && *asked < map.0.len() {
                    let len = AHEAD.min(map.0.len().saturating_sub(*asked));
                    // Advice: failing (a kernel before 5.14) costs speed only.
                    let _ = map.0.advise_range(Advice::PopulateRead, *asked, len);
                    *asked = asked.saturating_add(len);
                }
                if at.saturating_sub(*released) > BEHIND {
                    let len = at.saturating_sub(*released).saturating_sub(BEHIND / 2);
                    // SAFETY: the map is a private read-only view of a file; pages given up are read from the file
                    // again on the next access, with the same content.
                    let _ = unsafe {
                        map.0
                            .unchecked_advise_range(UncheckedAdvice::DontNeed, *released, len)
                    };
                    *released = released.saturating_add(len);
                }
            }
            Bytes::Stream { start, .. } => *start = start.saturating_add(count),
        }
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
}

/// Asks for the cache lines of what stands at `at`, before it is wanted: waiting for memory then happens beside other work.
#[inline]
pub(super) fn foresee(bytes: &[u8], at: usize, len: usize) {
    let wanted = at.checked_add(len).and_then(|end| bytes.get(at..end));
    for line in wanted.unwrap_or_default().chunks(CACHE_LINE) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: it is a hint that reads nothing into the program, and the address is one of `bytes`.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

/// Moves what is left to the buffer's front; doubles the buffer when it is full of what is needed.
fn make_room(buffer: &mut Vec<u8>, start: &mut usize, end: &mut usize) {
    if *start > 0 {
        buffer.copy_within(*start..*end, 0);
        *end = end.saturating_sub(*start);
        *start = 0;
    }
    if *end == buffer.len() {
        buffer.resize(buffer.len().saturating_mul(2).clamp(START, BUFFER), 0);
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
        let mut window = Window::stream(Box::new(Trickle(10_000)));
        assert_eq!(window.fill(usize::MAX), 10_000);
        let super::Bytes::Stream { buffer, .. } = &window.bytes else {
            unreachable!()
        };
        assert_eq!(buffer.len(), START);
    }

    #[test]
    fn a_stream_passes_through_a_bounded_buffer() {
        let mut window = Window::stream(Box::new(Trickle(20_000_000)));
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
        let super::Bytes::Stream { buffer, .. } = &window.bytes else {
            unreachable!()
        };
        assert!(buffer.len() <= BUFFER);
        assert_eq!(
            Window::stream(Box::new(Trickle(5_000_000))).skip(6_000_000),
            5_000_000
        );
    }
}
