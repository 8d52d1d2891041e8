//! Look-ups on their way to a judgement.
//!
//! A closed look-up waits a little for its siblings (the other family, the next name of a search list) and, when its
//! name does not look like mail, for a mail connection that uses its answer. What nobody used is counted as
//! `other`; the failed ones of a source without any mail connection are judged after all.

mod guesses;
mod recent;
mod sizes;
mod wanted;

use std::collections::VecDeque;
use std::net::IpAddr;

use self::recent::Recent;
use self::sizes::Sizes;
use self::wanted::{counts, is_followed, is_on_the_way, used};
use super::names::Names;
use crate::base::{Few, Foreign, Mark, Nanos, Remembered, SECOND, Timestamp};
use crate::diagnosis::{AGAIN, CONTRADICTED, LookupContext, Sibling, Tlsa, is_mail_question};
use crate::flow::lookup::{LookupFacts, Transport};
use crate::proto::dns::{Answer, Record, RecordType};
use crate::proto::tls::TlsaRecord;

/// Siblings may close this long after each other.
const SIBLINGS_WITHIN: Nanos = 30 * SECOND;
/// A mail-like look-up waits this long for its siblings.
const PATIENCE: Nanos = 3 * SECOND;
/// Any other waits this long for a mail connection.
const UNUSED: Nanos = 120 * SECOND;
/// Look-ups that wait at the most, and those kept for a source without mail.
const WAITING: usize = 65_536;
const NEEDED: usize = 4_096;
/// Clients, pairs of client and resolver, and names that are remembered at the least.
const CLIENTS: usize = 14_336;
/// Answers in fragments remembered of each client and resolver.
const FRAGMENTS: usize = 4;
/// Mail exchangers remembered of each client.
const EXCHANGERS: usize = 256;
/// Servers with TLSA records remembered of each client.
const TLSA_NAMES: usize = 64;
/// Names that were answered and are remembered at the least, and answers of one.
const GIVEN_NAMES: usize = 7_168;
const GIVEN: usize = 8;
/// TLSA records kept of one name, and bytes of one: more than any key or certificate has.
const TLSA_RECORDS: usize = 16;
const TLSA_BYTES: usize = 4_096;

/// A closed look-up that waits.
pub struct Waiting {
    /// Its facts.
    pub facts: Box<LookupFacts>,
    /// It is mail by name or type, whoever uses it.
    pub mail: bool,
}

/// What becomes of a look-up.
pub enum Fate {
    /// To be judged.
    Judge(Waiting),
    /// Not mail: to be counted.
    Other(Waiting),
}

/// Of those that nobody used yet, so many are asked about; the others when they have come that far.
const ASKED: usize = 64;

/// A look-up that no mail connection used yet.
struct Unused {
    /// Whose: it stands here so that those of one client are found without a look at each.
    client: IpAddr,
    waiting: Waiting,
}

/// What a resolver gave a client.
#[derive(Clone, Copy, Debug)]
struct Given {
    kind: RecordType,
    resolver: IpAddr,
    client: IpAddr,
    at: Mark,
}

/// All closed look-ups that wait.
pub struct Searches {
    soon: VecDeque<Waiting>,
    unused: VecDeque<Unused>,
    /// So many at the front of `unused` were not used when they were last asked about.
    asked: usize,
    /// What a source without mail judges after all: see [`Searches::is_needed`].
    needed: Vec<Waiting>,
    recent: Recent,
    /// By client: names that are mail exchangers, and of what.
    mx_targets: Remembered<IpAddr, Few<(Foreign, Foreign), EXCHANGERS>>,
    sizes: Remembered<(IpAddr, IpAddr), Sizes>,
    /// First fragments of answers that did not become whole.
    fragments: Remembered<(IpAddr, IpAddr), Few<Mark, FRAGMENTS>>,
    /// What was given for names that have to do with mail.
    given: Remembered<Foreign, Few<Given, GIVEN>>,
    tlsa: Remembered<IpAddr, Few<(Foreign, Tlsa), TLSA_NAMES>>,
}

impl Default for Searches {
    fn default() -> Searches {
        Searches {
            soon: VecDeque::new(),
            unused: VecDeque::new(),
            asked: 0,
            needed: Vec::new(),
            recent: Recent::new(CLIENTS),
            mx_targets: Remembered::new(CLIENTS),
            sizes: Remembered::new(CLIENTS),
            fragments: Remembered::new(CLIENTS),
            given: Remembered::new(GIVEN_NAMES),
            tlsa: Remembered::new(CLIENTS),
        }
    }
}

