//! What will happen on the path, in the order of time; of two things at one time the earlier planned.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::packet::{Packet, Toward};
use crate::base::Nanos;

/// Packets that may be under way at once; more are dropped, as by a full queue.
const UNDER_WAY: usize = 65_536;

/// Something that happens to a packet.
pub enum Event {
    /// It comes to a hop from a link; `bounced` names the other router of a loop.
    Arrive {
        /// The hop, from 0.
        hop: usize,
        /// Which way it travels.
        toward: Toward,
        /// The packet.
        packet: Packet,
        /// The other router of a loop.
        bounced: Option<usize>,
    },
    /// It leaves a hop, after its faults.
    Leave {
        /// The hop, from 0.
        hop: usize,
        /// Which way it travels.
        toward: Toward,
        /// The packet.
        packet: Packet,
    },
    /// It comes to an end.
    Deliver {
        /// Which end.
        toward: Toward,
        /// The packet.
        packet: Packet,
    },
}

struct Scheduled {
    at: Nanos,
    number: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// The events to come.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Scheduled>>,
    number: u64,
}

impl Queue {
    /// Plans an event.
    pub fn plan(&mut self, at: Nanos, event: Event) {
        if self.heap.len() < UNDER_WAY {
            self.number += 1;
            self.heap.push(Reverse(Scheduled {
                at,
                number: self.number,
                event,
            }));
        }
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Nanos> {
        self.heap.peek().map(|scheduled| scheduled.0.at)
    }

    /// The next one, with its time, if it is due.
    pub fn due(&mut self, now: Nanos) -> Option<(Nanos, Event)> {
        if self.next().is_none_or(|at| at > now) {
            return None;
        }
        let Reverse(scheduled) = self.heap.pop()?;
        Some((scheduled.at, scheduled.event))
    }
}
