//! Attempts: what a client did for one purpose.
//!
//! Look-ups, the addresses and families it tried, retries without TLS, a 4xx and the retry are one attempt. What
//! came before a success makes it degraded by the loser's code, or healthy with a finding when it cost less
//! than a second. Here stands what joins what; how an attempt ended is `verdict`'s. Open attempts are bounded; the
//! oldest is closed first.

mod attempt;
mod errand;
mod member;
mod places;
mod purposes;
#[cfg(test)]
mod tests;
mod verdict;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use hashbrown::HashMap;

pub use attempt::family;
use attempt::{Attempt, DNS, FAMILIES, Key, Target};
use errand::{Errand, Errands};
pub use member::{Again, Asked, Member, Told, Wanted};
use places::Places;
use purposes::Purposes;
use verdict::{faults, verdict_of};

use super::blame::Loss;
use super::causes::Causes;
use super::record::{AttemptRecord, CodeOnly, Record, Summary};
use crate::base::{Foreign, Nanos, SECOND, Timestamp, ip_text};
use crate::diagnosis::{Code, Outcome};
use crate::proto::Service;
use crate::proto::mail::Dialogue;

/// A next try comes at most this long after the last one ended.
const NEXT_TRY: Nanos = 30 * SECOND;
/// A retry after a temporary refusal comes within this time (Postfix: at most 4000 s between tries).
const RETRY: Nanos = 4_200 * SECOND;
/// A device forwards a SYN within this time.
const FORWARDED: Nanos = SECOND / 50;
/// Attempts open at once.
const OPEN: usize = 65_536;
/// Connections and look-ups listed per attempt.
const LISTED: usize = 256;

/// Attempts that may still grow.
type Open = Places<Attempt>;

/// A SYN's initial sequence number and TSval: the same on both sides of a NAT.
pub type Twin = (u32, u32);

/// An attempt's place, and the lower half of its number: whether it is still the one that was there.
type Known = (u32, u32);

/// When an attempt is to be looked at, the lower half of its number, and its place: one number, because thousands are compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Look(u128);

impl Look {
    fn new(when: Timestamp, id: u32, at: u32) -> Look {
        // As a number that is never negative, in the order of time.
        let when = when.0.cast_unsigned() ^ 1 << 63;
        Look(u128::from(when) << 64 | u128::from(id) << 32 | u128::from(at))
    }

    fn parts(self) -> (Timestamp, u32, u32) {
        let when = ((self.0 >> 64) as u64 ^ 1 << 63).cast_signed();
        (Timestamp(when), (self.0 >> 32) as u32, self.0 as u32)
    }
}

/// All attempts that may still grow, and the counts of those that are over.
pub struct Attempts {
    open: Open,
    /// When each of them is looked at. One that has grown is looked at too early, which costs less than to move it each time.
    expiry: BinaryHeap<Reverse<Look>>,
    /// The latest of each purpose.
    by_purpose: Purposes,
    /// The latest of each purpose that failed of an errand in view, by that as well: others may have come since.
    by_errand: Purposes,
    /// Connections that a NAT may show again under other addresses: counted once.
    twins: HashMap<Twin, Known, foldhash::fast::RandomState>,
    next: u64,
    /// Counts of finished attempts.
    pub summary: Summary,
    /// Why they failed.
    pub causes: Causes,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts {
            open: Open::default(),
            expiry: BinaryHeap::new(),
            by_purpose: Purposes::default(),
            by_errand: Purposes::by_errand(),
            twins: HashMap::default(),
            next: 0,
            summary: Summary::default(),
            causes: Causes::default(),
        }
    }
}

