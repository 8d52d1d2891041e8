//! Root causes as they come, before the engine's own summary: what shares code and place is one line.
//!
//! Counted are attempts, as everywhere; what an attempt that succeeded in the end lost on its way is taken back
//! when the engine says so. Bounded; further causes are folded into the line of their code.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashSet;

use super::row::{Key, Row};
use crate::base::Timestamp;
use crate::engine::record::{AtInfo, VerdictInfo};

/// Causes told apart.
const CAUSES: usize = 512;
/// Attempts remembered per cause, so that each counts once.
const ATTEMPTS: usize = 4_096;

/// One cause so far.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Its code.
    pub code: &'static str,
    /// Its class.
    pub class: Option<&'static str>,
    /// Where.
    pub at: AtInfo,
    /// What was wanted: the server of the first.
    pub target: String,
    /// The first one's summary.
    pub text: String,
    /// The first one's advice.
    pub advice: Vec<String>,
    /// Attempts that it cost.
    pub attempts: u64,
    /// Of them, those that failed.
    failed: u64,
    /// When the first that died of it began.
    pub since: Timestamp,
    /// When the latest did.
    pub latest: Timestamp,
    /// The row that died of it last.
    pub last: Option<Key>,
    seen: HashSet<(bool, u64), foldhash::fast::RandomState>,
    order: VecDeque<(bool, u64)>,
}

/// The attempt of a row. What is provisional has none yet and counts for itself, until its final record takes its place.
fn attempt(row: &Row) -> (bool, u64) {
    match (row.attempt(), row.key) {
        (Some(attempt), _) => (true, attempt),
        (None, Key::Connection(id) | Key::Lookup(id)) => (false, id),
    }
}

/// What a row adds to the failures of its cause.
fn failures(row: &Row) -> u64 {
    u64::from(row.outcome() == "failed")
}

/// The causes so far.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    map: BTreeMap<(&'static str, String), Cause>,
}

/// What a row is folded under by cause.
pub fn place(row: &Row) -> (&'static str, String) {
    let verdict = row.verdict();
    let server = crate::present::endpoint(row.server_ip(), row.port());
    let culprit = verdict.at.address.as_deref().unwrap_or("");
    (
        verdict.code,
        format!("{} {culprit} {server}", verdict.at.place),
    )
}

impl Causes {
    /// A row that died.
    pub fn add(&mut self, row: &Row) {
        if !row.is_bad() {
            return;
        }
        let mut key = place(row);
        if self.map.len() >= CAUSES && !self.map.contains_key(&key) {
            key.1 = String::new();
        }
        let (began, died) = (row.started(), row.died());
        let cause = self
            .map
            .entry(key)
            .or_insert_with(|| Cause::new(row.verdict(), row.target(), began));
        cause.since = cause.since.min(began);
        cause.latest = cause.latest.max(died);
        if cause.latest == died {
            cause.last = Some(row.key);
        }
        if cause.seen.insert(attempt(row)) {
            cause.attempts = cause.attempts.saturating_add(1);
            cause.failed = cause.failed.saturating_add(failures(row));
            cause.order.push_back(attempt(row));
            if cause.order.len() > ATTEMPTS
                && let Some(oldest) = cause.order.pop_front()
            {
                cause.seen.remove(&oldest);
            }
        }
    }

    /// A row that was told provisionally and is told anew, or whose attempt succeeded in the end.
    pub fn take_back(&mut self, row: &Row) {
        if !row.is_bad() {
            return;
        }
        let key = place(row);
        if let Some(cause) = self.map.get_mut(&key)
            && cause.seen.remove(&attempt(row))
        {
            cause.order.retain(|one| *one != attempt(row));
            cause.attempts = cause.attempts.saturating_sub(1);
            cause.failed = cause.failed.saturating_sub(failures(row));
            if cause.attempts == 0 {
                self.map.remove(&key);
            }
        }
    }

    /// A finding that stands for itself (`route.*` …).
    pub fn add_finding(&mut self, verdict: &VerdictInfo, time: Timestamp) {
        let key = (verdict.code, verdict.at.address.clone().unwrap_or_default());
        let cause = self
            .map
            .entry(key)
            .or_insert_with(|| Cause::new(verdict, String::new(), time));
        cause.latest = cause.latest.max(time);
    }

    /// The causes, most harmful first, as in a report: network and service before client and policy, then by what failed,
    /// then by what was only degraded.
    pub fn list(&self) -> Vec<&Cause> {
        let rank = |class: Option<&str>| match class {
            Some("network") => 0,
            Some("service") => 1,
            Some("client") => 2,
            _ => 3,
        };
        let mut list: Vec<&Cause> = self.map.values().collect();
        list.sort_by(|a, b| {
            rank(a.class)
                .cmp(&rank(b.class))
                .then(b.failed.cmp(&a.failed))
                .then(b.attempts.cmp(&a.attempts))
                .then(a.since.cmp(&b.since))
                .then(a.code.cmp(b.code))
        });
        list
    }
}

impl Cause {
    /// Whether it cost attempts something, and none its success.
    pub fn is_only_cost(&self) -> bool {
        self.attempts > 0 && self.failed == 0
    }

    fn new(verdict: &VerdictInfo, target: String, time: Timestamp) -> Cause {
        Cause {
            code: verdict.code,
            class: verdict.class,
            at: verdict.at.clone(),
            target,
            text: verdict.summary.clone(),
            advice: verdict.advice.clone(),
            attempts: 0,
            failed: 0,
            since: time,
            latest: time,
            last: None,
            seen: HashSet::default(),
            order: VecDeque::new(),
        }
    }
}
