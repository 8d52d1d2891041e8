//! Which records are shown. It changes no verdict, no root cause, no count and no exit code: those are of the
//! whole run.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::base::Timestamp;
use crate::engine::record::{ConnectionRecord, LookupRecord, Record, VerdictInfo};

/// What a record must be to be shown; with nothing set, all are.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// Only what failed.
    pub only_failed: bool,
    /// Verdicts or findings of one of these codes.
    pub codes: Vec<String>,
    /// Verdicts of one of these classes.
    pub classes: Vec<String>,
    /// Connections of one of these services.
    pub services: Vec<&'static str>,
    /// Asked by one of these addresses.
    pub clients: Vec<IpAddr>,
    /// Asked of one of these addresses (servers, resolvers).
    pub servers: Vec<IpAddr>,
    /// Over before this: not shown.
    pub since: Option<Timestamp>,
    /// Begun after this: not shown.
    pub until: Option<Timestamp>,
    /// Something else decides as well, connection by connection: see `matched` of [`Selection::wants`].
    pub filtered: bool,
}

/// The criteria, and what they let through so far.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The criteria; times may be filled in when the first frame is known.
    pub criteria: Criteria,
    shown_connections: HashSet<u64>,
    shown_lookups: HashSet<u64>,
}

impl Criteria {
    /// Whether anything is left out at all.
    pub fn narrows(&self) -> bool {
        self.only_failed
            || self.filtered
            || self.since.is_some()
            || self.until.is_some()
            || !(self.codes.is_empty()
                && self.classes.is_empty()
                && self.services.is_empty()
                && self.clients.is_empty()
                && self.servers.is_empty())
    }

    fn verdict(&self, verdict: &VerdictInfo, findings: &[VerdictInfo]) -> bool {
        let code = |wanted: &String| {
            wanted == verdict.code || findings.iter().any(|finding| wanted == finding.code)
        };
        let class = |wanted: &String| verdict.class == Some(wanted.as_str());
        any(&self.codes, code) && any(&self.classes, class)
    }

    fn ends(&self, client: &str, server: &str) -> bool {
        let is = |text: &str| {
            let parsed = text.parse::<IpAddr>().ok();
            move |wanted: &IpAddr| parsed == Some(*wanted)
        };
        any(&self.clients, is(client)) && any(&self.servers, is(server))
    }

    fn during(&self, from: Timestamp, to: Timestamp) -> bool {
        self.since.is_none_or(|since| to >= since) && self.until.is_none_or(|until| from <= until)
    }

    fn connection(&self, record: &ConnectionRecord) -> bool {
        (!self.only_failed || record.outcome == "failed")
            && self.verdict(&record.verdict, &record.findings)
            && any(&self.services, |wanted| *wanted == record.service)
            && self.ends(&record.client.ip, &record.server.ip)
            && self.during(record.started.0, record.ended.0)
    }

    fn lookup(&self, record: &LookupRecord) -> bool {
        let answered = record.rtt_ms.map_or(0, |ms| (ms * 1e6) as i64);
        (!self.only_failed || record.outcome == "failed")
            && self.verdict(&record.verdict, &record.findings)
            && self.services.is_empty()
            && self.ends(&record.client, &record.resolver)
            && self.during(record.started.0, record.started.0.plus(answered))
    }
}

impl Selection {
    /// Lets nothing through yet.
    pub fn new(criteria: Criteria) -> Selection {
        Selection {
            criteria,
            ..Selection::default()
        }
    }

    /// Whether that record is shown. Attempts are shown when something of them is: ask in the order of the engine.
    /// `matched` is what another filter says of a connection or look-up.
    pub fn wants(&mut self, record: &Record, matched: bool) -> bool {
        if !self.criteria.narrows() {
            return true;
        }
        match record {
            Record::Source(_) | Record::Summary(_) | Record::Path(_) => true,
            Record::Connection(connection) => {
                let wanted = matched && self.criteria.connection(connection);
                if wanted {
                    self.shown_connections.insert(connection.id);
                }
                wanted
            }
            Record::Lookup(lookup) => {
                let wanted = matched && self.criteria.lookup(lookup);
                if wanted {
                    self.shown_lookups.insert(lookup.id);
                }
                wanted
            }
            Record::Attempt(attempt) => {
                // An attempt is the last that is heard of its members: a run of days must not remember them all.
                let (mut shown, connections) = (false, &mut self.shown_connections);
                for id in &attempt.connections {
                    shown |= connections.remove(id);
                }
                for id in &attempt.lookups {
                    shown |= self.shown_lookups.remove(id);
                }
                shown
            }
            Record::Finding(finding) => {
                !self.criteria.only_failed && self.criteria.verdict(&finding.verdict, &[])
            }
        }
    }
}

fn any<T>(wanted: &[T], fits: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}
