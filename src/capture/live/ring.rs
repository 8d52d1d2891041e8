//! The last minute of a live capture, in memory, for the moment when something starts to fail.
//!
//! Who watches for a fault that comes and goes starts every capture too late. So the ring keeps what came, and when a
//! server starts to fail its packets of that minute are saved, with DNS, ICMP, ARP and NDP beside them, and what comes in
//! the half minute after. Bounded in time and in bytes: when bytes run out first, the ring is shorter than asked, and says so.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::base::{Nanos, Timestamp};
use crate::capture::Frame;
use crate::wire::{self, Net, Transport};

/// Bytes of one block of the ring.
const BLOCK: usize = 1 << 20;
/// What a frame costs beside its bytes.
const HEAD: usize = size_of::<Place>();

#[derive(Clone, Copy, Debug)]
struct Place {
    time: Timestamp,
    interface: u32,
    link_type: u16,
    original_len: u32,
    at: usize,
    len: usize,
}

#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

/// The ring.
pub struct Ring {
    blocks: VecDeque<Block>,
    span: Nanos,
    bytes: usize,
    limit: usize,
    /// Frames were let go before their time.
    pub short: bool,
}

impl Ring {
    /// Keeps `span`, in at most `limit` bytes (at least two blocks).
    pub fn new(span: Nanos, limit: usize) -> Ring {
        Ring {
            blocks: VecDeque::new(),
            span,
            bytes: 0,
            limit: limit.max(4 * BLOCK),
            short: false,
        }
    }

    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        let full = self
            .blocks
            .back()
            .is_none_or(|block| block.bytes.len().saturating_add(frame.data.len()) > BLOCK);
        if full {
            let spare = self.make_room(frame.time);
            self.blocks.push_back(spare);
        }
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        let at = block.bytes.len();
        block.bytes.extend_from_slice(frame.data);
        block.places.push(Place {
            time: frame.time,
            interface: frame.interface,
            link_type: frame.link_type,
            original_len: frame.original_len,
            at,
            len: frame.data.len(),
        });
        self.bytes = self
            .bytes
            .saturating_add(frame.data.len())
            .saturating_add(HEAD);
    }

    /// Lets go what is too old or too much; an emptied block for use again.
    fn make_room(&mut self, now: Timestamp) -> Block {
        let mut spare = Block::default();
        while let Some(first) = self.blocks.front() {
            let old = first
                .places
                .last()
                .is_none_or(|place| now.since(place.time) > self.span);
            let much = self.bytes.saturating_add(BLOCK) > self.limit;
            if !old && !much {
                break;
            }
            self.short |= !old;
            if let Some(mut gone) = self.blocks.pop_front() {
                let heads = gone.places.len().saturating_mul(HEAD);
                self.bytes = self
                    .bytes
                    .saturating_sub(gone.bytes.len().saturating_add(heads));
                gone.bytes.clear();
                gone.places.clear();
                spare = gone;
            }
        }
        spare
    }

    /// The frames not older than its span at `now`, in the order in which they came.
    pub fn frames(&self, now: Timestamp) -> impl Iterator<Item = Frame<'_>> {
        let span = self.span;
        self.blocks.iter().flat_map(move |block| {
            block
                .places
                .iter()
                .filter(move |place| now.since(place.time) <= span)
                .filter_map(|place| {
                    Some(Frame {
                        number: 0,
                        interface: place.interface,
                        link_type: place.link_type,
                        time: place.time,
                        data: block.bytes.get(place.at..)?.get(..place.len)?,
                        original_len: place.original_len,
                        control: false,
                        position: 0,
                    })
                })
        })
    }
}

/// Whether a frame belongs to the story of a server: its own packets, DNS, ICMP, ARP and NDP, and fragments of whatever.
pub fn concerns(frame: &Frame<'_>, server: IpAddr) -> bool {
    let packet = wire::dissect(frame.link_type, frame.data, frame.original_len);
    match &packet.net {
        Net::Arp(_) => true,
        Net::Ip(ip) => {
            let ports = match &packet.transport {
                Transport::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
                Transport::Udp(udp) => (udp.source_port, udp.destination_port),
                Transport::Icmp(_) | Transport::Fragment(_) => return true,
                Transport::None => (0, 0),
            };
            ip.fragment.is_some()
                || ip.source == server
                || ip.destination == server
                || matches!(ports, (53, _) | (_, 53))
        }
        Net::None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Ring};
    use crate::base::{SECOND, Timestamp};
    use crate::capture::Frame;

    fn frame(time: i64, data: &[u8]) -> Frame<'_> {
        Frame {
            number: 0,
            interface: 0,
            link_type: 1,
            time: Timestamp(time),
            data,
            original_len: data.len() as u32,
            control: false,
            position: 0,
        }
    }

    #[test]
    fn the_last_minute_stays_and_no_more() {
        let mut ring = Ring::new(60 * SECOND, 64 << 20);
        let data = [7; 1_000];
        for second in 0..1_000 {
            for _ in 0..100 {
                ring.push(&frame(second * SECOND, &data));
            }
        }
        let kept: Vec<i64> = ring
            .frames(Timestamp(999 * SECOND))
            .map(|frame| frame.time.0 / SECOND)
            .collect();
        assert_eq!(kept.len(), 6_100);
        assert_eq!(kept.first(), Some(&939));
        assert!(kept.is_sorted());
        assert!(!ring.short);
        assert!(ring.bytes() < 10 << 20, "{}", ring.bytes());
    }

    #[test]
    fn bytes_are_bounded_whatever_comes() {
        let limit = 8 * BLOCK;
        let mut ring = Ring::new(60 * SECOND, limit);
        let data = vec![1; 1_500];
        for at in 0..100_000 {
            ring.push(&frame(at, &data));
            assert!(ring.bytes() <= limit);
        }
        assert!(ring.short);
        assert!(ring.frames(Timestamp(100_000)).count() > 4_000);
    }
}
