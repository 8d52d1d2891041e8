//! One live run, from the first packet to the report.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use super::listeners::{Listeners, Told};
use super::probing::Probing;
use super::recording::Recording;
use super::rescue::Rescue;
use super::view::View;
use super::wire::Wire;
use super::{Arguments, incidents};
use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::capture::live::{Counts, Event};
use crate::capture::{Frame, Interface};
use crate::cli::afterword::Afterword;
use crate::cli::aside;
use crate::cli::bpf::Filter;
use crate::cli::exit::{self, Verdicts};
use crate::cli::interrupt::Interrupt;
use crate::cli::options::Reporting;
use crate::cli::output;
use crate::engine::{Engine, SourceEnd};
use crate::privilege::Successor;
use crate::report::{self, Format, Selection, Style};

/// The kernel is asked for frames at least this often.
const PATIENCE: Duration = Duration::from_millis(100);
/// Frames reach the engine at most this late: no silence is judged before.
const LATE: Nanos = 400 * MILLISECOND;
/// What is open is looked at this often.
const LOOK: Nanos = 250 * MILLISECOND;
/// Connections that are judged provisionally in one look.
const PORTION: usize = 1_024;
/// A read that gives so many frames is behind: time is then what the frames say.
const BEHIND: usize = 2_048;

/// Opens where the report goes, while that is allowed.
pub fn open_output(
    reporting: &Reporting,
    successor: Option<Successor>,
) -> io::Result<Box<dyn Write>> {
    let path = reporting.output.as_deref();
    Ok(match path.filter(|path| !output::is_standard(path)) {
        None => Box::new(BufWriter::new(io::stdout())),
        Some(path) => {
            let file = File::create(path)?;
            if let Some(successor) = successor
                && file.metadata()?.is_file()
            {
                successor.owns(&file)?;
            }
            Box::new(BufWriter::new(file))
        }
    })
}

/// Where a run is told.
pub enum Output {
    /// As a report, line by line where it can be.
    Report(Box<dyn Write>),
    /// On the terminal.
    View(Box<View>),
}

/// A run that is over.
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// What is to be said when the view has been left.
    pub afterword: Afterword,
    /// What was to be said when nobody looked any more.
    pub said: Vec<String>,
}

/// A live run.
pub struct Session<'a> {
    arguments: &'a Arguments,
    wire: Wire,
    engine: Engine,
    listeners: Listeners<'a>,
}

