//! Facts of one TCP connection: what was seen on the wire, with frames, and no opinion.
//!
//! Filled by the tracker while segments pass, read by the rules once. Everything is bounded: lists keep
//! the first `limits::EVENTS` and count the rest.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::endpoint::Endpoint;
use super::losses::{LossEvent, MtuEvidence};
use super::resets::{HopCount, Reset};
use super::transmissions::Transmissions;
use crate::base::limits::EVENTS;
use crate::base::{Few, Mark, Nanos, PerSide, Rare, SECOND, Side, SourceId, Usual};
use crate::wire::{TcpFlags, says_undelivered};

/// The five-tuple of a TCP connection, by role, on one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Who sent the SYN; without one, the side without the mail port.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// The input in which it was seen.
    pub source: SourceId,
}

/// How the beginning of the connection looks in this capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Opening {
    /// The client's SYN was captured.
    Syn,
    /// The first segment captured is the server's SYN-ACK.
    SynAck,
    /// The capture begins in the middle.
    #[default]
    Midstream,
}

/// Everything known of one TCP connection.
#[derive(Clone, Debug)]
pub struct TcpFacts {
    /// How it opened.
    pub opening: Opening,
    /// First frame of the connection in this capture.
    pub first: Mark,
    /// Latest frame of the connection (of either side, ICMP not counted).
    pub last: Mark,
    /// The client's SYN and its retransmissions (same ISN).
    pub syns: Transmissions,
    /// The server's SYN-ACK and its retransmissions.
    pub syn_acks: Transmissions,
    /// A SYN-ACK that acknowledges our SYN from another address than the one asked (NAT): where, and from whom.
    pub foreign_syn_ack: Rare<Option<(Mark, Endpoint)>>,
    /// SYN-ACKs that were captured after the client's final ACK of the handshake.
    pub syn_acks_after_ack: u32,
    /// The segment that completed the handshake: the client's first ACK of the SYN-ACK.
    pub established: Option<Mark>,
    /// What each side sent.
    pub sides: PerSide<Direction>,
    /// Resets, in order.
    pub resets: Few<Reset, EVENTS>,
    /// How many resets there were in all.
    pub reset_count: u32,
    /// ICMP errors that quote this connection, in order.
    pub icmp: Few<IcmpError, EVENTS>,
    /// How many such errors there were in all.
    pub icmp_count: u32,
    /// SYN-ACK minus the SYN whose timestamp it echoes, or minus the last SYN (Karn), measured at the capture point.
    pub rtt_server: Option<Nanos>,
    /// Client's ACK minus SYN-ACK, measured at the capture point.
    pub rtt_client: Option<Nanos>,
    /// Smallest round trip seen of data and its acknowledgement, towards each side.
    pub min_rtt: PerSide<Option<Nanos>>,
    /// Where the capture was taken, as far as the two halves of the handshake and the TTLs tell.
    pub vantage: Vantage,
    /// Separate loss events (segments that had to be sent again because they, not their ACK, were lost).
    pub losses: Few<LossEvent, EVENTS>,
    /// How many loss events there were in all, both directions.
    pub loss_count: u32,
    /// MSS-equivalents sent in both directions, data and FIN: a frame of L bytes counts ⌈L/MSS⌉.
    pub mss_equivalents: u64,
    /// MSS-equivalents lost, likewise.
    pub mss_equivalents_lost: u64,
    /// MSS-equivalents that were sent again behind the capture point though they had arrived, as their receiver showed.
    pub mss_equivalents_needless: u64,
    /// Total time that data waited for a retransmission because of losses.
    pub stood_still: Nanos,
    /// The longest silences between two segments, longest first (≥ 1 s).
    pub idle: Few<IdleGap, 4>,
    /// Frames dropped as duplicates made by the network or the capture.
    pub duplicates: u32,
    /// Segments that acknowledged bytes that the capture never showed.
    pub acked_unseen: u32,
    /// Bytes missing between captured segments that were acknowledged (lost by the capture), by sender.
    pub capture_gaps: PerSide<u32>,
    /// Frames whose payload was cut by the snap length.
    pub cut_frames: u32,
    /// Frames out of time order.
    pub disorder: u32,
    /// A silence in the capture over which the clocks of both ends stood still (RFC 7323): the capture's clock jumped.
    pub clock_jump: Rare<Option<IdleGap>>,
    /// Segments that stand in the capture behind what acknowledges them.
    pub behind: u32,
    /// A silence over which the clock of the only end that spoke afterwards stood still: the capture's clock jumped, or that end slept.
    pub clock_doubt: Rare<Option<IdleGap>>,
    /// How far times of this connection contradict each other: the longest step backwards, or by how much the SYN-ACK stands
    /// behind what acknowledges it. 0 in an ordinary capture.
    pub clock_error: Nanos,
    /// SACK edges outside what was sent, all by the same distance (a device rewrites sequence numbers but not SACK): frame and distance.
    pub sack_offset: Rare<Option<(Mark, i64)>>,
    /// A new SYN with another ISN on the same five-tuple followed within 3 s of a reset: it is counted here, not a new connection.
    pub reopened: u32,
}

