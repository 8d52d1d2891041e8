//! Probes that the user asks for while watching: orders to the helper, and what comes back.
//!
//! The helper was started before privileges were given up ([`crate::cli::prober`]); here nothing is left of them, and here its
//! answer is parsed. A probe is a world of its own: an engine of its own judges its packets, its records are shown beside
//! those of the capture, and it counts in no summary of the run.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pcap::Device;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::view::View;
use crate::base::{Foreign, SECOND, SourceId, Timestamp};
use crate::capture::{CaptureReader, Frame};
use crate::cli::feed::feed_whole;
use crate::cli::prober::{self, Kind};
use crate::engine::record::{PathRecord, Record};
use crate::engine::{Config, Engine};
use crate::present::{self, endpoint};
use crate::probe::stage::interception::nobody;
use crate::tui::ProbeTarget;
use crate::wire::{Net, Transport, dissect};

/// What the user is told before he says yes.
pub const SAYS: &str = "One connection as a client would open it (TCP, TLS, EHLO or the like; no mail, no login), and beside it \
SYNs, pings and a few DNS questions, with growing TTL where something is silent: to this server, the routers before it, and addresses set aside for \
documentation, where nobody may answer (RFC 5737, RFC 3849); at most 300 packets, 50 a second, for 30 s.";

/// Sources of probes are numbered from here, and their records from a multiple of [`NUMBERS`]: no capture comes so far.
const SOURCES: u32 = 1 << 30;
const NUMBERS: u64 = 1 << 40;
/// Bytes that are read at once.
const PORTION: usize = 1 << 16;
/// The last packets of a probe are known as its own for so long after its end.
const AFTER: i64 = 120 * SECOND;
/// Connections of our own to the server that are known at once.
const FLOWS: usize = 4_096;

/// The helper, and what is under way.
pub struct Probing {
    child: Child,
    /// Both are there until the end.
    orders: Option<ChildStdin>,
    answers: Option<ChildStdout>,
    config: Config,
    read: Vec<u8>,
    packets: Vec<u8>,
    records: Vec<u8>,
    under_way: Option<ProbeTarget>,
    count: u32,
    own: Own,
}

