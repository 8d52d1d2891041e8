//! The main faults again with what others made: Postfix, Dovecot, Unbound, nftables, swaks, curl, openssl, fetchmail.
//!
//! Our own servers and our own path must not be the only thing that the engine understands. Everything runs in the
//! lab's namespaces, from folders of its own.

use std::any::Any;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use mxray::lab::verify::{replay, verify};
use mxray::lab::{Actors, LabError, Scenario, run_with};

#[path = "real_servers/cases.rs"]
mod cases;
#[path = "real_servers/ground.rs"]
mod ground;
#[path = "real_servers/probes.rs"]
mod probes;
#[path = "support/suite.rs"]
mod suite;

use cases::{CASES, Case};
use ground::{Folder, Ground};

/// What a case may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Cases that run side by side.
const WORKERS: usize = 6;
/// Without these there is nothing to test.
const PROGRAMS: [&str; 12] = [
    "postfix",
    "postconf",
    "dovecot",
    "unbound",
    "nft",
    "swaks",
    "curl",
    "openssl",
    "fetchmail",
    "unshare",
    "mount",
    "timeout",
];

fn main() -> ExitCode {
    let required =
        suite::lab_is_required() || std::env::var_os("CI").is_some_and(|ci| ci == "true");
    if let Err(code) = suite::enter(required) {
        return code;
    }
    if let Some(why) = lacking() {
        return suite::skip(required, &why);
    }
    let probes = probes::PROBES.iter().map(probed);
    suite::run(
        CASES.iter().map(trial).chain(probes).collect(),
        WORKERS,
        LIMIT,
    )
}

/// What this machine lacks, in one sentence.
fn lacking() -> Option<String> {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let users: u64 = map
        .split_whitespace()
        .nth(2)
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    if users < 65_536 {
        return Some(
            "real servers change to users of their own, which needs root: run the tests as root"
                .to_owned(),
        );
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let missing: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|program| !folders.iter().any(|folder| folder.join(program).is_file()))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "these programs are missing: {} (Debian: apt-get install postfix dovecot-imapd dovecot-pop3d \
             dovecot-managesieved unbound nftables swaks libio-socket-inet6-perl curl openssl fetchmail, with /usr/sbin in PATH)",
            missing.join(", ")
        )
    })
}

fn trial(case: &'static Case) -> suite::Trial {
    suite::Trial {
        name: case.name.to_owned(),
        takes: case.takes,
        run: Box::new(|| try_case(case).map_err(|error| error.to_string())?),
    }
}

fn probed(probe: &'static probes::Probe) -> suite::Trial {
    suite::Trial {
        name: probe.name.to_owned(),
        takes: 20,
        run: Box::new(|| probes::try_probe(probe).map_err(|error| error.to_string())?),
    }
}

/// The real ends of a case.
struct Real<'a> {
    case: &'a Case,
    folder: Folder,
}

impl Actors for Real<'_> {
    fn serve(&self, _: &Scenario) -> Result<Box<dyn Any>, LabError> {
        Ok(Box::new(Ground::start(&self.case.at, self.folder.path())?))
    }

    fn act(&self, _: &Scenario) -> Result<Vec<Vec<String>>, LabError> {
        let folder = self.folder.path();
        self.case
            .clients
            .iter()
            .map(|line| client(line, folder))
            .collect()
    }
}

/// Runs one client, with the lab's resolver as its own; words are separated by blanks, and what follows ` <<< ` is its input.
fn client(line: &str, folder: &Path) -> Result<Vec<String>, LabError> {
    let (line, input) = line.split_once(" <<< ").unwrap_or((line, ""));
    let line = line.replace("@DIR@", &folder.to_string_lossy());
    let mount = "mount --bind \"$0\" /etc/resolv.conf && printf \"$1\" | { shift; exec \"$@\"; }";
    let done = Command::new("timeout")
        .args(["25", "unshare", "--mount", "sh", "-c", mount])
        .arg(folder.join("resolv.conf"))
        .arg(input)
        .args(line.split_whitespace())
        .env("HOME", folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| LabError::Actor(format!("{line}: {error}")))?;
    let said = [done.stdout, done.stderr].concat();
    Ok(String::from_utf8_lossy(&said)
        .lines()
        .map(str::to_owned)
        .collect())
}

fn try_case(case: &Case) -> Result<Result<(), String>, LabError> {
    let text = format!("summary = \"{}\"\n{}", case.name, case.scenario);
    let scenario = Scenario::parse(&text)?;
    let folder = Folder::new(&case.at)?;
    let real = Real { case, folder };
    let run = run_with(&scenario, &real)?;
    let records = replay(&run.recording)?;
    let mismatches = verify(&scenario.truth, &run.recording.frames, &records);
    if mismatches.is_empty() {
        return Ok(Ok(()));
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real");
    let file = kept.join(format!("{}.pcapng", case.name));
    let kept = fs::create_dir_all(&kept).and_then(|()| fs::write(&file, run.recording.pcapng()?));
    let said: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    let ends: Vec<&[String]> = run.clients.iter().map(|lines| last(lines)).collect();
    Ok(Err(format!(
        "{} (the clients said at the end {ends:?}; recording {})",
        said.join("; "),
        kept.map_or_else(
            |error| error.to_string(),
            |()| format!("kept as {}", file.display())
        )
    )))
}

fn last(lines: &[String]) -> &[String] {
    lines
        .get(lines.len().saturating_sub(4)..)
        .unwrap_or_default()
}
