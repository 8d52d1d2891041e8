//! Load: memory in hours of it, and how fast is too fast.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use mxray::wire::TcpFlags;
use pcap::{Active, Capture};

use super::craft::{frame, segment, sender};
use super::ground::Ground;
use super::program::{Running, SOON, records};

/// A whole SMTP connection, as frames, between addresses that the number makes.
fn connection(number: u32) -> Vec<Vec<u8>> {
    let [_, a, b, c] = number.to_be_bytes();
    let client = format!("10.{a}.{b}.{c}");
    let server = format!("198.18.{}.{}", number % 16, number % 250 + 1);
    let port = 20_000 + u16::try_from(number % 40_000).unwrap_or(0);
    let push = TcpFlags::ACK | TcpFlags::PSH;
    let mut frames = Vec::new();
    let (mut ours, mut theirs) = (1_000u32, 5_000u32);
    let mut say = |from_client: bool, flags: u8, text: &[u8]| {
        let ends = ((client.as_str(), port), (server.as_str(), 25));
        let (from, to, numbers) = match from_client {
            true => (ends.0, ends.1, (ours, theirs)),
            false => (ends.1, ends.0, (theirs, ours)),
        };
        frames.push(frame(&[], &segment(from, to, flags, numbers, text)));
        let taken = u32::try_from(text.len()).unwrap_or(0)
            + u32::from(flags & (TcpFlags::SYN | TcpFlags::FIN) != 0);
        match from_client {
            true => ours += taken,
            false => theirs += taken,
        }
    };
    say(true, TcpFlags::SYN, b"");
    if number.is_multiple_of(10) {
        // Refused: also the memory of failures is bounded.
        say(false, TcpFlags::RST | TcpFlags::ACK, b"");
        return frames;
    }
    say(false, TcpFlags::SYN | TcpFlags::ACK, b"");
    say(true, TcpFlags::ACK, b"");
    say(false, push, b"220 mail.example.net ESMTP\r\n");
    say(true, push, b"EHLO client.example.net\r\n");
    say(false, push, b"250-mail.example.net\r\n250 STARTTLS\r\n");
    say(true, push, b"MAIL FROM:<a@example.net>\r\n");
    say(false, push, b"250 2.1.0 Ok\r\n");
    say(true, push, b"QUIT\r\n");
    say(false, push, b"221 2.0.0 Bye\r\n");
    say(false, TcpFlags::ACK | TcpFlags::FIN, b"");
    say(true, TcpFlags::ACK | TcpFlags::FIN, b"");
    say(false, TcpFlags::ACK, b"");
    frames
}

/// Bytes of memory that a process holds.
fn resident(id: u32) -> Result<u64, String> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).map_err(|e| e.to_string())?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .map(|kilobytes| kilobytes << 10)
        .ok_or_else(|| "no VmRSS".to_owned())
}