/// What one side sent, and how it was received.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// Frames (every segment).
    pub segments: u64,
    /// Segments with payload, retransmissions included.
    pub data_segments: u64,
    /// Payload bytes, each once.
    pub bytes: u64,
    /// First segment of any kind.
    pub first: Option<Mark>,
    /// Latest segment of any kind.
    pub last: Option<Mark>,
    /// First segment with payload.
    pub first_data: Option<Mark>,
    /// Latest segment with new payload.
    pub last_data: Option<Mark>,
    /// First FIN.
    pub fin: Option<Mark>,
    /// Its FIN stands behind bytes that the capture does not show.
    pub fin_ahead: bool,
    /// The peer acknowledged bytes behind the last that the capture shows, and no further ones were captured since.
    pub acked_ahead: bool,
    /// The FIN was acknowledged.
    pub fin_acked: bool,
    /// Hop distance of ordinary segments (not RST; SYN-ACK counted apart), most frequent.
    pub hops: Option<HopCount>,
    /// Hop distance of the SYN or SYN-ACK.
    pub syn_hops: Option<HopCount>,
    /// Whether the capturing host sent the first segment (not RST) itself, where the link type says so: what it hands on it shows coming in
    /// before it shows it going out.
    pub made_here: Option<bool>,
    /// Distinct TTLs seen on ordinary segments, up to 4.
    pub ttls: ArrayVec<u8, 4>,
    /// TOS or traffic class of ordinary segments, the latest.
    pub tos: u8,
    /// IPv6 flow label of ordinary segments, the latest.
    pub flow_label: Option<u32>,
    /// Wireshark's labels, counted.
    pub labels: Rare<LabelCounts>,
    /// Segments that carried data or FIN again (Retransmission, Fast and Spurious; Out-Of-Order not).
    pub retransmitted: u32,
    /// The oldest bytes (or SYN-less FIN) that were sent and never acknowledged, at the end.
    pub outstanding: Rare<Option<Outstanding>>,
    /// Payload bytes of the largest segment known to have arrived (acknowledged cumulatively or by SACK), capped at MSS.
    pub largest_arrived: u32,
    /// Evidence about sizes that do not pass, for what this side sends.
    pub mtu: Rare<MtuEvidence>,
    /// Bytes of any size that were never seen and that the peer never acknowledged, although later ones came: where that was seen.
    pub hole: Option<Mark>,
    /// Times at which this side's advertised window was zero.
    pub zero_window: Rare<ZeroWindow>,
    /// Its latest empty segment stands behind bytes that the capture never shows: where, and how many bytes. They were sent, and
    /// did not come this far.
    pub ahead: Option<(Mark, u32)>,
    /// Keep-alives sent.
    pub keep_alives: u32,
    /// The latest one.
    pub last_keep_alive: Option<Mark>,
    /// Window shift in force for what this side advertises; `None` when the handshake was not seen.
    pub window_scale: Option<u8>,
    /// Largest window this side ever advertised, in bytes.
    pub max_window: u32,
    /// Largest amount of this side's data in flight, in bytes.
    pub max_in_flight: u32,
    /// Longest pauses in which this side had data outstanding, longest first.
    pub stalls: Few<Stall, 4>,
}