impl Attempts {
    /// A judged look-up: the attempt it belongs to. `purpose` is what the client then wants from the name.
    pub fn lookup(
        &mut self,
        client: IpAddr,
        name: &Foreign,
        member: Member,
        out: &mut dyn FnMut(Record),
    ) -> u64 {
        let target = Target::Name(name);
        let key = (client, DNS, target);
        let known = self.by_purpose.get(&self.open, key).filter(|at| {
            self.open.get(*at).is_some_and(|attempt| {
                attempt.connections.is_empty() && member.started.since(attempt.last) <= NEXT_TRY
            })
        });
        // A look-up is judged a while after its end, and the next exchanger's may come after the first one failed.
        let known = known.or_else(|| {
            FAMILIES.iter().find_map(|family| {
                let at = self.by_purpose.get(&self.open, (client, family, target))?;
                let attempt = self.open.get(at)?;
                let early = member.started.since(attempt.last) <= NEXT_TRY;
                let winner = attempt.success();
                (early && winner.is_none_or(|winner| member.started <= winner.started))
                    .then_some(at)
            })
        });
        let last = member.decided;
        let at = match known {
            Some(at) => {
                if let Some(attempt) = self.open.get_mut(at) {
                    let _ = attempt.lookups.try_push(member);
                }
                at
            }
            None => {
                let mut attempt = Attempt {
                    name: Some(name.clone()),
                    ..Attempt::of(client, member.started)
                };
                attempt.lookups.push(member);
                self.start(attempt, out)
            }
        };
        self.grown(at, last)
    }

    /// An attempt has grown: it is over later, or, when what it waited for came, earlier. Its number.
    fn grown(&mut self, at: u32, last: Timestamp) -> u64 {
        let Some(attempt) = self.open.get_mut(at) else {
            return 0;
        };
        attempt.last = attempt.last.max(last);
        let over = attempt.expires();
        if over < attempt.looked_at {
            attempt.looked_at = over;
            let look = Look::new(over, attempt.id as u32, at);
            self.expiry.push(Reverse(look));
        }
        let id = attempt.id;
        // Of those that had to make room.
        if self.expiry.len() > 4 * OPEN {
            let open = &self.open;
            self.expiry.retain(|Reverse(look)| {
                let (when, id, at) = look.parts();
                let same = |one: &Attempt| one.id as u32 == id && one.looked_at == when;
                open.get(at).is_some_and(same)
            });
        }
        id
    }

    /// The attempt in which that connection was seen from the other side of a NAT, with the connection's number there.
    fn other_side(&self, twin: Twin, client: IpAddr, member: &Member) -> Option<(u32, u64)> {
        let (at, id) = self.twins.get(&twin).copied()?;
        let attempt = self.open.get(at).filter(|known| known.id as u32 == id)?;
        // The same segment on both sides of a device: moments apart, one end unchanged.
        let known = attempt.connections.iter().find(|known| {
            known.started.since(member.started).abs() <= FORWARDED
                && (known.server == member.server || attempt.client == client)
        });
        Some((at, known?.id))
    }

