//! Work for a shard, as it goes from the thread that reads to the one that keeps the shard's connections.
//!
//! It holds a copy of each frame's bytes, made while they are in the cache of who read them; the shard takes the frame apart once
//! more, which costs less than to carry what was found. What was seen comes back with its place in the order of everything, so that the lists
//! of several shards become one again. A batch is used again when it was worked off; nothing is allocated for a frame. It knows no
//! thread and no channel.

use std::sync::Arc;

use super::door::Input;
use super::onward::{Told, When};
use super::shard::Shard;
use super::sighting::Sighting;
use crate::base::{Timestamp, foresee};
use crate::flow::Turn;
use crate::wire::{Icmp, Ip, Link, Net, Quote, Tcp, Transport, dissect};

/// Room for so many bytes of frames is made at once.
const BYTES: usize = 32 << 10;
/// Bytes of what comes next that are asked for: a frame's headers up to its TCP options.
const AHEAD: usize = 128;

/// Where something that was seen stands in the order of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of what showed it.
    pub order: u64,
    /// Among what the same showed.
    pub turn: Turn,
}

/// A frame that is to be read again.
struct Again {
    order: u64,
    when: When,
    /// From the start of the bytes of the batch.
    at: usize,
    len: u32,
    original_len: u32,
    link_type: u16,
}

/// A segment out of fragments.
struct Whole {
    when: When,
    link: Link,
    ip: Ip,
    header: Tcp<'static>,
    payload: Vec<u8>,
}

/// What is not a frame.
enum Task {
    Whole(u64, Box<Whole>),
    Error(u64, Box<(When, Ip, Icmp<'static>, Quote)>),
    Tick(u64, Timestamp),
    Drain(u64),
    Tell(Arc<Told>),
}

/// Work for one shard, in order.
#[derive(Default)]
pub struct Batch {
    frames: Vec<Again>,
    /// What else is to be done, and how many frames come before it.
    tasks: Vec<(usize, Task)>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Bytes of frames that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing is in it any more.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.tasks.clear();
        self.bytes.clear();
    }

    /// A segment in a frame.
    #[inline]
    pub fn frame(&mut self, order: u64, when: &When, frame: &Input<'_>) {
        let at = self.bytes.len();
        if self.bytes.capacity() - at < frame.data.len() {
            self.bytes.reserve_exact(frame.data.len().max(BYTES));
        }
        self.bytes.extend_from_slice(frame.data);
        self.frames.push(Again {
            order,
            when: *when,
            at,
            // A frame is at most some 256 kB.
            len: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
            original_len: frame.original_len,
            link_type: frame.link_type,
        });
    }

    fn task(&mut self, task: Task) {
        self.tasks.push((self.frames.len(), task));
    }

    /// A segment that came in fragments.
    pub fn whole(&mut self, order: u64, when: &When, link: &Link, ip: &Ip, tcp: &Tcp<'_>) {
        let whole = Whole {
            when: *when,
            link: link.clone(),
            ip: *ip,
            header: Tcp {
                payload: &[],
                ..*tcp
            },
            payload: tcp.payload.to_vec(),
        };
        self.task(Task::Whole(order, Box::new(whole)));
    }

    /// An ICMP error.
    pub fn error(&mut self, order: u64, when: &When, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) {
        let error = Icmp { body: &[], ..*icmp };
        let error = Box::new((*when, *ip, error, *quote));
        self.task(Task::Error(order, error));
    }

    /// What is ripe by then is to be told.
    pub fn tick(&mut self, order: u64, now: Timestamp) {
        self.task(Task::Tick(order, now));
    }

    /// Everything that is open is to be told.
    pub fn drain(&mut self, order: u64) {
        self.task(Task::Drain(order));
    }

    /// Something that all connections have to know.
    pub fn tell(&mut self, told: &Arc<Told>) {
        self.task(Task::Tell(Arc::clone(told)));
    }

    /// Does the work; `seen` gets what was seen, in order.
    pub fn work(&self, shard: &mut Shard, seen: &mut Vec<(Place, Sighting)>) {
        let mut frames = self.frames.iter();
        let mut before = 0_usize;
        for (after, task) in &self.tasks {
            for again in frames.by_ref().take(after.saturating_sub(before)) {
                self.frame_again(again, shard, seen);
            }
            before = *after;
            task.work(shard, seen);
        }
        for again in frames {
            self.frame_again(again, shard, seen);
        }
    }

    #[inline]
    fn frame_again(&self, again: &Again, shard: &mut Shard, seen: &mut Vec<(Place, Sighting)>) {
        let end = again.at.saturating_add(again.len as usize);
        let data = self.bytes.get(again.at..end).unwrap_or_default();
        // The headers of one of the next frames, which lie in the cache of who copied them.
        if let Some(headers) = self
            .bytes
            .get(end..)
            .and_then(|rest| rest.first_chunk::<AHEAD>())
        {
            foresee(headers);
        }
        let packet = dissect(again.link_type, data, again.original_len);
        if let (Net::Ip(ip), Transport::Tcp(tcp)) = (&packet.net, &packet.transport) {
            let order = again.order;
            let hear = &mut placed(order, seen);
            shard.segment(order, &again.when, &packet.link, ip, tcp, hear);
        }
    }
}

impl Task {
    fn work(&self, shard: &mut Shard, seen: &mut Vec<(Place, Sighting)>) {
        match self {
            Task::Whole(order, whole) => {
                let Whole {
                    when,
                    link,
                    ip,
                    header,
                    payload,
                } = &**whole;
                let tcp = Tcp { payload, ..*header };
                shard.segment(*order, when, link, ip, &tcp, &mut placed(*order, seen));
            }
            Task::Error(order, error) => {
                let (when, ip, icmp, quote) = &**error;
                shard.error(when, ip, icmp, quote, &mut placed(*order, seen));
            }
            Task::Tick(order, now) => shard.tick(*now, &mut placed(*order, seen)),
            Task::Drain(order) => shard.drain(&mut placed(*order, seen)),
            Task::Tell(told) => shard.tell(told),
        }
    }
}

/// Keeps what is seen with its place.
fn placed(order: u64, seen: &mut Vec<(Place, Sighting)>) -> impl FnMut(Turn, Sighting) + use<'_> {
    move |turn, sighting| seen.push((Place { order, turn }, sighting))
}
