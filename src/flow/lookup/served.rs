//! Resolvers that say that nothing serves DNS there, and answer at once all the same.
//!
//! Behind one address there may be several machines, and a rule may refuse some queries: then such words are not about the service. It
//! remembers few of them, for a moment, and judges nothing.

use std::net::IpAddr;

use super::Lookups;
use crate::base::{Mark, Nanos, SECOND, SourceId};
use crate::wire::{Icmp, Ip, Quote, says_port_closed};

/// Whoever answers within this time was not started meanwhile: services that begin take longer.
const AT_ONCE: Nanos = SECOND;
/// Such words that are remembered.
pub(super) const REFUSALS: usize = 64;

/// A resolver's own word that its port is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    source: SourceId,
    resolver: IpAddr,
    at: Mark,
    /// The look-up that it is about.
    lookup: u32,
}

impl Lookups {
    /// An ICMP error about a query; it counts here if the resolver says itself that nothing serves DNS (RFC 1122 4.1.3.1, RFC 4443 3.1).
    pub(super) fn says_closed(
        &mut self,
        lookup: u32,
        at: Mark,
        ip: &Ip,
        icmp: &Icmp<'_>,
        quote: &Quote,
    ) {
        let closed = says_port_closed(icmp.v6, icmp.kind, icmp.code);
        let resolver = quote.ip.destination;
        if !closed || quote.ip.protocol != 17 || ip.source != resolver {
            return;
        }
        let source = self.worlds.of(at.frame.source());
        self.closed.push_last(Closed {
            source,
            resolver,
            at,
            lookup,
        });
    }

    /// A resolver answered somebody: its errors of this moment learn of it.
    pub(super) fn answers_after_all(&mut self, mark: Mark, resolver: IpAddr) {
        if self.closed.is_empty() {
            return;
        }
        let source = self.worlds.of(mark.frame.source());
        let mut known = std::mem::take(&mut self.closed);
        known.retain(|closed| mark.time.since(closed.at.time) <= AT_ONCE);
        let here = |closed: &&Closed| {
            (closed.source, closed.resolver) == (source, resolver) && closed.at.time <= mark.time
        };
        for closed in known.iter().filter(here) {
            let Some(facts) = self.get_mut(closed.lookup) else {
                continue;
            };
            let errors = facts.icmp.iter_mut();
            for error in errors.filter(|error| error.at == closed.at) {
                error.answers.get_or_insert(mark);
            }
        }
        self.closed = known;
    }
}
