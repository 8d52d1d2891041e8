//! What the authoritative servers say themselves, asked directly and without recursion, beside what the resolver says.
//!
//! A secondary that no longer follows, or a cache that still holds what was changed, gives some clients addresses that others
//! do not get. Held against each other are only answers to what a mail program asked here; the same serial, or the same answer, is no news.
//! Sets that rotate or depend on who asks (CDN, GeoDNS) differ by design, so addresses of the resolver count as old only where nothing
//! listens at them and something does at the others. Never a verdict: a finding, with the seconds that it lasts.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::Message as Whole;
use hickory_proto::rr::RData;
use tokio::task::JoinSet;

use super::asking::{Answered, Fate};
use super::chain::Learned;
use super::exchange::Server;
use super::lookups::{Asked, Lookups};
use super::question::{Host, Question, Shape};
use crate::diagnosis::{At, Claim, Code, Proof, Weight, Where};
use crate::probe::context::{Connect, Context};
use crate::probe::control::Role;
use crate::proto::dns::{Answer, Message, RecordType, type_name};

/// Name servers of one zone that are asked.
const SERVERS: usize = 4;
/// Questions that are put to each.
const QUESTIONS: usize = 4;
/// Labels that are taken off to find the zone.
const UP: usize = 3;
/// Tries of each question.
const TRIES: u32 = 2;
/// NS and SOA.
const NS: RecordType = RecordType(2);
const SOA: RecordType = RecordType(6);

/// The data of a set of records, whatever their order, and the shortest life of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    data: BTreeSet<String>,
    ttl: u32,
}

impl Set {
    /// Of the asked name and type alone: what a CNAME leads to belongs to somebody else.
    fn of(question: &Question, message: &Message) -> Option<Set> {
        let mut set = Set {
            data: BTreeSet::new(),
            ttl: u32::MAX,
        };
        for record in &message.answers {
            if record.kind != question.kind || record.owner.as_str() != question.name.as_str() {
                continue;
            }
            set.data.insert(match &record.answer {
                Answer::Address(address) => address.to_string(),
                Answer::Mx(preference, target) => format!("{preference} {target}"),
                _ => return None,
            });
            set.ttl = set.ttl.min(record.ttl);
        }
        (!set.data.is_empty()).then_some(set)
    }

    fn shown(&self) -> String {
        let some: Vec<&str> = self.data.iter().take(4).map(String::as_str).collect();
        some.join(", ")
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.data
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect()
    }
}

/// One authoritative server's word.
#[derive(Clone, Debug)]
struct View {
    name: Host,
    address: IpAddr,
    serial: u32,
    sets: Vec<(Question, Set)>,
}

impl View {
    fn set(&self, question: &Question) -> Option<&Set> {
        self.sets
            .iter()
            .find_map(|(asked, set)| (asked == question).then_some(set))
    }
}

/// What the authoritative servers of a name said.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    zone: Option<Host>,
    views: Vec<View>,
    /// What the resolver said.
    resolved: Vec<(Question, Set)>,
}

/// Asks them what was looked up for `name`.
pub async fn ask(lookups: &Arc<Lookups>, name: &Host) -> Authorities {
    let Some((zone, servers)) = zone_of(lookups, name).await else {
        return Authorities::default();
    };
    let resolved: Vec<(Question, Set)> = lookups
        .log()
        .iter()
        .filter(|asked| asked.is_target && asked.question.name.is_within(&zone))
        .filter_map(|asked| Some((asked.question.clone(), resolved(asked)?)))
        .take(QUESTIONS)
        .collect();
    let mut running = JoinSet::new();
    for (name, address) in servers {
        let questions: Vec<Question> = resolved
            .iter()
            .map(|(question, _)| question.clone())
            .collect();
        let (lookups, zone) = (lookups.clone(), zone.clone());
        running.spawn(async move { view(&lookups, &zone, name, address, questions).await });
    }
    let mut views = Vec::new();
    while let Some(done) = running.join_next().await {
        views.extend(done.ok().flatten());
    }
    views.sort_by_key(|view: &View| view.name.clone());
    Authorities {
        zone: Some(zone),
        views,
        resolved,
    }
}

