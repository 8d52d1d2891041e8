//! Bytes that passed a moment ago in packets of other sizes: a frame of many packets' size and its pieces, captured both.
//!
//! Between two points of capture a host cuts segments (segmentation offload) or joins those that came in a row (receive offload): a copy then
//! begins and ends elsewhere than what it is a copy of. What a sender changes when it sends again tells the two apart: its identification,
//! which counts on by one for each piece, and its clock (RFC 7323 3); and it does so no sooner than it can have heard of a loss (RFC 8985 7.2).
//! Doubtful cases are resends.

use crate::base::{Mark, Nanos, Side, Timestamp};
use crate::wire::{Ip, Tcp, TcpFlags};

use super::recent::{IDENTICAL, RecentSegments, SAME_ID, Seen};
use super::tracker::Tracker;

/// Flags that stand on some of the pieces only.
const OF_PIECES: u8 = TcpFlags::PSH | TcpFlags::FIN | TcpFlags::CWR;

/// A segment of whose bytes the capture showed some a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recut {
    /// TTL with which they were seen.
    pub(super) ttl: u8,
    /// All of it was seen.
    pub(super) whole: bool,
}

/// What is known of the way when bytes are seen again.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Payload of one packet.
    mss: u32,
    /// Round trip from end to end, as far as it is known.
    rtt: Nanos,
    /// The sender may have been told to send again.
    asked: bool,
}

/// What identifications say of two segments that have bytes in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ids {
    /// There are none.
    Absent,
    /// Those of pieces of full size.
    Fit,
    /// Those of pieces of another size.
    MayFit,
    /// They were sent one by one.
    Differ,
}

impl Tracker {
    /// Whether bytes that were seen before passed a moment ago in packets of other sizes. Only what begins behind the newest byte is looked at.
    #[inline]
    pub(super) fn recut(&self, side: Side, mark: Mark, ip: &Ip, tcp: &Tcp<'_>) -> Option<Recut> {
        let half = &self.halves[side];
        let known = half.board.high().saturating_sub(half.offset(tcp.seq)?);
        if known <= 0 || tcp.payload_len == 0 || tcp.flags.syn() || tcp.flags.rst() {
            return None;
        }
        self.recut_known(side, mark, ip, tcp, known)
    }

    #[cold]
    fn recut_known(
        &self,
        side: Side,
        mark: Mark,
        ip: &Ip,
        tcp: &Tcp<'_>,
        known: i64,
    ) -> Option<Recut> {
        let facts = &self.facts;
        let (half, peer) = (&self.halves[side], &self.halves[side.other()]);
        let towards = |side: Side| {
            let handshake = match side {
                Side::Client => facts.rtt_client,
                Side::Server => facts.rtt_server,
            };
            facts.min_rtt[side].or(handshake).unwrap_or(0)
        };
        let told = facts
            .icmp
            .iter()
            .any(|error| error.quoted == side && mark.time.since(error.at.time).abs() <= SAME_ID);
        let way = Way {
            mss: half.packet_payload(peer.mss),
            rtt: towards(Side::Client).saturating_add(towards(Side::Server)),
            asked: told || peer.duplicate_acks > 0 || peer.sacking,
        };
        let whole = i64::from(tcp.payload_len) + i64::from(tcp.flags.fin()) <= known;
        let bytes = known.min(i64::from(tcp.payload_len));
        let ttl = half.recent.recut_from(mark.time, ip, tcp, bytes, &way)?;
        Some(Recut { ttl, whole })
    }
}

impl RecentSegments {
    /// The TTL with which the first `bytes` of a segment were seen, all of them in segments of which it is a copy in another size.
    fn recut_from(
        &self,
        now: Timestamp,
        ip: &Ip,
        tcp: &Tcp<'_>,
        bytes: i64,
        way: &Way,
    ) -> Option<u8> {
        let mut covered = 0;
        let mut ttl = None;
        let mut fin = false;
        // They stand in the order in which they came, which is that of the stream but for what was overtaken.
        loop {
            let before = covered;
            for (seq, seen) in self.kept() {
                let start = i64::from(seq.wrapping_sub(tcp.seq) as i32);
                let end = start.saturating_add(i64::from(seen.len()));
                if start > covered || end <= covered || covered >= bytes {
                    continue;
                }
                if self.is_of_one_sending(seen, start, now, ip, tcp, way) {
                    covered = end;
                    ttl.get_or_insert(seen.ttl);
                    fin |= seen.flags & TcpFlags::FIN != 0 && end == i64::from(tcp.payload_len);
                }
            }
            if covered >= bytes {
                return ttl.filter(|_| fin || !tcp.flags.fin());
            }
            if covered == before {
                return None;
            }
        }
    }

    /// Whether a segment and one that was seen are parts of what was sent once. `start`: of the one that was seen, from the segment's first byte.
    fn is_of_one_sending(
        &self,
        seen: &Seen,
        start: i64,
        now: Timestamp,
        ip: &Ip,
        tcp: &Tcp<'_>,
        way: &Way,
    ) -> bool {
        let clock = tcp.options.timestamps;
        // Both of one size are judged as such.
        if (start == 0 && seen.len() == tcp.payload_len)
            || seen.timestamps() != clock
            || seen.ack != tcp.ack
            || seen.window() != tcp.window
            || (seen.flags ^ tcp.flags.0) & !OF_PIECES != 0
        {
            return false;
        }
        let apart = now.since(seen.at).abs();
        // Sooner than the sender can have missed an acknowledgement.
        let at_once = apart <= IDENTICAL && apart < way.rtt / 2 && !way.asked;
        let other_way = seen.ttl != ip.ttl && apart <= SAME_ID;
        match ids(seen, start, ip, tcp, way.mss) {
            Ids::Differ => false,
            Ids::Fit if self.varies && apart <= SAME_ID && (other_way || clock.is_some()) => true,
            Ids::Fit => at_once,
            Ids::MayFit | Ids::Absent if clock.is_some() => at_once || (other_way && !way.asked),
            Ids::MayFit => at_once,
            Ids::Absent => false,
        }
    }
}

fn ids(seen: &Seen, start: i64, ip: &Ip, tcp: &Tcp<'_>, mss: u32) -> Ids {
    let id = ip.id.unwrap_or(0);
    if (seen.id, id) == (0, 0) {
        return Ids::Absent;
    }
    let steps = if start <= 0 {
        id.wrapping_sub(seen.id)
    } else {
        seen.id.wrapping_sub(id)
    };
    let (steps, apart) = (i64::from(steps), start.abs());
    if steps == 0 {
        return if apart == 0 { Ids::Fit } else { Ids::Differ };
    }
    if apart % steps != 0 {
        return Ids::Differ;
    }
    let each = apart / steps;
    let smaller = i64::from(seen.len().min(tcp.payload_len));
    if each == i64::from(mss) {
        Ids::Fit
    } else if (smaller..i64::from(mss)).contains(&each) {
        Ids::MayFit
    } else {
        Ids::Differ
    }
}
