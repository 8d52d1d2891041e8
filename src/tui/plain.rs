//! Line mode: for screen readers, Braille lines and serial terminals. The same model, told in sentences.
//!
//! What fails is said when it fails; everything else is asked for by typing a line. No cursor is moved, nothing is drawn
//! over, no sign stands alone for a word.

mod told;

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::draw::{calm, spoken};
use super::event::{Control, Event, ProbeTarget, Receiver, Speed};
use super::model::{Detail, Effect, Filter, Key, Message, Model, Row, Tab};
use super::{Exit, Setup, app};
use crate::base::SECOND;
use crate::engine::record::Record;
use crate::present::{self, counted, place};

/// Rows that `list` says.
const LISTED: usize = 40;
/// The longest line that is read.
const LINE: usize = 1_000;

const HELP: &str = "\
NUMBER: everything about that connection; dNUMBER: about that look-up
next, previous: everything about the next death, or the one before
packets, dialogue, tls, tcp, dns, path, explain: of what was told last, or with a NUMBER of that one
list [FILTER]: the latest connections; FILTER as in list state:failed port:25 mx1
causes: root causes so far; servers: counts of each server; counts: how many of what; notes: what happened to the capture
all on, all off: say healthy connections too, or only what fails
save: write its packets as pcapng; probe: measure its server, asks first; both also with a NUMBER
report: write a report
pause, go, step, speed 5x, speed max, back 10, on 10 (seconds), death: for a replay
quit";

struct Plain {
    model: Model,
    setup: Setup,
    /// Healthy ones are said too.
    all: bool,
    /// What was told last.
    last: Option<Key>,
    /// What is probed when the next line is yes.
    asked: Option<ProbeTarget>,
}

/// Runs until the user types `quit`, ends the input, or a signal comes.
pub fn run(setup: Setup, model: Model, mut events: Receiver) -> io::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut plain = Plain {
        model,
        setup,
        all: false,
        last: None,
        asked: None,
    };
    let exit = runtime.block_on(plain.work(&mut events));
    // Who listens may be gone already.
    let _ = plain.setup.control.send(Control::Quit);
    match exit {
        // Whoever reads our lines has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Quit),
        other => other,
    }
}

