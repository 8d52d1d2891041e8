//! The engine between frames and records: all of it in one thread, or its parts in several ([`threads`]).
//!
//! Whichever it is, the judging half hears the same in the same order, so the records are the same.

mod crew;
#[cfg(test)]
mod tests;
mod threads;

pub use threads::many_sides;

use std::mem;
use std::sync::Arc;

use super::aside;
use crate::base::{Foreign, SourceId, Timestamp};
use crate::capture::{Frame, Mapping, OpenError};
use crate::engine::record::Record;
use crate::engine::{
    Engine, Here, Input, Intake, Judging, Onward, Shard, Sighting, SourceEnd, Told, When,
};
use crate::wire::{Icmp, Ip, Link, Quote, Tcp};

/// What becomes of frames and records.
pub trait Sink {
    /// An input was opened.
    fn source(&mut self, id: u32, name: &Foreign);
    /// The input is mapped: what [`Frame::position`] counts in.
    fn mapped(&mut self, _id: u32, _mapping: Arc<Mapping>) {}
    /// An input cannot be read.
    fn refused(&mut self, error: &OpenError) {
        aside::say(&error);
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

/// Who hears what the reading half sees: a judge in this thread, or the way to one in another.
pub trait Ears: Onward {
    /// An input was opened, and that was heard.
    fn source(&mut self, id: SourceId, name: Foreign);
    /// The input is mapped.
    fn mapped(&mut self, id: SourceId, mapping: Arc<Mapping>);
    /// An input cannot be read.
    fn refused(&mut self, error: &OpenError);
    /// The first frame of all comes.
    fn begin(&mut self, first: Timestamp);
    /// A frame comes.
    fn frame(&mut self, source: SourceId, frame: &Frame<'_>);
    /// False when nobody wants more.
    fn wanted(&self) -> bool;
}

/// Where inputs and frames go: the reading half, and who hears it.
pub struct Reading<E> {
    intake: Intake,
    ears: E,
    begun: bool,
}

impl<E: Ears> Reading<E> {
    fn new(intake: Intake, ears: E) -> Reading<E> {
        Reading {
            intake,
            ears,
            begun: false,
        }
    }

    /// An input is opened; `world`: an open source whose world it is a further part of.
    pub fn open(
        &mut self,
        world: Option<SourceId>,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let Reading { intake, ears, .. } = self;
        let id = intake.open(world, kind, name.clone(), format, ears);
        ears.source(id, name);
        id
    }

    /// Text of a key log.
    pub fn secrets(&mut self, text: &[u8]) {
        self.ears.tell(Told::Secrets(text.to_vec()));
    }

    /// What a probe says of itself in the input.
    pub fn told(&mut self, id: SourceId, text: &[u8]) {
        self.intake.told(id, text, &mut self.ears);
    }

    /// Nothing more came of that input until then, although it was watched.
    pub fn watched(&mut self, id: SourceId, until: Timestamp) {
        self.intake.watched(id, until);
    }

    /// The input is mapped: what [`Frame::position`] counts in.
    pub fn mapped(&mut self, id: SourceId, mapping: Arc<Mapping>) {
        self.ears.mapped(id, mapping);
    }

    /// An input cannot be read.
    pub fn refused(&mut self, error: &OpenError) {
        self.ears.refused(error);
    }

    /// A frame.
    #[inline]
    pub fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        if !mem::replace(&mut self.begun, true) {
            self.ears.begin(frame.time);
        }
        self.ears.frame(source, frame);
        self.intake.frame(&frame.of(source), &mut self.ears);
    }

    /// An input ends.
    pub fn close(&mut self, id: SourceId, end: SourceEnd) {
        self.intake.close_source(id, end, &mut self.ears);
    }

    /// Nothing more comes.
    pub fn finish(&mut self) {
        self.intake.finish(&mut self.ears);
    }

    /// False when nobody wants more.
    pub fn wanted(&self) -> bool {
        self.ears.wanted()
    }
}

/// Connections and the judge, in the thread that reads.
pub struct Beside<'a> {
    shard: Shard,
    judging: Judging,
    sink: &'a mut dyn Sink,
}

impl Beside<'_> {
    #[inline]
    fn here(&mut self, look: impl FnOnce(&mut Here<'_>)) {
        let Beside {
            shard,
            judging,
            sink,
        } = self;
        let seen = &mut |sighting| judging.hear(sighting, &mut |record| sink.record(record));
        look(&mut Here { shard, seen });
    }
}

impl Onward for Beside<'_> {
    const TAKES_APART: bool = false;

    fn plain(&mut self, _: &When, _: &Input<'_>, _: (u16, u16)) {}

    fn hear(&mut self, sighting: Sighting) {
        self.here(|here| here.hear(sighting));
    }

    fn segment(
        &mut self,
        when: &When,
        frame: Option<&Input<'_>>,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    ) {
        self.here(|here| here.segment(when, frame, link, ip, tcp));
    }

    fn error(&mut self, when: &When, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) {
        self.here(|here| here.error(when, ip, icmp, quote));
    }

    fn tick(&mut self, now: Timestamp) {
        self.here(|here| here.tick(now));
    }

    fn drain(&mut self) {
        self.here(|here| here.drain());
    }

    fn tell(&mut self, told: Told) {
        self.here(|here| here.tell(told));
    }
}

impl Ears for Beside<'_> {
    fn source(&mut self, id: SourceId, name: Foreign) {
        self.sink.source(id.0, &name);
    }

    fn mapped(&mut self, id: SourceId, mapping: Arc<Mapping>) {
        self.sink.mapped(id.0, mapping);
    }

    fn refused(&mut self, error: &OpenError) {
        self.sink.refused(error);
    }

    fn begin(&mut self, first: Timestamp) {
        self.sink.begin(first);
    }

    fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        self.sink.frame(source, frame);
    }

    fn wanted(&self) -> bool {
        self.sink.wanted()
    }
}

/// Reads and judges in the caller's thread.
pub fn one_side(engine: Engine, sink: &mut dyn Sink) -> Reading<Beside<'_>> {
    let (intake, shard, judging) = engine.parts();
    let beside = Beside {
        shard,
        judging,
        sink,
    };
    Reading::new(intake, beside)
}
