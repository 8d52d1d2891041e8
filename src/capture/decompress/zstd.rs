//! zstd (RFC 8878): frames one after the other, decoded block by block.
//!
//! The decoder is handed exactly as much as it asks for, so that a damaged block costs that block and
//! nothing before it. Windows above 128 MiB (`zstd --long=28` and more) are refused.

use std::io::{self, BufRead, Read};

use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, get_error_name};

use super::{cut, damaged};

pub(super) struct Zstd<R> {
    input: R,
    decoder: DCtx<'static>,
    /// How many bytes the decoder wants next: 0 between frames.
    wanted: usize,
    /// The last call filled its output: there may be more without any input.
    more: bool,
    ended: bool,
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(input: R) -> io::Result<Zstd<R>> {
        let decoder =
            DCtx::try_create().ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Zstd {
            input,
            decoder,
            wanted: 0,
            more: false,
            ended: false,
        })
    }

    fn step(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let input = self.input.fill_buf()?;
        if input.is_empty() && !self.more {
            self.ended = true;
            return if self.wanted == 0 {
                Ok(0)
            } else {
                Err(cut("the zstd stream is cut off"))
            };
        }
        // Between frames 5 bytes are what a header needs at the least.
        let wanted = if self.wanted == 0 { 5 } else { self.wanted };
        let mut source = InBuffer::around(input.get(..wanted).unwrap_or(input));
        let room = out.len();
        let mut target = OutBuffer::around(out);
        let result = self.decoder.decompress_stream(&mut target, &mut source);
        let (taken, given) = (source.pos(), target.pos());
        self.input.consume(taken);
        match result {
            Ok(wanted) => {
                let stuck = taken == 0 && given == 0 && !self.more;
                self.wanted = wanted;
                self.more = given == room && wanted != 0;
                if stuck {
                    Err(damaged("the zstd stream is damaged"))
                } else {
                    Ok(given)
                }
            }
            Err(code) => {
                self.ended = true;
                Err(damaged(&format!(
                    "the zstd stream is damaged ({})",
                    get_error_name(code)
                )))
            }
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !out.is_empty() && !self.ended {
            match self.step(out)? {
                0 => {}
                given => return Ok(given),
            }
        }
        Ok(0)
    }
}
