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
use crate::base::Timestamp;
use crate::flow::Turn;
use crate::wire::{Icmp, Ip, Link, Net, Quote, Tcp, Transport, dissect};

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

enum Task {
    Frame(Again),
    Whole(u64, Box<Whole>),
    Error(u64, Box<(When, Ip, Icmp<'static>, Quote)>),
    Tick(u64, Timestamp),
    Drain(u64),
    Tell(Arc<Told>),
}

/// Work for one shard, in order.
#[derive(Default)]
pub struct Batch {
    tasks: Vec<Task>,
    bytes: Vec<u8>,
}

impl Batch {
    /// Bytes of frames that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing is in it any more.
    pub fn clear(&mut self) {
        self.tasks.clear();
        self.bytes.clear();
    }

    /// A segment in a frame.
    #[inline]
    pub fn frame(&mut self, order: u64, when: &When, frame: &Input<'_>) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(frame.data);
        self.tasks.push(Task::Frame(Again {
            order,
            when: *when,
            at,
            // A frame is at most some 256 kB.
            len: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
            original_len: frame.original_len,
            link_type: frame.link_type,
        }));
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
        self.tasks.push(Task::Whole(order, Box::new(whole)));
    }

    /// An ICMP error.
    pub fn error(&mut self, order: u64, when: &When, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) {
        let error = Icmp { body: &[], ..*icmp };
        let error = Box::new((*when, *ip, error, *quote));
        self.tasks.push(Task::Error(order, error));
    }

    /// What is ripe by then is to be told.
    pub fn tick(&mut self, order: u64, now: Timestamp) {
        self.tasks.push(Task::Tick(order, now));
    }

    /// Everything that is open is to be told.
    pub fn drain(&mut self, order: u64) {
        self.tasks.push(Task::Drain(order));
    }

    /// Something that all connections have to know.
    pub fn tell(&mut self, told: &Arc<Told>) {
        self.tasks.push(Task::Tell(Arc::clone(told)));
    }

    /// Does the work; `seen` gets what was seen, in order.
    pub fn work(&self, shard: &mut Shard, seen: &mut Vec<(Place, Sighting)>) {
        for task in &self.tasks {
            match task {
                Task::Frame(again) => {
                    let Again {
                        order,
                        when,
                        at,
                        len,
                        original_len,
                        link_type,
                    } = again;
                    let data = self.bytes.get(*at..at.saturating_add(*len as usize));
                    let packet = dissect(*link_type, data.unwrap_or_default(), *original_len);
                    if let (Net::Ip(ip), Transport::Tcp(tcp)) = (&packet.net, &packet.transport) {
                        let hear = &mut placed(*order, seen);
                        shard.segment(*order, when, &packet.link, ip, tcp, hear);
                    }
                }
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
}

/// Keeps what is seen with its place.
fn placed(order: u64, seen: &mut Vec<(Place, Sighting)>) -> impl FnMut(Turn, Sighting) + use<'_> {
    move |turn, sighting| seen.push((Place { order, turn }, sighting))
}
