//! The engine in several threads: one reads, the caller's judges, and both keep connections while they would wait, as do further ones
//! where there are cores for them ([`Crew`]).
//!
//! ```text
//! reads: records, clocks, fragments, DNS ──┬─ batches ──► shard: connections ──┬── sightings ──► judges, in order
//!                                          ├─ batches ──► shard: connections ──┤
//!                                          └────────────── sightings ──────────┘
//! ```
//!
//! Everything goes in epochs: a bounded number of frames, for which each shard gets a batch and gives a list of what it saw, and the
//! reading thread a list of its own. The judge takes all lists of an epoch and hears them in the order of frames, whatever the
//! number of shards and threads; so the records are those of one thread. A bounded number of epochs is on its way; lists and batches go
//! back and are used again. Nobody waits for a lock.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::vec::Drain;

use super::crew::{Crew, Desk, Seen};
use super::{Ears, Reading, Sink};
use crate::base::{Foreign, SourceId, Timestamp};
use crate::capture::{Frame, Mapping, OpenError};
use crate::cli::aside;
use crate::engine::{Batch, Engine, Input, Judging, Onward, Place, Shard, Sighting, Told, When};
use crate::wire::{Icmp, Ip, Link, Quote, Tcp};

/// Frames of an epoch.
const EPOCH: usize = 512;
/// Sightings of the reading thread in an epoch, about.
const SEEN: usize = 512;
/// Bytes of frames that are copied in an epoch, about.
const COPIED: usize = 96 << 10;
/// Epochs on their way, from the reading thread to the judge.
const AHEAD: u64 = 6;

/// What the reading thread tells the judge.
enum Notice {
    Source(SourceId, Foreign),
    Begin(Timestamp),
    Seen(Sighting),
}

/// What the reading thread tells, with its place among all.
type Notices = Vec<(u64, Notice)>;

/// The way to a shard.
struct Way {
    batch: Batch,
    batches: Sender<Batch>,
    /// Batches that were worked off.
    empty: Receiver<Batch>,
}

/// The reading thread's way to all others.
pub struct Away<'a> {
    ways: Vec<Way>,
    notices: Notices,
    judge: Sender<Notices>,
    /// Lists that were heard.
    heard: Receiver<Notices>,
    crew: &'a Crew,
    /// Epochs that were sent.
    epochs: u64,
    order: u64,
    /// Frames of this epoch.
    frames: usize,
}

impl Away<'_> {
    /// The place of what comes next.
    fn next(&mut self) -> u64 {
        self.order = self.order.saturating_add(1);
        self.order
    }

    /// The epoch is over. Who judges is gone only when it panicked, which the scope of all threads tells.
    fn send(&mut self) {
        self.frames = 0;
        for way in &mut self.ways {
            let next = way.empty.try_recv().unwrap_or_default();
            let batch = mem::replace(&mut way.batch, next);
            let _ = way.batches.send(batch);
        }
        let next = self.heard.try_recv().unwrap_or_default();
        let notices = mem::replace(&mut self.notices, next);
        let _ = self.judge.send(notices);
        self.epochs = self.epochs.saturating_add(1);
        self.crew.sent();
    }

    /// As many epochs are on their way as may be: keeps connections until one is judged.
    fn keep(&self) {
        let full = || self.epochs.saturating_sub(self.crew.epochs()) >= AHEAD;
        while full() && !self.crew.is_over() {
            if !self.crew.help() {
                thread::park();
            }
        }
    }

    fn note(&mut self, notice: Notice) {
        let order = self.next();
        self.notices.push((order, notice));
    }

    #[inline]
    fn way(&mut self, ports: (u16, u16)) -> Option<&mut Way> {
        let shard = Shard::of(ports, self.ways.len());
        self.ways.get_mut(shard)
    }

    /// All shards hear of it.
    fn all(&mut self, mut hear: impl FnMut(&mut Batch)) {
        for way in &mut self.ways {
            hear(&mut way.batch);
        }
    }
}

impl Onward for Away<'_> {
    const TAKES_APART: bool = true;

    fn hear(&mut self, sighting: Sighting) {
        self.note(Notice::Seen(sighting));
    }

    #[inline]
    fn plain(&mut self, when: &When, frame: &Input<'_>, ports: (u16, u16)) {
        let order = self.next();
        if let Some(way) = self.way(ports) {
            way.batch.frame(order, when, frame);
        }
    }

    #[inline]
    fn segment(
        &mut self,
        when: &When,
        frame: Option<&Input<'_>>,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    ) {
        let order = self.next();
        let Some(way) = self.way((tcp.source_port, tcp.destination_port)) else {
            return;
        };
        match frame {
            Some(frame) => way.batch.frame(order, when, frame),
            None => way.batch.whole(order, when, link, ip, tcp),
        }
    }

    fn error(&mut self, when: &When, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) {
        let order = self.next();
        let ports = (
            quote.source_port.unwrap_or(0),
            quote.destination_port.unwrap_or(0),
        );
        if let Some(way) = self.way(ports) {
            way.batch.error(order, when, ip, icmp, quote);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let order = self.next();
        self.all(|batch| batch.tick(order, now));
    }

    fn drain(&mut self) {
        let order = self.next();
        self.all(|batch| batch.drain(order));
    }

    fn tell(&mut self, told: Told) {
        let told = Arc::new(told);
        self.all(|batch| batch.tell(&told));
    }
}

