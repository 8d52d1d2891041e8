//! Judging look-ups: from what a look-up showed to its record.
//!
//! Which look-ups are judged, and when, is decided in `searches`; what they were for, in `attempts`.

use super::attempts::{Asked, Member, Told, Wanted};
use super::judging::Judging;
use super::record::{LookupRecord, Moment, Record, VerdictInfo, millis};
use super::searches::{Fate, Waiting, denied, sibling};
use crate::base::{Foreign, MILLISECOND, Mark, Nanos, SECOND, Timestamp, ip_text};
use crate::diagnosis::{Judgement, Lookup, Outcome, WENT_ON, judge_lookup};
use crate::flow::lookup::{LookupFacts, Transport as Carrier};
use crate::proto::dns::{self, Answer, RecordType};

/// Who connects so soon behind a question was not kept waiting for its answer.
const AT_ONCE: Nanos = 500 * MILLISECOND;

impl Judging {
    pub(super) fn fate(&mut self, fate: Fate, out: &mut dyn FnMut(Record)) {
        match fate {
            Fate::Judge(waiting) => self.judge_search(&waiting, out),
            Fate::Other(waiting) => {
                self.attempts.summary.other += 1;
                if self.config.all {
                    self.judge_search(&waiting, out);
                }
            }
        }
    }

    fn judge_search(&mut self, waiting: &Waiting, out: &mut dyn FnMut(Record)) {
        let facts = &*waiting.facts;
        let horizon = self.horizon_of(facts.source, facts.last);
        let judgement = self.assess_lookup(facts, horizon);
        self.undeclared.extend(&judgement.undeclared);
        let outcome = judgement.outcome;
        let mut record = lookup_record(self.lookup_number(facts.first.frame), facts, judgement);
        let answer = facts.answer();
        if answer.is_none() {
            self.unheard(facts.source, facts.resolver);
        }
        if let Some(reply) = answer.filter(|_| outcome != Outcome::Failed) {
            let answers = reply.message.answers.iter();
            let addresses = answers.filter_map(|record| match record.answer {
                Answer::Address(address) => Some(address),
                _ => None,
            });
            self.answers
                .answered(&facts.name, facts.kind, facts.resolver, reply.at, addresses);
        }
        let answered = answer.is_some_and(|reply| {
            let mut answers = reply.message.answers.iter();
            answers.any(|record| record.kind == facts.kind)
        });
        let server = Wanted::Resolver(facts.resolver);
        let member = Member {
            id: record.id,
            started: facts.first.time,
            decided: answer.map_or(facts.last.time, |reply| reply.at.time),
            outcome,
            asked: Some(Box::new(Asked {
                name: facts.name.clone(),
                kind: facts.kind,
                answered,
                // The names of exchangers alone reach nobody.
                useful: facts.kind != RecordType::MX && answered,
                silent: answer.is_none() && facts.icmp.is_empty(),
            })),
            told: Told::of(
                outcome,
                &record.verdict,
                &record.findings,
                self.blame(outcome, &record.verdict, facts.client, server),
            ),
            server,
            established: false,
            check: false,
            own_sake: self.experiments.made_by_probe(self.world(facts.source)),
        };
        // The addresses of an exchanger are looked up for the domain's sake.
        let purpose = self
            .searches
            .domain_of(facts.client, &facts.name)
            .filter(|_| matches!(facts.kind, RecordType::A | RecordType::AAAA))
            .unwrap_or(&facts.name);
        let attempt = self.attempts.lookup(facts.client, purpose, member, out);
        record.attempt = Some(attempt);
        out(Record::Lookup(record));
    }

    /// Judges a look-up with what is known by now.
    pub(super) fn assess_lookup(&self, facts: &LookupFacts, horizon: Timestamp) -> Judgement {
        let mut context = self.searches.context(facts, &self.names);
        // What is asked meanwhile closes later: only a denial depends on it.
        if denied(facts) {
            let open = self.lookups.same_search(facts);
            context.siblings.extend(open.map(sibling));
        }
        context.answered_near =
            self.knowledge
                .witness
                .answered_near(facts.client, facts.last.time, 60 * SECOND);
        context.one_way = self.knowledge.witness.one_way(facts.client);
        context.went_on = self.names.went_on(facts.client, facts.first.time, WENT_ON);
        context.refused_cut = self.knowledge.query_refused_cut(facts);
        context.went_on_untold = self.went_on_untold(facts);
        context.answered_unseen = self.answered_unseen(facts);
        context.capture_drops = self
            .knowledge
            .drops
            .during(facts.first.time, facts.last.time);
        let mut judgement = judge_lookup(&Lookup {
            facts,
            horizon,
            context: &context,
        });
        self.experiments.weigh_lookup(
            facts.source,
            facts.resolver,
            &facts.name,
            facts.kind.0,
            &mut judgement,
        );
        judgement
    }

