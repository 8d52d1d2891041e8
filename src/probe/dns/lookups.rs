//! Look-ups as a mail program's resolver library makes them: the servers in turn, the next one when the one before is silent or turns away.
//!
//! glibc waits for a silent server for its whole timeout; a probe goes on to the next after two unanswered questions and computes the rest (`stub`), while the silent one is
//! measured to the end in the background. What the library would ask is the target and judged; everything else is a control.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::asking::{Asking, BUSY, Fate, Manner};
use super::chain::{Aim, Chain, Learned, Reached};
use super::exchange::{Exchanged, Rest, Server, exchange};
use super::question::{Host, Question, Shape};
use super::resolvers::Resolvers;
use super::stub::{Cost, Treatment, cost};
use crate::base::{MILLISECOND, Timestamp};
use crate::diagnosis::withheld;
use crate::probe::context::Context;
use crate::probe::control::Role;
use crate::probe::options::{Families, StageName};

/// After so long without an answer the next server is asked as well.
const NEXT: Duration = Duration::from_millis(1_500);
/// What was asked together and is late is waited for so long, once one answer came.
const BESIDE: Duration = Duration::from_millis(500);
/// Rounds of a chain: MX, addresses; SRV, addresses. More is a loop.
const ROUNDS: usize = 6;

/// A look-up that was made.
#[derive(Debug)]
pub struct Asked {
    /// Who was asked.
    pub server: Arc<Server>,
    /// What.
    pub question: Question,
    /// A mail program asks this: its packets are judged.
    pub is_target: bool,
    /// What became of it.
    pub exchanged: Exchanged,
}

/// All look-ups of a target.
pub struct Lookups {
    /// The run.
    pub context: Context,
    /// The settings.
    pub resolvers: Resolvers,
    /// The servers, in their order.
    pub servers: Vec<Arc<Server>>,
    log: Mutex<Vec<Arc<Asked>>>,
    suspects: Mutex<Vec<usize>>,
    pending: Mutex<JoinSet<()>>,
    /// Silent look-ups that are still listened for, and those of them that were answered after all.
    late: watch::Sender<Late>,
}

