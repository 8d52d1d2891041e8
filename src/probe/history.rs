//! What many rounds of a run come to: a line for each change, and in the end when it broke, how often, for how long and with which pattern.
//!
//! Plain bookkeeping over the records of each round: no clock, no socket. Memory does not grow with the rounds: of each service its
//! state, its counts and the latest `REMEMBERED` outages are kept, and at most `SERVICES` services. It judges nothing: a round's verdicts are the
//! engine's.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use crate::base::{Nanos, SECOND, Timestamp};
use crate::engine::record::{Pair, Record};

/// Outages that are remembered of one service, for the pattern.
const REMEMBERED: usize = 64;
/// Services of a run.
const SERVICES: usize = 4_096;

/// How something was in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What: `192.0.2.10:25`, or a look-up. Rounds that look nothing up know no name.
    pub what: String,
    /// The name that goes with it.
    pub name: Option<String>,
    /// The verdict's code.
    pub code: &'static str,
    /// It did not work.
    pub failed: bool,
    /// Nothing can be said of it this time.
    pub unknown: bool,
    /// In one sentence.
    pub text: String,
    /// The first stage not reached.
    pub stage: &'static str,
    /// Those that were.
    pub reached: Vec<&'static str>,
    /// Time to open the connection, or to get the answer, in milliseconds.
    pub rtt_ms: Option<f64>,
}

/// What the records of a round say, once for each server and each look-up; of several connections to one server the worst counts.
pub fn read(records: &[Record]) -> Vec<Seen> {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    for record in records {
        let seen = match record {
            Record::Connection(one) if one.role == "target" => {
                let name = match &one.server.name {
                    Pair::Name(Some(name)) => Some(name.to_string()),
                    _ => None,
                };
                let ip = match one.server.ip.contains(':') {
                    true => format!("[{}]", one.server.ip),
                    false => one.server.ip.clone(),
                };
                Seen {
                    what: format!("{ip}:{}", one.server.port),
                    name,
                    code: one.verdict.code,
                    failed: one.outcome == "failed",
                    unknown: one.outcome == "incomplete",
                    text: one.verdict.summary.clone(),
                    stage: one.stage,
                    reached: one.reached.clone(),
                    rtt_ms: one.tcp.rtt_ms,
                }
            }
            Record::Lookup(one) if one.outcome != "other" => Seen {
                what: format!("{} {} at {}", one.kind, one.name, one.resolver),
                name: None,
                code: one.verdict.code,
                failed: one.outcome == "failed",
                unknown: one.outcome == "incomplete",
                text: one.verdict.summary.clone(),
                stage: "dns",
                reached: Vec::new(),
                rtt_ms: one.rtt_ms,
            },
            _ => continue,
        };
        let worse = |known: &Seen| (seen.failed, !seen.unknown) > (known.failed, !known.unknown);
        if all.get(&seen.what).is_none_or(worse) {
            all.insert(seen.what.clone(), seen);
        }
    }
    all.into_values().collect()
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It works, or nothing is known against it.
    Well,
    /// It opens no connection.
    Unreached,
    /// It fails at a later stage.
    Faulty,
}

/// A change of something's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When it was seen.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// The code before, and since when; `None` the first time.
    pub was: Option<(&'static str, Nanos)>,
    /// The code now.
    pub is: &'static str,
    /// It does not work now.
    pub failed: bool,
    /// In one sentence.
    pub text: String,
}

impl Change {
    /// One line, without the time.
    pub fn line(&self) -> String {
        let mark = if self.failed { "✗" } else { "✓" };
        match self.was {
            None => format!("{mark} {}  {}  {}", self.what, self.is, self.text),
            Some((was, for_so_long)) => format!(
                "{mark} {}  {was} → {} (was {was} for {})  {}",
                self.what,
                self.is,
                words(for_so_long),
                self.text
            ),
        }
    }
}

/// One thing that is measured again and again.
#[derive(Clone, Debug)]
pub struct Service {
    /// The name that goes with it.
    pub name: Option<String>,
    /// The latest verdict's code.
    pub code: &'static str,
    /// It does not work.
    pub failed: bool,
    /// The stage that it did not reach.
    stage: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Rounds in which something could be said of it.
    pub rounds: u64,
    /// Those in which it failed.
    pub failures: u64,
    /// Changes of its state.
    pub changes: u64,
    /// Outages that began.
    pub outages: u64,
    /// Time that it was seen failed.
    pub down: Nanos,
    /// The longest outage.
    pub longest: Nanos,
    /// Time to open the connection, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Outages by their code.
    pub by_code: BTreeMap<&'static str, u64>,
    began: Option<Timestamp>,
    last: Timestamp,
    latest: VecDeque<(Timestamp, Nanos)>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    services: BTreeMap<String, Service>,
    first: Option<Timestamp>,
    last: Timestamp,
    /// Rounds that ended.
    pub rounds: u64,
    /// Services that found no room.
    pub left_out: u64,
}

