//! Which frame, of which source, and when: the coin that all evidence is paid in.

use super::Timestamp;

/// An input (file, interface) in the order in which it was opened, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A frame of a source. Frames count from 1 per source, as Wireshark counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef {
    /// The input that the frame came from.
    pub source: SourceId,
    /// Its number there, from 1.
    pub number: u64,
}

/// A frame and the moment it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The frame.
    pub frame: FrameRef,
    /// Its capture time.
    pub time: Timestamp,
}
