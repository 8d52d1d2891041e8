//! The engine itself: both halves, one after the other, for whoever has one thread.

use super::Config;
use super::intake::Intake;
use super::judging::Judging;
use super::record::Record;
use super::sighting::Sighting;
use super::sources::SourceEnd;
use crate::base::{Foreign, SourceId, Timestamp};
use crate::diagnosis::{Code, Measured};

/// A frame as the engine takes it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where it came from.
    pub source: SourceId,
    /// Its number there, from 1.
    pub number: u64,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// When it was captured.
    pub time: Timestamp,
    /// What was captured.
    pub data: &'a [u8],
    /// Its length on the wire.
    pub original_len: u32,
    /// One of mxray's own control packets: left out.
    pub control: bool,
}

/// The one door.
pub struct Engine {
    pub(super) intake: Intake,
    pub(super) judging: Judging,
    /// What the intake saw and the other half has not heard yet: empty between calls.
    seen: Vec<Sighting>,
}

impl Engine {
    /// An engine with nothing in it.
    pub fn new(config: Config) -> Engine {
        Engine {
            intake: Intake::new(&config),
            judging: Judging::new(config),
            seen: Vec::new(),
        }
    }

    /// The two halves of an engine that has taken no frame, for two threads: what the first sees, the second must hear in the
    /// same order.
    pub fn halves(self) -> (Intake, Judging) {
        (self.intake, self.judging)
    }

    /// Adds key log text (SSLKEYLOGFILE, or of a pcapng file's own): it counts for connections whose first encrypted
    /// record is still to come. Returns how many secrets were taken.
    pub fn secrets(&mut self, text: &[u8]) -> usize {
        self.intake.secrets(text)
    }

    /// Announces an input; its frames carry the number returned.
    pub fn open_source(
        &mut self,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let id = self.intake.open_source(kind, name, format, &mut self.seen);
        // Nothing is judged by this.
        self.hear(&mut |_| {});
        id
    }

    /// Announces a further input of the world that `world` is of and that is open yet: it has frame numbers of its own, but
    /// connections, look-ups and neighbours go on in it. When that world is over, it opens one of its own.
    pub fn open_part(
        &mut self,
        world: SourceId,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let seen = &mut self.seen;
        let id = self.intake.open_part(world, kind, name, format, seen);
        self.hear(&mut |_| {});
        id
    }

    /// The capturing machine lost `count` frames of that source after `from` and before `to`: what was silent meanwhile may
    /// have been answered.
    pub fn lost(&mut self, id: SourceId, from: Timestamp, to: Timestamp, count: u64) {
        self.intake.lost(id, (from, to), count, &mut self.seen);
        self.hear(&mut |_| {});
    }

    /// Nothing more came of that source until `time`, although it was watched: its silence goes that far.
    pub fn watched(&mut self, id: SourceId, time: Timestamp) {
        self.intake.watched(id, time);
    }

    /// Takes what a probe says of itself, as the text that its capture holds: see [`Intake::told`].
    pub fn told(&mut self, source: SourceId, text: &[u8], out: &mut dyn FnMut(Record)) {
        self.intake.told(source, text, &mut self.seen);
        self.hear(out);
    }

    /// Takes a measurement of mxray's own. It counts for connections and look-ups that are judged from now on, so it is
    /// given before the frames of an input; what is about the run is said at once.
    pub fn measured(&mut self, source: SourceId, measured: Measured, out: &mut dyn FnMut(Record)) {
        let measured = Sighting::Measured(source, Box::new(measured));
        self.judging.hear(measured, out);
    }

    /// Takes a frame; hands out what has become ripe by its time.
    pub fn frame(&mut self, input: &Input<'_>, out: &mut dyn FnMut(Record)) {
        self.intake.frame(input, &mut self.seen);
        self.hear(out);
    }

    /// Time passes: hands out what has become ripe.
    pub fn tick(&mut self, now: Timestamp, out: &mut dyn FnMut(Record)) {
        self.intake.tick(now, &mut self.seen);
        self.hear(out);
    }

    /// The source ends. With the last of its world everything is judged with what is known now.
    pub fn close_source(&mut self, id: SourceId, end: SourceEnd, out: &mut dyn FnMut(Record)) {
        self.intake.close_source(id, end, &mut self.seen);
        self.hear(out);
    }

    /// Pairs of fatal claims that met on one connection or look-up although the catalogue does not say
    /// which of them explains the other. A gap in the catalogue: tests allow none.
    pub fn undeclared(&self) -> impl Iterator<Item = (Code, Code)> {
        self.judging.undeclared()
    }

    /// The end of everything: attempts, then the summary.
    pub fn finish(&mut self, out: &mut dyn FnMut(Record)) {
        self.intake.finish(&mut self.seen);
        self.hear(out);
    }

    fn hear(&mut self, out: &mut dyn FnMut(Record)) {
        for sighting in self.seen.drain(..) {
            self.judging.hear(sighting, out);
        }
    }
}
