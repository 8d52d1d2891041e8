//! Answers that did not reach who asked: they came from another address than the one that was asked, or were turned away.
//!
//! A client takes an answer from nobody but whom it asked (RFC 5452 9.1, RFC 2181 4.1), so what comes from elsewhere belongs to no look-up
//! and yet tells why it got no answer. It is looked for among the latest questions alone, and nothing is judged.

use std::net::IpAddr;

use super::{Heard, LookupFacts, Lookups, Pair, Queue};
use crate::base::Mark;
use crate::wire::{Icmp, Ip, Quote};

/// Look-ups among which one is looked for: an answer comes soon, and few questions are open at once.
const LATEST: usize = 64;

/// What is known of such answers to one look-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Astray {
    /// From another address.
    pub elsewhere: Option<Elsewhere>,
    /// Turned away.
    pub rejected: Option<Rejected>,
}

/// Answers to a try, by its id, port and question, from another address than the one that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The latest sender.
    pub from: IpAddr,
    /// The first.
    pub first: Mark,
    /// The latest.
    pub last: Mark,
    /// How many.
    pub count: u32,
}

/// ICMP errors by which a rule turns answers away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Who sent the first.
    pub sender: IpAddr,
    /// Where.
    pub first: Mark,
    /// Type and code.
    pub error: (u8, u8),
    /// How many.
    pub count: u32,
}

impl Lookups {
    /// An answer that belongs to no question of its sender's.
    pub(super) fn came_from_elsewhere(&mut self, heard: &Heard) {
        let Some((name, kind)) = &heard.message.question else {
            return;
        };
        let source = self.worlds.of(heard.at.frame.source());
        let tried = |facts: &LookupFacts| {
            let mut queries = facts.queries.iter();
            queries.any(|query| (query.id, query.port) == (heard.message.id, heard.client.port))
        };
        let belongs = |at: &u32| {
            self.get(*at).is_some_and(|facts| {
                (facts.source, facts.client) == (source, heard.client.ip)
                    && (&facts.name, facts.kind) == (name, *kind)
                    && facts.resolver != heard.resolver
                    && tried(facts)
            })
        };
        let found = self.queues.latest(Queue::Open).take(LATEST).find(belongs);
        let Some(facts) = found.and_then(|at| self.get_mut(at)) else {
            return;
        };
        let astray = facts.astray.get_or_insert_default();
        let known = astray.elsewhere.get_or_insert(Elsewhere {
            from: heard.resolver,
            first: heard.at,
            last: heard.at,
            count: 0,
        });
        known.from = heard.resolver;
        known.last = heard.at;
        known.count = known.count.saturating_add(1);
    }

    /// An ICMP error that quotes an answer. That a socket is closed is everyday: the answer came late. False when it is none that a rule sends,
    /// or quotes none of an open look-up.
    pub(super) fn turned_away(
        &mut self,
        mark: Mark,
        ip: &Ip,
        icmp: &Icmp<'_>,
        quote: &Quote,
    ) -> bool {
        let rule = matches!(
            (icmp.v6, icmp.kind, icmp.code),
            (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6)
        );
        let Some(port) = quote
            .destination_port
            .filter(|_| rule && quote.ip.protocol == 17 && quote.source_port == Some(53))
        else {
            return false;
        };
        let source = self.worlds.of(mark.frame.source());
        let pair = Pair(source, quote.ip.destination, quote.ip.source);
        let known = self.ports.get(&(pair, port)).copied();
        let Some(facts) = known.and_then(|at| self.get_mut(at)) else {
            return false;
        };
        let astray = facts.astray.get_or_insert_default();
        let known = astray.rejected.get_or_insert(Rejected {
            sender: ip.source,
            first: mark,
            error: (icmp.kind, icmp.code),
            count: 0,
        });
        known.count = known.count.saturating_add(1);
        true
    }
}
