//! What was captured of the connections that are judged, segment by segment: for who asks what reached this host, and over which device.
//!
//! Controls are left out. What it means is for others to say.

use std::net::SocketAddr;

use super::{Context, lock};
use crate::base::Timestamp;
use crate::wire::{Net, TcpFlags, Transport, dissect};

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

impl Context {
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
