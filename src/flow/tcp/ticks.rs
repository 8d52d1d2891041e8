//! Clocks of the two ends: whether they saw a silence that the capture shows.
//!
//! A capture whose clock was set forward shows a silence that nobody waited for. Timestamps (RFC 7323) are clocks of the ends: when
//! neither side's ran on over a silence of the whole connection, the capture's clock jumped. It says that only of clocks that move at
//! all, and only when both ends agree: one end alone may have slept, or may have been heard late, and is a doubt.

use crate::base::{Mark, Nanos, PerSide, Rare, SECOND, Side, Timestamp};
use crate::wire::Tcp;

use super::super::facts::IdleGap;
use super::tracker::Tracker;

/// Silences shorter than this are no cause of any verdict.
const SILENCE: Nanos = 2 * SECOND;
/// Ticks per second that at least one of two clocks exceeds. RFC 7323 5.4 allows 1 to 1000; Linux, Windows, macOS and FreeBSD tick
/// 100 to 1000 times.
const SLOWEST: i64 = 20;

/// What is remembered of both clocks.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    sides: PerSide<Clock>,
    /// A silence that neither side has confirmed or denied yet.
    silence: Option<Box<Doubt>>,
    /// One of which neither clock knows.
    unseen: Rare<Option<IdleGap>>,
    /// One of which the clock of the end that spoke first afterwards does not know; the other's may, if it speaks.
    doubted: Rare<Option<IdleGap>>,
}

#[derive(Debug, Default)]
struct Clock {
    last: Option<(u32, Timestamp)>,
    moves: bool,
}

#[derive(Debug)]
struct Doubt {
    gap: IdleGap,
    stood: PerSide<bool>,
}

impl Ticks {
    fn hear(&mut self, side: Side, mark: Mark, value: u32) {
        let clock = &mut self.sides[side];
        let Some((before, at)) = clock.last.replace((value, mark.time)) else {
            return;
        };
        clock.moves |= value != before;
        let Some(doubt) = &mut self.silence else {
            return;
        };
        if doubt.stood[side] {
            return;
        }
        // Modulo 2^32 (RFC 7323 5.2).
        let passed = i64::from(value.wrapping_sub(before).cast_signed());
        let elapsed = mark.time.since(at);
        if passed < 0 || passed.saturating_mul(SECOND) >= elapsed.saturating_mul(SLOWEST) {
            if *self.doubted == Some(doubt.gap) {
                self.doubted.set(None);
            }
            self.silence = None;
            return;
        }
        doubt.stood[side] = true;
        self.doubted.set(Some(doubt.gap));
        if doubt.stood.client && doubt.stood.server {
            self.unseen.set(Some(doubt.gap));
            self.silence = None;
        }
    }
}

impl Tracker {
    /// Takes the time of a segment before anything else of it is looked at.
    pub(super) fn ticks(&mut self, side: Side, mark: Mark, silence: Nanos, tcp: &Tcp<'_>) {
        if silence >= SILENCE {
            let gap = IdleGap {
                from: self.facts.last,
                to: mark,
                length: silence,
                unseen: false,
                number: self.number().saturating_add(1),
            };
            self.ticks.silence = Some(Box::new(Doubt {
                gap,
                stood: PerSide::default(),
            }));
        }
        let Some((value, _)) = tcp.options.timestamps else {
            return;
        };
        self.ticks.hear(side, mark, value);
        let sides = &self.ticks.sides;
        if sides.client.moves && sides.server.moves {
            self.facts.clock_jump.set(*self.ticks.unseen);
            self.facts.clock_doubt.set(*self.ticks.doubted);
        }
    }
}
