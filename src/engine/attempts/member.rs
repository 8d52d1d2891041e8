//! What belongs to an attempt: a connection or a look-up, as far as its attempt needs to know it.

use std::net::{IpAddr, SocketAddr};

use super::{NEXT_TRY, RETRY};
use crate::base::{Foreign, Nanos, Timestamp, ip_text, socket_text};
use crate::diagnosis::{Code, Outcome};
use crate::engine::blame::Blame;
use crate::engine::record::VerdictInfo;
use crate::proto::dns::RecordType;

/// One member of an attempt.
pub struct Member {
    /// Record number.
    pub id: u64,
    /// When it began.
    pub started: Timestamp,
    /// What else its attempt needs to know of its time. Of a look-up: when it was over. Of a connection that worked: when its TCP
    /// handshake was done (`started` where that was not seen). Of any other: when a side first closed or reset it, from when on the client may try
    /// again, or when it was over.
    pub decided: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What its verdict says; `None` when all is well and there is nothing more to say.
    pub told: Option<Box<Told>>,
    /// What a look-up asked for; `None` of a connection.
    pub asked: Option<Box<Asked>>,
    /// What it wanted, for folding.
    pub server: Wanted,
    /// Its TCP handshake was done.
    pub established: bool,
    /// It looked and left, as load balancers and monitors do (verdicts.md, "Checks").
    pub check: bool,
    /// A probe made it: it tries every server for its own sake, where a client is content with one that works.
    pub own_sake: bool,
}

/// The question of a look-up.
pub struct Asked {
    /// For that name.
    pub name: Foreign,
    /// And that type of record.
    pub kind: RecordType,
    /// Records of that type were answered.
    pub answered: bool,
    /// It gave what was asked for (a healthy one may also be a name that nobody needed).
    pub useful: bool,
    /// Nothing answered: it cost the client the time until it went on without it.
    pub silent: bool,
}

/// What an attempt keeps of a member that is not just well.
pub struct Told {
    /// Its code.
    pub code: &'static str,
    /// How sure that is.
    pub confidence: f64,
    /// What failed or was degraded: whose doing, in words.
    pub blame: Option<Blame>,
    /// A setting that a probe measured to be wrong: the cause of which this member's own verdict is the symptom.
    pub setting: Option<Box<Blame>>,
    /// The member that is the same connection, seen on the other side of a NAT.
    pub twin: Option<u64>,
    /// Until when a connection in which the server had spoken got on.
    pub got_on: Option<Timestamp>,
    /// Until when its client waited in it for an answer that never came.
    pub waited: Option<Timestamp>,
}

impl Default for Told {
    /// Of what is well.
    fn default() -> Told {
        Told {
            code: Code::Ok.name(),
            confidence: 0.0,
            blame: None,
            setting: None,
            twin: None,
            got_on: None,
            waited: None,
        }
    }
}

impl Told {
    /// Of a member with that outcome, verdict and findings.
    pub fn of(
        outcome: Outcome,
        verdict: &VerdictInfo,
        findings: &[VerdictInfo],
        blame: Option<Blame>,
    ) -> Option<Box<Told>> {
        let setting = wrong_setting(findings);
        let well = outcome == Outcome::Healthy && verdict.code == Code::Ok.name();
        let told = Told {
            code: verdict.code,
            confidence: verdict.confidence,
            blame,
            setting,
            ..Told::default()
        };
        (!well || told.blame.is_some() || told.setting.is_some()).then(|| Box::new(told))
    }
}

/// The finding that a setting is wrong, if there is one.
fn wrong_setting(findings: &[VerdictInfo]) -> Option<Box<Blame>> {
    let found = findings
        .iter()
        .find(|finding| finding.code.starts_with("settings."));
    found.map(|finding| Box::new(Blame::from(finding)))
}

/// Whom a member wanted something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A server's port.
    Server(IpAddr, u16),
    /// A resolver.
    Resolver(IpAddr),
}

impl Wanted {
    /// Whose it is.
    pub(super) fn address(self) -> IpAddr {
        match self {
            Wanted::Server(server, _) => server,
            Wanted::Resolver(resolver) => resolver,
        }
    }

    /// Address and port, or the resolver's address.
    pub(in crate::engine) fn text(self) -> String {
        match self {
            Wanted::Server(server, port) => socket_text(SocketAddr::new(server, port)),
            Wanted::Resolver(resolver) => ip_text(resolver),
        }
    }
}

impl Member {
    /// Its verdict's code.
    pub(super) fn code(&self) -> &'static str {
        self.told.as_ref().map_or(Code::Ok.name(), |told| told.code)
    }

    /// How sure it is that it failed.
    pub(super) fn confidence(&self) -> f64 {
        self.told.as_ref().map_or(0.0, |told| told.confidence)
    }

    /// Whose doing it is that it failed or was degraded.
    pub(super) fn blame(&self) -> Option<&Blame> {
        self.told.as_ref()?.blame.as_ref()
    }

    /// The wrong setting of which its verdict is the symptom.
    pub(super) fn setting(&self) -> Option<&Blame> {
        self.told.as_ref()?.setting.as_deref()
    }

    /// The member that is the same connection, seen on the other side of a NAT.
    pub(super) fn twin(&self) -> Option<u64> {
        self.told.as_ref()?.twin
    }

    /// Until when it got on, if its server had spoken and it failed afterwards.
    pub(super) fn got_on(&self) -> Option<Timestamp> {
        self.told.as_ref()?.got_on
    }

    /// Until when its client waited in it for an answer that never came, if it failed of that.
    pub(super) fn waited(&self) -> Option<Timestamp> {
        self.told.as_ref()?.waited
    }

    /// A look-up that gave what was asked for.
    pub(super) fn useful(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.useful)
    }

    /// A look-up of the MX of the name that another one asked the same resolver about.
    pub(super) fn asks_mx_of_same(&self, other: &Member) -> bool {
        let both = self.asked.as_ref().zip(other.asked.as_ref());
        self.server == other.server
            && both.is_some_and(|(mx, asked)| mx.kind == RecordType::MX && mx.name == asked.name)
    }

    /// Whether it did its work, at whatever cost.
    pub(super) fn works(&self) -> bool {
        matches!(self.outcome, Outcome::Healthy | Outcome::Degraded)
    }

    /// A later look-up answered the same question: what this one failed of (another resolver, an option that its server does not
    /// take: RFC 6891 7, RFC 7873 5.2.3) kept nobody from the answer. A probe asks every resolver for its own sake.
    pub(super) fn answers_for(&self, failed: &Member) -> bool {
        self.works()
            && !failed.own_sake
            && self.decided >= failed.started
            && self
                .asked
                .as_ref()
                .zip(failed.asked.as_ref())
                .is_some_and(|(again, before)| {
                    again.answered && again.name == before.name && again.kind == before.kind
                })
    }

    /// What a look-up cost a client that went on at that moment.
    pub(super) fn cost(&self, went_on: Timestamp) -> Nanos {
        let silent = self.asked.as_ref().is_some_and(|asked| asked.silent);
        let end = if silent { went_on } else { self.decided };
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
