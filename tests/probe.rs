//! What a probe keeps with `-w`, replayed, says the same as the probe said; and a probe keeps its manners.
//!
//! Every scenario below `captures/` that names a probe is probed live. Its own capture goes through `mxray replay`: every
//! target connection and look-up must have the same outcome, code, frame and place. A healthy server must have cost no
//! more packets than promised.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use mxray::lab::verify::expected;
use mxray::lab::{Listed, ProbeSpec, Scenario, list, probe_once};
use serde_json::Value;

#[path = "probe/budget.rs"]
mod budget;
#[path = "probe/plain.rs"]
mod plain;
#[path = "support/suite.rs"]
mod suite;

use budget::Over;

/// A probe and the replay of its capture hang when they take longer, on however busy a machine.
const LIMIT: Duration = Duration::from_secs(120);
/// Other probes and their networks run beside each: a clock that was missed is measured again, so often at the most.
const CLOCKED: u32 = 3;
/// Probes that run side by side: they mostly wait.
const WORKERS: usize = 8;
/// The program that probes and replays.
const MXRAY: &str = env!("CARGO_BIN_EXE_mxray");
/// Scenarios that are probed once more by a user without any privilege: what TTL walks of ordinary sockets place.
const PLAIN: [&str; 8] = [
    "ok/smtp-starttls",
    "tcp.dropped/smtp-v4",
    "tcp.dropped/submission-v6",
    "tcp.refused/nothing-listens",
    "tcp.reset-by-path/appliance-v6",
    "tcp.prohibited/admin-v4",
    "route.unreachable/no-route-v6",
    "route.loop/two-routers",
];

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
    let all: Vec<suite::Trial> = listed.into_iter().flat_map(trials).collect();
    suite::run(all, WORKERS, LIMIT)
}

/// What a probe of a scenario finds, as its truth says; `ok` where it is no fault.
fn truth(scenario: &Scenario, spec: &ProbeSpec) -> String {
    let codes = expected(scenario, spec).unwrap_or_default();
    codes.into_iter().next().unwrap_or_else(|| "ok".to_owned())
}

fn trials(one: Listed) -> Vec<suite::Trial> {
    let Ok(scenario) = one.scenario().map(Arc::new) else {
        return Vec::new();
    };
    if !scenario.lacking().is_empty() {
        return Vec::new();
    }
    let without = PLAIN.contains(&one.title().as_str()).then(|| {
        let scenario = Arc::clone(&scenario);
        suite::Trial {
            name: format!("{} without privilege", one.title()),
            takes: 30,
            run: Box::new(move || plain::places(&scenario, Path::new(MXRAY))),
        }
    });
    (0..scenario.probe.len())
        .map(|at| {
            let (scenario, title) = (Arc::clone(&scenario), one.title());
            suite::Trial {
                name: format!("{title} probe {at}"),
                takes: scenario.takes_s.max(30),
                run: Box::new(move || agrees(&title, &scenario, at)),
            }
        })
        .chain(without)
        .collect()
}

fn agrees(title: &str, scenario: &Scenario, at: usize) -> Result<(), String> {
    let mut late = String::new();
    for _ in 0..CLOCKED {
        match agrees_in_time(title, scenario, at)? {
            None => return Ok(()),
            Some(missed) => late = missed,
        }
    }
    Err(format!("{CLOCKED} times in a row too late: {late}"))
}

/// Probes once. Gives back which clock was missed; everything else that is wrong is an error.
fn agrees_in_time(title: &str, scenario: &Scenario, at: usize) -> Result<Option<String>, String> {
    let path = kept(title, at)?;
    let mut spec = scenario
        .probe
        .get(at)
        .ok_or("there is no such probe")?
        .clone();
    spec.options
        .extend(["-w".to_owned(), path.display().to_string()]);
    let probed =
        probe_once(scenario, &spec, Path::new(MXRAY)).map_err(|error| error.to_string())?;
    let out = Command::new(MXRAY)
        .args(["replay", "--format", "json"])
        .arg(&path)
        .output()
        .map_err(|error| error.to_string())?;
    let replayed: Value = serde_json::from_slice(&out.stdout)
        .map_err(|error| format!("the replay printed no report: {error}"))?;
    for kind in ["connections", "lookups"] {
        let (live, again) = (said(&probed.report, kind), said(&replayed, kind));
        if live != again {
            let differing: Vec<String> = live
                .iter()
                .filter(|one| !again.contains(one))
                .map(|one| format!("live {one}"))
                .chain(
                    again
                        .iter()
                        .filter(|one| !live.contains(one))
                        .map(|one| format!("replayed {one}")),
                )
                .collect();
            return Err(format!("{kind} differ: {}", differing.join("; ")));
        }
    }
    let given = |option: &str| spec.options.iter().any(|one| one == option);
    let ordinary = !given("--intensive") && !given("--rate") && !given("--idle");
    if ordinary {
        budget::mannered(&probed.recording)?;
    }
    // A path that is slow or lossy on purpose has other clocks.
    let clean = scenario.path.hop.iter().all(|hop| hop.link.loss.is_none());
    let quick = ordinary && clean && scenario.takes_s == 0;
    let kept = match truth(scenario, &spec).as_str() {
        "ok" if quick && probed.exit == 0 => budget::healthy(&probed.recording),
        "tcp.dropped" if quick && spec.after_hop.is_some() => {
            let bytes = fs::read(&path).map_err(|error| error.to_string())?;
            budget::dropped(&probed.recording, &bytes)
        }
        _ => Ok(()),
    };
    let late = match kept {
        Ok(()) => None,
        Err(Over::Time(text)) => Some(text),
        Err(Over::Sent(text)) => return Err(text),
    };
    let _ = fs::remove_file(&path);
    Ok(late)
}

/// What must be the same, one line for each connection or look-up.
fn said(report: &Value, kind: &str) -> Vec<String> {
    let mut lines: Vec<String> = report[kind]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .filter(|one| one["role"] != "control")
        .map(|one| {
            let verdict = &one["verdict"];
            format!(
                "{}{}{} {} {} {} frame {} at {}",
                one["server"],
                one["name"],
                one["type"],
                one["client"]["port"],
                one["outcome"],
                verdict["code"],
                verdict["frame"],
                verdict["at"]
            )
        })
        .collect();
    lines.sort();
    lines
}

fn kept(title: &str, at: usize) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    Ok(folder.join(format!("{}_{at}.pcapng", title.replace(['/', ' '], "_"))))
}
