//! What a rule about a look-up gets to see: its facts, and what the capture says around it.

use std::net::IpAddr;

use super::principles::Absence;
use crate::base::{Foreign, MILLISECOND, Mark, Nanos, SECOND, Timestamp};
use crate::flow::HopCount;
use crate::flow::lookup::{LookupFacts, Query, Reply, Transport};
use crate::proto::dns::{Answer, Message, Record, RecordType, type_name};

/// A look-up is over after this much silence.
const LIFE: Nanos = 30 * SECOND;
/// Copies of one frame made by the capture lie at most this far apart.
const COPY: Nanos = 3 * MILLISECOND;

/// Sooner nobody asks again what was not answered (c-ares waits 250 ms, systemd-resolved 750 ms, glibc 1 s at the least): two programs of the
/// client ask the same, or two capture points show one question.
pub const AGAIN: Nanos = 200 * MILLISECOND;

/// A client that connects so soon after a query has found an address.
pub const WENT_ON: Nanos = 5 * SECOND;

/// One look-up, whole.
pub struct Lookup<'a> {
    /// What was seen.
    pub facts: &'a LookupFacts,
    /// The latest moment up to which the capture shows what happened.
    pub horizon: Timestamp,
    /// What stands around it.
    pub context: &'a LookupContext,
}

/// What the rest of the capture says about a look-up.
#[derive(Clone, Debug, Default)]
pub struct LookupContext {
    /// Something came back to the same client within ±60 s.
    pub answered_near: bool,
    /// All other flows of that client are one-directional as well.
    pub one_way: bool,
    /// The capture lost frames.
    pub capture_drops: bool,
    /// Other look-ups of the same client that belong to the same search: same name of another type or resolver, or the
    /// same first label under another suffix of a search list; within ±30 s.
    pub siblings: Vec<Sibling>,
    /// Largest answer in bytes that this resolver's UDP answers to this client reached in the capture, and where.
    pub largest_udp_answer: Option<(u32, Mark)>,
    /// The latest answer of this resolver to this client over UDP, to whatever question, and from how far it came.
    pub resolver_answered: Option<(HopCount, Mark)>,
    /// A mail connection of this client used an address of the answer.
    pub used: Option<Mark>,
    /// The client opened a mail connection within [`WENT_ON`] after the first query: it had found an address.
    pub went_on: Option<Mark>,
    /// Right behind its last try, before it can have given up, the client opened a mail connection to an address that nobody in
    /// the capture had told it: where. It seems to have been answered.
    pub went_on_untold: Option<Mark>,
    /// An ICMP error came to the client meanwhile that may quote a query: the capture cuts it.
    pub refused_cut: Option<Mark>,
    /// Right behind its only try the client asked the same resolver for the next name of the search, and was answered: so it was here.
    pub moved_on: Option<Mark>,
    /// Likewise right behind its first try, although it asked again later: that try seems to have been answered.
    pub answered_unseen: Option<Mark>,
    /// The name is the target of an MX answer seen before (so an error here belongs to the domain's MX): which domain.
    pub mx_of: Option<Foreign>,
    /// The client went through the names that mail hosts of a domain usually have (RFC 6186 1), this one among them, and another was there: which.
    pub found_elsewhere: Option<Foreign>,
    /// An address that another resolver gave for the same name and type.
    pub other_addresses: Vec<IpAddr>,
    /// A small answer of this resolver came while large ones of this name never did: where.
    pub small_answer: Option<Mark>,
    /// The same resolver gave another client within [`CONTRADICTED`] what it denied this one: whom, and where.
    pub told_another: Option<(IpAddr, Mark)>,
    /// Fragments of this resolver's UDP datagrams to this client that never became whole during the look-up: the first.
    pub stray_fragment: Option<Mark>,
}

/// So near a denial and an answer of one resolver contradict each other: the time to live of either is mostly longer.
pub const CONTRADICTED: Nanos = 10 * SECOND;

/// Another look-up of the same search.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// Name.
    pub name: Foreign,
    /// Type.
    pub kind: RecordType,
    /// Who was asked.
    pub resolver: IpAddr,
    /// It was answered with at least one record of its type (after CNAMEs).
    pub positive: bool,
    /// RCODE; `None` when never answered.
    pub rcode: Option<u16>,
    /// Its first query.
    pub first: Mark,
    /// Transaction id and port of that.
    pub asked: Option<(u16, u16)>,
    /// Its answer.
    pub answer: Option<Mark>,
    /// Length of its answer in bytes; 0 when not known.
    pub length: u32,
}

