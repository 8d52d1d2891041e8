//! Every scenario below `captures/`, live: network, fault, servers, client, recording, replay, truth.
//!
//! Adding a scenario adds no test code. The recording of one that fails is kept below the build folder.

use std::process::{Command, ExitCode};
use std::time::Duration;

use mxray::lab::verify::{replay, verify};
use mxray::lab::{Listed, Run, Scenario, run};

#[path = "support/scenarios.rs"]
mod scenarios;
#[path = "support/suite.rs"]
mod suite;

use scenarios::{keep, kept_as};

/// What a scenario may take beside the time that its rule is.
const LIMIT: Duration = Duration::from_secs(15);
/// Scenarios that run side by side: they mostly wait.
const WORKERS: usize = 12;

fn main() -> ExitCode {
    match scenarios::all() {
        Ok(all) => {
            let mut trials: Vec<_> = all.into_iter().map(trial).collect();
            trials.push(suite::Trial {
                name: "a_machine_without_namespaces_is_told_of_aloud".to_owned(),
                takes: 0,
                run: Box::new(without_namespaces),
            });
            suite::run(trials, WORKERS, LIMIT)
        }
        Err(code) => code,
    }
}

fn trial((one, scenario): scenarios::Entry) -> suite::Trial {
    let name = one.title();
    let takes = scenario.as_ref().map_or(0, |scenario| scenario.takes_s);
    let run = Box::new(move || {
        let scenario = scenario.as_ref().map_err(Clone::clone)?;
        let run = run(scenario).map_err(|error| error.to_string())?;
        judge(&one, scenario, &run)
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
    let kept = kept_as(keep(&one.title(), &run.recording));
    Err(format!(
        "{} (the clients said {:?}; recording {kept})",
        said.join("; "),
        run.clients
    ))
}

/// This very suite where namespaces are forbidden: skipped with a word, and a failure where the lab is required.
fn without_namespaces() -> Result<(), String> {
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --inh-caps=-all --bounding-set=-all \"$0\" ok/imaps";
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    for (required, word, code) in [("no", "SKIPPED: ", 0), ("required", "FAILED: ", 101)] {
        let done = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", forbid])
            .arg(&own)
            .env("MXRAY_LAB", required)
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&done.stdout);
        let told = said
            .lines()
            .any(|line| line.starts_with(word) && line.contains("run as root"));
        if done.status.code() != Some(code) || !told {
            return Err(format!("MXRAY_LAB={required}: {} and {said}", done.status));
        }
    }
    Ok(())
}
