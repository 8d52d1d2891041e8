//! Wireshark's labels for one segment, by Wireshark's own definitions and in its order.
//!
//! Users compare mxray with `tcp.analysis.*`, so the labels must mean the same to the letter, weak spots
//! included (fixed 3 ms and 20 ms thresholds, a lost segment that is a retransmission elsewhere). The tests
//! compare frame by frame with tshark. Judgement (what was lost, and where) never uses them: that is the
//! scoreboard's work. Definitions: Wireshark user's guide 7.5, "TCP Analysis"; observed against tshark 4.0.

use crate::base::{MILLISECOND, Nanos, PerSide, Side, Timestamp};
use crate::wire::{Tcp, TcpFlags};

use super::super::facts::LabelCounts;

/// A set of `tcp.analysis.*` labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels(u16);

impl Labels {
    /// `tcp.analysis.retransmission`, and neither fast nor spurious.
    pub const RETRANSMISSION: Labels = Labels(1);
    /// `tcp.analysis.fast_retransmission`.
    pub const FAST_RETRANSMISSION: Labels = Labels(1 << 1);
    /// `tcp.analysis.spurious_retransmission`.
    pub const SPURIOUS_RETRANSMISSION: Labels = Labels(1 << 2);
    /// `tcp.analysis.out_of_order`.
    pub const OUT_OF_ORDER: Labels = Labels(1 << 3);
    /// `tcp.analysis.lost_segment`: previous segment not captured.
    pub const LOST_SEGMENT: Labels = Labels(1 << 4);
    /// `tcp.analysis.ack_lost_segment`: acknowledges a segment that was not captured.
    pub const ACK_LOST_SEGMENT: Labels = Labels(1 << 5);
    /// `tcp.analysis.duplicate_ack`.
    pub const DUPLICATE_ACK: Labels = Labels(1 << 6);
    /// `tcp.analysis.keep_alive`.
    pub const KEEP_ALIVE: Labels = Labels(1 << 7);
    /// `tcp.analysis.keep_alive_ack`.
    pub const KEEP_ALIVE_ACK: Labels = Labels(1 << 8);
    /// `tcp.analysis.zero_window`.
    pub const ZERO_WINDOW: Labels = Labels(1 << 9);
    /// `tcp.analysis.zero_window_probe`.
    pub const ZERO_WINDOW_PROBE: Labels = Labels(1 << 10);
    /// `tcp.analysis.zero_window_probe_ack`.
    pub const ZERO_WINDOW_PROBE_ACK: Labels = Labels(1 << 11);
    /// `tcp.analysis.window_full`.
    pub const WINDOW_FULL: Labels = Labels(1 << 12);
    /// `tcp.analysis.window_update`.
    pub const WINDOW_UPDATE: Labels = Labels(1 << 13);
    /// `tcp.analysis.reused_ports`.
    pub const REUSED_PORTS: Labels = Labels(1 << 14);

