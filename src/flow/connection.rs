//! A mail connection as the table keeps it and hands it out: its segments' tracker, what decodes its bytes, why it left.
//!
//! It exists so that who judges a connection needs no table. It decides nothing.

use super::queues::{Queue, RIPE};
use super::ripe::Ripe;
use super::tcp::{StreamSink, Tracker};
use crate::proto::Service;

/// What decodes the bytes of a mail connection.
pub trait Dialogue: StreamSink {
    /// What every decoder of a table is given (keys, settings).
    type Seed: Default;

    /// A decoder for a connection that is meant for `service`, if that is known.
    fn open(seed: &Self::Seed, service: Option<Service>) -> Self;

    /// Nothing was said for a while: gives back memory that holds nothing.
    fn rest(&mut self);

    /// Asks for the memory that it points to: it is wanted soon.
    fn foresee(&self) {}
}

/// A connection of mail.
#[derive(Debug)]
pub struct MailFlow<S> {
    /// What its segments showed.
    pub tracker: Tracker,
    /// What its bytes showed.
    pub dialogue: S,
    /// The service by port, by `--as` or by what was spoken.
    pub service: Option<Service>,
}

impl<S: StreamSink> MailFlow<S> {
    /// Nothing more comes: what waits in reassembly is handed on.
    pub(super) fn end(&mut self) {
        let last = self.tracker.last_activity();
        self.tracker.finish(last, &mut self.dialogue);
    }
}

/// Why a connection is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended, and nothing more came for a while.
    Closed,
    /// It never opened, and the last SYN is long ago.
    Unanswered,
    /// It was silent for longer than any mail timeout.
    Silent,
    /// Another connection took its five-tuple.
    Replaced,
    /// The table was full and it was the one silent for longest.
    Evicted,
    /// The capture ended.
    CaptureEnd,
}

/// Which of all connections that are over at the same time comes first: the lesser. Those that had to leave before, the latest
/// first; then by what they waited for, then in the order of their last segments. It does not depend on how many tables they
/// come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u64);

impl Turn {
    /// Bits of a place in the order of all segments.
    const ORDER: u32 = 56;
    const LAST: u64 = (1 << Turn::ORDER) - 1;
    /// Before all others.
    pub const FIRST: Turn = Turn(0);

    /// Of one that left with the segment of that place, before its time.
    pub(super) fn early(order: u64) -> Turn {
        Turn(Turn::LAST - order.min(Turn::LAST))
    }

    /// Of one that waited in that queue since the segment of that place.
    pub(super) fn ripe(queue: Queue, order: u64) -> Turn {
        let rank = RIPE.iter().take_while(|(known, _)| *known != queue).count();
        let rank = (rank as u64).saturating_add(1);
        Turn(rank << Turn::ORDER | order.min(Turn::LAST))
    }
}

/// A connection that is ripe for judging.
#[derive(Debug)]
pub enum Ended<S> {
    /// Mail.
    Mail(Ripe<S>),
    /// Anything else.
    Other,
}