impl Ears for Away<'_> {
    fn source(&mut self, id: SourceId, name: Foreign) {
        self.note(Notice::Source(id, name));
    }

    fn mapped(&mut self, _: SourceId, _: Arc<Mapping>) {}

    fn refused(&mut self, error: &OpenError) {
        aside::say(&error);
    }

    fn begin(&mut self, first: Timestamp) {
        self.note(Notice::Begin(first));
    }

    #[inline]
    fn frame(&mut self, _: SourceId, _: &Frame<'_>) {
        self.frames = self.frames.saturating_add(1);
        let copied = |way: &Way| way.batch.bytes() > COPIED;
        if self.frames > EPOCH || self.notices.len() > SEEN || self.ways.iter().any(copied) {
            self.send();
            self.keep();
        }
    }

    fn wanted(&self) -> bool {
        self.crew.wanted()
    }
}

impl Drop for Away<'_> {
    /// What came last.
    fn drop(&mut self) {
        self.send();
    }
}

/// What a shard tells, as the judge gets it.
struct Teller {
    told: Receiver<Seen>,
    heard: Sender<Seen>,
}

/// One shard's list of an epoch, and what comes next of it.
struct List<'a> {
    next: Option<(Place, Sighting)>,
    rest: Drain<'a, (Place, Sighting)>,
}

/// The next of all lists, if it comes before `end`.
fn first(lists: &mut [List<'_>], end: u64) -> Option<Sighting> {
    let (_, list) = lists
        .iter_mut()
        .filter_map(|list| Some((list.next.as_ref()?.0, list)))
        .filter(|(place, _)| place.order < end)
        .min_by_key(|(place, _)| *place)?;
    let next = list.rest.next();
    let (_, sighting) = mem::replace(&mut list.next, next)?;
    Some(sighting)
}

/// Hears everything of an epoch in order.
fn hear(judging: &mut Judging, sink: &mut dyn Sink, notices: &mut Notices, told: &mut [Seen]) {
    let mut lists: Vec<List<'_>> = told
        .iter_mut()
        .map(|seen| {
            let mut rest = seen.drain(..);
            let next = rest.next();
            List { next, rest }
        })
        .collect();
    for (order, notice) in notices.drain(..) {
        while let Some(sighting) = first(&mut lists, order) {
            judging.hear(sighting, &mut |record| sink.record(record));
        }
        match notice {
            Notice::Source(id, name) => sink.source(id.0, &name),
            Notice::Begin(time) => sink.begin(time),
            Notice::Seen(sighting) => judging.hear(sighting, &mut |record| sink.record(record)),
        }
    }
    while let Some(sighting) = first(&mut lists, u64::MAX) {
        judging.hear(sighting, &mut |record| sink.record(record));
    }
}

/// What the judge waits for.
struct Arriving {
    notices: Receiver<Notices>,
    /// Lists that were heard.
    returned: Sender<Notices>,
    tellers: Vec<Teller>,
}

impl Arriving {
    /// Judges epoch after epoch until no more comes; keeps connections while none is ready.
    fn judge(self, crew: &Crew, judging: &mut Judging, sink: &mut dyn Sink) {
        let mut epoch = None;
        let mut lists = Vec::new();
        while !crew.is_over() {
            if epoch.is_none() {
                epoch = match self.notices.try_recv() {
                    Ok(notices) => Some(notices),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return,
                };
            }
            if epoch.is_some() {
                let missing = self.tellers.iter().skip(lists.len());
                lists.extend(missing.map_while(|teller| teller.told.try_recv().ok()));
            }
            let ready = lists.len() == self.tellers.len();
            if let Some(mut notices) = epoch.take_if(|_| ready) {
                hear(judging, sink, &mut notices, &mut lists);
                for (teller, list) in self.tellers.iter().zip(lists.drain(..)) {
                    let _ = teller.heard.send(list);
                }
                let _ = self.returned.send(notices);
                crew.judged(sink.wanted());
            } else if !crew.help() {
                thread::park();
            }
        }
    }
}

/// Ends all work when it goes, with a panic or without.
struct Ending<'a>(&'a Crew);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Lets `read` read in a thread of its own, and judges in this one; connections are kept in so many shards by both, and by `others`
/// threads that do nothing else.
pub fn many_sides<R: Send>(
    engine: Engine,
    sink: &mut dyn Sink,
    shards: usize,
    others: usize,
    read: impl FnOnce(&mut Reading<Away<'_>>) -> R + Send,
) -> R {
    let (intake, shard, mut judging) = engine.parts();
    let (judge, notices) = channel();
    let (returned, heard) = channel();
    let (mut ways, mut tellers, mut desks) = (Vec::new(), Vec::new(), Vec::new());
    for shard in shard.split(shards) {
        let (batches, work) = channel();
        let (worked, empty) = channel();
        let (tell, told) = channel();
        let (heard, again) = channel();
        desks.push(Desk::new(shard, work, worked, tell, again));
        ways.push(Way {
            batch: Batch::default(),
            batches,
            empty,
        });
        tellers.push(Teller { told, heard });
    }
    let arriving = Arriving {
        notices,
        returned,
        tellers,
    };
    let crew = &Crew::new(desks);
    thread::scope(|scope| {
        let ending = Ending(crew);
        // A machine that has no thread left for them goes without.
        let others = (0..others).filter_map(|_| {
            let other = thread::Builder::new().spawn_scoped(scope, || crew.keep());
            Some(other.ok()?.thread().clone())
        });
        crew.joined(others.collect());
        let reading = scope.spawn(move || {
            crew.reads();
            // The judge may wait when there is no one any more who would send.
            let _alarm = crew.alarm();
            let away = Away {
                ways,
                notices: Vec::new(),
                judge,
                heard,
                crew,
                epochs: 0,
                order: 0,
                frames: 0,
            };
            let result = read(&mut Reading::new(intake, away));
            while crew.help() {}
            result
        });
        arriving.judge(crew, &mut judging, sink);
        drop(ending);
        match reading.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
