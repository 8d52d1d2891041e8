//! SYNs and SYN-ACKs: each sending, and what it offered. It judges nothing.

use crate::base::limits::EVENTS;
use crate::base::{Few, Mark};
use crate::wire::{Tcp, TcpFlags};

/// No path is that long, and no host starts that low.
pub const NORMAL_TTL: u8 = 30;

/// Repeated sending of one handshake segment.
#[derive(Clone, Debug, Default)]
pub struct Transmissions {
    /// The first ones, in order.
    pub seen: Few<Transmission, EVENTS>,
    /// How many there were in all.
    pub count: u32,
    /// The last one.
    pub last: Option<Mark>,
}

/// One sending of a SYN or SYN-ACK.
#[derive(Clone, Copy, Debug)]
pub struct Transmission {
    /// Where.
    pub at: Mark,
    /// Options it carried.
    pub options: SynOptions,
    /// TTL as captured.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
    /// Initial sequence number.
    pub isn: u32,
    /// TSval, when timestamps are offered.
    pub tsval: Option<u32>,
}

impl Transmission {
    /// It may go on for fewer hops than a path leaves of what any host begins with: whoever sent it looks for the path (traceroute), and it
    /// need not arrive.
    pub fn seeks_path(&self) -> bool {
        (1..NORMAL_TTL).contains(&self.ttl)
    }
}

impl Transmissions {
    /// All that are known of look for the path.
    pub fn seek_path(&self) -> bool {
        !self.seen.is_empty() && self.seen.iter().all(Transmission::seeks_path)
    }
}

/// What a SYN or SYN-ACK offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynOptions {
    /// MSS.
    pub mss: Option<u16>,
    /// Window scale.
    pub window_scale: Option<u8>,
    /// SACK permitted.
    pub sack: bool,
    /// Timestamps.
    pub timestamps: bool,
    /// ECN set-up flags (ECE and CWR on a SYN; ECE on a SYN-ACK).
    pub ecn: bool,
    /// Fast open.
    pub fast_open: bool,
    /// Multipath TCP.
    pub multipath: bool,
    /// The whole header was captured: an option that is not here was not sent.
    pub whole: bool,
}

impl SynOptions {
    /// What a SYN or SYN-ACK carries.
    pub fn of(tcp: &Tcp<'_>) -> SynOptions {
        let ecn = TcpFlags::ECE | if tcp.flags.ack() { 0 } else { TcpFlags::CWR };
        SynOptions {
            mss: tcp.options.mss,
            window_scale: tcp.options.window_scale,
            sack: tcp.options.sack_permitted,
            timestamps: tcp.options.timestamps.is_some(),
            ecn: tcp.flags.0 & ecn == ecn,
            fast_open: tcp.options.fast_open,
            multipath: tcp.options.multipath,
            whole: !tcp.options.incomplete,
        }
    }
}
