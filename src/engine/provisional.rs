//! What can be said of connections and look-ups that are still open, for those who watch live.
//!
//! A provisional record has the number that the final one will carry, says `"final": false`, and is replaced by whatever
//! record of that number comes next. It exists because a firewall's silence must be on the screen within seconds, and
//! because a row must be there before its fate is. It teaches nothing to other connections, belongs to no attempt,
//! counts in no summary, and is made only when asked for, in portions: a replay never sees one.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use hashbrown::HashMap;

use super::connections::Judged;
use super::door::Engine;
use super::judging::Judging;
use super::lookups::lookup_record;
use super::record::{ConnectionRecord, Record, VerdictInfo};
use crate::base::limits::{FLOWS, LOOKUPS};
use crate::base::{FrameRef, MILLISECOND, Mark, Nanos, SECOND, Timestamp};
use crate::diagnosis::{Code, Outcome, Verdict, is_mail_question};
use crate::proto::Service;

#[cfg(test)]
mod tests;

/// A silence is looked at again this long after the last segment: a little after each clock of verdicts.md ("Silence has a
/// clock"), and of the waits that make a success degraded.
const LOOKS: [Nanos; 9] = [
    3_200 * MILLISECOND,
    5_200 * MILLISECOND,
    10_200 * MILLISECOND,
    15_200 * MILLISECOND,
    30_200 * MILLISECOND,
    45_200 * MILLISECOND,
    60_200 * MILLISECOND,
    120_200 * MILLISECOND,
    300_200 * MILLISECOND,
];
/// A look-up is looked at from this silence on (a retry unanswered for 2 s).
const UNANSWERED: Nanos = 2 * SECOND;
/// For each connection that may be judged, so many may be passed over in one call.
const PASSED: usize = 16;

/// What was said of one connection or look-up.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// The number of its record.
    id: u64,
    /// What it looked like.
    look: u64,
    /// Its last segment when it was judged, and how many looks of that silence are done.
    last: Timestamp,
    looks: usize,
    /// It waits for its next look.
    waits: bool,
}

/// All that was said of what is open, by first frame.
#[derive(Debug, Default)]
pub(super) struct Shown {
    connections: HashMap<FrameRef, Said, foldhash::fast::RandomState>,
    lookups: HashMap<FrameRef, Said, foldhash::fast::RandomState>,
    /// Silences that become older: when to look again, the slot, the connection's first frame.
    later: BTreeSet<(Timestamp, u32, FrameRef)>,
}

impl Shown {
    /// A connection has its last record, or will have none.
    pub(super) fn forget(&mut self, first: FrameRef) {
        self.connections.remove(&first);
    }
}

impl Engine {
    /// Looks at what is open and emits a record of each connection and look-up that looks different than when it was last
    /// shown: a row with its ladder while all is well, a verdict when something is wrong or a silence has lasted long enough.
    /// At most `most` connections and as many look-ups are judged in one call; what is left over comes with the next.
    ///
    /// Needs [`super::Config::live`]; the caller's `now` is capture time.
    pub fn provisional(&mut self, now: Timestamp, most: usize, out: &mut dyn FnMut(Record)) {
        self.intake.horizon = self.intake.horizon.max(now);
        self.judging.horizon = self.judging.horizon.max(now);
        let mut judged = 0;
        let mut passed = 0;
        while judged < most && passed < most.saturating_mul(PASSED) {
            let Some(at) = self.shard.changed() else {
                break;
            };
            passed += 1;
            // Under load those that have ended wait for their last record, which comes within seconds.
            let pressed = self.shard.waiting() > most;
            let Some(flow) = self.shard.mail(at) else {
                continue;
            };
            if pressed && flow.tracker.closed() {
                continue;
            }
            let first = flow.tracker.facts().first;
            judged += 1;
            self.look(at, first, true, out);
        }
        while judged < most
            && let Some((due, at, first)) = self.judging.shown.later.first().copied()
            && due <= now
        {
            self.judging.shown.later.pop_first();
            judged += usize::from(self.look_again(at, first, out));
        }
        self.look_ups(now, most, out);
    }

    /// A silence that may have become a verdict. False when the connection is gone.
    fn look_again(&mut self, at: u32, first: FrameRef, out: &mut dyn FnMut(Record)) -> bool {
        let Some(mark) = self
            .shard
            .mail(at)
            .map(|flow| flow.tracker.facts().first)
            .filter(|mark| mark.frame == first)
        else {
            return false;
        };
        if let Some(said) = self.judging.shown.connections.get_mut(&first) {
            said.waits = false;
            self.look(at, mark, false, out);
        }
        true
    }

