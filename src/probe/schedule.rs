//! When rounds of `--every` begin, and what each of them may ask of a service.
//!
//! The first round measures everything and is the only one that logs in. Later ones send a SYN, and hold a session with a service only when
//! five minutes have passed since the last one: mail servers count connections, and stock fail2ban bans for less. What changes for
//! the worse is measured as a whole, once. Sans-IO: times are spans since the run began, and who has a clock says them.

use std::collections::HashMap;
use std::time::Duration;

use super::history::Standing;

#[cfg(test)]
mod tests;

/// Sessions with one server are at least so far apart, but for the one that a change of its state is worth.
pub const SESSIONS: Duration = Duration::from_secs(5 * 60);

/// The rounds of a run.
#[derive(Clone, Debug)]
pub struct Schedule {
    every: Duration,
    span: Option<Duration>,
    rounds: u64,
    /// When the latest session with a service was held.
    sessions: HashMap<String, Duration>,
}

impl Schedule {
    /// A round each `every`, until `span` is over.
    pub fn new(every: Duration, span: Option<Duration>) -> Schedule {
        Schedule {
            every: every.max(Duration::from_millis(1)),
            span,
            rounds: 0,
            sessions: HashMap::new(),
        }
    }

    /// A round begins; whether it is the one that measures everything and logs in.
    pub fn begin(&mut self) -> bool {
        self.rounds = self.rounds.saturating_add(1);
        self.rounds == 1
    }

    /// Whether it is a service's turn for a session.
    pub fn is_due(&self, what: &str, now: Duration) -> bool {
        let last = self.sessions.get(what);
        last.is_none_or(|last| now.saturating_sub(*last) >= SESSIONS)
    }

    /// A session with a service was held.
    pub fn held(&mut self, what: String, now: Duration) {
        self.sessions.insert(what, now);
    }

    /// When the next round begins, seen from the end of one; rounds that a long one ran over are left out. `None`: it was the last.
    pub fn next(&self, now: Duration) -> Option<Duration> {
        let every = self.every.as_nanos();
        let number = (now.as_nanos() / every).saturating_add(1);
        let nanos = u64::try_from(number.saturating_mul(every)).unwrap_or(u64::MAX);
        let next = Duration::from_nanos(nanos);
        self.span.is_none_or(|span| next <= span).then_some(next)
    }
}

/// How a later round begins with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A SYN.
    Syn,
    /// A session that ends after the greeting.
    Greeting,
    /// Everything: how a fault of a later stage stands, nothing less can tell.
    Whole,
}

impl Look {
    /// Whether it is a session.
    pub fn is_session(self) -> bool {
        self != Look::Syn
    }
}

/// How a round begins with a service whose turn for a session it is or not.
pub fn look(due: bool, standing: Standing) -> Look {
    match (due, standing) {
        (true, Standing::Faulty) => Look::Whole,
        (true, Standing::Well) => Look::Greeting,
        _ => Look::Syn,
    }
}

/// Whether everything is measured after that look: what worked and fails now.
pub fn goes_on(look: Look, standing: Standing, answered: bool) -> bool {
    match look {
        Look::Whole => true,
        Look::Greeting => !answered,
        Look::Syn => !answered && standing == Standing::Well,
    }
}
