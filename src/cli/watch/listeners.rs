//! What looks at the frames and records of a run: the recording, the ring, the view or the report, and what counts for its
//! end. The loop that feeds it is [`super::session`].

use std::io;

use super::probing::Probing;
use super::recording::Recording;
use super::rescue::Rescue;
use super::view::View;
use crate::base::{SourceId, Timestamp};
use crate::capture::live::Counts;
use crate::capture::{Frame, Interface};
use crate::cli::afterword::Afterword;
use crate::cli::bpf::Filter;
use crate::cli::exit::Verdicts;
use crate::cli::options::Reporting;
use crate::engine::record::Record;
use crate::engine::{Engine, Input};
use crate::present;
use crate::report::{Face, Selection};

/// Who is told.
pub enum Told<'a> {
    Face(Box<dyn Face + 'a>),
    View(Box<View>),
}

/// What looks at the packets and records of a run.
pub struct Listeners<'a> {
    /// What the sources are, for reports.
    pub kind: &'static str,
    /// The interfaces, in the order of their numbers: each a source with frames and drops of its own, all of one world.
    pub sources: Vec<SourceId>,
    pub told: Told<'a>,
    /// Provisional records are shown.
    pub follows: bool,
    pub broken: Option<io::Error>,
    pub selection: Selection,
    pub filter: Option<Filter>,
    pub verdicts: Verdicts,
    pub recording: Option<Recording>,
    pub rescue: Option<Rescue>,
    pub probing: Option<Probing>,
    /// Something failed that counts.
    pub failed: bool,
    pub stop_at_failure: bool,
    pub began: bool,
    pub reporting: &'a Reporting,
    pub said: Vec<String>,
    /// What was to be said when nobody looked any more.
    pub unheard: Vec<String>,
    pub afterword: Afterword,
}

impl Listeners<'_> {
    /// Interfaces that were not known before are further sources of the same world.
    pub fn meet(&mut self, engine: &mut Engine, interfaces: &[Interface]) {
        for interface in interfaces.iter().skip(self.sources.len()) {
            self.open(engine, interface);
            if let Some(recording) = &mut self.recording
                && let Err(error) = recording.interface(interface)
            {
                self.stop_recording(&error);
            }
            if let Some(rescue) = &mut self.rescue {
                rescue.interface(interface);
            }
        }
    }

    fn open(&mut self, engine: &mut Engine, interface: &Interface) {
        let name = interface.name.clone();
        let source = match self.sources.first() {
            None => engine.open_source(self.kind, name.clone(), None),
            Some(world) => engine.open_part(*world, self.kind, name.clone(), None),
        };
        let first = self.sources.first().copied().unwrap_or(source);
        self.sources.push(source);
        match &mut self.told {
            Told::Face(face) => face.source(source.0, &name),
            Told::View(view) => view.source(source, name, first),
        }
    }

    pub fn begin(&mut self, engine: &mut Engine, interfaces: &[Interface]) {
        for interface in interfaces {
            self.open(engine, interface);
        }
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.begin(interfaces)
        {
            self.stop_recording(&error);
        }
        if let Some(rescue) = &mut self.rescue {
            rescue.begin(interfaces);
        }
    }

    fn stop_recording(&mut self, error: &io::Error) {
        self.recording = None;
        self.said
            .push(format!("-w: {error}; the packets are not kept any more"));
    }

    pub fn frame(&mut self, engine: &mut Engine, frame: &Frame<'_>) {
        if !self.began {
            self.began = true;
            let zone = self.reporting.zone();
            let resolved = |when: Option<crate::cli::when::When>| {
                when.and_then(|when| when.resolve(frame.time, &zone))
            };
            self.selection.criteria.since = resolved(self.reporting.since);
            self.selection.criteria.until = resolved(self.reporting.until);
            if let Told::Face(face) = &mut self.told {
                face.begin(frame.time);
            }
        }
        let ours = |probing: &mut Probing| probing.is_own(frame);
        let control = frame.control || self.probing.as_mut().is_some_and(ours);
        let frame = &Frame { control, ..*frame };
        let place = usize::try_from(frame.interface).unwrap_or(usize::MAX);
        let Some(source) = self.sources.get(place).copied() else {
            return;
        };
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.frame(frame)
        {
            self.stop_recording(&error);
        }
        if let Some(rescue) = &mut self.rescue {
            self.said.extend(rescue.frame(frame));
        }
        if let Told::View(view) = &mut self.told {
            view.frame(source, frame);
        }
        if let Some(filter) = &mut self.filter {
            filter.see(source, frame);
        }
        let input = Input {
            control,
            ..frame.of(source)
        };
        engine.frame(&input, &mut |record| self.record(&record, frame.time));
    }

    /// Probes that the user wants, and what they found.
    pub fn probe(&mut self, now: Timestamp) {
        let (Some(probing), Told::View(view)) = (&mut self.probing, &mut self.told) else {
            return;
        };
        for target in view.wanted() {
            self.said.push(probing.order(target));
        }
        self.said.extend(probing.look(now, view));
        let doing = probing.under_way().map(|target| {
            let place = present::endpoint(&target.ip.to_string(), target.port);
            format!("probing {place}")
        });
        view.doing(doing);
    }

    /// Time passes without a frame.
    pub fn tick(&mut self, now: Timestamp) {
        if let Some(rescue) = &mut self.rescue {
            self.said.extend(rescue.tick(now));
        }
    }

    /// What is said of something that is open.
    pub fn provisional(&mut self, record: &Record, now: Timestamp) {
        self.failed |= failed(record);
        if let Some(rescue) = &mut self.rescue {
            self.said.extend(rescue.record(record, now));
        }
        if self.follows {
            self.show(record);
        }
    }

    pub fn record(&mut self, record: &Record, now: Timestamp) {
        self.verdicts.see(record);
        self.afterword.see(record);
        self.failed |= failed(record);
        if let Some(rescue) = &mut self.rescue {
            self.said.extend(rescue.record(record, now));
        }
        self.show(record);
    }

    fn show(&mut self, record: &Record) {
        let matched = self
            .filter
            .as_ref()
            .is_none_or(|filter| filter.wants(record));
        if self.broken.is_some() || !self.selection.wants(record, matched) {
            return;
        }
        match &mut self.told {
            Told::Face(face) => self.broken = face.record(record).err(),
            Told::View(view) => view.record(record),
        }
    }

    pub fn flush(&mut self) {
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.flush()
        {
            self.stop_recording(&error);
        }
    }

    pub fn enough(&mut self) -> bool {
        let left = match &mut self.told {
            Told::View(view) => view.has_left(),
            Told::Face(_) => false,
        };
        left || self.broken.is_some() || self.stop_at_failure && self.failed
    }

    /// The end: everything is written. Gives back the exit code.
    pub fn end(&mut self, now: Timestamp, counts: &[Counts]) -> u8 {
        if let Some(recording) = self.recording.take()
            && let Err(error) = recording.end(now, counts)
        {
            self.said.push(format!("-w: {error}"));
        }
        if let Some(mut rescue) = self.rescue.take() {
            self.said.extend(rescue.end(now));
        }
        match &mut self.told {
            Told::Face(face) if self.broken.is_none() => self.broken = face.finish().err(),
            Told::Face(_) => {}
            Told::View(view) => view.end(),
        }
        self.verdicts.code()
    }
}

fn failed(record: &Record) -> bool {
    match record {
        Record::Connection(one) => one.outcome == "failed",
        Record::Lookup(one) => one.outcome == "failed",
        _ => false,
    }
}
