//! The three packet blocks: enhanced, simple, and the obsolete one.

use super::options::Options;
use super::{PACKET, PcapngFormat, SIMPLE_PACKET};
use crate::capture::pcapng_writer::{CONTROL_MARK, ENTERPRISE_NUMBER, MAX_FRAME, OPT_CUSTOM_TEXT};
use crate::capture::reader::Record;
use crate::capture::summary::Notes;

/// `epb_dropcount`.
const OPT_DROP_COUNT: u16 = 4;

/// Where the things of a packet stand in its block.
struct Layout {
    interface: u32,
    /// The two words of its time.
    time: Option<(u32, u32)>,
    captured: u32,
    original: u32,
    data: usize,
    /// Packets lost before this one, as the block itself says.
    lost: u64,
}

impl PcapngFormat {
    /// A packet that has been counted already. `block` goes from its type to before its closing length.
    pub(super) fn packet(
        &mut self,
        kind: u32,
        block: &[u8],
        notes: &mut Notes,
    ) -> Result<Record, String> {
        let number = self.number;
        let layout = match kind {
            SIMPLE_PACKET => self.simple(block),
            PACKET => self.obsolete(block),
            _ => self.enhanced(block),
        };
        let layout = layout.ok_or_else(|| format!("packet {number}'s block is too short"))?;
        let place = usize::try_from(layout.interface).unwrap_or(usize::MAX);
        let Some(interface) = self.interfaces.get_mut(place) else {
            let place = layout.interface;
            return Err(format!(
                "packet {number} names interface {place}, which was not described; it is skipped"
            ));
        };
        let len = usize::try_from(layout.captured).unwrap_or(usize::MAX);
        let room = block.len().saturating_sub(layout.data);
        if len > room {
            return Err(format!(
                "packet {number} claims {len} bytes and its block holds {room}; it is skipped"
            ));
        }
        if len > MAX_FRAME {
            return Err(format!(
                "packet {number} claims {len} bytes, more than any packet has; it is skipped"
            ));
        }
        let mut lost = layout.lost;
        let mut control = false;
        if kind != SIMPLE_PACKET {
            let options = layout.data.saturating_add(len.wrapping_add(3) & !3);
            for (code, value) in Options::of(self.order, block, options) {
                match code {
                    OPT_DROP_COUNT if kind != PACKET => {
                        lost = self.order.u64(value, 0).unwrap_or(lost)
                    }
                    OPT_CUSTOM_TEXT => control |= is_control(value),
                    _ => {}
                }
            }
        }
        interface.counted = interface.counted.saturating_add(lost);
        match layout.time {
            Some((high, low)) => self.time = interface.clock.time(high, low),
            None => notes.untimed = notes.untimed.saturating_add(1),
        }
        Ok(Record {
            number,
            interface: interface.number,
            link_type: interface.link_type,
            time: self.time,
            at: layout.data,
            len,
            original_len: layout.original.max(layout.captured),
            control,
            advance: 0,
        })
    }

    fn enhanced(&self, block: &[u8]) -> Option<Layout> {
        let word = |at| self.order.u32(block, at);
        Some(Layout {
            interface: word(8)?,
            time: Some((word(12)?, word(16)?)),
            captured: word(20)?,
            original: word(24)?,
            data: 28,
            lost: 0,
        })
    }

    fn obsolete(&self, block: &[u8]) -> Option<Layout> {
        let word = |at| self.order.u32(block, at);
        // 0xFFFF: not known (appendix of the draft).
        let lost = self
            .order
            .u16(block, 10)
            .filter(|lost| *lost != u16::MAX)
            .unwrap_or(0);
        Some(Layout {
            interface: u32::from(self.order.u16(block, 8)?),
            time: Some((word(12)?, word(16)?)),
            captured: word(20)?,
            original: word(24)?,
            data: 28,
            lost: u64::from(lost),
        })
    }

    /// A simple packet is of the section's first interface; how much of it is there follows from the snap
    /// length and the block.
    fn simple(&self, block: &[u8]) -> Option<Layout> {
        let original = self.order.u32(block, 8)?;
        let snaplen = self
            .interfaces
            .first()
            .map_or(0, |interface| interface.snaplen);
        let captured = if snaplen == 0 {
            original
        } else {
            original.min(snaplen)
        };
        let room = u32::try_from(block.len().saturating_sub(12)).ok()?;
        Some(Layout {
            interface: 0,
            time: None,
            captured: captured.min(room),
            original,
            data: 12,
            lost: 0,
        })
    }
}

/// The enterprise number may have been left in the byte order of whoever wrote the file first.
fn is_control(value: &[u8]) -> bool {
    let (number, text) = value.split_at_checked(4).unwrap_or_default();
    (number == ENTERPRISE_NUMBER.to_le_bytes() || number == ENTERPRISE_NUMBER.to_be_bytes())
        && text == CONTROL_MARK.as_bytes()
}
