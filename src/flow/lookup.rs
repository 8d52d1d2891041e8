//! DNS look-ups: one client asking one resolver one name and type, until an answer or 30 s of silence.
//!
//! Retries may change port, id, EDNS and transport, and still are tries of one look-up; another resolver is
//! another look-up. Answers too many, too late or to a question that nobody asked are kept, because they are what a
//! forger leaves behind. Messages come decoded; nothing here reads DNS bytes, and nothing is judged.

use std::net::IpAddr;

use hashbrown::HashTable;
use hashbrown::hash_map::HashMap;

mod astray;
mod facts;
mod place;
mod search;
mod served;
#[cfg(test)]
mod tests;

pub use astray::{Astray, Elsewhere, Rejected};
pub use facts::{LookupFacts, LookupIcmp, Query, Reply, TcpEvent, TcpTry, Transport};
use place::{Fast, Pair, Port, Question, forget, hash_of, question};

use served::{Closed, REFUSALS};

use super::endpoint::Endpoint;
use super::queues::{Queue, Queues};
use super::resets::HopCount;
use super::worlds::Worlds;
use crate::base::limits::LOOKUPS;
use crate::base::{Few, Foreign, MILLISECOND, Mark, Nanos, SECOND, Solo, SourceId, Timestamp};
use crate::proto::dns::Message;
use crate::wire::{Icmp, Ip, Quote};

/// After an answer: time for a second one. Without: the silence that ends a look-up.
const WAITS: [(Queue, Nanos); 2] = [(Queue::Closing, 2 * SECOND), (Queue::Open, 30 * SECOND)];

/// A query is on both sides of a mirror within this time; no resolver asks again so soon (RFC 1035 4.2.1: 2 to 5 s).
pub const SEEN_TWICE: Nanos = 3 * MILLISECOND;

/// Answers that wait for their query at the most.
const EARLY: usize = 16;

/// Look-ups that an answer may belong to: by its question, and by the client's port.
type Found = (Option<u32>, Option<u32>);

/// An answer as it was captured.
#[derive(Debug)]
struct Heard {
    at: Mark,
    transport: Transport,
    hops: HopCount,
    ip_id: Option<u16>,
    client: Endpoint,
    resolver: IpAddr,
    message: Box<Message>,
}

/// All look-ups that are not over.
#[derive(Debug, Default)]
pub struct Lookups {
    worlds: Worlds,
    /// In boxes, because each is handed on as it is and waits elsewhere.
    slots: Vec<Option<Box<LookupFacts>>>,
    free: Vec<u32>,
    /// By question, which stands in the look-up itself.
    keys: HashTable<u32>,
    hasher: Fast,
    /// The latest by source, client, resolver and client's port.
    ports: HashMap<Port, u32, Fast>,
    /// The latest by client and resolver.
    pairs: HashMap<Pair, u32, Fast>,
    /// The latest look-up of each pair that was answered with "truncated".
    cut_off: HashMap<Pair, u32, Fast>,
    queues: Queues,
    #[allow(clippy::vec_box)] // as the slots have them
    ready: Vec<Box<LookupFacts>>,
    /// Answers that stand in the capture before what they answer, oldest first.
    early: Few<Heard, EARLY>,
    /// The latest words of resolvers that nothing serves DNS there.
    closed: Few<Closed, REFUSALS>,
    evicted: u64,
}

impl Lookups {
    /// The frames of `source` belong to the same world as those of `world`.
    pub fn join(&mut self, source: SourceId, world: SourceId) {
        self.worlds.join(source, world);
    }

    /// Look-ups that were closed early because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Look-ups that are not over.
    pub fn open(&self) -> impl Iterator<Item = &LookupFacts> {
        self.slots.iter().flatten().map(Box::as_ref)
    }

