//! A DNS server over UDP and TCP that knows a small zone and misbehaves by rule.
//!
//! It answers like a resolver that has everything at hand (RA set, CNAMEs followed). It refuses to
//! ask anybody else.

use super::channel::{Channel, End};
use super::dns_message::{Answer, Message, Question, Record, decode, parse_record, type_by_name};
use super::spec::{DnsAction, DnsRule, DnsSpec, DnsTransport};
use super::stop::{Stop, Woken};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Datagrams that may wait for their delay at once; more are dropped.
const WAITING: usize = 256;

/// A DNS server's knowledge and manners.
#[derive(Debug)]
pub struct Dns {
    zone: Vec<Record>,
    validates: bool,
    rules: Vec<DnsRule>,
    seen: Mutex<HashMap<(usize, Question), u32>>,
}

/// What is to be sent, and when.
struct Plan {
    delay: Duration,
    messages: Vec<Vec<u8>>,
    reset: bool,
}

impl Dns {
    /// Reads the zone.
    ///
    /// # Errors
    /// The line that is no record, or the rule's type that is none.
    pub fn new(spec: &DnsSpec) -> Result<Dns, String> {
        let read = |lines: &[String]| -> Result<Vec<Record>, String> {
            lines
                .iter()
                .map(|line| parse_record(line).ok_or_else(|| format!("no DNS record: {line}")))
                .collect()
        };
        for rule in &spec.rules {
            read(&rule.answer)?;
            if let Some(name) = &rule.rtype {
                type_by_name(name).ok_or_else(|| format!("no DNS type: {name}"))?;
            }
        }
        Ok(Dns {
            zone: read(&spec.zone)?,
            validates: spec.validates,
            rules: spec.rules.clone(),
            seen: Mutex::new(HashMap::new()),
        })
    }

    fn rule(&self, question: &Question, transport: DnsTransport, cd: bool) -> Option<&DnsRule> {
        for (index, rule) in self.rules.iter().enumerate() {
            let name = rule.name.as_deref().is_none_or(|name| {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                question.name == name
                    || question
                        .name
                        .strip_suffix(&name)
                        .is_some_and(|rest| rest.ends_with('.'))
            });
            let rtype = rule
                .rtype
                .as_deref()
                .is_none_or(|name| type_by_name(name) == Some(question.rtype));
            if !name
                || !rtype
                || rule.transport.is_some_and(|wanted| wanted != transport)
                || (rule.unless_cd && cd)
            {
                continue;
            }
            if let Some(first) = rule.first {
                let Ok(mut seen) = self.seen.lock() else {
                    continue;
                };
                let count = seen.entry((index, question.clone())).or_default();
                *count = count.saturating_add(1);
                if *count > first {
                    continue;
                }
            }
            return Some(rule);
        }
        None
    }

    /// Records for a question, CNAMEs followed; and whether the name exists.
    fn look_up(&self, question: &Question) -> (Vec<Record>, bool) {
        let mut records = Vec::new();
        let mut name = question.name.clone();
        let mut exists = false;
        for _ in 0..8 {
            let below = format!(".{name}");
            exists |= self
                .zone
                .iter()
                .any(|record| record.name == name || record.name.ends_with(&below));
            let own = |record: &&Record| record.name == name && record.rtype == question.rtype;
            let found: Vec<Record> = self.zone.iter().filter(own).cloned().collect();
            if !found.is_empty() {
                records.extend(found);
                break;
            }
            let Some(alias) = self
                .zone
                .iter()
                .find(|record| record.name == name && record.rtype == 5)
            else {
                break;
            };
            records.push(alias.clone());
            exists = self.zone.iter().any(|record| record.name == alias.target);
            name.clone_from(&alias.target);
        }
        (records, exists)
    }

    /// AA for whoever asks without recursion, as of an authority; AD for whoever understands it (RFC 6840 5.7, 5.8), as of a resolver that validates.
    fn vouches(&self, query: &Message, rcode: u16) -> u16 {
        let knows = matches!(rcode, 0 | 3);
        match query.flags & 0x0100 {
            0 if knows => 0x0400,
            _ if knows && self.validates && (query.dnssec_ok || query.flags & 0x0020 != 0) => {
                0x0020
            }
            _ => 0,
        }
    }

