//! One capture, frame by frame: whatever its format, its compression and where it comes from.
//!
//! It exists so that callers pull frames and nothing else. It refuses to wait when it need not, and to hold
//! more of an input than one block.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Advice, fadvise};

use super::decompress::decompress;
use super::inputs::Input;
use super::open_error::{OpenError, OpenErrorKind};
use super::patience::{Patient, Stop};
use super::pcap_format::{FILE_HEADER, PcapFormat};
use super::pcapng::PcapngFormat;
use super::recognise::{self, Compression, HEAD, Recognised, recognise};
use super::summary::{Interface, KeyLog, Notes, SourceKind, SourceSummary};
use super::window::{Mapping, Window};
use crate::base::{Foreign, SourceId, Timestamp};
use crate::engine;

/// A captured frame, borrowed from its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number in its input, from 1, as Wireshark counts.
    pub number: u64,
    /// Its interface: the place in [`SourceSummary::interfaces`].
    pub interface: u32,
    /// LINKTYPE_ value, as tcpdump.org lists them.
    pub link_type: u16,
    /// When it was captured.
    pub time: Timestamp,
    /// What was captured of it; at most [`super::MAX_FRAME`] bytes.
    pub data: &'a [u8],
    /// Its length on the wire, in bytes; never less than what was captured.
    pub original_len: u32,
    /// Marked by mxray as one of its own control packets.
    pub control: bool,
    /// Where `data` stands in the uncompressed input, in bytes; see [`CaptureReader::mapping`].
    pub position: u64,
}

impl<'a> Frame<'a> {
    /// The frame as the engine takes it, as one of that source.
    #[inline]
    pub fn of(&self, source: SourceId) -> engine::Input<'a> {
        engine::Input {
            source,
            number: self.number,
            interface: self.interface,
            link_type: self.link_type,
            time: self.time,
            data: self.data,
            original_len: self.original_len,
            control: self.control,
        }
    }
}

/// What an input holds beside frames, as far as it was read.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// See [`CaptureReader::key_log`].
    pub key_log: &'a KeyLog,
    /// See [`CaptureReader::measured`].
    pub measured: &'a [Vec<u8>],
}

/// A frame as the parsers find it: places in the window instead of bytes.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) interface: u32,
    pub(super) link_type: u16,
    pub(super) time: Timestamp,
    /// Where its bytes begin, from the window's front.
    pub(super) at: usize,
    pub(super) len: usize,
    pub(super) original_len: u32,
    pub(super) control: bool,
    /// How far the window moves on after it.
    pub(super) advance: usize,
}

enum Format {
    Pcap(PcapFormat),
    Pcapng(PcapngFormat),
}

/// How far a reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input (compressed ones, when it is) that were read.
    pub read: u64,
    /// Bytes that there are; `None` for pipes.
    pub total: Option<u64>,
}

/// An open capture.
pub struct CaptureReader {
    name: Foreign,
    kind: SourceKind,
    compression: Option<Compression>,
    window: Window,
    mapping: Option<Arc<Mapping>>,
    format: Format,
    notes: Notes,
    /// A frame that was looked at and not yet given out.
    pending: Option<Record>,
    /// What the window still has to move on after the frame given out last.
    advance: usize,
    packets: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl CaptureReader {
    /// Opens an input and reads its header. Waits for the first bytes of a pipe.
    pub fn open(input: &Input) -> Result<CaptureReader, OpenError> {
        CaptureReader::open_until(input, &Stop::default())
    }

    /// The same; once `stop` is set, a pipe is waited for no longer: it ends.
    pub fn open_until(input: &Input, stop: &Stop) -> Result<CaptureReader, OpenError> {
        match input {
            Input::Path(path) => CaptureReader::open_path(path, stop),
            Input::Stdin => {
                let stdin = io::stdin();
                let name = Foreign::from("standard input");
                if stdin.is_terminal() {
                    let what = "is a terminal: send a capture into it, as in `tcpdump -w - | mxray replay -`";
                    return Err(OpenError::new(OpenErrorKind::Unknown, &name, what));
                }
                let pipe = (stdin.as_fd().try_clone_to_owned())
                    .map_err(|error| OpenError::from_io(&name, &error))?;
                let pipe = Patient::new(File::from(pipe), stop);
                CaptureReader::open_stream(name, SourceKind::Stdin, Box::new(pipe), None)
            }
        }
    }

    /// Reads a capture out of any reader; `name` is what reports call it.
    pub fn from_reader(
        name: &str,
        input: Box<dyn Read + Send>,
    ) -> Result<CaptureReader, OpenError> {
        CaptureReader::open_stream(Foreign::from(name), SourceKind::Pipe, input, None)
    }

    fn open_path(path: &Path, stop: &Stop) -> Result<CaptureReader, OpenError> {
        let name = super::inputs::name(path);
        let failed = |error: io::Error| OpenError::from_io(&name, &error);
        let mut file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(OpenError::new(
                OpenErrorKind::NoCaptures,
                &name,
                "is a folder where a capture file was expected",
            ));
        }
        if !about.is_file() {
            let pipe = Patient::new(file, stop);
            return CaptureReader::open_stream(name, SourceKind::Pipe, Box::new(pipe), None);
        }
        let head = head_of(&mut file, HEAD).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        // Where a file system cannot map, frames that are looked at later have to be kept.
        let mapping = matches!(recognise(&head), Recognised::Pcap | Recognised::Pcapng)
            .then(|| Mapping::of(&file).ok())
            .flatten();
        // Advice: failing costs speed only.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        let reader =
            CaptureReader::open_stream(name, SourceKind::File, Box::new(file), Some(about.len()))?;
        Ok(CaptureReader {
            mapping: mapping.map(Arc::new),
            ..reader
        })
    }

