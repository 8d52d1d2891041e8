//! The engine itself: one frame at a time, and what becomes ripe because of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::Config;
use super::attempts::Attempts;
use super::experiments::Experiments;
use super::inside::Inside;
use super::knowledge::Knowledge;
use super::names::Names;
use super::provisional::Shown;
use super::record::Record;
use super::searches::Searches;
use super::sources::Source;
use crate::base::limits::FLOWS;
use crate::base::{FrameRef, MILLISECOND, Mark, SourceId, Timestamp};
use crate::diagnosis::Code;
use crate::flow::lookup::Lookups;
use crate::flow::{Endpoint, Neighbors, Table};
use crate::proto::dns::StreamDecoder;
use crate::proto::tls::Shared;
use crate::wire::{Reassembler, dissect};

/// Ripe connections are looked for this often, in capture time.
const RIPEN: i64 = 100 * MILLISECOND;

/// A frame as the engine takes it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where it came from.
    pub source: SourceId,
    /// Its number there, from 1.
    pub number: u64,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// When it was captured.
    pub time: Timestamp,
    /// What was captured.
    pub data: &'a [u8],
    /// Its length on the wire.
    pub original_len: u32,
    /// One of mxray's own control packets: left out.
    pub control: bool,
}

/// The one door.
pub struct Engine {
    pub(super) config: Config,
    pub(super) sources: Vec<Source>,
    pub(super) table: Table<Inside>,
    pub(super) lookups: Lookups,
    pub(super) neighbors: Neighbors,
    pub(super) fragments: Reassembler,
    pub(super) dns_streams:
        HashMap<(SourceId, Endpoint, Endpoint), StreamDecoder, foldhash::fast::RandomState>,
    pub(super) knowledge: Knowledge,
    pub(super) names: Names,
    pub(super) searches: Searches,
    pub(super) attempts: Attempts,
    pub(super) experiments: Experiments,
    pub(super) horizon: Timestamp,
    pub(super) ripened: Timestamp,
    pub(super) came_back: Option<(IpAddr, Timestamp)>,
    pub(super) next_connection: u64,
    pub(super) next_lookup: u64,
    /// What was said of what is still open.
    pub(super) shown: Shown,
    /// Pairs of fatal claims that met without a line in the claim order. Bounded by the catalogue.
    pub(super) undeclared: BTreeSet<(Code, Code)>,
}

impl Engine {
    /// An engine with nothing in it.
    pub fn new(config: Config) -> Engine {
        let shared = Shared::with_keys(config.keylog.clone());
        let mut ports = config.ports.clone();
        if config.all {
            ports.everything();
        }
        let mut table = Table::with_limit(ports, config.flows.unwrap_or(FLOWS)).seeded(shared);
        if config.live {
            table.note_changes();
        }
        Engine {
            config,
            sources: Vec::new(),
            table,
            lookups: Lookups::default(),
            neighbors: Neighbors::default(),
            fragments: Reassembler::new(),
            dns_streams: HashMap::default(),
            knowledge: Knowledge::default(),
            names: Names::default(),
            searches: Searches::default(),
            attempts: Attempts::default(),
            experiments: Experiments::default(),
            horizon: Timestamp(i64::MIN),
            ripened: Timestamp(i64::MIN),
            came_back: None,
            next_connection: 0,
            next_lookup: 0,
            shown: Shown::default(),
            undeclared: BTreeSet::new(),
        }
    }

    /// Adds key log text (SSLKEYLOGFILE, or of a pcapng file's own): it counts for connections whose first encrypted
    /// record is still to come. Returns how many secrets were taken.
    pub fn secrets(&mut self, text: &[u8]) -> usize {
        self.config.keylog.add(text)
    }

    /// Takes a frame; hands out what has become ripe by its time.
    pub fn frame(&mut self, input: &Input<'_>, out: &mut dyn FnMut(Record)) {
        let Some(source) = self.sources.get_mut(input.source.0 as usize) else {
            return;
        };
        source.packets = source.packets.saturating_add(1);
        source.bytes = source.bytes.saturating_add(u64::from(input.original_len));
        source.first = Some(
            source
                .first
                .map_or(input.time, |first| first.min(input.time)),
        );
        source.last = Some(source.last.map_or(input.time, |last| last.max(input.time)));
        let world = source.world;
        let mark = Mark {
            frame: FrameRef {
                source: input.source,
                number: input.number,
            },
            time: input.time,
        };
        if let Some(root) = self.sources.get_mut(world.0 as usize) {
            root.see_time(mark);
        }
        self.tick(input.time, out);
        if input.control {
            return;
        }
        let packet = dissect(input.link_type, input.data, input.original_len);
        if let Some(source) = self.sources.get_mut(world.0 as usize) {
            source.see_link(&packet, &self.config.ports);
        }
        self.packet(mark, &packet);
    }

    /// Time passes: hands out what has become ripe.
    pub fn tick(&mut self, now: Timestamp, out: &mut dyn FnMut(Record)) {
        self.horizon = self.horizon.max(now);
        if self.horizon.since(self.ripened) < RIPEN {
            return;
        }
        self.ripened = self.horizon;
        self.ripen(out);
    }

    /// Pairs of fatal claims that met on one connection or look-up although the catalogue does not say
    /// which of them explains the other. A gap in the catalogue: tests allow none.
    pub fn undeclared(&self) -> impl Iterator<Item = (Code, Code)> {
        self.undeclared.iter().copied()
    }

    /// The end of everything: attempts, then the summary.
    pub fn finish(&mut self, out: &mut dyn FnMut(Record)) {
        self.drain(out);
        self.attempts.finish(out);
        let mut summary = std::mem::take(&mut self.attempts.summary);
        summary.root_causes = self.attempts.causes.list();
        out(Record::Summary(summary));
    }
}
