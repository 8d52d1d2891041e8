//! The whole state of the interface, and how messages change it. It draws nothing and reads no clock.
//!
//! [`Model::update`] takes a message and says what is to be done outside; the event loop does it. Everything
//! that grows has a bound, and what left because of one is counted and shown.

mod ask;
mod causes;
mod detail;
mod filter;
mod hellos;
mod history;
mod keys;
mod list;
mod mouse;
mod order;
mod row;
mod store;
mod told;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ratatui::crossterm::event::{KeyEvent, MouseEvent};

pub use ask::Ask;
pub use causes::{Cause, Causes};
pub use detail::{Detail, SenderKind, Tab};
pub use filter::Filter;
pub use history::{Column, History};
pub use list::{Group, Line, List};
pub use order::Fold;
pub use row::{Bead, Key, RUNGS, Row, Subject};
pub use store::{Bounds, Store};

use super::draw;
use super::event::{Control, Event, Playback, Stats, Timeline};
use super::frames::KeptFrames;
use crate::base::{Foreign, Nanos, SECOND, Timestamp};
use crate::engine::record::{FindingRecord, PathRecord, SourceRecord, Summary};
use crate::present::{Clock, PathTable, path_tables, thousands};

/// Rows from which on the list is not sorted anew with every record, but a few times a second.
const MANY: usize = 2_000;
/// How often then.
const PATIENCE: Nanos = SECOND / 4;
/// How long a message stays in the last line.
const SAID: Nanos = 6 * SECOND;

/// What the interface was opened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An interface: time goes on by itself, and space freezes the view.
    Live,
    /// Files: there is a time bar, and space stops the replay.
    Replay,
    /// Something that runs once and is looked at: a lab scenario, a probe.
    Once,
}

/// How it looks.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours; without them shapes and words carry everything.
    pub color: bool,
    /// Nothing but ASCII reaches the terminal.
    pub ascii: bool,
    /// How times are told.
    pub clock: Clock,
}

/// What the model is told.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // short-lived
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// From the outside.
    Event(Event),
    /// Time passes; by the clock of this machine.
    Tick(Timestamp),
    /// The frames that were asked for.
    Frames(Key, KeptFrames),
    /// What became of something that was asked for, in one sentence.
    Said(String),
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Give the terminal back and leave.
    Quit,
    /// Give the terminal back and stop until somebody brings it back.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Tell the other side.
    Control(Control),
    /// Hand over the frames of a row.
    Load(Key),
    /// Write the frames of a row to a file.
    Save(Key),
    /// Put a text into the terminal's clipboard.
    Copy(String),
    /// Write a report to a file.
    Report,
    /// Take the mouse, or let the terminal have it.
    Mouse(bool),
}

/// Which screen is shown.
#[derive(Debug)]
pub enum Screen {
    /// The list of connections.
    List,
    /// One connection.
    Detail(Box<Detail>),
    /// Causes, servers, rates.
    Overview {
        /// The selected cause.
        cursor: usize,
    },
}

/// Counts of connections and look-ups by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Healthy.
    pub healthy: u64,
    /// Degraded.
    pub degraded: u64,
    /// Failed.
    pub failed: u64,
    /// Incomplete, or open.
    pub incomplete: u64,
    /// Of the failed and degraded: refused on purpose.
    pub refused: u64,
}

impl Counts {
    fn slot(&mut self, row: &Row) -> &mut u64 {
        match row.outcome() {
            "healthy" => &mut self.healthy,
            "degraded" => &mut self.degraded,
            "failed" => &mut self.failed,
            _ => &mut self.incomplete,
        }
    }

    fn add(&mut self, row: &Row) {
        *self.slot(row) += 1;
        self.refused += u64::from(row.is_policy());
    }

    fn take(&mut self, row: &Row) {
        let slot = self.slot(row);
        *slot = slot.saturating_sub(1);
        self.refused = self.refused.saturating_sub(u64::from(row.is_policy()));
    }
}

/// What the caller lets the user do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Files may be written.
    pub save: bool,
    /// Reports may be written.
    pub report: bool,
    /// Servers may be probed: what will be sent, in words.
    pub probe: Option<String>,
}

