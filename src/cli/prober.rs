//! The helper that may probe for `watch --allow-probe`: a process of its own, started before `watch` gives up its privileges.
//!
//! It can do one thing: run `mxray probe` for an address, a port and a service that stand on a line of its standard input,
//! each of them checked. It reads nothing that came from the wire: what a probe found goes back as it was written, and is
//! parsed by who asked, without privileges. It ends with who started it.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};

use super::exit;
use crate::present::endpoint;
use crate::proto::Service;

/// The most that is sent back of one probe, in bytes of each kind.
pub const LONGEST: u64 = 64 << 20;
/// A probe ends by then.
const DEADLINE: &str = "30s";
/// Whether who started it is still there is looked at this often.
const LOOK: Duration = Duration::from_millis(100);

/// What is sent back: a kind, a length in four bytes, the upper first, and so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The packets, as pcapng.
    Packets,
    /// The records, as NDJSON.
    Records,
    /// The probe is over; a text is why it could not be done.
    Over,
}

impl Kind {
    const ALL: [(Kind, u8); 3] = [
        (Kind::Packets, b'P'),
        (Kind::Records, b'R'),
        (Kind::Over, b'O'),
    ];

    fn byte(self) -> u8 {
        Kind::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or(b'O', |(_, byte)| *byte)
    }

    /// Of its byte.
    pub fn of(byte: u8) -> Option<Kind> {
        Kind::ALL
            .iter()
            .find(|(_, known)| *known == byte)
            .map(|(kind, _)| *kind)
    }
}

/// An order, as a line.
pub fn order(ip: IpAddr, port: u16, service: &str) -> String {
    format!("{ip} {port} {service}\n")
}

/// The target of an order; `None` for a line that is none.
fn target(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (ip, port, service) = (words.next()?, words.next()?, words.next()?);
    let ip: IpAddr = ip.parse().ok()?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let service = Service::from_name(service)?;
    if words.next().is_some() {
        return None;
    }
    let place = endpoint(&ip.to_string(), port);
    Some(match service {
        // What has no scheme is known by its port.
        Service::Lmtp | Service::Other => place,
        service => format!("{}://{place}", service.name()),
    })
}

/// Carries out orders until nobody gives any more.
pub fn run() -> u8 {
    // Who started it may be killed: then nobody wants an answer.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    let mut out = io::stdout();
    let orders = io::stdin().lock().lines();
    for line in orders.map_while(Result::ok) {
        let said = match target(&line) {
            None => over(&mut out, "this is no order"),
            Some(target) => match probe(&target) {
                Ok(Some(done)) => answer(&mut out, done),
                // Nobody is there any more.
                Ok(None) => return exit::FINE,
                Err(error) => over(&mut out, &format!("the probe cannot be run: {error}")),
            },
        };
        if said.is_err() {
            break;
        }
    }
    exit::FINE
}

/// What a probe left behind.
struct Done {
    packets: File,
    records: File,
    complaints: File,
    ended: ExitStatus,
}

fn room(name: &str, flags: MemfdFlags) -> io::Result<File> {
    let name = CString::new(name).map_err(io::Error::other)?;
    Ok(File::from(memfd_create(&*name, flags)?))
}

/// Runs one; `None` when who ordered it is gone.
fn probe(target: &str) -> io::Result<Option<Done>> {
    // The probe opens this by its number.
    let packets = room("packets", MemfdFlags::empty())?;
    let records = room("records", MemfdFlags::CLOEXEC)?;
    let complaints = room("complaints", MemfdFlags::CLOEXEC)?;
    let arguments: [OsString; 9] = [
        "probe".into(),
        "--quiet".into(),
        "--format".into(),
        "ndjson".into(),
        "--deadline".into(),
        DEADLINE.into(),
        "--write".into(),
        format!("/proc/self/fd/{}", packets.as_raw_fd()).into(),
        target.into(),
    ];
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(records.try_clone()?)
        .stderr(complaints.try_clone()?)
        .spawn()?;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        if is_alone()? {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
    };
    Ok(Some(Done {
        packets,
        records,
        complaints,
        ended,
    }))
}

/// Waits a moment; whether nobody holds the other end of standard input any more.
fn is_alone() -> io::Result<bool> {
    let stdin = io::stdin();
    let mut fds = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::empty())];
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.subsec_nanos().into(),
    };
    poll(&mut fds, Some(&patience))?;
    Ok(fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP)))
}

fn answer(out: &mut dyn Write, mut done: Done) -> io::Result<()> {
    let mut complaints = String::new();
    done.complaints.rewind()?;
    Read::take(&mut done.complaints, 4_096).read_to_string(&mut complaints)?;
    // 0 and 1 are verdicts, 4 is that nothing is known; all else is a probe that was none.
    match done.ended.code() {
        Some(0 | 1 | 4) => {}
        _ => {
            let said = complaints.lines().last().unwrap_or("it was ended");
            return over(out, said);
        }
    }
    for (kind, file) in [
        (Kind::Packets, &mut done.packets),
        (Kind::Records, &mut done.records),
    ] {
        let len = file.seek(io::SeekFrom::End(0))?;
        if len > LONGEST {
            return over(out, "it found more than can be shown here: run mxray probe");
        }
        file.rewind()?;
        head(out, kind, len)?;
        io::copy(file, out)?;
    }
    over(out, "")
}

fn head(out: &mut dyn Write, kind: Kind, len: u64) -> io::Result<()> {
    let len = u32::try_from(len).map_err(io::Error::other)?;
    out.write_all(&[kind.byte()])?;
    out.write_all(&len.to_be_bytes())
}

fn over(out: &mut dyn Write, why: &str) -> io::Result<()> {
    head(out, Kind::Over, why.len() as u64)?;
    out.write_all(why.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::{Kind, order, target};

    #[test]
    fn an_order_is_an_address_a_port_and_a_service_and_nothing_else() {
        let said = |line: &str| target(line.trim_end_matches('\n'));
        let smtp = order([192, 0, 2, 10].into(), 25, "smtp");
        assert_eq!(said(&smtp).as_deref(), Some("smtp://192.0.2.10:25"));
        let imaps = order("2001:db8::1".parse().unwrap(), 993, "imaps");
        assert_eq!(said(&imaps).as_deref(), Some("imaps://[2001:db8::1]:993"));
        let other = order([192, 0, 2, 10].into(), 2_525, "other");
        assert_eq!(said(&other).as_deref(), Some("192.0.2.10:2525"));
        for line in [
            "",
            "192.0.2.10 25",
            "mx1.example.net 25 smtp",
            "192.0.2.10 0 smtp",
            "192.0.2.10 25 smtp --write=/etc/passwd",
            "--write=/x 25 smtp",
            "192.0.2.10 25 http",
        ] {
            assert_eq!(said(line), None, "{line:?}");
        }
    }

    #[test]
    fn kinds_are_told_by_their_bytes() {
        for kind in [Kind::Packets, Kind::Records, Kind::Over] {
            assert_eq!(Kind::of(kind.byte()), Some(kind));
        }
        assert_eq!(Kind::of(0), None);
    }
}
