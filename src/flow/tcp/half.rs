//! What is remembered of one side of a connection between its segments.
//!
//! It exists so that the tracker can speak of "this side" and "the other side" in the same words. It judges
//! nothing and keeps only what later segments are compared with.

use arrayvec::ArrayVec;

use crate::base::{Few, Mark, Rare, Timestamp, Usual};

use super::super::resets::HopCount;
use super::answerable::Answerable;
use super::early::{Early, Unseen};
use super::reassembly::Reassembly;
use super::recent::RecentSegments;
use super::scoreboard::Scoreboard;

/// Payload of one packet where no MSS was seen: Ethernet's (1500 − 40).
const MSS_UNKNOWN: u32 = 1460;
/// The timestamps option takes this much of every packet's MSS (RFC 6691 3.1).
const TIMESTAMPS: u32 = 12;

/// One side of a connection.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Sequence number of stream offset 0, when known.
    pub(super) base: Option<u32>,
    /// What it sent and what became of it.
    pub(super) board: Scoreboard,
    /// Its bytes in order.
    pub(super) stream: Reassembly,
    /// Its segments that were captured before what they acknowledge.
    pub(super) early: Early,
    /// What of its stream was acknowledged before the capture showed it, at last.
    pub(super) unseen: Rare<Option<Unseen>>,
    /// Its latest segments, to find duplicates.
    pub(super) recent: RecentSegments,
    /// Running number of its latest segment, and of its latest with ACK (RST not counted).
    pub(super) ordinal: u64,
    pub(super) ack_ordinal: u64,
    /// When its latest segment came (RST not counted), and which of them may still be answered.
    pub(super) spoke: Option<Timestamp>,
    pub(super) answerable: Answerable,
    /// Running numbers of its two latest segments that were needless: their bytes had been acknowledged.
    pub(super) needless: [u64; 2],
    /// Latest acknowledgement number and window as sent.
    pub(super) ack: Option<u32>,
    pub(super) raw_window: Option<u16>,
    /// Duplicates of that acknowledgement, and whether SACK blocks came with it.
    pub(super) duplicate_acks: u32,
    pub(super) sacking: bool,
    /// Window in bytes, as far as the scale is known.
    pub(super) window: u32,
    /// MSS and window scale that it offered.
    pub(super) mss: Option<u16>,
    pub(super) offered_scale: Option<u8>,
    pub(super) syn_seen: bool,
    /// Initial sequence number.
    pub(super) isn: Option<u32>,
    /// Sends timestamps.
    pub(super) timestamps: bool,
    /// Latest identification, and latest that was not 0.
    pub(super) ip_id: Option<u16>,
    pub(super) ip_id_line: Option<u16>,
    /// Source address of its first frame that was not a reset.
    pub(super) mac: Option<[u8; 6]>,
    /// Votes for its hop distance.
    pub(super) hops: ArrayVec<(HopCount, u32), 4>,
    pub(super) last_ttl: Option<u8>,
    /// Offset of its FIN.
    pub(super) fin: Option<i64>,
    pub(super) reset: bool,
    /// Running number of its latest keep-alive or window probe that was not answered yet.
    pub(super) probe: Option<u64>,
    /// Its SACK blocks that fit nothing that was sent.
    pub(super) astray: Rare<Astray>,
}

/// SACK blocks that fit nothing that was sent.
#[derive(Debug, Default)]
pub(super) struct Astray {
    /// By how much they may be off.
    pub(super) distances: Few<i64, 16>,
    /// The first one.
    pub(super) first: Option<(Mark, (u32, u32))>,
}

impl Usual for Astray {
    const USUAL: &'static Astray = &Astray {
        distances: Few::new(),
        first: None,
    };
}

impl Half {
    /// Stream offset of a sequence number of this side, near its highest one.
    #[inline]
    pub(super) fn offset(&self, seq: u32) -> Option<i64> {
        let base = self.base?;
        let high = self.board.high();
        let reference = base.wrapping_add(high as u32);
        Some(high.saturating_add(i64::from(seq.wrapping_sub(reference) as i32)))
    }

    /// Payload of one packet of this side, given what the peer accepts.
    #[inline]
    pub(super) fn packet_payload(&self, peer_mss: Option<u16>) -> u32 {
        let mss = peer_mss.map_or(MSS_UNKNOWN, u32::from);
        let mss = if self.timestamps {
            mss.saturating_sub(TIMESTAMPS)
        } else {
            mss
        };
        mss.max(1)
    }

    /// Counts the TTL of an ordinary segment; the most frequent distance wins.
    pub(super) fn vote(&mut self, hops: HopCount) -> Option<HopCount> {
        if let [(known, votes)] = self.hops.as_mut_slice()
            && *known == hops
        {
            *votes = votes.saturating_add(1);
            return Some(hops);
        }
        match self.hops.iter_mut().find(|(known, _)| *known == hops) {
            Some((_, votes)) => *votes = votes.saturating_add(1),
            None => {
                let _ = self.hops.try_push((hops, 1));
            }
        }
        // The first of equals, so that one late stray does not change it.
        let mut best: Option<(HopCount, u32)> = None;
        for (hops, votes) in &self.hops {
            if best.is_none_or(|(_, most)| *votes > most) {
                best = Some((*hops, *votes));
            }
        }
        best.map(|(hops, _)| hops)
    }
}
