//! What is recorded of a run: the frames at one point of the path, as a capture there would have them.
//!
//! It can also do what captures in the field suffer from: cut frames, see one direction only, miss some.

use std::io;

use serde::Deserialize;

use super::path::neighbor::{IPV4, IPV6, frame};
use super::path::packet::{Packet, Toward};
use crate::base::{Nanos, Timestamp};

/// Frames that are kept of one run; what comes later is counted only.
const FRAMES: usize = 1_000_000;

/// How much later a mirror port's second copy comes.
const MIRRORED: Nanos = 4_000;

/// Where the recording is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// On the client's interface.
    #[default]
    Client,
    /// On the server's interface.
    Server,
    /// On the link behind hop N, counted from 1.
    AfterHop(usize),
}

/// How the recording is made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordSpec {
    /// Where: `"client"`, `"server"`, `{ after-hop = 2 }`.
    pub at: Point,
    /// Bytes kept per frame.
    pub snaplen: Option<usize>,
    /// Frames of this direction only.
    pub toward: Option<Toward>,
    /// Frames of the recording that are missing, from 1, counted before.
    pub without: Vec<u64>,
    /// The first so many frames are missing: a capture that was started late.
    pub skip: u64,
    /// Nothing after so many frames: a capture that was stopped early.
    pub stop_after: Option<u64>,
    /// Nothing after so many milliseconds from the first frame.
    pub stop_after_ms: Option<i64>,
    /// Every frame is recorded twice, some microseconds apart: a mirror port that sees both directions twice.
    pub twice: bool,
    /// Every fifth frame comes behind the one after it, with its own time: a capture from several queues.
    pub disorder: bool,
    /// The file lacks so many bytes at its end.
    pub cut_file: usize,
    /// The capture says of itself that so many frames were dropped.
    pub dropped: u64,
    /// The lab's trust anchors come with it, as they come with `--roots` when a user has them.
    pub with_roots: bool,
}

/// One recorded frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it passed.
    pub time: Timestamp,
    /// Its bytes, perhaps cut.
    pub bytes: Vec<u8>,
    /// Its length before it was cut.
    pub length: u32,
}

/// A finished recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The frames in the order in which they passed.
    pub frames: Vec<Frame>,
    /// Bytes kept per frame; 0 for all.
    pub snaplen: u32,
    /// Bytes that the file lacks at its end.
    pub cut_file: usize,
    /// Frames that the capture says were dropped.
    pub dropped: u64,
    /// Trust anchors that come with it, as PEM; empty without.
    pub roots: String,
}

impl Recording {
    /// As a pcapng file with nanosecond times.
    pub fn pcapng(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut writer = crate::capture::PcapngWriter::new(&mut bytes)?;
        let interface = writer.interface("lab", 1, self.snaplen)?;
        for frame in &self.frames {
            writer.packet(interface, frame.time, &frame.bytes, frame.length, None)?;
        }
        if self.dropped > 0
            && let Some(last) = self.frames.last()
        {
            let received = self.frames.len() as u64 + self.dropped;
            writer.statistics(interface, last.time, received, self.dropped)?;
        }
        bytes.truncate(bytes.len().saturating_sub(self.cut_file));
        Ok(bytes)
    }
}

/// Sees what passes and keeps what its spec wants.
pub struct Recorder {
    spec: RecordSpec,
    epoch: Timestamp,
    seen: u64,
    first: Option<Nanos>,
    frames: Vec<Frame>,
}

impl Recorder {
    /// With nothing recorded.
    pub fn new(spec: RecordSpec) -> Recorder {
        Recorder {
            spec,
            epoch: Timestamp(0),
            seen: 0,
            first: None,
            frames: Vec::new(),
        }
    }

    /// Fixes the time that the path's nanoseconds count from.
    pub fn begin(&mut self, epoch: Timestamp) {
        self.epoch = epoch;
    }

    /// A packet passes a point inside the path.
    pub fn see(&mut self, at: Point, now: Nanos, packet: &Packet, toward: Toward) {
        if at == self.spec.at {
            let kind = if packet.version() == 4 { IPV4 } else { IPV6 };
            let (near, far) = ([2, 0, 0, 0, 2, 1], [2, 0, 0, 0, 2, 2]);
            let (to, from) = if toward == Toward::Server {
                (far, near)
            } else {
                (near, far)
            };
            self.keep(now, &frame(to, from, kind, packet.bytes()), toward);
        }
    }

    /// A frame passes an end's interface.
    pub fn frame(&mut self, at: Point, now: Nanos, bytes: &[u8], toward: Toward) {
        if at == self.spec.at {
            self.keep(now, bytes, toward);
        }
    }

    fn keep(&mut self, now: Nanos, bytes: &[u8], toward: Toward) {
        if self.spec.toward.is_some_and(|only| only != toward) {
            return;
        }
        self.seen += 1;
        let first = *self.first.get_or_insert(now);
        let late = self.spec.stop_after.is_some_and(|n| self.seen > n)
            || self
                .spec
                .stop_after_ms
                .is_some_and(|ms| now - first > ms * crate::base::MILLISECOND);
        if late
            || self.seen <= self.spec.skip
            || self.spec.without.contains(&self.seen)
            || self.frames.len() >= FRAMES
        {
            return;
        }
        let kept = bytes
            .get(..self.spec.snaplen.unwrap_or(usize::MAX))
            .unwrap_or(bytes)
            .to_vec();
        let frame = Frame {
            time: self.epoch.plus(now),
            bytes: kept,
            length: bytes.len() as u32,
        };
        if self.spec.twice {
            let time = frame.time.plus(MIRRORED);
            self.frames.push(frame.clone());
            self.frames.push(Frame { time, ..frame });
        } else {
            self.frames.push(frame);
        }
    }

    /// Ends the recording.
    pub fn finish(mut self) -> Recording {
        if self.spec.disorder {
            for pair in self.frames.chunks_exact_mut(5) {
                pair.swap(3, 4);
            }
        }
        Recording {
            frames: self.frames,
            snaplen: self.spec.snaplen.unwrap_or(0) as u32,
            cut_file: self.spec.cut_file,
            dropped: self.spec.dropped,
            roots: String::new(),
        }
    }
}
