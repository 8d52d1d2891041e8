//! The pcap file format: microseconds, nanoseconds and the modified record header, either byte order.
//!
//! A record whose length cannot be true ends the reading: the format has nothing to find the next one by.
//!
//! Source: draft-ietf-opsawg-pcap; libpcap's `sf-pcap.c` for the old versions with swapped lengths.

use super::bytes::ByteOrder;
use super::open_error::{OpenErrorKind, Refusal};
use super::pcapng_writer::MAX_FRAME;
use super::reader::Record;
use super::recognise::{PCAP_MAGICS, PCAP_MODIFIED, PCAP_NANOSECONDS};
use super::summary::{Interface, Notes};
use super::window::Window;
use crate::base::{Foreign, Timestamp};

/// Bytes of the file's header.
pub(super) const FILE_HEADER: usize = 24;

pub(super) struct PcapFormat {
    order: ByteOrder,
    /// The file's header, to know it when files were put one after the other.
    header: [u8; FILE_HEADER],
    link_type: u16,
    /// Nanoseconds per unit of a record's second time word.
    unit: i64,
    record_header: usize,
    lengths: Lengths,
    number: u64,
    stopped: bool,
}

/// Which of a record's two lengths comes first (libpcap: files before version 2.4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    /// Version 2.3: the captured one is the smaller one.
    Unsure,
}

impl PcapFormat {
    /// Reads the file header; the window stands behind it then.
    pub(super) fn open(window: &mut Window, notes: &mut Notes) -> Result<PcapFormat, Refusal> {
        let header: [u8; FILE_HEADER] = window
            .bytes()
            .get(..FILE_HEADER)
            .and_then(|header| header.try_into().ok())
            .ok_or_else(|| {
                (
                    OpenErrorKind::HeaderCut,
                    "is cut off in its header".to_string(),
                )
            })?;
        let order = if ByteOrder::Little
            .u32(&header, 0)
            .is_some_and(|magic| PCAP_MAGICS.contains(&magic))
        {
            ByteOrder::Little
        } else {
            ByteOrder::Big
        };
        let word = |at| order.u32(&header, at).unwrap_or_default();
        let half = |at| order.u16(&header, at).unwrap_or_default();
        let (major, minor) = (half(4), half(6));
        let lengths = match (major, minor) {
            (0 | 1, _) => {
                let what = format!(
                    "is pcap of version {major}.{minor}, which mxray does not read (it reads 2.x): convert it with \
                     `editcap -F pcapng IN OUT`"
                );
                return Err((OpenErrorKind::Unsupported, what));
            }
            (2, 0..=2) | (543, _) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Unsure,
            _ => Lengths::CapturedFirst,
        };
        // The upper half of the last word: length of the frame check sequence, reserved bits.
        let link_type = (word(20) & 0xFFFF) as u16;
        notes.interface(
            0,
            Interface {
                name: Foreign::default(),
                link_type,
                snaplen: word(16),
            },
        );
        window.advance(FILE_HEADER);
        Ok(PcapFormat {
            order,
            header,
            link_type,
            unit: if word(0) == PCAP_NANOSECONDS { 1 } else { 1000 },
            record_header: if word(0) == PCAP_MODIFIED { 24 } else { 16 },
            lengths,
            number: 0,
            stopped: false,
        })
    }

    pub(super) fn next(&mut self, window: &mut Window, notes: &mut Notes) -> Option<Record> {
        if self.stopped {
            return None;
        }
        if let Some(record) = self.ordinary(window.bytes()) {
            self.number = record.number;
            return Some(record);
        }
        self.pass_joint(window);
        let number = self.number.saturating_add(1);
        let here = window.fill(self.record_header);
        if here < self.record_header {
            self.stopped = true;
            if here > 0 || window.failure().is_some() {
                let at = window.position().saturating_add(here as u64);
                let why = ended(window);
                let need = self.record_header;
                notes.damaged(at, || match here {
                    0 => format!("{why} at byte {at}, after packet {}", self.number),
                    _ => format!("{why} at byte {at}: of the {need} bytes before packet {number} there are {here}"),
                });
            }
            return None;
        }
        let bytes = window.bytes();
        let seconds = self.order.u32(bytes, 0)?;
        let fraction = self.order.u32(bytes, 4)?;
        let (first, second) = (self.order.u32(bytes, 8)?, self.order.u32(bytes, 12)?);
        let (captured, original) = match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::OriginalFirst => (second, first),
            Lengths::Unsure => (first.min(second), first.max(second)),
        };
        let len = usize::try_from(captured).unwrap_or(usize::MAX);
        if len > MAX_FRAME {
            self.stopped = true;
            let at = window.position();
            notes.damaged(at, || {
                format!(
                    "damaged at byte {at}: packet {number} claims {captured} bytes, more than any packet has \
                     ({MAX_FRAME}); what follows cannot be read"
                )
            });
            return None;
        }
        let advance = self.record_header.saturating_add(len);
        let here = window.fill(advance);
        if here < advance {
            self.stopped = true;
            let at = window.position().saturating_add(here as u64);
            let why = ended(window);
            let there = here.saturating_sub(self.record_header);
            notes.damaged(at, || {
                format!("{why} at byte {at}: of packet {number}'s {len} bytes there are {there}")
            });
            return None;
        }
        self.number = number;
        Some(self.record((seconds, fraction), (captured, original), len, advance))
    }

    /// The next record, when all of it is here and nothing of it is out of the ordinary: nearly every one.
    #[inline]
    fn ordinary(&self, bytes: &[u8]) -> Option<Record> {
        let header = bytes.first_chunk::<16>()?;
        if self.lengths != Lengths::CapturedFirst
            || self.record_header != header.len()
            || header.first_chunk::<8>() == self.header.first_chunk::<8>()
        {
            return None;
        }
        let word = |at| self.order.u32(header, at);
        let (captured, original) = (word(8)?, word(12)?);
        let len = usize::try_from(captured).ok()?;
        let advance = header.len().saturating_add(len);
        if len > MAX_FRAME || bytes.len() < advance {
            return None;
        }
        let number = self.number.saturating_add(1);
        Some(Record {
            number,
            ..self.record((word(0)?, word(4)?), (captured, original), len, advance)
        })
    }

    /// The record of this number.
    fn record(
        &self,
        (seconds, fraction): (u32, u32),
        (captured, original): (u32, u32),
        len: usize,
        advance: usize,
    ) -> Record {
        let time = i64::from(seconds).saturating_mul(1_000_000_000);
        Record {
            number: self.number,
            interface: 0,
            link_type: self.link_type,
            time: Timestamp(time.saturating_add(i64::from(fraction).saturating_mul(self.unit))),
            at: self.record_header,
            len,
            original_len: original.max(captured),
            control: false,
            advance,
        }
    }

    /// Passes over a second file header of the same kind: files were put one after the other (`zcat a b`).
    /// As a record it would be one of the year 2055 without a byte, so nothing true is lost.
    fn pass_joint(&mut self, window: &mut Window) {
        while window.fill(8) == 8 && window.bytes().get(..8) == self.header.get(..8) {
            let same = window.fill(FILE_HEADER) == FILE_HEADER
                && window.bytes().get(20..FILE_HEADER) == self.header.get(20..FILE_HEADER);
            if !same {
                break;
            }
            window.advance(FILE_HEADER);
        }
    }
}

/// How an input ended that should have gone on.
pub(super) fn ended(window: &Window) -> String {
    match window.failure() {
        Some(error) => format!("ends early ({error})"),
        None => "is cut off".to_string(),
    }
}
