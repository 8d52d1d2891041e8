//! gzip (RFC 1952): members one after the other, inflated by `flate2`.
//!
//! Written out rather than taken from `flate2::read`, because that one loses what it inflated in the call
//! in which a damage shows.

use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{cut, damaged};

pub(super) struct Gzip<R> {
    input: R,
    inflate: Decompress,
    check: Crc,
    state: State,
    /// An error that is told after the bytes before it were given.
    error: Option<io::Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Body,
    End,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(input: R) -> Gzip<R> {
        Gzip {
            input,
            inflate: Decompress::new(false),
            check: Crc::new(),
            state: State::Header,
            error: None,
        }
    }

    /// One member's header (RFC 1952 2.3). Nothing, or nothing but zeros as tape blocks pad, is the end.
    fn header(&mut self) -> io::Result<State> {
        loop {
            match self.input.fill_buf()?.first() {
                None => return Ok(State::End),
                Some(0) => self.input.consume(1),
                Some(_) => break,
            }
        }
        let mut fixed = [0u8; 10];
        self.exact(&mut fixed)?;
        let [0x1F, 0x8B, 8, flags, ..] = fixed else {
            return Err(damaged("what follows in the gzip stream is no gzip"));
        };
        if flags & 4 != 0 {
            let mut len = [0u8; 2];
            self.exact(&mut len)?;
            self.pass(u64::from(u16::from_le_bytes(len)))?;
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                self.pass_text()?;
            }
        }
        if flags & 2 != 0 {
            self.pass(2)?;
        }
        self.inflate.reset(false);
        self.check = Crc::new();
        Ok(State::Body)
    }

    /// CRC32 and length at a member's end.
    fn trailer(&mut self) -> io::Result<()> {
        let mut trailer = [0u8; 8];
        self.exact(&mut trailer)?;
        let [a, b, c, d, e, f, g, h] = trailer;
        let (sum, amount) = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        if sum != self.check.sum() || amount != self.check.amount() {
            return Err(damaged("the gzip stream's checksum is wrong"));
        }
        Ok(())
    }

    fn exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.input
            .read_exact(into)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => cut("the gzip stream is cut off"),
                _ => error,
            })
    }

    fn pass(&mut self, len: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.input.by_ref().take(len), &mut io::sink())?;
        if passed < len {
            Err(cut("the gzip stream is cut off"))
        } else {
            Ok(())
        }
    }

    /// A text that ends with a zero byte: file name, comment.
    fn pass_text(&mut self) -> io::Result<()> {
        self.input.skip_until(0).map(|_| ())
    }

    fn body(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let input = self.input.fill_buf()?;
        if input.is_empty() {
            return Err(cut("the gzip stream is cut off"));
        }
        let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, out, FlushDecompress::None);
        let taken = self.inflate.total_in().wrapping_sub(taken) as usize;
        let given = self.inflate.total_out().wrapping_sub(given) as usize;
        self.input.consume(taken);
        self.check.update(out.get(..given).unwrap_or_default());
        match status {
            Ok(Status::StreamEnd) => {
                self.state = State::Header;
                self.error = self.trailer().err();
            }
            Ok(_) if taken == 0 && given == 0 && !out.is_empty() => {
                self.error = Some(damaged("the gzip stream is damaged"));
            }
            Ok(_) => {}
            Err(_) => self.error = Some(damaged("the gzip stream is damaged")),
        }
        Ok(given)
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(error) = self.error.take() {
                self.state = State::End;
                return Err(error);
            }
            match self.state {
                State::Header => self.state = self.header()?,
                State::Body => match self.body(out)? {
                    0 => {}
                    given => return Ok(given),
                },
                State::End => return Ok(0),
            }
        }
    }
}
