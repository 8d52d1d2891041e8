//! Everything that a run sent and received, as the tap saw it, and what it measured: the evidence.
//!
//! It is what the engine is fed and what `-w` writes, so that a replay of the file judges alike. It holds only packets
//! of flows that mxray opened itself. Bounded; what does not fit is counted as dropped.

use std::io::{self, Write};

use zeroize::Zeroizing;

use crate::base::{SourceId, Timestamp};
use crate::capture::PcapngWriter;
use crate::diagnosis::{Measured, measured};
use crate::engine::record::Record;
use crate::engine::{Engine, Input, SourceEnd};
use crate::proto::Service;

/// Pieces in which a credential is looked for where a segment cuts its line.
const PIECE: usize = 16;
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
#[derive(Clone, Default)]
pub struct Recording {
    /// Interfaces.
    pub interfaces: Vec<Listened>,
    frames: Vec<Taken>,
    bytes: usize,
    /// Measurements.
    pub measured: Vec<Measured>,
    /// Key log of sessions that carried no credential.
    pub secrets: Zeroizing<String>,
    /// Credentials that leave in clear: overwritten in every frame before it is kept.
    concealed: Vec<(Zeroizing<Vec<u8>>, usize)>,
    /// Frames that the kernel or the bound above lost.
    pub dropped: u64,
    until: Option<Timestamp>,
    /// What the report's reader has to know of how it was measured.
    pub notes: Vec<String>,
    /// What is spoken on ports that were named to the probe.
    serves: Vec<(u16, Service)>,
}

impl Recording {
    /// Of nothing yet, on these interfaces.
    pub fn on(interfaces: Vec<Listened>) -> Recording {
        Recording {
            interfaces,
            ..Recording::default()
        }
    }

    /// This line is a credential from `from` on: that part is overwritten in what is recorded from now on. The whole line is
    /// looked for, since a password alone may be a word that stands elsewhere too.
    pub fn conceal(&mut self, line: &[u8], from: usize) {
        if from < line.trim_ascii_end().len() {
            self.concealed.push((Zeroizing::new(line.to_vec()), from));
        }
    }

    /// What another recording conceals, this one does too.
    pub fn keep_concealing(&mut self, other: &Recording) {
        self.concealed.clone_from(&other.concealed);
    }

    /// A frame was captured.
    pub fn add(&mut self, mut frame: Taken) {
        for (line, from) in &self.concealed {
            overwrite(&mut frame.data, line, *from);
        }
        if self.bytes.saturating_add(frame.data.len()) > BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = self.bytes.saturating_add(frame.data.len());
        self.frames.push(frame);
    }

    /// The frames after the first `known` in the order of capture, each with its LINKTYPE_ value.
    pub fn since(&self, known: usize) -> Vec<(u16, Taken)> {
        let frames = self.frames.get(known..).unwrap_or_default();
        let link = |frame: &Taken| {
            self.interfaces
                .get(frame.interface)
                .map_or(1, |one| one.link_type)
        };
        frames
            .iter()
            .map(|frame| (link(frame), frame.clone()))
            .collect()
    }

