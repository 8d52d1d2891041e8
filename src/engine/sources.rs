//! Inputs as the engine knows them: their worlds, their horizons, their ends.
//!
//! A source counts its frames and knows what of its link is visible. Parts of one recording and merged inputs are
//! sources of one world; with the last of a world everything in it is judged. It reads nothing.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::door::Engine;
use super::knowledge::Knowledge;
use super::names::Names;
use super::record::{FindingRecord, Moment, Record, SourceRecord, VerdictInfo};
use super::searches::Searches;
use crate::base::{Foreign, FrameRef, Mark, Nanos, SECOND, SourceId, Timestamp};
use crate::diagnosis::{SourceState, judge_neighbors, judge_source};
use crate::flow::{Neighbors, Ports};
use crate::wire::{Net, Packet, Reassembler, Transport};

/// What a source says at its end.
#[derive(Clone, Debug, Default)]
pub struct SourceEnd {
    /// Frames that the capturing machine says it lost.
    pub dropped: u64,
    /// What could not be read.
    pub damage: Option<String>,
}

/// A clock that goes back by more than this was set, or recordings were put one behind the other.
const STEP: Nanos = SECOND;

/// The clock of a source went back: what it showed before says nothing of how long anything was watched after.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// The first frame after it.
    frame: FrameRef,
    /// The latest time before the first step.
    before: Timestamp,
    /// The latest time since this one.
    after: Timestamp,
    /// It went back more than once.
    again: bool,
}

pub(super) struct Source {
    kind: &'static str,
    name: Foreign,
    format: Option<&'static str>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) mail_connections: u64,
    /// MACs that asked for a neighbour, and whether unicast frames to one of them are visible here.
    askers: ArrayVec<([u8; 6], IpAddr), 32>,
    /// MACs that opened mail connections.
    mailers: ArrayVec<[u8; 6], 32>,
    unicast_visible: bool,
    closed: bool,
    /// The source that opened its world; itself unless it is a further part.
    pub(super) world: SourceId,
    /// Of the one that opened a world: its sources that are open, and the latest time that any of them showed.
    pub(super) parts_open: usize,
    pub(super) horizon: Option<Timestamp>,
    /// Its clock went back, when last.
    pub(super) step: Option<Step>,
    /// Frames of it that were lost, as far as it was told when.
    lost: u64,
}

impl Source {
    /// A frame of its world: how far that has been watched by now.
    pub(super) fn see_time(&mut self, mark: Mark) {
        let shown = self.step.map(|step| step.after).or(self.horizon);
        if let Some(shown) = shown.filter(|shown| shown.since(mark.time) > STEP) {
            self.step = Some(Step {
                frame: mark.frame,
                before: self.step.map_or(shown, |step| step.before),
                after: mark.time,
                again: self.step.is_some(),
            });
        } else if let Some(step) = &mut self.step {
            step.after = step.after.max(mark.time);
        }
        self.horizon = Some(self.horizon.map_or(mark.time, |last| last.max(mark.time)));
    }

    /// ARP or NDP silence counts only where unicast frames to the one who asked are visible, and where the one who asked
    /// is a machine that mail is about.
    pub(super) fn see_link(&mut self, packet: &Packet<'_>, ports: &Ports) {
        let Some(from) = packet.link.source else {
            return;
        };
        match (&packet.net, &packet.transport) {
            (Net::Arp(arp), _) if !arp.reply => self.asks(from, arp.sender_ip),
            (Net::Ip(ip), Transport::Icmp(icmp))
                if icmp.neighbor.is_some_and(|n| !n.advertisement) =>
            {
                self.asks(from, ip.source);
            }
            (_, Transport::Tcp(tcp))
                if tcp.flags.opens()
                    && ports.service(tcp.destination_port).is_some()
                    && !self.mailers.contains(&from) =>
            {
                let _ = self.mailers.try_push(from);
            }
            _ => {}
        }
        if !self.unicast_visible
            && let Some(to) = packet.link.destination
        {
            self.unicast_visible = self.askers.iter().any(|(mac, _)| *mac == to);
        }
    }

    fn asks(&mut self, mac: [u8; 6], ip: IpAddr) {
        if !self.askers.contains(&(mac, ip)) {
            let _ = self.askers.try_push((mac, ip));
        }
    }

    /// Whether the machine with that address opened mail connections here, under whatever address.
    fn mails(&self, asker: IpAddr) -> bool {
        self.askers
            .iter()
            .any(|(mac, ip)| *ip == asker && self.mailers.contains(mac))
    }
}