/// What becomes of look-ups that were silent.
#[derive(Clone, Copy, Debug, Default)]
struct Late {
    awaited: usize,
    came: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lookups {
    /// Nothing asked yet.
    pub fn new(context: &Context, resolvers: Resolvers) -> Arc<Lookups> {
        let servers = resolvers
            .servers
            .iter()
            .enumerate()
            .map(|(place, address)| Server::new(*address, place))
            .collect();
        Arc::new(Lookups {
            context: context.clone(),
            resolvers,
            servers,
            log: Mutex::default(),
            suspects: Mutex::default(),
            pending: Mutex::default(),
            late: watch::Sender::default(),
        })
    }

    /// Everything asked so far.
    pub fn log(&self) -> Vec<Arc<Asked>> {
        lock(&self.log).clone()
    }

    /// Waits for look-ups at silent servers that were left behind.
    pub async fn settle(&self) {
        loop {
            let mut left = std::mem::take(&mut *lock(&self.pending));
            if left.is_empty() {
                return;
            }
            while left.join_next().await.is_some() {}
        }
    }

    /// Waits for answers to look-ups that were silent, as long as a busy resolver is given for one. True when some came: the same
    /// name, followed again, is then found by them.
    pub async fn came_late(&self) -> bool {
        let mut late = self.late.subscribe();
        let some = late.wait_for(|late| late.awaited == 0 || late.came > 0);
        if !some.await.is_ok_and(|late| late.came > 0) {
            return false;
        }
        // A and AAAA are asked at once: the other one is about to come.
        let all = late.wait_for(|late| late.awaited == 0);
        let _ = tokio::time::timeout(BESIDE, all).await;
        true
    }

    /// Listens on for the answer to a look-up whose silence was settled.
    fn listen(
        self: &Arc<Lookups>,
        server: Arc<Server>,
        question: Question,
        started: Timestamp,
        rest: Rest,
    ) {
        self.late.send_modify(|late| late.awaited += 1);
        let lookups = self.clone();
        tokio::spawn(async move {
            let until = started.plus(BUSY);
            let fate = rest.late(&lookups.context, until).await;
            let came = fate.is_some();
            if came {
                server.answered();
                let exchanged = Exchanged {
                    fate,
                    ..Exchanged::begun(started)
                };
                lookups.note(&server, question, true, exchanged);
            }
            lookups.late.send_modify(|late| {
                late.awaited = late.awaited.saturating_sub(1);
                late.came += usize::from(came);
            });
        });
    }

    /// From a name to addresses.
    pub async fn follow(self: &Arc<Lookups>, aim: Aim) -> Reached {
        let families = self.context.options().families;
        let mut chain = Chain::new(aim, families != Families::V6, families != Families::V4);
        for _ in 0..ROUNDS {
            let wanted = chain.wanted();
            if wanted.is_empty() {
                break;
            }
            let mut running = JoinSet::new();
            for question in wanted {
                let (lookups, needed) = (self.clone(), chain.is_needed(&question));
                running.spawn(async move {
                    let learned = match needed {
                        true => lookups.target(&question).await,
                        false => lookups.control(&question).await,
                    };
                    (question, learned, needed)
                });
            }
            while let Some(done) = running.join_next().await {
                if let Ok((question, learned, needed)) = done {
                    chain.learn(&question, learned);
                    // What was asked to find out what the name is turns out to be what a mail program asks.
                    if !needed && chain.is_needed(&question) {
                        let learned = self.target(&question).await;
                        chain.learn(&question, learned);
                    }
                }
            }
        }
        chain.reached()
    }

    /// Servers that answer, in their order; all, when none is known to.
    pub fn order(&self) -> Vec<Arc<Server>> {
        let suspects = lock(&self.suspects);
        let good: Vec<Arc<Server>> = self
            .servers
            .iter()
            .filter(|server| !suspects.contains(&server.place))
            .cloned()
            .collect();
        match good.is_empty() {
            true => self.servers.clone(),
            false => good,
        }
    }

    fn suspect(&self, server: &Server) {
        let mut suspects = lock(&self.suspects);
        if !suspects.contains(&server.place) {
            suspects.push(server.place);
        }
    }

    /// A question that a mail program depends on: at the servers in turn.
    pub(super) async fn target(self: &Arc<Lookups>, question: &Question) -> Learned {
        if let Some(known) = self.followed(question) {
            return known;
        }
        let servers = self.order();
        for (n, server) in servers.iter().enumerate() {
            let text = format!("{question} at {}", server.address.ip());
            self.context.progress(StageName::Dns, &text);
            let (lookups, at, asked) = (self.clone(), server.clone(), question.clone());
            let mut running = tokio::spawn(async move {
                let asking = Asking::new(asked.clone(), Manner::target());
                let mut exchanged = exchange(&lookups.context, &at, Role::Target, asking).await;
                let (rest, started) = (exchanged.rest.take(), exchanged.started);
                let learned = lookups.note(&at, asked.clone(), true, exchanged);
                if let Some(rest) = rest {
                    lookups.listen(at, asked, started, rest);
                }
                learned
            });
            let is_last = n.saturating_add(1) == servers.len();
            tokio::select! {
                done = &mut running => {
                    if let Ok(Some(learned)) = done {
                        return learned;
                    }
                    self.suspect(server);
                }
                () = tokio::time::sleep(NEXT), if !is_last => {
                    self.suspect(server);
                    lock(&self.pending).spawn(async move {
                        let _ = running.await;
                    });
                }
            }
        }
        Learned::Fault
    }

    /// What a name that is followed again met the first time: an answer that came late, or silence.
    pub(super) fn followed(&self, question: &Question) -> Option<Learned> {
        let log = self.log();
        let mut same = log
            .iter()
            .filter(|asked| asked.is_target && asked.question == *question)
            .peekable();
        same.peek()?;
        let known = same.find_map(|asked| learned(question, &asked.exchanged));
        Some(known.unwrap_or(Learned::Fault))
    }

    /// A question that only helps: a few tries, at the first server that answers. What was answered is not asked again.
    pub async fn control(self: &Arc<Lookups>, question: &Question) -> Learned {
        let log = self.log();
        let same = log.iter().filter(|asked| asked.question == *question);
        if let Some(known) = same
            .filter_map(|asked| learned(question, &asked.exchanged))
            .next()
        {
            return known;
        }
        // Followed again, nothing is asked again that was in vain.
        let vain = log
            .iter()
            .any(|asked| !asked.is_target && asked.question == *question);
        if vain && self.late.borrow().came > 0 {
            return Learned::Fault;
        }
        let Some(server) = self.order().into_iter().next() else {
            return Learned::Fault;
        };
        let exchanged = self
            .ask(&server, question, Shape::with_room(4_096), 3)
            .await;
        self.note(&server, question.clone(), false, exchanged)
            .unwrap_or(Learned::Fault)
    }

    /// One control question.
    pub async fn ask(
        &self,
        server: &Arc<Server>,
        question: &Question,
        shape: Shape,
        tries: u32,
    ) -> Exchanged {
        let asking = Asking::new(question.clone(), Manner::control(shape, tries));
        exchange(
            &self.context,
            server,
            Role::Control("another question"),
            asking,
        )
        .await
    }

    /// Writes a look-up down; what was learned, if it settles the question.
    pub fn note(
        &self,
        server: &Arc<Server>,
        question: Question,
        is_target: bool,
        exchanged: Exchanged,
    ) -> Option<Learned> {
        let learned = learned(&question, &exchanged);
        lock(&self.log).push(Arc::new(Asked {
            server: server.clone(),
            question,
            is_target,
            exchanged,
        }));
        learned
    }

    /// DNS itself says of every judged question about `name` that there is nothing, and no filter makes it say so.
    pub fn deny(&self, name: &Host) -> bool {
        let log = self.log();
        let mut asked = log
            .iter()
            .filter(|asked| asked.is_target && asked.question.name == *name)
            .peekable();
        asked.peek().is_some()
            && asked.all(|asked| {
                let Some(Fate::Answered(answer)) = &asked.exchanged.fate else {
                    return false;
                };
                withheld(&answer.message).is_none()
                    && matches!(
                        learned(&asked.question, &asked.exchanged),
                        Some(Learned::NoData | Learned::NoName)
                    )
            })
    }

    /// What every look-up of a stub resolver costs, as the servers behave. Those that were not asked are taken for alive.
    pub fn stub_cost(&self) -> Cost {
        let log = self.log();
        let treatments: Vec<Treatment> = self
            .servers
            .iter()
            .map(|server| {
                let mut treatment = None;
                for asked in log
                    .iter()
                    .filter(|asked| asked.server.place == server.place && asked.is_target)
                {
                    match &asked.exchanged.fate {
                        Some(Fate::Answered(answer)) if answer.settles() => {
                            return Treatment::Answers(answer.rtt);
                        }
                        Some(Fate::Answered(answer)) => {
                            treatment = Some(Treatment::TurnsAway(answer.rtt))
                        }
                        Some(Fate::Rejected(_) | Fate::NoTcp(_) | Fate::Unsendable(_)) => {
                            treatment = Some(Treatment::TurnsAway(MILLISECOND));
                        }
                        Some(Fate::Silent { .. }) => treatment = Some(Treatment::Silent),
                        None => {}
                    }
                }
                treatment.unwrap_or(Treatment::Answers(MILLISECOND))
            })
            .collect();
        cost(&self.resolvers, &treatments)
    }
}

/// What an exchange says about its question; `None` when another server has to be asked.
fn learned(question: &Question, exchanged: &Exchanged) -> Option<Learned> {
    let Some(Fate::Answered(answer)) = &exchanged.fate else {
        return None;
    };
    if !answer.settles() {
        return None;
    }
    let message = &answer.message;
    Some(match message.rcode {
        // Whoever checks a message takes nothing of a broken one.
        0 if message.malformed.is_some() => Learned::Fault,
        0 if message
            .answers
            .iter()
            .any(|record| record.kind == question.kind) =>
        {
            Learned::Records(message.answers.clone())
        }
        0 => Learned::NoData,
        3 => Learned::NoName,
        _ => Learned::Fault,
    })
}
