//! A program of the machine inside the lab: it runs in the calling thread's network namespace.
//!
//! It exists for installed mail clients and for mxray's own probe, which are most honest as processes of their own.
//! Its output is captured, its time is limited, and it dies with the thread that started it, also when that is
//! killed. Files are handed over as descriptors of memory, so that none is left behind. What it remembers of its user
//! between two runs (a mailbox's state, an account that rests) it neither finds nor leaves. It refuses to use a shell.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::server::Stop;
use super::server::stop::Woken;

/// Where programs look for, and leave, what they remember of their user (XDG base directories).
const REMEMBERED: [&str; 5] = [
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
];

/// How a program is to be run.
#[derive(Debug)]
pub struct Program<'a> {
    /// Its name in PATH, or its file.
    pub file: &'a OsStr,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it reads from its standard input.
    pub input: &'a [u8],
    /// Files that it is handed; [`Handed::path`] is their name there.
    pub handed: &'a [Handed],
    /// It has a mount namespace of its own with an empty /tmp, for what it writes.
    pub own_tmp: bool,
    /// It is ended after so long.
    pub patience: Duration,
    /// Bytes of each of its output streams that are kept.
    pub keep: u64,
}

/// What a program has left.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// How it ended; `None` when it took too long and was ended.
    pub status: Option<ExitStatus>,
}

/// A file in memory that is handed to a program, and is gone with the last process that holds it.
#[derive(Debug)]
pub struct Handed(OwnedFd);

impl Handed {
    /// With this content.
    pub fn new(content: &[u8]) -> io::Result<Handed> {
        let fd = memfd_create("mxray-lab", MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(fd);
        file.write_all(content)?;
        Ok(Handed(file.into()))
    }

    /// Its name for the program. Every opening of it reads from the beginning.
    pub fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}

impl Program<'_> {
    /// Runs it to its end, to the end of its time, or until the bell rings.
    ///
    /// # Errors
    /// When it cannot be started: most often because it is not installed.
    pub fn run(&self, stop: &Stop) -> io::Result<Ended> {
        let mut command = Command::new(self.file);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in REMEMBERED {
            command.env_remove(name);
        }
        if self.own_tmp {
            command.env("HOME", "/tmp");
        }
        let handed: Vec<RawFd> = self.handed.iter().map(|one| one.0.as_raw_fd()).collect();
        let (parent, own_tmp) = (std::process::id(), self.own_tmp);
        // SAFETY: between fork and exec the closure calls nothing but async-signal-safe functions and allocates nothing.
        unsafe {
            command.pre_exec(move || {
                belong(parent, &handed).and_then(|()| if own_tmp { empty_tmp() } else { Ok(()) })
            })
        };
        self.attend(command.spawn()?, stop)
    }

    fn attend(&self, mut child: Child, stop: &Stop) -> io::Result<Ended> {
        let deadline = Instant::now() + self.patience;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pidfd = pidfd_open(pid.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?;
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            // A program that ends early closes its input; that is its business.
            scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(self.input)));
            let stdout = scope.spawn(|| collect(stdout, self.keep));
            let stderr = scope.spawn(|| collect(stderr, self.keep));
            let woken = stop.readable(&pidfd, Some(deadline));
            if !matches!(woken, Ok(Woken::Ready)) {
                child.kill()?;
            }
            let status = child.wait()?;
            Ok(Ended {
                stdout: stdout.join().unwrap_or_default(),
                stderr: stderr.join().unwrap_or_default(),
                status: (woken? == Woken::Ready).then_some(status),
            })
        })
    }
}

/// In the child: it dies with its parent, and inherits what it was handed.
fn belong(parent: u32, handed: &[RawFd]) -> io::Result<()> {
    // SAFETY: prctl with these arguments touches no memory; getppid cannot fail.
    let orphan = unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0
            || u32::try_from(libc::getppid()) != Ok(parent)
    };
    // SAFETY: F_SETFD takes a flag word by value.
    let closed = handed
        .iter()
        .any(|fd| unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) } != 0);
    if orphan || closed {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

/// In the child: what it writes to /tmp is gone with it.
fn empty_tmp() -> io::Result<()> {
    let none = std::ptr::null();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the strings are NUL-terminated and live for ever; no data is given.
    let failed = unsafe {
        libc::unshare(libc::CLONE_NEWNS) != 0
            || libc::mount(none, c"/".as_ptr(), none, private, none.cast()) != 0
            || libc::mount(
                c"none".as_ptr(),
                c"/tmp".as_ptr(),
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

fn collect(stream: Option<impl Read>, keep: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.by_ref().take(keep).read_to_end(&mut bytes);
        // The rest is read and forgotten, so that the program does not stand still.
        let _ = io::copy(&mut stream, &mut io::sink());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::time::Duration;

    use super::{Handed, Program};
    use crate::lab::server::Stop;

    fn program<'a>(arguments: &[&str], handed: &'a [Handed]) -> Program<'a> {
        Program {
            file: OsStr::new("sh"),
            arguments: arguments.iter().map(Into::into).collect(),
            input: b"said\n",
            handed,
            own_tmp: false,
            patience: Duration::from_secs(20),
            keep: 100,
        }
    }

    #[test]
    fn a_program_reads_what_it_is_handed_twice() {
        let handed = [Handed::new(b"roots\n").expect("memory")];
        let script = format!("cat; cat {0} {0}; exit 3", handed[0].path());
        let stop = Stop::new().expect("a bell");
        let ended = program(&["-c", &script], &handed).run(&stop);
        let ended = ended.expect("it runs");
        assert_eq!(ended.stdout, b"said\nroots\nroots\n");
        assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn what_a_program_writes_to_its_tmp_is_gone_with_it() {
        let private = Program {
            own_tmp: true,
            ..program(&["-c", "ls -A /tmp; echo x > /tmp/mxray-own"], &[])
        };
        let stop = Stop::new().expect("a bell");
        match private.run(&stop) {
            Ok(ended) => assert_eq!((ended.stdout.len(), ended.stderr.len()), (0, 0)),
            Err(why) => eprintln!("SKIPPED: {why}: a mount namespace needs root"),
        }
        assert!(!std::path::Path::new("/tmp/mxray-own").exists());
    }

    #[test]
    fn a_program_finds_nothing_of_its_user() {
        let stop = Stop::new().expect("a bell");
        let script = ["-c", "echo ${HOME-none} ${XDG_STATE_HOME-none}"];
        let ended = program(&script, &[]).run(&stop).expect("it runs");
        assert_eq!(ended.stdout, b"none none\n");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let stop = Stop::new().expect("a bell");
        let slow = Program {
            patience: Duration::from_millis(50),
            ..program(&["-c", "exec sleep 60"], &[])
        };
        assert!(slow.run(&stop).expect("it runs").status.is_none());
    }
}
