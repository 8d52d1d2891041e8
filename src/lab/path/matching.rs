//! Which packets a fault is about: what a firewall's rule would match on, and a few things it would not.
//!
//! All conditions given must hold. Ports are meant as the server's: a rule for port 25 sees both
//! directions of a connection to it.

use std::collections::HashMap;
use std::net::IpAddr;

use rand_pcg::Pcg32;
use serde::Deserialize;

use super::link::unit;
use super::packet::{FRAGMENT, ICMP, ICMP6, Packet, TCP, Toward, UDP, flag};
use crate::base::{Nanos, SECOND};
use crate::lab::server::dns_message::type_by_name;
use crate::lab::server::tls::from_hex;

/// Flows that one fault remembers; a scenario that opens more has no use for the state.
pub const FLOWS: usize = 65_536;

/// A flow with its client first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// The server's address and port.
    pub server: (IpAddr, u16),
    /// IP protocol.
    pub transport: u8,
}

impl FlowKey {
    /// The flow of a packet; without ports for what has none.
    pub fn of(packet: &Packet, toward: Toward) -> FlowKey {
        let (from, to) = packet.ports().unwrap_or((0, 0));
        let (source, destination) = ((packet.source(), from), (packet.destination(), to));
        let (client, server) = match toward {
            Toward::Server => (source, destination),
            Toward::Client => (destination, source),
        };
        FlowKey {
            client,
            server,
            transport: packet.transport(),
        }
    }
}

/// One value or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Some1<T> {
    /// One.
    One(T),
    /// Several: any of them.
    Any(Vec<T>),
}

impl<T: PartialEq> Some1<T> {
    fn has(&self, value: &T) -> bool {
        match self {
            Some1::One(one) => one == value,
            Some1::Any(any) => any.contains(value),
        }
    }
}

/// Source ports by their remainder: what a hash over links or a broken rule of ranges makes of them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortClass {
    /// Divisor.
    pub modulo: u16,
    /// Remainder that matches.
    pub is: u16,
}

/// Transport protocols by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of either family.
    Icmp,
}

/// The conditions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// Direction of travel.
    pub toward: Option<Toward>,
    /// Protocol.
    pub protocol: Option<Protocol>,
    /// The server's port.
    pub port: Option<Some1<u16>>,
    /// Either address.
    pub address: Option<Some1<IpAddr>>,
    /// The client's port, by remainder.
    pub client_port: Option<PortClass>,
    /// 4 or 6.
    pub family: Option<u8>,
    /// TCP flags that must be set, of `S`, `A`, `F`, `R`, `P`, `E` (ECE), `C` (CWR); a flag after `!` must not be: `S!A`.
    pub flags: Option<String>,
    /// IP packets longer than this many bytes.
    pub longer_than: Option<usize>,
    /// IP packets of at most this many bytes.
    pub up_to: Option<usize>,
    /// With (`true`) or without payload.
    pub data: Option<bool>,
    /// The payload contains this text.
    pub contains: Option<String>,
    /// The payload contains these bytes, in hexadecimal.
    pub bytes: Option<String>,
    /// A ClientHello; with this name in it, unless empty.
    pub sni: Option<String>,
    /// A DNS message about this type (`"AAAA"`).
    pub dns_type: Option<String>,
    /// Only packets that belong to a TCP retransmission-free stream after this many payload bytes of the flow.
    pub after_bytes: Option<u64>,
    /// After this many matching packets of the flow.
    pub after_packets: Option<u64>,
    /// After this many seconds since the flow's first matching packet.
    pub after_seconds: Option<f64>,
    /// Once a flow matched, all of its packets do.
    pub sticky: bool,
    /// At most this many matches in all.
    pub times: Option<u64>,
    /// Each match only with this probability.
    pub probability: Option<f64>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    packets: u64,
    bytes: u64,
    first: Option<Nanos>,
    caught: bool,
}

/// A match with its memory.
pub struct Matcher {
    spec: Match,
    needs_flow: bool,
    flows: HashMap<FlowKey, Seen>,
    matches: u64,
    random: Pcg32,
}

impl Matcher {
    /// From its conditions; the stream of random numbers is its own.
    pub fn new(spec: Match, seed: u64, stream: u64) -> Matcher {
        let needs_flow = spec.sticky
            || spec.after_bytes.is_some()
            || spec.after_packets.is_some()
            || spec.after_seconds.is_some();
        Matcher {
            spec,
            needs_flow,
            flows: HashMap::new(),
            matches: 0,
            random: Pcg32::new(seed, stream),
        }
    }

