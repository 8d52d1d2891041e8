//! The pcapng file format: sections, interfaces, the three packet blocks, statistics and key logs.
//!
//! A block that contradicts itself is skipped and said, since its length leads to the next one; where the
//! length is wrong too, the next block that is whole is looked for nearby. What is cut off ends the reading.
//!
//! Source: draft-ietf-opsawg-pcapng.

mod interface;
mod options;
mod packet;
mod resync;

use self::interface::SectionInterface;
use super::bytes::ByteOrder;
use super::open_error::{OpenErrorKind, Refusal};
use super::pcap_format::ended;
use super::pcapng_writer::{
    BYTE_ORDER_MAGIC, CUSTOM, DECRYPTION_SECRETS, ENHANCED_PACKET, ENTERPRISE_NUMBER,
    INTERFACE_DESCRIPTION, INTERFACE_STATISTICS, MEASURED_MARK, SECTION_HEADER, TLS_KEY_LOG,
};
use super::reader::Record;
use super::summary::Notes;
use super::window::{BUFFER, Window};
use crate::base::Timestamp;

/// The obsolete packet block.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const SYSTEMD_JOURNAL: u32 = 9;
const CUSTOM_NO_COPY: u32 = 0x4000_0BAD;

/// A block longer than this has a wrong length: Wireshark's own bound is the same.
const LONGEST_BLOCK: u32 = 128 << 20;

/// A custom block longer than this is not looked into.
const LONGEST_MEASURED: u32 = 65_536;

/// Measurements that are read of one input.
const MEASURED: usize = 4_096;

/// The bytes of a block that are not its body: type, length, and the length again.
const FRAMING: usize = 12;

pub(super) struct PcapngFormat {
    order: ByteOrder,
    interfaces: Vec<SectionInterface>,
    number: u64,
    /// The time of the latest packet, for those that have none of their own.
    time: Timestamp,
    stopped: bool,
    /// How many frames the file is said to have when all was captured until a moment, and that moment.
    watched: Option<(u64, Timestamp)>,
}

/// What the header of a block says.
struct Header {
    kind: u32,
    /// As written.
    len: u32,
    /// Rounded up to a multiple of four, as sloppy writers forget to.
    padded: u32,
}

impl PcapngFormat {
    /// Looks at the first section header; the window stays in front of it.
    pub(super) fn open(window: &mut Window) -> Result<PcapngFormat, Refusal> {
        let broken = |what: String| (OpenErrorKind::HeaderCut, what);
        let short = || broken("is cut off in its header".into());
        if window.fill(12) < 12 {
            return Err(short());
        }
        let order = byte_order(window.bytes(), 0).ok_or_else(|| {
            broken("is damaged in its header: it has no pcapng byte order mark".into())
        })?;
        let len = order.u32(window.bytes(), 4).unwrap_or_default();
        if len < 28 || len as usize > BUFFER {
            return Err(broken(format!(
                "is damaged in its header, which claims to be {len} bytes long"
            )));
        }
        if window.fill(len as usize) < len as usize {
            return Err(short());
        }
        if let Some(version) = unsupported(order, window.bytes()) {
            let what = format!(
                "is pcapng of version {version}, which mxray does not read (it reads 1.x): convert it with `editcap -F \
                 pcapng IN OUT` of a Wireshark that knows it"
            );
            return Err((OpenErrorKind::Unsupported, what));
        }
        Ok(PcapngFormat {
            order,
            interfaces: Vec::new(),
            number: 0,
            time: Timestamp(0),
            stopped: false,
            watched: None,
        })
    }

    pub(super) fn next(&mut self, window: &mut Window, notes: &mut Notes) -> Option<Record> {
        while !self.stopped {
            let Some(header) = self.header(window, notes) else {
                continue;
            };
            match header.kind {
                SECTION_HEADER
                | INTERFACE_DESCRIPTION
                | PACKET
                | SIMPLE_PACKET
                | INTERFACE_STATISTICS
                | ENHANCED_PACKET
                | DECRYPTION_SECRETS => {
                    if let Some(record) = self.block(&header, window, notes) {
                        return Some(record);
                    }
                }
                CUSTOM if header.len <= LONGEST_MEASURED => {
                    self.block(&header, window, notes);
                }
                _ => self.pass(&header, window, notes),
            }
        }
        None
    }

