//! Whether the resolver itself answers, or somebody nearer in its name.

use std::net::IpAddr;

use super::super::asking::Answered;
use super::super::claims;
use super::super::echo;
use super::super::steps;
use super::super::walk::impostor;
use super::Work;
use crate::proto::dns::{Answer, Message, rcode_name};

impl Work {
    /// Whether the resolver itself answers.
    pub(super) async fn impostors(&self) {
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
        let why = "the question over TCP";
        let true_answer = self.over_tcp(&asked.question, why).await;
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
fn difference(udp: &Message, tcp: &Message) -> Option<String> {
    if udp.rcode != tcp.rcode {
        return Some(format!(
            "over TCP the answer is {}, over UDP {}",
            rcode_name(tcp.rcode),
            rcode_name(udp.rcode)
        ));
    }
    let addresses = |message: &Message| -> Vec<IpAddr> {
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