/// Whether the answer holds a record of the type asked for. What was cut off may hold one.
fn positive(facts: &LookupFacts) -> bool {
    facts.answer().is_some_and(|reply| {
        let message = &reply.message;
        let holds = || {
            let mut answers = message.answers.iter();
            answers.any(|record| record.kind == facts.kind)
        };
        message.rcode == 0 && (message.incomplete || holds())
    })
}

/// Whether it was answered that there is no such name, or no such record.
pub fn denied(facts: &LookupFacts) -> bool {
    let answer = facts.answer();
    answer.is_some_and(|reply| matches!(reply.message.rcode, 0 | 3)) && !positive(facts)
}

/// What others of its search need to know of a look-up.
pub fn sibling(facts: &LookupFacts) -> Sibling {
    let answer = facts.answer();
    Sibling {
        name: facts.name.clone(),
        kind: facts.kind,
        resolver: facts.resolver,
        positive: positive(facts),
        rcode: answer.map(|reply| reply.message.rcode),
        first: facts.first,
        asked: facts.queries.first().map(|query| (query.id, query.port)),
        answer: answer.map(|reply| reply.at),
        length: answer.map_or(0, |reply| reply.message.length),
    }
}

/// Every try of the client carried DO (RFC 3225 3).
fn signatures_asked(facts: &LookupFacts) -> bool {
    let mut queries = facts.queries.iter();
    !facts.queries.is_empty() && queries.all(|query| query.dnssec_ok)
}

impl Searches {
    /// Where TLSA records (RFC 6698 3) for that server's name and port were answered to that client.
    pub fn tlsa(&self, client: IpAddr, name: &Foreign, port: u16) -> Option<Tlsa> {
        let known = self.tlsa.get(&client)?;
        let owner = Foreign::from(format!("_{port}._tcp.{name}").as_str());
        let mut known = known.iter();
        known.find_map(|(one, records)| (*one == owner).then(|| records.clone()))
    }

    /// The domain whose MX answer to that client named that exchanger.
    pub fn domain_of(&self, client: IpAddr, exchanger: &Foreign) -> Option<&Foreign> {
        let mut known = self.mx_targets.get(&client)?.iter();
        known.find_map(|(target, domain)| (target == exchanger).then_some(domain))
    }

    /// Where TLSA records for any name and that port were answered to that client, when the server's name is not known.
    pub fn any_tlsa(&self, client: IpAddr, port: u16) -> Option<Tlsa> {
        let known = self.tlsa.get(&client)?;
        let prefix = format!("_{port}._tcp.");
        let mut found = known
            .iter()
            .filter(|(owner, _)| owner.as_str().starts_with(&prefix));
        let one = found.next().map(|(_, records)| records.clone());
        // Of several names nobody knows which one this server has.
        one.filter(|_| found.next().is_none())
    }

    /// Where that resolver gave another client meanwhile what it did not give this one.
    fn told_another(&self, facts: &LookupFacts) -> Option<(IpAddr, Mark)> {
        let at = facts.answer().filter(|_| denied(facts))?.at;
        let mut given = self.given.get(&facts.name)?.iter();
        let other = given.find(|one| {
            (one.kind, one.resolver) == (facts.kind, facts.resolver)
                && one.client != facts.client
                && one.at.time.since(at.time).abs() <= CONTRADICTED
        })?;
        Some((other.client, other.at))
    }

    /// The first fragment of a resolver's answer to that client.
    pub fn fragment(&mut self, client: IpAddr, resolver: IpAddr, mark: Mark) {
        let open = self.fragments.entry((client, resolver), Few::new);
        open.push_last(mark);
    }

    /// A fragmented answer became whole: mostly the one that began last.
    pub fn whole(&mut self, client: IpAddr, resolver: IpAddr) {
        if let Some(open) = self.fragments.get_mut(&(client, resolver)) {
            open.remove(open.len().saturating_sub(1));
        }
    }