/// How an answered look-up was answered, as far as the capture lets it be read.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// At least one record of the type asked for.
    Positive(&'a Reply),
    /// RCODE 3: there is no such name.
    NoName(&'a Reply),
    /// RCODE 0 and no record of the type (NODATA, RFC 2308 2.2).
    NoData(&'a Reply),
    /// Any other RCODE.
    Error(&'a Reply),
    /// The capture cut the answer before its records, or it refers to another server: nothing can be said.
    Unreadable(&'a Reply),
}

/// A silence that counts: verdicts.md, "Silence has a clock".
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// The first try.
    pub first: Mark,
    /// The last try: nobody answered it.
    pub last: Mark,
    /// How many tries there were.
    pub tries: u32,
    /// From the first try to the end of what can be seen, at most the life of a look-up behind the last.
    pub lasted: Nanos,
    /// The look-up may still be answered.
    pub open: bool,
}

impl<'a> Lookup<'a> {
    /// `A of mail.example.org`.
    pub fn question(&self) -> String {
        format!("{} of {}", type_name(self.facts.kind), self.facts.name)
    }

    /// Tries up to `end`, copies made by the capture not counted. Where times are alike, as in a capture without any, the order of
    /// the frames tells.
    pub fn tries_until(&self, end: Mark) -> u32 {
        let before = |query: &Query| {
            (query.at.time, query.at.frame.number()) <= (end.time, end.frame.number())
        };
        let queries = &self.facts.queries;
        let is_copy = |index: usize, query: &Query| {
            queries.iter().take(index).any(|earlier| {
                (earlier.id, earlier.port, earlier.transport)
                    == (query.id, query.port, query.transport)
                    && query.at.time.since(earlier.at.time) <= COPY
                    && !self.facts.sent_again(query, earlier)
            })
        };
        let real = queries
            .iter()
            .enumerate()
            .filter(|(index, query)| before(query) && !is_copy(*index, query))
            .count();
        let kept = u32::try_from(queries.len()).unwrap_or(u32::MAX);
        // Tries that are only counted came after the kept ones.
        let uncounted = match queries.last() {
            Some(last) if before(last) => self.facts.tries.saturating_sub(kept),
            _ => 0,
        };
        u32::try_from(real)
            .unwrap_or(u32::MAX)
            .saturating_add(uncounted)
    }

    /// The answer that the client can use, or that turned it away: truncated and broken ones do not settle anything, and an
    /// error that made the client ask again is outlived by what came then.
    pub fn answer(&self) -> Option<&'a Reply> {
        let facts = self.facts;
        let usable = |reply: &&Reply| {
            let message = &reply.message;
            let cut_off = message.truncated && reply.transport == Transport::Udp;
            !cut_off
                && (message.malformed.is_none() || message.rcode != 0 || has(reply, facts.kind))
        };
        let first = facts.replies.iter().find(usable)?;
        if matches!(first.message.rcode, 0 | 3) {
            return Some(first);
        }
        let later = facts.replies.iter().filter(usable).find(|reply| {
            matches!(reply.message.rcode, 0 | 3)
                && facts
                    .queries
                    .iter()
                    .any(|query| query.at.time > first.at.time && query.at.time <= reply.at.time)
        });
        Some(later.unwrap_or(first))
    }

    /// Where the client asked once more, with the same id and from the same port, what had been answered before: a stub repeats a query
    /// for want of an answer (RFC 1035 4.2.1), so what this capture shows did not arrive. Of two families that are asked for together
    /// both are repeated when one is not answered: that says nothing. Nor does it where the resolver is slow, and answers an earlier try
    /// of them.
    pub fn asked_again(&self) -> Option<Mark> {
        let LookupFacts { kind, resolver, .. } = self.facts;
        let family = |one: &Sibling| matches!(one.kind, RecordType::A | RecordType::AAAA);
        if self
            .same_name()
            .any(|one| one.kind != *kind && family(one) && one.rcode.is_none())
        {
            return None;
        }
        let answer = self.answer()?.at;
        let answered = answer.time;
        if self.tries_until(answer) > 1 || answered.since(self.facts.first.time) >= SECOND {
            return None;
        }
        let queries = &self.facts.queries;
        let again = |one: &&Sibling| {
            one.kind == *kind
                && one.resolver == *resolver
                && one.first.time.since(answered) >= AGAIN
                && queries
                    .iter()
                    .any(|query| one.asked == Some((query.id, query.port)))
        };
        self.same_name().find(again).map(|one| one.first)
    }

    /// A reset in the resolver's name came from two hops nearer or more than the resolver's answers over UDP (hops are compared, not TTLs:
    /// nearest of 32, 64, 128, 255): something on the way sent it. From where those come. What comes from farther says no such thing: the two
    /// may have been handed on to different hosts.
    pub fn reset_on_the_way(&self, reset: HopCount) -> Option<HopCount> {
        let own = self.facts.replies.iter();
        let own = own.filter(|reply| reply.transport == Transport::Udp);
        let base = own
            .map(|reply| reply.hops)
            .next()
            .or(self.context.resolver_answered.map(|(hops, _)| hops))?;
        (base.ttl != reset.ttl && base.hops >= reset.hops.saturating_add(2)).then_some(base)
    }

    /// What the answer says.
    pub fn content(&self) -> Option<Content<'a>> {
        let reply = self.answer()?;
        let message = &reply.message;
        Some(match message.rcode {
            3 => Content::NoName(reply),
            0 if has(reply, self.facts.kind) => Content::Positive(reply),
            0 if message.incomplete => Content::Unreadable(reply),
            // A referral: name servers in the authority section, no SOA.
            0 if message.authority.0 > 0 && !message.authority.1 && !message.authoritative => {
                Content::Unreadable(reply)
            }
            0 if leads_on(message) => Content::Unreadable(reply),
            0 => Content::NoData(reply),
            _ => Content::Error(reply),
        })
    }

    /// Nothing whatever came back, and for long enough.
    pub fn silence(&self) -> Option<Silence> {
        let facts = self.facts;
        let elsewhere = facts.astray.as_ref().and_then(|astray| astray.elsewhere);
        if facts.reply_count > 0
            || facts.mismatched_count > 0
            || elsewhere.is_some()
            || self.context.refused_cut.is_some()
        {
            return None;
        }
        self.unanswered()
    }

    /// No usable answer came, whatever else did, and for long enough: ≥ 3 tries over ≥ 4 s, a retry unanswered for
    /// 2 s, or 5 s.
    pub fn unanswered(&self) -> Option<Silence> {
        let facts = self.facts;
        let last = facts.last_query?;
        let tries = self.tries_until(last);
        let after = self.horizon.since(last.time);
        let counts = (tries >= 3 && last.time.since(facts.first.time) >= 4 * SECOND)
            || (tries >= 2 && after >= 2 * SECOND)
            || self.horizon.since(facts.first.time) >= 5 * SECOND;
        if self.answer().is_some() || !counts {
            return None;
        }
        Some(Silence {
            first: facts.first,
            last,
            tries,
            lasted: last
                .time
                .since(facts.first.time)
                .saturating_add(after.min(LIFE)),
            open: after < LIFE,
        })
    }

    /// How much an absence weighs (verdicts.md, "Absence needs a witness").
    pub fn absence(&self) -> Absence {
        if self.context.one_way && !self.context.answered_near {
            Absence::Blind
        } else if self.context.answered_near || self.facts.icmp_count > 0 {
            Absence::Witnessed(if self.context.capture_drops {
                0.75
            } else {
                0.97
            })
        } else {
            Absence::Unwitnessed
        }
    }

    /// Look-ups of the same name, of other types or at other resolvers.
    pub fn same_name(&self) -> impl Iterator<Item = &'a Sibling> + '_ {
        let name = &self.facts.name;
        self.context
            .siblings
            .iter()
            .filter(move |sibling| sibling.name == *name)
    }

    /// Addresses of the answer.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        self.answer().into_iter().flat_map(addresses)
    }
}

