//! The engine itself: all its parts, one after the other, for whoever has one thread.

use super::Config;
use super::intake::Intake;
use super::judging::Judging;
use super::onward::Here;
use super::record::Record;
use super::shard::Shard;
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
    /// The interface of that source that it was captured on.
    pub interface: u32,
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
    pub(super) shard: Shard,
    pub(super) judging: Judging,
}

impl Engine {
    /// An engine with nothing in it.
    pub fn new(config: Config) -> Engine {
        Engine {
            intake: Intake::new(&config),
            shard: Shard::new(&config),
            judging: Judging::new(config),
        }
    }

    /// The shards that were asked for.
    pub fn shards(&self) -> Option<usize> {
        self.judging.config.shards
    }

    /// The parts of an engine that has taken no frame, for several threads: what the first two see, the third must hear in the
    /// order of frames.
    pub fn parts(self) -> (Intake, Shard, Judging) {
        (self.intake, self.shard, self.judging)
    }

    /// Adds key log text (SSLKEYLOGFILE, or of a pcapng file's own): it counts for connections whose first encrypted
    /// record is still to come. Returns how many secrets were taken.
    pub fn secrets(&mut self, text: &[u8]) -> usize {
        self.shard.secrets(text)
    }

    /// Announces an input; its frames carry the number returned.
    pub fn open_source(
        &mut self,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        self.see(&mut |_| {}, |intake, hear| {
            intake.open(None, kind, name, format, hear)
        })
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
        self.see(&mut |_| {}, |intake, hear| {
            intake.open(Some(world), kind, name, format, hear)
        })
    }

    /// The capturing machine lost `count` frames of that source after `from` and before `to`: what was silent meanwhile may
    /// have been answered.
    pub fn lost(&mut self, id: SourceId, from: Timestamp, to: Timestamp, count: u64) {
        self.see(&mut |_| {}, |intake, hear| {
            intake.lost(id, (from, to), count, hear)
        });
    }

    /// Nothing more came of that source until `time`, although it was watched: its silence goes that far.
    pub fn watched(&mut self, id: SourceId, time: Timestamp) {
        self.intake.watched(id, time);
    }

    /// Takes what a probe says of itself, as the text that its capture holds: see [`Intake::told`].
    pub fn told(&mut self, source: SourceId, text: &[u8], out: &mut dyn FnMut(Record)) {
        self.see(out, |intake, hear| intake.told(source, text, hear));
    }

    /// Takes a measurement of mxray's own. It counts for connections and look-ups that are judged from now on, so it is
    /// given before the frames of an input; what is about the run is said at once.
    pub fn measured(&mut self, source: SourceId, measured: Measured, out: &mut dyn FnMut(Record)) {
        let measured = Sighting::Measured(source, Box::new(measured));
        self.judging.hear(measured, out);
    }

    /// Takes a frame; hands out what has become ripe by its time.
    pub fn frame(&mut self, input: &Input<'_>, out: &mut dyn FnMut(Record)) {
        self.see(out, |intake, hear| intake.frame(input, hear));
    }

    /// Time passes: hands out what has become ripe.
    pub fn tick(&mut self, now: Timestamp, out: &mut dyn FnMut(Record)) {
        self.see(out, |intake, hear| intake.tick(now, hear));
    }

    /// The source ends. With the last of its world everything is judged with what is known now.
    pub fn close_source(&mut self, id: SourceId, end: SourceEnd, out: &mut dyn FnMut(Record)) {
        self.see(out, |intake, hear| intake.close_source(id, end, hear));
    }

    /// Pairs of fatal claims that met on one connection or look-up although the catalogue does not say
    /// which of them explains the other. A gap in the catalogue: tests allow none.
    pub fn undeclared(&self) -> impl Iterator<Item = (Code, Code)> {
        self.judging.undeclared()
    }

    /// The end of everything: attempts, then the summary.
    pub fn finish(&mut self, out: &mut dyn FnMut(Record)) {
        self.see(out, |intake, hear| intake.finish(hear));
    }

    /// Lets the reading half look at something; the other half hears at once what it sees.
    fn see<R>(
        &mut self,
        out: &mut dyn FnMut(Record),
        look: impl FnOnce(&mut Intake, &mut Here<'_>) -> R,
    ) -> R {
        let Engine {
            intake,
            shard,
            judging,
        } = self;
        let seen = &mut |sighting| judging.hear(sighting, out);
        look(intake, &mut Here { shard, seen })
    }
}
