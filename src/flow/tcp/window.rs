//! Windows, keep-alives and selective acknowledgements: what one side tells the other about receiving.
//!
//! A window of zero is the receiver's doing and must not look like a broken path, so its episodes are timed
//! apart. Keep-alives are never data. SACK blocks that fit nothing that was sent are compared with each other:
//! all off by one distance means that a device rewrites sequence numbers and forgot SACK.

use crate::base::{Few, Mark, Side};
use crate::wire::{Tcp, TcpFlags};

use super::tracker::Tracker;

impl Tracker {
    /// The window that this segment advertises. Never counted on SYN, FIN and RST.
    pub(super) fn window(&mut self, side: Side, mark: Mark, tcp: &Tcp<'_>) {
        let Some(raw) = tcp.window else { return };
        let direction = &mut self.facts.sides[side];
        let shift = if tcp.flags.syn() {
            0
        } else {
            direction.window_scale.unwrap_or(0).min(14)
        };
        let window = u32::from(raw) << u32::from(shift);
        direction.max_window = direction.max_window.max(window);
        let half = &mut self.halves[side];
        half.window = window;
        half.raw_window = tcp.window;
        if tcp.flags.0 & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) != 0 {
            return;
        }
        let zero = &mut direction.zero_window;
        if window == 0 {
            zero.last = Some(mark);
            zero.unanswered = 0;
        }
        match (zero.closed_since, window) {
            (None, 0) => {
                zero.episodes = zero.episodes.saturating_add(1);
                zero.first.get_or_insert(mark);
                zero.closed_since = Some(mark);
            }
            (Some(since), 1..) => {
                zero.total = zero
                    .total
                    .saturating_add(mark.time.since(since.time).max(0));
                zero.closed_since = None;
            }
            _ => {}
        }
    }

    /// At most one byte, one before the next: it only asks for an ACK (RFC 9293 3.8.4). A byte that was never
    /// acknowledged is no keep-alive but sent again.
    pub(super) fn is_keep_alive(&self, side: Side, start: i64, tcp: &Tcp<'_>) -> bool {
        let half = &self.halves[side];
        let control = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
        if tcp.payload_len > 1 || tcp.flags.0 & control != 0 || !half.board.started() {
            return false;
        }
        // An ACK that was sent just before the FIN looks alike.
        let before_fin = half.fin == Some(start) && tcp.payload_len == 0;
        let high = half.board.high();
        start == high.saturating_sub(1)
            && !before_fin
            && (tcp.payload_len == 0 || half.board.all_acked())
    }

    /// A keep-alive, or the same thing sent into a closed window.
    pub(super) fn keep_alive(&mut self, side: Side, mark: Mark) {
        let closed = self.facts.sides[side.other()]
            .zero_window
            .closed_since
            .is_some();
        if closed {
            self.probe(side);
            return;
        }
        let direction = &mut self.facts.sides[side];
        direction.keep_alives = direction.keep_alives.saturating_add(1);
        direction.last_keep_alive = Some(mark);
        self.halves[side].probe = Some(self.ordinal);
    }

    /// A probe of the other side's closed window.
    pub(super) fn probe(&mut self, side: Side) {
        let zero = &mut self.facts.sides[side.other()].zero_window;
        zero.probes = zero.probes.saturating_add(1);
        zero.unanswered = zero.unanswered.saturating_add(1);
        self.halves[side].probe = Some(self.ordinal);
    }

    /// SACK blocks that `side` sent, beside its cumulative acknowledgement `ack` (stream offset of the peer).
    pub(super) fn selective(&mut self, side: Side, mark: Mark, tcp: &Tcp<'_>, ack: i64) {
        let peer = side.other();
        let blocks = tcp.options.sack_blocks();
        let echo = tcp.options.timestamps.map(|(_, echo)| echo);
        for (index, (left, right)) in blocks.iter().enumerate() {
            let (Some(from), Some(to)) = (
                self.halves[peer].offset(*left),
                self.halves[peer].offset(*right),
            ) else {
                continue;
            };
            // RFC 2883 4: the first block repeats what is acknowledged, or what the second contains.
            let within_second = blocks.get(1).is_some_and(|(second_left, second_right)| {
                left.wrapping_sub(*second_left) as i32 >= 0
                    && second_right.wrapping_sub(*right) as i32 >= 0
            });
            if from < to
                && index == 0
                && (to <= ack || within_second)
                && to <= self.halves[peer].board.high()
            {
                self.halves[peer]
                    .board
                    .duplicate_sack(peer, from, to, &mut self.facts);
            } else if from < to && from >= ack && to <= self.halves[peer].board.high() {
                self.halves[peer]
                    .board
                    .sack(peer, from, to, mark, echo, &mut self.facts);
            } else {
                self.stray_sack(side, mark, (*left, *right), from, to);
            }
        }
    }

    /// A SACK block outside of what was sent: which distance would make it fit?
    fn stray_sack(&mut self, side: Side, mark: Mark, block: (u32, u32), from: i64, to: i64) {
        let peer = side.other();
        if self.facts.sack_offset.is_some() {
            return;
        }
        let fitting: Few<i64, 16> = self.halves[peer]
            .board
            .edges()
            .map(|(start, _)| from.saturating_sub(start))
            .filter(|distance| {
                let end = to.saturating_sub(*distance);
                *distance != 0
                    && self.halves[peer]
                        .board
                        .edges()
                        .any(|(_, known)| known == end)
            })
            .take(16)
            .collect();
        if fitting.is_empty() {
            return;
        }
        let astray = &mut *self.halves[side].astray;
        match astray.first {
            // The same block again proves nothing.
            Some((_, seen)) if seen == block => {}
            Some((first, _)) => {
                astray
                    .distances
                    .retain(|distance| fitting.contains(distance));
                if let Some(distance) = astray.distances.first() {
                    self.facts.sack_offset.set(Some((first, *distance)));
                } else {
                    astray.distances = fitting;
                    astray.first = Some((mark, block));
                }
            }
            None => {
                astray.distances = fitting;
                astray.first = Some((mark, block));
            }
        }
    }
}