    /// Packets that this section's interfaces lost so far.
    pub(super) fn dropped(&self) -> u64 {
        self.interfaces
            .iter()
            .fold(0, |sum, interface| sum.saturating_add(interface.dropped()))
    }

    /// Until when mxray says that it watched, if the file is still as mxray wrote it.
    pub(super) fn watched(&self) -> Option<Timestamp> {
        self.watched
            .filter(|(frames, _)| *frames == self.number)
            .map(|(_, end)| end)
    }

    /// The next block's header, when it can be one. Else reading has stopped, or the window stands elsewhere.
    fn header(&mut self, window: &mut Window, notes: &mut Notes) -> Option<Header> {
        let here = window.fill(8);
        if here < 8 {
            self.stopped = true;
            if here > 0 || window.failure().is_some() {
                let at = window.position().saturating_add(here as u64);
                let (why, number) = (ended(window), self.number);
                notes.damaged(at, || format!("{why} at byte {at}, after packet {number}"));
            }
            return None;
        }
        let kind = self.order.u32(window.bytes(), 0)?;
        if kind == SECTION_HEADER {
            if window.fill(12) < 12 {
                self.cut(window, notes, "a section header");
                return None;
            }
            match byte_order(window.bytes(), 0) {
                Some(order) => self.order = order,
                None => {
                    self.resync(window, notes, "a section header has no byte order mark");
                    return None;
                }
            }
        }
        let len = self.order.u32(window.bytes(), 4)?;
        if (len as usize) < FRAMING || len > LONGEST_BLOCK {
            self.resync(
                window,
                notes,
                &format!("a block claims to be {len} bytes long"),
            );
            return None;
        }
        // Cannot overflow: `len` is at most LONGEST_BLOCK.
        Some(Header {
            kind,
            len,
            padded: len.wrapping_add(3) & !3,
        })
    }

    /// A block that is looked into.
    fn block(&mut self, header: &Header, window: &mut Window, notes: &mut Notes) -> Option<Record> {
        let len = header.padded as usize;
        if len > BUFFER {
            let at = window.position();
            notes.damaged(at, || format!("damaged at byte {at}: a block of {len} bytes is skipped, its like is never so long"));
            self.pass(header, window, notes);
            return None;
        }
        if window.fill(len) < len {
            self.cut(window, notes, &self.describe(header.kind));
            return None;
        }
        let end = len.saturating_sub(4);
        let again = self.order.u32(window.bytes(), end)?;
        if again != header.len && again != header.padded {
            self.count(header.kind);
            self.resync(
                window,
                notes,
                &format!("a block's two lengths differ ({} and {again})", header.len),
            );
            return None;
        }
        let at = window.position();
        let block = window.bytes().get(..end)?;
        let done = match header.kind {
            SECTION_HEADER => self.section(block, notes),
            INTERFACE_DESCRIPTION => self.describe_interface(block, notes),
            INTERFACE_STATISTICS => self.statistics(block),
            DECRYPTION_SECRETS => self.secrets(block, notes),
            CUSTOM => {
                self.count(CUSTOM);
                self.measured(block, notes);
                Ok(())
            }
            kind => {
                self.count(kind);
                match self.packet(kind, block, notes) {
                    Ok(record) => {
                        return Some(Record {
                            advance: len,
                            ..record
                        });
                    }
                    Err(why) => Err(why),
                }
            }
        };
        if let Err(why) = done {
            notes.damaged(at, || format!("damaged at byte {at}: {why}"));
        }
        if !self.stopped {
            window.advance(len);
        }
        None
    }

    fn section(&mut self, block: &[u8], notes: &mut Notes) -> Result<(), String> {
        notes.dropped = notes.dropped.saturating_add(self.dropped());
        self.interfaces.clear();
        match unsupported(self.order, block) {
            None => Ok(()),
            Some(version) => {
                self.stopped = true;
                Err(format!(
                    "a section is of pcapng version {version}; it and what follows are not read"
                ))
            }
        }
    }

