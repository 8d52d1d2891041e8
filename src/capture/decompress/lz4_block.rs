//! The beginning of an LZ4 block that was cut off.
//!
//! The frame decoder takes a block whole or not at all, and a small capture is one block: without this a file cut off within it
//! would give nothing. A block is a row of sequences, each some literals and a copy of what came before (LZ4 block format), so
//! everything before the cut can be decoded. It watches the frame's bytes go by, keeps those of the block that is being read,
//! and refuses to judge them: what is damaged is the frame decoder's business.

use lz4_flex::block::decompress_into_with_dict;

/// The frame's magic number, as it stands in the file.
const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
/// Magic number, FLG and BD, which say how long the header is.
const HEADER_START: usize = 6;
/// How far back a copy may reach.
const WINDOW: usize = 65_536;

/// Where the watched bytes are.
#[derive(Clone, Copy)]
enum Place {
    Header,
    /// The four bytes before a block.
    Size,
    /// In a block with so many bytes to come; compressed or not.
    Data(usize, bool),
    /// In a checksum behind a block, with so many bytes to come.
    Checksum(usize),
    /// Behind the last block, or in something else than such a frame.
    Over,
}

/// Follows one frame.
pub(super) struct Blocks {
    place: Place,
    /// Header, size or block, as far as it was read.
    kept: Vec<u8>,
    checksums: bool,
    /// Blocks may copy from the ones before.
    linked: bool,
    longest: usize,
    /// The last bytes that came out, where blocks need them.
    window: Vec<u8>,
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        Blocks {
            place: Place::Header,
            kept: Vec::new(),
            checksums: false,
            linked: false,
            longest: 0,
            window: Vec::new(),
        }
    }

    /// Bytes of the frame, in order.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let wanted = match self.place {
                Place::Header => self.header_length().saturating_sub(self.kept.len()),
                Place::Size => 4_usize.saturating_sub(self.kept.len()),
                Place::Data(left, _) | Place::Checksum(left) => left,
                Place::Over => return,
            };
            let Some((now, later)) = rest.split_at_checked(wanted.min(rest.len())) else {
                return;
            };
            rest = later;
            if !matches!(self.place, Place::Checksum(_)) {
                self.kept.extend_from_slice(now);
            }
            self.advance(now.len());
        }
    }

    /// Bytes that the decoder gave out.
    pub(super) fn gave(&mut self, bytes: &[u8]) {
        if !self.linked {
            return;
        }
        self.window.extend_from_slice(bytes);
        if self.window.len() > 4 * WINDOW {
            self.window
                .drain(..self.window.len().saturating_sub(WINDOW));
        }
    }

    /// What the block that is being read holds as far as it came.
    pub(super) fn beginning(&self) -> Vec<u8> {
        match self.place {
            Place::Data(_, false) => self.kept.clone(),
            Place::Data(_, true) => {
                let mut out = vec![0; self.longest];
                let start = self.window.len().saturating_sub(WINDOW);
                let window = self.window.get(start..).unwrap_or_default();
                let given = decompress_into_with_dict(&ended(&self.kept), &mut out, window);
                out.truncate(given.unwrap_or(0));
                out
            }
            Place::Header | Place::Size | Place::Checksum(_) | Place::Over => Vec::new(),
        }
    }

    /// Length of the header as far as it is known: content size and dictionary are optional, a checksum ends it.
    fn header_length(&self) -> usize {
        let flags = self.kept.get(4).copied().unwrap_or(0);
        if self.kept.len() < HEADER_START {
            return HEADER_START;
        }
        let size = if flags & 0x08 != 0 { 8 } else { 0 };
        let dictionary = if flags & 0x01 != 0 { 4 } else { 0 };
        HEADER_START + size + dictionary + 1
    }

    /// `count` bytes of the present part were read.
    fn advance(&mut self, count: usize) {
        self.place = match self.place {
            Place::Header if self.kept.len() < self.header_length() => Place::Header,
            Place::Header => self.header(),
            Place::Size if self.kept.len() < 4 => Place::Size,
            Place::Size => self.size(),
            Place::Data(left, packed) if left > count => Place::Data(left - count, packed),
            Place::Data(..) => {
                self.kept.clear();
                if self.checksums {
                    Place::Checksum(4)
                } else {
                    Place::Size
                }
            }
            Place::Checksum(left) if left > count => Place::Checksum(left - count),
            Place::Checksum(_) => Place::Size,
            Place::Over => Place::Over,
        };
    }

    fn header(&mut self) -> Place {
        let (flags, limits) = match self.kept.as_slice() {
            [a, b, c, d, flags, limits, ..] if [*a, *b, *c, *d] == MAGIC => (*flags, *limits),
            _ => return Place::Over,
        };
        self.linked = flags & 0x20 == 0;
        self.checksums = flags & 0x10 != 0;
        // 4 to 7: 64 KiB, 256 KiB, 1 MiB, 4 MiB.
        let step = u32::from(limits >> 4 & 7);
        if step < 4 {
            return Place::Over;
        }
        self.longest = 1_usize << (8 + 2 * step);
        self.kept.clear();
        Place::Size
    }

    fn size(&mut self) -> Place {
        let size = self
            .kept
            .first_chunk::<4>()
            .map_or(0, |size| u32::from_le_bytes(*size));
        self.kept.clear();
        let length = usize::try_from(size & 0x7FFF_FFFF).unwrap_or(usize::MAX);
        if length == 0 || length > self.longest {
            return Place::Over;
        }
        Place::Data(length, size & 0x8000_0000 == 0)
    }
}

