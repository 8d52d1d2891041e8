//! Every scenario below `captures/`, live: network, fault, servers, client, recording, replay, truth; then what a
//! probe finds in the same network.
//!
//! Adding a scenario adds no test code. The recording of one that fails is kept below the build folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use mxray::lab::verify::{replay, verify, verify_probe};
use mxray::lab::{Listed, Recording, Run, Scenario, list, probe_once, run};

#[path = "support/suite.rs"]
mod suite;

/// What a scenario may take beside the time that its rule is.
const LIMIT: Duration = Duration::from_secs(15);
/// What a probe may take beside that, in seconds: it waits out what clients wait out, and measures on.
const PROBING: u32 = 30;
/// Scenarios that run side by side: they mostly wait.
const WORKERS: usize = 12;
/// The program that probes.
const MXRAY: &str = env!("CARGO_BIN_EXE_mxray");

fn main() -> ExitCode {
    let required = suite::lab_is_required();
    if let Err(code) = suite::enter(required) {
        return code;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let listed = match list(&folder) {
        Ok(listed) if !listed.is_empty() => listed,
        Ok(_) => return suite::skip(true, "there are no scenarios"),
        Err(error) => return suite::skip(true, &error.to_string()),
    };
    let probes = can_probe();
    if !probes {
        println!("NOT PROBED: this mxray has no command `probe`");
    }
    let mut all = Vec::new();
    for one in listed {
        let lacking = one.scenario().map_or(Vec::new(), |one| one.lacking());
        if lacking.is_empty() || required {
            all.extend(trials(one, probes));
        } else {
            let names = lacking.join(" ");
            println!("SKIPPED: {}: {names} is not installed", one.title());
        }
    }
    suite::run(all, WORKERS, LIMIT)
}

fn can_probe() -> bool {
    let help = Command::new(MXRAY).args(["probe", "--help"]).output();
    help.is_ok_and(|done| done.status.success())
}

/// A scenario's own run, and one for each of its probes.
fn trials(one: Listed, probes: bool) -> Vec<suite::Trial> {
    let scenario = match one.scenario() {
        Ok(scenario) => Arc::new(scenario),
        Err(error) => {
            return vec![suite::Trial {
                name: one.title(),
                takes: 0,
                run: Box::new(move || Err(error.to_string())),
            }];
        }
    };
    let takes = scenario.takes_s;
    let mut all = Vec::new();
    for at in 0..if probes { scenario.probe.len() } else { 0 } {
        let (scenario, title) = (Arc::clone(&scenario), one.title());
        all.push(suite::Trial {
            name: format!("{title} probe {at}"),
            takes: takes.max(PROBING),
            run: Box::new(move || judge_probe(&title, &scenario, at)),
        });
    }
    all.push(suite::Trial {
        name: one.title(),
        takes,
        run: Box::new(move || {
            let run = run(&scenario).map_err(|error| error.to_string())?;
            judge(&one, &scenario, &run)
        }),
    });
    all
}

fn judge_probe(title: &str, scenario: &Scenario, at: usize) -> Result<(), String> {
    let spec = scenario.probe.get(at).ok_or("there is no such probe")?;
    let probed = probe_once(scenario, spec, Path::new(MXRAY)).map_err(|error| error.to_string())?;
    let mismatches = verify_probe(scenario, spec, &probed.report);
    if mismatches.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    let kept = keep(&format!("{title} probe {at}"), &probed.recording);
    let report = kept
        .as_ref()
        .map(|path| path.with_extension("json"))
        .filter(|path| fs::write(path, probed.report.to_string()).is_ok());
    Err(format!(
        "{} (`{}` ended with {}: {:?}; recording {}, report {})",
        said.join("; "),
        probed.command,
        probed.exit,
        probed.complaints,
        kept_as(kept),
        kept_as(report),
    ))
}

fn kept_as(path: Option<PathBuf>) -> String {
    path.map_or_else(
        || "not kept".to_owned(),
        |path| format!("kept as {}", path.display()),
    )
}

fn judge(one: &Listed, scenario: &Scenario, run: &Run) -> Result<(), String> {
    let records = replay(&run.recording).map_err(|error| error.to_string())?;
    let mismatches = verify(&scenario.truth, &run.recording.frames, &records);
    if mismatches.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    let kept = kept_as(keep(&one.title(), &run.recording));
    Err(format!(
        "{} (the clients said {:?}; recording {kept})",
        said.join("; "),
        run.clients
    ))
}

fn keep(title: &str, recording: &Recording) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("{}.pcapng", title.replace(['/', ' '], "_")));
    fs::write(&path, recording.pcapng().ok()?).ok()?;
    Some(path)
}