    /// Takes a closed look-up; teaches the names what addresses it gave. `probed`: a probe made it, which asks for its targets alone,
    /// whatever they are called.
    pub fn closed(&mut self, facts: Box<LookupFacts>, probed: bool, names: &mut Names) {
        self.remember(&facts);
        let mut mail =
            probed && is_followed(facts.kind) || is_mail_question(facts.name.as_str(), facts.kind);
        if matches!(facts.kind, RecordType::A | RecordType::AAAA) {
            mail |= self.domain_of(facts.client, &facts.name).is_some();
            if let Some(reply) = facts.answer() {
                for record in &reply.message.answers {
                    if let Answer::Address(address) = record.answer {
                        names.answered(facts.client, address, &facts.name, reply.at);
                    }
                }
            }
        }
        if mail
            && positive(&facts)
            && let Some(reply) = facts.answer()
        {
            let given = self.given.entry(facts.name.clone(), Few::new);
            given.push_last(Given {
                kind: facts.kind,
                resolver: facts.resolver,
                client: facts.client,
                at: reply.at,
            });
        }
        let waiting = Waiting { facts, mail };
        if self.soon.len() + self.unused.len() >= WAITING {
            return;
        }
        self.soon.push_back(waiting);
    }

    fn remember(&mut self, facts: &LookupFacts) {
        if facts.kind == RecordType::TLSA
            && positive(facts)
            && let Some(reply) = facts.answer()
            // A sender takes no notice of records that it knows to be insecure (RFC 7672 2.2, RFC 6698 4.1).
            && !(signatures_asked(facts) && reply.message.unvouched())
        {
            let of_this = |record: &&Record| record.kind == RecordType::TLSA;
            let records = reply.message.answers.iter().filter(of_this);
            let mut whole = !reply.message.incomplete;
            let mut kept = Vec::new();
            for record in records {
                match &record.answer {
                    Answer::Tlsa(data) if data.len() <= TLSA_BYTES && kept.len() < TLSA_RECORDS => {
                        kept.extend(TlsaRecord::read(data));
                    }
                    _ => whole = false,
                }
            }
            let told = Tlsa {
                at: reply.at,
                whole,
                records: kept.into(),
            };
            let known = self.tlsa.entry(facts.client, Few::new);
            match known.iter_mut().find(|(owner, _)| *owner == facts.name) {
                Some((_, before)) => *before = told,
                None => {
                    known.push_last((facts.name.clone(), told));
                }
            }
        }
        if let Some(reply) = facts.answer() {
            for record in &reply.message.answers {
                if let Answer::Mx(_, target) = &record.answer
                    && !target.is_empty()
                {
                    let known = self.mx_targets.entry(facts.client, Few::new);
                    match known.iter_mut().find(|(name, _)| name == target) {
                        Some((_, domain)) => *domain = facts.name.clone(),
                        None => {
                            known.push_last((target.clone(), facts.name.clone()));
                        }
                    }
                }
            }
            if reply.transport == Transport::Udp {
                let pair = (facts.client, facts.resolver);
                let sizes = self.sizes.entry(pair, Sizes::default);
                sizes.take(reply.message.length, reply.hops, reply.at);
            }
        }
        self.recent.push(facts.client, sibling(facts));
    }

    /// The next look-up whose fate is sealed at `now`.
    pub fn due(&mut self, now: Timestamp, names: &mut Names) -> Option<Fate> {
        while let Some(first) = self.soon.front() {
            if now.since(first.facts.last.time) < PATIENCE {
                break;
            }
            let waiting = self.soon.pop_front()?;
            if waiting.mail || counts(&waiting.facts, names) {
                return Some(Fate::Judge(waiting));
            }
            self.unused.push_back(Unused {
                client: waiting.facts.client,
                waiting,
            });
        }
        if let Some(waiting) = self.used(names) {
            return Some(Fate::Judge(waiting));
        }
        let first = self.unused.front()?;
        if now.since(first.waiting.facts.last.time) < UNUSED {
            return None;
        }
        let Unused { waiting, .. } = self.unused.pop_front()?;
        self.asked = self.asked.saturating_sub(1);
        Some(self.give_up(waiting))
    }

    /// The first of the longest waiting whose answer was used meanwhile. Who was not used stays so until a name that its client
    /// was told is used.
    fn used(&mut self, names: &mut Names) -> Option<Waiting> {
        let Searches { unused, asked, .. } = self;
        names.newly_used(|client| {
            let mut known = unused.iter().take(*asked);
            if let Some(at) = known.position(|one| one.client == client) {
                *asked = at;
            }
        });
        while let Some(one) = unused.get(*asked).filter(|_| *asked < ASKED) {
            if counts(&one.waiting.facts, names) {
                return unused.remove(*asked).map(|one| one.waiting);
            }
            *asked += 1;
        }
        None
    }

