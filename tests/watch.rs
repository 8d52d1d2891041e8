//! `mxray watch`, live: real kernels at both ends of a wire between two namespaces, the real program beside it.
//!
//! What it says while it happens is compared with the truth, and with what a replay of its own recording says.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[path = "watch/craft.rs"]
mod craft;
#[path = "watch/faults.rs"]
mod faults;
#[path = "watch/filter.rs"]
mod filter;
#[path = "support/flood.rs"]
mod flood;
#[path = "watch/ground.rs"]
mod ground;
#[path = "watch/hours.rs"]
mod hours;
#[path = "watch/keeping.rs"]
mod keeping;
#[path = "watch/load.rs"]
mod load;
#[path = "watch/program.rs"]
mod program;
#[path = "support/program.rs"]
mod running;
#[path = "watch/screen.rs"]
mod screen;
#[path = "support/suite.rs"]
mod suite;
#[path = "support/tmux.rs"]
mod terminal;

/// What a trial may take beside the time that its rule is.
const LIMIT: Duration = Duration::from_secs(25);
/// Trials that run side by side: they mostly wait.
const WORKERS: usize = 6;

type Trial = (&'static str, u32, fn() -> Result<(), String>);

const TRIALS: &[Trial] = &[
    (
        "main_faults_as_in_the_replay_of_its_recording",
        14,
        faults::main_faults,
    ),
    (
        "privileges_are_gone_before_the_first_packet",
        4,
        faults::privileges,
    ),
    ("answers_that_come_another_way", 10, faults::two_ways),
    ("it_stops_at_a_failure", 6, faults::until_failure),
    ("ctrl_c_prints_what_was_found", 6, faults::interrupted),
    ("what_may_not_be_opened_is_said", 2, faults::refused),
    (
        "the_ring_is_saved_when_a_server_starts_to_fail",
        8,
        keeping::ring,
    ),
    ("recordings_rotate_and_stay_one_world", 8, keeping::rotation),
    (
        "an_interface_that_vanishes_comes_back",
        12,
        keeping::vanishing,
    ),
    ("all_interfaces_at_once", 6, keeping::any),
    ("the_filter_keeps_what_may_be_mail", 6, filter::keeps),
    (
        "faults_and_a_probe_on_the_screen",
        40,
        screen::faults_and_a_probe,
    ),
    ("what_the_kernel_drops_weakens_silence", 12, load::drops),
    (
        "keys_are_answered_while_ten_thousand_connections_a_second_come",
        30,
        load::keys,
    ),
    ("hours_of_load_in_constant_memory", 120, load::memory),
    ("eight_hours_in_one_run_within_the_bound", 120, hours::eight),
];

fn main() -> ExitCode {
    let required = suite::lab_is_required();
    if let Err(code) = suite::enter(required) {
        return code;
    }
    if std::env::var_os("MXRAY_RATE").is_some() {
        return load::rates();
    }
    let trials = TRIALS
        .iter()
        .map(|(name, takes, run)| suite::Trial {
            name: (*name).to_owned(),
            takes: *takes,
            run: Box::new(*run),
        })
        .collect();
    suite::run(trials, WORKERS, LIMIT)
}

/// The program under test; for a measurement the one that is named (a release build).
fn mxray() -> PathBuf {
    match std::env::var_os("MXRAY_RATE").map(PathBuf::from) {
        Some(named) if named.is_file() => named,
        _ => PathBuf::from(env!("CARGO_BIN_EXE_mxray")),
    }
}
