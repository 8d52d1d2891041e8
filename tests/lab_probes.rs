//! What `mxray probe` finds in every network of the lab that has a `[[probe]]`, against the scenario's truth.
//!
//! The probe is the program itself, inside the client's namespace.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mxray::lab::verify::verify_probe;
use mxray::lab::{Scenario, probe_once};

#[path = "support/scenarios.rs"]
mod scenarios;
#[path = "support/suite.rs"]
mod suite;

use scenarios::{keep, kept_as};

/// What a probe may take: it waits out what clients wait out, and measures on.
const LIMIT: Duration = Duration::from_secs(60);
/// Probes that run side by side: they mostly wait.
const WORKERS: usize = 12;
/// The program that probes.
const MXRAY: &str = env!("CARGO_BIN_EXE_mxray");

fn main() -> ExitCode {
    let all = match scenarios::all() {
        Ok(all) => all,
        Err(code) => return code,
    };
    let mut trials = Vec::new();
    for (one, scenario) in all {
        let Ok(scenario) = scenario.map(Arc::new) else {
            continue; // the suite of the scenarios says so
        };
        for at in 0..scenario.probe.len() {
            let name = format!("{} probe {at}", one.title());
            trials.push(trial(name, Arc::clone(&scenario), at));
        }
    }
    suite::run(trials, WORKERS, LIMIT)
}

fn trial(name: String, scenario: Arc<Scenario>, at: usize) -> suite::Trial {
    let title = name.clone();
    let takes = scenario.takes_s;
    let run = Box::new(move || judge_probe(&title, &scenario, at));
    suite::Trial { name, takes, run }
}

fn judge_probe(title: &str, scenario: &Scenario, at: usize) -> Result<(), String> {
    let spec = scenario.probe.get(at).ok_or("there is no such probe")?;
    let probe = || probe_once(scenario, spec, Path::new(MXRAY)).map_err(|error| error.to_string());
    let mut probed = probe()?;
    for _ in 1..spec.tries {
        // Only a fault that was not met may be looked for again.
        if probed.report["summary"]["root_causes"] != serde_json::json!([]) {
            break;
        }
        probed = probe()?;
    }
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
