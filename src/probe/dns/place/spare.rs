//! A resolver further down the list, which nobody needed: does it answer the same?

use std::sync::Arc;

use super::super::asking::Fate;
use super::super::claims::{self, Silence, Subject};
use super::super::exchange::Server;
use super::super::lookups::{Asked, Lookups};
use super::super::question::Shape;
use crate::diagnosis::rules::dns::refusal;
use crate::diagnosis::{Code, Weight};
use crate::proto::dns::rcode_name;

/// A resolver further down the list, which nobody needed: does it answer the same?
pub(super) async fn spare(lookups: &Arc<Lookups>, server: &Arc<Server>, log: &[Arc<Asked>]) {
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
