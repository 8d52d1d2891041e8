//! Line mode: for screen readers, Braille lines and serial terminals. The same model, told in sentences.
//!
//! What fails is said when it fails; everything else is asked for by typing a line. No cursor is moved, nothing is drawn
//! over, no sign stands alone for a word.

use std::io::{self, BufRead, Write};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::draw::calm;
use super::event::{Control, Event, Receiver, Speed};
use super::model::{Filter, Key, Message, Model, Row, Subject};
use super::{Exit, Setup, app};
use crate::engine::record::Record;
use crate::present::{self, Clock, Fate, Sender, Step, counted, place, title};

/// Rows that `list` says.
const LISTED: usize = 40;
/// The longest line that is read.
const LINE: usize = 1_000;

const HELP: &str = "\
NUMBER: everything about that connection; dNUMBER: about that look-up
packets NUMBER, dialogue NUMBER: its packets, what was said
list [FILTER]: the latest connections; FILTER as in list state:failed port:25 mx1
causes: root causes so far; counts: how many of what
all on, all off: say healthy connections too
save NUMBER: write its packets as pcapng; report: write a report
pause, go, step, speed 5x, speed max: for a replay
quit";

struct Plain {
    model: Model,
    setup: Setup,
    all: bool,
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
                said.push(short(row));
            }
        }
        if ended {
            said.extend(self.counts());
        }
        said
    }

    /// The answer to a line; `None` to leave.
    fn answer(&mut self, line: &str) -> Option<Vec<String>> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        Some(match word {
            "" => Vec::new(),
            "help" | "?" => HELP.lines().map(str::to_owned).collect(),
            "quit" | "q" | "exit" => return None,
            "list" => self.list(rest),
            "causes" => self.causes(),
            "counts" => self.counts(),
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
            "packets" => self.with(rest, |plain, row| plain.packets(row)),
            "dialogue" => self.with(rest, |_, row| dialogue(row)),
            "save" => self.with(rest, |plain, row| {
                vec![app::save_row(&plain.setup, &plain.model, row.key)]
            }),
            "report" => vec![app::report(&mut self.setup, &self.model)],
            "pause" => self.control(Control::Pause(true)),
            "go" => self.control(Control::Pause(false)),
            "step" => self.control(Control::Step),
            "speed" => match rest.parse::<Speed>() {
                Ok(speed) => self.control(Control::Speed(speed)),
                Err(why) => vec![why],
            },
            "open" => self.with(rest, |plain, row| told(row, &plain.model.look.clock)),
            _ => self.with(line, |plain, row| told(row, &plain.model.look.clock)),
        })
    }

    fn control(&self, control: Control) -> Vec<String> {
        match self.setup.control.send(control) {
            Ok(()) => Vec::new(),
            Err(_) => vec!["nobody listens any more".to_owned()],
        }
    }

    fn with(&self, name: &str, say: impl Fn(&Plain, &Row) -> Vec<String>) -> Vec<String> {
        let key = match name.strip_prefix('d') {
            Some(number) => number.parse().map(Key::Lookup),
            None => name.parse().map(Key::Connection),
        };
        let Ok(key) = key else {
            return vec!["not understood: type help".to_owned()];
        };
        match self.model.store.get(key) {
            Some(row) => say(self, row),
            None => vec!["there is none of that number".to_owned()],
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
        said.extend(rows.into_iter().skip(skipped).map(|row| short(row)));
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
                    clock.time_of_day(cause.since),
                    cause.text,
                    cause.advice.first().map_or("", String::as_str),
                )
            })
            .collect()
    }

    fn counts(&self) -> Vec<String> {
        let counts = self.model.counts;
        vec![format!(
            "{} failed, {} degraded, {} healthy, {} not known; {} packets, {} dropped",
            counts.failed,
            counts.degraded,
            counts.healthy,
            counts.incomplete,
            self.model.stats.packets,
            self.model.stats.dropped
        )]
    }

    fn packets(&self, row: &Row) -> Vec<String> {
        let Some(kept) = app::frames_of(&self.setup, &self.model, row.key) else {
            return Vec::new();
        };
        let mut detail = super::model::Detail::new(std::sync::Arc::new(row.clone()));
        detail.packets(&kept);
        if detail.steps.is_empty() {
            return vec!["its packets are not kept".to_owned()];
        }
        detail.steps.iter().map(|step| packet(step, row)).collect()
    }
}

fn say(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", calm(line))?;
    }
    out.flush()
}

fn number(row: &Row) -> String {
    match row.key {
        Key::Connection(id) => id.to_string(),
        Key::Lookup(id) => format!("d{id}"),
    }
}

/// One sentence.
fn short(row: &Row) -> String {
    let verdict = row.verdict();
    let what = match verdict.code {
        "ok" => String::new(),
        code => format!(": {code}, {}", title(code)),
    };
    let place = place(&verdict.at).map_or_else(String::new, |place| format!(", {place}"));
    format!(
        "{} {}, {} from {}{what}{place}",
        number(row),
        row.state(),
        row.target(),
        row.client_ip()
    )
}

/// Everything.
fn told(row: &Row, clock: &Clock) -> Vec<String> {
    let block = match &row.subject {
        Subject::Connection(record) => present::connection(record, clock),
        Subject::Lookup(record) => present::lookup(record, clock),
    };
    let mut said = vec![
        short(row),
        block.summary.clone(),
        format!("from {} to {}, {}", block.client, block.server, block.when),
    ];
    if !block.rungs.is_empty() {
        let rungs: Vec<String> = block
            .rungs
            .iter()
            .map(|(stage, mark)| match mark {
                present::Mark::Reached => format!("{stage} reached"),
                present::Mark::Died => format!("died at {stage}"),
                present::Mark::Unseen => format!("{stage} not seen"),
            })
            .collect();
        said.push(rungs.join(", "));
    }
    said.extend(
        block
            .evidence
            .iter()
            .map(|piece| format!("because: {} {} {}", piece.frame, piece.after, piece.text)),
    );
    said.extend(block.advice.iter().map(|advice| format!("do: {advice}")));
    said.push(format!("sure: {}", block.sure));
    said.extend(
        block
            .alternatives
            .iter()
            .map(|other| format!("or: {} {}", other.code, other.text)),
    );
    said.extend(
        block
            .findings
            .iter()
            .map(|finding| format!("also: {} {}", finding.code, finding.text)),
    );
    said.push(format!("Wireshark: {}", block.look.filter));
    said
}

fn dialogue(row: &Row) -> Vec<String> {
    let Subject::Connection(record) = &row.subject else {
        return vec!["a look-up has no dialogue".to_owned()];
    };
    let lines = record
        .mail
        .as_ref()
        .map_or(&[][..], |mail| &mail.transcript);
    if lines.is_empty() {
        return vec!["nothing was said in clear".to_owned()];
    }
    lines
        .iter()
        .map(|line| format!("{}: {}", line.from, line.text))
        .collect()
}

fn packet(step: &Step, row: &Row) -> String {
    let who = match step.sender {
        Sender::End(side) => side.name().to_owned(),
        Sender::Path(ip, _) => format!("device {ip}"),
    };
    let again = if step.again { ", again" } else { "" };
    let fate = match step.fate {
        Fate::Unanswered => ", never answered",
        Fate::SentAgain => ", not answered before it was sent again",
        Fate::Stopped => ", refused on the path",
        Fate::Answered | Fate::Unasked => "",
    };
    let after = step.time.since(row.started()) as f64 / 1e9;
    format!(
        "frame {} after {after:.3} s, {who}: {}{again}{fate}",
        step.number, step.label
    )
}
