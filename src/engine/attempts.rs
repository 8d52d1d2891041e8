//! Attempts: what a client did for one purpose.
//!
//! Look-ups, the addresses and families it tried, retries without TLS, a 4xx and the retry are one attempt. What
//! came before a success makes it degraded by the loser's code, or healthy with a finding when it cost less
//! than a second. Open attempts are bounded; the oldest is closed first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;

use super::causes::{Blame, Causes, Loss};
use super::record::{AttemptRecord, CodeOnly, Record, Summary, VerdictInfo};
use crate::base::{Few, Foreign, Nanos, SECOND, Timestamp, ip_text, socket_text};
use crate::diagnosis::{Code, Outcome};

/// A next try comes at most this long after the last one ended.
const NEXT_TRY: Nanos = 30 * SECOND;
/// A retry after a temporary refusal comes within this time (Postfix: at most 4000 s between tries).
const RETRY: Nanos = 4_200 * SECOND;
/// A device forwards a SYN within this time.
const FORWARDED: Nanos = SECOND / 50;
/// What can be judged late: a silent opening is given up 180 s after its last SYN.
const JUDGED_LATE: Nanos = 200 * SECOND;
/// Attempts open at once.
const OPEN: usize = 65_536;
/// Connections and look-ups listed per attempt.
const LISTED: usize = 256;

/// One member of an attempt.
pub struct Member {
    /// Record number.
    pub id: u64,
    /// When it began.
    pub started: Timestamp,
    /// When its TCP handshake was done; `started` for what has none.
    pub opened: Timestamp,
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
    /// A setting that a probe measured to be wrong: the cause of which this member's own verdict is the symptom.
    pub setting: Option<Box<Blame>>,
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
    fn address(self) -> IpAddr {
        match self {
            Wanted::Server(server) => server.ip(),
            Wanted::Resolver(resolver) => resolver,
        }
    }

    /// Address and port, or the resolver's address.
    pub(super) fn text(self) -> String {
        match self {
            Wanted::Server(server) => socket_text(server),
            Wanted::Resolver(resolver) => ip_text(resolver),
        }
    }
}

impl Member {
    /// What a look-up cost a client that went on at that moment.
    fn cost(&self, went_on: Timestamp) -> Nanos {
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
    fn patience(self) -> Option<Nanos> {
        match self {
            Again::Soon => Some(NEXT_TRY),
            Again::Later => Some(RETRY),
            Again::Never => None,
        }
    }
}

struct Attempt {
    id: u64,
    client: IpAddr,
    family: &'static str,
    service: Option<&'static str>,
    target: Foreign,
    connections: Few<Member, LISTED>,
    lookups: Few<Member, LISTED>,
    last: Timestamp,
    again: Again,
    /// When it is over.
    over: Timestamp,
    /// When it is looked at, as [`Attempts::expiry`] has it: no later than it is over.
    looked_at: Option<Timestamp>,
}

impl Attempt {
    /// From when on nothing can join it any more.
    fn expires(&self) -> Timestamp {
        // Another family of the same try may still be judged.
        let patience = self.again.patience().unwrap_or(NEXT_TRY);
        self.last.plus(patience.saturating_add(JUDGED_LATE))
    }

    fn success(&self) -> Option<&Member> {
        self.connections
            .iter()
            .find(|member| matches!(member.outcome, Outcome::Healthy | Outcome::Degraded))
    }