    /// Every label with the last part of its display filter's name.
    pub const NAMES: [(Labels, &'static str); 15] = [
        (Labels::RETRANSMISSION, "retransmission"),
        (Labels::FAST_RETRANSMISSION, "fast_retransmission"),
        (Labels::SPURIOUS_RETRANSMISSION, "spurious_retransmission"),
        (Labels::OUT_OF_ORDER, "out_of_order"),
        (Labels::LOST_SEGMENT, "lost_segment"),
        (Labels::ACK_LOST_SEGMENT, "ack_lost_segment"),
        (Labels::DUPLICATE_ACK, "duplicate_ack"),
        (Labels::KEEP_ALIVE, "keep_alive"),
        (Labels::KEEP_ALIVE_ACK, "keep_alive_ack"),
        (Labels::ZERO_WINDOW, "zero_window"),
        (Labels::ZERO_WINDOW_PROBE, "zero_window_probe"),
        (Labels::ZERO_WINDOW_PROBE_ACK, "zero_window_probe_ack"),
        (Labels::WINDOW_FULL, "window_full"),
        (Labels::WINDOW_UPDATE, "window_update"),
        (Labels::REUSED_PORTS, "reused_ports"),
    ];

    /// Whether all labels of `other` are in this set.
    pub fn contains(self, other: Labels) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is no label.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds the labels of `other`.
    pub fn insert(&mut self, other: Labels) {
        self.0 |= other.0;
    }

    /// Adds this set to a sender's counts.
    pub(super) fn count(self, counts: &mut LabelCounts) {
        for (label, count) in [
            (Labels::RETRANSMISSION, &mut counts.retransmission),
            (Labels::FAST_RETRANSMISSION, &mut counts.fast_retransmission),
            (
                Labels::SPURIOUS_RETRANSMISSION,
                &mut counts.spurious_retransmission,
            ),
            (Labels::OUT_OF_ORDER, &mut counts.out_of_order),
            (Labels::LOST_SEGMENT, &mut counts.lost_segment),
            (Labels::ACK_LOST_SEGMENT, &mut counts.ack_lost_segment),
            (Labels::DUPLICATE_ACK, &mut counts.duplicate_ack),
            (Labels::KEEP_ALIVE, &mut counts.keep_alive),
            (Labels::KEEP_ALIVE_ACK, &mut counts.keep_alive_ack),
            (Labels::ZERO_WINDOW, &mut counts.zero_window),
            (Labels::ZERO_WINDOW_PROBE, &mut counts.zero_window_probe),
            (
                Labels::ZERO_WINDOW_PROBE_ACK,
                &mut counts.zero_window_probe_ack,
            ),
            (Labels::WINDOW_FULL, &mut counts.window_full),
            (Labels::WINDOW_UPDATE, &mut counts.window_update),
            (Labels::REUSED_PORTS, &mut counts.reused_ports),
        ] {
            *count = count.saturating_add(u32::from(self.contains(label)));
        }
    }
}

/// A segment after the highest one within this time counts as reordered while no round trip is known.
const REORDER_WITHOUT_RTT: Nanos = 3 * MILLISECOND;
/// A resend within this time of the duplicate ACKs counts as a fast retransmission.
const FAST_RETRANSMISSION: Nanos = 20 * MILLISECOND;

/// What is remembered of what one side sent. Sequence numbers are as on the wire; 0 means "none yet", as in Wireshark.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    /// Highest sequence number seen plus length.
    next: u32,
    /// When it was reached.
    next_at: Timestamp,
    /// End of what was seen without a hole.
    contiguous: u32,
    /// Latest acknowledgement number this side sent, and when.
    ack: u32,
    ack_at: Timestamp,
    /// Duplicates of it; −1 after an ACK of something that was not captured.
    duplicate_acks: i64,
    /// Latest window, unscaled; none before the first segment.
    window: Option<u16>,
    /// The latest window came with a SYN, whose window is never scaled.
    window_unscaled: bool,
    scale: Scale,
    /// Labels of the latest segment.
    latest: Labels,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Scale {
    #[default]
    Unknown,
    None,
    Shift(u8),
}

/// The state of Wireshark's analysis of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Labeller {
    sides: PerSide<Sender>,
    latest_syn: Option<Timestamp>,
    first_rtt: Option<Nanos>,
    reused: bool,
}

/// Whether `a` lies after `b` in sequence space.
fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

impl Labeller {
    /// For a connection whose five-tuple was in use before (`reused`).
    pub(super) fn new(reused: bool) -> Labeller {
        Labeller {
            reused,
            ..Labeller::default()
        }
    }

    /// Labels a segment and remembers it.
    pub(super) fn segment(&mut self, side: Side, now: Timestamp, tcp: &Tcp<'_>) -> Labels {
        let mut labels = Labels::default();
        if std::mem::take(&mut self.reused) {
            labels.insert(Labels::REUSED_PORTS);
        }
        let control = tcp.flags.0 & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) != 0;
        self.forward(side, tcp, control, &mut labels);

