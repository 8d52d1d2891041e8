//! One crafted SYN, and what came back for it.
//!
//! The SYN looks like the kernel's own (MSS, SACK, timestamps, window scale), so that what treats it differently treats
//! real connections so. The answers are matched by 5-tuple and sequence number; of probes with different TTLs of one
//! flow an ICMP error tells which one by the quoted IP-ID (IPv4) or window (IPv6).

use std::io;
use std::net::IpAddr;

use super::context::{Context, Reserved};
use super::plan::walk::Heard;
use super::seen::{Direction, Seen, What, distance};
use crate::base::Timestamp;
use crate::wire::craft::{self, Header, Segment};
use crate::wire::{TcpFlags, TcpOptions};

/// The window of the first probe of a flow; others count down from it.
const WINDOW: u16 = 64_240;

/// What a SYN is like.
#[derive(Clone, Copy, Debug)]
pub struct Syn {
    /// TTL or hop limit.
    pub ttl: u8,
    /// Initial sequence number.
    pub isn: u32,
    /// TOS or traffic class.
    pub tos: u8,
    /// The MSS that is announced.
    pub mss: u16,
    /// Without SACK, timestamps and window scale, as a printer's.
    pub bare: bool,
    /// Bytes of the IP packet, filled with data that the server has no use for yet (RFC 9293 3.4: a SYN may carry some);
    /// 0 and what is too small for the headers: none.
    pub size: u16,
}

impl Syn {
    /// An ordinary one.
    pub fn ordinary(context: &Context, isn: u32) -> Syn {
        Syn {
            ttl: 64,
            isn,
            tos: context.options().dscp << 2,
            mss: 1460,
            bare: false,
            size: 0,
        }
    }
}

/// A probe that left.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Its TTL.
    pub ttl: u8,
    /// Its IP-ID.
    pub id: u16,
    /// Its window.
    pub window: u16,
    /// Its TSval.
    pub clock: u32,
    /// When.
    pub at: Timestamp,
    /// It was answered.
    pub answered: bool,
}

/// Sends a SYN on a reserved flow. `number` tells the probes of a flow apart.
pub fn send(context: &Context, flow: &Reserved, syn: Syn, number: u16) -> io::Result<Left> {
    let raw = context
        .raw()
        .ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied))?;
    let mss = if flow.local.is_ipv4() {
        syn.mss
    } else {
        syn.mss.saturating_sub(20)
    };
    let [m0, m1] = mss.to_be_bytes();
    // A SYN-ACK echoes the TSval (RFC 7323 3.2): it names the probe.
    let clock = syn.isn.rotate_left(9).wrapping_add(u32::from(number));
    let [t0, t1, t2, t3] = clock.to_be_bytes();
    // MSS, SACK permitted, timestamps, NOP, window scale 7: the order of Linux.
    let options = [
        2, 4, m0, m1, 4, 2, 8, 10, t0, t1, t2, t3, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let id = context.next_id();
    let window = WINDOW.wrapping_sub(number);
    let header = Header {
        ttl: syn.ttl,
        id,
        tos: syn.tos,
        ..Header::new(flow.local.ip(), flow.remote.ip())
    };
    let segment = Segment {
        source_port: flow.local.port(),
        destination_port: flow.remote.port(),
        seq: syn.isn,
        ack: 0,
        flags: TcpFlags(TcpFlags::SYN),
        window,
        options: options
            .get(..if syn.bare { 4 } else { 20 })
            .unwrap_or(&options),
    };
    let headers = if flow.local.is_ipv4() { 40 } else { 60 } + segment.options.len();
    let filler = vec![b'.'; usize::from(syn.size).saturating_sub(headers)];
    let packet = craft::tcp(header, &segment, &filler)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    // Before it leaves: on loopback the answer is there when the call returns.
    let at = context.now();
    raw.send(&packet, flow.remote.ip())?;
    Ok(Left {
        ttl: syn.ttl,
        id,
        window,
        clock,
        at,
        answered: false,
    })
}

