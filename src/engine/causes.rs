//! Folding: what shares one cause is one line.
//!
//! Forty connections that a firewall drops are one fault. Most harmful first: network and service before client and
//! policy, then by how many attempts it cost.

use std::collections::BTreeMap;

use super::record::{RootCause, VerdictInfo};

/// Root causes kept; further ones are folded into the line of their code.
const CAUSES: usize = 1_024;
/// Connections and look-ups listed per cause; further ones are only counted.
const LISTED: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    code: &'static str,
    place: String,
}

/// The root causes so far.
#[derive(Debug, Default)]
pub struct Causes {
    map: BTreeMap<Key, (RootCause, u64)>,
}

impl Causes {
    /// Adds an attempt that died of `verdict`; `server` is what it wanted (address and port, or resolver).
    pub fn add(
        &mut self,
        verdict: &VerdictInfo,
        server: &str,
        connections: &[u64],
        lookups: &[u64],
    ) {
        let culprit = verdict
            .at
            .address
            .clone()
            .unwrap_or_else(|| server.to_owned());
        let mut key = Key {
            code: verdict.code,
            place: format!("{} {culprit} {server}", verdict.at.place),
        };
        if self.map.len() >= CAUSES && !self.map.contains_key(&key) {
            key.place = String::new();
        }
        let (cause, _) = self.map.entry(key).or_insert_with(|| {
            let cause = RootCause {
                code: verdict.code,
                class: verdict.class,
                at: verdict.at.clone(),
                connections: Vec::new(),
                lookups: Vec::new(),
                attempts: 0,
                text: verdict.summary.clone(),
                advice: verdict.advice.clone(),
            };
            (cause, 0)
        });
        cause.attempts += 1;
        for (list, more) in [
            (&mut cause.connections, connections),
            (&mut cause.lookups, lookups),
        ] {
            for id in more {
                if list.len() < LISTED && !list.contains(id) {
                    list.push(*id);
                }
            }
        }
    }

    /// Adds a finding that stands for itself (`route.*`, `settings.*`, `path.split`, `tcp.rate-limited`).
    pub fn add_finding(&mut self, verdict: &VerdictInfo) {
        let place = verdict.at.address.clone().unwrap_or_default();
        self.add(verdict, &place, &[], &[]);
    }

    /// The list, most harmful first.
    pub fn list(&self) -> Vec<RootCause> {
        let mut list: Vec<RootCause> = self.map.values().map(|(cause, _)| cause.clone()).collect();
        let rank = |class: Option<&str>| match class {
            Some("network") => 0,
            Some("service") => 1,
            Some("client") => 2,
            _ => 3,
        };
        list.sort_by(|a, b| {
            rank(a.class)
                .cmp(&rank(b.class))
                .then(b.attempts.cmp(&a.attempts))
                .then(a.code.cmp(b.code))
        });
        list
    }
}
