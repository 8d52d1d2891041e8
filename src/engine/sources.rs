//! Inputs as the engine knows them: their worlds and their counts.
//!
//! A source counts its frames. Parts of one recording and merged inputs are sources of one world; with the last of a world
//! everything in it is judged. It reads nothing.

use super::clock::WorldClock;
use super::intake::Intake;
use super::link_view::LinkView;
use super::onward::{Onward, Told};
use super::sighting::{Closed, Sighting};
use crate::base::{Foreign, Mark, SourceId, Timestamp};
use crate::wire::{Stop, StopReason};

/// What a source says at its end.
#[derive(Clone, Debug, Default)]
pub struct SourceEnd {
    /// Frames that the capturing machine says it lost.
    pub dropped: u64,
    /// What could not be read.
    pub damage: Option<String>,
    /// What the reader has to know of how it came to be: what was not permitted, whose way was measured.
    pub notes: Vec<String>,
}

/// What is counted of a source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl Counts {
    pub(super) fn see(&mut self, time: Timestamp, len: u32) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(len));
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

/// An input on the side of the intake.
pub(super) struct Seen {
    pub(super) counts: Counts,
    pub(super) link: LinkView,
    closed: bool,
    /// The source that opened its world; itself unless it is a further part.
    pub(super) world: SourceId,
    /// Of the one that opened a world: its sources that are open, and how far it was watched.
    parts_open: usize,
    pub(super) clock: WorldClock,
    /// That time is news to the judging half.
    pub(super) moved: bool,
    /// Of the one that opened a world: segments of it that may be of mail are cut before their flags.
    pub(super) cut_segments: bool,
    /// Frames of it that were lost, as far as it was told when.
    lost: u64,
    /// Frames of it of which not even the network layer could be read, and why the first of them could not.
    unread: (u64, Option<Stop>),
}

impl Seen {
    /// A frame of the world.
    pub(super) fn see(&mut self, mark: Mark) {
        self.clock.see(mark);
        self.moved = true;
    }

    /// A frame of it ended before its network layer: cut by the snap length, or of a link type that is not read. What is readable and not
    /// IP is none.
    #[cold]
    pub(super) fn misses(&mut self, stop: Stop) {
        let unread = match stop.reason {
            StopReason::Snaplen => true,
            StopReason::Unsupported(_) => matches!(stop.layer, "frame" | "pktap"),
            StopReason::Malformed | StopReason::TooDeep => false,
        };
        if unread {
            let (count, first) = &mut self.unread;
            *count = count.saturating_add(1);
            first.get_or_insert(stop);
        }
    }

    /// Why nothing of it could be read, where nothing could.
    fn unreadable(&self) -> Option<String> {
        let (count, first) = self.unread;
        let stop = first.filter(|_| count == self.counts.packets)?;
        let why = match stop.reason {
            StopReason::Unsupported(number) => {
                format!("link type {number} is none that mxray reads")
            }
            _ => "the snap length cut them before their IP header".to_owned(),
        };
        Some(match count {
            1 => format!("its only frame cannot be read: {why}"),
            _ => format!("none of its {count} frames can be read: {why}"),
        })
    }

    /// The world was watched until that time.
    pub(super) fn reach(&mut self, time: Timestamp) {
        self.clock.reach(time);
        self.moved = true;
    }
}

impl Intake {
    /// Announces an input; its frames carry the number returned. `world`: a source that is open yet and of whose world it is a
    /// further part, with frame numbers of its own; connections, look-ups and neighbours go on in it. When that world is over, it
    /// opens one of its own.
    pub fn open(
        &mut self,
        world: Option<SourceId>,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
        out: &mut impl Onward,
    ) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        let mut own = Seen {
            counts: Counts::default(),
            link: LinkView::default(),
            closed: false,
            world: id,
            parts_open: 1,
            clock: WorldClock::default(),
            moved: false,
            cut_segments: false,
            lost: 0,
            unread: (0, None),
        };
        if let Some(world) = world.map(|part| self.world(part))
            && let Some(root) = self.sources.get_mut(world.0 as usize)
            && root.parts_open > 0
        {
            root.parts_open = root.parts_open.saturating_add(1);
            own.world = world;
            own.parts_open = 0;
            out.tell(Told::Join(id, world));
        }
        out.hear(Sighting::Opened {
            id,
            world: own.world,
            kind,
            name,
            format,
        });
        self.sources.push(own);
        id
    }

    /// The capturing machine lost `count` frames of that source after `from` and before `to`: what was silent meanwhile may
    /// have been answered.
    pub fn lost(
        &mut self,
        id: SourceId,
        (from, to): (Timestamp, Timestamp),
        count: u64,
        out: &mut impl Onward,
    ) {
        if let Some(source) = self.sources.get_mut(id.0 as usize).filter(|_| count > 0) {
            source.lost = source.lost.saturating_add(count);
            out.hear(Sighting::Dropped(Some((from, to))));
        }
    }

    /// Nothing more came of that source until `time`, although it was watched: its silence goes that far.
    pub fn watched(&mut self, id: SourceId, time: Timestamp) {
        let world = self.world(id);
        if let Some(root) = self
            .sources
            .get_mut(world.0 as usize)
            .filter(|root| root.clock.runs())
        {
            root.reach(time);
        }
    }

    /// The source that opened the world of this one.
    pub(super) fn world(&self, source: SourceId) -> SourceId {
        self.sources
            .get(source.0 as usize)
            .map_or(source, |source| source.world)
    }

    /// The source ends. With the last of its world everything is judged with what is known now.
    pub fn close_source(&mut self, id: SourceId, mut end: SourceEnd, out: &mut impl Onward) {
        if self
            .sources
            .get(id.0 as usize)
            .is_none_or(|source| source.closed)
        {
            return;
        }
        let told = self
            .sources
            .get(id.0 as usize)
            .map_or(0, |source| source.lost);
        if end.dropped > told {
            out.hear(Sighting::Dropped(None));
        }
        let world = self.world(id);
        let over = self
            .sources
            .get(world.0 as usize)
            .is_none_or(|root| root.parts_open <= 1);
        if over {
            self.drain(out);
        }
        let mut link = None;
        if let Some(root) = self.sources.get_mut(world.0 as usize) {
            root.parts_open = root.parts_open.saturating_sub(1);
            link = over.then(|| root.link.clone());
        }
        let Some(source) = self.sources.get_mut(id.0 as usize) else {
            return;
        };
        source.closed = true;
        let unreadable = source.unreadable();
        let read = source.counts.packets > 0 && unreadable.is_none();
        end.damage = end.damage.or(unreadable);
        let counts = source.counts;
        let last = self.sources.iter().all(|source| source.closed);
        out.hear(Sighting::Closed(Box::new(Closed {
            id,
            end,
            counts,
            read,
            over: link,
            evicted: self.fragments.counts().evicted,
            last,
        })));
        if last {
            self.forget(out);
        }
    }

    /// Everything that is open is over now.
    pub(super) fn drain(&mut self, out: &mut impl Onward) {
        self.horizons(out);
        out.hear(Sighting::Drain);
        out.drain();
        out.hear(Sighting::Drained);
    }

    /// Tells the judging half which worlds' latest times are later now.
    pub(super) fn horizons(&mut self, out: &mut impl Onward) {
        for (id, source) in (0..).zip(&mut self.sources) {
            if std::mem::take(&mut source.moved) {
                out.hear(Sighting::Horizon(SourceId(id), source.clock));
            }
        }
    }
}
