//! Answers to what the capture does not show asked, and the other way round.
//!
//! Where they come, the capture shows only some of what a client and its resolver say to each other: one of several parallel links, one
//! member of a bond. It says so and draws no conclusion.

use std::net::IpAddr;

use super::place::Pair;
use super::{LookupFacts, Lookups};
use crate::base::{Mark, Nanos, SECOND};
use crate::proto::dns::RecordType;

/// Clients and resolvers of which an answer to nothing is kept.
pub(super) const UNASKED: usize = 64;
/// Such an answer says within this time that the capture does not show all that the two say.
const HALF_SEEN: Nanos = 60 * SECOND;

impl Lookups {
    /// What an answer belongs to was not captured.
    pub(super) fn answers_nothing(&mut self, mark: Mark, client: IpAddr, resolver: IpAddr) {
        let pair = Pair(self.worlds.of(mark.frame.source()), client, resolver);
        match self.unasked.iter_mut().find(|(known, _)| *known == pair) {
            Some((_, latest)) => *latest = mark,
            None => {
                self.unasked.push_last((pair, mark));
            }
        }
    }

    /// Where, within a minute of a look-up, its resolver answered its client something that the capture does not show asked: queries are
    /// missing, so answers may be too.
    pub fn unasked(&self, facts: &LookupFacts) -> Option<Mark> {
        let pair = Pair(self.worlds.of(facts.source), facts.client, facts.resolver);
        let mut known = self.unasked.iter();
        let (_, mark) = known.find(|(known, _)| *known == pair)?;
        let near = mark.time.since(facts.first.time) >= HALF_SEEN.saturating_neg()
            && mark.time.since(facts.last.time) <= HALF_SEEN;
        near.then_some(*mark)
    }

    /// Whether the address of the other family was asked of the same resolver for the same name, and is not answered yet.
    pub fn other_family_open(&self, facts: &LookupFacts) -> bool {
        let kind = match facts.kind {
            RecordType::A => RecordType::AAAA,
            RecordType::AAAA => RecordType::A,
            _ => return false,
        };
        let source = self.worlds.of(facts.source);
        let key = (source, facts.client, facts.resolver, &facts.name, kind);
        let other = self.by_question(key).1.and_then(|at| self.get(at));
        other.is_some_and(|other| !other.settled())
    }
}
