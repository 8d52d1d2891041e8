//! Everything that a run sent and received, as the tap saw it, and what it measured: the evidence.
//!
//! It is what the engine is fed and what `-w` writes, so that a replay of the file judges alike. It holds only packets
//! of flows that mxray opened itself. Bounded; what does not fit is counted as dropped.

use std::io::{self, Write};

use crate::base::{SourceId, Timestamp};
use crate::capture::PcapngWriter;
use crate::diagnosis::Measured;
use crate::engine::record::Record;
use crate::engine::{Engine, Input, SourceEnd};

/// Bytes of packets that are kept of one run.
const BYTES: usize = 128 << 20;

/// An interface that was listened on.
#[derive(Clone, Debug)]
pub struct Listened {
    /// Its name.
    pub name: String,
    /// LINKTYPE_ value.
    pub link_type: u16,
}

/// One captured frame.
#[derive(Clone, Debug)]
pub struct Taken {
    /// When.
    pub time: Timestamp,
    /// Which of the interfaces.
    pub interface: usize,
    /// The bytes.
    pub data: Vec<u8>,
    /// Length on the wire.
    pub original_len: u32,
    /// Why it was sent, where it is only evidence.
    pub control: Option<&'static str>,
}

/// What one run, or one round of it, has gathered.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Interfaces.
    pub interfaces: Vec<Listened>,
    frames: Vec<Taken>,
    bytes: usize,
    /// Measurements.
    pub measured: Vec<Measured>,
    /// Frames that the kernel or the bound above lost.
    pub dropped: u64,
}

impl Recording {
    /// Of nothing yet, on these interfaces.
    pub fn on(interfaces: Vec<Listened>) -> Recording {
        Recording {
            interfaces,
            ..Recording::default()
        }
    }

    /// A frame was captured.
    pub fn add(&mut self, frame: Taken) {
        if self.bytes.saturating_add(frame.data.len()) > BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(frame.data.len());
        self.frames.push(frame);
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames in the order of time.
    pub fn frames(&mut self) -> &[Taken] {
        self.frames.sort_by_key(|frame| frame.time);
        &self.frames
    }

    /// Measurements in their text form, which is also how the engine gets them: a replay then cannot differ.
    fn texts(&self) -> Vec<String> {
        self.measured.iter().filter_map(Measured::to_text).collect()
    }

    /// Feeds the engine as a source that was announced as `source`, and closes it.
    pub fn feed(&mut self, engine: &mut Engine, source: SourceId, out: &mut dyn FnMut(Record)) {
        let texts = self.texts();
        for measured in texts
            .iter()
            .filter_map(|text| Measured::from_text(text.as_bytes()))
        {
            engine.measured(source, measured, out);
        }
        // Wireshark counts a custom block as a frame.
        let mut number = texts.len() as u64;
        let interfaces = self.interfaces.clone();
        for frame in self.frames() {
            number = number.saturating_add(1);
            let link_type = interfaces
                .get(frame.interface)
                .map_or(1, |interface| interface.link_type);
            engine.frame(
                &Input {
                    source,
                    number,
                    link_type,
                    time: frame.time,
                    data: &frame.data,
                    original_len: frame.original_len,
                    control: frame.control.is_some(),
                },
                out,
            );
        }
        let end = SourceEnd {
            dropped: self.dropped,
            damage: None,
        };
        engine.close_source(source, end, out);
    }

    /// Writes it as a pcapng file (or a further section of one): measurements first, then packets; control packets are
    /// marked.
    pub fn write<W: Write>(&mut self, out: W) -> io::Result<W> {
        let mut writer = PcapngWriter::new(out)?;
        let mut numbers = Vec::with_capacity(self.interfaces.len());
        for interface in &self.interfaces {
            numbers.push(writer.interface(&interface.name, interface.link_type, 0)?);
        }
        for text in self.texts() {
            writer.measured(&text)?;
        }
        let dropped = self.dropped;
        let mut last = Timestamp(0);
        for frame in self.frames() {
            let Some(interface) = numbers.get(frame.interface).copied() else {
                continue;
            };
            last = frame.time;
            match frame.control {
                Some(why) => {
                    let comment = format!("mxray: {why}");
                    writer.packet_control(
                        interface,
                        frame.time,
                        &frame.data,
                        frame.original_len,
                        Some(&comment),
                    )?;
                }
                None => {
                    writer.packet(interface, frame.time, &frame.data, frame.original_len, None)?
                }
            }
        }
        if dropped > 0
            && let Some(first) = numbers.first()
        {
            let received = self.frames.len() as u64;
            writer.statistics(*first, last, received, dropped)?;
        }
        writer.into_inner()
    }
}