impl Engine {
    /// Announces an input; its frames carry the number returned.
    pub fn open_source(
        &mut self,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source {
            kind,
            name,
            format,
            packets: 0,
            bytes: 0,
            first: None,
            last: None,
            mail_connections: 0,
            askers: ArrayVec::new(),
            mailers: ArrayVec::new(),
            unicast_visible: false,
            closed: false,
            world: id,
            parts_open: 1,
            horizon: None,
            step: None,
            lost: 0,
        });
        id
    }

    /// Announces a further input of the world that `world` is of and that is open yet: it has frame numbers of its own, but
    /// connections, look-ups and neighbours go on in it. When that world is over, it opens one of its own.
    pub fn open_part(
        &mut self,
        world: SourceId,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let world = self.world(world);
        let id = self.open_source(kind, name, format);
        if let Some(root) = self.sources.get_mut(world.0 as usize)
            && root.parts_open > 0
        {
            root.parts_open = root.parts_open.saturating_add(1);
            if let Some(part) = self.sources.get_mut(id.0 as usize) {
                part.world = world;
                part.parts_open = 0;
            }
            self.table.join(id, world);
            self.lookups.join(id, world);
            self.neighbors.join(id, world);
        }
        id
    }

    /// The capturing machine lost `count` frames of that source after `from` and before `to`: what was silent meanwhile may
    /// have been answered.
    pub fn lost(&mut self, id: SourceId, from: Timestamp, to: Timestamp, count: u64) {
        if let Some(source) = self.sources.get_mut(id.0 as usize).filter(|_| count > 0) {
            source.lost = source.lost.saturating_add(count);
            self.knowledge.drops.between(from, to);
        }
    }

    /// Nothing more came of that source until `time`, although it was watched: its silence goes that far.
    pub fn watched(&mut self, id: SourceId, time: Timestamp) {
        let world = self.world(id);
        if let Some(root) = self
            .sources
            .get_mut(world.0 as usize)
            .filter(|root| root.horizon.is_some())
        {
            root.horizon = root.horizon.max(Some(time));
        }
    }

    /// The source that opened the world of this one.
    pub(super) fn world(&self, source: SourceId) -> SourceId {
        self.sources
            .get(source.0 as usize)
            .map_or(source, |source| source.world)
    }

    /// The latest time that a world showed after its frame `last`, as far as its clock can be trusted.
    pub(super) fn horizon_of(&self, world: SourceId, last: Mark) -> Timestamp {
        let Some(root) = self.sources.get(world.0 as usize) else {
            return self.horizon;
        };
        match root.step {
            Some(step) if step.frame.source == last.frame.source => {
                if last.frame.number >= step.frame.number {
                    step.after.max(last.time)
                } else if step.again {
                    last.time
                } else {
                    step.before.max(last.time)
                }
            }
            _ => root.horizon.unwrap_or(self.horizon),
        }
    }

    /// The source ends. With the last of its world everything is judged with what is known now.
    pub fn close_source(&mut self, id: SourceId, end: SourceEnd, out: &mut dyn FnMut(Record)) {
        if self
            .sources
            .get(id.0 as usize)
            .is_none_or(|source| source.closed)
        {
            return;
        }
        let told = self
            .sources
            .get(id.0 as usize)
            .map_or(0, |source| source.lost);
        if end.dropped > told {
            self.knowledge.drops.some_time();
        }
        let world = self.world(id);
        let over = self
            .sources
            .get(world.0 as usize)
            .is_none_or(|root| root.parts_open <= 1);
        if over {
            self.drain(out);
        }
        self.finish_source(id, end, over, out);
    }

    /// `over`: it is the last of its world.
    fn finish_source(
        &mut self,
        id: SourceId,
        end: SourceEnd,
        over: bool,
        out: &mut dyn FnMut(Record),
    ) {
        let world = self.world(id);
        if let Some(root) = self.sources.get_mut(world.0 as usize) {
            root.parts_open = root.parts_open.saturating_sub(1);
        }
        let neighbors = match self.sources.get(world.0 as usize).filter(|_| over) {
            Some(root) => judge_neighbors(&self.neighbors, world, root.unicast_visible, &|asker| {
                root.mail_connections == 0 || root.mails(asker)
            }),
            None => Vec::new(),
        };
        let Some(source) = self.sources.get_mut(id.0 as usize) else {
            return;
        };
        source.closed = true;
        let last = source.last.unwrap_or(Timestamp(0));
        let limits = [
            ("connections open at once", self.table.evicted()),
            ("look-ups open at once", self.lookups.evicted()),
            (
                "fragmented datagrams at once",
                self.fragments.counts().evicted,
            ),
        ];
        let state = SourceState {
            damage: end.damage.as_deref(),
            dropped: end.dropped,
            limits: if over { &limits } else { &[] },
            last,
        };
        let mut verdicts = judge_source(&state);
        // Neighbours are known by source: those of the others stay.
        verdicts.extend(neighbors);
        for verdict in verdicts {
            let verdict = VerdictInfo::from(&verdict);
            if verdict.code.starts_with("route.") {
                self.attempts.causes.add_finding(&verdict);
            }
            out(Record::Finding(FindingRecord {
                source: Some(id.0),
                verdict,
            }));
        }
        out(Record::Source(SourceRecord {
            id: id.0,
            kind: source.kind,
            name: source.name.clone(),
            format: source.format,
            packets: source.packets,
            bytes: source.bytes,
            first: source.first.map(Moment),
            last: source.last.map(Moment),
            dropped: end.dropped,
            damage: end.damage,
        }));
        // Worlds are apart: what was learned of one says nothing about the next.
        if self.sources.iter().all(|source| source.closed) {
            self.knowledge = Knowledge::default();
            self.names = Names::default();
            self.searches = Searches::default();
            self.dns_streams.clear();
            self.fragments = Reassembler::new();
            self.neighbors = Neighbors::default();
            self.experiments.clear();
            self.came_back = None;
            self.attempts.finish(out);
            self.horizon = Timestamp(i64::MIN);
            self.ripened = Timestamp(i64::MIN);
        }
    }
}
