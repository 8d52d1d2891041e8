//! The DNS stage: from a name to addresses, at every resolver of this machine, and why not.
//!
//! What a mail program would ask is asked as it would (RFC 5321 5.1, RFC 6186, RFC 8314 5.1), over sockets of our own, and judged from its packets by the engine like any look-up. Experiments then
//! place a fault that was seen: they are controls. No library resolver takes part, nothing is cached, and ANY is never asked.
//!
//! | file | what |
//! |---|---|
//! | `question`, `resolvers`, `hosts` | what is asked, and whom; what need not be asked |
//! | `asking`, `odds`, `chain`, `walk`, `stub` | the planners: no socket and no clock |
//! | `exchange`, `lookups`, `echo`, `steps` | their hands |
//! | `place`, `claims`, `authority` | experiments, and what they say |
//! | `unsent` | what no packet tells: questions that never left |

pub mod asking;
mod authority;
pub mod blocklist;
pub mod chain;
pub mod claims;

mod echo;
pub mod exchange;
mod hosts;
pub mod lookups;
pub mod odds;
mod place;
pub mod question;
pub mod resolvers;
mod reverse;
mod steps;
pub mod stub;
mod unsent;
pub mod walk;

use std::net::IpAddr;
use std::sync::Arc;

pub use authority::Authorities;
pub use reverse::OwnNames;

use self::asking::Fate;
use self::chain::{Aim, Learned, Reached};
use self::lookups::Lookups;
use self::question::{Host as Name, Question};
use self::resolvers::Resolvers;
use super::context::Context;
use super::options::Families;
use super::stage::local::{self, NoWay};
use super::target::{Host, Setting, Target, TlsWish, setting_of_port};
use crate::proto::Service;
use crate::proto::dns::RecordType;

/// Names without an address of the wanted family that are asked for the other.
const OTHERS: usize = 8;

/// One service at one name, with the addresses that it has.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The name, for SNI and validation; `None` when an address was given.
    pub name: Option<String>,
    /// Protocol, TLS and port.
    pub setting: Setting,
    /// Addresses, in the order in which they are to be tried.
    pub addresses: Vec<IpAddr>,
    /// The user named exactly this; else mxray chose it.
    pub typed: bool,
}

/// What a target came down to.
#[derive(Clone, Default)]
pub struct Found {
    /// The services to speak to.
    pub destinations: Vec<Destination>,
    /// No resolver is known or answers, or the name leads nowhere.
    pub unresolved: bool,
    /// What DNS says of the name; `None` when there was no name.
    pub reached: Option<Reached>,
    /// The name that was followed, search list applied.
    pub name: Option<Name>,
    lookups: Option<Arc<Lookups>>,
}

impl Found {
    /// Measures what went wrong with the look-ups, and whether the resolvers themselves answer. Runs beside everything that needs addresses
    /// alone.
    pub async fn place(&self) {
        if let Some(lookups) = &self.lookups {
            place::place(lookups.clone()).await;
        }
    }

    /// The first resolver, and why nothing leaves towards it, where that is so of all of them: then no question was asked at all.
    fn cut_off(&self, context: &Context) -> Option<(IpAddr, NoWay)> {
        let lookups = self.lookups.as_ref().filter(|_| self.unresolved)?;
        let mut first = None;
        for server in &lookups.servers {
            let to = server.address.ip();
            match context.way_out(to) {
                Err(Some(why)) => first.get_or_insert((to, why)),
                Ok(_) | Err(None) => return None,
            };
        }
        first
    }

    /// Says why no question left this host at all, where none did. True when that was said.
    pub async fn unsent(&self, context: &Context) -> bool {
        if let Some((resolver, why)) = self.cut_off(context) {
            local::no_way(context, resolver, Some("resolver"), &why);
            return true;
        }
        match self.lookups.as_ref().filter(|_| self.unresolved) {
            Some(lookups) => unsent::said(context, lookups).await,
            None => false,
        }
    }

    /// Whether something is known of it by now: an address that is spoken to, or, where `reachable` says that nobody is to be
    /// spoken to, an answer.
    pub fn is_measured(&self, reachable: bool) -> bool {
        let answered = || {
            let log = self.lookups.iter().flat_map(|lookups| lookups.log());
            log.into_iter().any(|asked| {
                asked.is_target && matches!(asked.exchanged.fate, Some(Fate::Answered(_)))
            })
        };
        let addressed = || {
            self.destinations
                .iter()
                .any(|one| !one.addresses.is_empty())
        };
        // Who says that he takes no mail has said all (RFC 7505 3).
        let has_said_all = self.reached.as_ref().is_some_and(|reached| reached.null_mx);
        match reachable {
            true => addressed() || has_said_all,
            false => addressed() || answered(),
        }
    }

