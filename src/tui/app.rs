//! The event loop: input and signals first, then events, then at most thirty pictures a second, and only when something
//! changed. What the model wants done outside is done here.

use std::io;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event as Input};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::event::{Control, Receiver};
use super::model::{Effect, Key, Kind, Message, Model, Subject};
use super::terminal::Terminal;
use super::{Exit, Setup, save};
use crate::base::Timestamp;
use crate::engine::record::{Record, RootCause, Summary};

/// Between two pictures: thirty a second.
const PICTURE: Duration = Duration::from_millis(33);
/// Events taken before input is looked at again.
const BATCH: usize = 256;
/// How often time is told where something depends on it.
const TICK: Duration = Duration::from_millis(500);

/// This machine's time.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }))
}

struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    stop: Signal,
    go_on: Signal,
}

#[derive(Clone, Copy)]
enum Caught {
    Leave(i32),
    Stop,
    GoOn,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(libc::SIGTSTP))?,
            go_on: signal(SignalKind::from_raw(libc::SIGCONT))?,
        })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught::Leave(libc::SIGTERM),
            _ = self.hang_up.recv() => Caught::Leave(libc::SIGHUP),
            _ = self.interrupt.recv() => Caught::Leave(libc::SIGINT),
            _ = self.stop.recv() => Caught::Stop,
            _ = self.go_on.recv() => Caught::GoOn,
        }
    }
}

struct App {
    model: Model,
    setup: Setup,
    terminal: Terminal,
    exit: Option<Exit>,
}

/// Runs until the user leaves or a signal ends it. The terminal is given back in any case.
pub fn run(setup: Setup, model: Model, mut events: Receiver) -> io::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let terminal = Terminal::take(model.mouse)?;
    let mut app = App {
        model,
        setup,
        terminal,
        exit: None,
    };
    runtime.block_on(app.work(&mut events))
}

/// Reads keys on a thread of its own: that read cannot be given up.
fn inputs() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(256);
    std::thread::spawn(move || {
        while let Ok(input) = event::read() {
            if sender.blocking_send(input).is_err() {
                break;
            }
        }
    });
    receiver
}

impl App {
    async fn work(&mut self, events: &mut Receiver) -> io::Result<Exit> {
        let mut signals = Signals::listen()?;
        let mut inputs = inputs();
        let (columns, lines) = self.terminal.size()?;
        self.tell(Message::Resize(columns, lines))?;
        self.tell(Message::Tick(now()))?;
        let mut batch = Vec::with_capacity(BATCH);
        // When it was looked last whether there is something to draw, and whether something came since.
        let (mut open, mut looked) = (true, None::<Instant>);
        let mut changed = true;
        loop {
            let wait = match (changed || self.model.is_behind(), looked) {
                (true, Some(looked)) => PICTURE.saturating_sub(looked.elapsed()),
                (true, None) => Duration::ZERO,
                (false, _) if self.ticks() => TICK,
                (false, _) => Duration::from_secs(3600),
            };
            tokio::select! {
                biased;
                caught = signals.next() => self.signal(caught)?,
                input = inputs.recv() => match input {
                    Some(input) => self.input(input)?,
                    // The terminal is gone.
                    None => self.exit = Some(Exit::Signal(libc::SIGHUP)),
                },
                count = events.0.recv_many(&mut batch, BATCH), if open => {
                    open = count > 0;
                    for event in batch.drain(..) {
                        self.tell(Message::Event(event))?;
                    }
                },
                () = tokio::time::sleep(wait) => {}
            }
            if let Some(exit) = self.exit {
                let _ = self.setup.control.send(Control::Quit);
                return Ok(exit);
            }
            if !self.terminal.is_ours() {
                return Err(io::Error::other(
                    "another part of the program died, and the terminal was given back",
                ));
            }
            changed = true;
            if looked.is_none_or(|looked| looked.elapsed() >= PICTURE) {
                self.tell(Message::Tick(now()))?;
                if self.model.settle() {
                    self.model.frames = self.setup.frames.counts();
                    self.terminal.draw(&self.model)?;
                }
                looked = Some(Instant::now());
                changed = false;
            }
        }
    }

    /// Whether something on the screen depends on the time alone.
    fn ticks(&self) -> bool {
        let goes_on = matches!(self.model.kind, Kind::Live | Kind::Once) && !self.model.ended;
        self.model.said.is_some() || goes_on
    }

    fn signal(&mut self, caught: Caught) -> io::Result<()> {
        match caught {
            Caught::Leave(number) => self.exit = Some(Exit::Signal(number)),
            Caught::Stop => self.suspend()?,
            Caught::GoOn => {
                self.terminal.resume()?;
                self.resized()?;
            }
        }
        Ok(())
    }

    fn input(&mut self, input: Input) -> io::Result<()> {
        match input {
            Input::Key(key) => self.tell(Message::Key(key)),
            Input::Mouse(mouse) => self.tell(Message::Mouse(mouse)),
            Input::Resize(columns, lines) => self.tell(Message::Resize(columns, lines)),
            _ => Ok(()),
        }
    }

