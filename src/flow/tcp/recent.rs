//! The latest segments of one side, to tell a copy made by the network from one that the sender sent again.
//!
//! A sender that sends again uses a new IP identification; a mirror port, a bridge captured twice or a
//! looping network does not. Where the identification says nothing (0, IPv6) only byte-identical headers
//! within 3 ms count. Doubtful cases are resends, not duplicates.

use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::wire::{Ip, Tcp};

/// Copies without a telling identification arrive within this time.
const IDENTICAL: Nanos = 3 * MILLISECOND;
/// Copies with the same identification arrive within this time, long before a counter of 16 bits comes round.
pub(super) const SAME_ID: Nanos = 5 * SECOND;
const KEPT: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Header {
    ack: u32,
    flags: u8,
    len: u32,
    window: Option<u16>,
    timestamps: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Timestamp,
    id: Option<u16>,
    checksum: u16,
    header: Header,
}

/// The latest segments.
#[derive(Debug, Default)]
pub struct RecentSegments {
    ring: Vec<Seen>,
    /// Their sequence numbers, apart: most of what is asked is settled by these.
    seqs: [u32; KEPT],
    next: usize,
    /// The sender's identifications were seen to differ.
    varies: bool,
}

fn header(tcp: &Tcp<'_>) -> Header {
    Header {
        ack: tcp.ack,
        flags: tcp.flags.0,
        len: tcp.payload_len,
        window: tcp.window,
        timestamps: tcp.options.timestamps,
    }
}

impl RecentSegments {
    /// Whether a copy of this segment was just seen.
    pub fn contains(&self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> bool {
        // A kernel answers several late segments with resets that are alike in every bit: no copies of one frame.
        if tcp.flags.rst() && tcp.options.timestamps.is_none() && ip.id.unwrap_or(0) == 0 {
            return false;
        }
        // Without a branch for each, so that all are compared at once: a new sequence number is what nearly every segment has.
        let known = |found, seq: &u32| found | (*seq == tcp.seq);
        if !self.seqs.iter().fold(false, known) {
            return false;
        }
        let header = header(tcp);
        self.ring
            .iter()
            .zip(self.seqs)
            .filter(|(seen, seq)| *seq == tcp.seq && seen.header == header)
            .any(|(seen, _)| {
                let apart = now.since(seen.at).abs();
                match (seen.id.filter(|id| *id != 0), ip.id.filter(|id| *id != 0)) {
                    // A stack whose identification never changes says nothing with it.
                    (Some(old), Some(new)) => {
                        old == new && apart <= if self.varies { SAME_ID } else { IDENTICAL }
                    }
                    (None, None) => apart <= IDENTICAL && seen.checksum == tcp.checksum,
                    _ => false,
                }
            })
    }

    /// Whether a segment that began with that sequence number was seen lately.
    pub(super) fn has_seq(&self, seq: u32) -> bool {
        let known = self.seqs.iter().take(self.ring.len());
        known.into_iter().any(|known| *known == seq)
    }

    /// Remembers a segment.
    pub fn push(&mut self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) {
        let previous = self
            .ring
            .get(self.next.wrapping_add(KEPT - 1) % KEPT)
            .copied();
        self.varies |=
            previous.is_some_and(|seen| seen.id != ip.id && seen.id != Some(0) && ip.id != Some(0));
        let seen = Seen {
            at: now,
            id: ip.id,
            checksum: tcp.checksum,
            header: header(tcp),
        };
        match self.ring.get_mut(self.next) {
            Some(oldest) => *oldest = seen,
            None => {
                if self.ring.len() == self.ring.capacity() {
                    // Two are all that a connection has that never opened.
                    let room = if self.ring.is_empty() { 2 } else { KEPT };
                    self.ring
                        .reserve_exact(room.saturating_sub(self.ring.len()));
                }
                self.ring.push(seen);
            }
        }
        if let Some(seq) = self.seqs.get_mut(self.next) {
            *seq = tcp.seq;
        }
        self.next = self.next.wrapping_add(1) % KEPT;
    }
}
