//! An IP packet on its way along the path: read where it matters, changed in place, sealed again.
//!
//! The path sees what kernels and programs on this machine send, and whatever an external client makes
//! up; what it cannot read it forwards by its addresses alone. Nothing here decides anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::checksum::Checksum;

/// IP protocol numbers that the path reads.
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// IPv6 fragment header.
pub const FRAGMENT: u8 = 44;
/// ICMP for IPv6.
pub const ICMP6: u8 = 58;

/// TCP flag bits (RFC 9293, 3.1).
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// Acknowledgement field significant.
    pub const ACK: u8 = 0x10;
}

/// Which end a packet travels to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Toward {
    /// To the client's end.
    Client,
    /// To the server's end.
    Server,
}

impl Toward {
    /// The other way.
    pub fn back(self) -> Toward {
        match self {
            Toward::Client => Toward::Server,
            Toward::Server => Toward::Client,
        }
    }
}

/// The header fields of a TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Source port.
    pub from: u16,
    /// Destination port.
    pub to: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flag bits.
    pub flags: u8,
    /// Window as on the wire, unscaled.
    pub window: u16,
}

/// One IP packet with the places of its parts.
#[derive(Clone, Debug)]
pub struct Packet {
    bytes: Vec<u8>,
    transport: u8,
    /// Where the transport header starts.
    header: usize,
    /// Where the transport's payload starts.
    payload: usize,
    /// A fragment other than the first, or one with more to come.
    fragment: bool,
}

impl Packet {
    /// Reads a packet; `None` for what is not IP or is shorter than it says.
    pub fn new(mut bytes: Vec<u8>) -> Option<Packet> {
        let (transport, header, total, fragment) = match bytes.first()? >> 4 {
            4 => {
                let header = usize::from(bytes.first()? & 15) * 4;
                let total = usize::from(half(&bytes, 2)?);
                (
                    *bytes.get(9)?,
                    header,
                    total,
                    half(&bytes, 6)? & 0x3fff != 0,
                )
            }
            6 => {
                let total = usize::from(half(&bytes, 4)?) + 40;
                match *bytes.get(6)? {
                    FRAGMENT => (*bytes.get(40)?, 48, total, true),
                    next => (next, 40, total, false),
                }
            }
            _ => return None,
        };
        if total > bytes.len() || header > total || header < 20 {
            return None;
        }
        bytes.truncate(total);
        let mut packet = Packet {
            bytes,
            transport,
            header,
            payload: header,
            fragment,
        };
        packet.payload = packet.find_payload().min(total);
        Some(packet)
    }

    fn find_payload(&self) -> usize {
        match self.transport {
            TCP => {
                self.header
                    + usize::from(self.bytes.get(self.header + 12).copied().unwrap_or(0x50) >> 4)
                        * 4
            }
            UDP | ICMP | ICMP6 => self.header + 8,
            _ => self.header,
        }
    }

    /// The whole packet.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its length in bytes, IP header included.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// 4 or 6.
    pub fn version(&self) -> u8 {
        self.bytes.first().map_or(0, |b| b >> 4)
    }

    /// The protocol that it carries.
    pub fn transport(&self) -> u8 {
        self.transport
    }

    /// Whether it is a fragment: then only its addresses can be trusted to be there.
    pub fn is_fragment(&self) -> bool {
        self.fragment
    }

    /// Source address.
    pub fn source(&self) -> IpAddr {
        self.address(12, 8)
    }

    /// Destination address.
    pub fn destination(&self) -> IpAddr {
        self.address(16, 24)
    }

    fn address(&self, v4: usize, v6: usize) -> IpAddr {
        if self.version() == 4 {
            let octets: [u8; 4] = self
                .bytes
                .get(v4..v4 + 4)
                .and_then(|b| b.try_into().ok())
                .unwrap_or_default();
            IpAddr::V4(Ipv4Addr::from(octets))
        } else {
            let octets: [u8; 16] = self
                .bytes
                .get(v6..v6 + 16)
                .and_then(|b| b.try_into().ok())
                .unwrap_or_default();
            IpAddr::V6(Ipv6Addr::from(octets))
        }
    }

    /// Replaces an address; of the other family it changes nothing.
    pub fn set_source(&mut self, address: IpAddr) {
        self.put_address(12, 8, address);
    }

    /// Replaces an address; of the other family it changes nothing.
    pub fn set_destination(&mut self, address: IpAddr) {
        self.put_address(16, 24, address);
    }