fn resolved(asked: &Asked) -> Option<Set> {
    match &asked.exchanged.fate {
        Some(Fate::Answered(answer)) if answer.message.rcode == 0 => {
            Set::of(&asked.question, &answer.message)
        }
        _ => None,
    }
}

/// The zone that a name lies in, and its servers with an address each.
async fn zone_of(lookups: &Arc<Lookups>, name: &Host) -> Option<(Host, Vec<(Host, IpAddr)>)> {
    let mut zone = name.clone();
    for _ in 0..UP {
        if let Learned::Records(records) = lookups.control(&Question::new(&zone, NS)).await {
            let names: Vec<Host> = records
                .iter()
                .filter(|record| record.kind == NS && record.owner.as_str() == zone.as_str())
                .filter_map(|record| match &record.answer {
                    Answer::Name(name) => Host::parse(name.as_str()).ok(),
                    _ => None,
                })
                .take(SERVERS)
                .collect();
            if !names.is_empty() {
                return Some((zone, addresses(lookups, names).await));
            }
        }
        zone = zone.parent()?;
        // Nobody looks up mail at a top-level domain's servers.
        if !zone.as_str().contains('.') {
            return None;
        }
    }
    None
}

async fn addresses(lookups: &Arc<Lookups>, names: Vec<Host>) -> Vec<(Host, IpAddr)> {
    let families = lookups.context.options().families;
    let mut running = JoinSet::new();
    for name in names {
        let lookups = lookups.clone();
        running.spawn(async move {
            for kind in [RecordType::A, RecordType::AAAA] {
                let learned = lookups.control(&Question::new(&name, kind)).await;
                let Learned::Records(records) = learned else {
                    continue;
                };
                let usable = |address: &IpAddr| {
                    families.allow(*address) && lookups.context.source_for(*address).is_ok()
                };
                let found = records.iter().find_map(|record| match record.answer {
                    Answer::Address(address) => Some(address).filter(usable),
                    _ => None,
                });
                if let Some(address) = found {
                    return Some((name, address));
                }
            }
            None
        });
    }
    let mut found = Vec::new();
    while let Some(done) = running.join_next().await {
        found.extend(done.ok().flatten());
    }
    found
}

/// One server's serial and its answers; `None` when it does not answer, or not with authority (RFC 1035 4.1.1).
async fn view(
    lookups: &Arc<Lookups>,
    zone: &Host,
    name: Host,
    address: IpAddr,
    questions: Vec<Question>,
) -> Option<View> {
    let server = Server::new(SocketAddr::new(address, 53), usize::MAX);
    let shape = Shape {
        recursion: false,
        ..Shape::with_room(1_232)
    };
    let put = async |question: &Question| -> Option<Answered> {
        match lookups.ask(&server, question, shape, TRIES).await.fate {
            Some(Fate::Answered(answer)) if answer.message.authoritative => Some(*answer),
            _ => None,
        }
    };
    let serial = serial(&put(&Question::new(zone, SOA)).await?.bytes)?;
    let mut sets = Vec::new();
    for question in questions {
        if let Some(answer) = put(&question).await
            && answer.message.rcode == 0
            && let Some(set) = Set::of(&question, &answer.message)
        {
            sets.push((question, set));
        }
    }
    Some(View {
        name,
        address,
        serial,
        sets,
    })
}

fn serial(bytes: &[u8]) -> Option<u32> {
    let whole = Whole::from_vec(bytes).ok()?;
    whole.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    })
}

/// RFC 1982 3.2: whether `a` is older than `b`.
fn is_older(a: u32, b: u32) -> bool {
    let ahead = b.wrapping_sub(a);
    ahead != 0 && ahead < 1 << 31
}

