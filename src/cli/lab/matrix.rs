//! `mxray lab matrix`: many variations of many faults, and which verdict each of them got.
//!
//! The table is the confusion matrix of the rules against networks that they were not written for. Verdicts that a
//! scenario declares as right as well count as right. With loss on top, what is missing is counted and is not wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::cli::exit;
use crate::engine::record::Record;
use crate::lab::verify::{expected, replay, verify, verify_lossy, verify_probe};
use crate::lab::{self, LabError, Listed, Scenario};

/// What is varied, and how it is judged.
#[derive(Clone, Copy)]
pub struct Kind<'a> {
    /// Variations of each scenario.
    pub seeds: u64,
    /// By probing.
    pub probe: bool,
    /// Shares of loss on top, in percent; empty: the fault is put elsewhere instead.
    pub loss: &'a [u8],
}

/// A scenario in one of its variations.
struct Trial {
    title: String,
    seed: u64,
    loss: Option<u8>,
    scenario: Scenario,
}

impl Trial {
    fn varied(one: &Listed, scenario: &Scenario, seed: u64) -> Trial {
        Trial {
            title: one.title(),
            seed,
            loss: None,
            scenario: lab::vary(scenario, seed),
        }
    }

    fn lossy(one: &Listed, scenario: &Scenario, seed: u64, percent: u8) -> Trial {
        Trial {
            title: one.title(),
            seed,
            loss: Some(percent),
            scenario: lab::lossy(scenario, percent, seed),
        }
    }
}

/// What came of a trial.
struct Told {
    /// The codes that are true.
    truth: String,
    /// The codes that were found.
    found: String,
    /// In what it differs from the truth.
    wrong: Vec<String>,
    /// How to see it again.
    again: String,
}

/// Runs them all and prints the table.
pub fn matrix(
    all: &[Listed],
    names: &[String],
    kind: Kind<'_>,
    jobs: usize,
) -> Result<(String, u8), LabError> {
    let mut trials = Vec::new();
    for one in chosen(all, names)? {
        let scenario = one.scenario()?;
        if !scenario.lacking().is_empty() || (names.is_empty() && !is_plain(&scenario)) {
            continue;
        }
        if kind.probe && scenario.probe.is_empty() {
            continue;
        }
        for seed in 1..=kind.seeds {
            match kind.loss {
                [] => trials.push(Trial::varied(&one, &scenario, seed)),
                shares => {
                    let lossy = |percent: &u8| Trial::lossy(&one, &scenario, seed, *percent);
                    trials.extend(shares.iter().map(lossy));
                }
            }
        }
    }
    lab::claim()?;
    let mxray = std::env::current_exe().map_err(|source| LabError::System {
        what: "find its own program",
        source,
    })?;
    // Workers take from the end: the longest first.
    trials.sort_by_key(|trial| trial.scenario.takes_s);
    let count = trials.len();
    let queue = Mutex::new(trials);
    let told = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            scope.spawn(|| {
                while let Some(trial) = taken(&queue) {
                    let results = if kind.probe {
                        probed(&trial, &mxray)
                    } else {
                        replayed(&trial)
                    };
                    told.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(results);
                }
            });
        }
    });
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let wrong = told.iter().filter(|one| !one.wrong.is_empty()).count();
    let code = if wrong == 0 { exit::FINE } else { exit::FAULT };
    Ok((table(&told, wrong), code))
}

fn taken(queue: &Mutex<Vec<Trial>>) -> Option<Trial> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Those that are named, by code or whole; all without names.
fn chosen(all: &[Listed], names: &[String]) -> Result<Vec<Listed>, LabError> {
    if names.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen = Vec::new();
    for name in names {
        let of_code: Vec<Listed> = all
            .iter()
            .filter(|one| one.code == *name)
            .cloned()
            .collect();
        if of_code.is_empty() {
            chosen.push(lab::find(all, name)?);
        } else {
            chosen.extend(of_code);
        }
    }
    Ok(chosen)
}

