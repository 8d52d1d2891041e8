//! Pauses: silences of the whole connection, and those in which a side waited for an acknowledgement.
//!
//! They exist apart because an idle connection and a stalled one look alike to a clock. Only the longest are kept.

use crate::base::{Few, MILLISECOND, Mark, Nanos, SECOND, Side};

use super::super::facts::{IdleGap, Stall};
use super::half::Half;
use super::tracker::Tracker;
use crate::wire::Tcp;

/// Silences shorter than this are not worth a line.
const IDLE: Nanos = SECOND;
/// Pauses with data outstanding shorter than this are ordinary round trips.
const STALL: Nanos = 200 * MILLISECOND;

impl Tracker {
    /// Running number of the latest segment, for what is compared with it later.
    pub(super) fn number(&self) -> u32 {
        u32::try_from(self.ordinal).unwrap_or(u32::MAX)
    }

    /// A silence of the whole connection ends with this segment of `side`.
    pub(super) fn silence(&mut self, side: Side, mark: Mark, tcp: &Tcp<'_>, silence: Nanos) {
        let from = self.facts.last;
        if silence < 0 {
            self.facts.disorder = self.facts.disorder.saturating_add(1);
            self.facts.clock_error = self.facts.clock_error.max(silence.saturating_neg());
        }
        if silence >= IDLE {
            let beyond = |half: &Half, number: u32| {
                half.board.started()
                    && half
                        .offset(number)
                        .is_some_and(|offset| offset > half.board.high())
            };
            let unseen = beyond(&self.halves[side], tcp.seq)
                || tcp.flags.ack() && beyond(&self.halves[side.other()], tcp.ack);
            let number = self.number().saturating_add(1);
            keep_longest(
                &mut self.facts.idle,
                IdleGap {
                    from,
                    to: mark,
                    length: silence,
                    unseen,
                    number,
                },
                |gap| gap.length,
            );
        }
        if silence < STALL {
            return;
        }
        for side in [Side::Client, Side::Server] {
            let in_flight = self.halves[side].board.in_flight();
            if in_flight == 0 {
                continue;
            }
            let peer = &self.halves[side.other()];
            let window = peer.ack.is_some() && in_flight >= i64::from(peer.window);
            let stall = Stall {
                from,
                to: mark,
                length: silence,
                window,
            };
            keep_longest(&mut self.facts.sides[side].stalls, stall, |stall| {
                stall.length
            });
        }
    }
}

/// Gaps and stalls kept.
const LONGEST: usize = 4;

/// Keeps the longest, longest first.
fn keep_longest<T>(list: &mut Few<T, LONGEST>, item: T, length: impl Fn(&T) -> Nanos) {
    let at = list
        .iter()
        .take_while(|known| length(known) >= length(&item))
        .count();
    if at < LONGEST {
        list.insert(at, item);
    }
}