impl Authorities {
    /// Says what does not fit together. `dead`: addresses that the resolver gave and at which no connection opened, with the port.
    pub async fn judge(&self, context: &Context, dead: &[SocketAddr]) {
        let mut claims = self.disagree(context);
        if claims.is_empty() {
            for (question, set) in &self.resolved {
                claims.extend(self.is_old(context, question, set, dead).await);
            }
        }
        for claim in claims {
            context.finding(claim.weighing(Weight::Finding));
        }
    }

    /// Servers with an older serial that also answer otherwise.
    fn disagree(&self, context: &Context) -> Vec<Claim> {
        let Some(newest) = self.views.iter().reduce(|best, view| {
            if is_older(best.serial, view.serial) {
                view
            } else {
                best
            }
        }) else {
            return Vec::new();
        };
        let proof = Proof::Measured("authoritative servers asked directly", context.now());
        let zone = self.zone.as_ref().map_or("", Host::as_str);
        let mut claims = Vec::new();
        for old in self
            .views
            .iter()
            .filter(|view| is_older(view.serial, newest.serial))
        {
            let differing = newest
                .sets
                .iter()
                .filter_map(|(question, set)| Some((question, set, old.set(question)?)))
                .find(|(_, set, stale)| set.data != stale.data);
            let Some((question, set, stale)) = differing else {
                continue;
            };
            claims.push(
                Claim::new(
                    Code::DnsInconsistent,
                    At::address(Where::Server, old.address),
                    proof,
                    0.93,
                    format!(
                        "{} ({}) still has an old version of {zone}: it gives {} for {question}, the others {}.",
                        old.name,
                        old.address,
                        stale.shown(),
                        set.shown()
                    ),
                )
                .shown_by(format!(
                    "serial {} at {}, {} at {} ({}), both asked without recursion",
                    old.serial, old.name, newest.serial, newest.name, newest.address
                ))
                .advise(format!(
                    "Operator of {}: see why it no longer gets {zone} (NOTIFY, AXFR over TCP port 53, TSIG, expiry)",
                    old.name
                )),
            );
        }
        claims
    }

    /// Whether the resolver gives what no authoritative server gives any more.
    async fn is_old(
        &self,
        context: &Context,
        question: &Question,
        cached: &Set,
        dead: &[SocketAddr],
    ) -> Option<Claim> {
        let first = self.views.first()?.set(question)?;
        let agreed = self
            .views
            .iter()
            .all(|view| view.set(question).is_some_and(|set| set.data == first.data));
        // A cache counts down from what the authority gives.
        if !agreed || !cached.data.is_disjoint(&first.data) || cached.ttl >= first.ttl {
            return None;
        }
        let mut shown = format!(
            "all {} authoritative servers that answer, asked directly, give {}",
            self.views.len(),
            first.shown()
        );
        if question.kind != RecordType::MX {
            let ports: BTreeSet<u16> = dead
                .iter()
                .filter(|to| cached.addresses().contains(&to.ip()))
                .map(SocketAddr::port)
                .collect();
            let port = *ports.first()?;
            let to = SocketAddr::new(*first.addresses().first()?, port);
            let how = Connect {
                patience: std::time::Duration::from_secs(3),
                ..Connect::default()
            };
            let role = Role::Control("the address that authoritative servers give");
            context.connect(to, role, how).await.ok()?;
            shown.push_str(&format!("; port {port} opens there"));
        }
        let proof = Proof::Measured("authoritative servers asked directly", context.now());
        Some(
            Claim::new(
                Code::DnsInconsistent,
                At::of(Where::Resolver),
                proof,
                0.9,
                format!(
                    "The resolver still has old data: {} for {question}, for another {} s.",
                    cached.shown(),
                    cached.ttl
                ),
            )
            .shown_by(shown)
            .advise(format!(
                "Wait {} s, or have {} of {} flushed from the resolver's cache",
                cached.ttl,
                type_name(question.kind),
                question.name
            )),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn serials_go_round() {
        assert!(is_older(2_026_111_501, 2_026_112_301));
        assert!(!is_older(2_026_112_301, 2_026_112_301));
        assert!(!is_older(2_026_112_301, 2_026_111_501));
        assert!(is_older(u32::MAX - 1, 3));
    }
}
