//! What the model is told from outside, and what becomes of it: records, the capture's clock and counters, a replay's state.
//!
//! Everything that is kept of it has a bound.

use std::sync::Arc;

use super::row::{Key, Subject};
use super::{Causes, Counts, History, Kind, Store};
use super::{Effect, Model, Screen};
use crate::base::{SECOND, Timestamp};
use crate::engine::record::Record;
use crate::tui::event::{Event, Stats};

/// Findings and sources kept.
const FINDINGS: usize = 256;
/// Notices kept.
const NOTICES: usize = 100;
/// Servers counted.
const SERVERS: usize = 2_000;

impl Model {
    pub(super) fn event(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Source { id, name, beside } => {
                if self.source_names.len() < FINDINGS {
                    self.source_names.insert(id, name);
                    if beside {
                        self.beside.insert(id);
                    }
                }
            }
            Event::Record(record) => return self.record(record),
            Event::Clock(time) => {
                self.clock(time);
                return Vec::new();
            }
            Event::Stats(stats) => {
                self.stats(stats);
                return Vec::new();
            }
            Event::Dropped { id, count } => {
                if self.source_names.contains_key(&id) {
                    self.dropped.insert(id, count);
                }
            }
            Event::Probed { server, found } => {
                if self.probed.len() < SERVERS || self.probed.contains_key(&server) {
                    self.probed.insert(server, found);
                }
            }
            Event::Notice { time, text } => {
                if self.notices.len() >= NOTICES {
                    self.notices.pop_front();
                }
                self.say(text.clone());
                self.notices.push_back((time, text));
            }
            Event::Doing(what) => self.doing = (!what.is_empty()).then_some(what),
            Event::Playback(playback) => self.playback = Some(playback),
            Event::Timeline(timeline) => self.timeline = Some(timeline),
            Event::Restart => self.restart(),
            Event::End => {
                self.ended = true;
                self.doing = None;
                self.list.rebuild(&self.store);
                self.worst();
            }
        }
        self.changed = true;
        Vec::new()
    }

    /// At the end, where the user has not chosen a row: the one that the most harmful cause killed last.
    fn worst(&mut self) {
        let causes = self.causes.list();
        let worst = causes.first().filter(|one| one.class != Some("policy"));
        if let Some(key) = worst.and_then(|cause| cause.last) {
            self.list.offer(key);
        }
    }

    fn clock(&mut self, time: Timestamp) {
        let before = self.now;
        self.now = self.now.max(time);
        if before.0 == 0 {
            self.look.clock.begin(time);
        }
        // Live, what time alone changes is told in seconds; the bar of a replay moves in smaller steps.
        let step = match self.kind {
            Kind::Live => SECOND,
            _ => SECOND / 10,
        };
        if self.now.0.div_euclid(step) != before.0.div_euclid(step) && !self.frozen {
            self.changed = true;
        }
    }

    fn stats(&mut self, stats: Stats) {
        let packets = stats.packets.saturating_sub(self.stats.packets);
        if self.stats.packets > 0 || packets > 0 {
            self.history.at(self.now).packets += packets;
        }
        if let Some((from, count)) = self.rate_from {
            let span = self.now.since(from);
            if span >= SECOND / 2 {
                let more = stats.packets.saturating_sub(count) as f64;
                self.rate = more * SECOND as f64 / span as f64;
                self.rate_from = Some((self.now, stats.packets));
            }
        } else {
            self.rate_from = Some((self.now, stats.packets));
        }
        // The list shows of them what was dropped.
        let overview = matches!(self.screen, Screen::Overview { .. });
        self.changed |= stats.dropped != self.stats.dropped || overview && stats != self.stats;
        self.stats = stats;
    }

    fn restart(&mut self) {
        let bounds = self.store.bounds();
        self.store = Store::new(bounds);
        self.causes = Causes::default();
        self.history = History::default();
        self.counts = Counts::default();
        self.servers.clear();
        self.findings.clear();
        self.paths.clear();
        self.probed.clear();
        self.sources.clear();
        self.dropped.clear();
        self.summary = None;
        self.stats = Stats::default();
        self.rate = 0.0;
        self.rate_from = None;
        self.now = self.timeline.as_ref().map_or(Timestamp(0), |one| one.first);
        self.ended = false;
        self.frozen = false;
        self.frozen_at = None;
        self.list.until = None;
        self.list.begin_again();
    }

    fn record(&mut self, record: Record) -> Vec<Effect> {
        self.changed = true;
        match record {
            Record::Connection(record) => return self.row(Subject::Connection(record)),
            Record::Lookup(record) => return self.row(Subject::Lookup(Box::new(record))),
            // What an attempt that succeeded lost on its way is no root cause.
            Record::Attempt(attempt) if attempt.outcome == "healthy" => {
                let connections = attempt.connections.iter().map(|id| Key::Connection(*id));
                let lookups = attempt.lookups.iter().map(|id| Key::Lookup(*id));
                for key in connections.chain(lookups) {
                    if let Some(row) = self.store.get(key) {
                        self.causes.take_back(row);
                    }
                }
            }
            Record::Finding(finding) => {
                let beside = finding.source.is_some_and(|id| self.beside.contains(&id));
                if finding.verdict.code.starts_with("route.") && !beside {
                    let time = finding.verdict.time.map_or(self.now, |moment| moment.0);
                    self.causes.add_finding(&finding.verdict, time);
                }
                if self.findings.len() < FINDINGS {
                    self.findings.push(finding);
                }
            }
            Record::Source(source) if self.sources.len() < FINDINGS => self.sources.push(source),
            Record::Path(path) if self.paths.len() < FINDINGS => self.paths.push(path),
            Record::Summary(summary) => self.summary = Some(summary),
            _ => {}
        }
        Vec::new()
    }

    fn row(&mut self, subject: Subject) -> Vec<Effect> {
        let put = self.store.put(subject);
        let row = put.row;
        if row.ended() > self.now {
            self.clock(row.ended());
        }
        if row.is_control() || self.beside.contains(&row.source()) {
            self.list.push(&row);
            return Vec::new();
        }
        let server = row.server_group();
        let known = self.servers.len() < SERVERS || self.servers.contains_key(&server);
        if let Some(old) = &put.replaced {
            self.counts.take(old);
            self.causes.take_back(old);
            if let Some(counts) = self.servers.get_mut(&old.server_group()) {
                counts.take(old);
            }
        }
        self.counts.add(&row);
        self.causes.add(&row);
        if known {
            self.servers.entry(server).or_default().add(&row);
        }
        if let Some(old) = &put.replaced {
            self.history.at(old.died()).take(old);
        }
        self.history.at(row.died()).add(&row);
        if put.replaced.is_some() || put.evicted || self.frozen {
            self.list.touch();
        } else {
            self.list.push(&row);
        }
        let mut effects = Vec::new();
        if let Screen::Detail(detail) = &mut self.screen
            && detail.row.key == row.key
            && !self.frozen
        {
            detail.row = Arc::clone(&row);
            effects.push(Effect::Load(row.key));
        }
        effects
    }
}
