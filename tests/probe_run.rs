//! `mxray probe` as a program: rounds and what they say, Ctrl-C, long lists, privileges given up, and none to begin with.
//!
//! Real kernels at both ends of a wire between two namespaces; the server's end breaks and mends while it is measured. Nothing waits for
//! a time: each step waits for what the program says.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

#[allow(dead_code)] // half of it is for the suite of `watch`
#[path = "watch/ground.rs"]
mod ground;
#[path = "support/program.rs"]
mod running;
#[path = "support/suite.rs"]
mod suite;

use ground::{Ground, PROHIBITED, SERVER, must};
use running::{Ended, Followed, Running, SOON};

/// What a trial may take.
const LIMIT: Duration = Duration::from_secs(90);

type Trial = (&'static str, fn() -> Result<(), String>);

const TRIALS: &[Trial] = &[
    ("rounds_say_what_broke_and_for_how_long", rounds),
    ("ctrl_c_prints_what_is_known", interrupted),
    ("a_long_list_is_summed_up_by_cause", list),
    (
        "two_hundred_targets_take_one_thread_and_flat_memory",
        two_hundred,
    ),
    ("without_a_way_to_the_resolver_that_is_said", cut_off),
    ("names_of_this_host_ask_no_resolver", named_here),
    ("without_privilege_sockets_tell", unprivileged),
    ("no_core_dump_holds_a_password", aborted),
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

/// Starts `mxray probe`, behind other words where there are any.
fn start(before: &[&str], arguments: &[&str], folder: &Path) -> Result<Running, String> {
    let program = env!("CARGO_BIN_EXE_mxray");
    let mut words = before
        .iter()
        .copied()
        .chain([program, "probe"])
        .chain(arguments.iter().copied());
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words).current_dir(folder);
    Running::spawn(command, Followed::Output)
}

/// Lets it end, and reads its report.
fn reported(arguments: &[&str]) -> Result<(Ended, Value), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let arguments = [arguments, &["--format", "json"]].concat();
    let ended = start(&[], &arguments, folder.path())?.end(LIMIT)?;
    let report = serde_json::from_str(&ended.output).map_err(|error| error.to_string())?;
    Ok((ended, report))
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
    let mut running = start(&[], &arguments, folder.path())?;
    running.wait_for("25  ok")?;
    let status = fs::read_to_string(format!("/proc/{}/status", running.id()));
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
    running.signal(libc::SIGINT);
    let ended = running.end(LIMIT)?;
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
    let running = start(&[], &[&target, "--format", "json"], folder.path())?;
    let end = Instant::now() + SOON;
    while !ACCEPTED.load(Ordering::Relaxed) {
        check(Instant::now() < end, "it never connected")?;
        thread::yield_now();
    }
    running.signal(libc::SIGINT);
    let ended = running.end(LIMIT)?;
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
    let running = start(&[], &["-f", "list", "--format", "json"], folder.path())?;
    let ended = running.end(LIMIT)?;
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

/// One target in twenty refuses; the memory of the later groups is that of the earlier ones, and no target has a thread.
fn two_hundred() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.at_server(|| must("ip route add local 198.18.0.0/24 dev lo"))?;
    ground.listen("0.0.0.0", 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let text: String = (1..=200)
        .map(|host| {
            let scheme = if host % 20 == 0 { "submission" } else { "smtp" };
            format!("{scheme}://198.18.0.{host}\n")
        })
        .collect();
    fs::write(folder.path().join("list"), text).map_err(|error| error.to_string())?;
    let running = start(&[], &["-f", "list", "--format", "json"], folder.path())?;
    let status = format!("/proc/{}/status", running.id());
    let watching = thread::spawn(move || {
        let mut seen = Vec::new();
        while let Ok(text) = fs::read_to_string(&status)
            && let (Some(memory), Some(threads)) =
                (number(&text, "VmRSS:"), number(&text, "Threads:"))
        {
            seen.push((memory, threads));
            thread::sleep(Duration::from_millis(20));
        }
        seen
    });
    let ended = running.end(LIMIT)?;
    let seen = watching.join().map_err(|_| "nobody watched")?;
    let report: Value = serde_json::from_str(&ended.output).map_err(|error| error.to_string())?;
    let summary = &report["summary"];
    check(
        ended.code == 1 && summary["healthy"] == 190 && summary["failed"] == 10,
        &format!("it ended with {}: {summary} {}", ended.code, ended.errors),
    )?;
    let most = |part: &[(u64, u64)]| part.iter().map(|one| one.0).max().unwrap_or(0);
    let (early, late) = seen.split_at(seen.len() / 2);
    check(
        !early.is_empty() && most(late) * 4 <= most(early) * 5 && most(&seen) < 256 << 10,
        &format!("memory grows: {} KiB, then {}", most(early), most(late)),
    )?;
    let threads = seen.iter().map(|one| one.1).max();
    check(threads <= Some(2), &format!("{threads:?} threads"))
}

/// Nothing is sent and nothing captured: still the report names what is missing.
fn cut_off() -> Result<(), String> {
    let _ground = Ground::lay()?;
    must("ip route del default")?;
    let (ended, report) = reported(&["mail.example.test", "--resolver", "203.0.113.53"])?;
    let cause = &report["summary"]["root_causes"][0];
    let said = report["findings"][0]["summary"]
        .as_str()
        .unwrap_or_default();
    check(
        ended.code == 1
            && cause["code"] == "route.none"
            && said == "This host has no route to the resolver 203.0.113.53.",
        &format!(
            "it ended with {}: {cause} {said:?} {}",
            ended.code, ended.errors
        ),
    )
}

/// `localhost` is this host wherever the test runs (RFC 6761 6.3); its closed port is what is judged.
fn named_here() -> Result<(), String> {
    let _ground = Ground::lay()?;
    let target = ["imap://localhost", "-4"];
    let (ended, report) = reported(&target)?;
    let codes = &report["summary"]["by_code"];
    let unasked = report["lookups"].as_array().is_some_and(Vec::is_empty);
    check(
        ended.code == 1
            && codes["tcp.refused"] == 1
            && unasked
            && notes(&report).contains("localhost has its addresses from this host itself"),
        &format!("it ended with {}: {codes} {}", ended.code, notes(&report)),
    )?;
    let schema = include_str!("../docs/report.schema.json");
    let mut schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    keeps(&schema, &report)?;
    schema = json!({ "$ref": "#/$defs/ndjson", "$defs": schema["$defs"] });
    let mut paths = 0;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let lines = [&target[..], &["--format", "ndjson"]].concat();
    for line in start(&[], &lines, folder.path())?
        .end(LIMIT)?
        .output
        .lines()
    {
        let line: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        keeps(&schema, &line)?;
        paths += usize::from(line["record"] == "path");
    }
    check(paths > 0, "no line tells of the path")
}

/// What a probe says keeps the schema that is shipped, as what a replay says does.
fn keeps(schema: &Value, said: &Value) -> Result<(), String> {
    let schema = jsonschema::validator_for(schema).map_err(|error| error.to_string())?;
    let errors = schema.iter_errors(said);
    let errors: Vec<String> = errors
        .map(|e| format!("{} {e}", e.instance_path()))
        .collect();
    check(errors.is_empty(), &errors.join("\n"))
}

/// The number behind a word in a file of /proc.
fn number(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(word))?;
    line.split_whitespace().nth(1)?.parse().ok()
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
        let running = start(&nothing, &[&target, "--format", "json"], folder.path())?;
        let ended = running.end(LIMIT)?;
        let wrong = |why: &str| format!("{target}: {why}: {} {}", ended.errors, ended.output);
        let report: Value =
            serde_json::from_str(&ended.output).map_err(|error| wrong(&error.to_string()))?;
        let verdict = &report["connections"][0]["verdict"];
        check(verdict["code"] == code, &wrong("another verdict"))?;
        if let Some(at) = at {
            check(verdict["at"]["address"] == at, &wrong("another place"))?;
        }
        check(
            notes(&report).contains("not known: ") && notes(&report).contains("setcap"),
            &wrong("what could not be known, and what grants it, is not said"),
        )?;
    }
    Ok(())
}

