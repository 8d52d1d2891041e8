//! What the stages of a run found, until it is judged: frames, measurements, paths, and what the report's reader has to know.
//!
//! Stages put in, the end of a round takes out. Nothing is judged here.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::{Context, lock};
use crate::diagnosis::{About, Claim, Code, Measured, Settles};
use crate::engine::record::{MtuInfo, PathRecord};
use crate::probe::recording::{Recording, Taken};
use crate::probe::tap::Tap;

/// Something that could not be known for lack of privilege, and the command that grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unknowable {
    /// What.
    pub what: &'static str,
    /// How to get it.
    pub grant: &'static str,
}

impl Unknowable {
    /// In words.
    pub fn says(&self) -> String {
        format!("not known: {} ({})", self.what, self.grant)
    }
}

impl Context {
    /// A measurement: it goes to the engine and into `-w`.
    pub fn measured(&self, measured: Measured) {
        lock(&self.0.recording).measured.push(measured);
    }

    /// What was measured of a server under this code.
    pub fn known_of(&self, server: SocketAddr, code: Code) -> Option<Measured> {
        let recording = lock(&self.0.recording);
        let mut measured = recording.measured.iter();
        measured
            .find(|one| one.about == About::Server(server) && one.claim.code == code)
            .cloned()
    }

    /// A finding of the run that belongs to no connection and no look-up.
    pub fn finding(&self, claim: Claim) {
        self.measured(Measured {
            about: About::Run,
            claim,
            settles: Settles::Finding,
        });
    }

    /// A path for the report: what is known of the same path already is added to.
    pub fn path(&self, record: PathRecord) {
        let mut paths = lock(&self.0.paths);
        let known = paths
            .iter_mut()
            .find(|known| known.target == record.target && known.port == record.port);
        let Some(known) = known else {
            paths.push(record);
            return;
        };
        // The walk that sent more says more.
        let weight = |path: &PathRecord| path.hops.iter().map(|hop| hop.sent).sum::<u32>();
        if weight(&record) > weight(known) {
            known.hops = record.hops;
        }
        known.mtu = match (record.mtu, known.mtu.take()) {
            (Some(new), Some(old)) => Some(MtuInfo {
                forward: new.forward.or(old.forward),
                backward: new.backward.or(old.backward),
                blackhole_after_hop: new.blackhole_after_hop.or(old.blackhole_after_hop),
            }),
            (new, old) => new.or(old),
        };
        known.loss = record.loss.or_else(|| known.loss.take());
        known.tls = record.tls.or_else(|| known.tls.take());
    }

    /// Something that the report's reader has to know of how it was measured.
    pub fn caution(&self, text: String) {
        let mut all = lock(&self.0.cautions);
        if !all.contains(&text) {
            all.push(text);
        }
    }

    /// What the reader has to know.
    pub fn cautions(&self) -> Vec<String> {
        lock(&self.0.cautions).clone()
    }

    /// A device on the way was measured to bar this port: it is no wrong one.
    pub fn bars(&self, server: SocketAddr) {
        lock(&self.0.barred).insert(server);
    }

    /// Whether a device on the way bars this port.
    pub fn is_barred(&self, server: SocketAddr) -> bool {
        lock(&self.0.barred).contains(&server)
    }

    /// Something that cannot be known for lack of privilege.
    pub fn unknowable(&self, what: &'static str, grant: &'static str) {
        let one = Unknowable { what, grant };
        let mut all = lock(&self.0.unknowable);
        if !all.contains(&one) {
            all.push(one);
        }
    }

    /// A target is begun: until [`Context::measures`] nothing of it is measured.
    pub fn begins(&self, target: String) {
        let mut unmeasured = lock(&self.0.unmeasured);
        if !unmeasured.contains(&target) {
            unmeasured.push(target);
        }
    }

    /// Something of a target is measured, or why nothing can be.
    pub fn measures(&self, target: &str) {
        lock(&self.0.unmeasured).retain(|one| one != target);
    }

    /// Targets of which nothing was measured: whatever else is found, they are not known to be well.
    pub fn left_unmeasured(&self) -> Vec<String> {
        lock(&self.0.unmeasured).clone()
    }

    /// Frames that were captured after the first `known`, each with its LINKTYPE_ value, and paths after the first
    /// `paths`: for who looks on while it is measured. They stay where they are.
    pub fn gathered_since(
        &self,
        known: usize,
        paths: usize,
    ) -> (Vec<(u16, Taken)>, Vec<PathRecord>) {
        let frames = lock(&self.0.recording).since(known);
        let walked = lock(&self.0.paths);
        (frames, walked.get(paths..).unwrap_or_default().to_vec())
    }

    /// Takes what was gathered so far, for the engine; a new recording begins.
    pub fn take(&self) -> (Recording, Vec<PathRecord>, Vec<Unknowable>) {
        let mut recording = lock(&self.0.recording);
        let mut empty = Recording::on(recording.interfaces.clone());
        empty.keep_concealing(&recording);
        let mut taken = std::mem::replace(&mut *recording, empty);
        // The kernel counts from the beginning; a recording tells its own.
        let lost = self.0.tap.as_ref().map_or(0, Tap::dropped);
        let known = self.0.lost.swap(lost, Ordering::Relaxed);
        taken.dropped = taken.dropped.saturating_add(lost.saturating_sub(known));
        let unknowable = lock(&self.0.unknowable).clone();
        taken.notes = self.cautions();
        taken.notes.extend(unknowable.iter().map(Unknowable::says));
        (taken, std::mem::take(&mut lock(&self.0.paths)), unknowable)
    }
}