    /// A resolver that was silent may answer after all, while its silence is placed: what the name then leads to.
    pub async fn later(&self, context: &Context, target: &Target) -> Option<Found> {
        let lookups = self.lookups.as_ref().filter(|_| self.unresolved)?;
        if !lookups.came_late().await {
            return None;
        }
        let later = follow(context, target, target.name()?, lookups.clone()).await;
        (!later.unresolved).then_some(later)
    }

    /// What the authoritative servers of the name say themselves.
    pub async fn authorities(&self) -> Authorities {
        match (&self.lookups, &self.name) {
            (Some(lookups), Some(name)) => authority::ask(lookups, name).await,
            _ => Authorities::default(),
        }
    }

    /// The look-ups that were made, for whoever asks on.
    pub fn lookups(&self) -> Option<&Arc<Lookups>> {
        self.lookups.as_ref()
    }
}

/// The resolvers of this machine, or those of `--resolver`.
pub fn resolvers(context: &Context) -> Resolvers {
    let named = &context.options().resolvers;
    if !named.is_empty() {
        return Resolvers::named(named);
    }
    let text = std::fs::read("/etc/resolv.conf").unwrap_or_default();
    Resolvers::parse(&text, |interface| {
        let number = std::fs::read_to_string(format!("/sys/class/net/{interface}/ifindex"));
        number.ok()?.trim().parse().ok()
    })
}

/// Finds what stands behind a target.
pub async fn find(context: &Context, target: &Target) -> Found {
    let Some(name) = target.name() else {
        let destinations = match target {
            Target::Address(address) => every_port(None, &usable(context, *address)),
            Target::Port { host, .. } | Target::Settings { host, .. } => match host {
                Host::Address(address) => {
                    vec![one(None, setting(target), &usable(context, *address))]
                }
                Host::Name(_) => Vec::new(),
            },
            Target::Domain(_) | Target::Mailbox { .. } => Vec::new(),
        };
        return Found {
            destinations,
            ..Found::default()
        };
    };
    let lookups = Lookups::new(context, resolvers(context));
    if let Some(found) = listed_here(context, target, name, &lookups).await {
        return found;
    }
    follow(context, target, name, lookups).await
}

/// An address that was typed, unless it is left out; then that is said.
fn usable(context: &Context, address: IpAddr) -> Vec<IpAddr> {
    let why = match context.options().families {
        // RFC 1122 3.2.1.3: it stands for a host that does not know its own.
        _ if address.is_unspecified() => "it is no host's address",
        families if families.allow(address) => return vec![address],
        _ => "only the other IP family was asked for",
    };
    context.caution(format!("{address} was not measured: {why}"));
    Vec::new()
}

/// The name as this host's own list has it, which programs look into before they ask anybody. `--resolver` asks for what a
/// resolver says; a mailbox's domain and a domain with an MX are looked up by mail servers, which read no such list (RFC 5321 5.1).
async fn listed_here(
    context: &Context,
    target: &Target,
    typed: &str,
    lookups: &Arc<Lookups>,
) -> Option<Found> {
    if !context.options().resolvers.is_empty() || matches!(target, Target::Mailbox { .. }) {
        return None;
    }
    let name = Name::parse(typed).ok()?;
    let text = std::fs::read("/etc/hosts").unwrap_or_default();
    let families = context.options().families;
    let mut addresses = hosts::addresses(&text, &name);
    // Where the list has none of the families that are wanted, DNS is asked.
    addresses.retain(|address| families.allow(*address));
    if addresses.is_empty() {
        return None;
    }
    let is_domain = matches!(target, Target::Domain(_)) && name.as_str().contains('.');
    if is_domain {
        let mx = lookups.control(&Question::new(&name, RecordType::MX)).await;
        if matches!(mx, Learned::Records(_)) {
            return None;
        }
    }
    context.caution(format!(
        "{name} has its addresses from this host itself (/etc/hosts, localhost), not from DNS"
    ));
    let reached = Reached {
        addresses,
        ..Reached::default()
    };
    let destinations = destinations(context, target, name.as_str(), &reached);
    Some(Found {
        destinations,
        ..Found::default()
    })
}

async fn follow(context: &Context, target: &Target, typed: &str, lookups: Arc<Lookups>) -> Found {
    let (reached, name) = searched(&lookups, target, typed).await;
    let destinations = destinations(context, target, &name, &reached);
    other_family(context, &lookups, &destinations).await;
    Found {
        unresolved: destinations.iter().all(|one| one.addresses.is_empty()),
        destinations,
        reached: Some(reached),
        name: Name::parse(&name).ok(),
        lookups: Some(lookups),
    }
}

