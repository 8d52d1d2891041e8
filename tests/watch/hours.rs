//! Eight hours in one run: a capture of that length, made as it is read, rehearsed at full speed by the program as it is,
//! with everything on that keeps something – and the most memory that it ever held.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::process::{Child, Command, Stdio};

use mxray::base::{Nanos, SECOND, Timestamp};
use mxray::capture::PcapngWriter;

use super::flood::{REFUSED, connection};
use super::load::{is_final, status};

/// When the capture begins: 2026-11-23T08:00:00Z.
const START: Timestamp = Timestamp(1_795_420_800 * SECOND);
/// Of so many connections one stays open and silent after its greeting, as IMAP IDLE does.
const OPEN: u32 = 53;
/// Frames of one that stays open.
const OPENING: usize = 6;

/// How long and how much.
struct Plan {
    span: Nanos,
    connections: u32,
    /// MiB for connections.
    memory: u32,
}

impl Plan {
    /// Eight hours of ten connections a second with 256 MiB for them, unless `MXRAY_SECONDS`, `MXRAY_CONNECTIONS` and
    /// `MXRAY_MEMORY` say otherwise.
    fn read() -> Plan {
        let number = |name: &str, usual: u32| {
            let said = std::env::var(name).ok();
            said.and_then(|said| said.parse().ok()).unwrap_or(usual)
        };
        let seconds = number("MXRAY_SECONDS", 8 * 3_600);
        Plan {
            span: i64::from(seconds) * SECOND,
            connections: number("MXRAY_CONNECTIONS", 288_000),
            memory: number("MXRAY_MEMORY", 256),
        }
    }

    /// Writes the frames of connections `from` to `to`.
    fn write(&self, out: &mut PcapngWriter<impl Write>, from: u32, to: u32) -> io::Result<()> {
        let apart = self.span / i64::from(self.connections);
        for number in from..to {
            let began = START.plus(apart * i64::from(number));
            let stays = number % OPEN == 0;
            let frames = connection(number);
            let frames = frames.iter().take(if stays { OPENING } else { usize::MAX });
            for (frame, at) in frames.zip(0..) {
                let len = u32::try_from(frame.len()).unwrap_or(0);
                out.packet(0, began.plus(at * apart / 16), frame, len, None)?;
            }
        }
        Ok(())
    }
}

pub fn eight() -> Result<(), String> {
    /// Of the option.
    const RING: u64 = 64 << 20;
    /// The program, what is remembered of addresses, and what is being written.
    const BESIDE: u64 = 128 << 20;
    let plan = Plan::read();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report = folder.path().join("report.ndjson");
    let memory = format!("{}M", plan.memory);
    let mut child = Command::new(crate::mxray())
        .args(["watch", "--rehearse", "-", "-w", "/dev/null"])
        .args(["--ring", "60s", "--ring-memory", "64M"])
        .args(["--save-dir", "saved", "--max-memory", &memory])
        .args(["--only-failed", "--format", "ndjson", "-o", "report.ndjson"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    // After each eighth.
    let held = feed(&mut child, &plan)?;
    let (code, most) = ended(child)?;
    let text = fs::read_to_string(&report).map_err(|error| error.to_string())?;
    let refused = text
        .lines()
        .filter(|line| is_final(line) && line.contains("\"tcp.refused\""));
    let (refused, expected) = (refused.count(), plan.connections.div_ceil(REFUSED));
    let held: Vec<u64> = held.iter().map(|bytes| bytes >> 20).collect();
    println!(
        "{} connections in {} s of their time: at most {} MiB; by eighths {held:?}",
        plan.connections,
        plan.span / SECOND,
        most >> 20
    );
    if most > (u64::from(plan.memory) << 20) + RING + BESIDE {
        return Err(format!("{} MiB were held", most >> 20));
    }
    // From 2 h 10 min on as many connections are forgotten as come; the allocator gives back when it likes.
    let (half, last) = (held[3], held[7]);
    if last > half + half / 4 {
        return Err(format!("it grows: {held:?} MiB"));
    }
    if refused != usize::try_from(expected).unwrap_or(0) {
        return Err(format!("{refused} of {expected} were told as refused"));
    }
    match code {
        1 => Ok(()),
        code => Err(format!("it ended with {code}")),
    }
}

/// Hands it the capture; what it held at the most after each eighth.
fn feed(child: &mut Child, plan: &Plan) -> Result<Vec<u64>, String> {
    let wrong = |error: io::Error| error.to_string();
    let input = child.stdin.take().ok_or("no standard input")?;
    let mut out = PcapngWriter::new(BufWriter::with_capacity(1 << 16, input)).map_err(wrong)?;
    out.interface("eth0", 1, 262_144).map_err(wrong)?;
    let mut held = Vec::new();
    for eighth in 0..8 {
        let [from, to] = [eighth, eighth + 1].map(|part| plan.connections / 8 * part);
        plan.write(&mut out, from, to).map_err(wrong)?;
        out.flush().map_err(wrong)?;
        held.push(status(child.id(), "VmHWM")?);
    }
    plan.write(&mut out, plan.connections / 8 * 8, plan.connections)
        .map_err(wrong)?;
    out.flush().map_err(wrong)?;
    Ok(held)
}

/// Waits for its end: its exit code, and the most bytes that it ever held.
fn ended(child: Child) -> Result<(i32, u64), String> {
    let id = libc::pid_t::try_from(child.id()).map_err(|error| error.to_string())?;
    let mut status = 0;
    // SAFETY: zeroes are a valid value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are those of live values; the child was not waited for yet.
    if unsafe { libc::wait4(id, &raw mut status, 0, &raw mut usage) } != id {
        return Err(io::Error::last_os_error().to_string());
    }
    let kilobytes = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    Ok((libc::WEXITSTATUS(status), kilobytes << 10))
}