impl Probing {
    /// Starts the helper. It keeps the privileges that this process has now. The error is a sentence.
    pub fn start(config: &Config) -> Result<Probing, String> {
        let fault =
            |error: io::Error| format!("--allow-probe: the helper cannot be started: {error}");
        let program = std::env::current_exe().map_err(fault)?;
        let mut child = Command::new(program)
            .arg("prober")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(fault)?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("--allow-probe: the helper has no pipes".to_owned());
        };
        let flags = fcntl_getfl(answers.as_fd()).map_err(|error| fault(error.into()))?;
        fcntl_setfl(answers.as_fd(), flags | OFlags::NONBLOCK)
            .map_err(|error| fault(error.into()))?;
        Ok(Probing {
            child,
            orders: Some(orders),
            answers: Some(answers),
            config: Config {
                live: false,
                ..config.clone()
            },
            read: Vec::new(),
            packets: Vec::new(),
            records: Vec::new(),
            under_way: None,
            count: 0,
            own: Own::default(),
        })
    }

    /// The helper's process.
    pub fn helper(&self) -> u32 {
        self.child.id()
    }

    /// Orders a probe; a sentence for the user.
    pub fn order(&mut self, target: ProbeTarget) -> String {
        let place = endpoint(&target.ip.to_string(), target.port);
        if let Some(before) = &self.under_way {
            let before = endpoint(&before.ip.to_string(), before.port);
            return format!("{before} is being probed; {place} can be when that is over");
        }
        let line = prober::order(target.ip, target.port, target.service);
        let Some(orders) = &mut self.orders else {
            return format!("{place} cannot be probed: the helper is gone");
        };
        if let Err(error) = orders
            .write_all(line.as_bytes())
            .and_then(|()| orders.flush())
        {
            return format!("{place} cannot be probed: {error}");
        }
        self.own.begin(target.ip, target.port);
        self.under_way = Some(target);
        format!(
            "{place} is being probed; what this machine opens to it meanwhile is the probe's and is left out"
        )
    }

    /// Whether the frame belongs to a probe of ours, which the capture sees as well.
    pub fn is_own(&mut self, frame: &Frame<'_>) -> bool {
        self.own.sees(frame)
    }

    /// What is being probed.
    pub fn under_way(&self) -> Option<&ProbeTarget> {
        self.under_way.as_ref()
    }

    /// Takes what has come from the helper; what a probe found goes to the view. A sentence when one is over.
    pub fn look(&mut self, now: Timestamp, view: &mut View) -> Option<String> {
        self.own.tick(now);
        let target = self.under_way.clone()?;
        let place = endpoint(&target.ip.to_string(), target.port);
        let mut portion = [0; PORTION];
        while let Some(answers) = &mut self.answers {
            match answers.read(&mut portion) {
                Ok(0) => return self.gone(now, &place),
                Ok(len) => self
                    .read
                    .extend_from_slice(portion.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.gone(now, &place),
            }
        }
        while let Some((kind, len)) = self.head() {
            if u64::from(len) > prober::LONGEST {
                return self.gone(now, &place);
            }
            let len = len as usize;
            if self.read.len() < 5 + len {
                break;
            }
            let rest = self.read.split_off(5 + len);
            let message = std::mem::replace(&mut self.read, rest).split_off(5);
            match kind {
                Kind::Packets => self.packets = message,
                Kind::Records => self.records = message,
                Kind::Over => {
                    self.end(now);
                    let why = String::from_utf8_lossy(&message);
                    return Some(match why.is_empty() {
                        true => {
                            let found = self.found(&place, view);
                            view.probed(target.ip, found.clone());
                            format!("probe of {place}: {found}")
                        }
                        false => format!("{place} could not be probed: {}", Foreign::from(&*why)),
                    });
                }
            }
        }
        None
    }

    fn head(&self) -> Option<(Kind, u32)> {
        let (kind, rest) = self.read.split_first()?;
        let len = rest.first_chunk::<4>()?;
        Some((
            Kind::of(*kind).unwrap_or(Kind::Over),
            u32::from_be_bytes(*len),
        ))
    }

    fn gone(&mut self, now: Timestamp, place: &str) -> Option<String> {
        self.end(now);
        Some(format!("{place} was not probed: the helper is gone"))
    }

    fn end(&mut self, now: Timestamp) {
        self.under_way = None;
        self.own.end(now);
    }

    /// A probe's packets are judged, and shown with the paths that it walked.
    fn found(&mut self, place: &str, view: &mut View) -> String {
        let (packets, records) = (
            std::mem::take(&mut self.packets),
            std::mem::take(&mut self.records),
        );
        self.count = self.count.saturating_add(1);
        let shift = Shift(self.count);
        let name = Foreign::from(format!("probe of {place}").as_str());
        view.beside(shift.source(), name);
        let mut found = Vec::new();
        let judged = judge(
            &self.config,
            packets,
            &mut |frame| view.own_frame(shift.source(), frame),
            &mut |record| found.push(record),
        );
        if let Err(why) = judged {
            return format!("its packets cannot be read: {why}");
        }
        let mut causes = Vec::new();
        for record in found {
            match record {
                Record::Summary(summary) => causes = summary.root_causes,
                record => {
                    if let Some(record) = shift.apply(record) {
                        view.record(&record);
                    }
                }
            }
        }
        for path in paths(&records) {
            view.record(&Record::Path(path));
        }
        match causes.first() {
            None => "nothing is wrong from here".to_owned(),
            Some(cause) => {
                let at = present::place(&cause.at).map_or_else(String::new, |at| format!(" {at}"));
                format!("{}{at}: {}", cause.code, cause.text)
            }
        }
    }
}

impl Drop for Probing {
    /// The helper ends when nobody gives orders or takes answers any more, and its probe with it.
    fn drop(&mut self) {
        self.orders = None;
        self.answers = None;
        let _ = self.child.wait();
    }
}

/// Judges a probe's recording as a replay of it would.
fn judge(
    config: &Config,
    packets: Vec<u8>,
    frames: &mut dyn FnMut(&Frame<'_>),
    out: &mut dyn FnMut(Record),
) -> Result<(), String> {
    let reader = CaptureReader::from_reader("probe", Box::new(io::Cursor::new(packets)));
    let reader = reader.map_err(|error| error.to_string())?;
    feed_whole(Engine::new(config.clone()), reader, frames, out);
    Ok(())
}

/// The paths of a report in NDJSON.
fn paths(records: &[u8]) -> Vec<PathRecord> {
    records
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let value: serde_json::Value = serde_json::from_slice(line).ok()?;
            (value["record"] == "path").then_some(value)
        })
        .filter_map(|value| serde_json::from_value(value).ok())
        .take(64)
        .collect()
}

/// Numbers of one probe's records: apart from the capture's own and from other probes'.
#[derive(Clone, Copy)]
struct Shift(u32);

impl Shift {
    fn source(self) -> SourceId {
        SourceId(SOURCES.saturating_add(self.0))
    }

    fn number(self, number: u64) -> u64 {
        NUMBERS
            .saturating_mul(u64::from(self.0))
            .saturating_add(number)
    }

    /// The record under its number; `None` for what is of the probe's run alone.
    fn apply(self, mut record: Record) -> Option<Record> {
        let source = self.source().0;
        match &mut record {
            Record::Connection(one) => {
                one.id = self.number(one.id);
                one.attempt = one.attempt.map(|attempt| self.number(attempt));
                one.source = source;
            }
            Record::Lookup(one) => {
                one.id = self.number(one.id);
                one.attempt = one.attempt.map(|attempt| self.number(attempt));
                one.source = source;
            }
            Record::Attempt(one) => {
                one.id = self.number(one.id);
                for id in one.connections.iter_mut().chain(&mut one.lookups) {
                    *id = self.number(*id);
                }
            }
            Record::Finding(one) => one.source = Some(source),
            Record::Path(_) => {}
            Record::Source(_) | Record::Summary(_) => return None,
        }
        Some(record)
    }
}

