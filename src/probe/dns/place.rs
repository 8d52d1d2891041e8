//! Experiments that place a fault already seen: which question, size, transport and TTL still gets through, each against its control.
//!
//! A healthy resolver costs a ping and one question whose TTL ends before it (is it the resolver who answers?). Everything else needs a reason. What the facts mean is said in `claims`.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::asking::{Answered, Fate};
use super::claims::{self, Ladder, Silence, Subject};
use super::echo;
use super::exchange::{Server, over_tcp};
use super::lookups::{Asked, Lookups};
use super::question::{Host, Question, Shape};
use super::steps;
use super::walk::{impostor, vanishing};
use crate::base::{Nanos, SECOND};
use crate::diagnosis::rules::dns::refusal;
use crate::diagnosis::{Claim, Code, Settles, Weight, Where};
use crate::probe::control::Role;
use crate::proto::dns::{Answer, RecordType, rcode_name};

/// Farthest router that is looked for when the resolver's distance is not known.
const FARTHEST: u8 = 24;
/// NS, for the root: a question that every resolver can answer.
const NS: RecordType = RecordType(2);
/// Look-ups of one kind of fault that are measured; the rest of a chain fails alike.
const EACH: usize = 3;

/// Places everything that went wrong, resolver by resolver, and looks at the resolvers that nobody asked.
pub async fn place(lookups: Arc<Lookups>) {
    lookups.settle().await;
    let mut running = JoinSet::new();
    for server in lookups.servers.clone() {
        running.spawn(place_server(lookups.clone(), server));
    }
    while running.join_next().await.is_some() {}
}

async fn place_server(lookups: Arc<Lookups>, server: Arc<Server>) {
    let log = lookups.log();
    let asked: Vec<Arc<Asked>> = log
        .iter()
        .filter(|asked| asked.server.place == server.place && asked.is_target)
        .cloned()
        .collect();
    if asked.is_empty() {
        return spare(&lookups, &server, &log).await;
    }
    let work = Work {
        lookups,
        server,
        asked,
    };
    tokio::join!(
        work.silences(),
        work.refusals(),
        work.errors(),
        work.broken(),
        work.tcp(),
        work.late(),
        work.impostors()
    );
}

/// A resolver and what it was asked.
struct Work {
    lookups: Arc<Lookups>,
    server: Arc<Server>,
    asked: Vec<Arc<Asked>>,
}

impl Work {
    fn ip(&self) -> IpAddr {
        self.server.address.ip()
    }

    fn say(&self, question: &Question, make: impl FnOnce(&Subject<'_>) -> Option<Claim>) {
        let subject = Subject {
            resolver: self.ip(),
            question,
            now: self.lookups.context.now(),
        };
        if let Some(claim) = make(&subject) {
            let settles = match claim.weight {
                Weight::Finding => Settles::Finding,
                // The forged answer looks well: only that another one exists makes it a fault.
                Weight::Fatal if claim.code == Code::DnsForged => Settles::Session,
                // What a program can still read of a broken message another one refuses.
                Weight::Fatal if claim.code == Code::DnsBadResponse => Settles::Session,
                _ => Settles::Verdict,
            };
            let measured = subject.measured(claim, settles);
            self.lookups.context.measured(measured);
        }
    }

    fn answers(&self) -> impl Iterator<Item = (&Arc<Asked>, &Answered)> {
        self.asked
            .iter()
            .filter_map(|asked| match &asked.exchanged.fate {
                Some(Fate::Answered(answer)) => Some((asked, &**answer)),
                _ => None,
            })
    }

    async fn silences(&self) {
        let silent: Vec<&Arc<Asked>> = self
            .asked
            .iter()
            .filter(|asked| matches!(asked.exchanged.fate, Some(Fate::Silent { .. })))
            .collect();
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
            let facts = self
                .silence(case, answers_others, trail.as_ref(), alive)
                .await;
            let facts = Silence {
                tcp: (case.question == first.question)
                    .then_some(tcp.as_ref().map(|_| ()).map_err(|end| *end)),
                stub: stub.clone(),
                ..facts
            };
            let same = silent
                .iter()
                .filter(|other| other.question == case.question || !alive);
            for asked in same {
                self.say(&asked.question, |subject| {
                    Some(claims::silence(subject, &facts))
                });
            }
        }
    }