    /// One of the two looked and left, and the other one wanted more of the same host and failed: that it could be
    /// looked at says nothing of the work, so they are not one purpose.
    fn contradicts(&self, member: &Member) -> bool {
        let worked = |one: &Member, other: &Member| {
            one.check
                && !other.check
                && other.outcome == Outcome::Failed
                && one.server.address() == other.server.address()
        };
        self.connections
            .iter()
            .any(|known| worked(known, member) || worked(member, known))
    }
}

type Key = (IpAddr, &'static str, Foreign);

/// A SYN's initial sequence number and TSval: the same on both sides of a NAT.
pub type Twin = (u32, u32);

/// All attempts that may still grow, and the counts of those that are over.
#[derive(Default)]
pub struct Attempts {
    open: HashMap<u64, Box<Attempt>, foldhash::fast::RandomState>,
    /// Their numbers in order, and those of some that are over.
    order: VecDeque<u64>,
    /// When each of them is looked at. One that has grown is looked at too early, which costs less than to move it each time.
    expiry: BinaryHeap<Reverse<(Timestamp, u64)>>,
    by_purpose: HashMap<Key, u64, foldhash::fast::RandomState>,
    /// Connections that a NAT may show again under other addresses: counted once.
    twins: HashMap<Twin, u64, foldhash::fast::RandomState>,
    next: u64,
    /// Counts of finished attempts.
    pub summary: Summary,
    /// Why they failed.
    pub causes: Causes,
}

/// All but the last of what [`family`] says.
const FAMILIES: [&str; 4] = ["send", "imap", "pop3", "sieve"];

/// Services between which a client falls back belong to one family.
pub fn family(service: &str) -> &'static str {
    match service {
        "smtp" | "submission" | "submissions" | "lmtp" => "send",
        "imap" | "imaps" => "imap",
        "pop3" | "pop3s" => "pop3",
        "sieve" => "sieve",
        _ => "other",
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
        let key = (client, "dns", name.clone());
        let known = self.by_purpose.get(&key).copied().filter(|id| {
            self.open.get(id).is_some_and(|attempt| {
                attempt.connections.is_empty() && member.started.since(attempt.last) <= NEXT_TRY
            })
        });
        // A look-up is judged a while after its end, and the next exchanger's may come after the first one failed.
        let known = known.or_else(|| {
            FAMILIES.iter().find_map(|family| {
                let id = *self.by_purpose.get(&(client, *family, name.clone()))?;
                let attempt = self.open.get(&id)?;
                let early = member.started.since(attempt.last) <= NEXT_TRY;
                let winner = attempt.success();
                (early && winner.is_none_or(|winner| member.started <= winner.started))
                    .then_some(id)
            })
        });
        let id = known.unwrap_or_else(|| self.start(key, None, name.clone(), member.started, out));
        if let Some(attempt) = self.open.get_mut(&id) {
            attempt.last = attempt.last.max(member.ended);
            let _ = attempt.lookups.try_push(member);
        }
        self.postpone(id);
        id
    }

    /// An attempt has grown: it is over later, or, when what it waited for came, earlier.
    fn postpone(&mut self, id: u64) {
        if let Some(attempt) = self.open.get_mut(&id) {
            attempt.over = attempt.expires();
            if attempt.looked_at.is_none_or(|at| attempt.over < at) {
                attempt.looked_at = Some(attempt.over);
                self.expiry.push(Reverse((attempt.over, id)));
            }
        }
    }

    /// A judged connection: the attempt it belongs to.
    #[allow(clippy::too_many_arguments)] // all of it decides which attempt it is
    pub fn connection(
        &mut self,
        client: IpAddr,
        service: &'static str,
        name: Option<&Foreign>,
        address: &Foreign,
        member: Member,
        again: Again,
        twin: Option<Twin>,
        out: &mut dyn FnMut(Record),
    ) -> u64 {
        if let Some(id) = twin.and_then(|twin| self.twins.get(&twin).copied())
            && let Some(attempt) = self.open.get_mut(&id)
            && attempt.connections.iter().any(|known| {
                // The same segment on both sides of a device: moments apart, one end unchanged.
                known.started.since(member.started).abs() <= FORWARDED
                    && (known.server == member.server || attempt.client == client)
            })
        {
            attempt.last = attempt.last.max(member.ended);
            let _ = attempt.connections.try_push(member);
            self.postpone(id);
            return id;
        }
        let family = family(service);
        let target = name.unwrap_or(address).clone();
        let works = matches!(member.outcome, Outcome::Healthy | Outcome::Degraded);
        let key = (client, family, target.clone());
        let joins = |attempt: &Attempt| {
            if attempt.contradicts(&member) {
                return false;
            }
            let gap = member.started.since(attempt.last);
            match attempt.success() {
                // It worked already: only a loser that began before the winner belongs to it.
                Some(winner) => !works && member.started <= winner.opened,
                None => {
                    attempt.connections.is_empty()
                        || attempt
                            .again
                            .patience()
                            .is_some_and(|patience| gap <= patience)
                }
            }
        };
        // Look-ups of the name that wait for their connection, then earlier tries of the same purpose.
        let mut known = self
            .by_purpose
            .get(&key)
            .copied()
            .filter(|id| self.open.get(id).is_some_and(|attempt| joins(attempt)));
        if known.is_none()
            && let Some(name) = name
            && let Some(id) = self.by_purpose.remove(&(client, "dns", name.clone()))
            && let Some(attempt) = self.open.get_mut(&id)
            && attempt.connections.is_empty()
        {
            attempt.family = family;
            attempt.service = Some(service);
            self.by_purpose.insert(key.clone(), id);
            known = Some(id);
        }
        // A check beside work that failed stands alone, and the next try of that work still finds the attempt.
        let aside = known.is_none()
            && member.check
            && self
                .by_purpose
                .get(&key)
                .and_then(|id| self.open.get(id))
                .is_some_and(|attempt| attempt.contradicts(&member));
        let of_work = aside.then(|| self.by_purpose.get(&key).copied()).flatten();
        let id = known
            .unwrap_or_else(|| self.start(key.clone(), Some(service), target, member.started, out));
        if let Some(work) = of_work.filter(|work| self.open.contains_key(work)) {
            self.by_purpose.insert(key, work);
        }
        if let Some(attempt) = self.open.get_mut(&id) {
            attempt.service = attempt.service.or(Some(service));
            attempt.last = attempt.last.max(member.ended);
            attempt.again = if works { Again::Soon } else { again };
            let _ = attempt.connections.try_push(member);
        }
        self.postpone(id);
        if let Some(twin) = twin {
            if self.twins.len() >= OPEN {
                self.twins.clear();
            }
            self.twins.insert(twin, id);
        }
        id
    }

    fn start(
        &mut self,
        key: Key,
        service: Option<&'static str>,
        target: Foreign,
        at: Timestamp,
        out: &mut dyn FnMut(Record),
    ) -> u64 {
        if self.open.len() >= OPEN {
            self.close_first(out);
        }
        let id = self.next;
        self.next += 1;
        let attempt = Attempt {
            id,
            client: key.0,
            family: key.1,
            service,
            target,
            connections: Few::new(),
            lookups: Few::new(),
            last: at,
            again: Again::Soon,
            over: at,
            looked_at: None,
        };
        self.by_purpose.insert(key, id);
        self.open.insert(id, Box::new(attempt));
        self.order.push_back(id);
        if self.order.len() > 2 * self.open.len() + OPEN {
            self.order.retain(|id| self.open.contains_key(id));
        }
        id
    }

    fn close_first(&mut self, out: &mut dyn FnMut(Record)) {
        while let Some(id) = self.order.pop_front() {
            if self.open.contains_key(&id) {
                return self.close_one(id, out);
            }
        }
    }

    fn close_one(&mut self, id: u64, out: &mut dyn FnMut(Record)) {
        if let Some(attempt) = self.open.remove(&id) {
            let key = (attempt.client, attempt.family, attempt.target.clone());
            if self.by_purpose.get(&key) == Some(&attempt.id) {
                self.by_purpose.remove(&key);
            }
            self.close(*attempt, out);
        }
    }

    /// Closes what cannot grow any more at `now`.
    pub fn expire(&mut self, now: Timestamp, out: &mut dyn FnMut(Record)) {
        while let Some(Reverse((at, id))) = self.expiry.peek().copied()
            && at < now
        {
            self.expiry.pop();
            let Some(attempt) = self.open.get_mut(&id) else {
                continue;
            };
            // Looked at earlier than this entry says.
            if attempt.looked_at != Some(at) {
                continue;
            }
            if attempt.over > at {
                attempt.looked_at = Some(attempt.over);
                self.expiry.push(Reverse((attempt.over, id)));
            } else {
                self.close_one(id, out);
            }
        }
    }

    /// Closes everything.
    pub fn finish(&mut self, out: &mut dyn FnMut(Record)) {
        while !self.open.is_empty() {
            self.close_first(out);
        }
        self.expiry.clear();
    }

    fn close(&mut self, mut attempt: Attempt, out: &mut dyn FnMut(Record)) {
        attempt.connections.sort_by_key(|member| member.id);
        attempt.lookups.sort_by_key(|member| member.id);
        let (outcome, member) = verdict_of(&attempt);
        let code = member.map_or(Code::Unknown.name(), |member| member.code);
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
        if matches!(outcome, Outcome::Failed | Outcome::Degraded)
            && let Some(Member {
                blame: Some(blame),
                server,
                ..
            }) = member
        {
            let of = |members: &[Member]| -> Vec<u64> {
                members
                    .iter()
                    .filter(|member| member.code == code)
                    .map(|member| member.id)
                    .collect()
            };
            let setting = attempt
                .connections
                .iter()
                .chain(&attempt.lookups)
                .find_map(|member| member.setting.as_deref());
            self.causes.add(&Loss {
                verdict: setting.unwrap_or(blame),
                failed: outcome == Outcome::Failed,
                client: Some(attempt.client),
                server: &server.text(),
                connections: &of(&attempt.connections),
                lookups: &of(&attempt.lookups),
            });
        }
        if let Some(Wanted::Server(server)) = attempt.success().map(|winner| winner.server) {
            self.causes.worked(attempt.client, server.port());
        }
        out(Record::Attempt(AttemptRecord {
            id: attempt.id,
            client: ip_text(attempt.client),
            service: attempt.service,
            target: attempt.target,
            outcome: outcome.name(),
            verdict: CodeOnly { code },
            connections,
            lookups,
        }));
    }
}

/// How the attempt ended, and the member that says why.
fn verdict_of(attempt: &Attempt) -> (Outcome, Option<&Member>) {
    let failed_lookup = attempt
        .lookups
        .iter()
        .find(|member| member.outcome == Outcome::Failed);
    let costly_lookup = attempt
        .lookups
        .iter()
        .find(|member| member.outcome == Outcome::Degraded);
    if let Some(winner) = attempt.success() {
        let loser = attempt
            .connections
            .iter()
            .filter(|member| member.outcome == Outcome::Failed && member.started <= winner.started)
            .min_by_key(|member| member.started);
        let cost = |member: &Member| winner.started.since(member.started);
        if let Some(loser) = loser
            && cost(loser) >= SECOND
        {
            return (Outcome::Degraded, Some(loser));
        }
        let lookup = [failed_lookup, costly_lookup].into_iter().flatten();
        let mut dear = lookup.filter(|lookup| lookup.cost(winner.started) >= SECOND);
        if let Some(lookup) = dear.next() {
            return (Outcome::Degraded, Some(lookup));
        }
        return (winner.outcome, Some(winner));
    }
    let worst = attempt
        .connections
        .iter()
        .filter(|member| member.outcome == Outcome::Failed)
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence).then(b.id.cmp(&a.id)));
    if let Some(worst) = worst {
        return (Outcome::Failed, Some(worst));
    }
    if let Some(connection) = attempt.connections.first() {
        return (Outcome::Incomplete, Some(connection));
    }
    // Look-ups alone: failed when one did and no other of the same purpose gave anything.
    let well = attempt.lookups.iter().find(|member| {
        member.useful && matches!(member.outcome, Outcome::Healthy | Outcome::Degraded)
    });
    if let Some(failed) = failed_lookup {
        let Some(well) = well else {
            return (Outcome::Failed, Some(failed));
        };
        // Asked of the same resolver it is the other family, or another name: a stub waits for both.
        let cost = match failed.server == well.server {
            true => failed.ended.since(failed.started),
            false => failed.cost(well.ended),
        };
        if cost >= SECOND {
            return (Outcome::Degraded, Some(failed));
        }
        if costly_lookup.is_none() {
            return (Outcome::Healthy, Some(well));
        }
    }
    let member = costly_lookup
        .or(well)
        .or(attempt
            .lookups
            .iter()
            .find(|member| member.outcome == Outcome::Healthy))
        .or(attempt.lookups.first());
    let outcome = member.map_or(Outcome::Incomplete, |member| member.outcome);
    (outcome, member)
}
