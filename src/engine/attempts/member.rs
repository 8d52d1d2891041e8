//! What belongs to an attempt: a connection or a look-up, as far as its attempt needs to know it.

use std::net::{IpAddr, SocketAddr};

use super::{NEXT_TRY, RETRY};
use crate::base::{Nanos, Timestamp, ip_text, socket_text};
use crate::diagnosis::Outcome;
use crate::engine::blame::Blame;
use crate::engine::record::VerdictInfo;

/// One member of an attempt.
pub struct Member {
    /// Record number.
    pub id: u64,
    /// When it began.
    pub started: Timestamp,
    /// When its TCP handshake was done; `started` for what has none.
    pub opened: Timestamp,
    /// When a side first closed or reset it: from then on the client may try again. `ended` for what nobody closed.
    pub left: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// Its verdict's code.
    pub code: &'static str,
    /// How sure that is.
    pub confidence: f64,
    /// What failed or was degraded: whose doing, in words.
    pub blame: Option<Box<Blame>>,
    /// A look-up that gave what was asked for (a healthy one may also be a name that nobody needed).
    pub useful: bool,
    /// A look-up that nothing answered: it cost the client the time until it went on without it.
    pub silent: bool,
    /// What it wanted, for folding.
    pub server: Wanted,
    /// It looked and left, as load balancers and monitors do (verdicts.md, "Checks").
    pub check: bool,
    /// A probe made it: it tries every server for its own sake, where a client is content with one that works.
    pub own_sake: bool,
    /// A setting that a probe measured to be wrong: the cause of which this member's own verdict is the symptom.
    pub setting: Option<Box<Blame>>,
    /// The member that is the same connection, seen on the other side of a NAT.
    pub twin: Option<u64>,
}

/// The finding that a setting is wrong, if there is one.
pub fn wrong_setting(findings: &[VerdictInfo]) -> Option<Box<Blame>> {
    let found = findings
        .iter()
        .find(|finding| finding.code.starts_with("settings."));
    found.map(|finding| Box::new(Blame::from(finding)))
}

/// Whom a member wanted something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A server.
    Server(SocketAddr),
    /// A resolver.
    Resolver(IpAddr),
}

impl Wanted {
    /// Whose it is.
    pub(super) fn address(self) -> IpAddr {
        match self {
            Wanted::Server(server) => server.ip(),
            Wanted::Resolver(resolver) => resolver,
        }
    }

    /// Address and port, or the resolver's address.
    pub(in crate::engine) fn text(self) -> String {
        match self {
            Wanted::Server(server) => socket_text(server),
            Wanted::Resolver(resolver) => ip_text(resolver),
        }
    }
}

impl Member {
    /// Whether it did its work, at whatever cost.
    pub(super) fn works(&self) -> bool {
        matches!(self.outcome, Outcome::Healthy | Outcome::Degraded)
    }

    /// What a look-up cost a client that went on at that moment.
    pub(super) fn cost(&self, went_on: Timestamp) -> Nanos {
        let end = if self.silent { went_on } else { self.ended };
        end.since(self.started)
    }
}

/// When a client that failed tries the same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// At once: another address, another way.
    Soon,
    /// When it was told to come back (4xx).
    Later,
    /// Not at all.
    Never,
}

impl Again {
    /// How long after the last one ended the next try comes at the most.
    pub(super) fn patience(self) -> Option<Nanos> {
        match self {
            Again::Soon => Some(NEXT_TRY),
            Again::Later => Some(RETRY),
            Again::Never => None,
        }
    }
}