/// A name without an address of the family that was asked for is at fault only where it has none of the other either: that one is
/// asked for as well, as part of the same look-up.
async fn other_family(context: &Context, lookups: &Arc<Lookups>, destinations: &[Destination]) {
    let (wanted, other, left_out) = match context.options().families {
        Families::Both => return,
        Families::V4 => (RecordType::A, RecordType::AAAA, "IPv6"),
        Families::V6 => (RecordType::AAAA, RecordType::A, "IPv4"),
    };
    let without = destinations.iter().filter(|one| one.addresses.is_empty());
    let mut names: Vec<Name> = without
        .filter_map(|one| Name::parse(one.name.as_deref()?).ok())
        .collect();
    names.dedup();
    for name in names.iter().take(OTHERS) {
        let has_none = matches!(
            lookups.followed(&Question::new(name, wanted)),
            Some(Learned::NoData)
        );
        if has_none && let Learned::Records(_) = lookups.target(&Question::new(name, other)).await {
            context.caution(format!(
                "{name} was not measured: it has only {left_out} addresses, and these were left out"
            ));
        }
    }
}

/// Follows the name as typed, or, for a short name, the search list.
async fn searched(lookups: &Arc<Lookups>, target: &Target, typed: &str) -> (Reached, String) {
    let aim = |name: Name| match target {
        Target::Domain(_) => Aim::Either(name),
        Target::Mailbox { .. } => Aim::Domain {
            name,
            services: true,
        },
        _ => Aim::Host(name),
    };
    let mut candidates = lookups.resolvers.candidates(typed).unwrap_or_default();
    // A name with dots is meant as it is; the search list would only add names that nobody meant.
    if typed.contains('.') {
        candidates = Name::parse(typed).into_iter().collect();
    }
    let mut last = (Reached::default(), typed.to_owned());
    for candidate in candidates {
        let name = candidate.to_string();
        let reached = lookups.follow(aim(candidate)).await;
        let leads =
            !reached.addresses.is_empty() || reached.is_domain && !reached.exchangers.is_empty();
        last = (reached, name);
        if leads || last.0.null_mx {
            break;
        }
    }
    last
}

fn destinations(
    context: &Context,
    target: &Target,
    name: &str,
    reached: &Reached,
) -> Vec<Destination> {
    let families = context.options().families;
    let usable = |addresses: &[IpAddr]| -> Vec<IpAddr> {
        addresses
            .iter()
            .copied()
            .filter(|address| families.allow(*address))
            .collect()
    };
    if let Target::Port { .. } | Target::Settings { .. } = target {
        return vec![one(
            Some(name),
            setting(target),
            &usable(&reached.addresses),
        )];
    }
    if !reached.is_domain {
        return every_port(Some(name), &usable(&reached.addresses));
    }
    let exchangers = reached.exchangers.iter().map(|exchanger| {
        one(
            Some(exchanger.name.as_str()),
            SMTP,
            &usable(&exchanger.addresses),
        )
    });
    let offered = reached.offered.iter().filter_map(|offered| {
        let setting = setting_of(offered.service, offered.port)?;
        Some(one(
            Some(offered.name.as_str()),
            setting,
            &usable(&offered.addresses),
        ))
    });
    exchangers.chain(offered).collect()
}

/// Mail transfer.
const SMTP: Setting = Setting {
    service: Service::Smtp,
    tls: TlsWish::Offered,
    port: 25,
};

/// How a service is spoken to, as its URL scheme says (RFC 8314 3.3, 3.4).
pub(super) fn setting_of(service: Service, port: u16) -> Option<Setting> {
    let tls = match service {
        Service::Submissions | Service::Imaps | Service::Pop3s => TlsWish::Implicit,
        Service::Submission => TlsWish::Required,
        Service::Smtp | Service::Imap | Service::Pop3 | Service::Sieve => TlsWish::Offered,
        _ => return None,
    };
    Some(Setting { service, tls, port })
}

fn setting(target: &Target) -> Setting {
    match target {
        Target::Settings { setting, .. } => *setting,
        Target::Port { port, .. } => setting_of_port(*port).unwrap_or(Setting {
            port: *port,
            ..SMTP
        }),
        _ => SMTP,
    }
}

fn one(name: Option<&str>, setting: Setting, addresses: &[IpAddr]) -> Destination {
    Destination {
        name: name.map(str::to_owned),
        setting,
        addresses: addresses.to_vec(),
        typed: true,
    }
}

/// The ports that a mail host may serve, when nothing names one.
fn every_port(name: Option<&str>, addresses: &[IpAddr]) -> Vec<Destination> {
    [25, 587, 465, 143, 993, 110, 995, 4190]
        .into_iter()
        .filter_map(setting_of_port)
        .map(|setting| Destination {
            typed: false,
            ..one(name, setting, addresses)
        })
        .collect()
}
