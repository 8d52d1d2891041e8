//! LZ4 frames, one after the other, decoded by `lz4_flex`.
//!
//! Every frame gets a decoder of its own, as block sizes may differ between frames, and an end of the
//! input inside a frame is told apart from a frame's own end.

use std::io::{self, BufRead, Read};

use lz4_flex::frame::FrameDecoder;

use super::lz4_block::Blocks;
use super::{cut, damaged};

pub(super) struct Lz4<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    /// Between two frames.
    Between(R),
    Frame(Box<FrameDecoder<Watched<R>>>),
    /// The beginning of the block in which the input was cut off, and how much of it was given out.
    Cut(Vec<u8>, usize),
    End,
}

/// The input of one frame; notes when it ran dry, and in which block.
struct Watched<R> {
    input: R,
    dry: bool,
    blocks: Blocks,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.dry |= read == 0 && !out.is_empty();
        self.blocks.read(out.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<R: BufRead> Lz4<R> {
    pub(super) fn new(input: R) -> Lz4<R> {
        Lz4 {
            state: State::Between(input),
        }
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Cut(beginning, from) => {
                    let rest = beginning.get(from..).unwrap_or_default();
                    let given = rest.len().min(out.len());
                    let (Some(head), Some(room)) = (rest.get(..given), out.get_mut(..given)) else {
                        return Ok(0);
                    };
                    if given == 0 {
                        return Err(cut("the LZ4 stream is cut off"));
                    }
                    room.copy_from_slice(head);
                    self.state = State::Cut(beginning, from.saturating_add(given));
                    return Ok(given);
                }
                State::Between(mut input) => {
                    if input.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let watched = Watched {
                        input,
                        dry: false,
                        blocks: Blocks::new(),
                    };
                    self.state = State::Frame(Box::new(FrameDecoder::new(watched)));
                }
                State::Frame(mut decoder) => match decoder.read(out) {
                    Ok(0) | Err(_) if decoder.get_ref().dry => {
                        self.state = State::Cut(decoder.get_ref().blocks.beginning(), 0);
                    }
                    Ok(0) => self.state = State::Between(decoder.into_inner().input),
                    Ok(given) => {
                        let bytes = out.get(..given).unwrap_or_default();
                        decoder.get_mut().blocks.gave(bytes);
                        self.state = State::Frame(decoder);
                        return Ok(given);
                    }
                    Err(error) => {
                        return Err(damaged(&format!("the LZ4 stream is damaged ({error})")));
                    }
                },
            }
        }
    }
}