    fn put_address(&mut self, v4: usize, v6: usize, address: IpAddr) {
        match (self.version(), address) {
            (4, IpAddr::V4(a)) => self.put(v4, &a.octets()),
            (6, IpAddr::V6(a)) => self.put(v6, &a.octets()),
            _ => {}
        }
    }

    /// TTL or hop limit.
    pub fn ttl(&self) -> u8 {
        self.bytes
            .get(if self.version() == 4 { 8 } else { 7 })
            .copied()
            .unwrap_or(0)
    }

    /// Sets TTL or hop limit; the IPv4 header is sealed again.
    pub fn set_ttl(&mut self, ttl: u8) {
        if self.version() == 4 {
            self.put(8, &[ttl]);
            self.seal_ip();
        } else {
            self.put(7, &[ttl]);
        }
    }

    /// IPv4 identification; 0 for IPv6.
    pub fn identification(&self) -> u16 {
        if self.version() == 4 {
            half(&self.bytes, 4).unwrap_or(0)
        } else {
            0
        }
    }

    /// Whether nobody may cut it: DF, or IPv6.
    pub fn dont_fragment(&self) -> bool {
        self.version() == 6 || self.bytes.get(6).is_some_and(|b| b & 0x40 != 0)
    }

    /// The IPv4 TOS byte or IPv6 traffic class.
    pub fn traffic_class(&self) -> u8 {
        let (a, b) = (
            self.bytes.first().copied().unwrap_or(0),
            self.bytes.get(1).copied().unwrap_or(0),
        );
        if self.version() == 4 {
            b
        } else {
            (a << 4) | (b >> 4)
        }
    }

    /// Sets the IPv4 TOS byte or IPv6 traffic class.
    pub fn set_traffic_class(&mut self, class: u8) {
        let first = self.bytes.first().copied().unwrap_or(0);
        let second = self.bytes.get(1).copied().unwrap_or(0);
        if self.version() == 4 {
            self.put(1, &[class]);
        } else {
            self.put(
                0,
                &[
                    (first & 0xf0) | (class >> 4),
                    (class << 4) | (second & 0x0f),
                ],
            );
        }
    }

