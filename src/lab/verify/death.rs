//! Frames by their meaning: which frame of a flow is its last SYN, its first reset, its unanswered query.
//!
//! It reads the recording anew, without the tracker's help, so that a mistake of the tracker cannot hide itself.

use crate::base::Timestamp;
use crate::engine::record::{ConnectionRecord, LookupRecord};
use crate::lab::record::Frame;
use crate::lab::truth::Death;
use crate::proto::dns::{decode, type_name};
use crate::wire::{Icmp, Net, Tcp, TcpFlags, Transport, dissect};

/// Ethernet, the link type of every recording of the lab.
const ETHERNET: u16 = 1;
/// Where look-ups are served.
const DNS: u16 = 53;

/// An address with its port, as reports spell them.
type End = (String, u16);

#[derive(Debug)]
enum Kind {
    Segment {
        flags: TcpFlags,
        window: Option<u16>,
        data: u32,
    },
    Datagram,
    /// An ICMP error that quotes a packet between the ends.
    Error,
}

#[derive(Debug)]
struct Event {
    number: u64,
    time: Timestamp,
    from: End,
    to: End,
    kind: Kind,
    /// Name, type, and whether it is an answer.
    dns: Option<(String, String, bool)>,
}

/// All frames of a recording that carry TCP, UDP, or an ICMP error about them.
#[derive(Debug)]
pub struct Timeline(Vec<Event>);

impl Timeline {
    /// Reads the frames; their numbers count from 1.
    pub fn new(frames: &[Frame]) -> Timeline {
        let numbered = (1u64..).zip(frames);
        Timeline(
            numbered
                .filter_map(|(number, frame)| event(number, frame))
                .collect(),
        )
    }

    /// The frames of a connection, up to the next one of the same ends.
    pub fn of_connection(&self, record: &ConnectionRecord) -> Flow<'_> {
        let client = (record.client.ip.clone(), record.client.port);
        let server = (record.server.ip.clone(), record.server.port);
        let events = self.0.iter().filter(|event| {
            event.time >= record.started.0
                && (event.time <= record.ended.0 || matches!(event.kind, Kind::Error))
                && is_between(event, &client, &server)
        });
        Flow {
            events: events.collect(),
            server: server.0,
        }
    }

    /// The frames of a look-up: its messages, and what came back instead.
    pub fn of_lookup(&self, record: &LookupRecord) -> Flow<'_> {
        let resolver = (record.resolver.clone(), DNS);
        let asks = |event: &&Event| {
            event.dns.as_ref().is_some_and(|(name, kind, _)| {
                name.eq_ignore_ascii_case(record.name.as_str()) && *kind == record.kind
            })
        };
        let messages = self.0.iter().filter(|event| {
            event.time >= record.started.0 && (event.from == resolver || event.to == resolver)
        });
        let mut clients: Vec<&End> = messages
            .clone()
            .filter(asks)
            .map(|event| {
                if event.to == resolver {
                    &event.from
                } else {
                    &event.to
                }
            })
            .collect();
        clients.sort_unstable();
        clients.dedup();
        let events = messages.filter(|event| {
            let ours = clients
                .iter()
                .any(|client| is_between(event, client, &resolver));
            ours && (event.dns.is_none() || asks(event))
        });
        Flow {
            events: events.collect(),
            server: record.resolver.clone(),
        }
    }
}

fn is_between(event: &Event, one: &End, other: &End) -> bool {
    (event.from == *one && event.to == *other) || (event.from == *other && event.to == *one)
}

fn event(number: u64, frame: &Frame) -> Option<Event> {
    let packet = dissect(ETHERNET, &frame.bytes, frame.length);
    let Net::Ip(ip) = packet.net else {
        return None;
    };
    let (source, destination) = (ip.source.to_string(), ip.destination.to_string());
    let (ports, kind, dns) = match packet.transport {
        Transport::Tcp(tcp) => segment(&tcp),
        Transport::Udp(udp) => {
            let dns = message(udp.payload, udp.payload_len);
            ((udp.source_port, udp.destination_port), Kind::Datagram, dns)
        }
        Transport::Icmp(icmp) => return error(number, frame.time, &icmp),
        _ => return None,
    };
    Some(Event {
        number,
        time: frame.time,
        from: (source, ports.0),
        to: (destination, ports.1),
        kind,
        dns,
    })
}

