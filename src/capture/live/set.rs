//! All interfaces of a live run, as one stream of frames in the order of time.
//!
//! Frames of one interface are handed on from the kernel's ring without a copy. Those of several wait a moment in memory,
//! because each interface hands over what it has at a time of its own. They are counted over all interfaces, from 1, as
//! Wireshark counts those of the file that is written of them. What `any` hands over is told apart by the interface that
//! its frames name.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::any::AnyInterfaces;
use super::clock::LiveClock;
use super::error::LiveError;
use super::filter::FilterPlan;
use super::handle::{Handle, Pause, State};
use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::capture::{Frame, Interface};

/// Frames of one interface that are handed on before the others have their turn.
const TURN: usize = 4_096;
/// Drop counters and interfaces are looked at this often.
const CHECKED: Nanos = SECOND;
/// A frame of several interfaces waits so long for an earlier one of another.
const REORDER: Nanos = 120 * MILLISECOND;
/// At the end it is waited so long for what the kernel still holds: twice its time of delivery.
const LAST: Nanos = 100 * MILLISECOND;
/// What waits in the kernel's ring at the end is read for so long at the most.
const LONGEST: Nanos = 30 * SECOND;
/// Bytes that wait for their order at the most; beyond it they are handed on as they are.
const HELD: usize = 32 << 20;

/// What to capture.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of interfaces; `any` for all.
    pub interfaces: Vec<String>,
    /// What the kernel lets through.
    pub filter: FilterPlan,
    /// The kernel's ring of each interface, in bytes.
    pub buffer: i32,
    /// The most bytes captured of a frame.
    pub snaplen: i32,
    /// Also what is meant for other machines.
    pub promiscuous: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            interfaces: Vec::new(),
            filter: FilterPlan::Everything,
            buffer: 64 << 20,
            snaplen: 262_144,
            promiscuous: true,
        }
    }
}

/// Frames as the kernel counted them since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Let through by the filter.
    pub received: u64,
    /// Of those, lost because they were not fetched in time.
    pub dropped: u64,
}

/// Who takes frames: each comes with all interfaces that are known by then, its own at [`Frame::interface`].
pub type Taker<'a> = dyn FnMut(&Frame<'_>, &[Interface]) + 'a;

/// Something that happened to the capture itself. Interfaces are numbered as [`Live::interfaces`] lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An interface went down.
    Down(usize),
    /// An interface does not exist any more.
    Gone(usize),
    /// It is back.
    Back(usize),
    /// The kernel dropped so many frames of an interface between two moments.
    Lost(usize, u64, Timestamp, Timestamp),
    /// Somebody set the wall clock by so much; times go on as if not.
    ClockSet(Nanos),
}

/// A frame that waits for its place.
struct Held {
    time: Timestamp,
    order: u64,
    interface: u32,
    link_type: u16,
    original_len: u32,
    data: Box<[u8]>,
}

/// A live capture.
pub struct Live {
    handles: Vec<Handle>,
    /// Of the handles, in their order, and then those that `any` showed so far.
    interfaces: Vec<Interface>,
    any: AnyInterfaces,
    clock: LiveClock,
    /// Frames handed on, of all interfaces.
    number: u64,
    held: Vec<Held>,
    held_bytes: usize,
    checked: Timestamp,
    /// Of each interface, as they were known last.
    dropped: Vec<u64>,
    latest: Timestamp,
}

impl Live {
    /// Opens all interfaces. Needs CAP_NET_RAW; nothing is read yet.
    pub fn open(options: &Options) -> Result<Live, LiveError> {
        let mut handles = Vec::with_capacity(options.interfaces.len());
        for name in &options.interfaces {
            handles.push(Handle::open(name, options)?);
        }
        let clock = LiveClock::start();
        let interfaces = handles
            .iter()
            .map(|handle| Interface {
                name: handle.name.as_str().into(),
                link_type: handle.link_type,
                snaplen: u32::try_from(options.snaplen).unwrap_or(0),
            })
            .collect();
        Ok(Live {
            handles,
            interfaces,
            any: AnyInterfaces::default(),
            clock,
            number: 0,
            held: Vec::new(),
            held_bytes: 0,
            checked: clock.now(),
            dropped: vec![0; options.interfaces.len()],
            latest: Timestamp(i64::MIN),
        })
    }

    /// The interfaces, in the order of their numbers: those that were opened, and behind them what `any` showed so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The time now, as frames carry it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the kernel counted, by interface that was opened.
    pub fn counts(&mut self) -> Vec<Counts> {
        self.handles.iter_mut().map(Handle::count).collect()
    }

    /// Waits for frames, at most so long, and hands on those that are there; then what happened to the capture itself.
    /// Returns how many frames were handed on.
    pub fn read(
        &mut self,
        patience: Duration,
        frames: &mut Taker<'_>,
        events: &mut Vec<Event>,
    ) -> usize {
        self.wait(patience);
        if let Some(jump) = self.clock.check() {
            events.push(Event::ClockSet(jump));
        }
        let before = self.number;
        let mut trouble = false;
        if self.handles.len() > 1 {
            trouble |= self.collect();
            self.hand_on(self.clock.now().plus(-REORDER), frames);
        } else {
            trouble |= self.pass_through(frames);
        }
        let now = self.clock.now();
        if trouble || now.since(self.checked) >= CHECKED {
            self.check(now, events);
        }
        usize::try_from(self.number.saturating_sub(before)).unwrap_or(usize::MAX)
    }

