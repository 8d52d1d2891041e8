//! From what the user named to frames behind the door: order of inputs, parts of one recording, bad ones.
//!
//! An input that cannot be read stops nothing: it is named on standard error and stands in the report as a
//! source with damage. Only when nothing at all can be read there is no report.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt::Interrupt;
use super::sides::{Ears, Reading, Sink, many_sides, one_side};
use crate::base::{Foreign, SourceId};
use crate::capture::{
    CaptureReader, Frame, Input, KeyLog, Merged, OpenError, OpenErrorKind, SourceSummary,
};
use crate::engine::record::Record;
use crate::engine::{Engine, SourceEnd};

/// Bytes from which on a bar is shown.
const BIG: u64 = 32 << 20;
/// Parts that connections are kept in where there is more than one core: reading and judging would not keep up with more.
const SHARDS: usize = 2;
/// Frames between two looks at Ctrl-C and the bar.
const PACE: u64 = 4096;

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// No input is a capture.
    NoInput,
    /// Every input is one that this user may not read.
    NotPermitted,
}

/// Reads everything into an engine and finishes it. `merge`: all inputs are one world, read in the order of time. `bar`:
/// whether a progress bar may be shown. Reading and judging have threads of their own where there is more than
/// one core and the sink does not ask for every frame.
pub fn feed(
    engine: Engine,
    sink: &mut dyn Sink,
    inputs: Vec<Result<Input, OpenError>>,
    merge: bool,
    interrupt: &Interrupt,
    bar: bool,
) -> Result<(), Nothing> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let few = if cores > 1 { SHARDS } else { 0 };
    let shards = engine.shards().unwrap_or(few);
    if shards > 0 && !sink.wants_frames() {
        // Reading and judging take a core each.
        let others = cores.saturating_sub(2).min(shards);
        return many_sides(engine, sink, shards, others, |door| {
            Feed::new(door, interrupt, bar).run(inputs, merge)
        });
    }
    Feed::new(&mut one_side(engine, sink), interrupt, bar).run(inputs, merge)
}

/// Reads inputs.
struct Feed<'a, E> {
    door: &'a mut Reading<E>,
    interrupt: &'a Interrupt,
    bar: ProgressBar,
    paced: u64,
    /// Inputs that could not be opened before the first that could.
    bad: Vec<OpenError>,
    opened: bool,
    permitted: bool,
}

impl<'a, E: Ears> Feed<'a, E> {
    fn new(door: &'a mut Reading<E>, interrupt: &'a Interrupt, bar: bool) -> Feed<'a, E> {
        let bar = if bar && std::io::stderr().is_terminal() {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template(
            "{bar:30} {bytes} of {total_bytes}, {eta} left  {wide_msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Feed {
            door,
            interrupt,
            bar,
            paced: 0,
            bad: Vec::new(),
            opened: false,
            permitted: false,
        }
    }

    fn run(mut self, inputs: Vec<Result<Input, OpenError>>, merge: bool) -> Result<(), Nothing> {
        if merge {
            self.read_merged(inputs);
        } else {
            self.read(inputs);
        }
        self.bar.finish_and_clear();
        if !self.opened {
            return Err(if self.bad.is_empty() || self.permitted {
                Nothing::NoInput
            } else {
                Nothing::NotPermitted
            });
        }
        self.door.finish();
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.interrupt.pressed() || !self.door.wanted()
    }

    fn read(&mut self, inputs: Vec<Result<Input, OpenError>>) {
        // The input before: it ends when it is known whether the next one goes on with it.
        let mut before: Option<(SourceId, SourceSummary)> = None;
        for input in inputs {
            if self.stopped() {
                break;
            }
            let mut reader = match input
                .and_then(|input| CaptureReader::open_until(&input, self.interrupt.flag()))
            {
                Ok(reader) => reader,
                Err(error) => {
                    if let Some((earlier, summary)) = before.take() {
                        self.close(earlier, &summary);
                    }
                    self.refuse(error);
                    continue;
                }
            };
            let id = match before.take() {
                Some((earlier, summary)) if reader.continues(&summary) => {
                    let id = self.open(&reader, Some(earlier));
                    self.close(earlier, &summary);
                    id
                }
                Some((earlier, summary)) => {
                    self.close(earlier, &summary);
                    self.open(&reader, None)
                }
                None => self.open(&reader, None),
            };
            self.watch(&reader);
            let (mut secrets, mut measured) = (0, 0);
            while let Some((frame, beside)) = reader.next_noted() {
                // Secrets that stand before a frame are known when it comes.
                secrets = self.secrets(beside.key_log, secrets);
                measured = self.measured(id, beside.measured, measured);
                self.frame(id, &frame);
                if self.paced.is_multiple_of(PACE) {
                    if self.stopped() {
                        break;
                    }
                    self.bar.set_position(reader.progress().read);
                }
            }
            before = Some((id, reader.summary()));
        }
        if let Some((id, summary)) = before {
            self.close(id, &summary);
        }
    }

