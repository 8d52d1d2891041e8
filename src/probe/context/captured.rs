//! What was captured of the connections that are judged, segment by segment: for who asks what reached this host, and over which device.
//!
//! Controls are left out where segments are asked for, and are in where it is SYNs. What it means is for others to say.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use memchr::memmem::Finder;

use super::{Context, lock};
use crate::base::{Nanos, SECOND, Timestamp};
use crate::probe::plan::walk::Heard;
use crate::wire::{Net, Quote, TcpFlags, Transport, dissect};

/// The device that carries what never leaves this host.
const LOOPBACK: &str = "lo";

/// A segment of a judged connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// When it was captured.
    pub at: Timestamp,
    /// Our end.
    pub local: SocketAddr,
    /// It bears our address as its sender's.
    pub outward: bool,
    /// It was seen on the loopback device.
    pub inside: bool,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Control bits.
    pub flags: TcpFlags,
    /// Sequence number.
    pub seq: u32,
    /// Bytes of its IP packet.
    pub length: u32,
    /// Bytes of its payload.
    pub payload: u32,
}

impl Segment {
    /// Whether our end is that one: address and port, whatever a socket knows beside.
    pub fn is_at(&self, local: SocketAddr) -> bool {
        (self.local.ip(), self.local.port()) == (local.ip(), local.port())
    }
}

/// A SYN of this run's, whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynSent {
    /// When it was captured.
    pub at: Timestamp,
    /// The port that it asked.
    pub port: u16,
    /// What acknowledged it, if anything did.
    pub answer: Option<Answered>,
}

/// What acknowledged a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// A SYN-ACK.
    Opened,
    /// A RST, or an ICMP error that quotes it.
    Refused,
}

/// Headers, and those that an error quotes, end before this byte.
const HEADERS: usize = 192;

