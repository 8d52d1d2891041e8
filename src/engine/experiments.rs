//! What a probe measured beside its packets: kept until what it is about is judged.
//!
//! It only finds the measurement for a connection or look-up; how it weighs is `diagnosis`' business.

use std::net::IpAddr;

use super::door::Engine;
use super::record::{FindingRecord, Record, VerdictInfo};
use crate::base::{Foreign, SourceId};
use crate::diagnosis::measured::{read_serves, read_until, weigh};
use crate::diagnosis::{About, Judgement, Measured, Verdict};
use crate::flow::Endpoint;

/// Measurements kept at once; a run makes a few for each fault.
const KEPT: usize = 4_096;

/// The measurements of the inputs that are open.
#[derive(Default)]
pub(super) struct Experiments(Vec<(SourceId, Measured)>);

impl Experiments {
    /// Lets what was measured of a server weigh in.
    pub(super) fn weigh_connection(
        &self,
        source: SourceId,
        server: Endpoint,
        judgement: &mut Judgement,
    ) {
        let fits = |about: &About| {
            matches!(about, About::Server(known)
                if known.ip() == server.ip && known.port() == server.port)
        };
        self.weigh(source, &fits, judgement);
    }

    /// Lets what was measured of a look-up weigh in.
    pub(super) fn weigh_lookup(
        &self,
        source: SourceId,
        asked: IpAddr,
        wanted: &Foreign,
        type_number: u16,
        judgement: &mut Judgement,
    ) {
        let bare = |name: &Foreign| name.as_str().trim_end_matches('.').to_ascii_lowercase();
        let fits = |about: &About| {
            matches!(about, About::Lookup { resolver, name, kind }
                if *resolver == asked && *kind == type_number && bare(name) == bare(wanted))
        };
        self.weigh(source, &fits, judgement);
    }

    fn weigh(&self, source: SourceId, fits: &dyn Fn(&About) -> bool, judgement: &mut Judgement) {
        let about = self
            .0
            .iter()
            .filter(|(of, measured)| *of == source && fits(&measured.about))
            .map(|(_, measured)| measured);
        weigh(judgement, about);
    }

    /// Nothing is open any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Engine {
    /// Takes what a probe says of itself, as the text that its capture holds: a measurement, until when it listened, or what
    /// is spoken on a port that it was given.
    /// Anything else is passed over.
    pub fn told(&mut self, source: SourceId, text: &[u8], out: &mut dyn FnMut(Record)) {
        if let Some(until) = read_until(text) {
            let world = self.world(source);
            if let Some(root) = self.sources.get_mut(world.0 as usize) {
                root.horizon = Some(root.horizon.map_or(until, |known| known.max(until)));
            }
        } else if let Some((port, service)) = read_serves(text) {
            self.config.ports.suggest(port, service);
            self.table.suggest(port, service);
        } else if let Some(measured) = Measured::from_text(text) {
            self.measured(source, measured, out);
        }
    }

    /// Takes a measurement of mxray's own. It counts for connections and look-ups that are judged from now on, so it is
    /// given before the frames of an input; what is about the run is said at once.
    pub fn measured(&mut self, source: SourceId, measured: Measured, out: &mut dyn FnMut(Record)) {
        if measured.about == About::Run {
            let verdict = VerdictInfo::from(&Verdict::from(measured.claim));
            if stands_alone(verdict.code) {
                self.attempts.causes.add_finding(&verdict);
            }
            out(Record::Finding(FindingRecord {
                source: Some(source.0),
                verdict,
            }));
        } else if self.experiments.0.len() < KEPT {
            let world = self.world(source);
            self.experiments.0.push((world, measured));
        }
    }
}

/// Codes that are root causes without an attempt.
fn stands_alone(code: &str) -> bool {
    code.starts_with("route.")
        || code.starts_with("settings.")
        || matches!(code, "path.split" | "tcp.rate-limited")
}
