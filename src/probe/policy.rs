//! What a domain publishes about how mail to it must be encrypted: TLSA records (DANE, RFC 7672) and an MTA-STS policy (RFC 8461).
//!
//! Asked of the resolver that answers, and, where DNS names one, of the policy host: nobody else is called. TLSA records count only
//! when the resolver says that DNSSEC validated them, and an MX record as well (RFC 7672 2.2.1); a policy only when
//! its host's certificate validates (RFC 8461 3.3). What cannot be had binds nobody, as with any sender.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::context::Context;
use super::dns::asking::{Answered, Fate};
use super::dns::lookups::Lookups;
use super::dns::question::{Host, Question, Shape};
use super::https;
use super::session::ask::Binding;
use super::tls::dane::Tlsa;
use super::tls::sts::{self, Policy};
use crate::proto::dns::{Answer, RecordType};

/// Whoever fetches a policy waits no longer.
const FETCH: Duration = Duration::from_secs(8);
/// Questions put that often: what goes unanswered binds nobody.
const TRIES: u32 = 2;
/// Records that are kept.
const RECORDS: usize = 32;
/// Addresses of a policy host that are tried.
const ADDRESSES: usize = 2;
/// Type 16.
const TXT: RecordType = RecordType(16);
/// Type 52 (RFC 6698 2.1).
const TLSA: RecordType = RecordType(52);

/// The policies of one target; each is asked for once.
pub struct Policies {
    lookups: Option<Arc<Lookups>>,
    domain: Option<String>,
    sts: OnceCell<Option<Arc<Policy>>>,
    signed: OnceCell<bool>,
}

impl Policies {
    /// For the exchangers of a domain, or for a host alone.
    pub fn new(lookups: Option<Arc<Lookups>>, domain: Option<String>) -> Policies {
        Policies {
            lookups,
            domain,
            sts: OnceCell::new(),
            signed: OnceCell::new(),
        }
    }

    /// What binds senders to this exchanger.
    pub async fn bind(&self, context: &Context, host: &str, port: u16) -> Binding {
        let Some(lookups) = &self.lookups else {
            return Binding::default();
        };
        let (tlsa, sts) = tokio::join!(self.tlsa(lookups, host, port), self.sts(context, lookups));
        Binding { tlsa, sts }
    }

    async fn tlsa(&self, lookups: &Arc<Lookups>, host: &str, port: u16) -> Vec<Tlsa> {
        let name = Host::parse(host).and_then(|host| host.below(&format!("_{port}._tcp")));
        let Ok(name) = name else {
            return Vec::new();
        };
        let found = ask(lookups, &Question::new(&name, TLSA)).await;
        let Some(answer) = found.filter(is_authentic) else {
            return Vec::new();
        };
        let records: Vec<Tlsa> = answer
            .message
            .answers
            .iter()
            .filter_map(|record| match &record.answer {
                Answer::Tlsa(data) => Tlsa::from_data(data),
                _ => None,
            })
            .take(RECORDS)
            .collect();
        // A name that nobody signed may lead to any host.
        if records.is_empty() || !self.is_signed(lookups).await {
            return Vec::new();
        }
        records
    }

    /// Whether the MX records, if it is they that lead here, are validated as well.
    async fn is_signed(&self, lookups: &Arc<Lookups>) -> bool {
        let Some(domain) = &self.domain else {
            return true;
        };
        let signed = self.signed.get_or_init(|| async {
            let Ok(name) = Host::parse(domain) else {
                return false;
            };
            let mx = ask(lookups, &Question::new(&name, RecordType::MX)).await;
            mx.is_some_and(|answer| is_authentic(&answer))
        });
        *signed.await
    }

    async fn sts(&self, context: &Context, lookups: &Arc<Lookups>) -> Option<Arc<Policy>> {
        let domain = self.domain.as_deref()?;
        let fetched = self.sts.get_or_init(|| async {
            let fetching = fetch(context, lookups, domain);
            let policy = tokio::select! {
                policy = tokio::time::timeout(FETCH, fetching) => policy.ok().flatten(),
                () = context.cancelled() => None,
            };
            policy.map(Arc::new)
        });
        fetched.await.clone()
    }
}

/// RFC 4035 3.2.3, RFC 6840 5.8: the resolver vouches for the answer.
fn is_authentic(answer: &Answered) -> bool {
    answer.bytes.get(3).is_some_and(|flags| flags & 0x20 != 0) && answer.message.rcode == 0
}

async fn ask(lookups: &Arc<Lookups>, question: &Question) -> Option<Answered> {
    let server = lookups.order().into_iter().next()?;
    let shape = Shape {
        dnssec_ok: true,
        ..Shape::with_room(1_232)
    };
    match lookups.ask(&server, question, shape, TRIES).await.fate {
        Some(Fate::Answered(answer)) => Some(*answer),
        _ => None,
    }
}

async fn fetch(context: &Context, lookups: &Arc<Lookups>, domain: &str) -> Option<Policy> {
    let name = Host::parse(domain).ok()?;
    let announced = name.below("_mta-sts").ok()?;
    let answer = ask(lookups, &Question::new(&announced, TXT)).await?;
    let announcing = |record: &&crate::proto::dns::Record| match &record.answer {
        Answer::Other(text) => record.kind == TXT && sts::announces(text.as_str()),
        _ => false,
    };
    // RFC 8461 3.1: with more than one there is no policy.
    if answer.message.answers.iter().filter(announcing).count() != 1 {
        return None;
    }
    let host = name.below("mta-sts").ok()?;
    let families = context.options().families;
    let mut addresses = Vec::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        if let Some(answer) = ask(lookups, &Question::new(&host, kind)).await {
            let found = answer
                .message
                .answers
                .iter()
                .filter_map(|record| match record.answer {
                    Answer::Address(address) if families.allow(address) => Some(address),
                    _ => None,
                });
            addresses.extend(found.take(ADDRESSES));
        }
    }
    let wanted = https::Wanted {
        host: host.as_str(),
        path: "/.well-known/mta-sts.txt",
        accept: "text/plain",
        what: "MTA-STS policy",
    };
    for address in addresses {
        if let Ok(document) = https::get(context, address, wanted).await {
            return Policy::read(domain, &document);
        }
    }
    None
}
