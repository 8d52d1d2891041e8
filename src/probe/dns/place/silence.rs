//! A resolver that does not answer: what else gets to it, where questions vanish, and what a stub resolver suffers.

use std::sync::Arc;

use super::super::asking::Fate;
use super::super::claims::{self, Silence, Subject};
use super::super::echo;
use super::super::exchange::over_tcp;
use super::super::lookups::Asked;
use super::super::question::{Host, Question, Shape};
use super::super::steps;
use super::super::walk::{Trail, vanishing};
use super::{EACH, Work};
use crate::base::SECOND;
use crate::diagnosis::Settles;
use crate::probe::control::Role;
use crate::proto::dns::RecordType;

/// So many answers that were captured and reached no socket, or that are no DNS responses, are no accident.
const UNTAKEN: u32 = 2;
/// A of the same name, what was answered before and the silent question are asked so often beside each other, so far apart.
const CONTROLS: u32 = 3;
const APART: std::time::Duration = std::time::Duration::from_millis(550);
/// Farthest router that is looked for when the resolver's distance is not known.
const FARTHEST: u8 = 24;
/// NS, for the root: a question that every resolver can answer.
const NS: RecordType = RecordType(2);

impl Work {
    pub(super) async fn silences(&self) {
        let silent: Vec<&Arc<Asked>> = self
            .asked
            .iter()
            .filter(|asked| matches!(asked.exchanged.fate, Some(Fate::Silent { .. })))
            .collect();
        let silent = self.taken(silent);
        let silent = self.wordless(silent);
        let Some(first) = silent.first() else { return };
        let context = &self.lookups.context;
        let alive = self.answers().next().is_some();
        // When the resolver answers other types, each silent type is its own case; a dead resolver is measured once.
        let cases: Vec<&Arc<Asked>> = match alive {
            true => silent.iter().copied().take(EACH).collect(),
            false => vec![first],
        };
        let root = Question::new(&Host::root(), NS);
        let others = async {
            alive || {
                let exchanged = self.lookups.ask(&self.server, &root, Shape::PLAIN, 3).await;
                matches!(exchanged.fate, Some(Fate::Answered(_)))
            }
        };
        let pings = async {
            let distance = echo::pings(context, self.ip(), 1, |_| {}).await;
            let farthest = distance.map_or(FARTHEST, |hops| hops.saturating_add(1).min(30));
            echo::trail(context, self.ip(), farthest, 3).await
        };
        let tcp = over_tcp(
            context,
            self.server.address,
            Role::Control("TCP port 53"),
            &first.question,
            Shape::PLAIN,
        );
        let (answers_others, trail, tcp) = tokio::join!(others, pings, tcp);
        let stub = self.stub();
        for case in cases {
            let facts = self.silence(case, answers_others, trail.as_ref()).await;
            let facts = Silence {
                tcp: (case.question == first.question)
                    .then_some(tcp.as_ref().map(|_| ()).map_err(|end| *end)),
                stub: stub.clone(),
                ..facts
            };
            let same = silent
                .iter()
                .filter(|other| other.question == case.question || !alive);
            // What came late after all is slow, and not silent.
            for asked in same.filter(|asked| !self.came_late(asked)) {
                self.say(&asked.question, |subject| {
                    Some(claims::silence(subject, &facts))
                });
            }
        }
    }

