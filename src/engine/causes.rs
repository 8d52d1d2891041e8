//! Folding: what shares one cause is one line.
//!
//! Forty connections that a firewall drops are one fault: a device that is known by its address is one cause whatever lies
//! behind it, and a port on which a client reached no server at all while SYNs to several vanished is one cause, too. Most
//! harmful first: network and service before client and policy, then by how many attempts failed, then by how many
//! it cost. It refuses to join what only looks alike: one server of several that does answer keeps the others apart.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use hashbrown::HashSet;

use super::blame::{Blame, Loss};
use super::record::{AtInfo, RootCause, VerdictInfo};

/// Root causes kept; further ones are folded into the line of their code.
const CAUSES: usize = 1_024;
/// Connections and look-ups listed per cause; further ones are only counted.
const LISTED: usize = 1_000;
/// Servers whose silence on one port is one fault, when the client reached nobody on it.
const SILENT: usize = 3;
/// Pairs of client and port that worked; further ones are forgotten, and then silence is not folded.
const WORKED: usize = 4_096;

/// Symptoms of a limit, beside silence.
const CLOSED_DOORS: [&str; 3] = ["tcp.refused", "tcp.reset-by-path", "tcp.prohibited"];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    code: &'static str,
    place: String,
    /// For a silence whose place is unknown: who met it, and on which port.
    silence: Option<(IpAddr, u16)>,
}

#[derive(Clone, Debug)]
struct Folded {
    cause: RootCause,
    failed: u64,
    /// The attempt that was added last.
    last: Option<u64>,
}

/// The root causes so far.
#[derive(Debug, Default)]
pub struct Causes {
    map: BTreeMap<Key, Folded>,
    /// Clients and the ports on which a server served them.
    worked: HashSet<(IpAddr, u16), foldhash::fast::RandomState>,
    /// Doors found closed of which the cause is known.
    explained: Vec<Explained>,
}

/// Connections that did not open at a server, and the cause of which that is the symptom.
#[derive(Debug)]
struct Explained {
    server: SocketAddr,
    who: Who,
    by: Key,
}

/// Whose connections are explained.
#[derive(Debug)]
pub enum Who {
    /// Anybody's, that met silence.
    Anybody,
    /// Those of one client: all that met silence, and what else happened to those of these numbers.
    Client(IpAddr, Vec<u64>),
}

impl Explained {
    /// Whether that is the symptom.
    fn covers(&self, symptom: &Key, folded: &Folded) -> bool {
        let is_here = |port: u16| {
            port == self.server.port() && symptom.place.ends_with(&format!(" {}", self.server))
        };
        match (&self.who, symptom.silence) {
            (Who::Anybody, Some((_, port))) => is_here(port),
            (Who::Client(known, _), Some((client, port))) => is_here(port) && *known == client,
            // A reset or an ICMP error is nobody's: it has to be of these connections alone.
            (Who::Client(_, numbers), None) => {
                let mut all = folded.cause.connections.iter();
                CLOSED_DOORS.contains(&symptom.code)
                    && folded.cause.connections.len() < LISTED
                    && all.all(|number| numbers.contains(number))
            }
            (Who::Anybody, None) => false,
        }
    }
}

impl Causes {
    /// An attempt of that client succeeded at that port of a server.
    pub fn worked(&mut self, client: IpAddr, port: u16) {
        if self.worked.len() < WORKED {
            self.worked.insert((client, port));
        }
    }

    /// What an attempt of `client` at `server` keeps of a verdict. The words only of what is no cause yet: a cause keeps the first
    /// ones and does not go before the attempts of its world are over.
    pub fn blame(&self, verdict: &VerdictInfo, client: IpAddr, server: &str) -> Blame {
        let wordless = Blame::wordless(verdict);
        // A wrong setting is known by its words; whose silence it is may be an attempt's of another client, behind a NAT.
        if is_setting(verdict.code)
            || is_silence(verdict.code, &verdict.at)
            || !self
                .map
                .contains_key(&self.key(&wordless, Some(client), server))
        {
            return Blame::from(verdict);
        }
        wordless
    }

    /// What a loss is folded into.
    fn key(&self, verdict: &Blame, client: Option<IpAddr>, server: &str) -> Key {
        let culprit = verdict.at.address.as_deref().unwrap_or(server);
        // A device that has an address is the same for every server behind it.
        let known_device = verdict.at.place == "network" && verdict.at.address.is_some();
        let port = known_device.then(|| port_of(server)).flatten();
        let wanted = port.map(|port| port.to_string());
        let parts = [
            verdict.at.place,
            culprit,
            wanted.as_deref().unwrap_or(server),
        ];
        let silence = is_silence(verdict.code, &verdict.at)
            .then(|| Some((client?, port_of(server)?)))
            .flatten();
        let mut key = Key {
            code: verdict.code,
            place: parts.join(" "),
            silence,
        };
        // A wrong setting is one cause, whatever its symptoms are.
        if is_setting(verdict.code) {
            key.place = verdict.summary().to_owned();
        }
        if self.map.len() >= CAUSES && !self.map.contains_key(&key) {
            key.place = String::new();
            key.silence = None;
        }
        key
    }

    /// Adds an attempt.
    pub fn add(&mut self, loss: &Loss<'_>) {
        let key = self.key(loss.verdict, loss.client, loss.server);
        self.fold(key, loss);
    }

