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
use crate::proto::dns::{Answer, Record, RecordType};

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
        let ((tlsa, base), sts) =
            tokio::join!(self.tlsa(lookups, host, port), self.sts(context, lookups));
        Binding { tlsa, base, sts }
    }

    /// The records that bind, and the name below which they stand where that is not the host's own: an alias leads to the name whose
    /// records count, when DNSSEC vouches for all of it; only where there are none, those of the alias count (RFC 7672 2.2.2,
    /// RFC 7671 7).
    async fn tlsa(
        &self,
        lookups: &Arc<Lookups>,
        host: &str,
        port: u16,
    ) -> (Vec<Tlsa>, Option<String>) {
        let Ok(host) = Host::parse(host) else {
            return Default::default();
        };
        let end = alias_end(lookups, &host).await;
        for base in end.iter().chain([&host]) {
            let Some(records) = records(lookups, base, port).await else {
                // RFC 7672 2.1.1: what may stand there and was not told binds, and the alias' own records do not in its place.
                break;
            };
            if records.is_empty() {
                continue;
            }
            // A name that nobody signed may lead to any host.
            if !self.is_signed(lookups).await {
                break;
            }
            let base = (*base != host).then(|| base.as_str().to_owned());
            return (records, base);
        }
        Default::default()
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

/// The TLSA records of a port below a name, where the resolver vouches for them; `None` where it does not say whether there are any.
async fn records(lookups: &Arc<Lookups>, base: &Host, port: u16) -> Option<Vec<Tlsa>> {
    let Ok(name) = base.below(&format!("_{port}._tcp")) else {
        return Some(Vec::new());
    };
    let answer = ask(lookups, &Question::new(&name, TLSA)).await?;
    // NOERROR and NXDOMAIN are an answer, all others are none (RFC 2308 7).
    if !matches!(answer.message.rcode, 0 | 3) {
        return None;
    }
    if !is_authentic(&answer) {
        return Some(Vec::new());
    }
    let answers = answer.message.answers.iter();
    let found = answers
        .filter_map(|record| match &record.answer {
            Answer::Tlsa(data) => Tlsa::from_data(data),
            _ => None,
        })
        .take(RECORDS);
    Some(found.collect())
}

/// Where an alias ends, when DNSSEC vouches for each step. Whether the host is one, the look-ups of its addresses told.
async fn alias_end(lookups: &Arc<Lookups>, host: &Host) -> Option<Host> {
    let known = lookups.log().into_iter().find_map(|asked| {
        let answer = match &asked.exchanged.fate {
            Some(Fate::Answered(answer)) if asked.question.name == *host => answer,
            _ => return None,
        };
        end_of(host, &answer.message.answers).map(|_| asked.question.kind)
    })?;
    let answer = ask(lookups, &Question::new(host, known)).await;
    let answer = answer.filter(is_authentic)?;
    let end = end_of(host, &answer.message.answers)?;
    Host::parse(&end).ok()
}

/// The name to which the aliases in an answer lead; `None` where the name is none.
fn end_of(host: &Host, answers: &[Record]) -> Option<String> {
    let mut end: Option<String> = None;
    // Each alias leads on at most once.
    for _ in answers {
        let at = end.as_deref().unwrap_or(host.as_str());
        let next = answers.iter().find_map(|record| match &record.answer {
            Answer::Name(target)
                if record.kind == RecordType::CNAME
                    && record.owner.as_str().eq_ignore_ascii_case(at) =>
            {
                Some(target.as_str().to_owned())
            }
            _ => None,
        });
        match next {
            Some(next) => end = Some(next),
            None => break,
        }
    }
    end
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
    let announcing = |record: &&Record| match &record.answer {
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

#[cfg(test)]
mod tests {
    use super::end_of;
    use crate::base::Foreign;
    use crate::probe::dns::question::Host;
    use crate::proto::dns::{Answer, Record, RecordType};

    fn alias(name: &str, target: &str) -> Record {
        Record {
            owner: Foreign::from(name),
            kind: RecordType::CNAME,
            ttl: 300,
            answer: Answer::Name(Foreign::from(target)),
        }
    }

    #[test]
    fn an_alias_is_followed_to_its_end() {
        let host = Host::parse("mx.example.net").expect("a name");
        let chain = [
            alias("b.example.org", "c.example.org"),
            alias("mx.example.net", "b.example.org"),
        ];
        assert_eq!(end_of(&host, &chain).as_deref(), Some("c.example.org"));
        // What is no alias has no other end, and a circle ends as well.
        assert_eq!(end_of(&host, &[alias("x.example.net", "y")]), None);
        let circle = [
            alias("mx.example.net", "b.example.org"),
            alias("b.example.org", "mx.example.net"),
        ];
        assert!(end_of(&host, &circle).is_some());
    }
}
