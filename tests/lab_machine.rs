//! What the lab needs of a machine and what it leaves there: nothing, however it ends.
//!
//! It runs the program as a user does: as root and as nobody, without /dev/net/tun, where namespaces are forbidden, and
//! ended in the middle by every signal.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const MXRAY: &str = env!("CARGO_BIN_EXE_mxray");

/// How long anything may take to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The user and group of nobody.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this machine has a lab at all; where it must have one, its absence is a failure.
fn has_lab() -> bool {
    let done = Command::new(MXRAY)
        .args(["lab", "run", "ok/check-greeting"])
        .output()
        .expect("mxray runs");
    let has = done.status.code() != Some(3);
    if !has {
        let why = String::from_utf8_lossy(&done.stderr).into_owned();
        let required = std::env::var_os("MXRAY_LAB").is_some_and(|value| value == "required");
        assert!(!required, "the lab is required here, and {why}");
        eprintln!("SKIPPED: {why}");
    }
    has
}

/// Calls again until there is an answer; the condition is checked, never a time waited for.
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::yield_now();
    }
}

/// Network namespaces that any thread of the machine, or of one process, is in.
fn namespaces(of: Option<u32>) -> BTreeSet<PathBuf> {
    let processes = match of {
        Some(pid) => vec![PathBuf::from(format!("/proc/{pid}"))],
        None => entries(Path::new("/proc")),
    };
    processes
        .iter()
        .flat_map(|process| entries(&process.join("task")))
        .filter_map(|task| fs::read_link(task.join("ns/net")).ok())
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// The child of this process that runs this program.
fn child(parent: u32, program: &str) -> Option<u32> {
    entries(Path::new("/proc")).into_iter().find_map(|process| {
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(')')?;
        let (pid, name) = before.split_once(" (")?;
        let its_parent = after.split_whitespace().nth(1)?;
        (name == program && its_parent == parent.to_string()).then(|| pid.parse().ok())?
    })
}

/// A run whose client is a program that does nothing for a minute.
fn started(folder: &Path) -> Child {
    let scenario = folder.join("sleeps.toml");
    let text = "summary = \"The client sleeps.\"\n[[server.services]]\nkind = \"imap\"\n[[client]]\nservice = \"imap\"\n\
                external = { program = \"sleep\", arguments = [\"60\"], timeout_ms = 60000 }\n[truth]\n";
    fs::write(&scenario, text).expect("a file");
    let tmp = folder.join("tmp");
    fs::create_dir_all(&tmp).expect("a folder");
    let mut command = Command::new(MXRAY);
    command
        .args(["lab", "run"])
        .arg(scenario)
        .env("TMPDIR", tmp)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Who runs the tests with nohup hands down that a hang-up is ignored, and a shell that runs them in the background, Ctrl-C.
    // SAFETY: signal(2) may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
    command.spawn().expect("mxray runs")
}

#[test]
fn nothing_is_left_however_it_ends() {
    if !has_lab() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGKILL] {
        let mut run = started(folder.path());
        let sleeper = until("the client sleeps", || child(run.id(), "sleep"));
        let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
        let mut made = namespaces(Some(run.id()));
        made.remove(&own);
        assert!(made.len() >= 2, "two ends, two namespaces: {made:?}");
        let pid = i32::try_from(run.id()).expect("a process");
        // SAFETY: kill takes two numbers; the process is our own child and not waited for yet.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        let status = run.wait().expect("it ends");
        assert!(!status.success(), "signal {signal}: {status}");
        until("its client is gone", || {
            let state = fs::read_to_string(format!("/proc/{sleeper}/stat"));
            state.map_or(Some(()), |state| state.contains(") Z ").then_some(()))
        });
        until("its namespaces are gone", || {
            namespaces(None).is_disjoint(&made).then_some(())
        });
    }
    // It also left no file.
    assert_eq!(
        entries(&folder.path().join("tmp")),
        [""; 0].map(PathBuf::from)
    );
}

/// A copy of the program that everybody may run.
fn for_everybody(folder: &Path) -> PathBuf {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("permissions");
    let copy = folder.join("mxray");
    fs::copy(MXRAY, &copy).expect("a copy");
    copy
}

/// Runs one scenario of each family and some size.
fn runs(prepare: impl Fn(&mut Command), program: &Path) -> Vec<Output> {
    ["ok/imaps", "ok/smtp-ipv6", "ok/smtp-large"]
        .map(|name| {
            let mut command = Command::new(program);
            command.args(["lab", "run", name]).current_dir("/");
            prepare(&mut command);
            command.output().expect("mxray runs")
        })
        .into()
}

fn assert_agreed(done: &[Output]) {
    for one in done {
        let said = String::from_utf8_lossy(&one.stdout);
        let complained = String::from_utf8_lossy(&one.stderr);
        assert!(one.status.success(), "{}: {said}{complained}", one.status);
        assert!(said.contains("Agreed"), "{said}");
    }
}

#[test]
fn nobody_needs_to_be_root() {
    if !has_lab() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = for_everybody(folder.path());
    let done = runs(
        |command| {
            if is_root() {
                command.uid(NOBODY).gid(NOBODY);
            }
        },
        &program,
    );
    if done.iter().all(|one| one.status.code() == Some(3)) {
        // The kernel keeps user namespaces from everybody but root: one sentence, with the remedy.
        let said = String::from_utf8_lossy(&done[0].stderr).into_owned();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("run as root"), "{said}");
        eprintln!("SKIPPED: {said}");
        return;
    }
    assert_agreed(&done);
}

#[test]
fn a_veth_pair_does_where_the_tun_device_is_closed() {
    if !has_lab() {
        return;
    }
    if !is_root() || !Path::new("/dev/net").is_dir() {
        eprintln!("SKIPPED: only root can hide /dev/net/tun");
        return;
    }
    let done = runs(
        |command| {
            // SAFETY: between fork and exec the closure calls nothing but system calls and allocates nothing.
            unsafe { command.pre_exec(hide_tun) };
        },
        Path::new(MXRAY),
    );
    assert_agreed(&done);
}

/// A mount namespace in which /dev/net is empty.
fn hide_tun() -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: the strings are NUL-terminated, and no data is given.
    let failed = unsafe {
        libc::unshare(libc::CLONE_NEWNS) != 0
            || libc::mount(
                none,
                c"/".as_ptr(),
                none,
                libc::MS_REC | libc::MS_PRIVATE,
                none.cast(),
            ) != 0
            || libc::mount(
                c"none".as_ptr(),
                c"/dev/net".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                none.cast(),
            ) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[test]
fn a_machine_that_forbids_it_is_told_how_to_allow_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = for_everybody(folder.path());
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --inh-caps=-all --bounding-set=-all \"$0\" lab run ok/imaps";
    let done = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", forbid])
        .arg(&program)
        .output();
    let done = match done {
        Ok(done) if done.status.code() != Some(1) => done,
        other => {
            eprintln!("SKIPPED: user namespaces cannot be forbidden here: {other:?}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("run as root"), "{said}");
    assert!(said.contains("user.max_user_namespaces"), "{said}");
}

#[test]
fn the_binary_alone_is_enough() {
    if !has_lab() {
        return;
    }
    // Another folder, an empty environment, no file of the repository.
    let done = Command::new(MXRAY)
        .args(["lab", "run", "tcp.refused"])
        .env_clear()
        .current_dir("/")
        .output()
        .expect("mxray runs");
    assert_agreed(&[done]);
}