/// The state.
#[derive(Debug)]
pub struct Model {
    /// What it was opened on, in words: `replay outage.pcapng`.
    pub title: String,
    /// What it was opened on.
    pub kind: Kind,
    /// How it looks.
    pub look: Look,
    /// What the user may do.
    pub allowed: Allowed,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    /// This machine's time.
    pub wall: Timestamp,
    /// The capture's time.
    pub now: Timestamp,
    /// The rows.
    pub store: Store,
    /// What of them is shown.
    pub list: List,
    /// Root causes so far.
    pub causes: Causes,
    /// What happened when.
    pub history: History,
    /// Counts of all rows ever told.
    pub counts: Counts,
    /// Counts by server.
    pub servers: BTreeMap<String, Counts>,
    /// What belongs to no row.
    pub findings: Vec<FindingRecord>,
    /// Paths that a probe walked.
    pub paths: Vec<PathRecord>,
    /// What a probe found, by server.
    pub probed: BTreeMap<String, String>,
    /// Inputs that ended.
    pub sources: Vec<SourceRecord>,
    /// Names of inputs by number.
    pub source_names: BTreeMap<u32, Foreign>,
    /// Inputs that are probes ordered from here: shown, and counted nowhere.
    pub beside: BTreeSet<u32>,
    /// Frames that the kernel dropped, of inputs that lost any.
    pub dropped: BTreeMap<u32, u64>,
    /// The end's summary.
    pub summary: Option<Summary>,
    /// What was to be said, with its time.
    pub notices: VecDeque<(Timestamp, String)>,
    /// What the capture counts.
    pub stats: Stats,
    /// Frames of the store of frames that left, and bytes kept; told with every draw.
    pub frames: super::frames::FrameCounts,
    /// Packets in the second before `now`.
    pub rate: f64,
    /// Where a replay stands.
    pub playback: Option<Playback>,
    /// What a replay shows.
    pub timeline: Option<Timeline>,
    /// What is being done before anything can be shown, in words.
    pub doing: Option<String>,
    /// When the interface was opened, by this machine's clock.
    pub opened: Option<Timestamp>,
    /// Nothing more comes.
    pub ended: bool,
    /// The view stands still while events go on.
    pub frozen: bool,
    /// The capture's time when it was frozen.
    frozen_at: Option<Timestamp>,
    /// Which screen is shown.
    pub screen: Screen,
    /// The help, and how far it is scrolled.
    pub help: Option<usize>,
    /// What is asked of the user.
    pub ask: Option<Ask>,
    /// What was said last, and until when it stays.
    pub said: Option<(String, Timestamp)>,
    /// The terminal's mouse is ours.
    pub mouse: bool,
    /// The clicked line and when, for double clicks.
    clicked: Option<(usize, Timestamp)>,
    rate_from: Option<(Timestamp, u64)>,
    built: Timestamp,
    changed: bool,
}

impl Model {
    /// With nothing told yet.
    pub fn new(title: String, kind: Kind, look: Look, allowed: Allowed, bounds: Bounds) -> Model {
        Model {
            title,
            kind,
            look,
            allowed,
            size: (80, 24),
            wall: Timestamp(0),
            now: Timestamp(0),
            store: Store::new(bounds),
            list: List::new(),
            causes: Causes::default(),
            history: History::default(),
            counts: Counts::default(),
            servers: BTreeMap::new(),
            findings: Vec::new(),
            paths: Vec::new(),
            probed: BTreeMap::new(),
            sources: Vec::new(),
            source_names: BTreeMap::new(),
            beside: BTreeSet::new(),
            dropped: BTreeMap::new(),
            summary: None,
            notices: VecDeque::new(),
            stats: Stats::default(),
            frames: super::frames::FrameCounts::default(),
            rate: 0.0,
            playback: None,
            timeline: None,
            doing: None,
            opened: None,
            ended: false,
            frozen: false,
            frozen_at: None,
            screen: Screen::List,
            help: None,
            ask: None,
            said: None,
            mouse: true,
            clicked: None,
            rate_from: None,
            built: Timestamp(i64::MIN),
            changed: true,
        }
    }

