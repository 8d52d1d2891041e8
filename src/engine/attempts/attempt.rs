//! An attempt that may still grow: what belongs to it, and what may join it.
//!
//! It knows what its members say of each other, and nothing of other attempts.

use std::net::IpAddr;

use super::errand::{Errand, Errands};
use super::member::{Again, Member};
use super::{LISTED, NEXT_TRY};
use crate::base::{Few, Foreign, Nanos, SECOND, Solo, Timestamp};
use crate::diagnosis::Outcome;
use crate::proto::Service;

/// Nobody gives a connection up before its first retransmission timeout (RFC 6298 2.1).
const FIRST_TIMEOUT: Nanos = SECOND;
/// What can be judged late: a silent opening is given up 180 s after its last SYN.
const JUDGED_LATE: Nanos = 200 * SECOND;
/// What was not yet put among those that are looked at.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// Tens of thousands wait at once, most of them of one connection: what follows from something else is not kept.
pub(super) struct Attempt {
    pub(super) id: u64,
    pub(super) client: IpAddr,
    /// `None` of look-ups that still wait for their connection.
    pub(super) service: Option<Service>,
    /// The name; `None` where the client wanted the address of the first connection.
    pub(super) name: Option<Foreign>,
    pub(super) connections: Solo<Member, LISTED>,
    pub(super) lookups: Few<Member, LISTED>,
    pub(super) last: Timestamp,
    pub(super) again: Again,
    /// What the first of its connections that failed of something in view was for.
    pub(super) errand: Option<Errand>,
    /// When it is looked at, as [`Attempts::expiry`] has it: no later than it is over.
    pub(super) looked_at: Timestamp,
}

impl Attempt {
    /// One of that client that nothing belongs to yet, and that has no number.
    pub(super) fn of(client: IpAddr, started: Timestamp) -> Attempt {
        Attempt {
            id: 0,
            client,
            service: None,
            name: None,
            connections: Solo::new(),
            lookups: Few::new(),
            last: started,
            again: Again::Soon,
            errand: None,
            looked_at: NEVER,
        }
    }

    pub(super) fn key(&self) -> Key<'_> {
        let family = self.service.map_or(DNS, family);
        (self.client, family, self.target())
    }

    pub(super) fn target(&self) -> Target<'_> {
        let address = || self.connections.first().map(|first| first.server.address());
        match &self.name {
            Some(name) => Target::Name(name),
            None => Target::Address(address()),
        }
    }

    /// When it is over: from then on nothing can join it any more.
    pub(super) fn expires(&self) -> Timestamp {
        // Another family of the same try may still be judged.
        let patience = self.again.patience().unwrap_or(NEXT_TRY);
        self.last.plus(patience.saturating_add(JUDGED_LATE))
    }

    /// What worked. Of one connection seen on both sides of a NAT the side that shows the fault knows more, and of the connections of a
    /// race (RFC 8305 5) the one that the client went on with: that another one could be opened and left delivered nothing.
    pub(super) fn success(&self) -> Option<&Member> {
        self.connections.iter().find(|member| {
            let denied = || {
                self.connections.iter().any(|other| {
                    let same = other.twin() == Some(member.id) || member.twin() == Some(other.id);
                    let chosen =
                        member.check && !member.own_sake && other.established && !other.check;
                    let undecided = other.outcome == Outcome::Incomplete && chosen;
                    undecided || other.outcome == Outcome::Failed && (same || chosen)
                })
            };
            member.works() && !denied()
        })
    }

    /// A probe made it.
    pub(super) fn own_sake(&self) -> bool {
        self.connections.iter().any(|member| member.own_sake)
    }

    /// Another server of a probe's purpose: it is tried whatever the others say.
    pub(super) fn lacks(&self, member: &Member) -> bool {
        member.own_sake
            && self
                .connections
                .iter()
                .all(|known| known.server != member.server)
    }

    /// What it failed of was for somebody else than that connection.
    pub(super) fn is_for_others(&self, than: &Errands<'_>) -> bool {
        self.errand.is_some_and(|errand| than.differ(errand))
    }

    /// A connection of it went on, and failed, beside one that worked.
    pub(super) fn outlives(&self, member: &Member) -> bool {
        self.connections.iter().any(|known| outlived(known, member))
    }

    /// One of the two looked and left, and the other one wanted more of the same host and did not get it in view: that it could be
    /// looked at says nothing of the work, so they are not one purpose.
    pub(super) fn contradicts(&self, member: &Member) -> bool {
        let worked = |one: &Member, other: &Member| {
            one.check
                && !other.check
                && matches!(other.outcome, Outcome::Failed | Outcome::Incomplete)
                && one.server.address() == other.server.address()
        };
        self.connections.iter().any(|known| {
            let pair = |one, other| worked(one, other) || outlived(one, other);
            pair(known, member) || pair(member, known) || beside(known, member)
        })
    }
}

/// The first one failed of its work, and got on with it for a second after the other one had opened: it was neither left for that one nor a
/// loser of their race (RFC 8305 5), and nobody took its work over. A probe tries every server for its own sake.
fn outlived(failed: &Member, worked: &Member) -> bool {
    failed.outcome == Outcome::Failed
        && !failed.own_sake
        && worked.works()
        && failed
            .got_on()
            .is_some_and(|until| until.since(worked.decided) >= SECOND)
}

/// Two connections to one port of one server, opened at once, of which one worked and the other did not: each had work of its own.
/// Who races, races addresses (RFC 8305); who tries again, does so when the first try has had its time.
fn beside(one: &Member, other: &Member) -> bool {
    let (failed, worked) = match (one.outcome, other.outcome) {
        (Outcome::Failed, _) if other.works() => (one, other),
        (_, Outcome::Failed) if one.works() => (other, one),
        _ => return false,
    };
    !failed.own_sake
        && failed.server == worked.server
        && worked.started < failed.decided
        && worked.started.since(failed.started).abs() < FIRST_TIMEOUT
}

/// Of whom something was wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target<'a> {
    Name(&'a Foreign),
    /// What has no connection has a name.
    Address(Option<IpAddr>),
}

/// Who wanted what (the family of services, or `dns`) of whom.
pub(super) type Key<'a> = (IpAddr, &'static str, Target<'a>);

/// All but the last of what [`family`] says.
pub(super) const FAMILIES: [&str; 4] = ["send", "imap", "pop3", "sieve"];
/// What look-ups are, until somebody uses what they found.
pub(super) const DNS: &str = "dns";

/// Services between which a client falls back belong to one family.
pub fn family(service: Service) -> &'static str {
    match service {
        Service::Smtp | Service::Submission | Service::Submissions | Service::Lmtp => "send",
        Service::Imap | Service::Imaps => "imap",
        Service::Pop3 | Service::Pop3s => "pop3",
        Service::Sieve => "sieve",
        Service::Other => "other",
    }
}