/// Sequence range relative to the first byte of the stream (0 is the first payload byte).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: i64,
    /// One past the last byte.
    pub end: i64,
}

/// Data that was sent and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Which bytes.
    pub range: ByteRange,
    /// Its first transmission.
    pub first: Mark,
    /// It was a hole until then, with later bytes behind it: where that showed.
    pub missed: Option<Mark>,
    /// Its latest transmission.
    pub last: Mark,
    /// How often its first byte was sent.
    pub transmissions: u32,
    /// It is a FIN without data.
    pub fin_only: bool,
    /// Any segment of the other side came after the first transmission.
    pub peer_spoke_after: bool,
    /// The other side acknowledged something (old) after the first transmission: it hears us, or keeps talking.
    pub peer_acked_after: bool,
    /// After the first transmission the other side sent twice or more what this side had acknowledged already: nothing of this side, of any
    /// size, reaches it.
    pub peer_is_deaf: bool,
    /// Length of the IP packet that carried it, largest transmission.
    pub packet_len: u32,
    /// Silence of the connection in both directions before the first transmission.
    pub idle_before: Nanos,
}

/// A pause while this side had data outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Last segment before.
    pub from: Mark,
    /// The segment that ended it.
    pub to: Mark,
    /// Length.
    pub length: Nanos,
    /// The peer's window was zero or full at the time: the peer made us wait.
    pub window: bool,
}

/// Window zero episodes of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZeroWindow {
    /// How many episodes.
    pub episodes: u32,
    /// Time closed in all, episodes that ended.
    pub total: Nanos,
    /// First frame with a zero window.
    pub first: Option<Mark>,
    /// Still closed at the end: since when.
    pub closed_since: Option<Mark>,
    /// Latest frame that said so.
    pub last: Option<Mark>,
    /// Probes that the other side sent into the closed window.
    pub probes: u32,
    /// Those of them to which this side said nothing any more.
    pub unanswered: u32,
}

impl ZeroWindow {
    /// How long it is still closed, as far as its side says so.
    pub fn shown(&self) -> Option<Nanos> {
        Some(self.last?.time.since(self.closed_since?.time))
    }

    /// It was closed, and its side fell silent: a host answers each probe, however long its window is closed (RFC 9293 3.8.6.1). One
    /// may be lost, and so may its answer.
    pub fn silent(&self) -> bool {
        self.closed_since.is_some() && self.unanswered >= 3
    }

    /// It fell silent so soon that the window itself is no fault.
    pub fn fell_silent(&self) -> bool {
        self.silent() && self.shown().is_some_and(|shown| shown < 3 * SECOND)
    }
}

impl Usual for ZeroWindow {
    const USUAL: &'static ZeroWindow = &ZeroWindow {
        episodes: 0,
        total: 0,
        first: None,
        closed_since: None,
        last: None,
        probes: 0,
        unanswered: 0,
    };
}

/// An ICMP error that quotes this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Where.
    pub at: Mark,
    /// Who sent it.
    pub sender: IpAddr,
    /// ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Next-hop MTU.
    pub mtu: Option<u32>,
    /// Whose packet is quoted.
    pub quoted: Side,
    /// Flags of the quoted segment, when the quote reaches them.
    pub quoted_flags: Option<TcpFlags>,
    /// TTL inside the quote.
    pub quoted_ttl: u8,
    /// The TTL with which the quoted packet was captured here, if it was.
    pub sent_ttl: Option<u8>,
    /// Distance of the ICMP sender.
    pub hops: HopCount,
    /// Time since the quoted side's latest segment.
    pub delay: Nanos,
    /// The quote matches a segment that was captured (ports and sequence number).
    pub matches: bool,
}

impl IcmpError {
    /// It says that the packet it quotes did not arrive.
    pub fn says_undelivered(&self) -> bool {
        says_undelivered(self.v6, self.kind, self.code)
    }