    async fn silence(
        &self,
        asked: &Asked,
        answers_others: bool,
        pings: Option<&super::walk::Trail>,
        alive: bool,
    ) -> Silence {
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
            if !alive || asked.question.kind == RecordType::A {
                return None;
            }
            let address = Question::new(&asked.question.name, RecordType::A);
            let mut answered = 0;
            for _ in 0..3 {
                let exchanged = self
                    .lookups
                    .ask(&self.server, &address, Shape::PLAIN, 1)
                    .await;
                answered += u32::from(matches!(exchanged.fate, Some(Fate::Answered(_))));
                tokio::time::sleep(std::time::Duration::from_millis(550)).await;
            }
            Some((answered, 3))
        };
        let walked = async {
            let pings = pings?;
            let reach = pings
                .answered_from()
                .or(pings.farthest().map(|(ttl, _)| ttl))?;
            let farthest = reach.saturating_add(1);
            steps::questions(context, &self.server, &asked.question, farthest, 3).await
        };
        let (address_answered, questions) = tokio::join!(beside, walked);
        facts.address_answered = address_answered;
        if let (Some(questions), Some(pings)) = (questions, pings) {
            facts.vanishing = vanishing(&questions, pings);
            let (ours, theirs) = (questions.farthest(), pings.farthest());
            if pings.answered_from().is_none() && ours == theirs {
                facts.common_end = ours;
            }
        }
        facts
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

    async fn refusals(&self) {
        let refused = |asked: &&Arc<Asked>| matches!(asked.exchanged.fate, Some(Fate::Rejected(_)));
        let Some(first) = self.asked.iter().find(refused) else {
            return;
        };
        let Some(trail) =
            steps::questions(&self.lookups.context, &self.server, &first.question, 16, 2).await
        else {
            return;
        };
        let Some((hop, (sender, kind, code))) = trail.refused_at() else {
            return;
        };
        // Up to that hop every router must have said that it was reached, or the walk shows nothing.
        let before = (1..hop).all(|ttl| trail.at(ttl).is_some_and(|drew| drew.exceeded.is_some()));
        let own = sender == self.ip();
        let Some((name, _)) = refusal(!self.ip().is_ipv4(), kind, code, own).filter(|_| before)
        else {
            return;
        };
        let place = if name == Code::DnsPortClosed {
            Where::Client
        } else {
            Where::Network
        };
        for asked in self.asked.iter().filter(refused) {
            self.say(&asked.question, |subject| {
                Some(claims::refused_at(
                    subject,
                    name,
                    place,
                    sender,
                    (kind, code),
                    hop,
                ))
            });
        }
    }

    async fn errors(&self) {
        for (asked, answer) in self
            .answers()
            .filter(|(_, answer)| answer.message.rcode == 2)
            .take(EACH)
        {
            // It says itself why: no experiment says more.
            if answer
                .message
                .extended_errors
                .iter()
                .any(|(code, _)| matches!(code, 4 | 6..=12 | 15..=18))
            {
                continue;
            }
            let shape = Shape {
                checking_disabled: true,
                ..Shape::with_room(1_232)
            };
            let exchanged = self
                .lookups
                .ask(&self.server, &asked.question, shape, 3)
                .await;
            if let Some(Fate::Answered(unchecked)) = exchanged.fate {
                let rcode = unchecked.message.rcode;
                self.say(&asked.question, |subject| {
                    Some(claims::checking_disabled(subject, rcode))
                });
            }
        }
    }

    /// Answers that break off, again and again: is the one over TCP whole?
    async fn broken(&self) {
        for (asked, answer) in self
            .answers()
            .filter(|(_, answer)| answer.message.malformed.is_some() && answer.message.rcode == 0)
            .take(EACH)
        {
            let role = Role::Control("the question over TCP");
            let context = &self.lookups.context;
            let question = &asked.question;
            let end = over_tcp(context, self.server.address, role, question, Shape::PLAIN).await;
            let whole = end.ok().map(|(message, _)| message.malformed.is_none());
            self.say(question, |subject| {
                Some(claims::broken(subject, answer.tries, whole))
            });
        }
    }