    fn tell(&mut self, message: Message) -> io::Result<()> {
        let effects = self.model.update(message);
        for effect in effects {
            self.perform(effect)?;
        }
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        if !self.terminal.suspend()? {
            self.model
                .say("there is no shell behind this terminal that could bring mxray back");
        }
        self.resized()
    }

    fn resized(&mut self) -> io::Result<()> {
        let (columns, lines) = self.terminal.size()?;
        self.tell(Message::Resize(columns, lines))
    }

    fn perform(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Quit => self.exit = Some(Exit::Quit),
            Effect::Suspend => self.suspend()?,
            Effect::Redraw => self.terminal.clear()?,
            Effect::Control(control) => {
                if self.setup.control.send(control).is_err() {
                    self.model.say("nobody listens any more: it has ended");
                }
            }
            Effect::Load(key) => {
                if let Some(frames) = frames_of(&self.setup, &self.model, key) {
                    self.tell(Message::Frames(key, frames))?;
                }
            }
            Effect::Save(key) => {
                let said = save_row(&self.setup, &self.model, key);
                self.tell(Message::Said(said))?;
            }
            Effect::Copy(text) => self.terminal.copy(&text)?,
            Effect::Report => {
                let said = report(&mut self.setup, &self.model);
                self.tell(Message::Said(said))?;
            }
            Effect::Mouse(ours) => self.terminal.mouse(ours)?,
        }
        Ok(())
    }
}

/// The frames of a row, out of the store.
pub fn frames_of(setup: &Setup, model: &Model, key: Key) -> Option<super::frames::KeptFrames> {
    let opened = model.subject().filter(|row| row.key == key);
    let row = opened.or_else(|| model.store.get(key))?;
    Some(match &row.subject {
        Subject::Connection(record) => setup.frames.of_connection(record),
        Subject::Lookup(record) => setup.frames.of_lookup(record),
    })
}

/// Writes a row's packets and says what became of it.
pub fn save_row(setup: &Setup, model: &Model, key: Key) -> String {
    let (Some(folder), Some(row), Some(kept)) = (
        setup.save.as_ref(),
        model
            .subject()
            .filter(|row| row.key == key)
            .or_else(|| model.store.get(key)),
        frames_of(setup, model, key),
    ) else {
        return "nothing was written".to_owned();
    };
    if kept.frames.is_empty() {
        return "nothing was written: its packets are not kept any more".to_owned();
    }
    match save::packets(folder, row, &kept) {
        Ok((name, count)) => {
            let packets = crate::present::counted(count as u64, "packet", "packets");
            let rest = if kept.missing {
                "; some are not kept any more"
            } else {
                ""
            };
            format!("{packets} in {name}{rest}")
        }
        Err(error) => format!("nothing was written: {error}"),
    }
}

/// Writes a report and says what became of it.
pub fn report(setup: &mut Setup, model: &Model) -> String {
    let (Some(folder), Some(writer)) = (&setup.save, &mut setup.report) else {
        return "no reports here: start with --save-dir FOLDER".to_owned();
    };
    let written = writer(&records(model))
        .and_then(|made| save::report(folder, model.now, made.extension, &made.bytes));
    match written {
        Ok(name) => format!("the report is in {name}"),
        Err(error) => format!("no report was written: {error}"),
    }
}

/// What is known, as records in the order of a report.
fn records(model: &Model) -> Vec<Record> {
    let mut rows: Vec<_> = model.store.all().collect();
    rows.sort_by_key(|row| row.arrived);
    let mut records: Vec<Record> = model.sources.iter().cloned().map(Record::Source).collect();
    records.extend(rows.iter().map(|row| match &row.subject {
        Subject::Connection(record) => Record::Connection(record.clone()),
        Subject::Lookup(record) => Record::Lookup((**record).clone()),
    }));
    records.extend(model.paths.iter().cloned().map(Record::Path));
    records.extend(model.findings.iter().cloned().map(Record::Finding));
    records.push(Record::Summary(
        model.summary.clone().unwrap_or_else(|| so_far(model)),
    ));
    records
}

/// A summary before the engine makes one: counts are of connections then.
fn so_far(model: &Model) -> Summary {
    let counts = model.counts;
    Summary {
        attempts: counts.healthy + counts.degraded + counts.failed + counts.incomplete,
        connections: counts.healthy + counts.degraded + counts.failed + counts.incomplete,
        healthy: counts.healthy,
        degraded: counts.degraded,
        failed: counts.failed,
        incomplete: counts.incomplete,
        root_causes: model
            .causes
            .list()
            .into_iter()
            .map(|cause| RootCause {
                code: cause.code,
                class: cause.class,
                at: cause.at.clone(),
                connections: Vec::new(),
                lookups: Vec::new(),
                attempts: cause.attempts,
                text: cause.text.clone(),
                advice: cause.advice.clone(),
            })
            .collect(),
        ..Summary::default()
    }
}
