//! Look-ups as a stub resolver makes them: A and AAAA side by side from one port, every resolver in
//! turn, again after a timeout, over TCP when an answer is cut off.
//!
//! It refuses to cache, and believes only answers with its id and its question.

use super::Network;
use super::spec::ResolveSpec;
use crate::lab::server::channel::Channel;
use crate::lab::server::dns_message::{
    Message, Question, Record, address, decode, query, type_by_name,
};
use crate::lab::server::stop::Woken;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// One name and type, and what became of it.
#[derive(Clone, Debug)]
pub struct LookupOutcome {
    /// The name.
    pub name: String,
    /// The type's name.
    pub rtype: String,
    /// The resolver that was asked last.
    pub resolver: Option<SocketAddr>,
    /// Transmissions, all resolvers together.
    pub tries: u32,
    /// The records' data as text, or what came instead.
    pub answer: Result<Vec<String>, String>,
}

struct Asked {
    rtype: String,
    question: Question,
    id: u16,
    tries: u32,
    resolver: Option<SocketAddr>,
    answer: Option<Result<Message, String>>,
}

/// Addresses for a name, in the order in which they are to be tried (IPv6 first).
pub fn resolve(
    spec: &ResolveSpec,
    name: &str,
    network: &Network<'_>,
    log: &mut Vec<LookupOutcome>,
) -> Vec<IpAddr> {
    let mut candidates: Vec<String> = spec
        .search
        .iter()
        .map(|domain| format!("{name}.{domain}"))
        .collect();
    candidates.push(name.to_owned());
    let mx = spec
        .types
        .iter()
        .any(|rtype| rtype.eq_ignore_ascii_case("MX"));
    let mut plain: Vec<String> = spec
        .types
        .iter()
        .filter(|rtype| !rtype.eq_ignore_ascii_case("MX"))
        .cloned()
        .collect();
    if mx && plain.is_empty() {
        plain = vec!["A".into(), "AAAA".into()];
    }
    for candidate in candidates {
        let mut hosts = vec![candidate.clone()];
        if mx {
            let records = ask(spec, &candidate, &["MX".to_owned()], network, log);
            let mut exchangers: Vec<(Vec<u8>, String)> = records
                .into_iter()
                .filter(|record| record.rtype == 15 && !record.target.is_empty())
                .map(|record| {
                    (
                        record.data.get(..2).unwrap_or_default().to_vec(),
                        record.target,
                    )
                })
                .collect();
            exchangers.sort();
            if !exchangers.is_empty() {
                hosts = exchangers.into_iter().map(|(_, target)| target).collect();
            } else if log.last().is_some_and(|lookup| {
                lookup
                    .answer
                    .as_ref()
                    .is_ok_and(|answer| !answer.is_empty())
            }) {
                // `MX 0 .`: the domain takes no mail.
                return Vec::new();
            }
        }
        let mut found: Vec<IpAddr> = Vec::new();
        for host in hosts {
            let records = ask(spec, &host, &plain, network, log);
            let mut addresses: Vec<IpAddr> = records.iter().filter_map(address).collect();
            addresses.sort_by_key(|address| address.is_ipv4());
            found.extend(addresses);
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn ask(
    spec: &ResolveSpec,
    name: &str,
    types: &[String],
    network: &Network<'_>,
    log: &mut Vec<LookupOutcome>,
) -> Vec<Record> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let mut asked: Vec<Asked> = Vec::new();
    for rtype in types {
        let Some(number) = type_by_name(rtype) else {
            continue;
        };
        let question = Question {
            name: name.clone(),
            rtype: number,
        };
        let id = id(network.seed, log.len().saturating_add(asked.len()));
        asked.push(Asked {
            rtype: rtype.clone(),
            question,
            id,
            tries: 0,
            resolver: None,
            answer: None,
        });
    }
    let resolvers: Vec<SocketAddr> = match spec.resolvers.is_empty() {
        true => network.resolvers.clone(),
        false => spec
            .resolvers
            .iter()
            .map(|ip| SocketAddr::new(*ip, 53))
            .collect(),
    };
    let sockets: Vec<(SocketAddr, Option<UdpSocket>)> = resolvers
        .into_iter()
        .map(|at| (at, socket(at).ok()))
        .collect();
    'all: for _ in 0..spec.attempts.max(1) {
        for (resolver, socket) in &sockets {
            if network.stop.is_rung() || asked.iter().all(|one| matches!(&one.answer, Some(Ok(_))))
            {
                break 'all;
            }
            match socket {
                Some(socket) => exchange(spec, *resolver, socket, &mut asked, network),
                None => asked
                    .iter_mut()
                    .for_each(|one| one.answer = Some(Err("no route to the resolver".to_owned()))),
            }
        }
    }
    let mut records = Vec::new();
    for one in asked {
        let answer = match one.answer {
            Some(Ok(message)) if message.rcode() == 0 => {
                let text = |record: &Record| match record.target.is_empty() {
                    true => format!("type {}, {} bytes", record.rtype, record.data.len()),
                    false => record.target.clone(),
                };
                let texts = message.answers.iter().map(text).collect();
                records.extend(message.answers);
                Ok(texts)
            }
            Some(Ok(message)) => Err(rcode_name(message.rcode())),
            Some(Err(why)) => Err(why),
            None => Err("no answer".to_owned()),
        };
        let (tries, resolver) = (one.tries, one.resolver);
        log.push(LookupOutcome {
            name: name.clone(),
            rtype: one.rtype,
            resolver,
            tries,
            answer,
        });
    }
    records
}

fn rcode_name(rcode: u16) -> String {
    match rcode {
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        other => format!("RCODE {other}"),
    }
}

/// SplitMix64's output function: the same seed, the same ids.
fn id(seed: u64, number: usize) -> u16 {
    let mut z = seed.wrapping_add(
        (number as u64)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15),
    );
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u16::try_from((z ^ (z >> 31)) & 0xffff).unwrap_or(1)
}

