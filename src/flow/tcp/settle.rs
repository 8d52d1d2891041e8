//! What can only be said by looking back: outstanding data, sizes, the place of the capture.
//!
//! May be asked at any time; what it says before the end is provisional by nature.

use crate::base::{MILLISECOND, Side, Timestamp};

use super::super::facts::Vantage;
use super::super::resets::HopCount;
use super::tracker::Tracker;

/// One half of the handshake's round trip is this much shorter than the other beside an end.
const CLEARLY: i64 = 4;

impl Tracker {
    /// Brings the facts that depend on the end up to date, as of `now`. Idempotent.
    pub fn settle(&mut self, _now: Timestamp) {
        for side in [Side::Client, Side::Server] {
            let peer = &self.halves[side.other()];
            let outstanding =
                self.halves[side]
                    .board
                    .outstanding()
                    .map(|(mut outstanding, ordinal)| {
                        outstanding.peer_spoke_after = peer.ordinal > ordinal;
                        outstanding.peer_acked_after = peer.ack_ordinal > ordinal;
                        outstanding.peer_is_deaf = peer.needless.iter().all(|at| *at > ordinal);
                        outstanding
                    });
            let mtu = self.halves[side].board.mtu();
            let largest_arrived = self.halves[side].board.largest_arrived;
            let hole = self.halves[side].board.unfilled();
            let direction = &mut self.facts.sides[side];
            direction.outstanding.set(outstanding);
            direction.largest_arrived = largest_arrived;
            direction.mtu.set(mtu);
            direction.hole = hole;
        }
        self.facts.vantage = self.vantage();
    }

    fn vantage(&self) -> Vantage {
        let facts = &self.facts;
        if facts.syns.count == 0 && facts.syn_acks.count == 0 {
            return Vantage::Unknown;
        }
        let distance = |side: Side| {
            facts.sides[side]
                .hops
                .or(facts.sides[side].syn_hops)
                .map(|hops: HopCount| hops.hops)
        };
        match (distance(Side::Client), distance(Side::Server)) {
            (Some(0), Some(0)) => match (facts.rtt_server, facts.rtt_client) {
                (Some(server), Some(client)) if client.saturating_mul(CLEARLY) < server => {
                    Vantage::Client
                }
                (Some(server), Some(client))
                    if server.saturating_mul(CLEARLY) < client && client > MILLISECOND / 10 =>
                {
                    Vantage::Server
                }
                _ => Vantage::Middle,
            },
            (Some(0), _) => Vantage::Client,
            (_, Some(0)) => Vantage::Server,
            (Some(_), Some(_)) => Vantage::Middle,
            _ => Vantage::Unknown,
        }
    }
}