    /// Takes a decoded message that went from `from` to `to` in the packet `ip`.
    pub fn message(
        &mut self,
        mark: Mark,
        transport: Transport,
        ip: &Ip,
        from: Endpoint,
        to: Endpoint,
        message: Message,
    ) {
        self.give_up_early(mark.time);
        if message.response {
            self.answers_after_all(mark, from.ip);
            let heard = Heard {
                at: mark,
                transport,
                hops: HopCount::of(ip.ttl),
                ip_id: ip.id,
                client: to,
                resolver: from.ip,
                message: Box::new(message),
            };
            let found = self.of(&heard);
            if self.was_asked(&heard, found) {
                self.answer(heard, found);
            } else {
                self.early.push_last(heard);
            }
        } else if message.opcode == 0 {
            self.query(mark, transport, ip, from, to, &message);
            let answers = |heard: &Heard| {
                (heard.client, heard.resolver, heard.message.id) == (from, to.ip, message.id)
            };
            while let Some(at) = self.early.iter().position(answers)
                && let Some(heard) = self.early.remove(at)
            {
                self.reply(heard);
            }
        }
    }

    /// Answers whose query did not come after all are what they seemed to be.
    fn give_up_early(&mut self, now: Timestamp) {
        while let Some(first) = self.early.first()
            && now.since(first.at.time).abs() > SEEN_TWICE
            && let Some(heard) = self.early.remove(0)
        {
            self.reply(heard);
        }
    }

    /// Whether a try was captured before that it may answer.
    fn was_asked(&self, heard: &Heard, (by_question, by_port): Found) -> bool {
        [by_question, by_port].into_iter().flatten().any(|at| {
            self.get(at).is_some_and(|facts| {
                let mut queries = facts.queries.iter();
                queries.any(|query| (query.id, query.port) == (heard.message.id, heard.client.port))
            })
        })
    }

    /// The open look-ups that an answer may belong to: by its question, and by the client's port.
    fn of(&self, heard: &Heard) -> Found {
        let source = self.worlds.of(heard.at.frame.source());
        let (client, resolver) = (heard.client.ip, heard.resolver);
        let question = heard.message.question.as_ref();
        let by_question = question
            .and_then(|(name, kind)| self.by_question((source, client, resolver, name, *kind)).1);
        let port = (Pair(source, client, resolver), heard.client.port);
        (by_question, self.ports.get(&port).copied())
    }

    /// A question's hash, and its open look-up.
    fn by_question(&self, key: Question<'_>) -> (u64, Option<u32>) {
        let same = |at: &u32| self.get(*at).is_some_and(|facts| question(facts) == key);
        let hash = hash_of(&self.hasher, key);
        (hash, self.keys.find(hash, same).copied())
    }

    /// Takes an ICMP error. False when it quotes no query of an open look-up.
    pub fn icmp(&mut self, mark: Mark, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) -> bool {
        let Some(port) = quote
            .source_port
            .filter(|_| quote.destination_port == Some(53))
        else {
            return self.turned_away(mark, ip, icmp, quote);
        };
        let source = self.worlds.of(mark.frame.source());
        let tcp = quote.ip.protocol == 6;
        let pair = Pair(source, quote.ip.source, quote.ip.destination);
        let at = if tcp {
            self.by_tcp(pair)
        } else {
            self.ports.get(&(pair, port)).copied()
        };
        let Some(at) = at else { return false };
        let Some(facts) = self.get_mut(at) else {
            return false;
        };
        facts.icmp_count = facts.icmp_count.saturating_add(1);
        let _ = facts.icmp.try_push(LookupIcmp {
            at: mark,
            sender: ip.source,
            v6: icmp.v6,
            kind: icmp.kind,
            code: icmp.code,
            hops: HopCount::of(ip.ttl),
            quoted_ttl: quote.ip.ttl,
            tcp,
            answers: None,
        });
        facts.last = mark;
        self.says_closed(at, mark, ip, icmp, quote);
        true
    }

    /// Something happened between a client and TCP/53 of a resolver; counts for the look-up of the two whose answer was cut off and is
    /// still wanted, else for their latest.
    pub fn tcp(&mut self, mark: Mark, client: IpAddr, resolver: IpAddr, event: TcpEvent, ttl: u8) {
        let pair = Pair(self.worlds.of(mark.frame.source()), client, resolver);
        let Some(at) = self.by_tcp(pair) else {
            return;
        };
        let Some(facts) = self.get_mut(at) else {
            return;
        };
        let tcp = facts.over_tcp.get_or_insert_default();
        match event {
            TcpEvent::Syn => {
                tcp.syns = tcp.syns.saturating_add(1);
                tcp.first_syn.get_or_insert(mark);
                tcp.last_syn = Some(mark);
            }
            TcpEvent::SynAck => {
                tcp.syn_ack.get_or_insert(mark);
            }
            TcpEvent::Reset => {
                tcp.reset.get_or_insert((mark, HopCount::of(ttl)));
            }
        }
        facts.last = mark;
        let queue = facts.queue();
        self.queues.touch(at, queue, mark.time);
    }

