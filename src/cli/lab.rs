//! `mxray lab`: scenarios with a fault in them, run on this machine in namespaces of their own.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::options::Color;
use super::{exit, output};
use crate::engine::record::Record;
use crate::lab::verify::{replay, verify};
use crate::lab::{self, LabError, Listed, Run, Scenario};
use crate::present::{self, Clock, wrap};
use crate::report::Paint;

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
    List(Shared),
    /// Run a scenario: the fault, what the client met, the verdict on its recording, the truth
    ///
    /// Exits with 0 when verdict and truth agree, with 1 when they do not.
    Run(Named),
    /// Run a scenario and keep its recording
    Record {
        #[command(flatten)]
        named: Named,
        /// The pcapng file to write
        #[arg(short, long, value_name = "FILE")]
        write: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Shared {
    /// The folder of scenarios, CODE/NAME.toml
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "captures",
        env = "MXRAY_SCENARIOS"
    )]
    folder: PathBuf,
    /// Use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Args)]
struct Named {
    /// CODE/NAME as `lab list` prints it, or a scenario file
    #[arg(value_name = "SCENARIO")]
    name: String,
    #[command(flatten)]
    shared: Shared,
}

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    let done = match &arguments.command {
        Command::List(shared) => list(shared),
        Command::Run(named) => live(named),
        Command::Record { named, write } => record(named, write),
    };
    match done {
        Ok((text, code)) => output::print(text.as_bytes(), code, &mut io::stdout()),
        Err(error) => {
            eprintln!("mxray: {error}");
            match error {
                LabError::Unavailable(_) => exit::NOT_PERMITTED,
                _ => exit::USAGE,
            }
        }
    }
}

fn list(shared: &Shared) -> Result<(String, u8), LabError> {
    let (paint, width) = output::manner(shared.color, false);
    let mut text = String::new();
    for one in lab::list(&shared.folder)? {
        let scenario = Scenario::read(&one.path)?;
        let _ = writeln!(
            text,
            "{}",
            paint.code(&format!("{}/{}", one.code, one.name))
        );
        for line in wrap(&scenario.summary, width.saturating_sub(4)) {
            let _ = writeln!(text, "    {line}");
        }
    }
    Ok((text, exit::FINE))
}

/// The scenario of that name: a file, `CODE/NAME`, or a name or code that only one has.
fn find(named: &Named) -> Result<(Listed, Scenario), LabError> {
    let path = Path::new(&named.name);
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let one = Listed {
            code: String::new(),
            name: named.name.clone(),
            path: path.to_owned(),
        };
        return Scenario::read(path).map(|scenario| (one, scenario));
    }
    let all = lab::list(&named.shared.folder)?;
    let exact = |one: &&Listed| format!("{}/{}", one.code, one.name) == named.name;
    let loose = |one: &&Listed| one.code == named.name || one.name == named.name;
    let mut found: Vec<&Listed> = all.iter().filter(exact).collect();
    if found.is_empty() {
        found = all.iter().filter(loose).collect();
    }
    // A code alone means its first scenario; a near miss has to be asked for by name.
    let first = found
        .iter()
        .find(|one| one.code == named.name && !one.name.starts_with("near-"));
    if let Some(first) = first.copied() {
        found = vec![first];
    }
    match found.as_slice() {
        [one] => Scenario::read(&one.path).map(|scenario| ((*one).clone(), scenario)),
        [] => Err(LabError::Nonsense(format!(
            "{} is no scenario below {}: `mxray lab list` names them",
            named.name,
            named.shared.folder.display()
        ))),
        many => {
            let names: Vec<String> = many
                .iter()
                .map(|one| format!("{}/{}", one.code, one.name))
                .collect();
            Err(LabError::Nonsense(format!(
                "{} may be {}",
                named.name,
                names.join(", ")
            )))
        }
    }
}

fn enact(named: &Named) -> Result<(Listed, Scenario, Run), LabError> {
    let (one, scenario) = find(named)?;
    lab::claim()?;
    let run = lab::run(&scenario)?;
    Ok((one, scenario, run))
}