/// Eight hours of five connections a second, as fast as they can be sent: 144,000 connections from as many addresses
/// (`MXRAY_CONNECTIONS` says how many others), and how much memory they took. The
/// bound is that of the options (256 MiB of connections, 64 MiB of ring and as much of the kernel's), and what is kept of
/// attempts for four minutes after their end; far below what all of them would take.
pub fn memory() -> Result<(), String> {
    let connections = std::env::var("MXRAY_CONNECTIONS")
        .ok()
        .and_then(|number| number.parse::<u32>().ok())
        .unwrap_or(144_000);
    const BOUND: u64 = 1 << 30;
    let ground = Ground::lay()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let arguments = [
        "-i",
        "c0",
        "--ring",
        "60s",
        "--ring-memory",
        "64M",
        "--save-dir",
        "saved",
        "--format",
        "ndjson",
        "-o",
        "/dev/null",
    ];
    let running = Running::start(&arguments, folder.path())?;
    let id = running.id();
    let (mut half, mut most) = (0, 0);
    for part in 0..16 {
        ground.at_server(move || {
            let mut wire = sender("s0")?;
            for number in part * (connections / 16)..(part + 1) * (connections / 16) {
                for frame in connection(number) {
                    // A full queue: the wire is slower than we are.
                    while wire.sendpacket(&frame[..]).is_err() {
                        std::thread::yield_now();
                    }
                }
            }
            Ok(())
        })?;
        most = most.max(resident(id)?);
        if part == 8 {
            half = most;
        }
    }
    running.signal(libc::SIGINT);
    let ended = running.end(Duration::from_secs(40))?;
    println!(
        "{connections} connections: at most {} MiB, {} by half",
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
    match ended.code {
        130 => Ok(()),
        code => Err(format!("it ended with {code}: {:?}", ended.errors)),
    }
}

/// Sends at a rate for a while: frames a second that were really sent, and how many in all.
fn flood(wire: &mut Capture<Active>, frames: &[Vec<u8>], rate: u64, span: Duration) -> (u64, f64) {
    let began = Instant::now();
    let mut sent = 0u64;
    let mut next = frames.iter().cycle();
    loop {
        let passed = began.elapsed();
        if passed >= span {
            return (sent, sent as f64 / passed.as_secs_f64());
        }
        let due = (passed.as_secs_f64() * rate as f64) as u64;
        if sent >= due {
            std::hint::spin_loop();
            continue;
        }
        for _ in 0..(due - sent).min(64) {
            if let Some(frame) = next.next()
                && wire.sendpacket(&frame[..]).is_ok()
            {
                sent += 1;
            }
        }
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

/// Frames a second that are asked for, unless `MXRAY_RATES` says others.
const RATES: &str = "20000,50000,100000,200000,300000,400000,600000";

fn measure() -> Result<(), String> {
    let ground = Ground::lay()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let span = Duration::from_secs(4);
    let asked = std::env::var("MXRAY_RATES").unwrap_or_else(|_| RATES.to_owned());
    println!(
        "frames/s asked | sent | tcpdump lost | mxray lost | mxray --all lost | mxray -w lost"
    );
    for rate in asked.split(',').filter_map(|rate| rate.parse::<u64>().ok()) {
        let flood_now = || {
            ground.at_server(move || {
                let frames: Vec<Vec<u8>> = (0..30_000).flat_map(connection).collect();
                let mut wire = sender("s0")?;
                Ok(flood(&mut wire, &frames, rate, span))
            })
        };
        {
            let mut tcpdump = Command::new("tcpdump")
                .args(["-i", "c0", "-B", "65536", "-w", "/dev/null"])
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| error.to_string())?;
            let mut errors = BufReader::new(tcpdump.stderr.take().ok_or("no pipe")?);
            let mut text = String::new();
            while !text.contains("listening on") {
                if errors
                    .read_line(&mut text)
                    .map_err(|error| error.to_string())?
                    == 0
                {
                    return Err(format!("tcpdump: {text}"));
                }
            }
            let (_, real) = flood_now()?;
            let id = libc::pid_t::try_from(tcpdump.id()).map_err(|error| error.to_string())?;
            // SAFETY: numbers only; the child is not waited for yet.
            unsafe { libc::kill(id, libc::SIGINT) };
            let _ = errors.read_to_string(&mut text);
            let _ = tcpdump.wait();
            let lost = text
                .lines()
                .find(|line| line.contains("dropped by kernel"))
                .unwrap_or("?")
                .to_owned();
            print!("{rate:>9} | {real:>9.0} | {lost:<30}");
        }
        for more in [&[][..], &["--all"], &["-w", "/dev/null"]] {
            print!(" | {}", lost(more, folder.path(), &flood_now)?);
        }
        println!();
    }
    Ok(())
}

fn lost(
    more: &[&str],
    folder: &Path,
    flood: &dyn Fn() -> Result<(u64, f64), String>,
) -> Result<String, String> {
    let arguments = [&["-i", "c0", "--format", "ndjson"], more].concat();
    let running = Running::start(&arguments, folder)?;
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