impl History {
    /// What a round that began at that time changed. A round that is not `whole` went no farther than the greeting: that all is well so far takes back no
    /// fault of a later stage.
    pub fn round(&mut self, now: Timestamp, seen: &[Seen], whole: bool) -> Vec<Change> {
        self.first.get_or_insert(now);
        self.last = now;
        self.rounds = self.rounds.saturating_add(1);
        let mut changes = Vec::new();
        for one in seen.iter().filter(|one| !one.unknown) {
            let one = &self.as_known(one, whole);
            if self.services.len() >= SERVICES && !self.services.contains_key(&one.what) {
                self.left_out = self.left_out.saturating_add(1);
                continue;
            }
            let known = self.services.get(&one.what);
            let was = known.map(|known| (known.code, now.since(known.since)));
            let label = known
                .and_then(|known| known.name.clone())
                .or_else(|| one.name.clone());
            // `ok` and what only costs time are told apart; a sentence that reads otherwise is no change.
            if was.is_none_or(|(code, _)| code != one.code) {
                changes.push(Change {
                    at: now,
                    what: labelled(label.as_deref(), &one.what),
                    was,
                    is: one.code,
                    failed: one.failed,
                    text: one.text.clone(),
                });
            }
            let service = self
                .services
                .entry(one.what.clone())
                .or_insert_with(|| Service::new(one, now));
            service.round(one, now);
        }
        changes
    }

    /// What a look at the first stages means, given what is known of the later ones.
    fn as_known(&self, seen: &Seen, whole: bool) -> Seen {
        let known = self.services.get(&seen.what).filter(|_| !whole);
        match known {
            // It still does not work; how, the whole measurement said better.
            Some(known)
                if seen.failed == known.failed || !seen.failed && !is_past(seen, known.stage) =>
            {
                Seen {
                    code: known.code,
                    failed: known.failed,
                    stage: known.stage,
                    ..seen.clone()
                }
            }
            _ => seen.clone(),
        }
    }

    /// How something is by all that is known.
    pub fn standing(&self, what: &str) -> Standing {
        match self.services.get(what) {
            Some(known) if known.failed && matches!(known.stage, "dns" | "route" | "tcp") => {
                Standing::Unreached
            }
            Some(known) if known.failed => Standing::Faulty,
            _ => Standing::Well,
        }
    }

    /// Everything that was measured, by name.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Service)> {
        self.services
            .iter()
            .map(|(what, service)| (what.as_str(), service))
    }

    /// When the latest round began.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// The summary: what broke, how often, for how long, with which pattern.
    pub fn summary(&self) -> String {
        let whole = self.first.map_or(0, |first| self.last.since(first));
        let mut text = match self.rounds {
            0 | 1 => format!("{}\n", counted(self.rounds)),
            _ => format!("{} in {}\n", counted(self.rounds), words(whole)),
        };
        for (what, service) in &self.services {
            let _ = writeln!(
                text,
                "{}",
                service.summary(&labelled(service.name.as_deref(), what), self.last)
            );
        }
        if self.left_out > 0 {
            let _ = writeln!(
                text,
                "{} results of further services were not kept",
                self.left_out
            );
        }
        text
    }
}

/// So many rounds, in words.
fn counted(rounds: u64) -> String {
    match rounds {
        1 => "1 round".to_owned(),
        _ => format!("{rounds} rounds"),
    }
}

impl Service {
    fn new(seen: &Seen, now: Timestamp) -> Service {
        Service {
            name: seen.name.clone(),
            code: seen.code,
            failed: false,
            stage: seen.stage,
            since: now,
            rounds: 0,
            failures: 0,
            changes: 0,
            outages: 0,
            down: 0,
            longest: 0,
            rtt_ms: None,
            by_code: BTreeMap::new(),
            began: None,
            last: now,
            latest: VecDeque::new(),
        }
    }

