//! The latest segments of one side, to tell a copy made by the network from one that the sender sent again.
//!
//! A sender that sends again uses a new IP identification; a mirror port, a bridge captured twice or a
//! looping network does not. Where the identification says nothing (0, IPv6) only byte-identical headers
//! within 3 ms count. Doubtful cases are resends, not duplicates.

use std::collections::VecDeque;

use thin_vec::ThinVec;

use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::wire::{Ip, Tcp};

/// Copies without a telling identification arrive within this time.
const IDENTICAL: Nanos = 3 * MILLISECOND;
/// Copies with the same identification arrive within this time, long before a counter of 16 bits comes round.
pub(super) const SAME_ID: Nanos = 5 * SECOND;
const KEPT: usize = 8;
/// Segments that are kept of a connection whose segments were seen to be copied: bursts come whole, and their copies behind them.
const KEPT_COPIED: usize = 128;

/// What a [`Seen`] has, and what its segment lacked.
const WINDOW: u8 = 1;
const TIMESTAMPS: u8 = 1 << 1;
const ID: u8 = 1 << 2;

/// A segment in half a cache line.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Timestamp,
    ack: u32,
    len: u32,
    timestamps: (u32, u32),
    window: u16,
    checksum: u16,
    id: u16,
    flags: u8,
    /// Which of the above there are.
    has: u8,
}

impl Seen {
    #[inline]
    fn new(at: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> Seen {
        let mut has = 0;
        if tcp.window.is_some() {
            has |= WINDOW;
        }
        if tcp.options.timestamps.is_some() {
            has |= TIMESTAMPS;
        }
        if ip.id.is_some() {
            has |= ID;
        }
        Seen {
            at,
            ack: tcp.ack,
            len: tcp.payload_len,
            timestamps: tcp.options.timestamps.unwrap_or_default(),
            window: tcp.window.unwrap_or_default(),
            checksum: tcp.checksum,
            id: ip.id.unwrap_or_default(),
            flags: tcp.flags.0,
            has,
        }
    }

    /// Whether a segment's headers are alike in everything that a sender does not change when it sends again. What tells most
    /// segments apart comes first.
    #[inline]
    fn is_like(&self, tcp: &Tcp<'_>) -> bool {
        let timestamps = (self.has & TIMESTAMPS != 0).then_some(self.timestamps);
        let window = (self.has & WINDOW != 0).then_some(self.window);
        (self.len, self.ack, self.flags) == (tcp.payload_len, tcp.ack, tcp.flags.0)
            && timestamps == tcp.options.timestamps
            && window == tcp.window
    }
}

/// The latest segments.
#[derive(Debug, Default)]
pub struct RecentSegments {
    /// Their sequence numbers, apart: most of what is asked is settled by these.
    seqs: [u32; KEPT],
    ring: ThinVec<Seen>,
    next: u8,
    /// The sender's identifications were seen to differ.
    varies: bool,
    /// Of a connection whose segments were copied: more of them.
    more: Option<Box<More>>,
}

/// Segments and their sequence numbers, oldest first.
#[derive(Debug, Default)]
struct More(VecDeque<(u32, Seen)>);

impl RecentSegments {
    /// Whether a copy of this segment was just seen.
    #[inline]
    pub fn contains(&self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> bool {
        // Without a branch for each, so that all are compared at once: a new sequence number is what nearly every segment has.
        let known = |found, seq: &u32| found | (*seq == tcp.seq);
        let known = self.seqs.iter().fold(false, known) || self.more.is_some();
        known && self.has_copy(now, ip, tcp)
    }

    /// Its segments are copied: from now on more of them are kept.
    pub fn copied(&mut self) {
        self.more.get_or_insert_default();
    }

    /// Nothing came for longer than copies come apart: gives back the room of the longer list.
    pub fn rest(&mut self) {
        if let Some(More(more)) = self.more.as_deref_mut() {
            *more = VecDeque::new();
        }
    }

    fn has_copy(&self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> bool {
        // A kernel answers several late segments with resets that are alike in every bit: no copies of one frame.
        if tcp.flags.rst() && tcp.options.timestamps.is_none() && ip.id.unwrap_or(0) == 0 {
            return false;
        }
        let id = ip.id.unwrap_or(0);
        let more = self.more.iter().flat_map(|more| more.0.iter());
        let recent = self.ring.iter().zip(self.seqs);
        recent
            .map(|(seen, seq)| (seq, seen))
            .chain(more.map(|(seq, seen)| (*seq, seen)))
            .filter(|(seq, seen)| *seq == tcp.seq && seen.is_like(tcp))
            .any(|(_, seen)| {
                let apart = now.since(seen.at).abs();
                match (seen.id, id) {
                    (0, 0) => apart <= IDENTICAL && seen.checksum == tcp.checksum,
                    (0, _) | (_, 0) => false,
                    // A stack whose identification never changes says nothing with it.
                    (old, new) => {
                        old == new && apart <= if self.varies { SAME_ID } else { IDENTICAL }
                    }
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
        let seen = Seen::new(now, ip, tcp);
        let next = usize::from(self.next);
        if !self.varies {
            let latest = next.wrapping_add(KEPT - 1) % KEPT;
            // 0 says nothing of the sender's counter.
            let zero = |seen: &Seen| seen.has & ID != 0 && seen.id == 0;
            self.varies = self.ring.get(latest).is_some_and(|latest| {
                (latest.has & ID, latest.id) != (seen.has & ID, seen.id)
                    && !zero(latest)
                    && !zero(&seen)
            });
        }
        if let Some(More(more)) = self.more.as_deref_mut() {
            if more.len() >= KEPT_COPIED {
                more.pop_front();
            }
            more.push_back((tcp.seq, seen));
        }
        match self.ring.get_mut(next) {
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
        if let Some(seq) = self.seqs.get_mut(next) {
            *seq = tcp.seq;
        }
        self.next = (self.next.wrapping_add(1)) % KEPT as u8;
    }
}
