//! Inputs on the side of the judging half, and what is said at their end.

use std::net::IpAddr;

use hashbrown::HashSet;

use super::clock::WorldClock;
use super::judging::Judging;
use super::link_view::LinkView;
use super::record::{FindingRecord, Moment, Record, SourceRecord, VerdictInfo};
use super::sighting::Closed;
use crate::base::{Foreign, Side, SourceId, Timestamp};
use crate::diagnosis::{Claim, SourceState, Verdict, judge_neighbors, judge_source};
use crate::flow::{FlowKey, NeighborFacts, TcpFacts};

/// Addresses that are kept which did not answer mail; beyond it they are not.
const UNHEARD: usize = 4_096;

/// An input.
pub(super) struct Source {
    kind: &'static str,
    name: Foreign,
    format: Option<&'static str>,
    /// The source that opened its world; itself unless it is a further part.
    world: SourceId,
    /// Of the one that opened a world: its sources that are open, its mail connections, and how far it was
    /// watched.
    pub(super) parts_open: usize,
    pub(super) mail_connections: u64,
    /// Likewise: segments of it that may be of mail were cut so short that their connections are not known.
    cut_segments: bool,
    pub(super) clock: WorldClock,
    /// Likewise: who did not answer what mail sent him.
    unheard: HashSet<IpAddr, foldhash::fast::RandomState>,
}

impl Source {
    /// Whether it held a mail connection, or was cut so short that nobody can say that it held none.
    pub(super) fn may_hold_mail(&self) -> bool {
        self.parts_open > 0 && (self.mail_connections > 0 || self.cut_segments)
    }
}

impl Judging {
    /// Segments of that world are cut before their flags.
    pub(super) fn cut_segments(&mut self, world: SourceId) {
        if let Some(root) = self.sources.get_mut(world.0 as usize) {
            root.cut_segments = true;
        }
    }

    /// The source that opened the world of this one.
    pub(super) fn world(&self, source: SourceId) -> SourceId {
        self.sources
            .get(source.0 as usize)
            .map_or(source, |source| source.world)
    }

    pub(super) fn opened(
        &mut self,
        id: SourceId,
        world: SourceId,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) {
        let part = world != id;
        if part {
            if let Some(root) = self.sources.get_mut(world.0 as usize) {
                root.parts_open = root.parts_open.saturating_add(1);
            }
            self.lookups.join(id, world);
            self.neighbors.join(id, world);
        }
        self.sources.push(Source {
            kind,
            name,
            format,
            world,
            parts_open: usize::from(!part),
            mail_connections: 0,
            cut_segments: false,
            clock: WorldClock::default(),
            unheard: HashSet::default(),
        });
    }

    /// Whether mail misses the answer of a neighbour: to him it was to go, or by him.
    fn is_missed(
        &self,
        world: SourceId,
        facts: &NeighborFacts,
        asker: IpAddr,
        link: &LinkView,
        no_mail: bool,
    ) -> bool {
        // What mail was sent to him got no answer, or was to be sent to him and never was.
        let unheard = self.sources.get(world.0 as usize).map(|root| &root.unheard);
        let names_him = unheard.is_some_and(|unheard| unheard.contains(&facts.target));
        if names_him || self.names.is_untried(facts.target) {
            return true;
        }
        // Mail went by him, and some of it got no answer.
        let owners = facts.owners.iter().map(|(mac, _)| *mac);
        let lost = unheard.is_some_and(|unheard| !unheard.is_empty());
        // A machine that sends mail and got nothing at all of that family asks for its way out.
        lost && link.passed_mail(facts.target, owners)
            || link.is_cut_off(asker) && (no_mail || link.mails(asker))
    }

    /// What mail sent to that address got no answer.
    pub(super) fn unheard(&mut self, source: SourceId, address: IpAddr) {
        let world = self.world(source);
        if let Some(root) = self.sources.get_mut(world.0 as usize)
            && root.unheard.len() < UNHEARD
        {
            root.unheard.insert(address);
        }
    }

    /// Who did not answer on a connection: what was sent to him was sent again, and not acknowledged.
    pub(super) fn note_unheard(&mut self, key: &FlowKey, tcp: &TcpFacts) {
        if tcp.established.is_none() && tcp.sides[Side::Server].segments == 0 {
            self.unheard(key.source, key.server.ip);
        }
        for (side, peer) in [(Side::Client, key.server), (Side::Server, key.client)] {
            let outstanding = *tcp.sides[side].outstanding;
            if outstanding.is_some_and(|sent| sent.transmissions > 1) {
                self.unheard(key.source, peer.ip);
            }
        }
    }

    /// What a source says about itself, what its world says about its link, and its record.
    pub(super) fn closed(&mut self, closed: Closed, out: &mut dyn FnMut(Record)) {
        let Closed {
            id,
            end,
            counts,
            read,
            over,
            evicted,
            last,
        } = closed;
        let world = self.world(id);
        let (mut neighbors, mut no_mail) = (Vec::new(), false);
        if let Some(root) = self.sources.get_mut(world.0 as usize) {
            root.parts_open = root.parts_open.saturating_sub(1);
            if over.is_some() {
                no_mail = root.mail_connections == 0;
            }
        }
        if let Some(link) = &over {
            neighbors = judge_neighbors(&self.neighbors, world, &|facts| {
                facts.asker.is_some_and(|asker| {
                    link.sees_answers_to(asker)
                        && self.is_missed(world, facts, asker, link, no_mail)
                })
            });
        }
        let limits = [
            ("connections open at once", self.evicted),
            ("look-ups open at once", self.lookups.evicted()),
            ("fragmented datagrams at once", evicted),
        ];
        let state = SourceState {
            damage: end.damage.as_deref(),
            read,
            dropped: end.dropped,
            limits: if over.is_some() { &limits } else { &[] },
            last: counts.last.unwrap_or(Timestamp(0)),
        };
        let mut verdicts = judge_source(&state);
        // Neighbours are known by source: those of the others stay.
        verdicts.extend(neighbors);
        for verdict in verdicts {
            let verdict = VerdictInfo::from(verdict);
            if verdict.code.starts_with("route.") {
                self.attempts.causes.add_finding(&verdict);
            }
            out(Record::Finding(FindingRecord {
                source: Some(id.0),
                verdict,
            }));
        }
        if let Some(source) = self.sources.get(id.0 as usize) {
            out(Record::Source(SourceRecord {
                id: id.0,
                kind: source.kind,
                name: source.name.clone(),
                format: source.format,
                packets: counts.packets,
                bytes: counts.bytes,
                first: counts.first.map(Moment),
                last: counts.last.map(Moment),
                dropped: end.dropped,
                damage: end.damage,
                notes: end.notes,
            }));
        }
        if last {
            self.forget(out);
        }
    }
}

/// What belongs to no connection and no look-up.
pub(super) fn finding(claim: Claim) -> FindingRecord {
    let verdict = Verdict::from(claim);
    FindingRecord {
        source: verdict.frame.map(|frame| frame.source().0),
        verdict: VerdictInfo::from(verdict),
    }
}