/// A host's address as it stands in a frame. With a list of targets most frames are of others, and need not be taken apart.
struct Octets(Finder<'static>);

impl Octets {
    fn of(host: IpAddr) -> Octets {
        let finder = match host {
            IpAddr::V4(host) => Finder::new(&host.octets()).into_owned(),
            IpAddr::V6(host) => Finder::new(&host.octets()).into_owned(),
        };
        Octets(finder)
    }

    fn stands_in(&self, frame: &[u8]) -> bool {
        let headers = frame.get(..HEADERS).unwrap_or(frame);
        self.0.find(headers).is_some()
    }
}

/// An error older than this is of another time.
const RECENT: Nanos = 20 * SECOND;

/// A SYN with less is one of a walk's, and need not arrive.
const ARRIVES: u8 = 40;

impl Context {
    /// The SYNs without data so far, ordinary ones and controls, that were to reach that host, in the order of capture.
    pub fn syns_to(&self, host: IpAddr) -> Vec<SynSent> {
        if let Some(tap) = &self.0.tap {
            tap.drain(self);
        }
        let recording = lock(&self.0.recording);
        let mut sent: Vec<SynSent> = Vec::new();
        // What a SYN is known by: our port, its number, its place in the list.
        let mut open: HashMap<(u16, u16, u32), Vec<usize>> = HashMap::new();
        let address = Octets::of(host);
        for (device, frame) in recording.captured() {
            if !address.stands_in(&frame.data) {
                continue;
            }
            let packet = dissect(device.link_type, &frame.data, frame.original_len);
            let Net::Ip(ip) = &packet.net else { continue };
            let tcp = match &packet.transport {
                Transport::Tcp(tcp) => tcp,
                Transport::Icmp(icmp) => {
                    let rejected = icmp.quote.as_ref().filter(|quote| {
                        quote.ip.destination == host
                            && matches!((icmp.v6, icmp.kind), (false, 3) | (true, 1))
                    });
                    let which = rejected.and_then(|quote| {
                        let key = (quote.source_port?, quote.destination_port?, quote.seq?);
                        open.get_mut(&key)?.pop()
                    });
                    if let Some(syn) = which.and_then(|at| sent.get_mut(at)) {
                        syn.answer = Some(Answered::Refused);
                    }
                    continue;
                }
                _ => continue,
            };
            let asks = tcp.flags.syn() && !tcp.flags.ack();
            if ip.destination == host && asks && ip.ttl >= ARRIVES && tcp.payload_len == 0 {
                let key = (tcp.source_port, tcp.destination_port, tcp.seq);
                open.entry(key).or_default().push(sent.len());
                sent.push(SynSent {
                    at: frame.time,
                    port: tcp.destination_port,
                    answer: None,
                });
            } else if ip.source == host && tcp.flags.ack() && (tcp.flags.syn() || tcp.flags.rst()) {
                let key = (
                    tcp.destination_port,
                    tcp.source_port,
                    tcp.ack.wrapping_sub(1),
                );
                // The latest of the same number: what was sent before it was not answered in time.
                let which = open.get_mut(&key).and_then(Vec::pop);
                if let Some(syn) = which.and_then(|at| sent.get_mut(at)) {
                    syn.answer = Some(match tcp.flags.syn() {
                        true => Answered::Opened,
                        false => Answered::Refused,
                    });
                }
            }
        }
        sent
    }

    /// The latest ICMP error of the last seconds that says of that port, or (`of_host`) of its host, that it cannot be reached, whichever packet
    /// of this run drew it: routers send few of them (RFC 1812 4.3.2.8), so that one about a control may be the only one.
    pub fn error_about(&self, to: SocketAddr, of_host: bool) -> Option<Heard> {
        if let Some(tap) = &self.0.tap {
            tap.drain(self);
        }
        let since = self.now().plus(-RECENT);
        let recording = lock(&self.0.recording);
        let mut latest = None;
        let address = Octets::of(to.ip());
        let late = recording
            .captured()
            .filter(|(_, frame)| frame.time >= since && address.stands_in(&frame.data));
        for (device, frame) in late {
            let packet = dissect(device.link_type, &frame.data, frame.original_len);
            let (Net::Ip(ip), Transport::Icmp(icmp)) = (&packet.net, &packet.transport) else {
                continue;
            };
            let about = |quote: &&Quote| quote.ip.destination == to.ip() && quote.ip.ttl > 0;
            let Some(quote) = icmp.quote.as_ref().filter(about) else {
                continue;
            };
            let of_host = of_host
                && matches!(
                    (icmp.v6, icmp.kind, icmp.code),
                    (false, 3, 0 | 1) | (true, 1, 0 | 3)
                );
            let of_port = matches!((icmp.v6, icmp.kind), (false, 3) | (true, 1))
                && quote.flags.is_none_or(|flags| flags.syn())
                && quote.seq.is_some()
                && quote.destination_port == Some(to.port());
            if of_host || of_port {
                latest = Some(Heard::Refused {
                    from: ip.source,
                    kind: icmp.kind,
                    code: icmp.code,
                });
            }
        }
        latest
    }

    /// All segments so far of judged connections to that server, in the order of time.
    pub fn segments_with(&self, server: SocketAddr) -> Vec<Segment> {
        if let Some(tap) = &self.0.tap {
            tap.drain(self);
        }
        let recording = lock(&self.0.recording);
        let mut segments: Vec<Segment> = recording
            .captured()
            .filter(|(_, frame)| frame.control.is_none())
            .filter_map(|(device, frame)| {
                let packet = dissect(device.link_type, &frame.data, frame.original_len);
                let (Net::Ip(ip), Transport::Tcp(tcp)) = (&packet.net, &packet.transport) else {
                    return None;
                };
                let from = SocketAddr::new(ip.source, tcp.source_port);
                let to = SocketAddr::new(ip.destination, tcp.destination_port);
                let outward = to == server;
                (outward || from == server).then_some(Segment {
                    at: frame.time,
                    local: if outward { from } else { to },
                    outward,
                    inside: device.name == LOOPBACK,
                    ttl: ip.ttl,
                    flags: tcp.flags,
                    seq: tcp.seq,
                    length: ip.total_len,
                    payload: tcp.payload_len,
                })
            })
            .collect();
        segments.sort_by_key(|segment| segment.at);
        segments
    }
}