/// Whether its recording is an ordinary one: what a spoiled capture shows depends on which frames it lacks.
fn is_plain(scenario: &Scenario) -> bool {
    let record = &scenario.record;
    record.toward.is_none()
        && record.without.is_empty()
        && record.skip == 0
        && record.stop_after.is_none()
        && record.stop_after_ms.is_none()
        && record.cut_file == 0
        && record.dropped == 0
        && !record.disorder
        && !record.twice
}

fn replayed(trial: &Trial) -> Vec<Told> {
    let scenario = &trial.scenario;
    let truth = joined(
        scenario
            .truth
            .connection
            .iter()
            .map(|one| one.code.clone())
            .chain(scenario.truth.lookup.iter().map(|one| one.code.clone())),
    );
    let (found, wrong) = match lab::run(scenario)
        .and_then(|run| replay(&run.recording).map(|records| (run, records)))
    {
        Ok((run, records)) => {
            let codes = records.iter().filter_map(|record| match record {
                Record::Connection(one) => Some(one.verdict.code.to_owned()),
                Record::Lookup(one) => Some(one.verdict.code.to_owned()),
                _ => None,
            });
            let wrong = verify(&scenario.truth, &run.recording.frames, &records);
            (
                joined(codes),
                wrong.iter().map(ToString::to_string).collect(),
            )
        }
        Err(error) => ("error".to_owned(), vec![error.to_string()]),
    };
    let again = again(trial);
    vec![Told {
        truth,
        found,
        wrong,
        again,
    }]
}

fn probed(trial: &Trial, mxray: &Path) -> Vec<Told> {
    let scenario = &trial.scenario;
    let results = lab::probe(scenario, mxray);
    scenario
        .probe
        .iter()
        .zip(results)
        .map(|(spec, result)| {
            let truth = joined(expected(scenario, spec).unwrap_or_default().into_iter());
            let (found, wrong) = match result {
                Ok(probed) => {
                    let causes = probed.report["summary"]["root_causes"].as_array();
                    let codes = causes
                        .into_iter()
                        .flatten()
                        .filter_map(|cause| cause["code"].as_str().map(str::to_owned));
                    let verify = match trial.loss {
                        Some(_) => verify_lossy,
                        None => verify_probe,
                    };
                    let wrong = verify(scenario, spec, &probed.report);
                    (
                        joined(codes),
                        wrong.iter().map(ToString::to_string).collect(),
                    )
                }
                Err(error) => ("error".to_owned(), vec![error.to_string()]),
            };
            let again = again(trial);
            Told {
                truth,
                found,
                wrong,
                again,
            }
        })
        .collect()
}

fn again(trial: &Trial) -> String {
    let how = match trial.loss {
        Some(percent) => format!("--loss {percent}"),
        None => "--vary".to_owned(),
    };
    format!("mxray lab run {} {how} --seed {}", trial.title, trial.seed)
}

/// Codes once each, without those that say that nothing is wrong where something is.
fn joined(codes: impl Iterator<Item = String>) -> String {
    let mut codes: Vec<String> = codes.collect();
    codes.sort();
    codes.dedup();
    if codes.iter().any(|code| code != "ok") {
        codes.retain(|code| code != "ok");
    }
    if codes.is_empty() {
        "ok".to_owned()
    } else {
        codes.join("+")
    }
}

fn table(told: &[Told], wrong: usize) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<&str, (usize, usize)>> = BTreeMap::new();
    for one in told {
        let cell = rows
            .entry(&one.truth)
            .or_default()
            .entry(&one.found)
            .or_default();
        cell.0 += 1;
        cell.1 += usize::from(!one.wrong.is_empty());
    }
    let mut text = String::from("truth: what was found, how often (of them wrong)\n");
    for (truth, found) in &rows {
        let cells: Vec<String> = found
            .iter()
            .map(|(code, (all, wrong))| match wrong {
                0 => format!("{code} {all}"),
                wrong => format!("{code} {all} ({wrong} wrong)"),
            })
            .collect();
        let _ = writeln!(text, "{truth}: {}", cells.join(", "));
    }
    for one in told.iter().filter(|one| !one.wrong.is_empty()) {
        let _ = writeln!(text, "\n{}", one.again);
        for line in &one.wrong {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = writeln!(text, "\n{} runs, {wrong} not as the truth", told.len());
    text
}
