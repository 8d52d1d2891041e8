//! A capture that is played into a live run as if it came now, as fast as it is taken.
//!
//! It exists so that a watch can be tried on what has happened already: what it would have told, saved and stopped at, with
//! hours in seconds. Its clock is that of the frames, and where none comes it goes on in the steps in which a live capture
//! is looked at. What the file says of itself (keys, measurements of a probe) is left out: an interface says nothing.

use std::io::Read;
use std::time::Duration;

use super::set::{Counts, Taker};
use crate::base::{Foreign, Timestamp};
use crate::capture::{CaptureReader, Frame, Interface, OpenError};

/// Frames that are handed on before the run looks at anything else.
const TURN: usize = 2_048;

/// A capture that is played.
pub struct Rehearsal {
    reader: CaptureReader,
    interfaces: Vec<Interface>,
    name: Foreign,
    now: Timestamp,
    ended: bool,
}

impl Rehearsal {
    /// Begins to read a capture; `name` is what it is called.
    pub fn begin(name: &str, input: Box<dyn Read + Send>) -> Result<Rehearsal, OpenError> {
        let mut reader = CaptureReader::from_reader(name, input)?;
        let first = reader.peek().map(|frame| frame.time);
        let mut rehearsal = Rehearsal {
            reader,
            interfaces: Vec::new(),
            name: name.into(),
            now: first.unwrap_or(Timestamp(0)),
            ended: first.is_none(),
        };
        rehearsal.learn();
        Ok(rehearsal)
    }

    /// Takes over the interfaces that the file has described by now.
    fn learn(&mut self) {
        let known = self.interfaces.len();
        for interface in self.reader.interfaces().iter().skip(known) {
            let mut interface = interface.clone();
            if interface.name.as_str().is_empty() {
                interface.name = self.name.clone();
            }
            self.interfaces.push(interface);
        }
    }

    /// The interfaces that are known so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// How far the play has come.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether all was played.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// What the file counted, at its first interface.
    pub fn counts(&self) -> Vec<Counts> {
        let summary = self.reader.summary();
        vec![Counts {
            received: summary.packets.saturating_add(summary.dropped),
            dropped: summary.dropped,
        }]
    }

    /// Hands on what came within `patience` of the time that it has come to. Returns how many frames.
    pub fn read(&mut self, patience: Duration, frames: &mut Taker<'_>) -> usize {
        let patience = i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX);
        let until = self.now.plus(patience);
        for count in 0..TURN {
            let Some(next) = self.reader.peek() else {
                self.ended = true;
                return count;
            };
            let (time, interface) = (next.time, next.interface);
            if time > until {
                self.now = until;
                return count;
            }
            let mut place = usize::try_from(interface).unwrap_or(usize::MAX);
            if place >= self.interfaces.len() {
                self.learn();
            }
            if place >= self.interfaces.len() {
                // Described nowhere, or one of thousands.
                place = 0;
            }
            self.now = self.now.max(time);
            if let Some(frame) = self.reader.next_frame() {
                let interface = u32::try_from(place).unwrap_or(0);
                let frame = Frame { interface, ..frame };
                frames(&frame, &self.interfaces);
            }
        }
        TURN
    }
}