    /// What the kernel dropped, in words; with several interfaces, of which.
    pub fn drops(&self) -> String {
        let said = format!("{} dropped", thousands(self.stats.dropped));
        if self.source_names.len() < 2 || self.dropped.is_empty() {
            return said;
        }
        let each: Vec<String> = self
            .dropped
            .iter()
            .filter_map(|(id, count)| {
                let name = self.source_names.get(id)?;
                Some(format!("{name} {}", thousands(*count)))
            })
            .collect();
        format!("{said} ({})", each.join(", "))
    }

    /// Whether what was told spans several days.
    pub fn spans_days(&self) -> bool {
        let day = |time| self.look.clock.day(time);
        let told = self.history.scale().map(|(start, _)| (start, self.now));
        let whole = self.timeline.as_ref().map(|one| (one.first, one.last));
        let mut spans = told.into_iter().chain(whole);
        spans.any(|(first, last)| day(first) != day(last))
    }

    /// What a probe walked to a row's server.
    pub fn path_tables(&self, row: &Row) -> Vec<PathTable> {
        let server = row.server_ip();
        let own: Vec<PathRecord> = self
            .paths
            .iter()
            .filter(|path| path.target == server)
            .cloned()
            .collect();
        path_tables(&own)
    }

    /// Takes a message and says what is to be done outside.
    pub fn update(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Key(key) => {
                // A key acts on what the keys before it asked for, whether that was drawn or not.
                self.rebuild();
                self.changed = true;
                self.key(key)
            }
            Message::Mouse(mouse) => {
                self.rebuild();
                self.mouse(mouse)
            }
            Message::Resize(columns, lines) => {
                self.size = (columns, lines);
                self.changed = true;
                Vec::new()
            }
            Message::Event(event) => self.event(event),
            Message::Tick(wall) => self.tick(wall),
            Message::Frames(key, frames) => {
                if let Screen::Detail(detail) = &mut self.screen
                    && detail.row.key == key
                {
                    detail.packets(&frames);
                    self.changed = true;
                }
                Vec::new()
            }
            Message::Said(text) => {
                self.say(text);
                Vec::new()
            }
        }
    }

    /// Whether something on screen may have changed since the last call; brings the list up to date first.
    pub fn settle(&mut self) -> bool {
        self.rebuild();
        let height = draw::list_height(self);
        self.list.scroll(height);
        std::mem::take(&mut self.changed)
    }

    /// Brings the list up to date, unless it is long and was a moment ago.
    fn rebuild(&mut self) {
        if !self.list.is_dirty() || self.frozen && !self.list.is_asked() {
            return;
        }
        let due = self.store.len() < MANY || self.wall.since(self.built) >= PATIENCE;
        if due || self.list.is_asked() {
            self.list.rebuild(&self.store);
            self.built = self.wall;
            self.changed = true;
        }
    }

    /// Whether the list waits for its turn to be sorted anew.
    pub fn is_behind(&self) -> bool {
        self.list.is_dirty() && !self.frozen
    }

    /// Says something in the last line for a while.
    pub fn say(&mut self, text: impl Into<String>) {
        self.said = Some((text.into(), self.wall.plus(SAID)));
        self.changed = true;
    }

    fn tick(&mut self, wall: Timestamp) -> Vec<Effect> {
        let second = wall.0.div_euclid(SECOND) != self.wall.0.div_euclid(SECOND);
        self.wall = wall;
        self.opened.get_or_insert(wall);
        if let Some((_, until)) = &self.said
            && *until <= wall
        {
            self.said = None;
            self.changed = true;
        }
        // Ages are told in seconds: the view of what goes on changes once a second even when nothing comes.
        let goes_on = matches!(self.kind, Kind::Live | Kind::Once);
        if goes_on && second && !self.frozen && !self.ended {
            self.changed = true;
        }
        Vec::new()
    }

    /// The time that ages count to: that of the frozen view while it is frozen.
    pub fn shown_now(&self) -> Timestamp {
        self.frozen_at.unwrap_or(self.now)
    }

    /// The row that keys act on: the open one, else the selected one.
    pub fn subject(&self) -> Option<&Arc<Row>> {
        match &self.screen {
            Screen::Detail(detail) => Some(&detail.row),
            Screen::List => self.list.row(),
            Screen::Overview { .. } => None,
        }
    }
}
