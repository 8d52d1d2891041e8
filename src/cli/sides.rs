//! The engine between frames and records: in one thread, or its halves in two.
//!
//! On two cores the reading half goes ahead by a bounded number of parcels; what the judging half hears, it hears in the same
//! order as on one core, so the records are the same.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::thread;

use crate::base::{Foreign, SourceId, Timestamp};
use crate::capture::{Frame, Mapping, OpenError};
use crate::engine::record::Record;
use crate::engine::{self, Engine, Intake, Sighting, SourceEnd};

/// Sightings that go over at once.
const PARCEL: usize = 128;
/// Parcels on their way at the most.
const PARCELS: usize = 8;

/// What becomes of frames and records.
pub trait Sink {
    /// An input was opened.
    fn source(&mut self, id: u32, name: &Foreign);
    /// The input is mapped: what [`Frame::position`] counts in.
    fn mapped(&mut self, _id: u32, _mapping: Arc<Mapping>) {}
    /// An input cannot be read.
    fn refused(&mut self, error: &OpenError) {
        eprintln!("mxray: {error}");
    }
    /// The first frame of all.
    fn begin(&mut self, _first: Timestamp) {}
    /// Whether every frame is to be seen; then reading and judging share a thread.
    fn wants_frames(&self) -> bool {
        true
    }
    /// A frame, before the engine gets it; only when they are wanted.
    fn frame(&mut self, _source: SourceId, _frame: &Frame<'_>) {}
    /// A record of the engine.
    fn record(&mut self, record: Record);
    /// False when nobody wants more.
    fn wanted(&self) -> bool;
}

/// Where inputs and frames go.
pub trait Door {
    /// An input is opened; `world`: an open source whose world it is a further part of.
    fn open(
        &mut self,
        world: Option<SourceId>,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId;
    /// Text of a key log.
    fn secrets(&mut self, text: &[u8]);
    /// What a probe says of itself in the input.
    fn told(&mut self, id: SourceId, text: &[u8]);
    /// Nothing more came of that input until then, although it was watched.
    fn watched(&mut self, id: SourceId, until: Timestamp);
    /// The input is mapped.
    fn mapped(&mut self, id: SourceId, mapping: Arc<Mapping>);
    /// An input cannot be read.
    fn refused(&mut self, error: &OpenError);
    /// A frame.
    fn frame(&mut self, source: SourceId, frame: &Frame<'_>);
    /// An input ends.
    fn close(&mut self, id: SourceId, end: SourceEnd);
    /// Nothing more comes.
    fn finish(&mut self);
    /// False when nobody wants more.
    fn wanted(&self) -> bool;
}

fn input<'a>(source: SourceId, frame: &Frame<'a>) -> engine::Input<'a> {
    engine::Input {
        source,
        number: frame.number,
        link_type: frame.link_type,
        time: frame.time,
        data: frame.data,
        original_len: frame.original_len,
        control: frame.control,
    }
}

/// Everything in the caller's thread.
pub struct Inline<'a> {
    engine: Engine,
    sink: &'a mut dyn Sink,
    begun: bool,
}

impl<'a> Inline<'a> {
    /// An engine and its sink.
    pub fn new(engine: Engine, sink: &'a mut dyn Sink) -> Inline<'a> {
        Inline {
            engine,
            sink,
            begun: false,
        }
    }
}

impl Door for Inline<'_> {
    fn open(
        &mut self,
        world: Option<SourceId>,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let id = match world {
            Some(world) => self.engine.open_part(world, kind, name.clone(), format),
            None => self.engine.open_source(kind, name.clone(), format),
        };
        self.sink.source(id.0, &name);
        id
    }

    fn secrets(&mut self, text: &[u8]) {
        self.engine.secrets(text);
    }

    fn told(&mut self, id: SourceId, text: &[u8]) {
        let sink = &mut *self.sink;
        self.engine
            .told(id, text, &mut |record| sink.record(record));
    }

    fn watched(&mut self, id: SourceId, until: Timestamp) {
        self.engine.watched(id, until);
    }

    fn mapped(&mut self, id: SourceId, mapping: Arc<Mapping>) {
        self.sink.mapped(id.0, mapping);
    }

    fn refused(&mut self, error: &OpenError) {
        self.sink.refused(error);
    }

    fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        if !mem::replace(&mut self.begun, true) {
            self.sink.begin(frame.time);
        }
        self.sink.frame(source, frame);
        let sink = &mut *self.sink;
        self.engine
            .frame(&input(source, frame), &mut |record| sink.record(record));
    }

    fn close(&mut self, id: SourceId, end: SourceEnd) {
        let sink = &mut *self.sink;
        self.engine
            .close_source(id, end, &mut |record| sink.record(record));
    }

    fn finish(&mut self) {
        let sink = &mut *self.sink;
        self.engine.finish(&mut |record| sink.record(record));
    }

    fn wanted(&self) -> bool {
        self.sink.wanted()
    }
}

/// What goes from one thread to the other.
enum Parcel {
    Source(u32, Foreign),
    Begin(Timestamp),
    Sightings(Vec<Sighting>),
}

/// The reading half and the way to the other.
pub struct Reading<'a> {
    intake: Intake,
    seen: Vec<Sighting>,
    parcels: SyncSender<Parcel>,
    /// Lists that were heard, to be filled again.
    empty: Receiver<Vec<Sighting>>,
    wanted: &'a AtomicBool,
    begun: bool,
}

impl Reading<'_> {
    fn send(&mut self) {
        let next = match self.empty.try_recv() {
            Ok(list) => list,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Vec::with_capacity(PARCEL),
        };
        let seen = mem::replace(&mut self.seen, next);
        self.put(Parcel::Sightings(seen));
    }

    fn put(&mut self, parcel: Parcel) {
        // Who judges is gone only when it panicked, which the scope of both threads tells.
        if self.parcels.send(parcel).is_err() {
            self.wanted.store(false, Ordering::Relaxed);
        }
    }
}

impl Door for Reading<'_> {
    fn open(
        &mut self,
        world: Option<SourceId>,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let seen = &mut self.seen;
        let id = match world {
            Some(world) => self
                .intake
                .open_part(world, kind, name.clone(), format, seen),
            None => self.intake.open_source(kind, name.clone(), format, seen),
        };
        self.send();
        self.put(Parcel::Source(id.0, name));
        id
    }

    fn secrets(&mut self, text: &[u8]) {
        self.intake.secrets(text);
    }

    fn told(&mut self, id: SourceId, text: &[u8]) {
        self.intake.told(id, text, &mut self.seen);
    }

    fn watched(&mut self, id: SourceId, until: Timestamp) {
        self.intake.watched(id, until);
    }

    fn mapped(&mut self, _: SourceId, _: Arc<Mapping>) {}

    fn refused(&mut self, error: &OpenError) {
        eprintln!("mxray: {error}");
    }

    fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        if !mem::replace(&mut self.begun, true) {
            self.put(Parcel::Begin(frame.time));
        }
        self.intake.frame(&input(source, frame), &mut self.seen);
        if self.seen.len() >= PARCEL {
            self.send();
        }
    }

    fn close(&mut self, id: SourceId, end: SourceEnd) {
        self.intake.close_source(id, end, &mut self.seen);
        self.send();
    }

    fn finish(&mut self) {
        self.intake.finish(&mut self.seen);
        self.send();
    }

    fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

/// Lets `read` read in a thread of its own, and judges in this one.
pub fn two_sides<R: Send>(
    engine: Engine,
    sink: &mut dyn Sink,
    read: impl FnOnce(&mut Reading<'_>) -> R + Send,
) -> R {
    let (intake, mut judging) = engine.halves();
    let (parcels, arriving) = sync_channel(PARCELS);
    let (heard, empty) = channel();
    let wanted = AtomicBool::new(true);
    let asked = &wanted;
    thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut reading = Reading {
                intake,
                seen: Vec::with_capacity(PARCEL),
                parcels,
                empty,
                wanted: asked,
                begun: false,
            };
            read(&mut reading)
        });
        for parcel in arriving {
            match parcel {
                Parcel::Source(id, name) => sink.source(id, &name),
                Parcel::Begin(first) => sink.begin(first),
                Parcel::Sightings(mut seen) => {
                    for sighting in seen.drain(..) {
                        judging.hear(sighting, &mut |record| sink.record(record));
                    }
                    let _ = heard.send(seen);
                    asked.store(sink.wanted(), Ordering::Relaxed);
                }
            }
        }
        match reading.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