fn socket(resolver: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: SocketAddr = match resolver {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(resolver)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One transmission of everything unanswered to one resolver, and its answers until the timeout.
fn exchange(
    spec: &ResolveSpec,
    resolver: SocketAddr,
    socket: &UdpSocket,
    asked: &mut [Asked],
    network: &Network<'_>,
) {
    for one in asked
        .iter_mut()
        .filter(|one| !matches!(one.answer, Some(Ok(_))))
    {
        one.tries = one.tries.saturating_add(1);
        one.resolver = Some(resolver);
        one.answer = None;
        if let Err(error) = socket.send(&query(one.id, &one.question, spec.edns)) {
            one.answer = Some(Err(error.to_string()));
        }
    }
    let deadline = Instant::now() + Duration::from_millis(spec.timeout_ms);
    while asked.iter().any(|one| one.answer.is_none()) {
        if !matches!(
            network.stop.readable(socket, Some(deadline)),
            Ok(Woken::Ready)
        ) {
            return;
        }
        let mut buffer = [0; 4096];
        let message = match socket.recv(&mut buffer) {
            Ok(count) => decode(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                // An ICMP error came back for a query.
                asked
                    .iter_mut()
                    .filter(|one| one.answer.is_none())
                    .for_each(|one| {
                        one.answer = Some(Err(error.to_string()));
                    });
                return;
            }
        };
        let Some(message) = message else { continue };
        let fits = |one: &&mut Asked| {
            one.answer.is_none()
                && one.id == message.id
                && message.question.as_ref() == Some(&one.question)
        };
        let Some(one) = asked.iter_mut().find(fits) else {
            continue;
        };
        one.answer = Some(match (message.rcode(), message.truncated() && spec.tcp) {
            (_, true) => over_tcp(spec, resolver, one, network),
            // The next resolver may know better.
            (rcode @ (2 | 4 | 5), _) => Err(rcode_name(rcode)),
            _ => Ok(message),
        });
    }
}

fn over_tcp(
    spec: &ResolveSpec,
    resolver: SocketAddr,
    one: &Asked,
    network: &Network<'_>,
) -> Result<Message, String> {
    let patience = Duration::from_millis(spec.timeout_ms);
    let socket = super::connect::one(resolver, None, None, None, patience, &network.stop)?;
    let mut channel =
        Channel::new(socket, network.stop.clone(), patience).map_err(|error| error.to_string())?;
    let bytes = query(one.id, &one.question, spec.edns);
    let mut framed = u16::try_from(bytes.len())
        .unwrap_or(0)
        .to_be_bytes()
        .to_vec();
    framed.extend(bytes);
    let answer = channel.send(&framed).and_then(|()| {
        let length = channel.exact(2)?;
        channel.exact(
            length
                .iter()
                .fold(0, |sum, byte| (sum << 8) | usize::from(*byte)),
        )
    });
    let answer = answer.map_err(|end| format!("over TCP: {end}"))?;
    decode(&answer).ok_or_else(|| "over TCP: malformed".to_owned())
}
