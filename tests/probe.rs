//! What a probe keeps with `-w`, replayed, says the same as the probe said; and a probe keeps its manners.
//!
//! Every scenario below `captures/` that names a probe is probed live. Its own capture goes through `mxray replay`: every
//! target connection and look-up must have the same outcome, code, frame and place. A healthy server must have cost no
//! more packets than promised.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mxray::lab::verify::{expected, verify_probe};
use mxray::lab::{Listed, ProbeSpec, Scenario, list, lossy, probe_once, vary};
use serde_json::Value;

#[path = "probe/budget.rs"]
mod budget;
#[path = "probe/plain.rs"]
mod plain;
#[path = "support/suite.rs"]
mod suite;

/// What a probe and the replay of its capture may take.
const LIMIT: Duration = Duration::from_secs(45);
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
    if let Some(seeds) = std::env::var("MXRAY_VARIATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return matrix(&listed, seeds);
    }
    let all: Vec<suite::Trial> = listed.into_iter().flat_map(trials).collect();
    suite::run(all, WORKERS, LIMIT)
}

/// Shares of loss that are laid on top of the faults (`MXRAY_LOSS`).
const LOSSES: [f64; 3] = [0.05, 0.15, 0.3];

/// Faults that are told apart before a dialogue begins, and those that sizes and hellos show.
const VARIED: [&str; 8] = [
    "tcp.dropped",
    "path.mtu-blackhole",
    "tls.hello-dropped",
    "tcp.refused",
    "tcp.reset-by-path",
    "tcp.prohibited",
    "route.unreachable",
    "ok",
];

/// Prints the confusion matrix of so many seeded variations (hop, port, RTT, loss) of each main fault:
/// `MXRAY_VARIATIONS=20 cargo test --test probe`. With `MXRAY_LOSS=1` the scenarios are as they are, but for 5, 15 and 30 % of
/// loss on one link. `-- WORD` runs those whose title holds the word. It fails when a definite verdict, or a hop, is wrong; a
/// verdict that is missing, or says itself that it is a guess (below 0.7, with what else it may be), is no wrong one.
fn matrix(listed: &[Listed], seeds: u64) -> ExitCode {
    let on_top = std::env::var_os("MXRAY_LOSS").is_some();
    let word = std::env::args().skip(1).find(|one| !one.starts_with('-'));
    let work: Vec<(String, Scenario)> = listed
        .iter()
        .filter(|one| VARIED.contains(&one.title().split('/').next().unwrap_or_default()))
        .filter(|one| word.as_ref().is_none_or(|word| one.title().contains(word)))
        .filter_map(|one| Some((one.title(), one.scenario().ok()?)))
        .filter(|(_, scenario)| !scenario.probe.is_empty() && scenario.lacking().is_empty())
        .flat_map(|(title, scenario)| {
            let varied: Vec<(String, Scenario)> = (1..=seeds)
                .flat_map(|seed| match on_top {
                    false => vec![(format!("{title} {seed}"), vary(&scenario, seed))],
                    true => LOSSES
                        .iter()
                        .map(|rate| {
                            let name = format!("{title} {seed} with {:.0} % of loss", rate * 100.0);
                            (name, lossy(&scenario, *rate, seed))
                        })
                        .collect(),
                })
                .collect();
            varied
        })
        .collect();
    let queue = Mutex::new(work);
    let counts: Mutex<BTreeMap<(String, String), u32>> = Mutex::default();
    let wrong: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((title, scenario)) =
                    queue.lock().ok().and_then(|mut queue| queue.pop())
                {
                    let Some(mut spec) = scenario.probe.first().cloned() else {
                        continue;
                    };
                    // Where packets get lost the deadline ends it, not the test.
                    spec.patience_s = spec.patience_s.max(100);
                    let spec = &spec;
                    let wanted = truth(&scenario, spec);
                    let (found, unsure, mismatches) =
                        match probe_once(&scenario, spec, Path::new(MXRAY)) {
                            Ok(probed) => {
                                let found = found(&probed.report);
                                let unsure = unsure(&probed.report, &found);
                                let wrong = verify_probe(&scenario, spec, &probed.report);
                                (found, unsure, wrong)
                            }
                            Err(error) => (error.to_string(), false, Vec::new()),
                        };
                    let said: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
                    // Loss that is there may be said; a place that was not found is no wrong place.
                    let open = matches!(found.as_str(), "ok" | "unknown" | "path.loss")
                        || on_top && found == "dns.slow";
                    let misplaced = said
                        .iter()
                        .any(|one| one.contains("hop is") && !one.contains("hop is null"));
                    if (found != wanted && !open && !unsure || misplaced)
                        && let (Ok(mut wrong), false) = (wrong.lock(), said.is_empty())
                    {
                        wrong.push(format!("{title}: {}", said.join("; ")));
                    }
                    let found = if unsure { format!("{found}?") } else { found };
                    if let Ok(mut counts) = counts.lock() {
                        *counts.entry((wanted, found)).or_default() += 1;
                    }
                }
            });
        }
    });
    println!("{:<22} {:<22} {:>6}", "truth", "found (? unsure)", "times");
    for ((wanted, found), times) in counts.into_inner().unwrap_or_default() {
        println!("{wanted:<22} {found:<22} {times:>6}");
    }
    let wrong = wrong.into_inner().unwrap_or_default();
    for one in &wrong {
        println!("WRONG {one}");
    }
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a probe of a scenario finds, as its truth says; `ok` where it is no fault.
fn truth(scenario: &Scenario, spec: &ProbeSpec) -> String {
    let codes = expected(scenario, spec).unwrap_or_default();
    codes.into_iter().next().unwrap_or_else(|| "ok".to_owned())
}

/// What is said below this is a guess that names what else it may be.
const DEFINITE: f64 = 0.7;

/// Whether no connection is sure of that code.
fn unsure(report: &Value, code: &str) -> bool {
    let connections = report["connections"].as_array();
    let mut sure = connections
        .into_iter()
        .flatten()
        .filter(|one| one["verdict"]["code"] == code)
        .filter_map(|one| one["verdict"]["confidence"].as_f64())
        .peekable();
    sure.peek().is_some() && sure.all(|sure| sure < DEFINITE)
}

/// The first root cause; without one `ok`, or `unknown` when something is incomplete.
fn found(report: &Value) -> String {
    let summary = &report["summary"];
    if let Some(code) = summary["root_causes"][0]["code"].as_str() {
        return code.to_owned();
    }
    let incomplete = summary["incomplete"].as_u64().unwrap_or(0) > 0;
    if incomplete { "unknown" } else { "ok" }.to_owned()
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
    match truth(scenario, &spec).as_str() {
        "ok" if quick && probed.exit == 0 => budget::healthy(&probed.recording)?,
        "tcp.dropped" if quick && spec.after_hop.is_some() => {
            let bytes = fs::read(&path).map_err(|error| error.to_string())?;
            budget::dropped(&probed.recording, &bytes)?;
        }
        _ => {}
    }
    let _ = fs::remove_file(&path);
    Ok(())
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