    /// Source and destination port of TCP or UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        if self.fragment || !matches!(self.transport, TCP | UDP) {
            return None;
        }
        Some((
            half(&self.bytes, self.header)?,
            half(&self.bytes, self.header + 2)?,
        ))
    }

    /// Replaces the ports of TCP or UDP.
    pub fn set_ports(&mut self, from: u16, to: u16) {
        self.put(self.header, &from.to_be_bytes());
        self.put(self.header + 2, &to.to_be_bytes());
    }

    /// The TCP header, if this is an unfragmented segment.
    pub fn segment(&self) -> Option<Segment> {
        if self.transport != TCP || self.fragment {
            return None;
        }
        let at = self.header;
        Some(Segment {
            from: half(&self.bytes, at)?,
            to: half(&self.bytes, at + 2)?,
            seq: word(&self.bytes, at + 4)?,
            ack: word(&self.bytes, at + 8)?,
            flags: *self.bytes.get(at + 13)?,
            window: half(&self.bytes, at + 14)?,
        })
    }

    /// Replaces the sequence number.
    pub fn set_seq(&mut self, seq: u32) {
        self.put(self.header + 4, &seq.to_be_bytes());
    }

    /// Replaces the acknowledgement number.
    pub fn set_ack(&mut self, ack: u32) {
        self.put(self.header + 8, &ack.to_be_bytes());
    }

    /// The TCP options, raw; empty for everything else.
    pub fn options(&self) -> &[u8] {
        if self.segment().is_none() {
            &[]
        } else {
            self.bytes
                .get(self.header + 20..self.payload)
                .unwrap_or(&[])
        }
    }

    /// The TCP options, to be changed in place.
    pub fn options_mut(&mut self) -> &mut [u8] {
        if self.segment().is_none() {
            &mut []
        } else {
            self.bytes
                .get_mut(self.header + 20..self.payload)
                .unwrap_or(&mut [])
        }
    }

    /// What the transport carries.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.payload..).unwrap_or(&[])
    }

    /// What the transport carries, to be changed in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.payload..).unwrap_or(&mut [])
    }

    /// Takes bytes out of what the transport carries, and corrects the length.
    pub fn remove(&mut self, bytes: Range<usize>) {
        let (from, to) = (self.payload + bytes.start, self.payload + bytes.end);
        if from > to || to > self.bytes.len() {
            return;
        }
        self.bytes.drain(from..to);
        let length = self.bytes.len() as u16;
        match self.version() {
            4 => self.put(2, &length.to_be_bytes()),
            _ => self.put(4, &(length - 40).to_be_bytes()),
        }
    }

    /// The transport header and all after it.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.header..).unwrap_or(&[])
    }

    /// What an ICMP error quotes: a packet that may be cut. `None` for anything else.
    pub fn quoted(&self) -> Option<Packet> {
        let kind = self.body().first()?;
        let quotes = match self.transport {
            ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
            ICMP6 => *kind < 128,
            _ => false,
        };
        quotes.then(|| Packet::cut(self.payload().to_vec()))?
    }

    /// Reads a packet that may be shorter than it says: what an ICMP error quotes.
    fn cut(bytes: Vec<u8>) -> Option<Packet> {
        let (transport, header) = match bytes.first()? >> 4 {
            4 => (*bytes.get(9)?, usize::from(bytes.first()? & 15) * 4),
            6 => (*bytes.get(6)?, 40),
            _ => return None,
        };
        let payload = bytes.len();
        (header >= 20 && header <= payload).then_some(Packet {
            bytes,
            transport,
            header,
            payload,
            fragment: false,
        })
    }

    /// Replaces what an ICMP error quotes by a changed quote of the same length.
    pub fn set_quoted(&mut self, quote: &Packet) {
        self.put(self.payload, &quote.bytes);
    }

    /// The identifier of an ICMP echo, request or reply.
    pub fn echo(&self) -> Option<u16> {
        let kind = *self.body().first()?;
        let echo = match self.transport {
            ICMP => matches!(kind, 0 | 8),
            ICMP6 => matches!(kind, 128 | 129),
            _ => false,
        };
        echo.then(|| half(&self.bytes, self.header + 4))?
    }

    /// The IPv4 header's checksum anew, and nothing else: for a packet that is cut.
    pub fn seal_header(&mut self) {
        self.seal_ip();
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    /// Computes all checksums anew. To be called after any change but that of the TTL.
    pub fn seal(&mut self) {
        self.seal_ip();
        if self.fragment {
            return;
        }
        let place = match self.transport {
            TCP => self.header + 16,
            UDP => self.header + 6,
            ICMP | ICMP6 => self.header + 2,
            _ => return,
        };
        self.put(place, &[0, 0]);
        let mut sum = Checksum::default();
        if self.transport != ICMP {
            let addresses = if self.version() == 4 { 12..20 } else { 8..40 };
            sum.add(self.bytes.get(addresses).unwrap_or(&[]));
            sum.add(&[0, self.transport]);
            sum.add(&((self.bytes.len() - self.header) as u32).to_be_bytes());
        }
        sum.add(self.body());
        let value = match sum.finish() {
            0 if self.transport == UDP => 0xffff,
            value => value,
        };
        self.put(place, &value.to_be_bytes());
    }

    fn seal_ip(&mut self) {
        if self.version() == 4 {
            self.put(10, &[0, 0]);
            let mut sum = Checksum::default();
            sum.add(self.bytes.get(..self.header).unwrap_or(&[]));
            self.put(10, &sum.finish().to_be_bytes());
        }
    }

    /// Cuts an IPv4 packet that may be cut into pieces of at most `mtu` bytes (RFC 791, 3.2).
    pub fn fragments(&self, mtu: usize) -> Vec<Packet> {
        let room = mtu.saturating_sub(self.header) & !7;
        if self.version() != 4 || room == 0 {
            return Vec::new();
        }
        let flags = half(&self.bytes, 6).unwrap_or(0);
        let (first, last_has_more) = (flags & 0x1fff, flags & 0x2000);
        let body = self.body();
        body.chunks(room)
            .enumerate()
            .filter_map(|(index, chunk)| {
                let offset = first + (index * room / 8) as u16;
                let more = if index * room + chunk.len() < body.len() {
                    0x2000
                } else {
                    last_has_more
                };
                let mut bytes = self.bytes.get(..self.header)?.to_vec();
                bytes.extend_from_slice(chunk);
                let total = bytes.len() as u16;
                bytes.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
                bytes
                    .get_mut(6..8)?
                    .copy_from_slice(&(offset | more).to_be_bytes());
                let mut piece = Packet::new(bytes)?;
                piece.seal_ip();
                Some(piece)
            })
            .collect()
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