    /// What was captured so far, each frame with its interface, in the order of capture.
    pub fn captured(&self) -> impl Iterator<Item = (&Listened, &Taken)> {
        let frames = self.frames.iter();
        frames.filter_map(|frame| Some((self.interfaces.get(frame.interface)?, frame)))
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

    /// Until when was listened: silence counts until then.
    pub fn end(&mut self, at: Timestamp) {
        self.until = Some(at);
    }

    /// A target names its port and what is spoken there.
    pub fn serves(&mut self, port: u16, service: Service) {
        if !self.serves.contains(&(port, service)) {
            self.serves.push((port, service));
        }
    }

    /// Measurements in their text form, which is also how the engine gets them: a replay then cannot differ.
    fn texts(&self) -> Vec<String> {
        let until = self.until.map(measured::until);
        let serves = self.serves.iter();
        let serves = serves.map(|(port, service)| measured::serves(*port, *service));
        let measured = self.measured.iter().filter_map(Measured::to_text);
        until.into_iter().chain(serves).chain(measured).collect()
    }

    /// The number of the first frame: measurements come before it.
    pub fn first_number(&self) -> u64 {
        (self.texts().len() as u64).saturating_add(1)
    }

    /// Feeds the engine as a source that was announced as `source`, and closes it.
    pub fn feed(&mut self, engine: &mut Engine, source: SourceId, out: &mut dyn FnMut(Record)) {
        let texts = self.texts();
        for text in &texts {
            engine.told(source, text.as_bytes(), out);
        }
        engine.secrets(self.secrets.as_bytes());
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
                    interface: u32::try_from(frame.interface).unwrap_or(u32::MAX),
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
            notes: self.notes.clone(),
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
        if !self.secrets.is_empty() {
            writer.key_log(self.secrets.as_bytes())?;
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

/// Overwrites a line from `from` on with stars wherever it stands, or its beginning at the end of a segment; the line end stays,
/// and so do lengths, so that sequence numbers fit. The checksum no longer does: nobody shall compute the secret from it.
fn overwrite(data: &mut [u8], line: &[u8], from: usize) {
    let secret = line.trim_ascii_end().len();
    let mut at = 0usize;
    while let Some(rest) = data.get(at..) {
        let whole = rest.windows(line.len()).position(|bytes| bytes == line);
        let Some(found) = whole else { break };
        let start = at.saturating_add(found);
        at = start.saturating_add(line.len());
        let to = start.saturating_add(secret);
        if let Some(found) = data.get_mut(start.saturating_add(from)..to) {
            found.fill(b'*');
        }
    }
    // Pieces of a long one, in whatever segment.
    let pieces = line.get(from..secret).unwrap_or_default();
    for piece in pieces.chunks(PIECE).filter(|piece| piece.len() == PIECE) {
        let mut at = 0usize;
        while let Some(found) = data
            .get(at..)
            .and_then(|rest| rest.windows(PIECE).position(|bytes| bytes == piece))
        {
            let start = at.saturating_add(found);
            at = start.saturating_add(PIECE);
            if let Some(found) = data.get_mut(start..at) {
                found.fill(b'*');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(data: &[u8]) -> Taken {
        Taken {
            time: Timestamp(1),
            interface: 0,
            original_len: u32::try_from(data.len()).unwrap(),
            data: data.to_vec(),
            control: None,
        }
    }

    #[test]
    fn a_concealed_credential_is_in_no_frame() {
        let mut recording = Recording::default();
        let line = b"a1 LOGIN \"joe\" \"mail\"\r\n";
        recording.conceal(line, 15);
        recording.add(frame(b"....a1 LOGIN \"joe\" \"mail\"\r\n"));
        // The same word elsewhere is nobody's password.
        recording.add(frame(b"220 mail.example.test\r\n"));
        assert_eq!(
            recording.frames()[0].data,
            b"....a1 LOGIN \"joe\" ******\r\n"
        );
        assert_eq!(recording.frames()[1].data, b"220 mail.example.test\r\n");
    }

    #[test]
    fn a_long_one_is_hidden_in_pieces_and_in_the_next_round() {
        let secret = b"eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ0123456789".repeat(2);
        let line = [b"AUTH XOAUTH2 ".as_slice(), &secret, b"\r\n"].concat();
        let mut recording = Recording::default();
        recording.conceal(&line, 13);
        let mut next = Recording::default();
        next.keep_concealing(&recording);
        next.add(frame(&line[..60]));
        next.add(frame(&line[60..]));
        let kept = next.frames().to_vec();
        for part in secret.chunks(PIECE) {
            for kept in &kept {
                let seen = kept.data.windows(PIECE).any(|bytes| bytes == part);
                assert!(!seen);
            }
        }
    }
}