    fn round(&mut self, seen: &Seen, now: Timestamp) {
        self.rounds = self.rounds.saturating_add(1);
        self.rtt_ms = seen.rtt_ms;
        if self.name.is_none() {
            self.name.clone_from(&seen.name);
        }
        if self.code != seen.code {
            self.changes = self.changes.saturating_add(1);
            self.code = seen.code;
            self.since = now;
        }
        match (self.began, seen.failed) {
            (None, true) => {
                self.began = Some(now);
                self.outages = self.outages.saturating_add(1);
                let count = self.by_code.entry(seen.code).or_default();
                *count = count.saturating_add(1);
            }
            (Some(began), false) => {
                // It lasted until somewhere between the last failure and now.
                let lasted = now.since(began);
                self.down = self.down.saturating_add(lasted);
                self.longest = self.longest.max(lasted);
                if self.latest.len() >= REMEMBERED {
                    self.latest.pop_front();
                }
                self.latest.push_back((began, lasted));
                self.began = None;
            }
            _ => {}
        }
        if seen.failed {
            self.failures = self.failures.saturating_add(1);
        }
        self.failed = seen.failed;
        self.stage = seen.stage;
        self.last = now;
    }

    /// Time that it was seen failed by `now`.
    pub fn down_until(&self, now: Timestamp) -> Nanos {
        let open = self.began.map_or(0, |began| now.since(began));
        self.down.saturating_add(open)
    }

    fn summary(&self, what: &str, now: Timestamp) -> String {
        if self.failures == 0 {
            return format!("✓ {what}  never failed in {}", counted(self.rounds));
        }
        let codes: Vec<&str> = self.by_code.keys().copied().collect();
        let open = self.began.map(|began| now.since(began));
        let longest = open.unwrap_or(0).max(self.longest);
        let mut text = format!(
            "✗ {what}  {}: broke {}, {} in all, {} at the longest; failed in {} of {} rounds",
            codes.join(", "),
            match self.outages {
                1 => "once".to_owned(),
                n => format!("{n} times"),
            },
            words(self.down_until(now)),
            words(longest),
            self.failures,
            self.rounds
        );
        if self.rounds == self.failures {
            text.push_str("; it never worked");
        } else if open.is_some() {
            text.push_str("; it is broken now");
        }
        if let Some(pattern) = self.pattern() {
            let _ = write!(text, "; {pattern}");
        }
        text
    }

    /// A regularity: of at least four outages the beginnings are equally far apart, or the lengths are equal (to a tenth).
    fn pattern(&self) -> Option<String> {
        if self.latest.len() < 4 {
            return None;
        }
        let begins: Vec<Timestamp> = self.latest.iter().map(|(began, _)| *began).collect();
        let apart: Vec<Nanos> = begins
            .windows(2)
            .filter_map(|two| Some(two.last()?.since(*two.first()?)))
            .collect();
        let lengths: Vec<Nanos> = self.latest.iter().map(|(_, lasted)| *lasted).collect();
        match (even(&apart), even(&lengths)) {
            (Some(apart), Some(length)) => Some(format!(
                "regularly: every {} for {}",
                words(apart),
                words(length)
            )),
            (Some(apart), None) => Some(format!("regularly: every {}", words(apart))),
            (None, Some(length)) => Some(format!("always for {}", words(length))),
            (None, None) => Some("at no regular times".to_owned()),
        }
    }
}

/// Whether what worked got past a stage. A SYN that is answered opened the way, though no connection came of it.
fn is_past(seen: &Seen, stage: &str) -> bool {
    matches!(stage, "dns" | "route" | "tcp") || seen.reached.contains(&stage)
}

/// An address with its name before it.
fn labelled(name: Option<&str>, what: &str) -> String {
    match name {
        Some(name) => format!("{name} {what}"),
        None => what.to_owned(),
    }
}

/// The median, when nothing is farther from it than a tenth.
fn even(values: &[Nanos]) -> Option<Nanos> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let median = *sorted.get(sorted.len() / 2)?;
    let (low, high) = (sorted.first()?, sorted.last()?);
    let slack = (median / 10).max(SECOND);
    (median.saturating_sub(*low) <= slack && high.saturating_sub(median) <= slack).then_some(median)
}

/// A span as people say it: `4 s`, `12 min`, `2 h 5 min`.
pub fn words(span: Nanos) -> String {
    let seconds = span.max(0) / SECOND;
    match seconds {
        0 => format!("{} ms", span.max(0) / (SECOND / 1_000)),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests;