    /// The look-up of a client and a resolver that goes on over TCP (RFC 1035 4.2.1, RFC 7766 5).
    fn by_tcp(&self, pair: Pair) -> Option<u32> {
        let cut_off = self.cut_off.get(&pair).copied().filter(|at| {
            self.get(*at)
                .is_some_and(|facts| facts.truncated().is_some() && !facts.settled())
        });
        cut_off.or_else(|| self.pairs.get(&pair).copied())
    }

    /// The next look-up that is over at `now`; to be asked until there is none.
    pub fn due(&mut self, now: Timestamp) -> Option<Box<LookupFacts>> {
        self.give_up_early(now);
        if let Some(facts) = self.ready.pop() {
            return Some(facts);
        }
        let (at, _, _) = self.queues.due(now, &WAITS)?;
        self.remove(at)
    }

    /// At the end of the capture: the next look-up, whatever its state.
    pub fn drain(&mut self) -> Option<Box<LookupFacts>> {
        while let Some(heard) = self.early.remove(0) {
            self.reply(heard);
        }
        if let Some(facts) = self.ready.pop() {
            return Some(facts);
        }
        let at = self.queues.oldest()?;
        self.remove(at)
    }

    fn query(
        &mut self,
        mark: Mark,
        transport: Transport,
        ip: &Ip,
        from: Endpoint,
        to: Endpoint,
        message: &Message,
    ) {
        let Some((name, kind)) = &message.question else {
            return;
        };
        let source = self.worlds.of(mark.frame.source());
        let key = (source, from.ip, to.ip, name, *kind);
        let (hash, mut at) = self.by_question(key);
        if let Some(known) = at {
            let again = self.get(known).is_some_and(|facts| {
                !facts.settled()
                    || facts
                        .queries
                        .iter()
                        .any(|query| query.id == message.id && query.port == from.port)
            });
            if !again {
                let over = self.remove(known);
                self.ready.extend(over);
                at = None;
            }
        }
        let at = match at {
            Some(at) => at,
            None => match self.insert(hash, key, mark) {
                Some(at) => at,
                None => return,
            },
        };
        let pair = Pair(source, from.ip, to.ip);
        self.pairs.insert(pair, at);
        // Only kept tries are found by their port, so that closing finds every entry again.
        if self.get(at).is_some_and(|facts| !facts.queries.is_full()) {
            self.ports.insert((pair, from.port), at);
        }
        let Some(facts) = self.get_mut(at) else {
            return;
        };
        let query = Query {
            at: mark,
            id: message.id,
            port: from.port,
            transport,
            edns_size: message.edns_size,
            dnssec_ok: message.dnssec_ok,
            recursion_desired: message.recursion_desired,
            checking_disabled: message.checking_disabled,
            ttl: ip.ttl,
            ip_id: ip.id,
        };
        let duplicate = |earlier: &Query| {
            (earlier.id, earlier.port, earlier.transport) == (query.id, query.port, query.transport)
                && (0..=SEEN_TWICE).contains(&mark.time.since(earlier.at.time))
                && !facts.sent_again(&query, earlier)
        };
        if facts.queries.iter().any(duplicate) {
            return;
        }
        facts.tries = facts.tries.saturating_add(1);
        facts.last = mark;
        facts.last_query = Some(mark);
        let _ = facts.queries.try_push(query);
        let queue = facts.queue();
        self.queues.touch(at, queue, mark.time);
    }

    fn reply(&mut self, heard: Heard) {
        let found = self.of(&heard);
        self.answer(heard, found);
    }