/// A password that stands nowhere by chance.
const PASSWORD: &str = "no-such-password-0f3a";
static LOGGING_IN: AtomicBool = AtomicBool::new(false);

/// An IMAP server that answers everything but a login.
fn thinks(stream: TcpStream) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let mut say = |text: String| out.write_all(text.as_bytes()).is_ok();
    say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n".to_owned());
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let tag = line.split(' ').next().unwrap_or_default();
        if line.contains("AUTHENTICATE") {
            LOGGING_IN.store(true, Ordering::Relaxed);
        } else {
            say("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n".to_owned());
            say(format!("{tag} OK done\r\n"));
        }
    }
}

static GREETING: AtomicBool = AtomicBool::new(false);

fn mute_again(stream: TcpStream) {
    GREETING.store(true, Ordering::Relaxed);
    ground::mute(stream);
}

/// Aborted while the server thinks about the password: at no other moment is it in more places.
fn aborted() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 143, thinks)?;
    ground.listen(SERVER, 25, mute_again)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    fs::write(folder.path().join("password"), format!("{PASSWORD}\n"))
        .map_err(|error| error.to_string())?;
    let dumps = ["sh", "-c", "ulimit -c unlimited && exec \"$@\"", "sh"];
    let nothing = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let dies = |before: &[&str], arguments: &[&str], moment: &AtomicBool| {
        let before: Vec<&str> = dumps.iter().chain(before).copied().collect();
        let running = start(&before, arguments, folder.path())?;
        let end = Instant::now() + SOON;
        while !moment.load(Ordering::Relaxed) {
            check(Instant::now() < end, "the moment never came")?;
            thread::yield_now();
        }
        let limits = fs::read_to_string(format!("/proc/{}/limits", running.id()))
            .map_err(|error| error.to_string())?;
        running.signal(libc::SIGABRT);
        Ok::<_, String>((limits, running.end(LIMIT)?.dumped))
    };
    let imap = format!("imap://{SERVER}");
    let login = [
        imap.as_str(),
        "--user",
        "user@example.net",
        "--password-file",
        "password",
        "--auth-plaintext",
        "--every",
        "1s",
    ];
    // As root, whom it stops being, and as who it stays.
    for before in [&[][..], &nothing[..]] {
        LOGGING_IN.store(false, Ordering::Relaxed);
        let (limits, dumped) = dies(before, &login, &LOGGING_IN)?;
        let none = limits.lines().any(|line| {
            line.strip_prefix("Max core file size")
                .is_some_and(|rest| rest.split_whitespace().take(2).all(|size| size == "0"))
        });
        check(none, &format!("cores are allowed: {limits}"))?;
        check(!dumped, "it left a core dump")?;
    }
    let files = fs::read_dir(folder.path()).map_err(|error| error.to_string())?;
    for file in files
        .flatten()
        .filter(|file| file.file_name() != "password")
    {
        let bytes = fs::read(file.path()).unwrap_or_default();
        let holds = bytes
            .windows(PASSWORD.len())
            .any(|part| part == PASSWORD.as_bytes());
        check(!holds, &format!("{:?} holds the password", file.path()))?;
    }
    // The control: without a secret this kernel does write one, where it writes cores to files.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if !pattern.starts_with('|') && !pattern.trim().is_empty() {
        let smtp = format!("smtp://{SERVER}");
        let (_, dumped) = dies(&nothing, &[&smtp], &GREETING)?;
        check(dumped, "the control left no core dump either")?;
    }
    Ok(())
}

/// What the report says of how it was measured.
fn notes(report: &Value) -> String {
    let notes = report["sources"][0]["notes"].as_array();
    let texts = notes.into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join("\n")
}