    fn give_up(&mut self, waiting: Waiting) -> Fate {
        if self.is_needed(&waiting.facts) && self.needed.len() < NEEDED {
            self.needed.push(Waiting {
                facts: waiting.facts.clone(),
                mail: false,
            });
        }
        Fate::Other(waiting)
    }

    /// Judged in a source without mail: a look-up of addresses that failed, and the next one of the same question, which tells whether
    /// the client went without.
    fn is_needed(&self, facts: &LookupFacts) -> bool {
        let again = || {
            let mut recent = self.recent.of(facts.client);
            recent.any(|other| {
                let before = facts.first.time.since(other.first.time);
                !other.positive
                    && other.kind == facts.kind
                    && *other.name == facts.name
                    && (1..=SIBLINGS_WITHIN).contains(&before)
            })
        };
        matches!(facts.kind, RecordType::A | RecordType::AAAA)
            && (!positive(facts) || again())
            && !is_on_the_way(facts)
    }

    /// At the end of a source: everything that waits. `mail` tells whether it held a mail connection.
    pub fn drain(&mut self, mail: bool, names: &Names) -> Vec<Fate> {
        let mut fates = Vec::new();
        self.asked = 0;
        let unused = std::mem::take(&mut self.unused).into_iter();
        for waiting in std::mem::take(&mut self.soon)
            .into_iter()
            .chain(unused.map(|one| one.waiting))
        {
            let judged = waiting.mail
                || counts(&waiting.facts, names)
                || !mail && self.is_needed(&waiting.facts);
            if judged {
                fates.push(Fate::Judge(waiting));
            } else {
                fates.push(Fate::Other(waiting));
            }
        }
        let needed = std::mem::take(&mut self.needed);
        if !mail {
            // They were counted as other when they were given up; a source without mail judges them after all.
            fates.extend(needed.into_iter().map(Fate::Judge));
        }
        fates
    }

    /// What the capture says around one look-up.
    pub fn context(&self, facts: &LookupFacts, names: &Names) -> LookupContext {
        let label = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let own = label(facts.name.as_str());
        let recent = self.recent.of(facts.client).filter(|other| {
            let itself = other.first == facts.first && other.kind == facts.kind;
            !itself
                && other.first.time.since(facts.first.time).abs() <= SIBLINGS_WITHIN
                && (*other.name == facts.name || label(other.name.as_str()) == own)
        });
        let siblings: Vec<Sibling> = recent.map(|other| other.sibling()).collect();
        let pair = (facts.client, facts.resolver);
        let sizes = self.sizes.get(&pair);
        LookupContext {
            moved_on: moved_on(facts, &siblings),
            siblings,
            largest_udp_answer: sizes.and_then(Sizes::largest),
            resolver_answered: sizes.and_then(Sizes::latest),
            used: used(facts, names),
            mx_of: self.domain_of(facts.client, &facts.name).cloned(),
            found_elsewhere: guesses::found(facts, &self.recent),
            told_another: self.told_another(facts),
            small_answer: sizes.and_then(Sizes::small),
            stray_fragment: self
                .fragments
                .get(&pair)
                .and_then(|open| open.iter().find(|mark| mark.time >= facts.first.time))
                .copied(),
            ..LookupContext::default()
        }
    }
}

/// Where the client, right behind its only try, asked the same resolver for another name of the same search, which was answered. Names of
/// one search are one name with several suffixes, or without; two hosts that are called alike (`mail.…`) are none.
fn moved_on(facts: &LookupFacts, siblings: &[Sibling]) -> Option<Mark> {
    let own = facts.name.as_str();
    let one_search = |other: &str| {
        let labels = own.split('.').zip(other.split('.'));
        let common = labels.take_while(|(a, b)| a == b).count();
        let bare = |name: &str| name.split('.').count() == common;
        common >= 2 || bare(own) || bare(other)
    };
    let next = siblings.iter().find(|sibling| {
        let after = sibling.first.time.since(facts.first.time);
        sibling.resolver == facts.resolver
            && sibling.kind == facts.kind
            && sibling.answer.is_some()
            && sibling.name != facts.name
            && (1..AGAIN).contains(&after)
            && one_search(sibling.name.as_str())
    })?;
    (facts.tries <= 1).then_some(next.first)
}
