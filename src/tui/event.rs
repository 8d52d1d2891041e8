//! What comes into the user interface, and what it asks of whoever opened it.
//!
//! The same words for a file, an interface, the lab and a probe: the interface never knows more of its
//! source than what stands here. Frames do not come this way: they go into [`super::Frames`].

use std::net::IpAddr;
use std::sync::mpsc;

use crate::base::{Foreign, Timestamp};
use crate::engine::record::Record;

/// Something happened.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // records are what this is about
pub enum Event {
    /// An input was opened.
    Source {
        /// Its number, as records name it.
        id: u32,
        /// Its name.
        name: Foreign,
        /// A probe that was ordered from the view: its records are shown, and count in nothing that is told of the run.
        beside: bool,
    },
    /// A record of the engine. One whose verdict is provisional is replaced by a later one with the same number.
    Record(Record),
    /// How far the capture has come: the time of its latest frame, or of the clock when none comes.
    Clock(Timestamp),
    /// What the capture itself counts; about once a second.
    Stats(Stats),
    /// The kernel has dropped frames of a source: how many since the start.
    Dropped {
        /// Its number.
        id: u32,
        /// Frames.
        count: u64,
    },
    /// A probe of a server is over.
    Probed {
        /// The server's address, as records write it.
        server: String,
        /// What it found, in one sentence.
        found: String,
    },
    /// Something that the user must know: an interface went down, the clock jumped.
    Notice {
        /// When.
        time: Timestamp,
        /// One sentence.
        text: String,
    },
    /// What is being done, in a few words; none when it is over.
    Doing(String),
    /// Where a replay stands.
    Playback(Playback),
    /// What a replay will show: its span and its deaths.
    Timeline(Timeline),
    /// A replay begins again from its start: everything that was told before is void.
    Restart,
    /// Nothing more comes.
    End,
}

/// What the capture counts, from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames taken.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames that the kernel or the interface dropped before mxray saw them.
    pub dropped: u64,
    /// Bytes of memory that the process holds; `None` when not known.
    pub memory: Option<u64>,
}

/// How fast a replay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// So many times as fast as it was, 1 to 100,000.
    Times(u32),
    /// As fast as it can be read.
    Max,
}

impl Speed {
    const LADDER: [u32; 10] = [1, 2, 5, 10, 20, 50, 100, 500, 2_000, 10_000];

    /// The next higher step.
    pub fn faster(self) -> Speed {
        match self {
            Speed::Max => Speed::Max,
            Speed::Times(now) => match Speed::LADDER.iter().find(|step| **step > now) {
                Some(step) => Speed::Times(*step),
                None => Speed::Max,
            },
        }
    }

    /// The next lower step.
    pub fn slower(self) -> Speed {
        match self {
            Speed::Max => Speed::Times(10_000),
            Speed::Times(now) => {
                let below = Speed::LADDER.iter().rev().find(|step| **step < now);
                Speed::Times(below.copied().unwrap_or(1))
            }
        }
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Speed::Times(times) => write!(f, "{times}x"),
            Speed::Max => f.write_str("max"),
        }
    }
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        let number = text.strip_suffix('x').unwrap_or(text);
        match number.parse() {
            Ok(times @ 1..=100_000) => Ok(Speed::Times(times)),
            _ => Err("write it as 1x, 20x … 100000x, or max".to_owned()),
        }
    }
}

/// Where a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playback {
    /// It stands still.
    pub paused: bool,
    /// How fast it runs when it does not.
    pub speed: Speed,
    /// Frames played.
    pub frames: u64,
    /// It has come to its end.
    pub ended: bool,
    /// It can go back: its inputs can be read again.
    pub rewinds: bool,
}

/// A replay's span and deaths, for its time bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// First frame.
    pub first: Timestamp,
    /// Last frame.
    pub last: Timestamp,
    /// What died, in the order of telling; policy refusals left out; bounded by whoever makes it.
    pub deaths: Vec<Death>,
}

/// A death on the time bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Death {
    /// When it died: where it is marked.
    pub at: Timestamp,
    /// When that was judged: where a jump to it leads, since the record is there then.
    pub told: Timestamp,
}

/// What the user wants of whoever opened the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Replay: stand still, or go on.
    Pause(bool),
    /// Replay: one frame, then stand still.
    Step,
    /// Replay: another speed.
    Speed(Speed),
    /// Replay: go to that time, forwards or backwards.
    Seek(Timestamp),
    /// Probe that server; the user has seen what will be sent and said yes.
    Probe(ProbeTarget),
    /// The user leaves: the sender may stop.
    Quit,
}

/// A server that the user wants probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// The service that is spoken there.
    pub service: &'static str,
    /// Its name, where one is known.
    pub name: Option<Foreign>,
}

/// Where events are sent; every producer has a clone. It has room for a bounded number of them.
#[derive(Clone, Debug)]
pub struct Sender(tokio::sync::mpsc::Sender<Event>);

/// Nobody listens any more: the user has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What became of an event that could not wait.
#[derive(Clone, Debug)]
pub enum NotSent {
    /// There is no room: the event comes back.
    Full(Box<Event>),
    /// Nobody listens any more.
    Gone,
}

impl Sender {
    /// Sends, and waits for room. Not to be called on an async runtime's thread.
    pub fn send(&self, event: Event) -> Result<(), Gone> {
        self.0.blocking_send(event).map_err(|_| Gone)
    }

    /// Sends when there is room.
    pub fn try_send(&self, event: Event) -> Result<(), NotSent> {
        use tokio::sync::mpsc::error::TrySendError;
        self.0.try_send(event).map_err(|error| match error {
            TrySendError::Full(event) => NotSent::Full(Box::new(event)),
            TrySendError::Closed(_) => NotSent::Gone,
        })
    }

    /// Whether nobody listens any more.
    pub fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// Where events come from.
#[derive(Debug)]
pub struct Receiver(pub(super) tokio::sync::mpsc::Receiver<Event>);

impl Receiver {
    /// Waits for the next event, for who has no interface; `None` when nobody sends any more.
    pub fn wait(&mut self) -> Option<Event> {
        self.0.blocking_recv()
    }
}

/// A way for events with room for `capacity` of them.
pub fn events(capacity: usize) -> (Sender, Receiver) {
    let (sender, receiver) = tokio::sync::mpsc::channel(capacity.max(1));
    (Sender(sender), Receiver(receiver))
}

/// The way back: what the user wants. Only keys fill it, so it needs no bound.
pub fn controls() -> (mpsc::Sender<Control>, mpsc::Receiver<Control>) {
    mpsc::channel()
}

#[cfg(test)]
mod tests {
    use super::Speed;

    #[test]
    fn speeds_are_read_and_stepped() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("20x".parse(), Ok(Speed::Times(20)));
        assert_eq!("3".parse(), Ok(Speed::Times(3)));
        assert!("0x".parse::<Speed>().is_err());
        assert!("fast".parse::<Speed>().is_err());
        assert_eq!(Speed::Times(3).faster(), Speed::Times(5));
        assert_eq!(Speed::Times(10_000).faster(), Speed::Max);
        assert_eq!(Speed::Max.slower(), Speed::Times(10_000));
        assert_eq!(Speed::Times(1).slower(), Speed::Times(1));
    }
}
