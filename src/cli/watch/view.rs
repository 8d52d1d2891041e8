//! The live view of a run: what the session learns becomes its events, what the user wants becomes orders.
//!
//! The view has a thread of its own; the session stays where it is. Nothing of the view may hold up the capture for long:
//! what can be said again is left out when there is no room.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::Receiver;

use crate::base::{Foreign, SourceId, Timestamp, ip_text};
use crate::capture::Frame;
use crate::engine::record::Record;
use crate::tui::{Control, Event, Frames, ProbeTarget, Sender, Stats};

/// The session's end of the view.
pub struct View {
    events: Sender,
    frames: Frames,
    controls: Receiver<Control>,
    stats: Stats,
    /// Frames that the kernel dropped, by interface.
    dropped: BTreeMap<SourceId, u64>,
    left: bool,
    /// Servers that the user wants probed.
    wanted: Vec<ProbeTarget>,
    doing: bool,
}

impl View {
    pub fn new(events: Sender, frames: Frames, controls: Receiver<Control>) -> View {
        View {
            events,
            frames,
            controls,
            stats: Stats::default(),
            dropped: BTreeMap::new(),
            left: false,
            wanted: Vec::new(),
            doing: false,
        }
    }

    /// Says what must arrive.
    fn send(&mut self, event: Event) {
        self.left |= self.events.send(event).is_err();
    }

    /// A source of the run; one whose frames are counted together with those of `first`, if it is another.
    pub fn source(&mut self, id: SourceId, name: Foreign, first: SourceId) {
        if id != first {
            self.frames.together(id, first);
        }
        self.send(Event::Source {
            id: id.0,
            name,
            beside: false,
        });
    }

    /// A probe that was ordered from the view, as an input beside those of the run.
    pub fn beside(&mut self, id: SourceId, name: Foreign) {
        self.send(Event::Source {
            id: id.0,
            name,
            beside: true,
        });
    }

    /// Keeps a frame for drawing and saving.
    pub fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        self.stats.packets = self.stats.packets.saturating_add(1);
        self.stats.bytes = self
            .stats
            .bytes
            .saturating_add(u64::from(frame.original_len));
        self.frames.add(source, frame, None);
    }

    /// Keeps a frame of a probe: the capture does not count it.
    pub fn own_frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        self.frames.add(source, frame, None);
    }

    /// What is being done; nothing when it is over.
    pub fn doing(&mut self, what: Option<String>) {
        if std::mem::replace(&mut self.doing, what.is_some()) || what.is_some() {
            self.send(Event::Doing(what.unwrap_or_default()));
        }
    }

    /// Servers that the user wants probed since this was asked last.
    pub fn wanted(&mut self) -> Vec<ProbeTarget> {
        self.heed();
        std::mem::take(&mut self.wanted)
    }

    /// Hears what the user wants. Live time cannot be paused or sought.
    fn heed(&mut self) {
        for control in self.controls.try_iter() {
            match control {
                Control::Quit => self.left = true,
                Control::Probe(target) => self.wanted.push(target),
                _ => {}
            }
        }
    }

    /// A probe of a server is over, and what it found.
    pub fn probed(&mut self, server: IpAddr, found: String) {
        self.send(Event::Probed {
            server: ip_text(server),
            found,
        });
    }

    /// A record, the last of its number or not.
    pub fn record(&mut self, record: &Record) {
        self.send(Event::Record(record.clone()));
    }

    /// Something that the user must know.
    pub fn notice(&mut self, time: Timestamp, text: String) {
        self.send(Event::Notice { time, text });
    }

    /// How far it has come.
    pub fn clock(&mut self, now: Timestamp) {
        // The next word about it comes at once.
        let _ = self.events.try_send(Event::Clock(now));
    }

    /// What the kernel dropped of an interface since the start.
    pub fn dropped(&mut self, source: SourceId, count: u64) {
        let known = self.dropped.insert(source, count).unwrap_or(0);
        if count > known {
            let id = source.0;
            self.send(Event::Dropped { id, count });
        }
    }

    /// Counters, about once a second.
    pub fn stats(&mut self) {
        self.stats.dropped = self.dropped.values().sum();
        self.stats.memory = resident();
        let _ = self.events.try_send(Event::Stats(self.stats));
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.send(Event::End);
    }

    /// Whether the user has left.
    pub fn has_left(&mut self) -> bool {
        self.heed();
        self.left |= self.events.is_gone();
        self.left
    }
}

/// Bytes of memory that this process holds (proc(5), `VmRSS`).
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}