    /// Where the client, right behind its last try, opened a mail connection of the family that it asked for to an address that no
    /// look-up had given it. It had not given up: its timeout is as long as it waited between its tries.
    fn went_on_untold(&self, facts: &LookupFacts) -> Option<Mark> {
        let last = facts.last_query?;
        let mut before = facts.queries.iter().rev().map(|query| query.at.time);
        let timeout = last.time.since(before.find(|time| *time < last.time)?);
        self.untold(facts, last.time, timeout)
    }

    /// The same right behind the first of several tries.
    fn answered_unseen(&self, facts: &LookupFacts) -> Option<Mark> {
        let first = facts.first.time;
        let mut later = facts.queries.iter().map(|query| query.at.time);
        let timeout = later.find(|time| *time > first)?.since(first);
        self.untold(facts, first, timeout)
    }

    /// Where the client opened a connection of the family that it asked for, to an address that no look-up had given it, behind a try with
    /// that timeout.
    fn untold(&self, facts: &LookupFacts, tried: Timestamp, timeout: Nanos) -> Option<Mark> {
        let v4 = match facts.kind {
            RecordType::A => true,
            RecordType::AAAA => false,
            _ => return None,
        };
        let span = AT_ONCE.min(timeout / 2);
        self.names
            .went_to_untold(facts.client, v4, facts.first.time, (tried, span))
    }
}

/// The record of a judged look-up; the attempt is the caller's.
pub(super) fn lookup_record(id: u64, facts: &LookupFacts, judgement: Judgement) -> LookupRecord {
    let answer = facts.answer();
    LookupRecord {
        id,
        attempt: None,
        client: ip_text(facts.client),
        resolver: ip_text(facts.resolver),
        transport: match answer
            .map(|reply| reply.transport)
            .or(facts.queries.last().map(|query| query.transport))
        {
            Some(Carrier::Tcp) => "tcp",
            _ => "udp",
        },
        name: facts.name.clone(),
        kind: dns::type_name(facts.kind).to_string(),
        rcode: answer.map(|reply| dns::rcode_name(reply.message.rcode).to_string()),
        answers: answer.map_or_else(Vec::new, |reply| {
            reply
                .message
                .answers
                .iter()
                .map(|r| text_of(&r.answer))
                .collect()
        }),
        tries: facts.tries,
        rtt_ms: facts.duration().map(millis),
        started: Moment(facts.first.time),
        outcome: judgement.outcome.name(),
        verdict: VerdictInfo::from(judgement.verdict),
        findings: judgement
            .findings
            .into_iter()
            .map(VerdictInfo::from)
            .collect(),
        source: facts.first.frame.source().0,
        frames: frames_of(facts),
    }
}

fn text_of(answer: &Answer) -> Foreign {
    match answer {
        Answer::Address(address) => Foreign::from(ip_text(*address).as_str()),
        Answer::Name(name) => name.clone(),
        Answer::Mx(preference, target) if target.is_empty() => {
            Foreign::from(format!("{preference} .").as_str())
        }
        Answer::Mx(preference, target) => Foreign::from(format!("{preference} {target}").as_str()),
        Answer::Srv(priority, weight, port, target) => {
            Foreign::from(format!("{priority} {weight} {port} {target}").as_str())
        }
        Answer::Tlsa(data) => {
            // As zone files write it (RFC 6698 2.2).
            let mut text = String::new();
            for (index, byte) in data.iter().enumerate() {
                match index {
                    0..=2 => text.push_str(&format!("{byte} ")),
                    _ => text.push_str(&format!("{byte:02x}")),
                }
            }
            Foreign::from(text.as_str())
        }
        Answer::Other(text) => text.clone(),
    }
}

/// Frames of the tries and answers, in order, each once. Numbers mean nothing without their source: only those of the first
/// try's.
fn frames_of(facts: &LookupFacts) -> Vec<u64> {
    let mut frames: Vec<u64> = facts
        .queries
        .iter()
        .map(|query| query.at.frame)
        .chain(facts.replies.iter().map(|reply| reply.at.frame))
        .chain(facts.icmp.iter().map(|error| error.at.frame))
        .filter(|frame| frame.source() == facts.first.frame.source())
        .map(|frame| frame.number())
        .collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}
