//! Every scenario below `captures/`, live: network, fault, servers, client, recording, replay, truth.
//!
//! Adding a scenario adds no test code. The recording of one that fails is kept below the build folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use mxray::lab::verify::{replay, verify};
use mxray::lab::{Listed, Run, Scenario, list, run};

#[path = "support/suite.rs"]
mod suite;

/// What a scenario may take beside the time that its rule is.
const LIMIT: Duration = Duration::from_secs(15);
/// Scenarios that run side by side: they mostly wait.
const WORKERS: usize = 12;

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
    suite::run(listed.into_iter().map(trial).collect(), WORKERS, LIMIT)
}

fn trial(one: Listed) -> suite::Trial {
    let name = format!("{}/{}", one.code, one.name);
    let scenario = Scenario::read(&one.path).map_err(|error| error.to_string());
    let takes = scenario.as_ref().map_or(0, |scenario| scenario.takes_s);
    let run = Box::new(move || {
        let scenario = scenario?;
        let run = run(&scenario).map_err(|error| error.to_string())?;
        judge(&one, &scenario, &run)
    });
    suite::Trial { name, takes, run }
}

fn judge(one: &Listed, scenario: &Scenario, run: &Run) -> Result<(), String> {
    let records = replay(&run.recording).map_err(|error| error.to_string())?;
    let mismatches = verify(&scenario.truth, &run.recording.frames, &records);
    if mismatches.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    let kept = keep(one, run).map_or_else(
        || "not kept".to_owned(),
        |path| format!("kept as {}", path.display()),
    );
    Err(format!(
        "{} (the clients said {:?}; recording {kept})",
        said.join("; "),
        run.clients
    ))
}

fn keep(one: &Listed, run: &Run) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("{}_{}.pcapng", one.code, one.name));
    fs::write(&path, run.recording.pcapng().ok()?).ok()?;
    Some(path)
}
