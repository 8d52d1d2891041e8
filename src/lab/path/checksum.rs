//! The checksum of IP, TCP, UDP and ICMP headers, computed anew for what the lab's path changed.

/// The Internet checksum (RFC 1071).
#[derive(Default)]
pub struct Checksum(u32);

impl Checksum {
    /// Adds bytes; all but the last addition must be of even length.
    pub fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks(2) {
            let high = pair.first().copied().unwrap_or(0);
            let low = pair.get(1).copied().unwrap_or(0);
            self.0 = self
                .0
                .wrapping_add(u32::from(u16::from_be_bytes([high, low])));
        }
    }

    /// The sum, as it stands in a header.
    pub fn finish(mut self) -> u16 {
        while self.0 >> 16 != 0 {
            self.0 = (self.0 & 0xffff) + (self.0 >> 16);
        }
        !(self.0 as u16)
    }
}
