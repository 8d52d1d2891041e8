//! The settings that a domain publishes, or serves under the usual names (`--discover`; field C9).
//!
//! In the order of mail programs: its autoconfig document, that of its exchangers' domain, its SRV records, and only where none of
//! these says anything the names that hosters usually choose, if DNS has them. The address of the user is told to nobody, and nothing
//! outside of the domain and of what its DNS names is asked. What is found is only found: whether it works is measured by who asks.

use std::net::IpAddr;
use std::sync::Arc;

use super::autoconfig::{self, PATHS};
use super::close::Origin;
use crate::probe::context::Context;
use crate::probe::dns::chain::{Learned, SERVICES, service_question};
use crate::probe::dns::lookups::Lookups;
use crate::probe::dns::question::{Host, Question};
use crate::probe::dns::{Destination, setting_of};
use crate::probe::https::{self, Lack};
use crate::probe::target::{Setting, TlsWish};
use crate::proto::Service;
use crate::proto::dns::{Answer, RecordType};

/// Addresses of one name that are used.
const ADDRESSES: usize = 2;
/// Parents of an exchanger's name that are looked at.
const PARENTS: usize = 2;
/// Settings that are kept.
const MOST: usize = 12;

/// What hosters usually call their servers, and what is there.
const USUAL: [(&str, Service, TlsWish, u16); 6] = [
    ("imap", Service::Imaps, TlsWish::Implicit, 993),
    ("smtp", Service::Submissions, TlsWish::Implicit, 465),
    ("smtp", Service::Submission, TlsWish::Required, 587),
    ("mail", Service::Imaps, TlsWish::Implicit, 993),
    ("mail", Service::Submissions, TlsWish::Implicit, 465),
    ("pop", Service::Pop3s, TlsWish::Implicit, 995),
];

/// A setting that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The host.
    pub host: Host,
    /// Protocol, TLS and port.
    pub setting: Setting,
    /// Where it stands, for a claim.
    pub origin: Origin,
    /// The same in words: a URL, a record.
    pub place: String,
}

/// Everything that is found for a domain.
pub async fn published(context: &Context, lookups: &Arc<Lookups>, domain: &Host) -> Vec<Published> {
    let mut found = document(context, lookups, domain, domain).await;
    if found.is_empty() {
        for base in exchangers_domains(lookups, domain).await {
            found = document(context, lookups, &base, domain).await;
            if !found.is_empty() {
                break;
            }
        }
    }
    found.extend(by_srv(lookups, domain).await);
    if found.is_empty() {
        found = usual(lookups, domain).await;
    }
    found.truncate(MOST);
    found
}

/// As services to be spoken to, with their addresses.
pub async fn destinations(
    context: &Context,
    lookups: &Arc<Lookups>,
    domain: &Host,
) -> Vec<Destination> {
    let mut found: Vec<Destination> = Vec::new();
    for one in published(context, lookups, domain).await {
        let addresses = addresses(context, lookups, &one.host).await;
        found.push(Destination {
            name: Some(one.host.to_string()),
            setting: one.setting,
            addresses,
            typed: false,
        });
    }
    found
}

/// Addresses of a name that this run may use.
pub async fn addresses(context: &Context, lookups: &Arc<Lookups>, name: &Host) -> Vec<IpAddr> {
    let families = context.options().families;
    let mut found = Vec::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        let Learned::Records(records) = lookups.control(&Question::new(name, kind)).await else {
            continue;
        };
        let usable = records.iter().filter_map(|record| match record.answer {
            Answer::Address(address) if families.allow(address) => Some(address),
            _ => None,
        });
        found.extend(usable.take(ADDRESSES));
    }
    found
}

