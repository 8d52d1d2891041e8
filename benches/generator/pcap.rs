//! Classic pcap with microseconds: what every tool that is compared with reads.
//!
//! Source: draft-ietf-opsawg-pcap.

use std::io::{self, Write};

use super::Micros;

/// A frame that says nothing: an IEEE 802 local experimental ethertype.
pub const NOTHING: [u8; 60] = {
    let mut data = [0; 60];
    let head = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xB5];
    let mut at = 0;
    while at < head.len() {
        data[at] = head[at];
        at += 1;
    }
    data
};

/// A file in the making.
pub struct Writer<W: Write> {
    out: W,
    last: Micros,
    frames: u64,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the header: little-endian, version 2.4, snap length 262,144, Ethernet.
    pub fn new(mut out: W, begin: Micros) -> io::Result<Writer<W>> {
        let mut header = Vec::with_capacity(24);
        for word in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            header.extend_from_slice(&word.to_le_bytes());
        }
        out.write_all(&header)?;
        Ok(Writer {
            out,
            last: begin,
            frames: 0,
            bytes: 24,
        })
    }

    /// Writes a frame.
    pub fn frame(&mut self, time: Micros, data: &[u8], original_len: u32) -> io::Result<()> {
        let mut header = [0; 16];
        let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
        for (place, word) in header.chunks_exact_mut(4).zip([
            seconds as u32,
            micros as u32,
            data.len() as u32,
            original_len.max(data.len() as u32),
        ]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.out.write_all(&header)?;
        self.out.write_all(data)?;
        self.last = self.last.max(time);
        self.frames += 1;
        self.bytes += 16 + data.len() as u64;
        Ok(())
    }

    /// A frame that says nothing, long after the others.
    pub fn last_frame(&mut self, silence: Micros) -> io::Result<()> {
        self.frame(self.last + silence, &NOTHING, 60)
    }

    /// How many frames and bytes were written.
    pub fn finish(mut self) -> io::Result<(u64, u64)> {
        self.out.flush()?;
        Ok((self.frames, self.bytes))
    }
}