/// Sends a RST of the connection that a SYN half-opened. The kernel sends one by itself for every SYN-ACK that nobody wants; where packets
/// get lost that one does too, and a server answers a further SYN of a half-open connection at most twice a second (Linux:
/// tcp_invalid_ratelimit).
pub fn undo(context: &Context, flow: &Reserved, isn: u32) -> io::Result<()> {
    let raw = context
        .raw()
        .ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied))?;
    let header = Header {
        id: context.next_id(),
        ..Header::new(flow.local.ip(), flow.remote.ip())
    };
    let segment = Segment {
        source_port: flow.local.port(),
        destination_port: flow.remote.port(),
        seq: isn.wrapping_add(1),
        ack: 0,
        flags: TcpFlags(TcpFlags::RST),
        window: 0,
        options: &[],
    };
    let packet = craft::tcp(header, &segment, &[])
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    raw.send(&packet, flow.remote.ip())
}

/// What a packet of the flow is as an answer; `None` when it is none (our own, or stale).
pub fn answer(seen: &Seen, isn: u32) -> Option<Answer> {
    if seen.direction != Direction::In {
        return None;
    }
    match &seen.what {
        What::Tcp {
            flags,
            ack,
            options,
            window,
            ..
        } => {
            let fits = *ack == isn.wrapping_add(1);
            let heard = if flags.rst() && (fits || !flags.ack()) {
                Heard::Reset {
                    distance: distance(seen.ip.ttl),
                    tos: seen.ip.tos,
                    label: seen.ip.flow_label,
                }
            } else if flags.syn() && flags.ack() && fits {
                Heard::Open {
                    distance: distance(seen.ip.ttl),
                }
            } else {
                return None;
            };
            Some(Answer {
                heard,
                from: seen.ip.source,
                which: match options.timestamps {
                    Some((_, echoed)) if flags.syn() => Which::Clock(echoed),
                    _ => Which::Latest,
                },
                at: seen.time,
                options: Some(*options),
                window: *window,
            })
        }
        What::Icmp {
            kind, code, quote, ..
        } => {
            let heard = if seen.what.time_exceeded() {
                Heard::Exceeded(seen.ip.source)
            } else {
                Heard::Refused {
                    from: seen.ip.source,
                    kind: *kind,
                    code: *code,
                }
            };
            // Off-path ICMP can be forged: the sequence number must be ours (RFC 5927 4).
            if quote.seq.is_some_and(|seq| seq != isn) {
                return None;
            }
            let which = match (quote.ip.id, quote.window) {
                (Some(id), _) => Which::Id(id),
                (None, Some(window)) => Which::Window(window),
                (None, None) => Which::Latest,
            };
            Some(Answer {
                heard,
                from: seen.ip.source,
                which,
                at: seen.time,
                options: None,
                window: 0,
            })
        }
        What::Udp(_) | What::Echo { .. } => None,
    }
}

/// An answer to a SYN.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// What it is.
    pub heard: Heard,
    /// Who sent it.
    pub from: IpAddr,
    /// Which probe of the flow it answers.
    pub which: Which,
    /// When.
    pub at: Timestamp,
    /// TCP options, of a segment.
    pub options: Option<TcpOptions>,
    /// Window, of a segment.
    pub window: u16,
}

/// How an answer names its probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// It does not.
    Latest,
    /// By the IP-ID that it quotes.
    Id(u16),
    /// By the window that it quotes.
    Window(u16),
    /// By the TSval that it echoes.
    Clock(u32),
}

impl Which {
    /// Whether it is that probe.
    pub fn is(self, left: &Left) -> bool {
        match self {
            Which::Latest => false,
            Which::Id(id) => left.id == id,
            Which::Window(window) => left.window == window,
            Which::Clock(clock) => left.clock == clock,
        }
    }
}