    /// Judges an open connection and shows it if it looks different. `fresh`: something of it was seen.
    fn look(&mut self, at: u32, first: Mark, fresh: bool, out: &mut dyn FnMut(Record)) {
        if let Some(flow) = self.shard.mail_mut(at) {
            flow.dialogue.session();
        }
        let Some(flow) = self.shard.mail(at) else {
            return;
        };
        let Some(session) = flow.dialogue.facts() else {
            return;
        };
        let mail = session.mail && session.service.is_some_and(|one| one != Service::Other);
        if !mail && !self.judging.config.all {
            return;
        }
        let seen = flow.tracker.facts().last;
        let last = seen.time;
        let horizon = self.judging.horizon;
        let open = !flow.tracker.closed();
        let (judged, mut record, _) = self.judging.assess(flow, &session, horizon);
        soften(&judged, seen, &mut record);
        let look = look_of(&record);
        let known = self.judging.shown.connections.get(&first.frame).copied();
        if known.is_none() && self.judging.shown.connections.len() >= FLOWS {
            return;
        }
        let silent = !fresh && known.is_some_and(|said| said.last == last);
        let mut said = Said {
            id: known.map_or_else(|| next(&mut self.judging.next_connection), |said| said.id),
            look,
            last,
            looks: if silent {
                known.map_or(0, |said| said.looks.saturating_add(1))
            } else {
                0
            },
            waits: known.is_some_and(|said| said.waits),
        };
        if open
            && !said.waits
            && let Some(wait) = LOOKS.get(said.looks)
        {
            said.waits = true;
            self.judging
                .shown
                .later
                .insert((last.plus(*wait), at, first.frame));
        }
        record.id = said.id;
        self.judging.shown.connections.insert(first.frame, said);
        if known.is_none_or(|before| before.look != look) {
            out(Record::Connection(Box::new(record)));
        }
    }

    /// Look-ups for mail that are unanswered.
    fn look_ups(&mut self, now: Timestamp, most: usize, out: &mut dyn FnMut(Record)) {
        let mut made = Vec::new();
        let silent = self.judging.lookups.open().filter(|facts| {
            facts.answer().is_none()
                && now.since(facts.last.time) >= UNANSWERED
                && is_mail_question(facts.name.as_str(), facts.kind)
        });
        for facts in silent.take(most) {
            let judgement = self.judging.assess_lookup(facts, now);
            if matches!(judgement.verdict.code, Code::Unknown | Code::Ok) {
                continue;
            }
            let mut record = lookup_record(0, facts, judgement);
            record.verdict.is_final = false;
            made.push((facts.first.frame, facts.last.time, record));
        }
        for (first, last, mut record) in made {
            let mut hasher = DefaultHasher::new();
            (record.verdict.code, record.outcome, record.tries).hash(&mut hasher);
            let look = hasher.finish();
            let known = self.judging.shown.lookups.get(&first).copied();
            if known.is_some_and(|said| said.look == look)
                || known.is_none() && self.judging.shown.lookups.len() >= LOOKUPS
            {
                continue;
            }
            record.id = known.map_or_else(|| next(&mut self.judging.next_lookup), |said| said.id);
            let said = Said {
                id: record.id,
                look,
                last,
                looks: 0,
                waits: false,
            };
            self.judging.shown.lookups.insert(first, said);
            out(Record::Lookup(record));
        }
    }
}

impl Judging {
    /// The number for the record of a connection: the one that it was shown under, or the next.
    pub(super) fn connection_number(&mut self, first: FrameRef) -> u64 {
        match self.shown.connections.remove(&first) {
            Some(said) => said.id,
            None => next(&mut self.next_connection),
        }
    }

    /// The number for the record of a look-up.
    pub(super) fn lookup_number(&mut self, first: FrameRef) -> u64 {
        match self.shown.lookups.remove(&first) {
            Some(said) => said.id,
            None => next(&mut self.next_lookup),
        }
    }
}

fn next(counter: &mut u64) -> u64 {
    let number = *counter;
    *counter = counter.saturating_add(1);
    number
}

/// Words for what is open: it is healthy when nobody waits for anything (verdicts.md, `healthy`).
fn soften(judged: &Judged, last: Mark, record: &mut ConnectionRecord) {
    let unknown = judged.judgement.verdict.code == Code::Unknown;
    if judged.open && unknown && record.verdict.alternatives.is_empty() {
        let (code, text) = if judged.at_rest {
            record.outcome = Outcome::Healthy.name();
            (Code::Ok, "Open, and nobody waits for anything.")
        } else {
            (Code::Unknown, "Open; no fault so far.")
        };
        record.verdict =
            VerdictInfo::from(Verdict::without_fault(code, text.to_owned(), Some(last)));
    }
    record.verdict.is_final = false;
}

/// What is different when a row is to be shown anew.
fn look_of(record: &ConnectionRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        record.outcome,
        record.verdict.code,
        record.stage,
        record.reached.len(),
        record.service,
        record.intent,
    )
        .hash(&mut hasher);
    (record.verdict.confidence * 100.0)
        .to_bits()
        .hash(&mut hasher);
    for finding in &record.findings {
        finding.code.hash(&mut hasher);
    }
    if let Some(mail) = &record.mail {
        (mail.transcript.len(), mail.user.is_some()).hash(&mut hasher);
    }
    if let Some(tls) = &record.tls {
        (&tls.version, tls.certificates.len()).hash(&mut hasher);
    }
    record.tcp.retransmitted.client.hash(&mut hasher);
    record.tcp.retransmitted.server.hash(&mut hasher);
    hasher.finish()
}