    /// At the end: what the kernel and the waiting room still hold.
    pub fn drain(&mut self, frames: &mut Taker<'_>, events: &mut Vec<Event>) {
        // The kernel hands over what came until now a little later, and there may be much of it; the wire does not stop.
        let stopped = self.clock.now();
        loop {
            let before = self.number.saturating_add(self.held.len() as u64);
            if self.handles.len() > 1 {
                self.collect();
                self.hand_on(self.clock.now().plus(-REORDER), frames);
            } else {
                self.pass_through(frames);
            }
            let after = self.number.saturating_add(self.held.len() as u64);
            let passed = self.clock.now().since(stopped);
            let over = after == before || self.latest > stopped;
            if passed >= LAST && over || passed >= LONGEST {
                break;
            }
            if after == before {
                self.wait(Duration::from_nanos(LAST.unsigned_abs() / 4));
            }
        }
        self.hand_on(Timestamp(i64::MAX), frames);
        self.check(self.clock.now(), events);
    }

    fn wait(&self, patience: Duration) {
        let mut fds: Vec<PollFd<'_>> = self
            .handles
            .iter()
            .filter(|handle| handle.state == State::Up)
            .map(|handle| PollFd::from_borrowed_fd(handle.fd(), PollFlags::IN))
            .collect();
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        // A signal ends the wait early, which is as good as a frame.
        let _ = poll(&mut fds, Some(&timeout));
    }

    /// One interface: from the ring to the caller. True when something is wrong with it.
    fn pass_through(&mut self, frames: &mut Taker<'_>) -> bool {
        let Some(handle) = self.handles.first_mut() else {
            return false;
        };
        let link_type = handle.link_type;
        let is_any = handle.is_any();
        let mut now = self.clock.now();
        for turn in 0..TURN {
            if turn % 64 == 63 {
                now = self.clock.now();
            }
            let raw = match handle.next() {
                Ok(raw) => raw,
                Err(Pause::Empty) => return false,
                Err(Pause::Trouble) => return true,
            };
            if raw.stamp > now {
                now = self.clock.now();
            }
            self.number = self.number.saturating_add(1);
            let time = self.clock.place(raw.stamp, now);
            self.latest = self.latest.max(time);
            let interface = match is_any {
                true => self.any.place(0, raw.data, &mut self.interfaces),
                false => 0,
            };
            let frame = Frame {
                number: self.number,
                interface,
                link_type,
                time,
                data: raw.data,
                original_len: raw.original_len,
                control: false,
                position: 0,
            };
            frames(&frame, &self.interfaces);
        }
        false
    }

    /// Several interfaces: into the waiting room.
    fn collect(&mut self) -> bool {
        let mut trouble = false;
        let mut order = self.number.saturating_add(self.held.len() as u64);
        for (place, handle) in self.handles.iter_mut().enumerate() {
            let link_type = handle.link_type;
            let is_any = handle.is_any();
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            for _ in 0..TURN {
                if self.held_bytes >= HELD {
                    break;
                }
                let raw = match handle.next() {
                    Ok(raw) => raw,
                    Err(Pause::Empty) => break,
                    Err(Pause::Trouble) => {
                        trouble = true;
                        break;
                    }
                };
                self.held_bytes = self.held_bytes.saturating_add(raw.data.len());
                let time = self.clock.place(raw.stamp, self.clock.now());
                self.latest = self.latest.max(time);
                let interface = match is_any {
                    true => self.any.place(place, raw.data, &mut self.interfaces),
                    false => place,
                };
                self.held.push(Held {
                    time,
                    order,
                    interface,
                    link_type,
                    original_len: raw.original_len,
                    data: raw.data.into(),
                });
                order = order.saturating_add(1);
            }
        }
        trouble
    }

    /// Hands on what waits and is not later than `until`; everything when there is too much.
    fn hand_on(&mut self, until: Timestamp, frames: &mut Taker<'_>) {
        self.held
            .sort_unstable_by_key(|held| (held.time, held.order));
        let ripe = match self.held_bytes >= HELD {
            true => self.held.len(),
            false => self.held.partition_point(|held| held.time <= until),
        };
        for held in self.held.drain(..ripe) {
            self.held_bytes = self.held_bytes.saturating_sub(held.data.len());
            self.number = self.number.saturating_add(1);
            let frame = Frame {
                number: self.number,
                interface: held.interface,
                link_type: held.link_type,
                time: held.time,
                data: &held.data,
                original_len: held.original_len,
                control: false,
                position: 0,
            };
            frames(&frame, &self.interfaces);
        }
    }

    /// Drop counters and the state of the interfaces.
    fn check(&mut self, now: Timestamp, events: &mut Vec<Event>) {
        // A frame may have been lost since the last one that was read was captured.
        let from = self.checked.min(self.latest.max(Timestamp(0)));
        let counts = self.counts();
        for (place, (now_known, known)) in counts.iter().zip(&mut self.dropped).enumerate() {
            let more = now_known.dropped.saturating_sub(*known);
            if more > 0 {
                events.push(Event::Lost(place, more, from, now));
            }
            *known = now_known.dropped;
        }
        self.checked = now;
        for (place, handle) in self.handles.iter_mut().enumerate() {
            match handle.refresh() {
                Some(State::Up) => events.push(Event::Back(place)),
                Some(State::Down) => events.push(Event::Down(place)),
                Some(State::Gone) => events.push(Event::Gone(place)),
                None => {}
            }
        }
    }
}