    async fn tcp(&self) {
        let context = &self.lookups.context;
        for asked in &self.asked {
            if let Some(Fate::NoTcp(end)) = asked.exchanged.fate {
                self.say(&asked.question, |subject| {
                    Some(claims::no_tcp(subject, end, true, 0))
                });
            }
        }
        // A long answer over UDP: who asks without EDNS has to come over TCP.
        let long = self
            .answers()
            .find(|(_, answer)| !answer.truncated && answer.message.length > 512);
        if let Some((asked, answer)) = long {
            let role = Role::Control("TCP port 53");
            let end = over_tcp(
                context,
                self.server.address,
                role,
                &asked.question,
                Shape::PLAIN,
            )
            .await;
            if let Err(end) = end {
                let length = answer.message.length;
                self.say(&asked.question, |subject| {
                    Some(claims::no_tcp(subject, end, false, length))
                });
            }
        }
    }

    /// Answered, but only after a retry or late: size, EDNS, or slowness.
    async fn late(&self) {
        let late: Vec<(&Arc<Asked>, &Answered)> = self
            .answers()
            .filter(|(_, answer)| {
                answer.message.malformed.is_none()
                    && (answer.tries > 1 || answer.after >= 2 * SECOND)
            })
            .take(EACH)
            .collect();
        for (asked, answer) in late {
            let is_long = answer.truncated || answer.message.length > 512;
            if is_long && answer.tries > 2 && self.ladder(asked, answer.after).await {
                continue;
            }
            let mut times: Vec<Nanos> = vec![answer.after];
            for _ in 0..2 {
                let exchanged = self
                    .lookups
                    .ask(&self.server, &asked.question, Shape::PLAIN, 3)
                    .await;
                if let Some(Fate::Answered(again)) = exchanged.fate {
                    times.push(again.after);
                }
                tokio::time::sleep(std::time::Duration::from_millis(550)).await;
            }
            if times.len() >= 3 {
                self.say(&asked.question, |subject| claims::slow(subject, times));
            }
        }
    }

    /// The EDNS ladder; true when it shows that long answers vanish.
    async fn ladder(&self, asked: &Asked, cost: Nanos) -> bool {
        let rungs = [(512u16, 3u32), (1_232, 5), (4_096, 5)];
        let mut running = JoinSet::new();
        for (size, tries) in rungs {
            let (lookups, server, question) = (
                self.lookups.clone(),
                self.server.clone(),
                asked.question.clone(),
            );
            running.spawn(async move {
                let shape = Shape::with_room(size);
                let exchanged = lookups.ask(&server, &question, shape, tries).await;
                match exchanged.fate {
                    Some(Fate::Answered(answer)) => (size, Some(answer.tries)),
                    // Cut off and then nothing over TCP: it was answered over UDP.
                    Some(Fate::NoTcp(_)) => (size, Some(1)),
                    _ => (size, None),
                }
            });
        }
        let mut results = Vec::new();
        while let Some(done) = running.join_next().await {
            results.extend(done.ok());
        }
        results.sort_unstable();
        let small = results
            .iter()
            .rev()
            .find_map(|(size, tries)| Some((*size, 1, (*tries)?)));
        let large = results
            .iter()
            .find(|(_, tries)| tries.is_none())
            .map(|(size, _)| *size);
        let (Some(small), Some(large)) = (small, large) else {
            return false;
        };
        // Two tries of the look-up itself were lost as well.
        let lost = 7;
        if small.0 >= large || !self.server.controls().rule_out_chance(lost) {
            return false;
        }
        let ladder = Ladder {
            small,
            large: (large, lost),
        };
        self.say(&asked.question, |subject| {
            Some(claims::large_dropped(subject, ladder, cost))
        });
        true
    }

