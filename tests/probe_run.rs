//! `mxray probe` as a program: rounds and what they say, Ctrl-C, long lists, privileges given up, and none to begin with.
//!
//! Real kernels at both ends of a wire between two namespaces; the server's end breaks and mends while it is measured. Nothing waits for
//! a time: each step waits for what the program says.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

#[allow(dead_code)] // half of it is for the suite of `watch`
#[path = "watch/ground.rs"]
mod ground;
#[path = "support/suite.rs"]
mod suite;

use ground::{Ground, PROHIBITED, SERVER, must};

/// What a trial may take.
const LIMIT: Duration = Duration::from_secs(90);
/// What the program says soon.
const SOON: Duration = Duration::from_secs(40);

type Trial = (&'static str, fn() -> Result<(), String>);

const TRIALS: &[Trial] = &[
    ("rounds_say_what_broke_and_for_how_long", rounds),
    ("ctrl_c_prints_what_is_known", interrupted),
    ("a_long_list_is_summed_up_by_cause", list),
    ("without_privilege_sockets_tell", unprivileged),
];

fn main() -> ExitCode {
    let required = suite::lab_is_required();
    if let Err(code) = suite::enter(required) {
        return code;
    }
    let trials = TRIALS
        .iter()
        .map(|(name, run)| suite::Trial {
            name: (*name).to_owned(),
            takes: 30,
            run: Box::new(*run),
        })
        .collect();
    suite::run(trials, 4, LIMIT)
}

/// A running probe.
struct Running {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    errors: JoinHandle<String>,
}

/// How it ended.
struct Ended {
    code: i32,
    output: String,
    errors: String,
}

impl Running {
    fn start(before: &[&str], arguments: &[&str], folder: &Path) -> Result<Running, String> {
        let program = env!("CARGO_BIN_EXE_mxray");
        let mut words = before
            .iter()
            .copied()
            .chain([program, "probe"])
            .chain(arguments.iter().copied());
        let mut child = Command::new(words.next().unwrap_or(program))
            .args(words)
            .current_dir(folder)
            .env_remove("SUDO_UID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (Some(out), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("no pipes".to_owned());
        };
        let (tell, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        Ok(Running {
            child,
            said,
            heard: Vec::new(),
            errors,
        })
    }

    fn wait_for(&mut self, words: &str) -> Result<(), String> {
        let end = Instant::now() + SOON;
        while let Ok(line) = self
            .said
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            let found = line.contains(words);
            self.heard.push(line);
            if found {
                return Ok(());
            }
        }
        Err(format!("it never said {words:?}, but {:?}", self.heard))
    }

    fn interrupt(&self) -> Result<(), String> {
        must(&format!("kill -INT {}", self.child.id()))
    }

    fn end(mut self) -> Result<Ended, String> {
        let status = self.child.wait().map_err(|error| error.to_string())?;
        while let Ok(line) = self.said.recv_timeout(SOON) {
            self.heard.push(line);
        }
        Ok(Ended {
            code: status.code().unwrap_or(-1),
            output: self.heard.join("\n"),
            errors: self.errors.join().unwrap_or_default(),
        })
    }
}

fn check(holds: bool, what: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| what.to_owned())
}

fn rounds() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    must(&format!("chmod 777 {}", folder.path().display()))?;
    let target = format!("smtp://{SERVER}");
    let arguments = [
        target.as_str(),
        "--every",
        "1s",
        "--metrics",
        "mxray.prom",
        "-w",
        "kept.pcapng",
    ];
    let mut running = Running::start(&[], &arguments, folder.path())?;
    running.wait_for("25  ok")?;
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id()));
    let status = status.map_err(|error| error.to_string())?;
    for set in ["CapEff", "CapPrm"] {
        let gone = status.lines().any(|line| {
            line.strip_prefix(set).is_some_and(|rest| {
                rest.trim_start_matches(':')
                    .trim()
                    .bytes()
                    .all(|b| b == b'0')
            })
        });
        check(gone, &format!("{set} is not empty while it measures"))?;
    }
    ground.at_server(|| must("ip route add blackhole 192.0.2.5/32"))?;
    running.wait_for("✗")?;
    ground.at_server(|| must("ip route del blackhole 192.0.2.5/32"))?;
    running.wait_for("→ ok")?;
    let metrics =
        fs::read_to_string(folder.path().join("mxray.prom")).map_err(|error| error.to_string())?;
    check(
        metrics.contains("mxray_outages_total"),
        "the metrics lack their counters",
    )?;
    running.interrupt()?;
    let ended = running.end()?;
    let output = &ended.output;
    check(
        ended.code == 130,
        &format!("it ended with {}: {output}", ended.code),
    )?;
    check(
        output.contains("broke once"),
        &format!("no summary: {output}"),
    )?;
    check(!output.contains("it is broken now"), output)?;
    let sections =
        fs::read(folder.path().join("kept.pcapng")).map_err(|error| error.to_string())?;
    let heads = sections
        .windows(4)
        .filter(|four| *four == [0x0a, 0x0d, 0x0d, 0x0a])
        .count();
    check(
        heads >= 3,
        &format!("{heads} sections of at least three rounds"),
    )
}

