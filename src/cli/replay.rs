//! `mxray replay FILE…`: captures in, a report out.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use clap::Args;

use super::amount::Size;
use super::aside;
use super::bpf::Filter;
use super::exit::{self, Verdicts};
use super::feed::{Nothing, feed};
use super::interrupt::Interrupt;
use super::options::Reporting;
use super::output;
use super::play::{Play, play};
use super::screen::{self, Screen};
use super::sides::Sink;
use crate::base::{Foreign, SourceId, Timestamp};
use crate::capture::{self, CaptureReader, Frame, OpenErrorKind};
use crate::engine::record::Record;
use crate::engine::{Config, Engine};
use crate::report::{self, Face, Selection};
use crate::tui::{self, Kind, Speed};

/// Read captures and say for every mail connection how far it got, where it died, why, and which frames prove it
///
/// Sends no packet and looks up no name.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Captures (pcap, pcapng; plain or .gz, .zst, .lz4), folders of captures, or - for standard input
    ///
    /// Files are separate worlds, but for rotated parts of one recording (same interface and link type, times abut within 1 s);
    /// files whose names differ in their digits alone are read in the order of time
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,
    /// Read all inputs as one capture, in the order of time
    #[arg(long)]
    merge: bool,
    /// Memory for connections that are open at one time; beyond it the one silent for longest is judged early
    #[arg(long, value_name = "SIZE", help_heading = "Reading")]
    max_memory: Option<Size>,
    /// Threads that keep connections: what is said does not depend on it
    #[arg(long, value_name = "N", hide = true)]
    shards: Option<usize>,
    /// Open the live view on them
    #[arg(long, help_heading = "Live view")]
    tui: bool,
    /// How fast the live view plays: 1x … 100000x, or max
    #[arg(
        long,
        value_name = "SPEED",
        default_value = "max",
        help_heading = "Live view"
    )]
    speed: Speed,
    #[command(flatten)]
    screen: Screen,
    #[command(flatten)]
    reporting: Reporting,
}

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    if arguments.tui || arguments.screen.plain {
        return view(arguments).unwrap_or_else(|(why, code)| {
            aside::say(&why);
            code
        });
    }
    match prepare(arguments) {
        Ok((engine, filter)) => replay(arguments, engine, filter),
        Err(why) => {
            aside::say(&why);
            exit::USAGE
        }
    }
}

/// Opens the live view; an error is a sentence and an exit code.
fn view(arguments: &Arguments) -> Result<u8, (String, u8)> {
    let usage = |why: String| (why, exit::USAGE);
    let reporting = &arguments.reporting;
    let sorted_out = [
        (reporting.filter.is_some(), "--filter"),
        (reporting.since.is_some(), "--since"),
        (reporting.until.is_some(), "--until"),
        (reporting.output.is_some(), "--output"),
    ];
    if let Some((_, option)) = sorted_out.iter().find(|(given, _)| *given) {
        return Err(usage(format!(
            "{option} has no meaning in the live view: its own filter is `/`"
        )));
    }
    let config = config(arguments).map_err(usage)?;
    let inputs = readable(arguments)?;
    let title = match arguments.files.as_slice() {
        [one] => Foreign::from(one.to_string_lossy().as_ref()).to_string(),
        several => format!("{} inputs", several.len()),
    };
    let frames = screen::frames(&config.ports, config.all);
    let clock = reporting.style("replay", false).clock;
    let (mut setup, controls) = arguments
        .screen
        .setup(
            format!("replay {title}"),
            Kind::Replay,
            reporting.color,
            clock,
            frames.clone(),
        )
        .map_err(usage)?;
    setup.report = Some(screen::reports(reporting, "replay"));
    setup.filter = narrowed(reporting);
    let piped = inputs
        .iter()
        .any(|input| !matches!(input, capture::Input::Path(path) if path.is_file()));
    let playing = Play {
        inputs,
        merge: arguments.merge,
        config,
        frames,
        speed: arguments.speed,
        strictness: reporting.strictness(),
    };
    let (events, received) = tui::events(screen::EVENTS);
    let player = std::thread::spawn(move || play(&playing, &events, &controls));
    let left = arguments
        .screen
        .open(setup, received)
        .map_err(|why| usage(format!("the live view cannot be opened: {why}")))?;
    // A pipe that gives nothing cannot be told to end.
    if piped && !player.is_finished() {
        return Ok(screen::code(left, exit::INTERRUPTED));
    }
    match player.join() {
        Ok(Ok(played)) => {
            played.afterword.print(reporting, "replay");
            Ok(screen::code(left, played.code))
        }
        Ok(Err(Nothing::NotPermitted)) => {
            Err(("nothing could be read".to_owned(), exit::NOT_PERMITTED))
        }
        Ok(Err(Nothing::NoInput)) | Err(_) => Err(usage("nothing could be read".to_owned())),
    }
}

