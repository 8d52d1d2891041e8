//! Text in the making, for a serialiser that writes a piece at a time.
//!
//! JSON is made of very many pieces, most of them short and of a length that is known when this is compiled: keys, quotes, commas. A plain
//! vector takes each as a copy of unknown length through a call; here the room is there beforehand and such a piece is a store or two.
//! Memory only: nothing can fail.

use std::io::{self, Write};
use std::ops::Deref;

/// Room at the least, once there is any.
const LEAST: usize = 4_096;

/// Bytes that were written.
#[derive(Default)]
pub(super) struct Buffer {
    /// Behind what was written it holds anything.
    room: Vec<u8>,
    written: usize,
}

impl Buffer {
    /// Forgets what was written and keeps the room.
    pub(super) fn clear(&mut self) {
        self.written = 0;
    }

    /// Appends one byte.
    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        self.piece(&[byte]);
    }

    /// Appends a piece of known length.
    #[inline(always)]
    pub(super) fn piece<const N: usize>(&mut self, piece: &[u8; N]) {
        let rest = self.room.get_mut(self.written..).unwrap_or_default();
        if let Some(place) = rest.first_chunk_mut::<N>() {
            *place = *piece;
            self.written += N;
        } else {
            self.extend(piece);
        }
    }

    /// Appends bytes.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.place(bytes.len()).copy_from_slice(bytes);
    }

    /// Room for that many bytes more, which count as written.
    #[inline(always)]
    pub(super) fn place(&mut self, length: usize) -> &mut [u8] {
        let end = self.written.saturating_add(length);
        if end > self.room.len() {
            self.grow(end);
        }
        let from = std::mem::replace(&mut self.written, end);
        self.room.get_mut(from..end).unwrap_or_default()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: usize) {
        // A long one by half only: what is never written to need not be there.
        let wanted = end.saturating_add(end / 2).max(LEAST);
        self.room.resize(wanted, 0);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.room.get(..self.written).unwrap_or_default()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
