//! The name of an address and whether it leads back (forward-confirmed reverse DNS, RFC 1912 2.1; RFC 8601 3).
//!
//! Mail servers ask this of whoever connects, so it is asked of our own address: its name is what EHLO should say.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::asking::Fate;
use super::lookups::Lookups;
use super::question::{Host, Question, Shape};
use super::resolvers;
use crate::probe::context::Context;
use crate::proto::dns::{Answer, Message, RecordType};

/// The session waits so long for the name that it says in EHLO, and says its address else.
const MOMENT: Duration = Duration::from_millis(700);
/// PTR names that are followed.
const NAMES: usize = 3;

/// What the reverse tree says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnName {
    /// The name.
    pub name: Host,
    /// Whether the name has the address.
    pub confirmed: bool,
}

/// The names of our own addresses; each is looked up once in a run.
#[derive(Default)]
pub struct OwnNames(Mutex<HashMap<IpAddr, Arc<OnceCell<Option<OwnName>>>>>);

impl OwnNames {
    /// The name by which a server that asks DNS knows us: confirmed, else none. Whoever waits for a greeting anyway waits no longer than a moment for it.
    pub async fn confirmed(
        &self,
        context: &Context,
        lookups: Option<&Arc<Lookups>>,
        address: IpAddr,
    ) -> Option<Host> {
        let cell = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(address).or_default().clone()
        };
        let looked_up = cell.get_or_init(|| async {
            let lookups = lookups.cloned();
            let lookups = lookups.unwrap_or_else(|| Lookups::new(context, resolvers(context)));
            let found = tokio::time::timeout(MOMENT, own_name(&lookups, address)).await;
            found.ok().flatten()
        });
        let found = looked_up.await.as_ref()?;
        found.confirmed.then(|| found.name.clone())
    }
}

/// The name of an address: a confirmed one if there is any. `None` without a PTR record, or without an answer.
async fn own_name(lookups: &Arc<Lookups>, address: IpAddr) -> Option<OwnName> {
    let server = lookups.order().into_iter().next()?;
    let reversed = Question::new(&Host::reversed(address), RecordType::PTR);
    let ask = async |question: &Question| -> Option<Message> {
        let exchanged = lookups
            .ask(&server, question, Shape::with_room(1_232), 2)
            .await;
        match exchanged.fate {
            Some(Fate::Answered(answer)) if answer.message.rcode == 0 => Some(answer.message),
            _ => None,
        }
    };
    let names: Vec<Host> = ask(&reversed)
        .await?
        .answers
        .iter()
        .filter_map(|record| match &record.answer {
            Answer::Name(name) if record.kind == RecordType::PTR => Host::parse(name.as_str()).ok(),
            _ => None,
        })
        .take(NAMES)
        .collect();
    let kind = if address.is_ipv4() {
        RecordType::A
    } else {
        RecordType::AAAA
    };
    for name in &names {
        let forward = ask(&Question::new(name, kind)).await;
        let back = |message: &Message| {
            message
                .answers
                .iter()
                .any(|record| record.answer == Answer::Address(address))
        };
        if forward.as_ref().is_some_and(back) {
            return Some(OwnName {
                name: name.clone(),
                confirmed: true,
            });
        }
    }
    names.first().map(|name| OwnName {
        name: name.clone(),
        confirmed: false,
    })
}