fn typed() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if line.len() <= LINE && sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Plain {
    async fn work(&mut self, events: &mut Receiver) -> io::Result<Exit> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut lines = typed();
        let (mut open, mut typing) = (true, true);
        say(&[format!(
            "mxray {}. Type help for what can be typed.",
            self.model.title
        )])?;
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => return Ok(Exit::Signal(libc::SIGTERM)),
                _ = hang_up.recv() => return Ok(Exit::Signal(libc::SIGHUP)),
                _ = interrupt.recv() => return Ok(Exit::Signal(libc::SIGINT)),
                line = lines.recv(), if typing => match line {
                    Some(line) => {
                        let Some(answer) = self.answer(line.trim()) else {
                            return Ok(Exit::Quit);
                        };
                        say(&answer)?;
                    }
                    None => typing = false,
                },
                event = events.0.recv(), if open => match event {
                    Some(event) => say(&self.event(event))?,
                    None => open = false,
                },
            }
            if !typing && (!open || self.model.ended) {
                return Ok(Exit::Quit);
            }
        }
    }

    fn event(&mut self, event: Event) -> Vec<String> {
        let key = match &event {
            Event::Record(Record::Connection(record)) => Some(Key::Connection(record.id)),
            Event::Record(Record::Lookup(record)) => Some(Key::Lookup(record.id)),
            _ => None,
        };
        let mut said = match &event {
            Event::Notice { text, .. } => vec![format!("note: {text}")],
            Event::Restart => vec!["again from the start".to_owned()],
            Event::End => vec!["end".to_owned()],
            _ => Vec::new(),
        };
        let ended = matches!(event, Event::End);
        // What the model wants done outside is for a screen.
        let _ = self.model.update(Message::Event(event));
        if let Some(row) = key.and_then(|key| self.model.store.get(key)) {
            let fine = !row.is_bad() || row.is_policy();
            if !fine || self.all {
                said.push(told::short(row));
            }
        }
        if ended {
            said.extend(self.counts());
        }
        said
    }

    /// The answer to a line; `None` to leave.
    fn answer(&mut self, line: &str) -> Option<Vec<String>> {
        if let Some(target) = self.asked.take() {
            return Some(match line {
                "y" | "yes" => self.control(Control::Probe(target)),
                _ => vec!["nothing was sent".to_owned()],
            });
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        Some(match word {
            "" => Vec::new(),
            "help" | "?" => HELP.lines().map(str::to_owned).collect(),
            "quit" | "q" | "exit" => return None,
            "list" => self.list(rest),
            "next" | "n" => self.death(true),
            "previous" | "N" => self.death(false),
            "causes" => self.causes(),
            "servers" => self.servers(),
            "counts" => self.counts(),
            "notes" => self.notes(),
            "all" => {
                self.all = rest != "off";
                vec![
                    if self.all {
                        "healthy ones are said too"
                    } else {
                        "only what fails is said"
                    }
                    .to_owned(),
                ]
            }
            "packets" => self.with(rest, |plain, row| told::packets(&plain.opened(row))),
            "dialogue" => self.with(rest, |_, row| told::dialogue(row)),
            "tls" => self.with(rest, |plain, row| plain.tab(row, Tab::Tls)),
            "tcp" => self.with(rest, |plain, row| told::tcp(&plain.opened(row))),
            "dns" => self.with(rest, |plain, row| plain.tab(row, Tab::Dns)),
            "path" => self.with(rest, |plain, row| {
                told::path(&plain.opened(row), &plain.model.path_tables(row))
            }),
            "explain" => self.with(rest, |plain, row| plain.tab(row, Tab::Explain)),
            "save" if self.setup.save.is_none() => {
                vec!["nothing may be written: start with --save-dir FOLDER".to_owned()]
            }
            "save" => self.with(rest, |plain, row| {
                vec![app::save_row(&plain.setup, &plain.model, row.key)]
            }),
            "probe" => self.probe(rest),
            "report" => vec![app::report(&mut self.setup, &self.model)],
            "pause" | "go" | "step" | "speed" | "back" | "on" | "death"
                if self.model.playback.is_none() =>
            {
                vec!["this is no replay".to_owned()]
            }
            "pause" => self.control(Control::Pause(true)),
            "go" => self.control(Control::Pause(false)),
            "step" => self.control(Control::Step),
            "speed" => match rest.parse::<Speed>() {
                Ok(speed) => self.control(Control::Speed(speed)),
                Err(why) => vec![why],
            },
            "back" | "on" => {
                let seconds: i64 = rest.parse().unwrap_or(10).clamp(0, 1_000_000);
                let sign = if word == "on" { SECOND } else { -SECOND };
                let effects = self.model.seek(seconds.saturating_mul(sign));
                self.perform(effects)
            }
            "death" => {
                let effects = self.model.seek_death(rest != "back");
                self.perform(effects)
            }
            "open" => self.with(rest, |plain, row| told::row(row, &plain.model.look.clock)),
            _ => self.with(line, |plain, row| told::row(row, &plain.model.look.clock)),
        })
    }

    /// What the model wants done, and what it says.
    fn perform(&mut self, effects: Vec<Effect>) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for effect in effects {
            if let Effect::Control(control) = effect {
                said.extend(self.control(control));
            }
        }
        said.extend(self.model.said.take().map(|(text, _)| text));
        said
    }

    fn control(&self, control: Control) -> Vec<String> {
        match self.setup.control.send(control) {
            Ok(()) => Vec::new(),
            Err(_) => vec!["nobody listens any more".to_owned()],
        }
    }

    /// Says something of a row: the one with that number, or the one that was told last.
    fn with(&mut self, name: &str, say: impl Fn(&Plain, &Arc<Row>) -> Vec<String>) -> Vec<String> {
        let row = match self.named(name) {
            Ok(row) => row,
            Err(why) => return vec![why],
        };
        self.last = Some(row.key);
        say(self, &row)
    }

    fn named(&self, name: &str) -> Result<Arc<Row>, String> {
        let key = match (name.strip_prefix('d'), self.last) {
            (None, Some(last)) if name.is_empty() => Some(last),
            (None, None) if name.is_empty() => {
                return Err(
                    "of which one? Type its number behind it; list gives numbers".to_owned(),
                );
            }
            (Some(number), _) => number.parse().map(Key::Lookup).ok(),
            (None, _) => name.parse().map(Key::Connection).ok(),
        };
        let key = key.ok_or("not understood: type help")?;
        let row = self.model.store.get(key).cloned();
        row.ok_or_else(|| "there is none of that number".to_owned())
    }

    /// The next death after what was told last, or the one before it; refusals on purpose are skipped.
    fn death(&mut self, forwards: bool) -> Vec<String> {
        let mut deaths: Vec<_> = self
            .model
            .store
            .all()
            .filter(|row| row.is_bad() && !row.is_policy())
            .cloned()
            .collect();
        deaths.sort_by_key(|row| row.arrived);
        let last = self.last.and_then(|key| self.model.store.get(key));
        let at = last.map(|row| row.arrived);
        let found = if forwards {
            deaths
                .iter()
                .find(|row| at.is_none_or(|at| row.arrived > at))
        } else {
            let before = |row: &&Arc<Row>| at.is_none_or(|at| row.arrived < at);
            deaths.iter().rev().find(before)
        };
        match found {
            Some(row) => {
                self.last = Some(row.key);
                told::row(row, &self.model.look.clock)
            }
            None if forwards => vec!["no death after that one".to_owned()],
            None => vec!["no death before that one".to_owned()],
        }
    }

    fn tab(&self, row: &Arc<Row>, tab: Tab) -> Vec<String> {
        spoken(&self.model, &self.opened(row), tab)
    }

    /// Says what a probe would send, and asks.
    fn probe(&mut self, name: &str) -> Vec<String> {
        let Some(says) = self.model.allowed.probe.clone() else {
            return vec!["probing is off: start with --allow-probe".to_owned()];
        };
        let row = match self.named(name) {
            Ok(row) => row,
            Err(why) => return vec![why],
        };
        let Some(target) = row.probe_target() else {
            return vec!["a look-up cannot be probed".to_owned()];
        };
        let place = present::endpoint(&target.ip.to_string(), target.port);
        self.asked = Some(target);
        vec![
            format!("Probe {place}? {says}"),
            "Type yes to send it, anything else not to.".to_owned(),
        ]
    }

    fn servers(&self) -> Vec<String> {
        let said: Vec<String> = self
            .model
            .servers
            .iter()
            .map(|(server, counts)| {
                format!(
                    "{server}: {} failed, {} degraded, {} healthy",
                    counts.failed, counts.degraded, counts.healthy
                )
            })
            .collect();
        match said.is_empty() {
            true => vec!["no server so far".to_owned()],
            false => said,
        }
    }

    fn notes(&self) -> Vec<String> {
        let clock = &self.model.look.clock;
        let notices = &self.model.notices;
        let said: Vec<String> = notices
            .iter()
            .map(|(time, text)| format!("{} {text}", clock.time_of_day(*time)))
            .collect();
        match said.is_empty() {
            true => vec!["nothing happened to the capture".to_owned()],
            false => said,
        }
    }

    fn list(&self, filter: &str) -> Vec<String> {
        let filter = match Filter::parse(filter) {
            Ok(filter) => filter,
            Err(why) => return vec![why],
        };
        let mut rows: Vec<_> = self
            .model
            .store
            .all()
            .filter(|row| filter.fits(row))
            .collect();
        rows.sort_by_key(|row| row.arrived);
        let mut said = vec![counted(rows.len() as u64, "row", "rows")];
        let skipped = rows.len().saturating_sub(LISTED);
        if skipped > 0 {
            said.push(format!("the latest {LISTED} of them:"));
        }
        said.extend(rows.into_iter().skip(skipped).map(|row| told::short(row)));
        said
    }

    fn causes(&self) -> Vec<String> {
        let causes = self.model.causes.list();
        if causes.is_empty() {
            return vec!["no root cause so far".to_owned()];
        }
        let clock = &self.model.look.clock;
        causes
            .into_iter()
            .map(|cause| {
                let place = place(&cause.at).map_or_else(String::new, |place| format!(", {place}"));
                format!(
                    "{}, {}{place}: {} since {}. {} {}",
                    cause.code,
                    cause.target,
                    counted(cause.attempts.max(1), "attempt", "attempts"),
                    clock.since(cause.since, self.model.now),
                    cause.text,
                    cause.advice.first().map_or("", String::as_str),
                )
            })
            .collect()
    }

    fn counts(&self) -> Vec<String> {
        let counts = self.model.counts;
        vec![format!(
            "{} failed, {} degraded, {} healthy, {} not known; {} packets, {}",
            counts.failed,
            counts.degraded,
            counts.healthy,
            counts.incomplete,
            self.model.stats.packets,
            self.model.drops()
        )]
    }

    /// The row opened, with its packets as far as they are kept.
    fn opened(&self, row: &Arc<Row>) -> Detail {
        let mut detail = Detail::new(Arc::clone(row));
        if let Some(kept) = app::frames_of(&self.setup, &self.model, row.key) {
            detail.packets(&kept);
        }
        detail
    }
}

fn say(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", calm(line))?;
    }
    out.flush()
}
