//! What is noted of a reset: everything that helps to tell who sent it. It judges nothing.

use super::facts::IdleGap;
use crate::base::{Foreign, Mark, Nanos, Side};
use crate::wire::TcpFlags;

/// How many routers lie between the sender and the capture point: nearest of 32, 64, 128, 255 minus TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopCount {
    /// TTL as captured.
    pub ttl: u8,
    /// Distance.
    pub hops: u8,
}

impl HopCount {
    /// The distance that a TTL (hop limit) tells: senders begin at 32, 64, 128 or 255.
    pub fn of(ttl: u8) -> HopCount {
        let initial: u8 = match ttl {
            0..=32 => 32,
            33..=64 => 64,
            65..=128 => 128,
            _ => 255,
        };
        HopCount {
            ttl,
            hops: initial.saturating_sub(ttl),
        }
    }
}

/// A reset.
#[derive(Clone, Debug)]
pub struct Reset {
    /// Whose address it carries.
    pub side: Side,
    /// Where.
    pub at: Mark,
    /// Flags.
    pub flags: TcpFlags,
    /// What it answers, as far as sequence numbers tell.
    pub trigger: ResetTrigger,
    /// Its sequence number is exactly the next one expected of that side (RFC 5961 3.2), where that is known, or, without ACK, one
    /// that a segment on its way acknowledged.
    pub seq_exact: Option<bool>,
    /// Its sequence number lies beyond all that the capture shows of that side: what lies between was not captured.
    pub ahead: bool,
    /// TTL and distance.
    pub hops: HopCount,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
    /// The identification equals that of the other side's latest segment (and is not 0).
    pub ip_id_copied: bool,
    /// Identification continues the same side's counter (distance 1–64 from its latest non-zero one).
    pub ip_id_continues: bool,
    /// TOS or traffic class.
    pub tos: u8,
    /// IPv6 flow label.
    pub flow_label: Option<u32>,
    /// Window; `None` when the snap length cut the header, and then options that are not here prove nothing.
    pub window: Option<u16>,
    /// Timestamps option present.
    pub timestamps: bool,
    /// Text in the reset (RFC 9293 3.5.3 allows it).
    pub payload: Option<Foreign>,
    /// Time since the latest segment of the other side.
    pub after_peer: Option<Nanos>,
    /// Time since the first segment of the other side left that it can answer: without ACK, the oldest that its host had not acknowledged;
    /// with ACK, the one that carried the last bytes which it is the first to acknowledge. An abort answers nothing.
    pub answers: Option<Nanos>,
    /// Running number of the same side's latest segment before it; 0 when there is none.
    pub own_before: u32,
    /// The same side had reset before, and this one may answer what was still on its way then: a host without the connection
    /// resets every such segment, at the sequence number that the segment acknowledged (RFC 9293 3.5.2).
    pub leftover: bool,
    /// The same side sent new data or a FIN after it (not explained by reordering).
    pub data_after: bool,
    /// The other side had already sent FIN or RST.
    pub after_peer_close: bool,
    /// The same side had already sent FIN.
    pub after_own_fin: bool,
    /// Whether the capturing host sent it, where the link type says so.
    pub made_here: Option<bool>,
    /// Source MAC differs from that of the same side's other segments.
    pub other_mac: bool,
    /// It acknowledges all that the other side was seen to send.
    pub acks_all: bool,
    /// It acknowledges bytes of the other side that the capture does not show.
    pub acks_unseen: bool,
    /// It acknowledges bytes of the other side that nothing before it had acknowledged.
    pub acks_new: bool,
}

impl Reset {
    /// It is all that its side says to what ended that silence, and acknowledges none of it: who has said anything since, or took the
    /// bytes, still had the connection.
    pub fn answers_first(&self, gap: &IdleGap) -> bool {
        self.own_before < gap.number && gap.to.frame != self.at.frame && !self.acks_new
    }

    /// A host that has no such connection any more answers a segment of it: without ACK, at the number that the segment acknowledged
    /// (RFC 9293 3.5.2), while this side neither closed nor aborted before. A process that aborts sends ACK (3.10.4).
    pub fn of_unknown_connection(&self) -> bool {
        self.trigger == ResetTrigger::Established
            && !self.flags.ack()
            && !self.after_own_fin
            && !self.after_peer_close
            && !self.leftover
    }
}

/// What a reset answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTrigger {
    /// A SYN: SEQ 0, ACK = ISN + 1 (RFC 9293 3.5.2).
    Syn,
    /// A SYN-ACK (client side half-open reset: SEQ = its ACK).
    SynAck,
    /// An established connection.
    Established,
    /// Cannot be told.
    Unknown,
}