    fn fold(&mut self, key: Key, loss: &Loss<'_>) {
        let verdict = loss.verdict;
        let folded = self.map.entry(key).or_insert_with(|| Folded {
            cause: RootCause {
                code: verdict.code,
                class: verdict.class,
                at: verdict.at.clone(),
                connections: Vec::new(),
                lookups: Vec::new(),
                attempts: 0,
                text: verdict.summary().to_owned(),
                advice: verdict.advice().to_vec(),
            },
            failed: 0,
            last: None,
        });
        // What stands for itself is no attempt: it counts as one only as long as none met it.
        let alone = folded.last.is_none();
        if alone && loss.attempt.is_some() {
            folded.failed = 0;
            folded.cause.attempts = 0;
        }
        if alone || loss.attempt.is_some() && folded.last != loss.attempt {
            folded.failed += u64::from(loss.failed);
            folded.cause.attempts += 1;
            folded.last = loss.attempt;
        }
        extend(&mut folded.cause.connections, loss.connections);
        extend(&mut folded.cause.lookups, loss.lookups);
    }

    /// Adds a finding that stands for itself (`route.*`, `settings.*`, `path.split`, `tcp.rate-limited`).
    pub fn add_finding(&mut self, verdict: &VerdictInfo) {
        let place = verdict.at.address.clone().unwrap_or_default();
        self.found(verdict, &place);
    }

    /// Gives back under what it stands.
    fn found(&mut self, verdict: &VerdictInfo, server: &str) -> Key {
        let blame = Blame::from(verdict);
        let key = self.key(&blame, None, server);
        let loss = Loss {
            attempt: None,
            verdict: &blame,
            failed: true,
            client: None,
            server,
            connections: &[],
            lookups: &[],
        };
        self.fold(key.clone(), &loss);
        key
    }

    /// That connections did not open at a port of a server has a cause of its own. It is the symptom and no cause, whether it was met
    /// before or is met later.
    pub fn explain(&mut self, who: Who, server: SocketAddr, cause: &VerdictInfo) {
        let by = self.found(cause, &server.to_string());
        if self.explained.len() < CAUSES {
            self.explained.push(Explained { server, who, by });
        }
    }

    /// A world is over: what was met in it and whose cause is known is counted with that.
    pub fn settle_silences(&mut self) {
        for explained in std::mem::take(&mut self.explained) {
            let all = self.map.iter();
            let symptoms: Vec<Key> = all
                .filter(|(key, folded)| explained.covers(key, folded))
                .map(|(key, _)| key.clone())
                .collect();
            for (at, symptom) in symptoms.iter().enumerate() {
                let (Some(symptom), Some(whole)) =
                    (self.map.remove(symptom), self.map.get_mut(&explained.by))
                else {
                    continue;
                };
                // What stood for itself was no attempt.
                if at == 0 && whole.last.is_none() {
                    whole.cause.attempts = 0;
                    whole.failed = 0;
                }
                whole.cause.attempts += symptom.cause.attempts;
                whole.failed += symptom.failed;
                whole.last = symptom.last;
                extend(&mut whole.cause.connections, &symptom.cause.connections);
            }
        }
    }

    /// The list, most harmful first.
    pub fn list(&self) -> Vec<RootCause> {
        let mut list = self.folded();
        let rank = |class: Option<&str>| match class {
            Some("network") => 0,
            Some("service") => 1,
            Some("client") => 2,
            _ => 3,
        };
        list.sort_by(|a, b| {
            rank(a.cause.class)
                .cmp(&rank(b.cause.class))
                .then(b.failed.cmp(&a.failed))
                .then(b.cause.attempts.cmp(&a.cause.attempts))
                .then(a.cause.code.cmp(b.cause.code))
        });
        list.into_iter().map(|folded| folded.cause).collect()
    }

    /// The causes, with silences of several servers on one port made one where that port worked nowhere.
    fn folded(&self) -> Vec<Folded> {
        let mut silent: BTreeMap<(IpAddr, u16), Vec<&Folded>> = BTreeMap::new();
        let mut list = Vec::with_capacity(self.map.len());
        let full = self.worked.len() >= WORKED;
        for (key, folded) in &self.map {
            match key.silence {
                Some(silence) if !full && !self.worked.contains(&silence) => {
                    silent.entry(silence).or_default().push(folded);
                }
                _ => list.push(folded.clone()),
            }
        }
        for ((client, port), group) in silent {
            if group.len() < SILENT {
                list.extend(group.into_iter().cloned());
                continue;
            }
            let mut whole: Option<Folded> = None;
            for part in &group {
                match &mut whole {
                    None => whole = Some((*part).clone()),
                    Some(whole) => {
                        whole.failed += part.failed;
                        whole.cause.attempts += part.cause.attempts;
                        extend(&mut whole.cause.connections, &part.cause.connections);
                    }
                }
            }
            if let Some(mut whole) = whole {
                whole.cause.text = format!(
                    "SYN packets of {client} to port {port} vanish, whichever of {} servers is asked; none answered on that port.",
                    group.len()
                );
                whole.cause.advice = vec![
                    format!(
                        "Ask whoever runs {client}'s way out (own firewall, provider, cloud) whether TCP port {port} is blocked"
                    ),
                    format!(
                        "Where it dies: mxray probe, or tcptraceroute to port {port} and to a port that works"
                    ),
                ];
                list.push(whole);
            }
        }
        list
    }
}

fn is_silence(code: &str, at: &AtInfo) -> bool {
    code == "tcp.dropped" && at.address.is_none()
}

fn is_setting(code: &str) -> bool {
    code.starts_with("settings.")
}

/// Adds numbers in their order, each once, up to the bound.
fn extend(list: &mut Vec<u64>, more: &[u64]) {
    for id in more {
        if list.len() < LISTED
            && list
                .last()
                .is_none_or(|last| last < id || !list.contains(id))
        {
            list.push(*id);
        }
    }
}

/// The port of `address:port`.
fn port_of(server: &str) -> Option<u16> {
    server
        .parse::<SocketAddr>()
        .ok()
        .map(|server| server.port())
}

#[cfg(test)]
mod tests;