    /// Whether the fault is about this packet.
    pub fn hit(&mut self, packet: &Packet, toward: Toward, now: Nanos) -> bool {
        if self.spec.times.is_some_and(|times| self.matches >= times) {
            return false;
        }
        let key = self.needs_flow.then(|| FlowKey::of(packet, toward));
        if let Some(key) = key
            && self.flows.get(&key).is_some_and(|seen| seen.caught)
        {
            return true;
        }
        if !self.spec.holds(packet, toward) {
            return false;
        }
        if let Some(key) = key {
            if !self.flows.contains_key(&key) && self.flows.len() >= FLOWS {
                return false;
            }
            let seen = self.flows.entry(key).or_default();
            let first = *seen.first.get_or_insert(now);
            let due = self.spec.after_packets.is_none_or(|n| seen.packets >= n)
                && self.spec.after_bytes.is_none_or(|n| seen.bytes >= n)
                && self
                    .spec
                    .after_seconds
                    .is_none_or(|s| now - first >= (s * SECOND as f64) as Nanos);
            seen.packets += 1;
            seen.bytes += packet.payload().len() as u64;
            if !due {
                return false;
            }
        }
        if self
            .spec
            .probability
            .is_some_and(|p| unit(&mut self.random) >= p)
        {
            return false;
        }
        if self.spec.sticky
            && let Some(seen) = key.and_then(|key| self.flows.get_mut(&key))
        {
            seen.caught = true;
        }
        self.matches += 1;
        true
    }
}

impl Match {
    fn holds(&self, packet: &Packet, toward: Toward) -> bool {
        let (from, to) = packet.ports().unwrap_or((0, 0));
        let (server_port, client_port) = match toward {
            Toward::Server => (to, from),
            Toward::Client => (from, to),
        };
        let address =
            |list: &Some1<IpAddr>| list.has(&packet.source()) || list.has(&packet.destination());
        self.toward.is_none_or(|t| t == toward)
            && self.family.is_none_or(|f| f == packet.version())
            && self.protocol.is_none_or(|p| p.is(packet.transport()))
            && self.port.as_ref().is_none_or(|p| p.has(&server_port))
            && self
                .client_port
                .is_none_or(|c| packet.ports().is_some() && client_port % c.modulo.max(1) == c.is)
            && self.address.as_ref().is_none_or(address)
            && self.longer_than.is_none_or(|n| packet.length() > n)
            && self.up_to.is_none_or(|n| packet.length() <= n)
            && self.data.is_none_or(|d| d != packet.payload().is_empty())
            && self
                .flags
                .as_ref()
                .is_none_or(|f| packet.segment().is_some_and(|s| flags_hold(f, s.flags)))
            && self
                .contains
                .as_ref()
                .is_none_or(|text| contains(packet.payload(), text.as_bytes()))
            && self
                .bytes
                .as_ref()
                .is_none_or(|hex| contains(packet.payload(), &from_hex(hex)))
            && self
                .sni
                .as_ref()
                .is_none_or(|name| names(packet.payload(), name))
            && self.dns_type.as_ref().is_none_or(|name| {
                dns_type(packet.payload()).is_some_and(|t| type_by_name(name) == Some(t))
            })
    }
}

impl Protocol {
    fn is(self, transport: u8) -> bool {
        match self {
            Protocol::Tcp => transport == TCP,
            Protocol::Udp => transport == UDP,
            Protocol::Icmp => matches!(transport, ICMP | ICMP6) && transport != FRAGMENT,
        }
    }
}

fn flags_hold(wanted: &str, flags: u8) -> bool {
    let mut absent = false;
    for letter in wanted.chars() {
        let bit = match letter {
            '!' => {
                absent = true;
                continue;
            }
            'S' => flag::SYN,
            'A' => flag::ACK,
            'F' => flag::FIN,
            'R' => flag::RST,
            'P' => flag::PSH,
            'E' => 0x40,
            'C' => 0x80,
            _ => return false,
        };
        if (flags & bit != 0) == absent {
            return false;
        }
        absent = false;
    }
    true
}

/// Whether `needle` occurs; an empty one does.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty()
        || haystack
            .windows(needle.len())
            .any(|window| window == needle)
}

/// A ClientHello with this name in it, or a later segment of one that has the name's extension (RFC 6066 3: type 0 host_name, two
/// bytes of length, the name): clients shuffle their extensions, and a hello of today spans two segments.
fn names(payload: &[u8], name: &str) -> bool {
    if is_client_hello(payload) && contains(payload, name.as_bytes()) {
        return true;
    }
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
    let entry = [&[0, length[0], length[1]], name.as_bytes()].concat();
    !name.is_empty() && contains(payload, &entry)
}

/// TLS record of type handshake that starts with a ClientHello.
pub fn is_client_hello(payload: &[u8]) -> bool {
    payload.first() == Some(&22) && payload.get(5) == Some(&1)
}

/// The type of the first question of a DNS message over UDP.
pub fn dns_type(payload: &[u8]) -> Option<u16> {
    let mut at = 12usize;
    loop {
        match usize::from(*payload.get(at)?) {
            0 => break,
            length if length < 64 => at += length + 1,
            _ => return None,
        }
    }
    Some(u16::from_be_bytes([
        *payload.get(at + 1)?,
        *payload.get(at + 2)?,
    ]))
}
