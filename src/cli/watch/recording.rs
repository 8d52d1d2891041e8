//! `-w FILE`: the packets of a live run, written while they are analysed.
//!
//! What is written is what the engine was handed, with the same times and numbers, and at the end how long was watched:
//! replaying the file gives the verdicts of the run.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Timestamp;
use crate::capture::live::Counts;
use crate::capture::{Frame, Interface, PcapngWriter};
use crate::privilege::{Folder, Successor};

/// When the next file begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Once a file has so many bytes.
    pub size: Option<u64>,
    /// Once a file spans so much time.
    pub time: Option<Duration>,
}

impl Rotation {
    fn wanted(self) -> bool {
        self != Rotation::default()
    }
}

/// One pcapng file that is being written.
pub struct Part {
    writer: PcapngWriter<BufWriter<File>>,
    bytes: u64,
    frames: u64,
    first: Option<Timestamp>,
    /// Frames of each interface that were lost and that no packet here tells of yet.
    lost: Vec<u64>,
}

impl Part {
    /// Begins a file with these interfaces.
    pub fn begin(file: File, interfaces: &[Interface]) -> io::Result<Part> {
        let mut writer = PcapngWriter::new(BufWriter::with_capacity(1 << 20, file))?;
        for interface in interfaces {
            declare(&mut writer, interface)?;
        }
        Ok(Part {
            writer,
            bytes: 0,
            frames: 0,
            first: None,
            lost: vec![0; interfaces.len()],
        })
    }

    /// One more interface, behind those that are known.
    pub fn interface(&mut self, interface: &Interface) -> io::Result<()> {
        self.lost.push(0);
        declare(&mut self.writer, interface)
    }

    /// Writes a frame.
    pub fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.frames = self.frames.saturating_add(1);
        self.bytes = self
            .bytes
            .saturating_add(frame.data.len() as u64)
            .saturating_add(40);
        self.first.get_or_insert(frame.time);
        let lost = usize::try_from(frame.interface)
            .ok()
            .and_then(|place| self.lost.get_mut(place))
            .map_or(0, std::mem::take);
        self.writer.lost_before(lost);
        if frame.control {
            return self.writer.packet_control(
                frame.interface,
                frame.time,
                frame.data,
                frame.original_len,
                Some("mxray: a probe that the user ordered"),
            );
        }
        self.writer.packet(
            frame.interface,
            frame.time,
            frame.data,
            frame.original_len,
            None,
        )
    }

    /// The kernel dropped so many frames of an interface: its next packet says so.
    pub fn lost(&mut self, place: usize, count: u64) {
        if let Some(lost) = self.lost.get_mut(place) {
            *lost = lost.saturating_add(count);
        }
    }

    /// Hands what was written to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Ends the file: the counters of its interfaces, and that nothing more came until `until`.
    pub fn end(mut self, until: Timestamp, counts: &[Counts]) -> io::Result<()> {
        for (place, counts) in counts.iter().enumerate() {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            // The counters say how long was watched; one interface is enough to say it.
            let Counts { received, dropped } = *counts;
            match place {
                0 => {
                    self.writer
                        .statistics_watched(place, until, received, dropped, self.frames)?
                }
                _ => self.writer.statistics(place, until, received, dropped)?,
            }
        }
        self.writer.flush()
    }
}

fn declare(writer: &mut PcapngWriter<BufWriter<File>>, interface: &Interface) -> io::Result<()> {
    let name = interface.name.as_str();
    writer.interface(name, interface.link_type, interface.snaplen)?;
    Ok(())
}

/// The recording of a run.
pub struct Recording {
    path: PathBuf,
    rotation: Rotation,
    /// Where further files are made.
    folder: Option<Folder>,
    /// The first file, until its interfaces are known.
    file: Option<File>,
    part: Option<Part>,
    interfaces: Vec<Interface>,
    parts: u64,
    /// What earlier parts counted.
    before: Vec<Counts>,
}

impl Recording {
    /// Makes the file, while that is still allowed. Errors are sentences.
    pub fn open(
        path: &Path,
        rotation: Rotation,
        successor: Option<Successor>,
    ) -> Result<Recording, String> {
        let fault = |error: io::Error| format!("-w {}: {error}", path.display());
        let folder = match rotation.wanted() {
            true => Some(
                Folder::open(path.parent().unwrap_or(Path::new(".")), successor)
                    .map_err(|why| format!("-w with rotation: {why}"))?,
            ),
            false => None,
        };
        let file = File::create(path).map_err(fault)?;
        if let Some(successor) = successor
            && file.metadata().is_ok_and(|data| data.is_file())
        {
            successor.owns(&file).map_err(fault)?;
        }
        Ok(Recording {
            path: path.to_owned(),
            rotation,
            folder,
            file: Some(file),
            part: None,
            interfaces: Vec::new(),
            parts: 0,
            before: Vec::new(),
        })
    }

    /// Where further files are made; `None` when there will be none.
    pub fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// One more interface, behind those that are known.
    pub fn interface(&mut self, interface: &Interface) -> io::Result<()> {
        self.interfaces.push(interface.clone());
        match &mut self.part {
            Some(part) => part.interface(interface),
            None => Ok(()),
        }
    }

    /// Begins to write.
    pub fn begin(&mut self, interfaces: &[Interface]) -> io::Result<()> {
        self.interfaces = interfaces.to_vec();
        if let Some(file) = self.file.take() {
            self.part = Some(Part::begin(file, interfaces)?);
        }
        Ok(())
    }

    /// Whether the next frame, of that time, begins another file.
    pub fn is_full(&self, time: Timestamp) -> bool {
        let Some(part) = &self.part else {
            return false;
        };
        let long = |limit: Duration| {
            let limit = i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX);
            part.first.is_some_and(|first| time.since(first) >= limit)
        };
        part.frames > 0
            && (self.rotation.size.is_some_and(|limit| part.bytes >= limit)
                || self.rotation.time.is_some_and(long))
    }

    /// Ends this file and begins the next.
    pub fn rotate(&mut self, now: Timestamp, counts: &[Counts]) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        self.parts = self.parts.saturating_add(1);
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let extension = self
            .path
            .extension()
            .map_or("pcapng".into(), |e| e.to_string_lossy());
        let (file, _) = folder.create(&format!("{stem}.{:05}", self.parts), &extension)?;
        let next = Part::begin(file, &self.interfaces)?;
        if let Some(part) = self.part.replace(next) {
            let own = since(counts, &self.before);
            part.end(now, &own)?;
        }
        self.before = counts.to_vec();
        Ok(())
    }

    /// Writes a frame.
    pub fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        match &mut self.part {
            Some(part) => part.frame(frame),
            None => Ok(()),
        }
    }

    /// The kernel dropped so many frames of an interface.
    pub fn lost(&mut self, place: usize, count: u64) {
        if let Some(part) = &mut self.part {
            part.lost(place, count);
        }
    }

    /// Hands what was written to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.part.as_mut().map_or(Ok(()), Part::flush)
    }

    /// Ends the recording.
    pub fn end(mut self, until: Timestamp, counts: &[Counts]) -> io::Result<()> {
        match self.part.take() {
            Some(part) => part.end(until, &since(counts, &self.before)),
            None => Ok(()),
        }
    }
}

fn since(counts: &[Counts], before: &[Counts]) -> Vec<Counts> {
    counts
        .iter()
        .enumerate()
        .map(|(place, now)| {
            let then = before.get(place).copied().unwrap_or_default();
            Counts {
                received: now.received.saturating_sub(then.received),
                dropped: now.dropped.saturating_sub(then.dropped),
            }
        })
        .collect()
}
