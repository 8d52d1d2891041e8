//! The latest segments of one side, to tell a copy made by the network from one that the sender sent again.
//!
//! A sender that sends again uses a new IP identification; a mirror port, a bridge captured twice or a
//! looping network does not. Where the identification says nothing (0, IPv6) byte-identical headers count within 3 ms, or for
//! longer when they hold the same timestamps at another distance, or by a clock that ticked on since: what is sent again goes the same way with
//! a later one.
//! Doubtful cases are resends, not duplicates.

use std::collections::VecDeque;

use thin_vec::ThinVec;

use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::wire::{Ip, Tcp};

/// Copies without a telling identification arrive within this time.
pub(super) const IDENTICAL: Nanos = 3 * MILLISECOND;
/// Copies with the same identification arrive within this time, long before a counter of 16 bits comes round.
pub(super) const SAME_ID: Nanos = 5 * SECOND;
const KEPT: usize = 8;
/// Segments that are kept of a connection whose segments were seen to be copied: bursts come whole, and their copies behind them.
const KEPT_COPIED: usize = 128;

/// Ticks of a clock from which on their length is known well enough.
const TICKS: i64 = 8;

/// No window reaches so far (RFC 7323 2.3 allows more, and nobody has it): an acknowledgement that lies further off is of another numbering.
const NUMBERED_ANEW: u32 = 1 << 24;

/// What a [`Seen`] has, and what its segment lacked: the upper bits of its length, which no packet reaches.
const WINDOW: u32 = 1 << 31;
const TIMESTAMPS: u32 = 1 << 30;
const ID: u32 = 1 << 29;
const LEN: u32 = ID - 1;

/// A segment in half a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    pub(super) ack: u32,
    /// Bytes of payload, and which of what follows there is.
    len: u32,
    timestamps: (u32, u32),
    window: u16,
    checksum: u16,
    pub(super) id: u16,
    pub(super) flags: u8,
    pub(super) ttl: u8,
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
            len: has | tcp.payload_len.min(LEN),
            timestamps: tcp.options.timestamps.unwrap_or_default(),
            window: tcp.window.unwrap_or_default(),
            checksum: tcp.checksum,
            id: ip.id.unwrap_or_default(),
            flags: tcp.flags.0,
            ttl: ip.ttl,
        }
    }

    #[inline]
    fn has(&self, what: u32) -> bool {
        self.len & what != 0
    }

    /// Whether a segment's headers are alike in everything that a sender does not change when it sends again. What tells most
    /// segments apart comes first.
    #[inline]
    fn is_like(&self, tcp: &Tcp<'_>) -> bool {
        (self.len(), self.ack, self.flags) == (tcp.payload_len.min(LEN), tcp.ack, tcp.flags.0)
            && self.timestamps() == tcp.options.timestamps
            && self.window() == tcp.window
    }

    /// Whether a segment is the same on the other side of a device that numbers the other end's bytes anew (a SYN proxy, a firewall that
    /// makes up sequence numbers): it passes on what it got at once, and what its sender sends again acknowledges about the same.
    fn is_translated(&self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> bool {
        let shift = tcp.ack.wrapping_sub(self.ack).cast_signed();
        let (old, new) = (self.id, ip.id.unwrap_or_default());
        tcp.flags.ack()
            && !tcp.flags.syn()
            && !tcp.flags.rst()
            && (self.len(), self.flags) == (tcp.payload_len.min(LEN), tcp.flags.0)
            && shift.unsigned_abs() > NUMBERED_ANEW
            && (old == new || old == 0 || new == 0)
            && self.ttl != ip.ttl
            && self.timestamps().map(|(value, _)| value)
                == tcp.options.timestamps.map(|(value, _)| value)
            && now.since(self.at).abs() <= IDENTICAL
    }

    /// Bytes of payload.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.len & LEN
    }

    #[inline]
    pub(super) fn timestamps(&self) -> Option<(u32, u32)> {
        self.has(TIMESTAMPS).then_some(self.timestamps)
    }

    #[inline]
    pub(super) fn window(&self) -> Option<u16> {
        self.has(WINDOW).then_some(self.window)
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
    pub(super) varies: bool,
    /// The sender's clock was read: first so, and then.
    timed: bool,
    first_value: u32,
    first_read: Timestamp,
    /// Of a connection whose segments were copied: more of them.
    more: Option<Box<More>>,
}

/// What is known of a side whose segments are copied.
#[derive(Debug, Default)]
struct More {
    /// Segments and their sequence numbers, oldest first.
    seen: VecDeque<(u32, Seen)>,
    /// TTLs of the latest segment that came twice: of its first sight, and of the copy.
    ttls: Option<(u8, u8)>,
}

