//! Load: memory in hours of it, and how fast is too fast.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mxray::wire::TcpFlags;

use super::craft::{BATCH, Wire};
use super::flood::{REFUSED, connection, frame, segment};
use super::ground::{self, Ground};
use super::program::{SOON, records, replay, start};
use super::running::{Followed, Running};
use super::terminal::{Screen, tmux};

/// Bytes of memory of a process, by the name that proc(5) has for them.
pub fn status(id: u32, name: &str) -> Result<u64, String> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).map_err(|e| e.to_string())?;
    let said = |line: &str| {
        let number = line.strip_prefix(name)?.strip_prefix(':')?;
        number.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let kilobytes = text.lines().find_map(said);
    Ok(kilobytes.ok_or_else(|| format!("no {name}"))? << 10)
}

/// As many connections as eight hours of ten a second have, as fast as they are taken: 288,000 from as many addresses
/// (`MXRAY_CONNECTIONS` says how many others), how much memory they took, and that the kernel dropped none. The
/// bound is that of the options (256 MiB of connections, 64 MiB of ring and as much of the kernel's) and of what is remembered
/// of addresses and attempts.
pub fn memory() -> Result<(), String> {
    const BOUND: u64 = 1 << 30;
    /// Connections that are sent at once.
    const PORTION: u32 = 2_250;
    /// Portions that wait in the kernel's buffer at the most: half of what it holds.
    const AHEAD: u32 = 6;
    let connections = std::env::var("MXRAY_CONNECTIONS")
        .ok()
        .and_then(|number| number.parse::<u32>().ok())
        .unwrap_or(288_000);
    let parts = connections.div_ceil(PORTION);
    let ground = Ground::lay()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report = folder.path().join("report.ndjson");
    let arguments = [
        "-i",
        "c0",
        "--max-memory",
        "256M",
        "--ring",
        "60s",
        "--ring-memory",
        "64M",
        "--save-dir",
        "saved",
        "--only-failed",
        "--format",
        "ndjson",
        "-o",
        "report.ndjson",
    ];
    let running = start(&arguments, folder.path())?;
    let id = running.id();
    let (mut half, mut most) = (0, 0);
    let mut judged = Finals::of(&report)?;
    for part in 0..parts {
        ground.at_server(move || {
            let wire = Wire::open("s0")?;
            for number in part * PORTION..(part + 1) * PORTION {
                let frames = connection(number);
                let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
                wire.send_all(&frames);
            }
            Ok(())
        })?;
        // Who sends waits for who reads, by the refused ones that were told.
        let told = (part + 1).saturating_sub(AHEAD) * (PORTION / REFUSED);
        let deadline = Instant::now() + SOON;
        while judged.count()? < u64::from(told) {
            if Instant::now() > deadline {
                return Err(format!("{} of {told} were told", judged.count()?));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        most = most.max(status(id, "VmRSS")?);
        if part == parts / 2 {
            half = most;
        }
    }
    running.signal(libc::SIGINT);
    let ended = running.end(Duration::from_secs(40))?;
    let text = fs::read_to_string(&report).map_err(|error| error.to_string())?;
    let sources = records(&text, "source")?;
    let source = sources.first().ok_or("no source")?;
    println!(
        "{} connections, {} packets, {} dropped: at most {} MiB, {} by half",
        PORTION * parts,
        source["packets"],
        source["dropped"],
        most >> 20,
        half >> 20
    );
    // What is bounded is full by half; what grows for ever would be twice as much at the end.
    if most > BOUND || most > half + half / 3 {
        return Err(format!(
            "{} MiB were held, {} by half",
            most >> 20,
            half >> 20
        ));
    }
    if source["dropped"] != 0 {
        return Err(format!("the kernel dropped {}", source["dropped"]));
    }
    let refused = text.lines().filter(|line| is_final(line)).count();
    let expected = usize::try_from(PORTION / REFUSED * parts).unwrap_or(0);
    if refused != expected {
        return Err(format!("{refused} of {expected} were told as refused"));
    }
    match ended.code {
        130 => Ok(()),
        code => Err(format!("it ended with {code}: {}", ended.errors)),
    }
}

/// Final verdicts in a report that grows.
struct Finals {
    report: BufReader<fs::File>,
    line: String,
    count: u64,
}

impl Finals {
    fn of(path: &Path) -> Result<Finals, String> {
        let file = fs::File::open(path).map_err(|error| error.to_string())?;
        Ok(Finals {
            report: BufReader::new(file),
            line: String::new(),
            count: 0,
        })
    }

    fn count(&mut self) -> Result<u64, String> {
        loop {
            let more = self.report.read_line(&mut self.line);
            if more.map_err(|error| error.to_string())? == 0 || !self.line.ends_with('\n') {
                return Ok(self.count);
            }
            self.count += u64::from(is_final(&self.line));
            self.line.clear();
        }
    }
}

/// Whether a line of a report is the last word about a connection.
pub fn is_final(line: &str) -> bool {
    line.starts_with("{\"record\":\"connection\"") && line.contains("\"final\":true")
}

/// A reader that is stopped while frames come: the kernel drops, that is counted and said, and the silence of that time is
/// no certainty, live and in the replay of its recording.
pub fn drops() -> Result<(), String> {
    let ground = Ground::lay()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let arguments = [
        "-i",
        "c0",
        "--buffer",
        "1M",
        "-w",
        "run.pcapng",
        "--format",
        "ndjson",
    ];
    let mut running = start(&arguments, folder.path())?;
    let silent =
        std::thread::spawn(|| drop(ground::connect(ground::SILENT, 465, Duration::from_secs(6))));
    running.signal(libc::SIGSTOP);
    ground.at_server(|| {
        let wire = Wire::open("s0")?;
        for number in 0..4_000 {
            let frames = connection(number);
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            wire.send_all(&frames);
        }
        Ok(())
    })?;
    running.signal(libc::SIGCONT);
    running.wait_for("c0: the kernel dropped")?;
    let _ = silent.join();
    running.signal(libc::SIGINT);
    let ended = running.end(SOON)?;
    let again = replay(&[&folder.path().join("run.pcapng")])?;
    for output in [&ended.output, &again.output] {
        let sources = records(output, "source")?;
        if sources.iter().all(|source| source["dropped"] == 0) {
            return Err(format!("nothing was dropped: {sources:?}"));
        }
        let said = records(output, "finding")?;
        if !said.iter().any(|one| one["code"] == "capture.dropped") {
            return Err(format!("no finding says so: {said:?}"));
        }
        let connections = records(output, "connection")?;
        let silence = connections
            .iter()
            .rfind(|one| one["server"]["port"] == 465)
            .ok_or("the silent server is not there")?;
        let verdict = &silence["verdict"];
        let sure = verdict["confidence"].as_f64().unwrap_or(1.0);
        if verdict["code"] == "tcp.dropped" && sure > 0.6 {
            return Err(format!("it is sure of a silence: {verdict}"));
        }
    }
    Ok(())
}

/// Pictures that the view sent to its terminal: each hides the cursor anew.
fn pictures(output: &Path) -> usize {
    let sent = fs::read(output).unwrap_or_default();
    sent.windows(6).filter(|six| six == b"\x1b[?25l").count()
}

/// The view in a real terminal while nothing comes, and while 10,000 connections a second do: how often it draws, and how
/// soon it answers keys.
pub fn keys() -> Result<(), String> {
    let ground = Ground::lay()?;
    let Some(screen) = Screen::open("load") else {
        return Ok(());
    };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let output = folder.path().join("output");
    let pipe = format!("cat > {}", output.display());
    screen.line(&format!("{} watch -i c0", crate::mxray().display()));
    screen.shows("No mail connection yet");
    tmux(&screen.socket, &["pipe-pane", "-o", &pipe]);
    // A measurement of time: nothing is waited for.
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(3));
    let idle = pictures(&output) as f64 / began.elapsed().as_secs_f64();
    let frames: Vec<Vec<u8>> = (0..60_000).flat_map(connection).collect();
    let per_connection = frames.len() as u64 / 60_000;
    let rate = 10_000 * per_connection;
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            ground.at_server(move || {
                let wire = Wire::open("s0")?;
                Ok(flood(&wire, &frames, rate, Duration::from_secs(6)))
            })
        });
        screen.shows("tcp.refused");
        let (began, before) = (Instant::now(), pictures(&output));
        let mut took = Vec::new();
        for _ in 0..8 {
            for (key, shown) in [("?", true), ("Escape", false)] {
                let pressed = Instant::now();
                screen.keys(&[key]);
                screen.until("the help", |text| text.contains("Everywhere") == shown);
                took.push(pressed.elapsed());
            }
        }
        let busy = (pictures(&output) - before) as f64 / began.elapsed().as_secs_f64();
        let sent = flood.join().map_err(|_| "the flood failed".to_owned())?;
        let (_, sent) = sent?;
        screen.keys(&["q"]);
        took.sort_unstable();
        let (median, last) = (took[took.len() / 2], took[took.len() - 1]);
        let connections = sent / per_connection as f64;
        println!(
            "{connections:.0} connections a second: keys answered in {median:?} (median), {last:?} (longest of {}), tmux \
             included; pictures a second: {idle:.1} idle, {busy:.1} busy",
            took.len()
        );
        if median > Duration::from_millis(100) {
            return Err(format!("keys took {median:?}"));
        }
        if idle > 2.0 || busy > 31.0 {
            return Err(format!("{idle} and {busy} pictures a second"));
        }
        Ok(())
    })
}