        let peer = side.other();
        if tcp.ack != self.sides[side].ack {
            self.sides[side].duplicate_acks = 0;
        }
        self.unseen(peer, tcp, &mut labels);
        self.resent(side, now, tcp, &mut labels);
        self.remember(side, now, tcp, labels);
        labels
    }

    /// The labels that depend on the sender's own latest segment. The first that settles it ends the search.
    fn forward(&mut self, side: Side, tcp: &Tcp<'_>, control: bool, labels: &mut Labels) {
        let own = &self.sides[side];
        let peer = &self.sides[side.other()];
        if tcp.payload_len == 1 && tcp.seq == own.next && peer.window == Some(0) {
            labels.insert(Labels::ZERO_WINDOW_PROBE);
            return;
        }
        if tcp.window == Some(0) && !control {
            labels.insert(Labels::ZERO_WINDOW);
        }
        if own.next != 0 && after(tcp.seq, own.next) && !tcp.flags.rst() {
            labels.insert(Labels::LOST_SEGMENT);
        }
        if tcp.payload_len <= 1 && tcp.seq == own.next.wrapping_sub(1) && !control {
            labels.insert(Labels::KEEP_ALIVE);
        }
        let repeats = tcp.payload_len == 0 && tcp.seq == own.next && tcp.ack == own.ack && !control;
        let open = tcp.window.is_some_and(|window| window != 0);
        if repeats && open && own.window != tcp.window {
            labels.insert(Labels::WINDOW_UPDATE);
        }
        if tcp.payload_len > 0 && !control && fills_window(tcp, peer) {
            labels.insert(Labels::WINDOW_FULL);
        }
        if !repeats || own.window != tcp.window {
            return;
        }
        if open && peer.latest.contains(Labels::KEEP_ALIVE) {
            labels.insert(Labels::KEEP_ALIVE_ACK);
        } else if tcp.window == Some(0) && peer.latest.contains(Labels::ZERO_WINDOW_PROBE) {
            labels.insert(Labels::ZERO_WINDOW_PROBE_ACK);
        } else if open {
            let own = &mut self.sides[side];
            own.duplicate_acks = if own.duplicate_acks < 0 {
                1
            } else {
                own.duplicate_acks.saturating_add(1)
            };
            labels.insert(Labels::DUPLICATE_ACK);
        }
    }

    /// Acknowledges what the capture never showed; said once per hole.
    fn unseen(&mut self, peer: Side, tcp: &Tcp<'_>, labels: &mut Labels) {
        let sent = &mut self.sides[peer];
        if sent.contiguous == 0 || !tcp.flags.ack() || !after(tcp.ack, sent.contiguous) {
            return;
        }
        if after(sent.next, sent.contiguous) {
            sent.contiguous = sent.next;
            labels.insert(Labels::ACK_LOST_SEGMENT);
        } else {
            if sent.duplicate_acks == 0 {
                labels.insert(Labels::ACK_LOST_SEGMENT);
            }
            sent.duplicate_acks = -1;
        }
    }

    /// Data, SYN or FIN that does not advance the stream.
    fn resent(&self, side: Side, now: Timestamp, tcp: &Tcp<'_>, labels: &mut Labels) {
        let counts = tcp.flags.syn() || tcp.flags.fin();
        if (tcp.payload_len == 0 && !counts) || labels.contains(Labels::KEEP_ALIVE) {
            return;
        }
        let own = &self.sides[side];
        let peer = &self.sides[side.other()];
        let end = tcp.seq.wrapping_add(tcp.payload_len);
        if tcp.payload_len > 0 && peer.ack != 0 && !after(end, peer.ack) {
            labels.insert(Labels::SPURIOUS_RETRANSMISSION);
            return;
        }
        let after_probe = tcp.payload_len > 1 && tcp.seq == own.next.wrapping_sub(1);
        if own.next == 0 || !after(own.next, tcp.seq) || after_probe {
            return;
        }
        let reordering = self
            .first_rtt
            .filter(|rtt| *rtt != 0)
            .unwrap_or(REORDER_WITHOUT_RTT);
        // Wireshark compares unsigned differences: a clock that went backwards is a very long time.
        let within = |since: Timestamp, limit: Nanos| (0..limit).contains(&now.since(since));
        if peer.duplicate_acks >= 2
            && peer.ack == tcp.seq
            && within(peer.ack_at, FAST_RETRANSMISSION)
        {
            labels.insert(Labels::FAST_RETRANSMISSION);
        } else if within(own.next_at, reordering) && own.next != end.wrapping_add(u32::from(counts))
        {
            labels.insert(Labels::OUT_OF_ORDER);
        } else {
            labels.insert(Labels::RETRANSMISSION);
        }
    }

    fn remember(&mut self, side: Side, now: Timestamp, tcp: &Tcp<'_>, labels: Labels) {
        let counts = tcp.flags.syn() || tcp.flags.fin();
        let own = &mut self.sides[side];
        let next = tcp
            .seq
            .wrapping_add(tcp.payload_len)
            .wrapping_add(u32::from(counts));
        let probe = labels.contains(Labels::ZERO_WINDOW_PROBE);
        if (after(next, own.next) || own.next == 0) && !probe {
            own.next = next;
            own.next_at = now;
        }
        if (tcp.seq == own.contiguous || own.contiguous == 0) && !probe {
            own.contiguous = own.next;
        }
        own.window = tcp.window;
        own.window_unscaled = tcp.flags.syn();
        own.ack = tcp.ack;
        own.ack_at = now;
        own.latest = labels;
        if tcp.flags.syn() {
            own.scale = match tcp.options.window_scale {
                Some(shift) => Scale::Shift(shift.min(14)),
                None => Scale::None,
            };
            // RFC 7323 2.2: in force only when both SYNs carry it.
            if tcp.flags.ack() {
                let peer = &mut self.sides[side.other()];
                if peer.scale == Scale::None || tcp.options.window_scale.is_none() {
                    peer.scale = Scale::None;
                    self.sides[side].scale = Scale::None;
                }
            } else {
                self.latest_syn = Some(now);
            }
        } else if tcp.flags.ack() && self.first_rtt.is_none() {
            self.first_rtt = self.latest_syn.map(|syn| now.since(syn));
        }
    }
}

/// The segment ends exactly at the edge of the window that the peer advertised last.
fn fills_window(tcp: &Tcp<'_>, peer: &Sender) -> bool {
    let Some(window) = peer.window else {
        return false;
    };
    let shift = match peer.scale {
        Scale::Unknown => return false,
        Scale::None => 0,
        Scale::Shift(_) if peer.window_unscaled => 0,
        Scale::Shift(shift) => shift,
    };
    let edge = peer.ack.wrapping_add(u32::from(window) << u32::from(shift));
    tcp.seq.wrapping_add(tcp.payload_len) == edge
}