impl RecentSegments {
    /// The TTL with which a segment was seen of which this is a copy.
    #[inline]
    pub fn copied_from(&self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> Option<u8> {
        // Without a branch for each, so that all are compared at once: a new sequence number is what nearly every segment has.
        let known = |found, seq: &u32| found | (*seq == tcp.seq);
        let known = self.seqs.iter().fold(false, known) || self.more.is_some();
        if known {
            self.original(now, ip, tcp)
        } else {
            None
        }
    }

    /// Segments are copied, of this side with these TTLs: from now on more of them are kept.
    pub fn copied(&mut self, ttls: Option<(u8, u8)>) {
        let more = self.more.get_or_insert_default();
        more.ttls = ttls.or(more.ttls);
    }

    /// Nothing came for longer than copies come apart: gives back the room of the longer list.
    pub fn rest(&mut self) {
        if let Some(More { seen, .. }) = self.more.as_deref_mut() {
            *seen = VecDeque::new();
        }
    }

    fn original(&self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> Option<u8> {
        let recent = self.ring.iter().zip(&self.seqs);
        for (seen, seq) in recent {
            if *seq == tcp.seq && self.came_before(seen, now, ip, tcp) {
                return Some(seen.ttl);
            }
        }
        for (seq, seen) in &self.more.as_deref()?.seen {
            if *seq == tcp.seq && self.came_before(seen, now, ip, tcp) {
                return Some(seen.ttl);
            }
        }
        None
    }

    /// Whether a segment is one that was seen, come once more.
    #[inline]
    fn came_before(&self, seen: &Seen, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> bool {
        seen.is_like(tcp) && self.is_copy(seen, now, ip, tcp) || seen.is_translated(now, ip, tcp)
    }

    /// Whether a segment with headers like those of one that was seen is a copy of it.
    fn is_copy(&self, seen: &Seen, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) -> bool {
        let apart = now.since(seen.at).abs();
        let id = ip.id.unwrap_or(0);
        // A kernel answers several late segments with resets that are alike in every bit: no copies of one frame, unless this side's other
        // segments come twice with just these two distances.
        let plain_reset = tcp.flags.rst() && tcp.options.timestamps.is_none() && id == 0;
        let same_bytes = seen.checksum == tcp.checksum;
        match (seen.id, id) {
            (0, 0) if plain_reset => {
                let pair = self.more.as_ref().and_then(|more| more.ttls);
                let paired = pair.is_some_and(|(first, copy)| {
                    first != copy && [(first, copy), (copy, first)].contains(&(seen.ttl, ip.ttl))
                });
                same_bytes && paired && apart <= SAME_ID
            }
            // A copy that a second point made of what went on its way: it comes over other hops, but with the time at which it was sent.
            // Not of the same checksum: a sender's own capture has that of before its network card filled it in.
            (0, 0) if seen.ttl != ip.ttl && seen.has(TIMESTAMPS) => apart <= SAME_ID,
            // What is sent again has the time at which it is sent (RFC 7323 3.2): by a clock that ticked on since, this was not. Where copies
            // are known to come over other hops, one that does not is a doubt.
            (0, 0) if same_bytes && seen.has(TIMESTAMPS) && apart > IDENTICAL => {
                let ticked = |tick: Nanos| apart > tick.saturating_mul(2);
                let elsewhere = self.more.as_ref().and_then(|more| more.ttls);
                apart <= SAME_ID
                    && elsewhere.is_none_or(|(first, copy)| first == copy)
                    && self.tick().is_some_and(ticked)
            }
            (0, 0) => same_bytes && apart <= IDENTICAL,
            (0, _) | (_, 0) => false,
            // A stack whose identification never changes says nothing with it.
            (old, new) => old == new && apart <= if self.varies { SAME_ID } else { IDENTICAL },
        }
    }

    /// How long a tick of the sender's clock takes at the most, once it was seen to move by some.
    pub(super) fn tick(&self) -> Option<Nanos> {
        let timed = self.ring.iter().filter(|seen| seen.has(TIMESTAMPS));
        let latest = timed.max_by_key(|seen| seen.at).filter(|_| self.timed)?;
        // Modulo 2^32 (RFC 7323 5.2).
        let ticks = latest.timestamps.0.wrapping_sub(self.first_value);
        let ticks = i64::from(ticks.cast_signed());
        let elapsed = latest.at.since(self.first_read);
        (ticks >= TICKS && elapsed > 0).then(|| elapsed / (ticks - 1))
    }

    /// The segments that are kept, with their sequence numbers.
    pub(super) fn kept(&self) -> impl Iterator<Item = (u32, &Seen)> + '_ {
        let older = self.more.iter().flat_map(|more| &more.seen);
        let recent = self.seqs.iter().copied().zip(&self.ring);
        older.map(|(seq, seen)| (*seq, seen)).chain(recent)
    }

    /// Whether a segment that began with that sequence number was seen lately.
    pub(super) fn has_seq(&self, seq: u32) -> bool {
        let known = self.seqs.iter().take(self.ring.len());
        known.into_iter().any(|known| *known == seq)
    }

    /// Remembers a segment.
    pub fn push(&mut self, now: Timestamp, ip: &Ip, tcp: &Tcp<'_>) {
        let seen = Seen::new(now, ip, tcp);
        if !self.timed && seen.has(TIMESTAMPS) {
            self.timed = true;
            self.first_value = seen.timestamps.0;
            self.first_read = now;
        }
        let next = usize::from(self.next);
        if !self.varies {
            let latest = next.wrapping_add(KEPT - 1) % KEPT;
            // 0 says nothing of the sender's counter.
            let zero = |seen: &Seen| seen.has(ID) && seen.id == 0;
            self.varies = self.ring.get(latest).is_some_and(|latest| {
                (latest.has(ID), latest.id) != (seen.has(ID), seen.id)
                    && !zero(latest)
                    && !zero(&seen)
            });
        }
        if let Some(More { seen: older, .. }) = self.more.as_deref_mut() {
            if older.len() >= KEPT_COPIED {
                older.pop_front();
            }
            older.push_back((tcp.seq, seen));
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
