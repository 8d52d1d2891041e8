//! Which flow is ripe next: one doubly linked list per waiting time, in order of last activity.
//!
//! Within one list every member waits equally long, and was touched no earlier than the one before it, so that the front is
//! always the next that is ripe: insertion, refresh, removal and question are all O(1). When one is ripe depends on itself alone,
//! not on what stands before it, so it does not matter over how many tables connections are spread. It knows slot numbers only.

use super::slots::make_room;
use crate::base::{Nanos, SECOND, Timestamp};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
const QUEUES: usize = 5;

/// What a flow waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Ended.
    Closing,
    /// Reset before it opened: the client may try again on the same five-tuple.
    Reset,
    /// SYN without an answer.
    HalfOpen,
    /// Open, or seen in the middle.
    Open,
    /// The same, silent for a while: it holds no more memory than it needs.
    Resting,
}

/// When a slot was touched: the latest time of the capture by then, which never goes back, and its place in the order of all
/// segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    pub(super) time: Timestamp,
    pub(super) order: u64,
}

impl From<Timestamp> for Touch {
    /// Where nobody asks for the order.
    fn from(time: Timestamp) -> Touch {
        Touch { time, order: 0 }
    }
}

/// How long after the last activity each queue is ripe.
pub(super) const RIPE: [(Queue, Nanos); QUEUES] = [
    (Queue::Closing, 2 * SECOND),
    (Queue::Reset, 3 * SECOND),
    (Queue::HalfOpen, 180 * SECOND),
    (Queue::Resting, 7_800 * SECOND),
    (Queue::Open, 10 * SECOND),
];

#[derive(Clone, Copy, Debug)]
struct Node {
    before: u32,
    after: u32,
    queue: Option<Queue>,
    last: Touch,
}

const UNLINKED: Node = Node {
    before: NONE,
    after: NONE,
    queue: None,
    last: Touch {
        time: Timestamp(0),
        order: 0,
    },
};

/// The lists.
#[derive(Debug)]
pub(super) struct Queues {
    nodes: Vec<Node>,
    ends: [(u32, u32); QUEUES],
}

impl Default for Queues {
    fn default() -> Queues {
        Queues {
            nodes: Vec::new(),
            ends: [(NONE, NONE); QUEUES],
        }
    }
}

impl Queues {
    /// Puts a slot at the end of a list.
    pub(super) fn touch(&mut self, at: u32, queue: Queue, now: impl Into<Touch>) {
        let now = now.into();
        if let Some(node) = self.nodes.get_mut(at as usize)
            && node.queue == Some(queue)
            && node.after == NONE
        {
            // It is the last one already.
            node.last = now;
            return;
        }
        self.remove(at);
        if self.nodes.len() <= at as usize {
            let room = at as usize + 1;
            let more = room - self.nodes.len();
            make_room(&mut self.nodes, more);
            self.nodes.resize(room, UNLINKED);
        }
        let Some((front, back)) = self.ends.get_mut(queue as usize) else {
            return;
        };
        let before = *back;
        *back = at;
        if *front == NONE {
            *front = at;
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            *node = Node {
                before,
                after: NONE,
                queue: Some(queue),
                last: now,
            };
        }
        if let Some(node) = self.nodes.get_mut(before as usize) {
            node.after = at;
        }
    }

    /// When a slot was last touched.
    pub(super) fn last(&self, at: u32) -> Option<Touch> {
        self.node(at).map(|(_, last)| last)
    }

    /// Takes a slot out of its list.
    pub(super) fn remove(&mut self, at: u32) {
        let Some(node) = self.nodes.get_mut(at as usize) else {
            return;
        };
        let Node {
            before,
            after,
            queue: Some(queue),
            ..
        } = std::mem::replace(node, UNLINKED)
        else {
            return;
        };
        if let Some(node) = self.nodes.get_mut(before as usize) {
            node.after = after;
        }
        if let Some(node) = self.nodes.get_mut(after as usize) {
            node.before = before;
        }
        if let Some((front, back)) = self.ends.get_mut(queue as usize) {
            if *front == at {
                *front = after;
            }
            if *back == at {
                *back = before;
            }
        }
    }

    /// A slot whose wait is over, by how long each list waits; the order in which it was touched.
    pub(super) fn due(
        &self,
        now: Timestamp,
        waits: &[(Queue, Nanos)],
    ) -> Option<(u32, Queue, u64)> {
        waits.iter().find_map(|(queue, wait)| {
            let (at, last) = self.front(*queue)?;
            (now.since(last.time) >= *wait).then_some((at, *queue, last.order))
        })
    }

    /// The slot that is silent for longest.
    pub(super) fn oldest(&self) -> Option<u32> {
        let fronts = self.ends.iter().filter_map(|(front, _)| self.node(*front));
        fronts.min_by_key(|(_, last)| last.time).map(|(at, _)| at)
    }

    /// The slot behind that one in its list.
    pub(super) fn behind(&self, at: u32) -> Option<u32> {
        let node = self.nodes.get(at as usize)?;
        (node.after != NONE).then_some(node.after)
    }

    /// The slots of a list, the one that was touched last first.
    pub(super) fn latest(&self, queue: Queue) -> impl Iterator<Item = u32> + '_ {
        let slot = |at: u32| (at != NONE).then_some(at);
        let back = self.ends.get(queue as usize);
        let back = back.and_then(|(_, back)| slot(*back));
        std::iter::successors(back, move |at| slot(self.nodes.get(*at as usize)?.before))
    }

    fn front(&self, queue: Queue) -> Option<(u32, Touch)> {
        self.ends
            .get(queue as usize)
            .and_then(|(front, _)| self.node(*front))
    }

    fn node(&self, at: u32) -> Option<(u32, Touch)> {
        self.nodes.get(at as usize).map(|node| (at, node.last))
    }
}

#[cfg(test)]
mod tests {
    use super::{Queue, Queues, RIPE, Touch};
    use crate::base::{SECOND, Timestamp};

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    fn touch(seconds: i64) -> Touch {
        let (time, order) = (at(seconds), seconds.unsigned_abs());
        Touch { time, order }
    }

    #[test]
    fn a_refreshed_flow_waits_anew() {
        let mut queues = Queues::default();
        queues.touch(0, Queue::Closing, touch(0));
        queues.touch(1, Queue::Closing, touch(1));
        queues.touch(0, Queue::Closing, touch(2));
        assert_eq!(queues.due(at(2), &RIPE), None);
        assert_eq!(queues.due(at(3), &RIPE), Some((1, Queue::Closing, 1)));
        queues.remove(1);
        assert_eq!(queues.due(at(3), &RIPE), None);
        assert_eq!(queues.due(at(4), &RIPE), Some((0, Queue::Closing, 2)));
    }

    #[test]
    fn the_oldest_of_all_lists_leaves_first() {
        let mut queues = Queues::default();
        queues.touch(3, Queue::Open, touch(5));
        queues.touch(4, Queue::HalfOpen, touch(2));
        queues.touch(5, Queue::Closing, touch(9));
        assert_eq!(queues.oldest(), Some(4));
        queues.touch(4, Queue::Open, touch(10));
        assert_eq!(queues.oldest(), Some(3));
        assert_eq!(queues.latest(Queue::Open).collect::<Vec<_>>(), [4, 3]);
        assert_eq!(queues.latest(Queue::HalfOpen).next(), None);
    }
}
