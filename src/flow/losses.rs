//! What is noted of losses: where single segments were lost, and what shows that size decides which get through.
//!
//! Exists apart because the tracker's part that tells their story fills it, and few rules read it. It judges nothing.

use crate::base::{Mark, Nanos, Side, Timestamp, Usual};

/// One loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LossEvent {
    /// Whose segment.
    pub side: Side,
    /// The retransmission (or the late arrival) that shows it.
    pub at: Mark,
    /// Where it was lost, as far as this capture can tell.
    pub place: LossPlace,
    /// When what was lost was sent first, as far as this capture can tell.
    pub sent: Timestamp,
    /// Separate losses: the resend of a segment may be lost as well (RFC 5681 4.3).
    pub events: u32,
    /// MSS-equivalents lost in it.
    pub equivalents: u32,
    /// How long the connection stood still for it.
    pub waited: Nanos,
    /// Its sender went on by itself: it had spoken last, and both had been silent for so long; else 0.
    pub unasked: Nanos,
}

/// Where a segment was lost, seen from the capture point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossPlace {
    /// Between its sender and the capture point: the first copy was never seen.
    Before,
    /// Between the capture point and its receiver: both copies were seen.
    After,
    /// By the capture itself: acknowledged, never seen.
    Capture,
}

/// Sizes, as IP packet lengths of this side's segments as captured (super-segments count as their MSS packets).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MtuEvidence {
    /// Payload bytes of the smallest segment that was sent ≥ 3 times and never acknowledged, capped at MSS.
    pub smallest_dead: Option<u32>,
    /// Its first transmission.
    pub dead: Option<Mark>,
    /// Its latest transmission.
    pub dead_last: Option<Mark>,
    /// How often it was sent at that size.
    pub dead_transmissions: u32,
    /// How often of these after a router had said by ICMP that packets of that size do not pass.
    pub unheeded: u32,
    /// A smaller segment sent after it arrived (SACK of a tail, ACK of a probe), and where that was seen.
    pub smaller_arrived_after: Option<Mark>,
    /// The same bytes got through later in smaller pieces: where that was seen (recovered).
    pub recovered: Option<Mark>,
    /// Seen by the receiver's side of the capture: a gap of full-size segments that never filled while later bytes arrived.
    pub unfilled_gap: Option<(Mark, u32)>,
    /// Likewise, a gap of such segments that was filled in smaller ones after a rest: where that began, full size, and how long the rest was.
    pub healed_gap: Option<(Mark, u32, Nanos)>,
}

impl Usual for MtuEvidence {
    const USUAL: &'static MtuEvidence = &MtuEvidence {
        smallest_dead: None,
        dead: None,
        dead_last: None,
        dead_transmissions: 0,
        unheeded: 0,
        smaller_arrived_after: None,
        recovered: None,
        unfilled_gap: None,
        healed_gap: None,
    };
}
