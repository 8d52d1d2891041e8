//! A script of segments and a sink that remembers.

use std::net::IpAddr;

use crate::base::{FrameRef, MILLISECOND, Mark, PerSide, Side, SourceId, Timestamp};
use crate::flow::tcp::{Labels, StreamSink, Tracker, Verdict};
use crate::flow::{Endpoint, FlowKey};
use crate::wire::{Icmp, Ip, Link, Quote, Tcp, TcpFlags, TcpOptions};

pub const C: Side = Side::Client;
pub const S: Side = Side::Server;
pub const SYN: u8 = TcpFlags::SYN;
pub const ACK: u8 = TcpFlags::ACK;
pub const FIN: u8 = TcpFlags::FIN;
pub const RST: u8 = TcpFlags::RST;
pub const PSH: u8 = TcpFlags::PSH;

/// Remembers what it was handed; gaps as question marks.
#[derive(Debug, Default)]
pub struct Sink {
    streams: PerSide<Vec<u8>>,
    pub frames: Vec<u64>,
}

impl Sink {
    pub fn text(&self, side: Side) -> Vec<u8> {
        self.streams[side].clone()
    }
}

impl StreamSink for Sink {
    fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        self.frames.push(mark.frame.number());
        self.streams[side].extend_from_slice(bytes);
    }
    fn gap(&mut self, side: Side, _: Mark, len: u64) {
        self.streams[side].extend(std::iter::repeat_n(b'?', len as usize));
    }
}

pub fn key() -> FlowKey {
    FlowKey {
        client: Endpoint {
            ip: IpAddr::from([10, 0, 0, 5]),
            port: 40_000,
        },
        server: Endpoint {
            ip: IpAddr::from([192, 0, 2, 10]),
            port: 25,
        },
        source: SourceId(0),
    }
}

/// Segments pass one after the other; frames count from 1.
pub struct Script {
    pub tracker: Tracker,
    pub sink: Sink,
    pub window: u16,
    /// Identification of the next segment; counts up.
    pub ip_id: u16,
    /// Snap length of payloads.
    pub cut: Option<usize>,
    /// How far each end's clock of milliseconds is behind the capture's, or `None` without timestamps.
    pub behind: Option<PerSide<i64>>,
    /// What the next segments echo of the other end's clock.
    pub echo: u32,
    /// Hops that the next segments have come further than others of their side.
    pub further: u8,
    frame: u64,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            tracker: Tracker::new(key(), mark(1, 0), true, false),
            sink: Sink::default(),
            window: 1000,
            ip_id: 100,
            cut: None,
            behind: None,
            echo: 0,
            further: 0,
            frame: 0,
        }
    }
}

fn mark(number: u64, milliseconds: i64) -> Mark {
    let frame = FrameRef::new(SourceId(0), number);
    Mark {
        frame,
        time: Timestamp(milliseconds * MILLISECOND),
    }
}

fn segment(side: Side, flags: u8, seq: u32, ack: u32) -> Tcp<'static> {
    let (source_port, destination_port) = match side {
        Side::Client => (40_000, 25),
        Side::Server => (25, 40_000),
    };
    Tcp {
        source_port,
        destination_port,
        seq,
        ack,
        flags: TcpFlags(flags),
        window: Some(1000),
        options: TcpOptions::default(),
        payload: &[],
        payload_len: 0,
        checksum: 0,
    }
}

impl Script {
    pub fn pass(
        &mut self,
        time: i64,
        side: Side,
        flags: u8,
        seq: u32,
        ack: u32,
        payload: &[u8],
    ) -> Labels {
        let captured = self
            .cut
            .and_then(|cut| payload.get(..cut))
            .unwrap_or(payload);
        let tcp = Tcp {
            payload: captured,
            payload_len: payload.len() as u32,
            window: Some(self.window),
            ..segment(side, flags, seq, ack)
        };
        self.feed(time, side, &tcp)
    }

    pub fn sack(
        &mut self,
        time: i64,
        side: Side,
        seq: u32,
        ack: u32,
        blocks: &[(u32, u32)],
    ) -> Labels {
        let mut tcp = segment(side, ACK, seq, ack);
        tcp.window = Some(self.window);
        tcp.options.sack_count = blocks.len() as u8;
        tcp.options.sack[..blocks.len()].copy_from_slice(blocks);
        self.feed(time, side, &tcp)
    }

    pub fn belongs(&self, time: i64, side: Side, flags: u8, seq: u32) -> Verdict {
        self.tracker.belongs(
            side,
            mark(self.frame + 1, time),
            &segment(side, flags, seq, 0),
        )
    }

    /// A router says that the client's segment there, in a packet over `limit` bytes, does not pass (RFC 1191 4).
    pub fn too_big(&mut self, time: i64, seq: u32, limit: u32) {
        self.frame += 1;
        let ip = |source, destination| Ip {
            source,
            destination,
            ttl: 63,
            id: None,
            dont_fragment: true,
            tos: 0,
            flow_label: None,
            total_len: 1500,
            protocol: 6,
            fragment: None,
        };
        let (client, server) = (key().client, key().server);
        let quote = Quote {
            ip: ip(client.ip, server.ip),
            source_port: Some(client.port),
            destination_port: Some(server.port),
            seq: Some(seq),
            flags: None,
            window: None,
        };
        let icmp = Icmp {
            v6: false,
            kind: 3,
            code: 4,
            mtu: Some(limit),
            word: limit,
            quote: Some(quote),
            neighbor: None,
            body: &[],
        };
        let from = ip(IpAddr::from([10, 0, 0, 1]), client.ip);
        let told = self
            .tracker
            .icmp(mark(self.frame, time), &from, &icmp, &quote);
        assert!(told);
    }

    fn feed(&mut self, time: i64, side: Side, tcp: &Tcp<'_>) -> Labels {
        self.frame += 1;
        let (source, destination, ttl) = match side {
            Side::Client => (key().client.ip, key().server.ip, 64),
            Side::Server => (key().server.ip, key().client.ip, 57),
        };
        let ip = Ip {
            source,
            destination,
            ttl: ttl - self.further,
            id: Some(self.ip_id),
            dont_fragment: true,
            tos: 0,
            flow_label: None,
            total_len: 40 + tcp.payload_len,
            protocol: 6,
            fragment: None,
        };
        self.ip_id = self.ip_id.wrapping_add(1);
        let mut tcp = *tcp;
        tcp.options.timestamps = self
            .behind
            .map(|behind| ((time - behind[side]) as u32, self.echo));
        self.tracker.segment(
            side,
            mark(self.frame, time),
            &Link::default(),
            &ip,
            &tcp,
            &mut self.sink,
        )
    }
}
