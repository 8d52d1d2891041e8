//! A segment that waits until it is known what its connection is.
//!
//! It exists because a flood leaves a million SYNs waiting for three minutes: what their connection knows, its ends, is not kept here
//! once more, nor what no tracker asks for. It decides nothing.

use super::facts::FlowKey;
use super::tcp::{Labels, StreamSink, Tracker};
use crate::base::{Mark, Side};
use crate::wire::{Ip, Link, Tcp, TcpFlags, TcpOptions};

/// Protocol number of TCP.
const TCP: u8 = 6;

/// A segment that was held back.
#[derive(Debug)]
pub(super) struct Held {
    mark: Mark,
    payload: Box<[u8]>,
    options: TcpOptions,
    seq: u32,
    ack: u32,
    payload_len: u32,
    total_len: u32,
    flow_label: Option<u32>,
    id: Option<u16>,
    window: Option<u16>,
    checksum: u16,
    mac: Option<[u8; 6]>,
    flags: TcpFlags,
    ttl: u8,
    tos: u8,
    dont_fragment: bool,
    side: Side,
}

impl Held {
    pub(super) fn new(side: Side, mark: Mark, link: &Link, ip: &Ip, tcp: &Tcp<'_>) -> Held {
        Held {
            mark,
            payload: tcp.payload.into(),
            options: tcp.options,
            seq: tcp.seq,
            ack: tcp.ack,
            payload_len: tcp.payload_len,
            total_len: ip.total_len,
            flow_label: ip.flow_label,
            id: ip.id,
            window: tcp.window,
            checksum: tcp.checksum,
            mac: link.source,
            flags: tcp.flags,
            ttl: ip.ttl,
            tos: ip.tos,
            dont_fragment: ip.dont_fragment,
            side,
        }
    }

    /// Gives it to the tracker of its connection.
    pub(super) fn hand_on(&self, tracker: &mut Tracker, out: &mut impl StreamSink) -> Labels {
        let FlowKey { client, server, .. } = *tracker.key();
        let (from, to) = match self.side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let link = Link {
            source: self.mac,
            ..Link::default()
        };
        let ip = Ip {
            source: from.ip,
            destination: to.ip,
            ttl: self.ttl,
            id: self.id,
            dont_fragment: self.dont_fragment,
            tos: self.tos,
            flow_label: self.flow_label,
            total_len: self.total_len,
            protocol: TCP,
            fragment: None,
        };
        let tcp = Tcp {
            source_port: from.port,
            destination_port: to.port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            options: self.options,
            payload: &self.payload,
            payload_len: self.payload_len,
            checksum: self.checksum,
        };
        tracker.segment(self.side, self.mark, &link, &ip, &tcp, out)
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn a_held_segment_is_small() {
        assert!(size_of::<Held>() <= 136, "{}", size_of::<Held>());
    }
}
