//! `probe --every`: the same targets again and again, with constant memory; a line for each change, a summary at the end.
//!
//! The first round measures everything and logs in, if anybody does. Later rounds send a SYN to each service that was found, and every
//! five minutes hold a session that ends after the greeting; what changes for the worse is measured as a whole, once. Each round is judged by an
//! engine of its own and forgotten; the first round and those with a change are also told to the reporter of machine formats.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use super::{Probing, Reporter, SIDE_BY_SIDE};
use crate::base::{SourceId, Timestamp};
use crate::cli::aside;
use crate::cli::exit::{self, Verdicts};
use crate::cli::options::Layout;
use crate::engine::Engine;
use crate::engine::record::{Moment, PathRecord, Record};
use crate::probe::history::{self, Change, History};
use crate::probe::schedule::{self, Schedule};
use crate::probe::{Known, Recording, metrics};

/// Rounds that are told in full in a machine format; of the rest the summary at the end speaks.
const TOLD: usize = 256;

/// The report of a machine format, which covers the rounds in which something changed.
struct Told {
    engine: Engine,
    reporter: Reporter,
    rounds: usize,
}

impl Probing<'_> {
    /// Rounds until the time is over or the user has enough.
    pub(super) async fn again_and_again(mut self, every: Duration) -> u8 {
        let started = Instant::now();
        let mut schedule = Schedule::new(every, self.arguments.for_so_long);
        let mut history = History::default();
        let mut verdicts = Verdicts::new(self.arguments.reporting.strictness());
        let mut told = self.told();
        let mut servers: Vec<Known> = Vec::new();
        for text in &self.told {
            aside::say(&text);
        }
        if self.context.raw().is_none() {
            self.context.unknowable(
                "what happens between sessions, which are five minutes apart: a SYN alone needs crafted packets",
                crate::probe::GRANT,
            );
        }
        loop {
            let whole = schedule.begin();
            let began = started.elapsed();
            if whole {
                let groups: Vec<_> = self
                    .targets
                    .chunks(SIDE_BY_SIDE)
                    .map(<[_]>::to_vec)
                    .collect();
                for group in groups {
                    let at = self.context.now();
                    servers.extend(crate::probe::run(&self.context, &group).await);
                    if let Err(why) = self.round(at, &mut history, &mut verdicts, &mut told, true) {
                        return said(&why);
                    }
                }
                self.context.no_more_logins();
                for known in &servers {
                    schedule.held(known.what(), began);
                }
            } else {
                let due: HashSet<String> = servers
                    .iter()
                    .map(Known::what)
                    .filter(|what| schedule.is_due(what, began))
                    .collect();
                let is_due = |known: &Known| due.contains(&known.what());
                let looked: Vec<Known> = servers
                    .iter()
                    .filter(|known| self.context.raw().is_some() || is_due(known))
                    .cloned()
                    .collect();
                for group in looked.chunks(SIDE_BY_SIDE) {
                    let at = self.context.now();
                    let standing = |known: &Known| history.standing(&known.what());
                    let planned = group.iter().filter(|known| {
                        schedule::look(is_due(known), standing(known)).is_session()
                    });
                    let mut held: Vec<String> = planned.map(Known::what).collect();
                    held.extend(crate::probe::glance(&self.context, group, is_due, standing).await);
                    for what in held {
                        schedule.held(what, began);
                    }
                    if let Err(why) = self.round(at, &mut history, &mut verdicts, &mut told, false)
                    {
                        return said(&why);
                    }
                }
            }
            if let Some((folder, name)) = &self.files.metrics
                && let Err(error) = folder.replace(name, metrics::render(&history).as_bytes())
            {
                aside::say(&format_args!("--metrics {name}: {error}"));
            }
            let next = schedule.next(started.elapsed());
            let Some(next) = next.filter(|_| !self.context.is_interrupted()) else {
                break;
            };
            tokio::select! {
                () = tokio::time::sleep_until(started + next) => {}
                () = self.context.interrupted() => break,
            }
            self.context.forget();
        }
        self.ended(&history, told, &verdicts)
    }

    /// In text there are lines alone.
    fn told(&mut self) -> Option<Told> {
        if matches!(self.arguments.reporting.format, None | Some(Layout::Text)) {
            return None;
        }
        let report = std::mem::replace(&mut self.files.report, Box::new(io::sink()));
        Some(Told {
            engine: Engine::new(self.config.clone()),
            reporter: Reporter::new(&self.arguments.reporting, report),
            rounds: 0,
        })
    }

    /// Judges what was gathered from that time on, and says what changed. What fails takes its time to do so: it had failed when the
    /// measurement began.
    fn round(
        &mut self,
        at: Timestamp,
        history: &mut History,
        verdicts: &mut Verdicts,
        told: &mut Option<Told>,
        whole: bool,
    ) -> io::Result<()> {
        let (mut recording, paths) = self.taken();
        self.files.keep(&mut recording)?;
        let records = judged(Engine::new(self.config.clone()), &mut recording);
        let seen = history::read(&records);
        let changes = history.round(at, &seen, whole);
        if whole || !changes.is_empty() {
            for record in &records {
                verdicts.see(record);
            }
            if let Some(told) = told {
                told.add(self, &mut recording, paths);
            }
        }
        for change in &changes {
            self.say(change, told.is_some())?;
        }
        self.context.forget();
        Ok(())
    }

    /// A change in one line: where the report goes, or on standard error beside a machine's report.
    fn say(&mut self, change: &Change, machine: bool) -> io::Result<()> {
        let line = format!("{}  {}\n", Moment(change.at), change.line());
        if machine {
            if !self.arguments.reporting.quiet {
                aside::write(&line);
            }
            return Ok(());
        }
        self.files.report.write_all(line.as_bytes())?;
        self.files.report.flush()
    }

    fn ended(mut self, history: &History, told: Option<Told>, verdicts: &Verdicts) -> u8 {
        let summary = history.summary();
        let written = match told {
            None => self
                .files
                .report
                .write_all(summary.as_bytes())
                .and_then(|()| self.files.report.flush()),
            Some(mut told) => {
                if !self.arguments.reporting.quiet {
                    aside::write(&summary);
                }
                let Told {
                    engine, reporter, ..
                } = &mut told;
                engine.finish(&mut |record| reporter.record(&record));
                told.reporter.finish().map(drop)
            }
        };
        self.left_unknown();
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return said(&error),
            _ => {}
        }
        match self.context.is_interrupted() {
            true => exit::INTERRUPTED,
            false => verdicts.code_of_probe(&self.context.left_unmeasured()),
        }
    }
}

impl Told {
    fn add(&mut self, probing: &Probing<'_>, recording: &mut Recording, paths: Vec<PathRecord>) {
        if self.rounds < TOLD {
            self.rounds = self.rounds.saturating_add(1);
            probing.judge(&mut self.engine, &mut self.reporter, recording, paths);
        }
    }
}

/// The records of one round.
fn judged(mut engine: Engine, recording: &mut Recording) -> Vec<Record> {
    let mut records = Vec::new();
    let source: SourceId = engine.open_source("probe", "probe".into(), None);
    recording.feed(&mut engine, source, &mut |record| records.push(record));
    engine.finish(&mut |record| records.push(record));
    records
}

fn said(error: &io::Error) -> u8 {
    aside::say(&format_args!(
        "what was measured cannot be written: {error}"
    ));
    exit::USAGE
}
