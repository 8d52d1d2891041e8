//! Where the intake's finds go: what it saw itself, and what concerns one connection alone.
//!
//! It exists so that the intake need not know whether the connections are kept beside it or by shards in other threads. Whoever
//! stands here numbers what it gets in the order in which it gets it; it must not lose or exchange anything.

use super::door::Input;
use super::shard::Shard;
use super::sighting::Sighting;
use crate::base::{Mark, SourceId, Timestamp};
use crate::proto::Service;
use crate::wire::{Icmp, Ip, Link, Quote, Tcp};

/// When a frame was captured.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Which frame, and its time.
    pub mark: Mark,
    /// The source that opened its world.
    pub world: SourceId,
    /// The latest time of any frame by then.
    pub now: Timestamp,
}

/// What all connections have to know.
#[derive(Debug)]
pub enum Told {
    /// A source is a further part of a world.
    Join(SourceId, SourceId),
    /// What is spoken on a port, unless it was assigned.
    Suggest(u16, Service),
    /// Text of a key log.
    Secrets(Vec<u8>),
    /// No source is open any more.
    Forget,
}

/// Takes what the intake finds, in order.
pub trait Onward {
    /// Whether a frame in which a [glance](crate::wire::glance) shows a segment is to come as it is, since it is taken apart later.
    const TAKES_APART: bool;

    /// Something was seen.
    fn hear(&mut self, sighting: Sighting);
    /// A plain frame that holds a segment, with its two ports; only where frames are [taken apart](Onward::TAKES_APART).
    fn plain(&mut self, when: &When, frame: &Input<'_>, ports: (u16, u16));
    /// A segment. `frame`: the frame that it can be read from once more; `None` when its datagram came in fragments.
    fn segment(
        &mut self,
        when: &When,
        frame: Option<&Input<'_>>,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    );
    /// An ICMP error that may be about a connection.
    fn error(&mut self, when: &When, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote);
    /// What is ripe by that time is to be told.
    fn tick(&mut self, now: Timestamp);
    /// Everything that is open is to be told.
    fn drain(&mut self);
    /// Something that all connections have to know.
    fn tell(&mut self, told: Told);
}

/// All connections are kept here, and what they show is told at once.
pub struct Here<'a> {
    /// Who keeps them.
    pub shard: &'a mut Shard,
    /// Who hears.
    pub seen: &'a mut dyn FnMut(Sighting),
}

impl Onward for Here<'_> {
    const TAKES_APART: bool = false;

    fn plain(&mut self, _: &When, _: &Input<'_>, _: (u16, u16)) {}

    fn hear(&mut self, sighting: Sighting) {
        (self.seen)(sighting);
    }

    #[inline]
    fn segment(&mut self, when: &When, _: Option<&Input<'_>>, link: &Link, ip: &Ip, tcp: &Tcp<'_>) {
        let Here { shard, seen } = self;
        let order = shard.next();
        shard.segment(order, when, link, ip, tcp, &mut |_, sighting| {
            seen(sighting);
        });
    }

    fn error(&mut self, when: &When, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) {
        let Here { shard, seen } = self;
        shard.error(when, ip, icmp, quote, &mut |_, sighting| seen(sighting));
    }

    fn tick(&mut self, now: Timestamp) {
        let Here { shard, seen } = self;
        shard.tick(now, &mut |_, sighting| seen(sighting));
    }

    fn drain(&mut self) {
        let Here { shard, seen } = self;
        shard.drain(&mut |_, sighting| seen(sighting));
    }

    fn tell(&mut self, told: Told) {
        self.shard.tell(&told);
    }
}