#[allow(clippy::type_complexity)] // ports, kind, and what makes a lasting note of it; read in one place
fn segment(tcp: &Tcp<'_>) -> ((u16, u16), Kind, Option<(String, String, bool)>) {
    let kind = Kind::Segment {
        flags: tcp.flags,
        window: tcp.window,
        data: tcp.payload_len,
    };
    let is_dns = tcp.source_port == DNS || tcp.destination_port == DNS;
    // A message in a stream follows its length (RFC 1035 4.2.2).
    let framed = tcp.payload.get(2..).filter(|_| is_dns);
    let dns = framed.and_then(|bytes| message(bytes, tcp.payload_len.saturating_sub(2)));
    ((tcp.source_port, tcp.destination_port), kind, dns)
}

fn message(bytes: &[u8], length: u32) -> Option<(String, String, bool)> {
    let message = decode(bytes, length)?;
    let (name, kind) = message.question?;
    Some((
        name.as_str().to_owned(),
        type_name(kind).into_owned(),
        message.response,
    ))
}

fn error(number: u64, time: Timestamp, icmp: &Icmp<'_>) -> Option<Event> {
    let quote = icmp.quote?;
    Some(Event {
        number,
        time,
        from: (quote.ip.source.to_string(), quote.source_port?),
        to: (quote.ip.destination.to_string(), quote.destination_port?),
        kind: Kind::Error,
        dns: None,
    })
}

/// The frames of one connection or look-up.
#[derive(Debug)]
pub struct Flow<'a> {
    events: Vec<&'a Event>,
    server: String,
}

impl Flow<'_> {
    /// The numbers of the frames that have this meaning: one, where the word says first or last.
    pub fn frames(&self, death: Death) -> Vec<u64> {
        let flags = |want: fn(TcpFlags) -> bool| {
            move |event: &Event| match event.kind {
                Kind::Segment { flags, .. } => want(flags),
                _ => false,
            }
        };
        let carries = |event: &Event| match event.kind {
            Kind::Segment { data, .. } => data > 0,
            _ => false,
        };
        let syn_ack = |flags: TcpFlags| flags.syn() && flags.ack();
        let opens = flags(TcpFlags::opens);
        let server = |event: &Event| event.from.0 == self.server;
        match death {
            Death::Any => self.all(|_| true),
            Death::LastSyn => self.last(opens),
            Death::SynAck => self.first(flags(syn_ack)),
            Death::LastSynAck => self.last(flags(syn_ack)),
            Death::Rst => self.first(flags(TcpFlags::rst)),
            Death::ServerFin => self.first(|event| server(event) && flags(TcpFlags::fin)(event)),
            Death::ClientFin => self.first(|event| !server(event) && flags(TcpFlags::fin)(event)),
            Death::Icmp => self.first(|event| matches!(event.kind, Kind::Error)),
            Death::LastQuery => self.last(|event| matches!(event.dns, Some((_, _, false)))),
            Death::Answer => self.first(|event| matches!(event.dns, Some((_, _, true)))),
            Death::LastClientData => self.last(|event| !server(event) && carries(event)),
            Death::LastServerData => self.last(|event| server(event) && carries(event)),
            Death::FirstServerData => self.first(|event| server(event) && carries(event)),
            Death::FirstClientData => self.first(|event| !server(event) && carries(event)),
            Death::HandshakeAck => {
                let answered = self.first(flags(syn_ack)).first().copied();
                self.first(|event| !server(event) && answered.is_some_and(|n| event.number > n))
            }
            // A window of 0 means nothing on SYN, FIN and RST.
            Death::ZeroWindow => self.all(|event| match event.kind {
                Kind::Segment { flags, window, .. } => {
                    window == Some(0) && !flags.syn() && !flags.fin() && !flags.rst()
                }
                _ => false,
            }),
        }
    }

    fn all(&self, want: impl Fn(&Event) -> bool) -> Vec<u64> {
        let wanted = self.events.iter().filter(|event| want(event));
        wanted.map(|event| event.number).collect()
    }

    fn first(&self, want: impl Fn(&Event) -> bool) -> Vec<u64> {
        self.all(want).first().copied().into_iter().collect()
    }

    fn last(&self, want: impl Fn(&Event) -> bool) -> Vec<u64> {
        self.all(want).last().copied().into_iter().collect()
    }
}