    fn plan(&self, query: &Message, transport: DnsTransport) -> Plan {
        let nothing = Plan {
            delay: Duration::ZERO,
            messages: Vec::new(),
            reset: false,
        };
        let Some(question) = &query.question else {
            return nothing;
        };
        let rule = self.rule(question, transport, query.flags & 0x0010 != 0);
        let action = rule.map_or(DnsAction::Answer, |rule| rule.action);
        let (mut records, exists) = self.look_up(question);
        if let Some(size) = rule.and_then(|rule| rule.pad_to) {
            pad(&mut records, question, size);
        }
        let soa = self.zone.iter().find(|record| record.rtype == 6);
        let negative = |rcode: u16| if rcode == 0 || rcode == 3 { soa } else { None };
        let mut rcode = match action {
            DnsAction::Servfail => 2,
            DnsAction::Refused => 5,
            DnsAction::Nxdomain => 3,
            DnsAction::Rcode => rule.and_then(|rule| rule.rcode).unwrap_or(2),
            DnsAction::Nodata => 0,
            _ if exists => 0,
            _ => 3,
        };
        if matches!(action, DnsAction::Forge) && !records.is_empty() {
            rcode = 0;
        }
        if !matches!(
            action,
            DnsAction::Answer
                | DnsAction::WrongId
                | DnsAction::WrongQuestion
                | DnsAction::Forge
                | DnsAction::Malformed
                | DnsAction::Truncate
        ) {
            records.clear();
        }
        let make =
            |records: &[Record], rcode: u16, question: &Question, id: u16, truncated: bool| {
                Answer {
                    id,
                    echo: query.flags & 0x0110 | self.vouches(query, rcode),
                    truncated,
                    rcode,
                    question,
                    records,
                    authority: if records.is_empty() && !truncated {
                        negative(rcode)
                    } else {
                        None
                    },
                    edns: query.edns.is_some(),
                    ede: rule.and_then(|rule| rule.ede.map(|code| (code, rule.ede_text.as_str()))),
                }
                .encode()
            };
        let mut honest = make(&records, rcode, question, query.id, false);
        let room = usize::from(query.edns.unwrap_or(512).max(512));
        let udp = transport == DnsTransport::Udp;
        if udp && (honest.len() > room || action == DnsAction::Truncate) {
            honest = make(&[], rcode, question, query.id, true);
        }
        let messages = match action {
            DnsAction::Silence | DnsAction::Reset => Vec::new(),
            DnsAction::WrongId => vec![make(&records, rcode, question, query.id ^ 0x5a5a, false)],
            DnsAction::WrongQuestion => {
                let other = Question {
                    name: format!("not-{}", question.name),
                    rtype: question.rtype,
                };
                vec![make(&records, rcode, &other, query.id, false)]
            }
            DnsAction::Malformed => {
                // The header promises an answer of which only the beginning is there.
                let cut = honest.len().saturating_sub(7).max(12);
                honest.truncate(cut);
                vec![honest]
            }
            DnsAction::Forge => {
                let lines = rule.map(|rule| rule.answer.as_slice()).unwrap_or_default();
                let forged: Vec<Record> =
                    lines.iter().filter_map(|line| parse_record(line)).collect();
                let fits: Vec<Record> = forged
                    .into_iter()
                    .filter(|record| record.rtype == question.rtype)
                    .collect();
                vec![make(&fits, 0, question, query.id, false), honest]
            }
            _ => vec![honest],
        };
        Plan {
            delay: Duration::from_millis(rule.map_or(0, |rule| rule.delay_ms)),
            messages,
            reset: action == DnsAction::Reset,
        }
    }
}

/// Records of the asked type (A, AAAA, MX, else TXT) until the answer is large enough.
fn pad(records: &mut Vec<Record>, question: &Question, size: usize) {
    let name = records
        .last()
        .map_or_else(|| question.name.clone(), |record| record.name.clone());
    let mut total = 64usize;
    for number in 1..=250u8 {
        if total >= size {
            return;
        }
        let line = match question.rtype {
            1 => format!("{name} 300 A 198.51.100.{number}"),
            28 => format!("{name} 300 AAAA 2001:db8:ffff::{number:x}"),
            15 => format!("{name} 300 MX {number} mx{number}.{name}"),
            _ => format!("{name} 300 TXT {}", "x".repeat(200)),
        };
        if let Some(mut record) = parse_record(&line) {
            if !matches!(question.rtype, 1 | 28 | 15) {
                record.rtype = question.rtype;
            }
            total = total
                .saturating_add(record.data.len())
                .saturating_add(name.len())
                .saturating_add(12);
            records.push(record);
        }
    }
}

/// Serves a UDP socket until the bell rings.
pub fn serve_udp(socket: &Arc<UdpSocket>, dns: &Dns, stop: &Arc<Stop>) -> io::Result<()> {
    let mut waiting: Vec<std::thread::JoinHandle<()>> = Vec::new();
    loop {
        if stop.readable(socket.as_ref(), None)? != Woken::Ready {
            break;
        }
        let mut buffer = [0; 4096];
        // An ICMP error of an earlier answer is reported here; it is no reason to stop serving.
        let Ok((count, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let Some(query) = decode(buffer.get(..count).unwrap_or_default()) else {
            continue;
        };
        let plan = dns.plan(&query, DnsTransport::Udp);
        if plan.delay.is_zero() {
            send_all(socket, &plan, client);
        } else {
            waiting.retain(|thread| !thread.is_finished());
            if waiting.len() < WAITING {
                let (socket, stop) = (socket.clone(), stop.clone());
                waiting.push(
                    std::thread::Builder::new()
                        .name("lab-dns-delay".into())
                        .spawn(move || {
                            if stop.pass(plan.delay) {
                                send_all(&socket, &plan, client);
                            }
                        })?,
                );
            }
        }
    }
    for thread in waiting {
        let _ = thread.join();
    }
    Ok(())
}

fn send_all(socket: &UdpSocket, plan: &Plan, client: SocketAddr) {
    for message in &plan.messages {
        let _ = socket.send_to(message, client);
    }
}

/// Serves one TCP connection.
pub fn serve_tcp(channel: &mut Channel, dns: &Dns) -> Result<(), End> {
    loop {
        let length = channel.exact(2)?;
        let length = length
            .iter()
            .fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
        let bytes = channel.exact(length)?;
        let Some(query) = decode(&bytes) else {
            return Err(End::Scripted(super::spec::Then::Close));
        };
        let plan = dns.plan(&query, DnsTransport::Tcp);
        if plan.reset {
            return Err(End::Scripted(super::spec::Then::Reset));
        }
        let started = Instant::now();
        if !channel
            .stop()
            .pass(plan.delay.saturating_sub(started.elapsed()))
        {
            return Err(End::Stopped);
        }
        for message in &plan.messages {
            let mut framed = u16::try_from(message.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes()
                .to_vec();
            framed.extend_from_slice(message);
            channel.send(&framed)?;
        }
    }
}
