//! The client's side of the lab: a scripted mail client that says what it experienced.
//!
//! It exists to walk into the faults that a scenario made, patiently or not, politely or not. It
//! judges nothing: what the packets show is mxray's business, what it experienced is only printed
//! beside the verdict. Called inside the client's network namespace; its threads stay there.

mod connect;
mod dialect;
mod external;
mod login;
mod raw_hello;
mod resolve;
mod session;
pub mod spec;
mod tls;

#[cfg(test)]
mod tests;

pub use resolve::LookupOutcome;
pub use spec::ClientSpec;

use super::server::{Pki, Stop};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// The network as a client sees it.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    /// The mail server's addresses, for clients that look nothing up.
    pub servers: Vec<IpAddr>,
    /// The resolvers, in order.
    pub resolvers: Vec<SocketAddr>,
    /// What may be trusted, and the client's own certificate.
    pub pki: &'a Pki,
    /// Ends every wait.
    pub stop: Arc<Stop>,
    /// Where query ids come from.
    pub seed: u64,
}

/// What a client experienced.
#[derive(Clone, Debug, Default)]
pub struct ClientOutcome {
    /// Its look-ups, in the order in which they ended.
    pub lookups: Vec<LookupOutcome>,
    /// Its sessions, in the order in which they ended; one without addresses failed before any connection.
    pub sessions: Vec<SessionOutcome>,
    /// What an installed program printed.
    pub output: String,
}

impl ClientOutcome {
    /// Whether everything worked, as the client sees it.
    pub fn succeeded(&self) -> bool {
        self.sessions.iter().all(|session| session.error.is_none())
            && (!self.sessions.is_empty()
                || self.lookups.iter().any(|lookup| lookup.answer.is_ok()))
    }

    /// The first thing that went wrong, in one line.
    pub fn trouble(&self) -> Option<String> {
        let session = self.sessions.iter().find_map(|session| {
            session
                .error
                .as_ref()
                .map(|error| format!("{}: {error}", session.reached))
        });
        session.or_else(|| match self.sessions.is_empty() {
            true => {
                self.lookups.iter().find_map(|lookup| {
                    lookup.answer.as_ref().err().map(|error| {
                        format!("look-up of {} {}: {error}", lookup.name, lookup.rtype)
                    })
                })
            }
            false => None,
        })
    }
}

/// What one session experienced.
#[derive(Clone, Debug, Default)]
pub struct SessionOutcome {
    /// The client's end, once there was a connection.
    pub local: Option<SocketAddr>,
    /// The server's end.
    pub peer: Option<SocketAddr>,
    /// Addresses that were tried in vain before, and why each failed.
    pub tried: Vec<(SocketAddr, String)>,
    /// The last step that was begun: `look-up`, `connect`, or a step's name.
    pub reached: String,
    /// Why it went no further; `None` when everything was done.
    pub error: Option<String>,
    /// Commands and replies, cut to the first and last hundred lines.
    pub transcript: Vec<String>,
}

/// Lines kept of a session's beginning and end, each.
const TRANSCRIPT: usize = 100;

impl SessionOutcome {
    /// Notes a line of the dialogue.
    fn note(&mut self, line: String) {
        if self.transcript.len() >= 2 * TRANSCRIPT {
            self.transcript.remove(TRANSCRIPT);
        }
        self.transcript.push(line);
    }
}

/// Does everything that the scenario wants of a client, and returns when it is done.
pub fn run(spec: &ClientSpec, network: &Network<'_>) -> ClientOutcome {
    let mut outcome = ClientOutcome::default();
    if spec.after_ms > 0 && !network.stop.pass(Duration::from_millis(spec.after_ms)) {
        return outcome;
    }
    let mut addresses: Vec<IpAddr> = spec.addresses.clone();
    if let Some(resolve) = &spec.resolve {
        let name = resolve.name.as_deref().unwrap_or(&spec.server);
        let found = resolve::resolve(resolve, name, network, &mut outcome.lookups);
        if resolve.only {
            return outcome;
        }
        if addresses.is_empty() && found.is_empty() {
            let error = Some(format!("{name}: no address"));
            outcome.sessions.push(SessionOutcome {
                reached: "look-up".into(),
                error,
                ..SessionOutcome::default()
            });
            return outcome;
        }
        if addresses.is_empty() {
            addresses = found;
        }
    }
    if addresses.is_empty() {
        addresses.clone_from(&network.servers);
    }
    let port = spec.port.or(spec.service.port()).unwrap_or(25);
    let targets: Vec<SocketAddr> = addresses
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect();
    if let Some(external) = &spec.external {
        let (output, error) = external::run(external, spec, &targets, network);
        outcome.output = output;
        outcome.sessions.push(SessionOutcome {
            reached: external.program.clone(),
            error,
            ..SessionOutcome::default()
        });
        return outcome;
    }
    let sessions = Mutex::new(Vec::new());
    // Those that are held at once begin at once, however long it takes to make their threads.
    let begin = RwLock::new(());
    std::thread::scope(|scope| {
        let not_yet = begin.write();
        for lane in 0..spec.parallel.clamp(1, 256) {
            let (sessions, targets, begin) = (&sessions, &targets, &begin);
            let work = move || {
                drop(begin.read());
                for round in 0..spec.repeat {
                    if round > 0 && !network.stop.pass(Duration::from_millis(spec.pause_ms)) {
                        return;
                    }
                    let port = spec.source_port.map(|port| {
                        let step = lane.saturating_mul(spec.repeat).saturating_add(round);
                        port.wrapping_add(u16::try_from(step).unwrap_or(0))
                    });
                    let session = session::hold(spec, targets, port, network);
                    if let Ok(mut sessions) = sessions.lock() {
                        sessions.push(session);
                    }
                }
            };
            let started = std::thread::Builder::new()
                .name("lab-client".into())
                .spawn_scoped(scope, work);
            if let Err(error) = started
                && let Ok(mut sessions) = sessions.lock()
            {
                let error = Some(error.to_string());
                sessions.push(SessionOutcome {
                    reached: "thread".into(),
                    error,
                    ..SessionOutcome::default()
                });
            }
        }
        drop(not_yet);
    });
    outcome.sessions = sessions.into_inner().unwrap_or_default();
    outcome
}
