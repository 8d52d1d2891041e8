//! What is left of a frame: the captured bytes, how many there were on the wire, and where we are.
//!
//! Every layer takes a `Rest`, reads its header and hands on a smaller one. Because captured and
//! wire length travel together, "cut by the snap length" and "claims more than it has" fall out of
//! one comparison and no layer decides it on its own. It refuses to know any protocol.

/// The part of a frame that is not read yet. Invariant: `wire >= bytes.len()`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a> {
    /// Captured bytes.
    pub bytes: &'a [u8],
    /// How many bytes there were on the wire.
    pub wire: usize,
    /// Offset of `bytes` in the frame.
    pub offset: usize,
}

impl<'a> Rest<'a> {
    /// A whole frame. An original length below the captured one is a lie of the capturing program.
    pub fn frame(bytes: &'a [u8], original_len: u32) -> Rest<'a> {
        let original = usize::try_from(original_len).unwrap_or(usize::MAX);
        Rest {
            bytes,
            wire: original.max(bytes.len()),
            offset: 0,
        }
    }

    /// Without the first `count` bytes.
    #[inline]
    pub fn skip(self, count: usize) -> Rest<'a> {
        Rest {
            bytes: self.bytes.get(count..).unwrap_or(&[]),
            wire: self.wire.saturating_sub(count),
            offset: self.offset.saturating_add(count),
        }
    }

    /// Ends after `len` bytes of the wire: what follows is padding or a trailer.
    #[inline]
    pub fn limit(self, len: usize) -> Rest<'a> {
        Rest {
            bytes: self.bytes.get(..len).unwrap_or(self.bytes),
            wire: self.wire.min(len),
            offset: self.offset,
        }
    }

    /// `N` bytes at `at`, if captured.
    #[inline]
    pub fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk::<N>().copied()
    }

    /// The byte at `at`.
    #[inline]
    pub fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Big-endian 16 bits at `at`.
    #[inline]
    pub fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// Big-endian 32 bits at `at`.
    #[inline]
    pub fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// Whether an IPv4 or IPv6 header stands here whose lengths agree with what is there. For
    /// places where nothing else says that it is IP: after MPLS labels, behind a UDP port number.
    pub fn looks_like_ip(self) -> bool {
        match self.u8(0).map(|byte| byte >> 4) {
            Some(4) => {
                let header = usize::from(self.u8(0).unwrap_or(0) & 15).saturating_mul(4);
                let total = usize::from(self.u16(2).unwrap_or(0));
                let fits = total == 0 || (total >= header && total <= self.wire);
                header >= 20 && self.bytes.len() >= 20 && fits
            }
            Some(6) => {
                let payload = usize::from(self.u16(4).unwrap_or(0));
                self.bytes.len() >= 40 && payload.saturating_add(40) <= self.wire
            }
            _ => false,
        }
    }

    /// Whether an Ethernet frame stands here that carries IP or ARP, under up to two VLAN tags.
    pub fn looks_like_ethernet(self) -> bool {
        let mut at = 12;
        for _ in 0..3 {
            match self.u16(at) {
                Some(0x0800 | 0x86dd) => return self.skip(at.saturating_add(2)).looks_like_ip(),
                Some(0x0806) => return self.u32(at.saturating_add(2)) == Some(0x0001_0800),
                Some(0x8100 | 0x88a8 | 0x9100) => at = at.saturating_add(4),
                _ => return false,
            }
        }
        false
    }
}
