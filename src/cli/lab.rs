//! `mxray lab`: scenarios with a fault in them, run on this machine in namespaces of their own.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::{Args, Subcommand};

use super::options::Color;
use super::screen::Screen;
use super::{aside, exit, output};
use crate::lab::verify::replay;
use crate::lab::{self, LabError, Listed, Probed, Run, Scenario};
use crate::present::{self, wrap};

mod matrix;
mod told;
mod view;

use told::told;

/// A network in namespaces on this machine, with embedded servers and a fault in it
///
/// Touches nothing of the machine's own network. Needs root, or user namespaces: `mxray doctor` says.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios
    List {
        /// Only those whose name or sentence contains one of these
        #[arg(value_name = "TEXT")]
        text: Vec<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Run a scenario: the fault, what the client met, the verdict on its recording, what a probe finds, the truth
    ///
    /// Exits with 0 when verdicts and truth agree, with 1 when they do not.
    Run {
        #[command(flatten)]
        named: Named,
        /// Open the live view on the recording; the truth is printed when you leave it
        #[arg(long, help_heading = "Live view")]
        tui: bool,
        #[command(flatten)]
        screen: Screen,
    },
    /// Run many variations and count which verdict each fault got
    ///
    /// Exits with 1 when a verdict is not the truth's. A line names each such run and how to repeat it.
    Matrix {
        /// Codes, or CODE/NAME; without, every scenario that a client's own capture can show
        #[arg(value_name = "SCENARIO")]
        names: Vec<String>,
        /// The variations: from 1 to this
        #[arg(long, value_name = "N", default_value_t = 5)]
        seeds: u64,
        /// Runs side by side: they mostly wait
        #[arg(long, value_name = "N", default_value_t = 12)]
        jobs: usize,
        /// Count what a probe finds, not what the client's capture shows
        #[arg(long)]
        probe: bool,
        /// Lay so much loss on one link, in percent, in place of other variations; what is then missing, or said to be a
        /// guess, is not wrong
        #[arg(long, value_name = "PERCENT", value_delimiter = ',', requires = "probe", value_parser = clap::value_parser!(u8).range(1..=90))]
        loss: Vec<u8>,
        #[command(flatten)]
        shared: Shared,
    },
    /// Run scenarios and keep their recordings
    Record {
        /// CODE/NAME as `lab list` prints it, a CODE alone, or a scenario file
        #[arg(value_name = "SCENARIO", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        shared: Shared,
        /// The pcapng file to write, or the folder to write CODE/NAME.pcapng in
        #[arg(short, long, value_name = "FILE or FOLDER")]
        write: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Shared {
    /// A folder of your own scenarios, CODE/NAME.toml, in place of those that mxray carries
    #[arg(long, value_name = "FOLDER", env = "MXRAY_SCENARIOS")]
    folder: Option<PathBuf>,
    /// Use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Args)]
struct Named {
    /// CODE/NAME as `lab list` prints it, a CODE alone, or a scenario file
    #[arg(value_name = "SCENARIO")]
    name: String,
    /// With other chances on the path
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// With other distances, delays, losses and services, as the seed decides
    #[arg(long)]
    vary: bool,
    /// With so much loss on one link, in percent; the seed decides on which
    #[arg(long, value_name = "PERCENT", conflicts_with = "vary", value_parser = clap::value_parser!(u8).range(1..=90))]
    loss: Option<u8>,
    #[command(flatten)]
    shared: Shared,
}

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    let done = match &arguments.command {
        Command::List { text, shared } => list(text, shared),
        Command::Run { named, tui, screen } if *tui || screen.plain => view::run(named, screen),
        Command::Run { named, .. } => live(named),
        Command::Matrix {
            names,
            seeds,
            jobs,
            probe,
            loss,
            shared,
        } => {
            let kind = matrix::Kind {
                seeds: *seeds,
                probe: *probe,
                loss,
            };
            all(shared).and_then(|all| matrix::matrix(&all, names, kind, *jobs))
        }
        Command::Record {
            names,
            shared,
            write,
        } => record(names, shared, write),
    };
    match done {
        Ok((text, code)) => output::print(text.as_bytes(), code, &mut io::stdout()),
        Err(error) => {
            aside::say(&error);
            match error {
                LabError::Unavailable(_) => exit::NOT_PERMITTED,
                _ => exit::USAGE,
            }
        }
    }
}

fn all(shared: &Shared) -> Result<Vec<Listed>, LabError> {
    match &shared.folder {
        Some(folder) => lab::list(folder),
        None => Ok(lab::shipped()),
    }
}

fn list(wanted: &[String], shared: &Shared) -> Result<(String, u8), LabError> {
    let (paint, width) = output::manner(shared.color, false);
    let mut text = String::new();
    let mut code = String::new();
    for one in all(shared)? {
        let scenario = one.scenario()?;
        let title = one.title();
        let told = scenario.summary.to_lowercase();
        let fits = |word: &String| title.contains(word) || told.contains(&word.to_lowercase());
        if !wanted.is_empty() && !wanted.iter().any(fits) {
            continue;
        }
        if one.code != code {
            code.clone_from(&one.code);
            let _ = writeln!(text, "{}", paint.code(&code));
        }
        let line = format!("{}: {}", one.name, scenario.summary);
        for (at, part) in wrap(&line, width.saturating_sub(6)).iter().enumerate() {
            let _ = writeln!(text, "{}{part}", if at == 0 { "  " } else { "      " });
        }
    }
    if text.is_empty() {
        return Err(LabError::Name(
            "no scenario fits: `mxray lab list` without words lists them all".to_owned(),
        ));
    }
    Ok((text, exit::FINE))
}

/// Records that are made side by side: they mostly wait.
const RECORDERS: usize = 6;

fn record(names: &[String], shared: &Shared, write: &Path) -> Result<(String, u8), LabError> {
    let all = all(shared)?;
    let mut wanted = Vec::new();
    for name in names {
        let one = lab::find(&all, name)?;
        let scenario = one.scenario()?;
        let file = if write.is_dir() {
            write.join(&one.code).join(format!("{}.pcapng", one.name))
        } else {
            write.to_owned()
        };
        wanted.push((one.title(), scenario, file));
    }
    if wanted.len() > 1 && !write.is_dir() {
        return Err(LabError::Name(format!(
            "{} is no folder, and several scenarios are recorded",
            write.display()
        )));
    }
    lab::claim()?;
    let queue = Mutex::new(wanted.into_iter());
    let said = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..RECORDERS.min(names.len()) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((title, scenario, file)) = next else {
                        return;
                    };
                    let done = record_one(&title, &scenario, &file);
                    said.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(done);
                }
            });
        }
    });
    let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
    let lines = said.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((lines.concat(), exit::FINE))
}

