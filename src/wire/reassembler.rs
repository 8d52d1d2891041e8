//! Fragments of IP datagrams, put together again (RFC 791 3.2, RFC 8200 4.5).
//!
//! DNS answers and quoted packets come in pieces; TCP hardly ever does. Rules are Linux's, because
//! the end that matters most likely runs it: a piece that lies wholly within bytes that are there
//! already is ignored (the first one wins); a piece that overlaps only in part throws the whole
//! datagram away, for IPv6 as RFC 5722 demands, for IPv4 since Linux 4.19. It refuses fragments that the
//! snap length cut, and keeps no more than [`limits::FRAGMENTS`] datagrams of 64 KiB for 30 s.

use std::collections::VecDeque;
use std::net::IpAddr;

use arrayvec::ArrayVec;
use hashbrown::HashMap;

use super::dissect::{Dissector, Next};
use super::ip::saturating;
use super::packet::{Ip, Link, Net, Packet, Transport, Tunnel};
use super::rest::Rest;
use crate::base::{Nanos, SECOND, Timestamp, limits};

/// How long pieces wait for the others, of capture time (Linux `ipfrag_time`).
const PATIENCE: Nanos = 30 * SECOND;
/// Bytes of a reassembled datagram at the most (its length field has 16 bits).
const DATAGRAM: usize = 65_535;
/// Separate stretches of bytes of one datagram: 64 KiB in the smallest pieces (576) in worst order.
const STRETCHES: usize = 128;

/// What happened to fragments that did not become a datagram. Each is a limit that was hit, or
/// a datagram that cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReassemblyCounts {
    /// Datagrams put together.
    pub completed: u64,
    /// Datagrams given up because [`limits::FRAGMENTS`] others came after them.
    pub evicted: u64,
    /// Datagrams whose missing pieces did not come in 30 s.
    pub timed_out: u64,
    /// Datagrams thrown away because two pieces overlapped in part.
    pub overlapping: u64,
    /// Datagrams thrown away because they would exceed 64 KiB, contradicted their own end, or came in
    /// too many stretches.
    pub impossible: u64,
    /// Fragments not taken because the snap length cut them.
    pub cut: u64,
}

/// Collects fragments.
#[derive(Debug, Default)]
pub struct Reassembler {
    pending: HashMap<Key, Pending>,
    /// Oldest first. May name datagrams that are gone; their serial tells.
    order: VecDeque<(Key, u64)>,
    serial: u64,
    counts: ReassemblyCounts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    /// IPv4 only: the identification is per protocol there (RFC 791 3.2), not in IPv6.
    protocol: Option<u8>,
}

#[derive(Debug)]
struct Pending {
    serial: u64,
    since: Timestamp,
    bytes: Vec<u8>,
    /// What is there: sorted, not touching.
    stretches: Vec<(usize, usize)>,
    /// Length of the whole, once the last piece came.
    end: Option<usize>,
    /// Header of the first piece, once it came.
    first: Option<First>,
}

#[derive(Debug)]
struct First {
    link: Link,
    ip: Ip,
    header_len: u32,
    tunnels: ArrayVec<Tunnel, 6>,
}

/// A datagram that was put together. Owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Datagram {
    /// Link layer of the first fragment.
    pub link: Link,
    /// IP header of the first fragment, with the length of the whole and no fragment.
    pub ip: Ip,
    /// Encapsulations of the first fragment.
    pub tunnels: ArrayVec<Tunnel, 6>,
    bytes: Vec<u8>,
}

impl Datagram {
    /// The datagram as if it had come in one packet; follows tunnels as `dissect` does.
    pub fn packet(&self) -> Packet<'_> {
        let mut dissector = Dissector::new(self.link.clone(), self.tunnels.clone());
        let rest = Rest::frame(&self.bytes, saturating(self.bytes.len()));
        let first = if self.ip.source.is_ipv6() {
            dissector.ipv6_chain(self.ip, rest)
        } else {
            dissector.innermost(self.ip);
            Next::Upper(self.ip.protocol, rest)
        };
        dissector.run(first);
        dissector.packet
    }

    /// What the datagram carries.
    pub fn transport(&self) -> Transport<'_> {
        self.packet().transport
    }

    /// The bytes after the IP header (and, in IPv6, after the fragment header).
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

enum Placed {
    /// Pieces are missing.
    Waiting,
    /// All is there.
    Complete,
    Overlapping,
    Impossible,
}

impl Reassembler {
    /// Nothing collected yet.
    pub fn new() -> Reassembler {
        Reassembler::default()
    }

    /// What became of fragments so far.
    pub fn counts(&self) -> ReassemblyCounts {
        self.counts
    }