fn record(named: &Named, write: &Path) -> Result<(String, u8), LabError> {
    let file = |source| LabError::File {
        path: write.to_owned(),
        source,
    };
    let (one, _, run) = enact(named)?;
    let bytes = run.recording.pcapng().map_err(file)?;
    fs::write(write, &bytes).map_err(file)?;
    let frames = present::counted(run.recording.frames.len() as u64, "frame", "frames");
    Ok((
        format!("{}: {frames} of {}\n", write.display(), one.name),
        exit::FINE,
    ))
}

fn live(named: &Named) -> Result<(String, u8), LabError> {
    let (paint, width) = output::manner(named.shared.color, false);
    let (_, scenario, run) = enact(named)?;
    let records = replay(&run.recording)?;
    let mismatches = verify(&scenario.truth, &run.recording.frames, &records);
    let mut text = String::new();
    section(&mut text, paint, width, "Fault", [scenario.summary.clone()]);
    let clients = run.clients.iter().enumerate();
    let said =
        clients.map(|(at, said)| format!("client {}: {}", at.saturating_add(1), said.join("; ")));
    section(&mut text, paint, width, "The client", said);
    section(&mut text, paint, width, "Replay", verdicts(&records));
    section(&mut text, paint, width, "Truth", truth(&scenario));
    let agree = mismatches.is_empty();
    let result = if agree {
        vec!["Verdict and truth agree.".to_owned()]
    } else {
        mismatches.iter().map(ToString::to_string).collect()
    };
    let heading = if agree { "Agreed" } else { "Not agreed" };
    section(&mut text, paint, width, heading, result);
    Ok((text, if agree { exit::FINE } else { exit::FAULT }))
}

fn section(
    text: &mut String,
    paint: Paint,
    width: usize,
    heading: &str,
    lines: impl IntoIterator<Item = String>,
) {
    let _ = writeln!(text, "{}", paint.strong(heading));
    for line in lines {
        for (at, part) in wrap(&line, width.saturating_sub(4)).iter().enumerate() {
            let _ = writeln!(text, "{}{part}", if at == 0 { "  " } else { "    " });
        }
    }
}

/// A line for each verdict that replay gave.
fn verdicts(records: &[Record]) -> Vec<String> {
    let clock = Clock::default();
    records
        .iter()
        .filter_map(|record| match record {
            Record::Connection(record) => Some(present::connection(record, &clock)),
            Record::Lookup(record) => Some(present::lookup(record, &clock)),
            _ => None,
        })
        .map(|block| {
            let mark = present::mark(block.outcome);
            format!("{mark} {} {}: {}", block.code, block.target, block.summary)
        })
        .collect()
}

/// A line for everything that the scenario says is true.
fn truth(scenario: &Scenario) -> Vec<String> {
    let truth = &scenario.truth;
    let mut lines = Vec::new();
    for one in &truth.connection {
        let mut which = vec!["connections".to_owned()];
        which.extend(one.service.clone());
        which.extend(one.server.map(|server| server.to_string()));
        which.extend(one.port.map(|port| format!("port {port}")));
        which.extend(one.nth.map(|nth| format!("number {nth}")));
        lines.push(says(&which, one.outcome.name(), &one.code, &one.or));
    }
    for one in &truth.lookup {
        let mut which = vec!["look-ups".to_owned()];
        which.extend(one.name.clone());
        which.extend(one.kind.clone());
        lines.push(says(&which, one.outcome.name(), &one.code, &one.or));
    }
    if let Some(causes) = &truth.root_causes {
        let causes = if causes.is_empty() {
            "none".to_owned()
        } else {
            causes.join(", ")
        };
        lines.push(format!("root causes: {causes}"));
    }
    if !truth.never.is_empty() {
        lines.push(format!("never: {}", truth.never.join(", ")));
    }
    lines
}

fn says(which: &[String], outcome: &str, code: &str, or: &[String]) -> String {
    let or = if or.is_empty() {
        String::new()
    } else {
        format!(" or {}", or.join(", "))
    };
    let mark = present::mark(outcome);
    format!("{mark} {outcome} {code}{or}: {}", which.join(" "))
}