    fn open_stream(
        name: Foreign,
        kind: SourceKind,
        input: Box<dyn Read + Send>,
        total: Option<u64>,
    ) -> Result<CaptureReader, OpenError> {
        let failed = |error: io::Error| OpenError::from_io(&name, &error);
        let read = Arc::new(AtomicU64::new(0));
        let mut input = Counted {
            input,
            read: Arc::clone(&read),
        };
        // A live pipe gives few bytes at first: more are waited for only when four say nothing.
        let mut head = head_of(&mut input, 4).map_err(failed)?;
        let known = match recognise::by_magic(&head) {
            Some(known) => known,
            None => {
                head.extend(head_of(&mut input, HEAD - 4).map_err(failed)?);
                recognise(&head)
            }
        };
        let all = Cursor::new(head).chain(input);
        let (window, compression) = match known {
            Recognised::Compressed(compression) => {
                let unpacked = decompress(compression, Box::new(all)).map_err(failed)?;
                (Window::new(unpacked), Some(compression))
            }
            Recognised::Other(kind, what) => return Err(OpenError::new(kind, &name, what)),
            Recognised::Pcap | Recognised::Pcapng => (Window::new(Box::new(all)), None),
        };
        let reader = CaptureReader::begin(name, kind, compression, window, read)?;
        Ok(CaptureReader { total, ..reader })
    }

    /// Reads the header of what is uncompressed now.
    fn begin(
        name: Foreign,
        kind: SourceKind,
        compression: Option<Compression>,
        mut window: Window,
        read: Arc<AtomicU64>,
    ) -> Result<CaptureReader, OpenError> {
        let refuse = |window: &Window, kind: OpenErrorKind, what: String| {
            let packed = compression.map_or("", Compression::name);
            match (window.failure(), compression) {
                (Some(error), _) => OpenError::new(
                    OpenErrorKind::Unreadable,
                    &name,
                    format!("cannot be read: {error}"),
                ),
                (None, Some(_)) => {
                    OpenError::new(kind, &name, format!("is {packed}; what it holds {what}"))
                }
                (None, None) => OpenError::new(kind, &name, what),
            }
        };
        window.fill(4);
        let known = recognise::by_magic(window.bytes()).unwrap_or_else(|| {
            window.fill(HEAD);
            recognise(window.bytes().get(..HEAD).unwrap_or(window.bytes()))
        });
        let mut notes = Notes::default();
        let format = match known {
            Recognised::Pcap => {
                window.fill(FILE_HEADER);
                PcapFormat::open(&mut window, &mut notes).map(Format::Pcap)
            }
            Recognised::Pcapng => PcapngFormat::open(&mut window).map(Format::Pcapng),
            Recognised::Compressed(inner) => {
                let what = format!("is {} again: unpack it first", inner.name());
                return Err(refuse(&window, OpenErrorKind::OtherFormat, what));
            }
            Recognised::Other(kind, what) => return Err(refuse(&window, kind, what)),
        };
        let format = format.map_err(|(kind, what)| refuse(&window, kind, what))?;
        Ok(CaptureReader {
            name,
            kind,
            compression,
            window,
            mapping: None,
            format,
            notes,
            pending: None,
            advance: 0,
            packets: 0,
            bytes: 0,
            first: None,
            last: None,
            read,
            total: None,
        })
    }