    /// It says that a network or a host cannot be reached (RFC 1812 5.2.7.1, RFC 4443 3.1), not that a rule forbids it.
    pub fn says_unreachable(&self) -> bool {
        matches!(
            (self.v6, self.kind, self.code),
            (false, 3, 0 | 1 | 6 | 7) | (true, 1, 0 | 3)
        )
    }

    /// It is about the host, not about a network or a route.
    pub fn is_about_host(&self) -> bool {
        matches!(
            (self.v6, self.kind, self.code),
            (false, 3, 1 | 7) | (true, 1, 3)
        )
    }
}

/// A silence of the whole connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleGap {
    /// Last segment before.
    pub from: Mark,
    /// First segment after.
    pub to: Mark,
    /// Length.
    pub length: Nanos,
    /// The first segment after it follows, or acknowledges, bytes that the capture does not hold: they may have broken it.
    pub unseen: bool,
    /// Running number, in its connection, of the first segment after it.
    pub number: u32,
}

/// Where the capture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Vantage {
    /// At or beside the client.
    Client,
    /// At or beside the server.
    Server,
    /// In between.
    Middle,
    /// The handshake was not seen.
    #[default]
    Unknown,
}

/// Wireshark's `tcp.analysis.*` labels, counted for one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the display filters, RFC-less: docs.wireshark.org, "TCP Analysis"
pub struct LabelCounts {
    pub retransmission: u32,
    pub fast_retransmission: u32,
    pub spurious_retransmission: u32,
    pub out_of_order: u32,
    pub lost_segment: u32,
    pub ack_lost_segment: u32,
    pub duplicate_ack: u32,
    pub keep_alive: u32,
    pub keep_alive_ack: u32,
    pub zero_window: u32,
    pub zero_window_probe: u32,
    pub zero_window_probe_ack: u32,
    pub window_full: u32,
    pub window_update: u32,
    pub reused_ports: u32,
}

impl Usual for LabelCounts {
    const USUAL: &'static LabelCounts = &LabelCounts {
        retransmission: 0,
        fast_retransmission: 0,
        spurious_retransmission: 0,
        out_of_order: 0,
        lost_segment: 0,
        ack_lost_segment: 0,
        duplicate_ack: 0,
        keep_alive: 0,
        keep_alive_ack: 0,
        zero_window: 0,
        zero_window_probe: 0,
        zero_window_probe_ack: 0,
        window_full: 0,
        window_update: 0,
        reused_ports: 0,
    };
}

impl TcpFacts {
    /// Whether both sides sent something new after that silence: it harmed nothing.
    pub fn went_on_after(&self, gap: &IdleGap) -> bool {
        let spoke = |side: &Direction| side.last_data.is_some_and(|last| last.time >= gap.to.time);
        spoke(&self.sides.client) && spoke(&self.sides.server)
    }

    /// Facts of a connection of which nothing but its first frame is known.
    pub fn new(first: Mark) -> TcpFacts {
        TcpFacts {
            opening: Opening::Midstream,
            first,
            last: first,
            syns: Transmissions::default(),
            syn_acks: Transmissions::default(),
            foreign_syn_ack: Rare::default(),
            syn_acks_after_ack: 0,
            established: None,
            sides: PerSide::default(),
            resets: Few::new(),
            reset_count: 0,
            icmp: Few::new(),
            icmp_count: 0,
            rtt_server: None,
            rtt_client: None,
            min_rtt: PerSide::default(),
            vantage: Vantage::Unknown,
            losses: Few::new(),
            loss_count: 0,
            mss_equivalents: 0,
            mss_equivalents_lost: 0,
            mss_equivalents_needless: 0,
            stood_still: 0,
            idle: Few::new(),
            duplicates: 0,
            acked_unseen: 0,
            capture_gaps: PerSide::default(),
            cut_frames: 0,
            disorder: 0,
            clock_jump: Rare::default(),
            behind: 0,
            clock_doubt: Rare::default(),
            clock_error: 0,
            sack_offset: Rare::default(),
            reopened: 0,
        }
    }
}