    fn read_merged(&mut self, inputs: Vec<Result<Input, OpenError>>) {
        let mut readers = Vec::new();
        for input in inputs {
            match input.and_then(|input| CaptureReader::open_until(&input, self.interrupt.flag())) {
                Ok(reader) => readers.push(reader),
                Err(error) => self.refuse(error),
            }
        }
        let mut world = None;
        let mut parts = Vec::with_capacity(readers.len());
        for reader in readers {
            let id = self.open(&reader, world);
            world.get_or_insert(id);
            parts.push((id, reader));
        }
        let mut merged = Merged::new(parts);
        let mut known = vec![(0, 0); merged.readers().len()];
        for ((id, reader), known) in merged.readers().iter().zip(&mut known) {
            *known = (
                self.secrets(reader.key_log(), 0),
                self.measured(*id, reader.measured(), 0),
            );
        }
        loop {
            if let Some(place) = merged.look_ahead()
                && let (Some((id, reader)), Some(known)) =
                    (merged.readers().get(place), known.get_mut(place))
            {
                *known = (
                    self.secrets(reader.key_log(), known.0),
                    self.measured(*id, reader.measured(), known.1),
                );
            }
            let Some((id, frame)) = merged.next_frame() else {
                break;
            };
            self.frame(id, &frame);
            if self.paced.is_multiple_of(PACE) && self.stopped() {
                break;
            }
        }
        for (id, reader) in merged.readers() {
            self.close(*id, &reader.summary());
        }
    }

    /// Hands TLS secrets that the capture itself carries to the engine; returns how much of them was handed over.
    #[inline]
    fn secrets(&mut self, key_log: &KeyLog, known: usize) -> usize {
        let text = key_log.text();
        if let Some(more) = text.get(known..).filter(|more| !more.is_empty()) {
            self.door.secrets(more);
        }
        text.len()
    }

    /// Hands measurements that the capture itself carries to the engine; returns how many were handed over.
    #[inline]
    fn measured(&mut self, id: SourceId, all: &[Vec<u8>], known: usize) -> usize {
        for text in all.iter().skip(known) {
            self.door.told(id, text);
        }
        all.len()
    }

    #[inline]
    fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        self.paced = self.paced.wrapping_add(1);
        self.door.frame(source, frame);
    }

    /// `world`: an open source whose world the input is a further part of.
    fn open(&mut self, reader: &CaptureReader, world: Option<SourceId>) -> SourceId {
        self.opened = true;
        self.permitted = true;
        for error in std::mem::take(&mut self.bad) {
            self.open_bad(&error);
        }
        let summary = reader.summary();
        let (kind, name, format) = (
            summary.kind.name(),
            summary.name.clone(),
            Some(summary.format),
        );
        let id = self.door.open(world, kind, name, format);
        if let Some(mapping) = reader.mapping() {
            self.door.mapped(id, mapping);
        }
        id
    }

    fn close(&mut self, id: SourceId, summary: &SourceSummary) {
        if let Some(until) = summary.watched {
            self.door.watched(id, until);
        }
        self.door.close(id, summary.end());
    }

    fn refuse(&mut self, error: OpenError) {
        let door = &mut *self.door;
        self.bar.suspend(|| door.refused(&error));
        self.permitted |= error.kind() != OpenErrorKind::NotPermitted;
        if self.opened {
            self.open_bad(&error);
        } else {
            self.bad.push(error);
        }
    }

    /// An input that cannot be read, in the report.
    fn open_bad(&mut self, error: &OpenError) {
        let id = self.door.open(None, "file", error.input().clone(), None);
        let end = SourceEnd {
            damage: Some(error.what().to_owned()),
            ..SourceEnd::default()
        };
        self.door.close(id, end);
    }

    fn watch(&self, reader: &CaptureReader) {
        match reader.progress().total {
            Some(total) if total >= BIG => {
                self.bar.set_length(total);
                self.bar.set_message(reader.name().to_string());
            }
            _ => self.bar.finish_and_clear(),
        }
    }
}

/// Reads one capture that is at hand into an engine of its own, and finishes it.
pub fn feed_whole(
    engine: Engine,
    mut reader: CaptureReader,
    frames: &mut dyn FnMut(&Frame<'_>),
    out: &mut dyn FnMut(Record),
) {
    struct Whole<'a> {
        frames: &'a mut dyn FnMut(&Frame<'_>),
        out: &'a mut dyn FnMut(Record),
    }
    impl Sink for Whole<'_> {
        fn source(&mut self, _: u32, _: &Foreign) {}
        fn frame(&mut self, _: SourceId, frame: &Frame<'_>) {
            (self.frames)(frame);
        }
        fn record(&mut self, record: Record) {
            (self.out)(record);
        }
        fn wanted(&self) -> bool {
            true
        }
    }
    let mut whole = Whole { frames, out };
    let mut door = one_side(engine, &mut whole);
    let interrupt = Interrupt::default();
    let mut feed = Feed::new(&mut door, &interrupt, false);
    let id = feed.open(&reader, None);
    let (mut secrets, mut measured) = (0, 0);
    while let Some((frame, beside)) = reader.next_noted() {
        secrets = feed.secrets(beside.key_log, secrets);
        measured = feed.measured(id, beside.measured, measured);
        feed.frame(id, &frame);
    }
    feed.close(id, &reader.summary());
    feed.door.finish();
}