    /// An answer belongs to one of the look-ups that were found for it, if to any.
    fn answer(&mut self, heard: Heard, (by_question, by_port): Found) {
        let Some(at) = by_question.or(by_port) else {
            self.came_from_elsewhere(&heard);
            return;
        };
        let Heard {
            at: mark,
            client,
            mut message,
            ..
        } = heard;
        let Some(facts) = self.get_mut(at) else {
            return;
        };
        let asked = facts
            .queries
            .iter()
            .rev()
            .find(|query| query.id == message.id && query.port == client.port);
        // FORMERR and the like may come without a question.
        let same_question =
            by_question.is_some() || (message.question.is_none() && asked.is_some());
        share(&facts.name, &mut message);
        let reply = Reply {
            at: mark,
            transport: heard.transport,
            port: client.port,
            delay: asked.map(|query| mark.time.since(query.at.time).max(0)),
            hops: heard.hops,
            ip_id: heard.ip_id,
            message,
        };
        // More tries than are kept: the id cannot be checked any more.
        let unchecked = facts.tries as usize > facts.queries.len();
        if same_question && (reply.delay.is_some() || unchecked) {
            facts.reply_count = facts.reply_count.saturating_add(1);
            facts.replies.push(reply);
        } else if same_question || reply.delay.is_some() {
            facts.mismatched_count = facts.mismatched_count.saturating_add(1);
            facts.mismatched.push(reply);
        } else {
            return;
        }
        facts.last = mark;
        let pair = Pair(facts.source, facts.client, facts.resolver);
        let cut_off = facts.truncated().is_some();
        let queue = facts.queue();
        self.queues.touch(at, queue, mark.time);
        if cut_off {
            self.cut_off.insert(pair, at);
        }
    }

    fn get(&self, at: u32) -> Option<&LookupFacts> {
        self.slots.get(at as usize).and_then(Option::as_deref)
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut LookupFacts> {
        self.slots
            .get_mut(at as usize)
            .and_then(Option::as_deref_mut)
    }

    fn insert(&mut self, hash: u64, key: Question<'_>, mark: Mark) -> Option<u32> {
        if self.keys.len() >= LOOKUPS {
            let oldest = self.queues.oldest()?;
            let over = self.remove(oldest);
            self.ready.extend(over);
            self.evicted = self.evicted.saturating_add(1);
        }
        let (source, client, resolver, name, kind) = key;
        let facts = LookupFacts {
            source,
            client,
            resolver,
            name: name.clone(),
            kind,
            first: mark,
            last: mark,
            queries: Solo::new(),
            tries: 0,
            last_query: None,
            replies: Solo::new(),
            reply_count: 0,
            mismatched: Few::new(),
            mismatched_count: 0,
            icmp: Few::new(),
            icmp_count: 0,
            over_tcp: None,
            astray: None,
        };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                let at = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(None);
                at
            }
        };
        *self.slots.get_mut(at as usize)? = Some(Box::new(facts));
        let Lookups {
            slots,
            keys,
            hasher,
            ..
        } = self;
        let of = |at: &u32| slots.get(*at as usize).and_then(Option::as_deref);
        keys.insert_unique(hash, at, |at| {
            of(at).map_or(0, |facts| hash_of(hasher, question(facts)))
        });
        Some(at)
    }

    fn remove(&mut self, at: u32) -> Option<Box<LookupFacts>> {
        self.queues.remove(at);
        let facts = self.slots.get_mut(at as usize)?.take()?;
        let pair = Pair(facts.source, facts.client, facts.resolver);
        let hash = hash_of(&self.hasher, question(&facts));
        if let Ok(known) = self.keys.find_entry(hash, |known| *known == at) {
            known.remove();
        }
        for query in &facts.queries {
            forget(&mut self.ports, (pair, query.port), at);
        }
        for latest in [&mut self.pairs, &mut self.cut_off] {
            forget(latest, pair, at);
        }
        self.free.push(at);
        Some(facts)
    }
}

/// The name that was asked for is kept once, however often an answer says it: thousands of answers wait to be used.
fn share(name: &Foreign, message: &mut Message) {
    if let Some((asked, _)) = &mut message.question
        && asked == name
    {
        *asked = name.clone();
    }
    for record in &mut message.answers {
        if record.owner == *name {
            record.owner = name.clone();
        }
    }
}
