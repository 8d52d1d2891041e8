//! What a replay will show, for its time bar: from when to when, and who dies where.

use super::Play;
use crate::base::{Foreign, SourceId, Timestamp};
use crate::capture::{Frame, OpenError};
use crate::cli::feed::feed;
use crate::cli::interrupt::Interrupt;
use crate::cli::sides::Sink;
use crate::engine::Engine;
use crate::engine::record::Record;
use crate::tui::{Death, Event, Sender, Timeline};

/// Deaths marked on the time bar.
const DEATHS: usize = 10_000;

/// Reads everything once for the time bar.
pub(super) fn scan(play: &Play, events: &Sender) {
    let mut scan = Scan {
        timeline: Timeline::default(),
        position: Timestamp(0),
        events,
    };
    let inputs = play.inputs.iter().cloned().map(Ok).collect();
    let engine = Engine::new(play.config.clone());
    let idle = Interrupt::default();
    let read = feed(engine, &mut scan, inputs, play.merge, &idle, false);
    if read.is_ok() {
        // Who has left needs no time bar.
        let _ = events.send(Event::Timeline(scan.timeline));
    }
}

struct Scan<'a> {
    timeline: Timeline,
    position: Timestamp,
    events: &'a Sender,
}

impl Sink for Scan<'_> {
    fn source(&mut self, _: u32, _: &Foreign) {}

    fn frame(&mut self, _: SourceId, frame: &Frame<'_>) {
        extend(&mut self.timeline, frame.time);
        self.position = self.position.max(frame.time);
    }

    fn record(&mut self, record: Record) {
        mark(&mut self.timeline, &record, self.position);
    }

    fn refused(&mut self, _: &OpenError) {}

    fn wanted(&self) -> bool {
        !self.events.is_gone()
    }
}

/// A frame was captured at that time.
pub(super) fn extend(timeline: &mut Timeline, time: Timestamp) {
    if timeline.first.0 == 0 || time < timeline.first {
        timeline.first = time;
    }
    timeline.last = timeline.last.max(time);
}

/// Notes a death; refusals on purpose are none.
pub(super) fn mark(timeline: &mut Timeline, record: &Record, told: Timestamp) {
    let (outcome, verdict, ended) = match record {
        Record::Connection(record) => (record.outcome, &record.verdict, record.ended.0),
        Record::Lookup(record) => (record.outcome, &record.verdict, record.started.0),
        _ => return,
    };
    let counts = matches!(outcome, "failed" | "degraded") && verdict.class != Some("policy");
    if counts && timeline.deaths.len() < DEATHS {
        let at = verdict.time.map_or(ended, |moment| moment.0);
        timeline.deaths.push(Death { at, told });
    }
}