/// Connections that a probe opens: the capture sees them as well, and a SYN that was sent to die on the way is no verdict.
#[derive(Default)]
struct Own {
    addresses: HashSet<IpAddr>,
    target: Option<(IpAddr, u16)>,
    /// SYNs of this machine to the target, and on its port to addresses that nobody has, are the probe's.
    opening: bool,
    /// The other end's address, our port and the other end's.
    flows: HashSet<(IpAddr, u16, u16)>,
    until: Option<Timestamp>,
}

impl Own {
    fn begin(&mut self, target: IpAddr, port: u16) {
        let devices = Device::list().unwrap_or_default();
        let addresses = devices.iter().flat_map(|device| &device.addresses);
        self.addresses = addresses.map(|address| address.addr).collect();
        self.target = Some((target, port));
        self.opening = true;
        self.flows.clear();
        self.until = None;
    }

    fn end(&mut self, now: Timestamp) {
        self.opening = false;
        self.until = Some(now.plus(AFTER));
    }

    fn tick(&mut self, now: Timestamp) {
        if self.until.is_some_and(|until| now >= until) {
            *self = Own::default();
        }
    }

    fn sees(&mut self, frame: &Frame<'_>) -> bool {
        if self.target.is_none() {
            return false;
        }
        let packet = dissect(frame.link_type, frame.data, frame.original_len);
        let (Net::Ip(ip), Transport::Tcp(tcp)) = (&packet.net, &packet.transport) else {
            return false;
        };
        let ours = |ip: IpAddr| self.addresses.contains(&ip);
        if ours(ip.source) && self.may_ask(ip.destination, tcp.destination_port) {
            let flow = (ip.destination, tcp.source_port, tcp.destination_port);
            if self.opening && tcp.flags.opens() && self.flows.len() < FLOWS {
                self.flows.insert(flow);
            }
            return self.flows.contains(&flow);
        }
        ours(ip.destination)
            && self
                .flows
                .contains(&(ip.source, tcp.destination_port, tcp.source_port))
    }

    /// Whether a probe of the target may connect there.
    fn may_ask(&self, ip: IpAddr, port: u16) -> bool {
        self.target.is_some_and(|(target, wanted)| {
            ip == target || port == wanted && nobody(target).contains(&ip)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Own;
    use crate::base::Timestamp;
    use crate::capture::Frame;

    /// LINKTYPE_RAW: a packet without a link's header.
    const RAW: u16 = 101;
    const SYN: u8 = 2;
    const HERE: [u8; 4] = [10, 0, 0, 5];
    const MAIL: [u8; 4] = [203, 0, 113, 25];

    fn probing() -> Own {
        Own {
            addresses: [IpAddr::from(HERE)].into(),
            target: Some((IpAddr::from(MAIL), 587)),
            opening: true,
            ..Own::default()
        }
    }

    /// Whether a segment between these is one of a probe's.
    fn sees(own: &mut Own, from: ([u8; 4], u16), to: ([u8; 4], u16), flags: u8) -> bool {
        let mut data = vec![0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0];
        data.extend(from.0);
        data.extend(to.0);
        data.extend(from.1.to_be_bytes());
        data.extend(to.1.to_be_bytes());
        data.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        own.sees(&Frame {
            number: 1,
            interface: 0,
            link_type: RAW,
            time: Timestamp(0),
            original_len: 40,
            data: &data,
            control: false,
            position: 0,
        })
    }

    #[test]
    fn syns_to_addresses_that_nobody_has_are_the_probes_too() {
        let mut own = probing();
        assert!(sees(&mut own, (HERE, 40_000), (MAIL, 587), SYN));
        assert!(sees(&mut own, (MAIL, 587), (HERE, 40_000), SYN | 16));
        assert!(sees(&mut own, (HERE, 40_001), ([192, 0, 2, 1], 587), SYN));
        assert!(sees(&mut own, ([192, 0, 2, 1], 587), (HERE, 40_001), 4));
        // Another host's, another port's, another address's: somebody else's.
        assert!(!sees(
            &mut own,
            ([10, 0, 0, 6], 40_001),
            ([192, 0, 2, 1], 587),
            SYN
        ));
        assert!(!sees(&mut own, (HERE, 40_002), ([192, 0, 2, 1], 25), SYN));
        assert!(!sees(&mut own, (HERE, 40_003), ([192, 0, 2, 9], 587), SYN));
        // So is what began before it, or begins when it is over.
        assert!(!sees(&mut own, (HERE, 39_999), ([192, 0, 2, 1], 587), 16));
        own.end(Timestamp(0));
        assert!(!sees(
            &mut own,
            (HERE, 40_004),
            ([198, 51, 100, 1], 587),
            SYN
        ));
    }
}
