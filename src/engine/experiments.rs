//! What a probe measured beside its packets: kept until what it is about is judged.
//!
//! It only finds the measurement for a connection or look-up; how it weighs is `diagnosis`' business.

use std::net::IpAddr;

use super::causes::Who;
use super::judging::Judging;
use super::record::{FindingRecord, Record, VerdictInfo};
use crate::base::{Foreign, SourceId};
use crate::diagnosis::measured::{weigh, weigh_answered};
use crate::diagnosis::{About, Judgement, Measured, Settles, Verdict};
use crate::flow::Endpoint;

/// Measurements kept at once; a run makes a few for each fault.
const KEPT: usize = 4_096;

/// The measurements of the inputs that are open.
#[derive(Default)]
pub(super) struct Experiments {
    measured: Vec<(SourceId, Measured)>,
    /// Worlds that a probe made.
    probes: Vec<SourceId>,
}

impl Experiments {
    /// A probe made this world.
    pub(super) fn made(&mut self, world: SourceId) {
        if !self.made_by_probe(world) && self.probes.len() < KEPT {
            self.probes.push(world);
        }
    }

    /// Whether a probe made it: it tries every address for its own sake, where a client is content with one that works.
    pub(super) fn made_by_probe(&self, world: SourceId) -> bool {
        self.probes.contains(&world)
    }

    /// Lets what was measured of a server weigh in. `answered`: the connection's SYN was, sooner or later.
    pub(super) fn weigh_connection(
        &self,
        source: SourceId,
        server: Endpoint,
        answered: bool,
        judgement: &mut Judgement,
    ) {
        let fits = |about: &About| {
            matches!(about, About::Server(known)
                if known.ip() == server.ip && known.port() == server.port)
        };
        self.weigh(source, &fits, answered, judgement);
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
        self.weigh(source, &fits, false, judgement);
    }

    fn weigh(
        &self,
        source: SourceId,
        fits: &dyn Fn(&About) -> bool,
        answered: bool,
        judgement: &mut Judgement,
    ) {
        let about = self
            .measured
            .iter()
            .filter(|(of, measured)| *of == source && fits(&measured.about))
            .map(|(_, measured)| measured);
        if answered {
            weigh_answered(judgement, about);
        } else {
            weigh(judgement, about);
        }
    }

    /// Nothing is open any more.
    pub(super) fn clear(&mut self) {
        self.measured.clear();
        self.probes.clear();
    }
}

impl Judging {
    /// Keeps a measurement for what is judged from now on; what is about the run is said at once.
    pub(super) fn measured(
        &mut self,
        source: SourceId,
        measured: Measured,
        out: &mut dyn FnMut(Record),
    ) {
        let explained = match measured.about {
            About::Server(server) if measured.settles == Settles::Cause => Some(server),
            _ => None,
        };
        if measured.about == About::Run || explained.is_some() {
            let verdict = VerdictInfo::from(Verdict::from(measured.claim));
            // What never left this host belongs to no connection that anybody saw, and is the fault all the same.
            let kept_here = matches!(verdict.code, "tcp.dropped" | "dns.blocked")
                && verdict.at.place == "client";
            if let Some(server) = explained {
                let causes = &mut self.attempts.causes;
                causes.explain(Who::Anybody, server, &verdict);
            } else if stands_alone(verdict.code) || kept_here {
                self.attempts.causes.add_finding(&verdict);
            }
            out(Record::Finding(FindingRecord {
                source: Some(source.0),
                verdict,
            }));
        } else if self.experiments.measured.len() < KEPT {
            let world = self.world(source);
            self.experiments.measured.push((world, measured));
        }
    }
}

/// Codes that are root causes without an attempt.
fn stands_alone(code: &str) -> bool {
    code.starts_with("route.")
        || code.starts_with("settings.")
        || matches!(code, "path.split" | "tcp.rate-limited")
}
