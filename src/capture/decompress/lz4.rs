//! LZ4 frames, one after the other, decoded by `lz4_flex`.
//!
//! Every frame gets a decoder of its own, as block sizes may differ between frames, and an end of the
//! input inside a frame is told apart from a frame's own end.

use std::io::{self, BufRead, Read};

use lz4_flex::frame::FrameDecoder;

use super::{cut, damaged};

pub(super) struct Lz4<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    /// Between two frames.
    Between(R),
    Frame(Box<FrameDecoder<Watched<R>>>),
    End,
}

/// The input of one frame; notes when it ran dry.
struct Watched<R> {
    input: R,
    dry: bool,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.dry |= read == 0 && !out.is_empty();
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
                State::Between(mut input) => {
                    if input.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    self.state =
                        State::Frame(Box::new(FrameDecoder::new(Watched { input, dry: false })));
                }
                State::Frame(mut decoder) => match decoder.read(out) {
                    Ok(0) if decoder.get_ref().dry => return Err(cut("the LZ4 stream is cut off")),
                    Ok(0) => self.state = State::Between(decoder.into_inner().input),
                    Ok(given) => {
                        self.state = State::Frame(decoder);
                        return Ok(given);
                    }
                    Err(_) if decoder.get_ref().dry => {
                        return Err(cut("the LZ4 stream is cut off"));
                    }
                    Err(error) => {
                        return Err(damaged(&format!("the LZ4 stream is damaged ({error})")));
                    }
                },
            }
        }
    }
}
