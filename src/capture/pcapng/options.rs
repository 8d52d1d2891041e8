//! The options at the end of a block: code, length, value, padded to four bytes (draft 3.5).
//!
//! A list that breaks off gives what stands before; an option never makes a packet unreadable.

use crate::capture::bytes::ByteOrder;

pub(super) struct Options<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    /// The options in `block` from `at` on.
    pub(super) fn of(order: ByteOrder, block: &'a [u8], at: usize) -> Options<'a> {
        Options {
            order,
            rest: block.get(at..).unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let code = self.order.u16(self.rest, 0).filter(|code| *code != 0)?;
        let len = usize::from(self.order.u16(self.rest, 2)?);
        let value = self.rest.get(4..)?.get(..len)?;
        let padded = len.wrapping_add(3) & !3;
        self.rest = self.rest.get(4..)?.get(padded..).unwrap_or_default();
        Some((code, value))
    }
}
