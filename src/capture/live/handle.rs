//! One interface that is captured, through libpcap.

use std::os::fd::{AsFd, BorrowedFd};

use pcap::{Active, Capture, Device, Linktype, Precision};

use super::error::LiveError;
use super::rebind;
use super::set::{Counts, Options};
use crate::base::{Nanos, SECOND, Timestamp};

/// The pseudo interface of all interfaces.
const ANY: &str = "any";
/// LINKTYPE_LINUX_SLL2, with the interface's number in every frame.
const SLL2: u16 = 276;
/// DLT_RAW, bare IP; in files LINKTYPE_RAW is 101.
const DLT_RAW: i32 = 12;
const LINKTYPE_RAW: u16 = 101;
/// The kernel hands over what it has after this many milliseconds at the latest.
const DELIVERY: i32 = 50;

/// How an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Up,
    Down,
    Gone,
}

/// An open capture.
pub(super) struct Handle {
    capture: Capture<Active>,
    pub name: String,
    pub link_type: u16,
    pub state: State,
    /// Number and hardware type; `None` for all interfaces at once.
    bound: Option<(u32, Option<u16>)>,
    promiscuous: bool,
    counts: Counts,
    /// libpcap's 32-bit counters at the last look.
    raw: (u32, u32),
    nanos: bool,
}

/// A frame as the kernel stamped it.
pub(super) struct Raw<'a> {
    pub stamp: Timestamp,
    pub data: &'a [u8],
    pub original_len: u32,
}

/// Nothing more for now, and whether something is wrong with the interface.
pub(super) enum Pause {
    Empty,
    Trouble,
}

fn device_names() -> String {
    let names: Vec<String> = Device::list()
        .unwrap_or_default()
        .into_iter()
        .filter(|device| rebind::index(&device.name).is_some())
        .map(|device| device.name)
        .collect();
    match names.is_empty() {
        true => "none that this user can see".to_owned(),
        false => names.join(", "),
    }
}

fn program() -> String {
    std::env::current_exe().map_or_else(|_| "mxray".to_owned(), |path| path.display().to_string())
}

impl Handle {
    pub(super) fn open(name: &str, options: &Options) -> Result<Handle, LiveError> {
        let unusable = |error: pcap::Error| LiveError::Unusable(name.to_owned(), error.to_string());
        if name != ANY && rebind::index(name).is_none() {
            return Err(LiveError::NoInterface(name.to_owned(), device_names()));
        }
        let promiscuous = options.promiscuous && name != ANY;
        let open = |precision: Precision| {
            Capture::from_device(name)?
                .promisc(promiscuous)
                .snaplen(options.snaplen)
                .buffer_size(options.buffer)
                .timeout(DELIVERY)
                .precision(precision)
                .open()
        };
        let (opened, nanos) = match open(Precision::Nano) {
            Err(pcap::Error::PcapError(text)) if text.contains("precision") => {
                (open(Precision::Micro), false)
            }
            opened => (opened, true),
        };
        let mut capture = opened.map_err(|error| {
            let text = error.to_string();
            if text.contains("permi") || text.contains("Permi") || text.contains("CAP_NET_RAW") {
                let what = if name == ANY { "interfaces" } else { name };
                LiveError::NotPermitted(what.to_owned(), program())
            } else {
                unusable(error)
            }
        })?;
        if name == ANY {
            // Where libpcap is too old for it, it stays the first version of cooked frames.
            let _ = capture.set_datalink(Linktype(SLL2.into()));
        }
        options
            .filter
            .set(&mut capture)
            .map_err(LiveError::Filter)?;
        let capture = capture.setnonblock().map_err(unusable)?;
        let link_type = match capture.get_datalink().0 {
            DLT_RAW => LINKTYPE_RAW,
            other => u16::try_from(other).unwrap_or(u16::MAX),
        };
        let bound = (name != ANY)
            .then(|| rebind::index(name))
            .flatten()
            .map(|index| (index, rebind::hardware(capture.as_fd(), name)));
        let up = name == ANY || rebind::is_up(capture.as_fd(), name);
        Ok(Handle {
            capture,
            name: name.to_owned(),
            link_type,
            state: if up { State::Up } else { State::Down },
            bound,
            promiscuous,
            counts: Counts::default(),
            raw: (0, 0),
            nanos,
        })
    }

    /// Whether its frames say themselves on which interface they were seen.
    pub(super) fn is_any(&self) -> bool {
        self.link_type == SLL2
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }

    /// The next frame that is there.
    pub(super) fn next(&mut self) -> Result<Raw<'_>, Pause> {
        let nanos = self.nanos;
        match self.capture.next_packet() {
            Ok(packet) => {
                let unit: Nanos = if nanos { 1 } else { 1_000 };
                let time = packet
                    .header
                    .ts
                    .tv_sec
                    .saturating_mul(SECOND)
                    .saturating_add(packet.header.ts.tv_usec.saturating_mul(unit));
                Ok(Raw {
                    stamp: Timestamp(time),
                    data: packet.data,
                    original_len: packet.header.len,
                })
            }
            Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => Err(Pause::Empty),
            Err(_) => Err(Pause::Trouble),
        }
    }

    /// What the kernel counted. It counts in 32 bits.
    pub(super) fn count(&mut self) -> Counts {
        if let Ok(stat) = self.capture.stats() {
            let (received, dropped) = self.raw;
            self.counts.received = self
                .counts
                .received
                .saturating_add(u64::from(stat.received.wrapping_sub(received)));
            self.counts.dropped = self
                .counts
                .dropped
                .saturating_add(u64::from(stat.dropped.wrapping_sub(dropped)));
            self.raw = (stat.received, stat.dropped);
        }
        self.counts
    }

    /// Looks how the interface is, and binds to it again when another one has its name. Gives its state when that is new.
    pub(super) fn refresh(&mut self) -> Option<State> {
        let (known, hardware) = self.bound?;
        let state = match rebind::index(&self.name) {
            None => State::Gone,
            Some(index) if index == known => self.up_or_down(),
            Some(index) => {
                let same = rebind::hardware(self.capture.as_fd(), &self.name) == hardware;
                if !same || rebind::rebind(self.capture.as_fd(), index, self.promiscuous).is_err() {
                    State::Gone
                } else {
                    self.bound = Some((index, hardware));
                    self.up_or_down()
                }
            }
        };
        // The socket remembers an error until it is asked for.
        let _ = rustix::net::sockopt::socket_error(self.capture.as_fd());
        let before = std::mem::replace(&mut self.state, state);
        (before != state).then_some(state)
    }

    fn up_or_down(&self) -> State {
        if rebind::is_up(self.capture.as_fd(), &self.name) {
            State::Up
        } else {
            State::Down
        }
    }
}