    /// Those of the silent that were silent; of the others it is said that their answers came and were not taken.
    fn taken<'a>(&self, silent: Vec<&'a Arc<Asked>>) -> Vec<&'a Arc<Asked>> {
        let (untaken, silent): (Vec<_>, Vec<_>) = silent
            .into_iter()
            .partition(|asked| asked.exchanged.untaken >= UNTAKEN);
        for asked in untaken {
            let Some(Fate::Silent { tries, lasted }) = asked.exchanged.fate else {
                continue;
            };
            let subject = Subject {
                resolver: self.ip(),
                question: &asked.question,
                now: self.lookups.context.now(),
            };
            // The packets alone look well: what the socket did not get is known to us only.
            let claim = claims::untaken(&subject, asked.exchanged.untaken, tries, lasted);
            let measured = subject.measured(claim, Settles::Session);
            self.lookups.context.measured(measured);
        }
        silent
    }

    /// Those of the silent to whom nothing came; of the others it is said that what came is no DNS response.
    fn wordless<'a>(&self, silent: Vec<&'a Arc<Asked>>) -> Vec<&'a Arc<Asked>> {
        let (answered, silent): (Vec<_>, Vec<_>) = silent
            .into_iter()
            .partition(|asked| asked.exchanged.strange >= UNTAKEN);
        for asked in answered {
            if let Some(Fate::Silent { tries, .. }) = asked.exchanged.fate {
                let subject = Subject {
                    resolver: self.ip(),
                    question: &asked.question,
                    now: self.lookups.context.now(),
                };
                let claim = claims::no_response(&subject, asked.exchanged.strange, tries);
                let measured = subject.measured(claim, Settles::Verdict);
                self.lookups.context.measured(measured);
            }
        }
        silent
    }

    fn came_late(&self, asked: &Asked) -> bool {
        let came = |other: &Arc<Asked>| {
            other.is_target
                && other.server.place == asked.server.place
                && other.question == asked.question
                && matches!(other.exchanged.fate, Some(Fate::Answered(_)))
        };
        self.lookups.log().iter().any(came)
    }

    async fn silence(&self, asked: &Asked, answers_others: bool, pings: Option<&Trail>) -> Silence {
        let context = &self.lookups.context;
        let Some(Fate::Silent { tries, lasted }) = &asked.exchanged.fate else {
            return Silence::default();
        };
        let mut facts = Silence {
            tries: *tries,
            lasted: *lasted,
            answers_others,
            pings: self.server.pings(),
            ..Silence::default()
        };
        let beside = async {
            let typed = asked.question.kind != RecordType::A;
            let address = Question::new(&asked.question.name, RecordType::A);
            let (mut addresses, mut others, mut again) = (0, 0, 0);
            let Some((other, _)) = self.answers().next() else {
                return (None, None, 0);
            };
            for _ in 0..CONTROLS {
                // In turn, so that what lets through so many in a time meets all of them.
                if typed {
                    // Whoever fails at the name answers one question and still works on the other.
                    addresses += u32::from(self.rcode_once(&address).await == Some(0));
                }
                others += self.answered(&other.question).await;
                again += self.answered(&asked.question).await;
                tokio::time::sleep(APART).await;
            }
            let addresses = typed.then_some((addresses, CONTROLS));
            (addresses, Some((others, CONTROLS)), again)
        };
        let walked = async {
            let pings = pings?;
            let reach = pings
                .answered_from()
                .or(pings.farthest().map(|(ttl, _)| ttl))?;
            let farthest = reach.saturating_add(1);
            steps::questions(context, &self.server, &asked.question, farthest, 3).await
        };
        let ((addresses, others, again), questions) = tokio::join!(beside, walked);
        facts.address_answered = addresses;
        facts.others_answered = others;
        facts.answered_again = again;
        facts.type_passes = self
            .answers()
            .any(|(other, _)| other.question.kind == asked.question.kind);
        if let (Some(questions), Some(pings)) = (questions, pings) {
            facts.vanishing = vanishing(&questions, pings);
            let (ours, theirs) = (questions.farthest(), pings.farthest());
            if pings.answered_from().is_none() && ours == theirs {
                facts.common_end = ours;
            }
        }
        facts
    }

    /// Asks once, as a control: 1 when it is answered.
    async fn answered(&self, question: &Question) -> u32 {
        u32::from(self.rcode_once(question).await.is_some())
    }

    /// Asks once, as a control: what that draws.
    async fn rcode_once(&self, question: &Question) -> Option<u16> {
        let lookups = &self.lookups;
        let exchanged = lookups.ask(&self.server, question, Shape::PLAIN, 1).await;
        match exchanged.fate {
            Some(Fate::Answered(answer)) => Some(answer.message.rcode),
            _ => None,
        }
    }

    /// What a stub resolver suffers, when it is worth a word.
    fn stub(&self) -> Option<String> {
        let resolvers = &self.lookups.resolvers;
        let cost = self.lookups.stub_cost();
        let timeouts = *cost.timeouts.get(self.server.place)?;
        if timeouts == 0 {
            return None;
        }
        let rounds = i64::from(self.rounds());
        let whole = claims::words(cost.took.saturating_mul(rounds));
        let each = claims::words(cost.took);
        let settings = format!(
            "timeout {} s, {} attempts",
            resolvers.timeout / SECOND,
            resolvers.attempts
        );
        Some(match cost.answered_by {
            Some(_) => format!(
                "a stub resolver ({}: {settings}) first waits for {} in every look-up, {each}; with {rounds} one after the other here, {whole}",
                resolvers.origin,
                self.ip()
            ),
            None => format!(
                "a stub resolver ({}: {settings}) gives up after {each}: {timeouts} timeouts of {}",
                resolvers.origin,
                self.ip()
            ),
        })
    }

    /// Look-ups that follow from each other: MX, then addresses.
    fn rounds(&self) -> u8 {
        let log = self.lookups.log();
        let has = |mx: bool| {
            log.iter()
                .any(|asked| asked.is_target && (asked.question.kind == RecordType::MX) == mx)
        };
        u8::from(has(true))
            .saturating_add(u8::from(has(false)))
            .max(1)
    }
}