    /// The next frame; `None` at the end, and from then on.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        Some(self.next_noted()?.0)
    }

    /// The next frame, and what stands before it in the input beside frames.
    pub fn next_noted(&mut self) -> Option<(Frame<'_>, Beside<'_>)> {
        let record = match self.pending.take() {
            Some(record) => record,
            None => self.parse()?,
        };
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(record.len as u64);
        let time = record.time;
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        let beside = Beside {
            key_log: &self.notes.key_log,
            measured: &self.notes.measured,
        };
        Some((self.frame(record)?, beside))
    }

    /// The frame that [`CaptureReader::next_frame`] will give next.
    pub fn peek(&mut self) -> Option<Frame<'_>> {
        self.look_ahead();
        self.frame(self.pending?)
    }

    /// Whether there is a next frame; what stands before it in the input is known then.
    pub fn look_ahead(&mut self) -> bool {
        if self.pending.is_none() {
            self.pending = self.parse();
        }
        self.pending.is_some()
    }

    /// Whether this capture, of which nothing was read yet, goes on where another ended: see [`super::abut`].
    pub fn continues(&mut self, earlier: &SourceSummary) -> bool {
        let Some(frame) = self.peek() else {
            return false;
        };
        let (time, number) = (frame.time, frame.interface);
        let interface = usize::try_from(number)
            .ok()
            .and_then(|number| self.notes.interfaces.get(number));
        interface.is_some_and(|interface| super::abut(earlier, self.format_name(), interface, time))
    }

    /// What is known of the input by now.
    pub fn summary(&self) -> SourceSummary {
        let (open, watched) = match &self.format {
            Format::Pcap(_) => (0, None),
            Format::Pcapng(pcapng) => (pcapng.dropped(), pcapng.watched()),
        };
        SourceSummary {
            name: self.name.clone(),
            kind: self.kind,
            format: self.format_name(),
            compression: self.compression,
            packets: self.packets,
            bytes: self.bytes,
            first: self.first,
            last: self.last,
            dropped: self.notes.dropped.saturating_add(open),
            untimed: self.notes.untimed,
            watched,
            damage: self.notes.damage.clone(),
            interfaces: self.notes.interfaces.clone(),
        }
    }

    /// The name that the user gave, for messages.
    pub fn name(&self) -> &Foreign {
        &self.name
    }

    /// The interfaces described so far, by [`Frame::interface`].
    pub fn interfaces(&self) -> &[Interface] {
        &self.notes.interfaces
    }

    /// The key log lines met so far; they stand before the packets that need them.
    pub fn key_log(&self) -> &KeyLog {
        &self.notes.key_log
    }

    /// Measurements of mxray's own that were met so far, as text; they stand before the packets that they are about.
    pub fn measured(&self) -> &[Vec<u8>] {
        &self.notes.measured
    }

    /// How far the reading has come.
    pub fn progress(&self) -> Progress {
        let read = match self.compression {
            None => self.window.position(),
            Some(_) => self.read.load(Ordering::Relaxed),
        };
        Progress {
            read,
            total: self.total,
        }
    }

    /// The file in memory, for who looks at frames again later, by [`Frame::position`]; `None` for streams and packed files.
    pub fn mapping(&self) -> Option<Arc<Mapping>> {
        self.mapping.clone()
    }

    fn parse(&mut self) -> Option<Record> {
        self.window.advance(std::mem::take(&mut self.advance));
        let record = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.window, &mut self.notes),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.window, &mut self.notes),
        }?;
        self.advance = record.advance;
        Some(record)
    }

    fn frame(&self, record: Record) -> Option<Frame<'_>> {
        Some(Frame {
            number: record.number,
            interface: record.interface,
            link_type: record.link_type,
            time: record.time,
            data: self
                .window
                .bytes()
                .get(record.at..record.at.checked_add(record.len)?)?,
            original_len: record.original_len,
            control: record.control,
            position: self.window.position().saturating_add(record.at as u64),
        })
    }

    fn format_name(&self) -> &'static str {
        match self.format {
            Format::Pcap(_) => "pcap",
            Format::Pcapng(_) => "pcapng",
        }
    }
}

/// Counts what was read, for the progress bar.
struct Counted {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The first bytes, at most `len`.
fn head_of(input: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.by_ref().take(len as u64).read_to_end(&mut head)?;
    Ok(head)
}
