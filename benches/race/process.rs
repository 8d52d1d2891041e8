//! One process from start to end: its time, its processor time, its memory.

use std::fs::File;
use std::io;
use std::iter;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::contender::Contender;

/// What a run cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Run {
    /// Wall time in seconds.
    pub seconds: f64,
    /// Processor time in seconds: in the program, and in the kernel for it.
    pub user: f64,
    /// See above.
    pub system: f64,
    /// Greatest resident memory in bytes, mapped files included.
    pub resident: u64,
}

fn start(contender: &Contender, file: &Path, times: usize) -> io::Result<Child> {
    let mut command = Command::new(&contender.program);
    command
        .args(&contender.before)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if contender.stdin {
        command.stdin(File::open(file)?);
    } else {
        command
            .stdin(Stdio::null())
            .args(iter::repeat_n(file, times));
    }
    command.args(&contender.behind);
    if contender.one_core {
        // SAFETY: between fork and exec only one system call is made; nothing is allocated.
        unsafe {
            command.pre_exec(|| {
                let mut set = rustix::thread::CpuSet::new();
                set.set(0);
                rustix::thread::sched_setaffinity(None, &set).map_err(io::Error::from)
            });
        }
    }
    command.spawn()
}

/// Runs it to its end.
pub fn run(contender: &Contender, file: &Path) -> io::Result<Run> {
    let begin = Instant::now();
    let child = start(contender, file, 1)?;
    let (status, usage) = wait(&child)?;
    let seconds = begin.elapsed().as_secs_f64();
    // mxray exits with 1 when it found faults, with 4 when the evidence cannot show that there is none; a signal or a usage error is no measurement.
    if !matches!(status.code(), Some(0 | 1 | 4)) {
        return Err(io::Error::other(format!("ended with {status}")));
    }
    let of = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(Run {
        seconds,
        user: of(usage.ru_utime),
        system: of(usage.ru_stime),
        resident: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    })
}

fn wait(child: &Child) -> io::Result<(ExitStatus, libc::rusage)> {
    let mut status = 0;
    // SAFETY: both are plain numbers that the kernel fills in; the process is our own child, which nobody else waits for.
    let (ended, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let ended = libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage);
        (ended, usage)
    };
    if ended < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), usage))
}

/// The greatest private memory (RssAnon) of a run that is not timed, which is given the file so many times.
pub fn private_memory(contender: &Contender, file: &Path, times: usize) -> io::Result<u64> {
    let mut child = start(contender, file, times)?;
    let path = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let kilobytes = text
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .and_then(|rest| {
                rest.trim()
                    .trim_end_matches(" kB")
                    .trim()
                    .parse::<u64>()
                    .ok()
            });
        most = most.max(kilobytes.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(most)
}