static ACCEPTED: AtomicBool = AtomicBool::new(false);

fn mute(stream: TcpStream) {
    ACCEPTED.store(true, Ordering::Relaxed);
    ground::mute(stream);
}

fn interrupted() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, mute)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let target = format!("smtp://{SERVER}");
    let running = Running::start(&[], &[&target, "--format", "json"], folder.path())?;
    let end = Instant::now() + SOON;
    while !ACCEPTED.load(Ordering::Relaxed) {
        check(Instant::now() < end, "it never connected")?;
        thread::yield_now();
    }
    running.interrupt()?;
    let ended = running.end()?;
    check(
        ended.code == 130,
        &format!("it ended with {}: {}", ended.code, ended.errors),
    )?;
    let report: Value = serde_json::from_str(&ended.output).map_err(|error| error.to_string())?;
    check(
        report["connections"][0]["outcome"] == "incomplete",
        &format!("a silence that was cut short is nothing yet: {report}"),
    )
}

fn list() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut text = format!("# a list\n{SERVER}:25\n");
    for port in 2_001..2_080u16 {
        text.push_str(&format!("{SERVER}:{port}\n"));
    }
    fs::write(folder.path().join("list"), text).map_err(|error| error.to_string())?;
    let running = Running::start(&[], &["-f", "list", "--format", "json"], folder.path())?;
    let ended = running.end()?;
    check(
        ended.code == 1,
        &format!("it ended with {}: {}", ended.code, ended.errors),
    )?;
    let report: Value = serde_json::from_str(&ended.output).map_err(|error| error.to_string())?;
    let summary = &report["summary"];
    // More than one group; what failed at one host in one of them is one attempt.
    let groups = report["sources"].as_array().map_or(0, Vec::len);
    check(groups == 2, &format!("{groups} groups"))?;
    check(
        summary["connections"] == 80 && summary["healthy"] == 1,
        &format!("{summary}"),
    )?;
    let causes = summary["root_causes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let all = causes.iter().all(|cause| cause["code"] == "tcp.refused");
    check(
        !causes.is_empty() && causes.len() <= 2 && all,
        &format!("{summary}"),
    )
}

fn unprivileged() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let nothing = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    for (target, code, at) in [
        (format!("smtp://{SERVER}"), "ok", None),
        (format!("submission://{SERVER}"), "tcp.refused", None),
        (
            format!("smtp://{PROHIBITED}"),
            "tcp.prohibited",
            Some(SERVER),
        ),
    ] {
        let running = Running::start(&nothing, &[&target, "--format", "json"], folder.path())?;
        let ended = running.end()?;
        let wrong = |why: &str| format!("{target}: {why}: {} {}", ended.errors, ended.output);
        let report: Value =
            serde_json::from_str(&ended.output).map_err(|error| wrong(&error.to_string()))?;
        let verdict = &report["connections"][0]["verdict"];
        check(verdict["code"] == code, &wrong("another verdict"))?;
        if let Some(at) = at {
            check(verdict["at"]["address"] == at, &wrong("another place"))?;
        }
        check(
            ended.errors.contains("not known: ") && ended.errors.contains("setcap"),
            &wrong("what could not be known, and what grants it, is not said"),
        )?;
    }
    Ok(())
}