/// A block that was cut off, ended as a whole one ends: by a sequence of literals without a copy.
fn ended(block: &[u8]) -> Vec<u8> {
    let mut start = 0_usize;
    let literals = loop {
        match sequence(block, start) {
            Ok(next) => start = next,
            Err(literals) => break literals,
        }
    };
    let mut whole = block.get(..start).unwrap_or_default().to_vec();
    if literals.len() < 15 {
        whole.push((literals.len() as u8) << 4);
    } else {
        whole.push(0xF0);
        let mut more = literals.len() - 15;
        while more >= 255 {
            whole.push(255);
            more -= 255;
        }
        whole.push(more as u8);
    }
    whole.extend_from_slice(literals);
    whole
}

/// Where the sequence behind the one at `start` begins; of one that is cut off, its literals as far as they came.
fn sequence(block: &[u8], start: usize) -> Result<usize, &[u8]> {
    let none: &[u8] = &[];
    let rest = block.get(start..).unwrap_or_default();
    let (&token, rest) = rest.split_first().ok_or(none)?;
    let (count, rest) = length(token >> 4, rest).ok_or(none)?;
    let Some((literals, rest)) = rest.split_at_checked(count) else {
        return Err(rest);
    };
    let (_, rest) = rest.split_first_chunk::<2>().ok_or(literals)?;
    let (_, rest) = length(token & 0x0F, rest).ok_or(literals)?;
    Ok(block.len().saturating_sub(rest.len()))
}

/// A length of four bits, and the bytes that go on with it.
fn length(nibble: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    let mut total = usize::from(nibble);
    let mut rest = rest;
    if nibble == 15 {
        loop {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            total = total.saturating_add(usize::from(byte));
            if byte != 255 {
                break;
            }
        }
    }
    Some((total, rest))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    use super::super::lz4::Lz4;

    fn text() -> Vec<u8> {
        let mut state = 7_u32;
        let mut out = Vec::new();
        while out.len() < 150_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Long runs, long and short literals, repeats from far away.
            match state >> 29 {
                0 => out.extend(vec![b'x'; (state >> 16 & 0x3FF) as usize]),
                1 => out.extend((0..40).map(|i| (state >> (i % 24)) as u8 ^ i as u8)),
                _ => out.extend_from_slice(
                    format!("RCPT TO:<user{}@example.net>\r\n", state >> 24).as_bytes(),
                ),
            }
        }
        out
    }

    #[test]
    fn a_cut_block_gives_what_stands_before_the_cut() {
        let bytes = text();
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for size in [BlockSize::Max64KB, BlockSize::Max256KB] {
                for checksums in [false, true] {
                    let info = FrameInfo::new()
                        .block_mode(mode)
                        .block_size(size)
                        .block_checksums(checksums);
                    let mut packed = FrameEncoder::with_frame_info(info, Vec::new());
                    packed.write_all(&bytes).unwrap();
                    let packed = packed.finish().unwrap();
                    let mut before = 0;
                    for at in (16..packed.len() - 4).step_by(97) {
                        let mut out = Vec::new();
                        let error = Lz4::new(&packed[..at]).read_to_end(&mut out).unwrap_err();
                        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
                        assert!(bytes.starts_with(&out), "cut at {at}");
                        assert!(
                            out.len() >= before,
                            "cut at {at}: {} after {before}",
                            out.len()
                        );
                        before = out.len();
                    }
                    assert!(before + 4_000 > bytes.len(), "{before} of {}", bytes.len());
                }
            }
        }
    }
}
