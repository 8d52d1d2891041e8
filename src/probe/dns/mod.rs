//! Names: which addresses and services stand behind a target.
//!
//! Every query is a look-up of the report, read from its own packets. What is asked and in which order follows RFC 5321
//! 5.1 (MX, then the addresses; without MX the host itself) and RFC 6186, 8314 (SRV).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};

use super::context::Context;
use super::control::Role;
use super::options::StageName;
use super::target::{Host, Setting, Target, TlsWish, setting_of_port};
use crate::proto::Service;

/// Waits of the stub resolver between its tries (resolv.conf: timeout 5 s, two attempts).
const TRIES: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(2),
    Duration::from_secs(2),
];

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
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The services to speak to.
    pub destinations: Vec<Destination>,
    /// No resolver is known or answers.
    pub unresolved: bool,
}

/// Finds what stands behind a target.
pub async fn find(context: &Context, target: &Target) -> Found {
    let mut found = Found::default();
    match target {
        Target::Address(address) => {
            found
                .destinations
                .extend(mail_ports().map(|setting| Destination {
                    name: None,
                    setting,
                    addresses: vec![*address],
                    typed: false,
                }));
        }
        Target::Port { host, port } => {
            let setting = setting_of_port(*port).unwrap_or(Setting {
                service: Service::Smtp,
                tls: TlsWish::Offered,
                port: *port,
            });
            one(context, host, setting, &mut found).await;
        }
        Target::Settings { host, setting, .. } => one(context, host, *setting, &mut found).await,
        Target::Domain(domain) | Target::Mailbox { domain, .. } => {
            let smtp = Setting {
                service: Service::Smtp,
                tls: TlsWish::Offered,
                port: 25,
            };
            let mut exchangers = mx(context, domain).await;
            exchangers.sort();
            let hosts = if exchangers.is_empty() {
                vec![domain.clone()]
            } else {
                exchangers.into_iter().map(|(_, name)| name).collect()
            };
            for host in hosts {
                one(context, &Host::Name(host), smtp, &mut found).await;
            }
        }
    }
    found.unresolved = found
        .destinations
        .iter()
        .all(|destination| destination.addresses.is_empty());
    found
}

/// The ports that a mail host may serve, when only its address is known.
fn mail_ports() -> impl Iterator<Item = Setting> {
    [25, 587, 465, 143, 993, 110, 995, 4190]
        .into_iter()
        .filter_map(setting_of_port)
}

async fn one(context: &Context, host: &Host, setting: Setting, found: &mut Found) {
    let (name, addresses) = match host {
        Host::Address(address) => (None, vec![*address]),
        Host::Name(name) => (Some(name.clone()), addresses(context, name).await),
    };
    found.destinations.push(Destination {
        name,
        setting,
        addresses: addresses
            .into_iter()
            .filter(|address| context.options().families.allow(*address))
            .collect(),
        typed: true,
    });
}

/// Addresses of a name, from the first resolver that answers.
async fn addresses(context: &Context, name: &str) -> Vec<IpAddr> {
    let (v4, v6) = tokio::join!(
        ask(context, name, RecordType::A),
        ask(context, name, RecordType::AAAA)
    );
    let mut found = Vec::new();
    for data in v4.into_iter().chain(v6) {
        match data {
            RData::A(address) => found.push(IpAddr::V4(address.0)),
            RData::AAAA(address) => found.push(IpAddr::V6(address.0)),
            _ => {}
        }
    }
    found
}

async fn mx(context: &Context, domain: &str) -> Vec<(u16, String)> {
    ask(context, domain, RecordType::MX)
        .await
        .into_iter()
        .filter_map(|data| match data {
            RData::MX(mx) => Some((
                mx.preference,
                mx.exchange
                    .to_ascii()
                    .trim_end_matches('.')
                    .to_ascii_lowercase(),
            )),
            _ => None,
        })
        .filter(|(_, name)| !name.is_empty())
        .collect()
}

async fn ask(context: &Context, name: &str, kind: RecordType) -> Vec<RData> {
    for resolver in resolvers(context) {
        context.progress(StageName::Dns, &format!("{name} {kind} at {resolver}"));
        if let Some(answers) = ask_one(context, resolver, name, kind).await {
            return answers;
        }
    }
    Vec::new()
}

async fn ask_one(
    context: &Context,
    resolver: IpAddr,
    name: &str,
    kind: RecordType,
) -> Option<Vec<RData>> {
    let mut full = Name::from_ascii(name).ok()?;
    full.set_fqdn(true);
    let id = context.random() as u16;
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(full, kind));
    let bytes = message.to_vec().ok()?;
    let socket = context
        .udp(SocketAddr::new(resolver, 53), Role::Target, None)
        .await
        .ok()?;
    let mut buffer = vec![0u8; 4096];
    for wait in TRIES {
        context.spend(resolver, 1).await;
        socket.send(&bytes).await.ok()?;
        let received = tokio::time::timeout(wait, socket.recv(&mut buffer)).await;
        let Ok(received) = received else { continue };
        let length = received.ok()?;
        let reply = Message::from_vec(buffer.get(..length)?).ok()?;
        if reply.metadata.id == id {
            return Some(
                reply
                    .answers
                    .iter()
                    .map(|record| record.data.clone())
                    .collect(),
            );
        }
    }
    None
}

/// The resolvers to ask: those of `--resolver`, else those of resolv.conf(5).
pub fn resolvers(context: &Context) -> Vec<IpAddr> {
    let chosen = &context.options().resolvers;
    if !chosen.is_empty() {
        return chosen.clone();
    }
    std::fs::read_to_string("/etc/resolv.conf")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())
        .take(3)
        .collect()
}