/// Sends at a rate for a while: how many frames were really sent, and how many a second.
fn flood(wire: &Wire, frames: &[Vec<u8>], rate: u64, span: Duration) -> (u64, f64) {
    let began = Instant::now();
    let mut sent = 0u64;
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut at = 0;
    loop {
        let passed = began.elapsed();
        if passed >= span {
            return (sent, sent as f64 / passed.as_secs_f64());
        }
        let due = (passed.as_secs_f64() * rate as f64) as u64;
        let want = usize::try_from(due - sent).unwrap_or(0).min(BATCH);
        if want == 0 {
            std::hint::spin_loop();
            continue;
        }
        let end = (at + want).min(all.len());
        let went = wire.send(&all[at..end]);
        sent += went as u64;
        at = if at + went >= all.len() { 0 } else { at + went };
    }
}

/// `MXRAY_RATE=target/release/mxray`: mxray beside tcpdump at rising rates, each alone on the wire. Prints what each lost.
pub fn rates() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{why}");
            ExitCode::from(1)
        }
    }
}

/// Frames a second that are asked for, unless `MXRAY_RATES` says others; the last is more than can be sent.
const RATES: &str = "100000,200000,400000,600000,2000000";

/// Mail alone, in small frames; and mail among twice as many full frames of somebody else's.
fn loads() -> [(&'static str, Vec<Vec<u8>>); 2] {
    let mail: Vec<Vec<u8>> = (0..30_000).flat_map(connection).collect();
    let text = [b'x'; 1_400];
    let bulk = |number: u32| {
        let flags = TcpFlags::ACK;
        let numbers = (number.wrapping_mul(1_400), 1);
        let ends = (("10.9.0.5", 50_000), ("198.51.100.9", 443));
        frame(&[], &segment(ends.0, ends.1, flags, numbers, &text))
    };
    let mixed = mail.iter().zip(0u32..).take(60_000);
    let mixed = mixed.flat_map(|(frame, at)| [frame.clone(), bulk(2 * at), bulk(2 * at + 1)]);
    let mixed = mixed.collect();
    [("mail", mail), ("mail and bulk", mixed)]
}

fn measure() -> Result<(), String> {
    let ground = Ground::lay()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let span = Duration::from_secs(4);
    let asked = std::env::var("MXRAY_RATES").unwrap_or_else(|_| RATES.to_owned());
    println!(
        "load | frames/s asked | sent | tcpdump lost | mxray lost | mxray --all lost | mxray --all -w lost"
    );
    for (load, frames) in loads() {
        let frames = Arc::new(frames);
        for rate in asked.split(',').filter_map(|rate| rate.parse::<u64>().ok()) {
            let flood_now = || {
                let frames = Arc::clone(&frames);
                ground.at_server(move || {
                    let wire = Wire::open("s0")?;
                    Ok(flood(&wire, &frames, rate, span))
                })
            };
            let (lost_there, sent) = lost_by_tcpdump(&flood_now)?;
            print!("{load:<13} | {rate:>9} | {sent:>9.0} | {lost_there:<30}");
            for more in [&[][..], &["--all"], &["--all", "-w", "/dev/null"]] {
                print!(" | {}", lost(more, folder.path(), &flood_now)?);
            }
            println!();
        }
    }
    Ok(())
}

/// What tcpdump says that it lost, and how many frames a second were sent.
fn lost_by_tcpdump(
    flood: &dyn Fn() -> Result<(u64, f64), String>,
) -> Result<(String, f64), String> {
    let mut command = Command::new("tcpdump");
    command.args(["-i", "c0", "-B", "65536", "-w", "/dev/null"]);
    let mut running = Running::spawn(command, Followed::Errors)?;
    running.wait_for("listening on")?;
    let (_, sent) = flood()?;
    running.signal(libc::SIGINT);
    let ended = running.end(SOON)?;
    let lost = ended
        .errors
        .lines()
        .find(|line| line.contains("dropped by kernel"))
        .unwrap_or("?")
        .to_owned();
    Ok((lost, sent))
}

fn lost(
    more: &[&str],
    folder: &Path,
    flood: &dyn Fn() -> Result<(u64, f64), String>,
) -> Result<String, String> {
    let arguments = [&["-i", "c0", "--format", "ndjson"], more].concat();
    let running = start(&arguments, folder)?;
    let (sent, _) = flood()?;
    running.signal(libc::SIGINT);
    let ended = running.end(SOON * 4)?;
    let sources = records(&ended.output, "source")?;
    let source = sources.first().ok_or("no source")?;
    Ok(format!(
        "{} of {sent} (read {})",
        source["dropped"], source["packets"]
    ))
}