    fn secrets(&mut self, block: &[u8], notes: &mut Notes) -> Result<(), String> {
        let kind = self.order.u32(block, 8);
        let len = self
            .order
            .u32(block, 12)
            .and_then(|len| usize::try_from(len).ok());
        let text = len
            .and_then(|len| block.get(16..)?.get(..len))
            .ok_or("a block of decryption secrets is too short")?;
        if kind == Some(TLS_KEY_LOG) {
            notes.key_log.add(text);
        }
        Ok(())
    }

    /// A custom block: of mxray's own enterprise number it may be a measurement. All others are nobody's business.
    fn measured(&self, block: &[u8], notes: &mut Notes) {
        let ours = [
            ENTERPRISE_NUMBER.to_le_bytes(),
            ENTERPRISE_NUMBER.to_be_bytes(),
        ];
        let text = block
            .get(8..)
            .and_then(|rest| rest.split_at_checked(4))
            .filter(|(number, _)| ours.iter().any(|known| known == number))
            .and_then(|(_, text)| text.strip_prefix(MEASURED_MARK.as_bytes()));
        if let Some(text) = text
            && notes.measured.len() < MEASURED
        {
            notes.measured.push(without_padding(text).to_vec());
        }
    }

    /// Passes over a block without looking into it.
    fn pass(&mut self, header: &Header, window: &mut Window, notes: &mut Notes) {
        self.count(header.kind);
        let len = u64::from(header.padded);
        if window.skip(len) < len {
            self.cut(window, notes, &self.describe(header.kind));
        }
    }

    /// Counts a block as Wireshark numbers frames: journal entries and custom blocks are frames there too.
    fn count(&mut self, kind: u32) {
        let numbered = matches!(
            kind,
            PACKET | SIMPLE_PACKET | ENHANCED_PACKET | SYSTEMD_JOURNAL | CUSTOM | CUSTOM_NO_COPY
        );
        self.number = self.number.saturating_add(u64::from(numbered));
    }

    fn describe(&self, kind: u32) -> String {
        match kind {
            PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                format!("packet {}", self.number.saturating_add(1))
            }
            SECTION_HEADER => "a section header".into(),
            INTERFACE_DESCRIPTION => "an interface description".into(),
            INTERFACE_STATISTICS => "interface statistics".into(),
            _ => format!("a block of type {kind:#x}"),
        }
    }

    fn cut(&mut self, window: &Window, notes: &mut Notes, within: &str) {
        self.stopped = true;
        // Whatever is left of a block that was waited for is all there is.
        let at = window
            .position()
            .saturating_add(window.bytes().len() as u64);
        let why = ended(window);
        notes.damaged(at, || format!("{why} at byte {at}, inside {within}"));
    }

    fn resync(&mut self, window: &mut Window, notes: &mut Notes, why: &str) {
        let at = window.position();
        match resync::next_block(self.order, window) {
            Some(distance) => {
                let on = at.saturating_add(distance as u64);
                notes.damaged(at, || {
                    format!("damaged at byte {at}: {why}; reading goes on at byte {on}")
                });
                window.advance(distance);
            }
            None => {
                self.stopped = true;
                notes.damaged(at, || {
                    format!("damaged at byte {at}: {why}; what follows cannot be read")
                });
            }
        }
    }
}

/// Text without the zeroes that fill the block up.
fn without_padding(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last.saturating_add(1));
    text.get(..end).unwrap_or(text)
}

/// The byte order of the section header at `at`.
fn byte_order(bytes: &[u8], at: usize) -> Option<ByteOrder> {
    let mark = at.checked_add(8)?;
    [ByteOrder::Little, ByteOrder::Big]
        .into_iter()
        .find(|order| order.u32(bytes, mark) == Some(BYTE_ORDER_MAGIC))
}

/// The version of a section that is not read; major version 1 is.
fn unsupported(order: ByteOrder, section_header: &[u8]) -> Option<String> {
    let (major, minor) = (
        order.u16(section_header, 12)?,
        order.u16(section_header, 14)?,
    );
    (major != 1).then(|| format!("{major}.{minor}"))
}
