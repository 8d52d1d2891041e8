//! What is known of an input beside its frames: counts, times, interfaces, damage, key logs.
//!
//! Damage is words for a human and a byte to look at; nothing here decides what it means for a verdict.

use std::collections::HashMap;
use std::fmt;

use super::recognise::Compression;
use crate::base::{Foreign, SECOND, Timestamp};
use crate::engine::SourceEnd;

/// Interfaces of one input that are described; further ones keep their numbers only.
pub const INTERFACES: usize = 4096;

/// Bytes of TLS key log text that are kept of one input.
pub const KEY_LOG: usize = 8 << 20;

/// A clock may step back this far between two parts of one recording.
const CLOCK_STEP: i64 = 1_000_000;

/// Something of an input that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the first damage is, in bytes of the uncompressed input.
    pub at: u64,
    /// What is wrong there, and what that costs.
    pub text: String,
    /// How many more damages were met after it.
    pub further: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.further {
            0 => f.write_str(&self.text),
            1 => write!(f, "{}; and 1 more damage after it", self.text),
            further => write!(f, "{}; and {further} more damages after it", self.text),
        }
    }
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A regular file.
    File,
    /// Standard input.
    Stdin,
    /// A FIFO, socket or device.
    Pipe,
}

impl SourceKind {
    /// `"file"`, `"stdin"` or `"pipe"`.
    pub fn name(self) -> &'static str {
        match self {
            SourceKind::File => "file",
            SourceKind::Stdin => "stdin",
            SourceKind::Pipe => "pipe",
        }
    }
}

/// An interface that an input names. A pcap file has exactly one, without a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Its name, empty when the file gives none.
    pub name: Foreign,
    /// LINKTYPE_ value, as tcpdump.org lists them.
    pub link_type: u16,
    /// The most bytes captured of a packet; 0 for no limit.
    pub snaplen: u32,
}

/// What was read of an input so far; at its end, what there was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSummary {
    /// The name that the user gave.
    pub name: Foreign,
    /// File, standard input or pipe.
    pub kind: SourceKind,
    /// `"pcap"` or `"pcapng"`.
    pub format: &'static str,
    /// How it is compressed.
    pub compression: Option<Compression>,
    /// Frames given out.
    pub packets: u64,
    /// Captured bytes of those frames.
    pub bytes: u64,
    /// The earliest time of a frame, as `capinfos` says.
    pub first: Option<Timestamp>,
    /// The latest time of a frame.
    pub last: Option<Timestamp>,
    /// Packets that the capturing machine says it lost (interface statistics, drop counts of packets).
    pub dropped: u64,
    /// Until when the wire was watched, as a recording of mxray's own says: nothing came after the last frame.
    pub watched: Option<Timestamp>,
    /// Frames without a time of their own (simple packet blocks): they carry the time of the one before.
    pub untimed: u64,
    /// What could not be read.
    pub damage: Option<Damage>,
    /// The interfaces, by the number that [`super::Frame::interface`] gives; at most [`INTERFACES`].
    pub interfaces: Vec<Interface>,
}

impl SourceSummary {
    /// What the engine is told at the end of the input.
    pub fn end(&self) -> SourceEnd {
        SourceEnd {
            dropped: self.dropped,
            damage: self.damage.as_ref().map(ToString::to_string),
            ..SourceEnd::default()
        }
    }
}

/// Lines of a TLS key log that came inside of a capture. No `Debug`: these are secrets.
#[derive(Default)]
pub struct KeyLog {
    text: Vec<u8>,
}

impl KeyLog {
    /// The text, in SSLKEYLOGFILE format, as the file's blocks had it, one after the other.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn add(&mut self, text: &[u8]) {
        let room = KEY_LOG.saturating_sub(self.text.len());
        self.text
            .extend_from_slice(text.get(..room).unwrap_or(text));
        if self.text.last().is_some_and(|byte| *byte != b'\n') {
            self.text.push(b'\n');
        }
    }
}

/// What the parsers write down beside the frames.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) damage: Option<Damage>,
    pub(super) dropped: u64,
    pub(super) untimed: u64,
    pub(super) interfaces: Vec<Interface>,
    pub(super) key_log: KeyLog,
    /// Measurements that stand in the capture, as text.
    pub(super) measured: Vec<Vec<u8>>,
    known: HashMap<(usize, Interface), u32>,
    next_interface: u32,
}

impl Notes {
    pub(super) fn damaged(&mut self, at: u64, text: impl FnOnce() -> String) {
        match &mut self.damage {
            Some(damage) => damage.further = damage.further.saturating_add(1),
            None => {
                self.damage = Some(Damage {
                    at,
                    text: text(),
                    further: 0,
                })
            }
        }
    }

    /// The number in this input of the interface that is the `place`th of its section. The same one in the
    /// same place of a later section keeps its number.
    pub(super) fn interface(&mut self, place: usize, interface: Interface) -> u32 {
        let key = (place, interface);
        if let Some(number) = self.known.get(&key) {
            return *number;
        }
        let number = self.next_interface;
        self.next_interface = self.next_interface.saturating_add(1);
        if self.interfaces.len() < INTERFACES {
            self.interfaces.push(key.1.clone());
            self.known.insert(key, number);
        }
        number
    }
}

/// Whether a file that begins with a frame at `begins` on `interface` goes on where `earlier` ended: rotated parts
/// of one recording have the same format, interface name and link type, and times that abut within 1 s.
///
/// A copy, or a capture of the same moment elsewhere, overlaps and is none.
pub fn abut(
    earlier: &SourceSummary,
    format: &str,
    interface: &Interface,
    begins: Timestamp,
) -> bool {
    let (Some(first), Some(last)) = (earlier.first, earlier.last) else {
        return false;
    };
    let same = earlier
        .interfaces
        .iter()
        .any(|known| known.name == interface.name && known.link_type == interface.link_type);
    let distance = begins.since(last);
    same && earlier.format == format && begins > first && (-CLOCK_STEP..=SECOND).contains(&distance)
}
