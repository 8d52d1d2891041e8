//! `mxray replay FILE…`: captures in, a report out.

use std::ffi::OsString;
use std::io;

use clap::Args;

use super::bpf::Filter;
use super::exit::{self, Verdicts};
use super::feed::{Feed, Nothing, Sink};
use super::interrupt::Interrupt;
use super::options::Reporting;
use super::output;
use crate::base::{Foreign, SourceId};
use crate::capture::{self, Frame};
use crate::engine::Engine;
use crate::engine::record::Record;
use crate::report::{self, Face, Selection};

/// Read captures and say for every mail connection how far it got, where it died, why, and which frames prove it
///
/// Sends no packet and looks up no name.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Captures (pcap, pcapng; plain or .gz, .zst, .lz4), folders of captures, or - for standard input
    ///
    /// Files are separate worlds
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,
    #[command(flatten)]
    reporting: Reporting,
}

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    match prepare(arguments) {
        Ok((engine, filter)) => replay(arguments, engine, filter),
        Err(why) => {
            eprintln!("mxray: {why}");
            exit::USAGE
        }
    }
}

fn prepare(arguments: &Arguments) -> Result<(Engine, Option<Filter>), String> {
    let config = arguments.reporting.config()?;
    let filter = match &arguments.reporting.filter {
        Some(text) => Some(Filter::new(text).map_err(|why| format!("--filter: {why}"))?),
        None => None,
    };
    Ok((Engine::new(config), filter))
}

fn replay(arguments: &Arguments, engine: Engine, filter: Option<Filter>) -> u8 {
    let reporting = &arguments.reporting;
    let interrupt = Interrupt::listen();
    let inputs = capture::expand(&arguments.files);
    let mut reporter = Reporter {
        reporting,
        face: None,
        failed: None,
        selection: Selection::new(reporting.criteria()),
        filter,
        verdicts: Verdicts::new(reporting.strictness()),
        begun: false,
        several: inputs.len() > 1,
    };
    let read = Feed::new(engine, &mut reporter, interrupt.clone(), !reporting.quiet).run(inputs);
    match read {
        Err(Nothing::NotPermitted) => return exit::NOT_PERMITTED,
        Err(Nothing::NoInput) => return exit::USAGE,
        Ok(()) => {}
    }
    let code = reporter.verdicts.code();
    match reporter.finish() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("mxray: the report cannot be written: {error}");
            exit::USAGE
        }
        _ if interrupt.pressed() => exit::INTERRUPTED,
        _ => code,
    }
}

/// Hands records to the face, and remembers the first error.
struct Reporter<'a> {
    reporting: &'a Reporting,
    /// Opened with the first input, so that no file is made when there is nothing to report.
    face: Option<Box<dyn Face>>,
    failed: Option<io::Error>,
    selection: Selection,
    filter: Option<Filter>,
    verdicts: Verdicts,
    begun: bool,
    /// Several inputs were named.
    several: bool,
}

impl Reporter<'_> {
    fn face(&mut self) -> Option<&mut Box<dyn Face>> {
        if self.face.is_none() && self.failed.is_none() {
            match output::open(self.reporting.output.as_deref()) {
                Ok(out) => {
                    self.face = Some(report::face(
                        self.reporting.style("replay", self.several),
                        out,
                    ))
                }
                Err(error) => self.failed = Some(error),
            }
        }
        self.face.as_mut()
    }

    fn finish(mut self) -> io::Result<()> {
        match (self.failed.take(), self.face.as_mut()) {
            (Some(error), _) => Err(error),
            (None, Some(face)) => face.finish(),
            (None, None) => Ok(()),
        }
    }
}

impl Sink for Reporter<'_> {
    fn source(&mut self, id: u32, name: &Foreign) {
        if let Some(face) = self.face() {
            face.source(id, name);
        }
    }

    fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        if !self.begun {
            self.begun = true;
            let zone = self.reporting.zone();
            let resolved = |when: Option<super::when::When>| {
                when.and_then(|when| when.resolve(frame.time, &zone))
            };
            self.selection.criteria.since = resolved(self.reporting.since);
            self.selection.criteria.until = resolved(self.reporting.until);
            if let Some(face) = self.face() {
                face.begin(frame.time);
            }
        }
        if let Some(filter) = &mut self.filter {
            filter.see(source, frame);
        }
    }

    fn record(&mut self, record: Record) {
        self.verdicts.see(&record);
        let matched = self
            .filter
            .as_ref()
            .is_none_or(|filter| filter.wants(&record));
        if !self.selection.wants(&record, matched) {
            return;
        }
        if let Some(face) = self.face()
            && let Err(error) = face.record(&record)
        {
            self.face = None;
            self.failed = Some(error);
        }
    }

    fn wanted(&self) -> bool {
        self.failed.is_none()
    }
}
