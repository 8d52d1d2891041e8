//! What the suites without libtest share: a filter, workers, and cargo's own closing line.
//!
//! They have a `main` of their own because a user namespace must be entered before the process has a second thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mxray::lab;

#[path = "pulse.rs"]
mod pulse;

use pulse::Pulse;

/// A trial that failed while the machine stood still is run again at most so often.
const AGAIN: u32 = 2;

/// One test of a suite.
pub struct Trial {
    /// What it is called.
    pub name: String,
    /// Seconds that it takes, where its rule is a time.
    pub takes: u32,
    /// Does it; the error is one line.
    #[allow(clippy::type_complexity)] // said once
    pub run: Box<dyn Fn() -> Result<(), String> + Send>,
}

/// Enters the lab. Must be the first thing that a suite does. `Err` is how the suite ends without one.
pub fn enter(required: bool) -> Result<(), ExitCode> {
    let why = match lab::claim() {
        Ok(()) => match lab::available() {
            Ok(()) => return Ok(()),
            Err(reason) => reason.to_string(),
        },
        Err(reason) => reason.to_string(),
    };
    Err(skip(required, &why))
}

/// Whether a suite that cannot run is a failure.
pub fn lab_is_required() -> bool {
    std::env::var_os("MXRAY_LAB").is_some_and(|value| value == "required")
}

/// Says aloud that nothing is tested.
pub fn skip(required: bool, why: &str) -> ExitCode {
    if required {
        println!("FAILED: the lab is required here (MXRAY_LAB=required or CI), and {why}");
        println!("test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        return ExitCode::from(101);
    }
    println!("SKIPPED: {why}");
    println!("test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

/// What of libtest's command line means something here.
#[derive(Default)]
struct Arguments {
    filters: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    list: bool,
    ignored: bool,
    workers: Option<usize>,
}

impl Arguments {
    fn read() -> Arguments {
        let mut read = Arguments::default();
        let mut given = std::env::args().skip(1);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--exact" => read.exact = true,
                "--list" => read.list = true,
                "--ignored" => read.ignored = true,
                "--skip" => read.skipped.extend(given.next()),
                "--test-threads" => read.workers = given.next().and_then(|n| n.parse().ok()),
                "--format" | "--color" | "--logfile" | "-Z" => drop(given.next()),
                other => match other.strip_prefix("--test-threads=") {
                    Some(n) => read.workers = n.parse().ok(),
                    None if other.starts_with('-') => {}
                    None => read.filters.push(argument),
                },
            }
        }
        read
    }

    fn wants(&self, name: &str) -> bool {
        let fits = |filter: &String| {
            if self.exact {
                name == filter
            } else {
                name.contains(filter.as_str())
            }
        };
        !self.ignored
            && (self.filters.is_empty() || self.filters.iter().any(fits))
            && !self.skipped.iter().any(fits)
    }
}

/// Runs the trials, the longest first, so many at a time; no one may take longer than `limit` and its own time.
pub fn run(mut trials: Vec<Trial>, workers: usize, limit: Duration) -> ExitCode {
    let start = Instant::now();
    let arguments = Arguments::read();
    let all = trials.len();
    trials.retain(|trial| arguments.wants(&trial.name));
    let filtered = all - trials.len();
    if arguments.list {
        for trial in &trials {
            println!("{}: test", trial.name);
        }
        return ExitCode::SUCCESS;
    }
    let wanted = trials.len();
    println!("\nrunning {wanted} tests");
    // Workers take from the end.
    trials.sort_by(|a, b| a.takes.cmp(&b.takes).then_with(|| b.name.cmp(&a.name)));
    let longest = trials.last().map_or(0, |trial| trial.takes);
    let queue = Arc::new(Mutex::new(trials));
    let pulse = Pulse::start();
    let (ended, ends) = channel();
    for _ in 0..arguments.workers.unwrap_or(workers).clamp(1, wanted.max(1)) {
        let (queue, ended, pulse) = (Arc::clone(&queue), ended.clone(), pulse.clone());
        thread::spawn(move || {
            while let Some(trial) = queue.lock().ok().and_then(|mut queue| queue.pop()) {
                let result = try_out(&trial, limit, &pulse);
                if ended.send((trial.name, result)).is_err() {
                    return;
                }
            }
        });
    }
    drop(ended);
    let (mut passed, mut failed) = (0, 0);
    // A trial that never ends is a failure, not a suite that never ends.
    let patience = 4 * limit + Duration::from_secs(u64::from((AGAIN + 1) * longest));
    while passed + failed < wanted {
        match ends.recv_timeout(patience) {
            Ok((_, Ok(()))) => passed += 1,
            Ok((name, Err(why))) => {
                failed += 1;
                println!("test {name} ... FAILED: {why}");
            }
            Err(RecvTimeoutError::Timeout) => {
                println!("FAILED: no test has ended for {patience:?}");
                failed = wanted - passed;
            }
            Err(RecvTimeoutError::Disconnected) => {
                println!("FAILED: the workers are gone");
                failed = wanted - passed;
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out; \
         finished in {:.2}s\n",
        start.elapsed().as_secs_f64()
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}

/// Runs a trial. One that fails while the machine stood still is said aloud and run again; one that fails on a machine that ran has failed.
fn try_out(trial: &Trial, limit: Duration, pulse: &Pulse) -> Result<(), String> {
    let mut left = AGAIN;
    loop {
        let began = Instant::now();
        let result = once(trial, limit);
        let (Err(why), Some(still), 1..) = (&result, pulse.stood_still(began), left) else {
            return result;
        };
        left -= 1;
        println!(
            "test {} ... again, because the machine stood still for {still:.1?} meanwhile: {why}",
            trial.name
        );
    }
}

fn once(trial: &Trial, limit: Duration) -> Result<(), String> {
    let began = Instant::now();
    catch_unwind(AssertUnwindSafe(&trial.run)).unwrap_or_else(|_| Err("panicked".to_owned()))?;
    let took = began.elapsed();
    let allowed = limit + Duration::from_secs(u64::from(trial.takes));
    if took > allowed {
        return Err(format!("took {took:.1?}, and {allowed:.0?} are allowed"));
    }
    Ok(())
}