/// The document that `at` serves, read for `domain`.
async fn document(
    context: &Context,
    lookups: &Arc<Lookups>,
    at: &Host,
    domain: &Host,
) -> Vec<Published> {
    for (label, path) in PATHS {
        let Ok(host) = Host::parse(&format!("{label}{at}")) else {
            continue;
        };
        for address in addresses(context, lookups, &host).await {
            let wanted = https::Wanted {
                host: host.as_str(),
                path,
                accept: "text/xml, application/xml",
                what: "autoconfig document",
            };
            match https::get(context, address, wanted).await {
                Ok(text) => {
                    let servers = autoconfig::read(&text, domain.as_str());
                    if !servers.is_empty() {
                        let place = format!("https://{host}{path}");
                        return servers
                            .into_iter()
                            .map(|(host, setting)| Published {
                                host,
                                setting,
                                origin: Origin::Autoconfig,
                                place: place.clone(),
                            })
                            .collect();
                    }
                    break;
                }
                Err(Lack::Untrusted(why)) => {
                    context.caution(format!(
                        "https://{host}{path} is not read: its certificate does not validate ({why})"
                    ));
                    break;
                }
                Err(Lack::Absent) => break,
                Err(Lack::Unreachable) => {}
            }
        }
    }
    Vec::new()
}

/// The domains that the domain's exchangers stand under, if they are mail domains themselves (a registry has no MX).
async fn exchangers_domains(lookups: &Arc<Lookups>, domain: &Host) -> Vec<Host> {
    let records = mx(lookups, domain).await;
    let mut found: Vec<Host> = Vec::new();
    let Some(exchanger) = records.into_iter().next() else {
        return found;
    };
    let mut next = exchanger.parent();
    for _ in 0..PARENTS {
        let Some(parent) = next else { break };
        if parent.as_str().contains('.') && parent != *domain {
            let answers = mx(lookups, &parent).await;
            found.extend((!answers.is_empty()).then(|| parent.clone()));
        }
        next = parent.parent();
    }
    found
}

/// Exchangers, by preference.
pub(super) async fn mx(lookups: &Arc<Lookups>, domain: &Host) -> Vec<Host> {
    let learned = lookups
        .control(&Question::new(domain, RecordType::MX))
        .await;
    let Learned::Records(records) = learned else {
        return Vec::new();
    };
    let mut found: Vec<(u16, Host)> = records
        .iter()
        .filter_map(|record| match &record.answer {
            Answer::Mx(preference, target) => {
                Some((*preference, Host::parse(target.as_str()).ok()?))
            }
            _ => None,
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, host)| host).collect()
}

/// What SRV records name: RFC 6186, RFC 8314 5.1, RFC 5804 1.8.
pub(super) async fn by_srv(lookups: &Arc<Lookups>, domain: &Host) -> Vec<Published> {
    let mut found = Vec::new();
    for (label, service) in SERVICES {
        let Some(question) = service_question(domain, label) else {
            continue;
        };
        let place = format!("{label}._tcp.{domain}");
        let Learned::Records(records) = lookups.control(&question).await else {
            continue;
        };
        let named = records.iter().find_map(|record| match &record.answer {
            Answer::Srv(_, _, port, target) => {
                let host = Host::parse(target.as_str()).ok()?;
                Some((host, setting_of(service, *port)?))
            }
            _ => None,
        });
        found.extend(named.map(|(host, setting)| Published {
            host,
            setting,
            origin: Origin::Srv,
            place,
        }));
    }
    found
}

/// Names that are guessed, and that DNS has.
async fn usual(lookups: &Arc<Lookups>, domain: &Host) -> Vec<Published> {
    let mut found = Vec::new();
    for (label, service, tls, port) in USUAL {
        let Ok(host) = domain.below(label) else {
            continue;
        };
        // Asked twice of a name it is answered from what is known.
        if addresses(&lookups.context, lookups, &host).await.is_empty() {
            continue;
        }
        found.push(Published {
            place: format!("the usual name {host}"),
            host,
            setting: Setting { service, tls, port },
            origin: Origin::Usual,
        });
    }
    found
}
