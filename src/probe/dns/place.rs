//! Experiments that place a fault already seen: which question, size, transport and TTL still gets through, each against its control.
//!
//! A healthy resolver costs a ping and one question whose TTL ends before it (is it the resolver who answers?). Everything else needs a reason. What the facts mean is said in `claims`.

mod impostor;
mod late;
mod silence;
mod spare;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use self::spare::spare;
use super::asking::{Answered, Fate, TcpEnd};
use super::claims::{self, Subject};
use super::echo;
use super::exchange::{Server, over_tcp};
use super::lookups::{Asked, Lookups};
use super::question::{Question, Shape};
use super::steps;
use super::walk::refused_nearer;
use crate::diagnosis::rules::dns::refusal;
use crate::diagnosis::{Claim, Code, Settles, Weight, Where};
use crate::probe::control::Role;
use crate::proto::dns::Message;

/// Look-ups of one kind of fault that are measured; the rest of a chain fails alike.
const EACH: usize = 3;
/// So much farther than its ICMP error the resolver may be, to be found by pings.
const NEAR: u8 = 12;
/// A failure that was one of the moment is no longer answered from a cache (RFC 9520 3.2: at least 1 s; Unbound 5 s, BIND 1 s).
const FORGOTTEN: Duration = Duration::from_millis(5_200);

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

    /// The same question over TCP.
    async fn over_tcp(
        &self,
        question: &Question,
        why: &'static str,
    ) -> Result<(Message, Vec<u8>), TcpEnd> {
        let context = &self.lookups.context;
        let (server, role) = (self.server.address, Role::Control(why));
        over_tcp(context, server, role, question, Shape::PLAIN).await
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
        // Its address is the resolver's; is it as far away?
        let nearer = match name {
            Code::DnsPortClosed => {
                let farthest = hop.saturating_add(NEAR);
                let pings = echo::trail(&self.lookups.context, self.ip(), farthest, 3).await;
                pings.and_then(|pings| refused_nearer(&trail, &pings))
            }
            _ => None,
        };
        for asked in self.asked.iter().filter(refused) {
            if let Some(nearer) = nearer {
                self.say(&asked.question, |subject| {
                    Some(claims::refused_nearby(subject, nearer, (kind, code)))
                });
                continue;
            }
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

    /// SERVFAIL: is it validation that fails, or did something fail for a moment?
    async fn errors(&self) {
        let mut forgotten = FORGOTTEN;
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
            let Some(unchecked) = self.rcode(&asked.question, shape).await else {
                continue;
            };
            let mut again = Vec::new();
            if claims::is_answer(unchecked) {
                tokio::time::sleep(std::mem::take(&mut forgotten)).await;
                // Twice running, so that a resolver of which every other server fails does not fit by chance.
                for checking_disabled in [false, false, true] {
                    let shape = Shape {
                        checking_disabled,
                        ..shape
                    };
                    let rcode = self.rcode(&asked.question, shape).await;
                    again.extend(rcode.map(|rcode| (checking_disabled, rcode)));
                }
            }
            self.say(&asked.question, |subject| {
                claims::checking_disabled(subject, unchecked, &again)
            });
        }
    }

    /// What a control question draws, if anything.
    async fn rcode(&self, question: &Question, shape: Shape) -> Option<u16> {
        let exchanged = self.lookups.ask(&self.server, question, shape, 3).await;
        match exchanged.fate {
            Some(Fate::Answered(answer)) => Some(answer.message.rcode),
            _ => None,
        }
    }

    /// Answers that break off, again and again: is the one over TCP whole?
    async fn broken(&self) {
        for (asked, answer) in self
            .answers()
            .filter(|(_, answer)| answer.message.malformed.is_some() && answer.message.rcode == 0)
            .take(EACH)
        {
            let question = &asked.question;
            let end = self.over_tcp(question, "the question over TCP").await;
            let whole = end.ok().map(|(message, _)| message.malformed.is_none());
            self.say(question, |subject| {
                Some(claims::broken(subject, answer.tries, whole))
            });
        }
    }

    async fn tcp(&self) {
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
            let end = self.over_tcp(&asked.question, "TCP port 53").await;
            if let Err(end) = end {
                let length = answer.message.length;
                self.say(&asked.question, |subject| {
                    Some(claims::no_tcp(subject, end, false, length))
                });
            }
        }
    }
}