    /// A judged connection, which was over at `ended`, and what was said in it: the attempt it belongs to. Without a name it is its server's address that the client wanted.
    #[allow(clippy::too_many_arguments)] // all of it decides which attempt it is
    pub fn connection(
        &mut self,
        client: IpAddr,
        service: Service,
        name: Option<&Foreign>,
        mut member: Member,
        ended: Timestamp,
        again: Again,
        twin: Option<Twin>,
        dialogue: Option<&Dialogue>,
        out: &mut dyn FnMut(Record),
    ) -> u64 {
        if let Some((at, other)) = twin.and_then(|twin| self.other_side(twin, client, &member)) {
            member.told.get_or_insert_default().twin = Some(other);
            if let Some(attempt) = self.open.get_mut(at) {
                let _ = attempt.connections.try_push(member);
            }
            return self.grown(at, ended);
        }
        let family = family(service);
        let works = member.works();
        let errands = &Errands::of(dialogue, works);
        let target = match name {
            Some(name) => Target::Name(name),
            None => Target::Address(Some(member.server.address())),
        };
        let key = (client, family, target);
        let joins = |attempt: &Attempt| {
            if attempt.contradicts(&member) {
                return false;
            }
            if attempt.lacks(&member) {
                return true;
            }
            if attempt.is_for_others(errands) {
                return false;
            }
            let gap = member.started.since(attempt.last);
            match attempt.success() {
                // It worked already: only a loser that began before the winner belongs to it.
                Some(winner) => !works && member.started <= winner.decided,
                None => {
                    attempt.connections.is_empty()
                        || attempt
                            .again
                            .patience()
                            .is_some_and(|patience| gap <= patience)
                }
            }
        };
        let joins = |at: &u32| self.open.get(*at).is_some_and(&joins);
        // An earlier try of the same errand, others between them or not; of the same purpose; look-ups of the name that wait for
        // their connection.
        let mut known = None;
        if !self.by_errand.is_empty() && !member.own_sake {
            known = errands.find(|errand| {
                self.by_errand
                    .failed_of(&self.open, key, errand)
                    .filter(joins)
            });
        }
        known = known.or_else(|| self.by_purpose.get(&self.open, key).filter(joins));
        if known.is_none()
            && name.is_some()
            && let Some(at) = self.by_purpose.get(&self.open, (client, DNS, target))
        {
            self.by_purpose.forget(&self.open, at);
            if let Some(attempt) = self.open.get_mut(at)
                && attempt.connections.is_empty()
            {
                attempt.service = Some(service);
                self.by_purpose.set(&self.open, at);
                known = Some(at);
            }
        }
        // What stands alone beside work that failed, and the next try of that work still finds the attempt.
        let of_work = self
            .by_purpose
            .get(&self.open, key)
            .filter(|_| known.is_none())
            .filter(|at| {
                let apart = |attempt: &Attempt| {
                    member.check && attempt.contradicts(&member)
                        || attempt.outlives(&member)
                        || works && attempt.is_for_others(errands)
                };
                self.open.get(*at).is_some_and(apart)
            });
        let again = if works { Again::Soon } else { again };
        let failed = member.outcome == Outcome::Failed && !member.own_sake;
        let errand = failed.then(|| errands.wanted()).flatten();
        let at = match known {
            Some(at) => {
                if let Some(attempt) = self.open.get_mut(at) {
                    attempt.service.get_or_insert(service);
                    attempt.again = again;
                    let _ = attempt.connections.try_push(member);
                }
                at
            }
            None => {
                let mut attempt = Attempt {
                    service: Some(service),
                    name: name.cloned(),
                    again,
                    ..Attempt::of(client, member.started)
                };
                attempt.connections.push(member);
                let work = of_work.and_then(|at| Some((at, self.open.get(at)?.id)));
                let at = self.start(attempt, out);
                // Unless it had to make room.
                if let Some((work, id)) = work
                    && self.open.get(work).is_some_and(|known| known.id == id)
                {
                    self.by_purpose.set(&self.open, work);
                }
                at
            }
        };
        self.failed_of(at, errand);
        let id = self.grown(at, ended);
        if let Some(twin) = twin {
            if self.twins.len() >= OPEN {
                self.twins.clear();
            }
            self.twins.insert(twin, (at, id as u32));
        }
        id
    }

    /// A connection of it failed of that errand.
    fn failed_of(&mut self, at: u32, errand: Option<Errand>) {
        if let (Some(_), Some(attempt)) = (errand, self.open.get_mut(at))
            && attempt.errand.is_none()
        {
            attempt.errand = errand;
            self.by_errand.set(&self.open, at);
        }
    }

    /// Opens an attempt, which gets its number; its place.
    fn start(&mut self, attempt: Attempt, out: &mut dyn FnMut(Record)) -> u32 {
        if self.open.len() >= OPEN
            && let Some(oldest) = self.open.first()
        {
            self.close_one(oldest, out);
        }
        let id = self.next;
        self.next += 1;
        let at = self.open.push(Attempt { id, ..attempt });
        self.by_purpose.set(&self.open, at);
        at
    }

    fn close_one(&mut self, at: u32, out: &mut dyn FnMut(Record)) {
        self.by_purpose.forget(&self.open, at);
        self.by_errand.forget(&self.open, at);
        if let Some(attempt) = self.open.remove(at) {
            self.close(attempt, out);
        }
    }