    /// Whether the resolver itself answers.
    async fn impostors(&self) {
        let context = &self.lookups.context;
        if context.raw().is_none() {
            if self.answers().next().is_some() {
                context.unknowable(
                    "whether the resolver itself answers",
                    "setcap cap_net_raw+ep mxray",
                );
            }
            return;
        }
        let sound = |answer: &Answered| answer.settles() && answer.message.malformed.is_none();
        let Some((asked, answer)) = self.answers().find(|(_, answer)| sound(answer)) else {
            return;
        };
        let answered = asked.exchanged.distance.unwrap_or(0);
        let pinged = echo::pings(context, self.ip(), 1, |_| {})
            .await
            .unwrap_or(0);
        let hops = answered.max(pinged);
        if hops == 0 || hops > 30 {
            return;
        }
        if steps::is_answered_at(context, &self.server, &asked.question, hops).await != Some(true) {
            return;
        }
        let (questions, pings) = tokio::join!(
            steps::questions(context, &self.server, &asked.question, hops, 2),
            echo::trail(context, self.ip(), hops.saturating_add(2), 3)
        );
        let (Some(questions), Some(pings)) = (questions, pings) else {
            return;
        };
        let Some(found) = impostor(&questions, &pings) else {
            return;
        };
        let role = Role::Control("the question over TCP");
        let true_answer = over_tcp(
            context,
            self.server.address,
            role,
            &asked.question,
            Shape::PLAIN,
        )
        .await;
        let contradicted = true_answer
            .ok()
            .and_then(|(message, _)| difference(&answer.message, &message));
        for (asked, _) in self.answers().filter(|(_, answer)| answer.settles()) {
            let text = contradicted.clone();
            self.say(&asked.question, |subject| {
                Some(claims::forged(subject, &found, text))
            });
        }
    }
}

/// How two answers to one question contradict each other: another response code, or no shared address.
fn difference(
    udp: &crate::proto::dns::Message,
    tcp: &crate::proto::dns::Message,
) -> Option<String> {
    if udp.rcode != tcp.rcode {
        return Some(format!(
            "over TCP the answer is {}, over UDP {}",
            rcode_name(tcp.rcode),
            rcode_name(udp.rcode)
        ));
    }
    let addresses = |message: &crate::proto::dns::Message| -> Vec<IpAddr> {
        let address = |record: &crate::proto::dns::Record| match record.answer {
            Answer::Address(address) => Some(address),
            _ => None,
        };
        message.answers.iter().filter_map(address).collect()
    };
    let (of_udp, of_tcp) = (addresses(udp), addresses(tcp));
    if of_udp.is_empty()
        || of_tcp.is_empty()
        || of_udp.iter().any(|address| of_tcp.contains(address))
    {
        return None;
    }
    let list = |addresses: &[IpAddr]| {
        let texts: Vec<String> = addresses.iter().take(3).map(ToString::to_string).collect();
        texts.join(", ")
    };
    Some(format!(
        "over TCP the resolver says {}, over UDP somebody says {}",
        list(&of_tcp),
        list(&of_udp)
    ))
}

/// A resolver further down the list, which nobody needed: does it answer the same?
async fn spare(lookups: &Arc<Lookups>, server: &Arc<Server>, log: &[Arc<Asked>]) {
    let Some(asked) = log.iter().find(|asked| asked.is_target) else {
        return;
    };
    let exchanged = lookups
        .ask(server, &asked.question, Shape::with_room(4_096), 3)
        .await;
    let subject = Subject {
        resolver: server.address.ip(),
        question: &asked.question,
        now: lookups.context.now(),
    };
    let number = server.place.saturating_add(1);
    let claim = match exchanged.fate {
        Some(Fate::Silent { tries, lasted }) => {
            let facts = Silence {
                tries,
                lasted,
                ..Silence::default()
            };
            claims::silence(&subject, &facts)
        }
        Some(Fate::Answered(answer)) if !answer.settles() => {
            let text = format!(
                "Resolver {}, number {number} in {}, answers {} with {}; it was not needed.",
                subject.resolver,
                lookups.resolvers.origin,
                asked.question,
                rcode_name(answer.message.rcode)
            );
            let code = if answer.message.rcode == 5 {
                Code::DnsRefused
            } else {
                Code::DnsServfail
            };
            claims::spare(&subject, code, text)
        }
        Some(Fate::Rejected(error)) => {
            let sender = error.map_or(subject.resolver, |(sender, ..)| sender);
            let text = format!(
                "Resolver {}, number {number} in {}, is refused by an ICMP error of {sender}; it was not needed.",
                subject.resolver, lookups.resolvers.origin
            );
            let own = sender == subject.resolver;
            let code =
                error.and_then(|(_, kind, code)| refusal(!sender.is_ipv4(), kind, code, own));
            claims::spare(
                &subject,
                code.map_or(Code::DnsPortClosed, |(code, _)| code),
                text,
            )
        }
        _ => return,
    };
    lookups.context.finding(claim.weighing(Weight::Finding));
}