    /// Datagrams of which pieces wait.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Takes a fragment; returns the datagram that it completes. Packets that are no fragments are
    /// none of its business and give `None`. `now` is capture time; it may jump.
    pub fn add(&mut self, packet: &Packet<'_>, now: Timestamp) -> Option<Datagram> {
        let (Net::Ip(ip), Transport::Fragment(piece)) = (&packet.net, &packet.transport) else {
            return None;
        };
        let fragment = ip.fragment?;
        self.expire(now);
        if packet.stop.is_some() {
            self.counts.cut = self.counts.cut.saturating_add(1);
            return None;
        }
        let key = Key {
            source: ip.source,
            destination: ip.destination,
            id: fragment.id,
            protocol: ip.source.is_ipv4().then_some(ip.protocol),
        };
        let pending = self.pending.entry(key).or_insert_with(|| {
            self.serial = self.serial.wrapping_add(1);
            self.order.push_back((key, self.serial));
            Pending {
                serial: self.serial,
                since: now,
                bytes: Vec::new(),
                stretches: Vec::new(),
                end: None,
                first: None,
            }
        });
        if fragment.offset == 0 && pending.first.is_none() {
            pending.first = Some(First {
                link: packet.link.clone(),
                ip: *ip,
                header_len: ip.total_len.saturating_sub(saturating(piece.len())),
                tunnels: packet.tunnels.clone(),
            });
        }
        let offset = usize::try_from(fragment.offset).unwrap_or(usize::MAX);
        match pending.place(offset, piece, fragment.more) {
            Placed::Waiting => {
                self.evict();
                None
            }
            Placed::Complete => {
                let done = self.pending.remove(&key)?;
                self.counts.completed = self.counts.completed.saturating_add(1);
                done.finish()
            }
            Placed::Overlapping => {
                self.pending.remove(&key);
                self.counts.overlapping = self.counts.overlapping.saturating_add(1);
                None
            }
            Placed::Impossible => {
                self.pending.remove(&key);
                self.counts.impossible = self.counts.impossible.saturating_add(1);
                None
            }
        }
    }

    /// Gives up what waited for too long: from the oldest on, so each entry is looked at once.
    fn expire(&mut self, now: Timestamp) {
        while let Some(&(key, serial)) = self.order.front() {
            match self.pending.get(&key) {
                Some(pending) if pending.serial == serial => {
                    if now.since(pending.since) <= PATIENCE {
                        return;
                    }
                    self.pending.remove(&key);
                    self.counts.timed_out = self.counts.timed_out.saturating_add(1);
                }
                _ => {}
            }
            self.order.pop_front();
        }
    }

    /// Holds the bounds: on datagrams, and on names of datagrams that are gone.
    fn evict(&mut self) {
        while self.pending.len() > limits::FRAGMENTS {
            let Some((key, serial)) = self.order.pop_front() else {
                return;
            };
            if self.pending.get(&key).is_some_and(|it| it.serial == serial) {
                self.pending.remove(&key);
                self.counts.evicted = self.counts.evicted.saturating_add(1);
            }
        }
        if self.order.len() > limits::FRAGMENTS.saturating_mul(4) {
            let pending = &self.pending;
            self.order
                .retain(|(key, serial)| pending.get(key).is_some_and(|it| it.serial == *serial));
        }
    }
}

impl Pending {
    fn place(&mut self, offset: usize, piece: &[u8], more: bool) -> Placed {
        let end = offset.saturating_add(piece.len());
        // All but the last are multiples of 8 (RFC 791 3.2); an empty one is no piece.
        let ragged = more && !piece.len().is_multiple_of(8);
        if end > DATAGRAM || ragged || piece.is_empty() {
            return Placed::Impossible;
        }
        let known = self.stretches.last().map_or(0, |&(_, end)| end);
        match (more, self.end) {
            (false, Some(whole)) if whole != end => return Placed::Impossible,
            (true, Some(whole)) if end > whole => return Placed::Impossible,
            (false, None) if known > end => return Placed::Impossible,
            (false, _) => self.end = Some(end),
            (true, _) => {}
        }
        let at = self.stretches.partition_point(|&(_, stop)| stop <= offset);
        if let Some(&(start, stop)) = self.stretches.get(at)
            && start < end
        {
            return if start <= offset && end <= stop {
                Placed::Waiting
            } else {
                Placed::Overlapping
            };
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(room) = self.bytes.get_mut(offset..end) {
            room.copy_from_slice(piece);
        }
        self.join(at, offset, end);
        if self.stretches.len() > STRETCHES {
            return Placed::Impossible;
        }
        match (self.end, self.stretches.as_slice()) {
            (Some(whole), &[(0, stop)]) if stop == whole => Placed::Complete,
            _ => Placed::Waiting,
        }
    }

    /// Adds `start..end`, which overlaps nothing, before stretch `at`, and melts what touches.
    fn join(&mut self, at: usize, start: usize, end: usize) {
        let before = at.checked_sub(1).filter(|&index| {
            self.stretches
                .get(index)
                .is_some_and(|&(_, stop)| stop == start)
        });
        let touches_next = self.stretches.get(at).is_some_and(|&(next, _)| next == end);
        match (before, touches_next) {
            (Some(index), true) => {
                let (_, stop) = self.stretches.remove(at);
                if let Some(stretch) = self.stretches.get_mut(index) {
                    stretch.1 = stop;
                }
            }
            (Some(index), false) => {
                if let Some(stretch) = self.stretches.get_mut(index) {
                    stretch.1 = end;
                }
            }
            (None, true) => {
                if let Some(stretch) = self.stretches.get_mut(at) {
                    stretch.0 = start;
                }
            }
            // `at` is at most the length: it came from a partition point.
            (None, false) => self.stretches.insert(at, (start, end)),
        }
    }

    fn finish(self) -> Option<Datagram> {
        let First {
            link,
            mut ip,
            header_len,
            tunnels,
        } = self.first?;
        ip.fragment = None;
        ip.total_len = header_len.saturating_add(saturating(self.bytes.len()));
        Some(Datagram {
            link,
            ip,
            tunnels,
            bytes: self.bytes,
        })
    }
}