/// The addresses in an answer.
pub fn addresses(reply: &Reply) -> impl Iterator<Item = IpAddr> + '_ {
    reply
        .message
        .answers
        .iter()
        .filter_map(|record| match record.answer {
            Answer::Address(address) => Some(address),
            _ => None,
        })
}

/// An alias that leads out of the zone, in an answer without recursion: it was not asked for, or whose word it is does not give it.
/// The server stops there (RFC 1034 4.3.2, step 3a), and the asker goes on at another one. What ends within the zone has its SOA (RFC 2308 2.2),
/// and an answer that holds more than aliases and their signatures (RFC 4034 3) knows their end.
fn leads_on(message: &Message) -> bool {
    let recursive =
        message.recursion_desired && (message.recursion_available || !message.authoritative);
    let alias = |record: &Record| record.kind == RecordType::CNAME;
    let mut answers = message
        .answers
        .iter()
        .filter(|record| record.kind != RecordType(46));
    let first = answers.next();
    !recursive && !message.authority.1 && first.is_some_and(alias) && answers.all(alias)
}

/// Whether an answer holds a record of that type.
fn has(reply: &Reply, kind: RecordType) -> bool {
    reply
        .message
        .answers
        .iter()
        .any(|record| record.kind == kind || kind == RecordType::ANY)
}

#[cfg(test)]
mod tests {
    use super::leads_on;
    use crate::proto::dns::decode;

    /// An answer with these flags that holds an alias and nothing else.
    fn alias(flags: [u8; 2]) -> Vec<u8> {
        let mut bytes = vec![0, 7, flags[0], flags[1], 0, 1, 0, 1, 0, 0, 0, 0];
        bytes.extend(b"\x04mail\x02ex\x00\x00\x01\x00\x01");
        bytes.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x03\x01a\x00");
        bytes
    }

    #[test]
    fn an_alias_out_of_the_zone_leads_on_who_asks_without_recursion() {
        let leads = |flags: [u8; 2], soa: bool| {
            let bytes = alias(flags);
            let mut message = decode(&bytes, bytes.len() as u32).unwrap();
            message.authority = (u16::from(soa), soa);
            leads_on(&message)
        };
        // Without RD; and with it, of an authoritative server that gives no recursion.
        assert!(leads([0x84, 0x00], false) && leads([0x85, 0x00], false));
        // Near misses: a resolver that followed it to its end, and an alias whose end has its SOA.
        assert!(!leads([0x81, 0x80], false) && !leads([0x85, 0x80], false));
        assert!(!leads([0x84, 0x00], true));
    }
}