    /// Closes what cannot grow any more at `now`.
    pub fn expire(&mut self, now: Timestamp, out: &mut dyn FnMut(Record)) {
        while let Some(Reverse(look)) = self.expiry.peek().copied()
            && let (when, id, at) = look.parts()
            && when < now
        {
            let attempt = self.open.get_mut(at);
            // It may be closed already, or looked at earlier than this entry says.
            let attempt = attempt.filter(|one| one.id as u32 == id && one.looked_at == when);
            let over = attempt.map(|attempt| {
                attempt.looked_at = attempt.expires();
                attempt.looked_at
            });
            if let Some(over) = over.filter(|over| *over > when) {
                if let Some(mut next) = self.expiry.peek_mut() {
                    *next = Reverse(Look::new(over, id, at));
                }
                continue;
            }
            self.expiry.pop();
            if over.is_some() {
                self.close_one(at, out);
            }
        }
    }

    /// Closes everything.
    pub fn finish(&mut self, out: &mut dyn FnMut(Record)) {
        self.by_purpose.clear();
        self.by_errand.clear();
        self.expiry = BinaryHeap::new();
        self.twins = HashMap::default();
        while let Some(oldest) = self.open.first()
            && let Some(attempt) = self.open.remove(oldest)
        {
            self.close(attempt, out);
        }
    }

    fn close(&mut self, mut attempt: Attempt, out: &mut dyn FnMut(Record)) {
        let id = attempt.id;
        let target = match attempt.target() {
            Target::Name(name) => name.clone(),
            Target::Address(address) => {
                let text = address.map(ip_text).unwrap_or_default();
                Foreign::from(text.as_str())
            }
        };
        attempt.connections.sort_by_key(|member| member.id);
        attempt.lookups.sort_by_key(|member| member.id);
        let (outcome, member) = verdict_of(&attempt);
        let code = member.map_or(Code::Unknown.name(), Member::code);
        let connections: Vec<u64> = attempt.connections.iter().map(|member| member.id).collect();
        let lookups: Vec<u64> = attempt.lookups.iter().map(|member| member.id).collect();
        self.summary.attempts += 1;
        *match outcome {
            Outcome::Healthy => &mut self.summary.healthy,
            Outcome::Degraded => &mut self.summary.degraded,
            Outcome::Failed => &mut self.summary.failed,
            Outcome::Incomplete => &mut self.summary.incomplete,
        } += 1;
        *self.summary.by_code.entry(code).or_insert(0) += 1;
        let to_blame = match outcome {
            Outcome::Failed | Outcome::Degraded => faults(&attempt, member),
            Outcome::Healthy | Outcome::Incomplete => Vec::new(),
        };
        for fault in to_blame {
            let Some(blame) = fault.blame() else {
                continue;
            };
            let mut members = attempt.connections.iter().chain(&attempt.lookups);
            let setting = members.find_map(Member::setting);
            let of = |members: &[Member]| -> Vec<u64> {
                let alike = |member: &&Member| {
                    member.code() == fault.code()
                        && (!fault.own_sake || member.server.address() == fault.server.address())
                };
                members.iter().filter(alike).map(|one| one.id).collect()
            };
            self.causes.add(&Loss {
                attempt: Some(id),
                verdict: setting.unwrap_or(blame),
                failed: outcome == Outcome::Failed,
                client: Some(attempt.client),
                server: &fault.server.text(),
                connections: &of(&attempt.connections),
                lookups: &of(&attempt.lookups),
            });
        }
        for winner in attempt.connections.iter().filter(|member| member.works()) {
            if let Wanted::Server(_, port) = winner.server {
                self.causes.worked(attempt.client, port);
            }
        }
        out(Record::Attempt(AttemptRecord {
            id,
            client: ip_text(attempt.client),
            service: attempt.service.map(Service::name),
            target,
            outcome: outcome.name(),
            verdict: CodeOnly { code },
            connections,
            lookups,
        }));
    }
}