fn record_one(title: &str, scenario: &Scenario, write: &Path) -> Result<String, LabError> {
    let file = |source| LabError::File {
        path: write.to_owned(),
        source,
    };
    let run = lab::run(scenario)?;
    let bytes = run.recording.pcapng().map_err(file)?;
    if let Some(folder) = write.parent() {
        fs::create_dir_all(folder).map_err(file)?;
    }
    fs::write(write, &bytes).map_err(file)?;
    if !run.recording.roots.is_empty() {
        fs::write(write.with_extension("pem"), &run.recording.roots).map_err(file)?;
    }
    let frames = present::counted(run.recording.frames.len() as u64, "frame", "frames");
    Ok(format!("{}: {frames} of {title}\n", write.display()))
}

/// Whether this mxray can probe.
fn can_probe() -> bool {
    super::definition().find_subcommand("probe").is_some()
}

type Probes = Vec<Result<Probed, LabError>>;

/// The clients' run and the probes, each in a network of its own, side by side.
fn enact(scenario: &Scenario) -> Result<(Run, Probes), LabError> {
    let mxray = std::env::current_exe().map_err(|source| LabError::System {
        what: "find its own program",
        source,
    })?;
    thread::scope(|scope| {
        let probes = (can_probe() && !scenario.probe.is_empty())
            .then(|| scope.spawn(|| lab::probe(scenario, &mxray)));
        let run = lab::run(scenario)?;
        let probes = probes.map_or(Ok(Vec::new()), |probes| {
            probes.join().map_err(|_| LabError::Thread("the probes"))
        })?;
        Ok((run, probes))
    })
}

/// The scenario that was named, as it was asked for, and what it is called.
fn chosen(named: &Named) -> Result<(String, Scenario), LabError> {
    let one = lab::find(&all(&named.shared)?, &named.name)?;
    let mut scenario = one.scenario()?;
    let seed = named.seed.unwrap_or(1);
    if named.vary {
        scenario = lab::vary(&scenario, seed);
    } else if let Some(percent) = named.loss {
        scenario = lab::lossy(&scenario, percent, seed);
    } else if let Some(seed) = named.seed {
        scenario.seed = seed;
    }
    Ok((one.title(), scenario))
}

fn live(named: &Named) -> Result<(String, u8), LabError> {
    let (title, scenario) = chosen(named)?;
    // Comes before any thread.
    lab::claim()?;
    let (run, probes) = enact(&scenario)?;
    let records = replay(&run.recording)?;
    told(named, &title, &scenario, &run, probes, &records)
}