impl<'a> Session<'a> {
    #[allow(clippy::too_many_arguments)] // all that was opened
    pub fn new(
        arguments: &'a Arguments,
        engine: Engine,
        wire: Wire,
        announcement: Vec<String>,
        output: Output,
        filter: Option<Filter>,
        recording: Option<Recording>,
        rescue: Option<Rescue>,
        probing: Option<Probing>,
    ) -> Session<'a> {
        let reporting = &arguments.reporting;
        let style = Style {
            live: true,
            ..reporting.style("watch", false)
        };
        let follows = matches!(style.format, Format::Text | Format::Ndjson);
        let told = match output {
            Output::Report(out) => Told::Face(report::face(style, out)),
            Output::View(view) => Told::View(view),
        };
        Session {
            arguments,
            engine,
            listeners: Listeners {
                kind: wire.kind(),
                sources: Vec::new(),
                told,
                follows,
                broken: None,
                selection: Selection::new(reporting.criteria()),
                filter,
                verdicts: Verdicts::new(reporting.strictness()),
                recording,
                rescue,
                probing,
                failed: false,
                stop_at_failure: arguments.until_failure,
                began: false,
                reporting,
                said: announcement,
                unheard: Vec::new(),
                afterword: Afterword::default(),
            },
            wire,
        }
    }

    /// Captures until it is enough.
    pub fn run(mut self, interrupt: &Interrupt) -> Ended {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let deadline = self
            .arguments
            .duration
            .map(|span| self.wire.now().plus(nanos(span.0)));
        self.listeners
            .begin(&mut self.engine, self.wire.interfaces());
        self.say();
        let mut events = Vec::new();
        let mut looked = Timestamp(i64::MIN);
        let mut flushed = Timestamp(i64::MIN);
        loop {
            let patience = deadline.map_or(PATIENCE, |end| {
                let left = end.since(self.wire.now()).max(0).unsigned_abs();
                Duration::from_nanos(left).min(PATIENCE)
            });
            let (engine, listeners) = (&mut self.engine, &mut self.listeners);
            let mut take = |frame: &Frame<'_>, known: &[Interface]| {
                listeners.meet(engine, known);
                listeners.frame(engine, frame);
            };
            let read = self.wire.read(patience, &mut take, &mut events);
            self.heed(&mut events);
            let now = self.wire.now();
            let settled = now.plus(-LATE);
            let (engine, listeners) = (&mut self.engine, &mut self.listeners);
            if read < BEHIND {
                engine.tick(settled, &mut |record| listeners.record(&record, settled));
                listeners.tick(settled);
            }
            if now.since(looked) >= LOOK {
                looked = now;
                engine.provisional(settled, PORTION, &mut |record| {
                    listeners.provisional(&record, settled);
                });
                if let Told::View(view) = &mut self.listeners.told {
                    view.clock(now);
                }
                self.rotate(now);
                self.listeners.probe(now);
            }
            if now.since(flushed) >= SECOND {
                flushed = now;
                self.listeners.flush();
                self.count();
            }
            self.say();
            let over = self.wire.is_over() || deadline.is_some_and(|end| self.wire.now() >= end);
            if over || interrupt.pressed() || self.listeners.enough() {
                break;
            }
        }
        let (engine, listeners) = (&mut self.engine, &mut self.listeners);
        let mut take = |frame: &Frame<'_>, known: &[Interface]| {
            listeners.meet(engine, known);
            listeners.frame(engine, frame);
        };
        self.wire.drain(&mut take, &mut events);
        self.heed(&mut events);
        let counts = self.wire.counts();
        let now = self.wire.now();
        self.judge(now, &counts);
        let code = self.listeners.end(now, &counts);
        self.say();
        let code = match self.listeners.broken.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                aside::say(&format_args!("the report cannot be written: {error}"));
                exit::USAGE
            }
            _ if interrupt.pressed() => exit::INTERRUPTED,
            _ => code,
        };
        Ended {
            code,
            afterword: self.listeners.afterword,
            said: self.listeners.unheard,
        }
    }

    fn heed(&mut self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        for event in events.drain(..) {
            if let Event::Lost(place, count, from, to) = event {
                if let Some(source) = self.listeners.sources.get(place) {
                    self.engine.lost(*source, from, to, count);
                }
                if let Some(recording) = &mut self.listeners.recording {
                    recording.lost(place, count);
                }
            }
            self.listeners
                .said
                .extend(incidents::sentence(&event, self.wire.interfaces()));
        }
    }

    /// Everything is judged with what is known now.
    fn judge(&mut self, now: Timestamp, counts: &[Counts]) {
        let (engine, listeners) = (&mut self.engine, &mut self.listeners);
        let sources = listeners.sources.clone();
        for source in &sources {
            engine.watched(*source, now);
        }
        for (place, source) in sources.iter().enumerate() {
            let end = SourceEnd {
                dropped: counts.get(place).map_or(0, |counts| counts.dropped),
                ..SourceEnd::default()
            };
            engine.close_source(*source, end, &mut |record| listeners.record(&record, now));
        }
        engine.finish(&mut |record| listeners.record(&record, now));
    }

    fn rotate(&mut self, now: Timestamp) {
        if self
            .listeners
            .recording
            .as_ref()
            .is_some_and(|one| one.is_full(now))
        {
            let counts = self.wire.counts();
            if let Some(recording) = &mut self.listeners.recording
                && let Err(error) = recording.rotate(now, &counts)
            {
                self.listeners
                    .said
                    .push(format!("-w: the next file cannot be made: {error}"));
            }
        }
    }

    /// The counters, for who looks on.
    fn count(&mut self) {
        if let Told::View(view) = &mut self.listeners.told {
            let counts = self.wire.counts();
            for (source, counts) in self.listeners.sources.iter().zip(&counts) {
                view.dropped(*source, counts.dropped);
            }
            view.stats();
        }
    }

    fn say(&mut self) {
        let now = self.wire.now();
        for sentence in self.listeners.said.drain(..) {
            match &mut self.listeners.told {
                Told::Face(_) => aside::say(&sentence),
                Told::View(view) => match view.has_left() {
                    true => self.listeners.unheard.push(sentence),
                    false => view.notice(now, sentence),
                },
            }
        }
    }
}
