//! The terminal's user interface: connections as they die, live and in replay.
//!
//! Elm's order: a model, messages, a pure view. Whoever has records opens it with [`run`] and sends
//! [`Event`]s; what the user wants comes back as [`Control`]. It knows no source, judges nothing, and prints nothing raw:
//! every cell is checked before it reaches the terminal. Everything in it is bounded.

mod app;
mod draw;
mod event;
mod frames;
mod headless;
mod model;
mod picture;
mod plain;
mod save;
mod terminal;

use std::io;
use std::sync::mpsc;

pub use event::{
    Control, Death, Event, Gone, NotSent, Playback, ProbeTarget, Receiver, Sender, Speed, Stats,
    Timeline, controls, events,
};
pub use frames::{FrameCounts, Frames, KeptFrame, KeptFrames};
pub use headless::Headless;
pub use model::{Allowed, Bounds, Kind, Look};

use crate::engine::record::Record;
use crate::privilege::Folder;
use model::Model;

/// A report, made by whoever has a face for it.
pub struct Report {
    /// `html`, `txt` …
    pub extension: &'static str,
    /// The file's content.
    pub bytes: Vec<u8>,
}

/// Makes a report of records. The interface knows no face.
pub type ReportWriter = Box<dyn FnMut(&[Record]) -> io::Result<Report> + Send>;

/// What the interface is opened with.
pub struct Setup {
    /// What it is opened on, in words: `replay outage.pcapng`.
    pub title: String,
    /// What kind of source it is.
    pub kind: Kind,
    /// How it looks.
    pub look: Look,
    /// The frames that are kept; the producer puts them in.
    pub frames: Frames,
    /// Where the user's wishes go.
    pub control: mpsc::Sender<Control>,
    /// The folder for what the user saves.
    pub save: Option<Folder>,
    /// Makes reports.
    pub report: Option<ReportWriter>,
    /// Probing is allowed: what will be sent, in one or two sentences.
    pub probe: Option<String>,
    /// How many rows are kept.
    pub bounds: Bounds,
    /// The filter that is set at first, in the language of the filter line; what is not understood there is left out.
    pub filter: String,
}

impl Setup {
    fn model(&self) -> Model {
        let allowed = Allowed {
            save: self.save.is_some(),
            report: self.save.is_some() && self.report.is_some(),
            probe: self.probe.clone(),
        };
        let mut model = Model::new(
            self.title.clone(),
            self.kind,
            self.look.clone(),
            allowed,
            self.bounds,
        );
        model.list.filter = model::Filter::parse(&self.filter).unwrap_or_default();
        model
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The user left.
    Quit,
    /// A signal ended it: its number.
    Signal(i32),
}

/// Takes the terminal and runs until the user leaves. Must be called on the thread that may block; the sender of
/// `events` lives on another. Fails when there is no terminal.
pub fn run(setup: Setup, events: Receiver) -> io::Result<Exit> {
    let model = setup.model();
    app::run(setup, model, events)
}

/// The same in lines, for screen readers and serial terminals: what fails is said, the rest is typed for.
pub fn plain(setup: Setup, events: Receiver) -> io::Result<Exit> {
    let model = setup.model();
    plain::run(setup, model, events)
}