/// What was named; parts of one recording in the order in which they were made.
fn named(arguments: &Arguments) -> Vec<Result<capture::Input, capture::OpenError>> {
    let inputs = capture::expand(&arguments.files);
    match arguments.merge {
        true => inputs,
        false => capture::in_order(inputs),
    }
}

/// The inputs that can be opened; the others are named on standard error before the view covers it.
fn readable(arguments: &Arguments) -> Result<Vec<capture::Input>, (String, u8)> {
    let mut inputs = Vec::new();
    let mut permitted = false;
    for input in named(arguments) {
        let opened = input.and_then(|input| match &input {
            // A pipe is waited for below the view.
            capture::Input::Path(path) if path.is_file() || !path.exists() => {
                CaptureReader::open(&input).map(|_| input)
            }
            _ => Ok(input),
        });
        match opened {
            Ok(input) => inputs.push(input),
            Err(error) => {
                permitted |= error.kind() != OpenErrorKind::NotPermitted;
                aside::say(&error);
            }
        }
    }
    if inputs.is_empty() {
        let code = if permitted {
            exit::USAGE
        } else {
            exit::NOT_PERMITTED
        };
        return Err(("nothing to look at".to_owned(), code));
    }
    Ok(inputs)
}

/// The selection's options in the language of the view's filter.
fn narrowed(reporting: &Reporting) -> String {
    let services: Vec<String> = reporting
        .service
        .iter()
        .map(|one| one.name().to_owned())
        .collect();
    let addresses = |list: &[std::net::IpAddr]| list.iter().map(ToString::to_string).collect();
    let keys: [(&str, Vec<String>); 5] = [
        ("code", reporting.code.clone()),
        ("class", reporting.class.clone()),
        ("service", services),
        ("client", addresses(&reporting.client)),
        ("server", addresses(&reporting.server)),
    ];
    let mut filter: Vec<String> = keys
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(key, values)| format!("{key}:{}", values.join(",")))
        .collect();
    if reporting.only_failed {
        filter.push("state:failed".to_owned());
    }
    filter.join(" ")
}

/// The engine's settings.
fn config(arguments: &Arguments) -> Result<Config, String> {
    let mut config = arguments.reporting.config()?;
    config.flows = arguments.max_memory.map(Size::connections);
    config.shards = arguments.shards;
    Ok(config)
}

fn prepare(arguments: &Arguments) -> Result<(Engine, Option<Filter>), String> {
    let config = config(arguments)?;
    let filter = match &arguments.reporting.filter {
        Some(text) => Some(Filter::new(text).map_err(|why| format!("--filter: {why}"))?),
        None => None,
    };
    Ok((Engine::new(config), filter))
}

fn replay(arguments: &Arguments, engine: Engine, filter: Option<Filter>) -> u8 {
    let reporting = &arguments.reporting;
    let interrupt = Interrupt::listen();
    let inputs = named(arguments);
    let read = inputs.iter().flatten().map(|input| match input {
        capture::Input::Path(path) => path.as_path(),
        capture::Input::Stdin => Path::new("/dev/stdin"),
    });
    if let Err(why) = output::spare("-o", reporting.output.as_deref(), read) {
        aside::say(&why);
        return exit::USAGE;
    }
    let mut reporter = Reporter {
        reporting,
        face: None,
        failed: None,
        selection: Selection::new(reporting.criteria()),
        filter,
        verdicts: Verdicts::new(reporting.strictness()),
        several: inputs.len() > 1,
    };
    let bar = !reporting.quiet;
    let read = feed(
        engine,
        &mut reporter,
        inputs,
        arguments.merge,
        &interrupt,
        bar,
    );
    match read {
        Err(Nothing::NotPermitted) => return exit::NOT_PERMITTED,
        Err(Nothing::NoInput) => return exit::USAGE,
        Ok(()) => {}
    }
    let code = reporter.verdicts.code();
    match reporter.finish() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            aside::say(&format_args!("the report cannot be written: {error}"));
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

    fn begin(&mut self, first: Timestamp) {
        let zone = self.reporting.zone();
        let resolved =
            |when: Option<super::when::When>| when.and_then(|when| when.resolve(first, &zone));
        self.selection.criteria.since = resolved(self.reporting.since);
        self.selection.criteria.until = resolved(self.reporting.until);
        if let Some(face) = self.face() {
            face.begin(first);
        }
    }

    fn wants_frames(&self) -> bool {
        self.filter.is_some()
    }

    fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
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
