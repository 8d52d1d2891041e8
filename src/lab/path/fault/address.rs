//! Devices that change addresses: source NAT, and a proxy that answers in the server's name.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::super::link::millis;
use super::super::matching::{FLOWS, FlowKey};
use super::super::packet::{Packet, Toward};
use super::{Fate, Fault, Here, Sent};

/// A source NAT.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatSpec {
    /// The address that clients appear as; flows of the other family pass unchanged.
    pub address: IpAddr,
    /// The first port that is given out.
    #[serde(default = "first_port")]
    pub first_port: u16,
}

fn first_port() -> u16 {
    20_000
}

/// Its table. Echoes keep their identifier, errors are translated with what they quote (RFC 5508).
pub struct Nat {
    spec: NatSpec,
    outward: HashMap<FlowKey, u16>,
    inward: HashMap<(u8, u16), (IpAddr, u16)>,
    echoes: HashMap<u16, IpAddr>,
    next: u16,
}

impl Nat {
    /// An empty table.
    pub fn new(spec: NatSpec) -> Nat {
        Nat {
            next: spec.first_port,
            spec,
            outward: HashMap::new(),
            inward: HashMap::new(),
            echoes: HashMap::new(),
        }
    }

    /// Echoes and errors; `None` for what is neither.
    fn icmp(&mut self, packet: &mut Packet, hit: bool, toward: Toward) -> Option<Fate> {
        let outside = self.spec.address;
        if let Some(id) = packet.echo() {
            match toward {
                Toward::Server if hit && self.echoes.len() < FLOWS => {
                    self.echoes.insert(id, packet.source());
                    packet.set_source(outside);
                }
                Toward::Client if packet.destination() == outside => match self.echoes.get(&id) {
                    Some(inside) => packet.set_destination(*inside),
                    None => return Some(Fate::Gone),
                },
                _ => return Some(Fate::On),
            }
            packet.seal();
            return Some(Fate::On);
        }
        let mut quote = packet.quoted()?;
        if toward != Toward::Client || packet.destination() != outside {
            return Some(Fate::On);
        }
        let inside = match (quote.ports(), quote.echo()) {
            (Some((from, to)), _) => self.inward.get(&(quote.transport(), from)).map(|inside| {
                quote.set_ports(inside.1, to);
                inside.0
            }),
            (None, Some(id)) => self.echoes.get(&id).copied(),
            (None, None) => None,
        };
        let Some(inside) = inside else {
            return Some(Fate::Gone);
        };
        quote.set_source(inside);
        quote.seal_header();
        packet.set_quoted(&quote);
        packet.set_destination(inside);
        packet.seal();
        Some(Fate::On)
    }
}

impl Fault for Nat {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if packet.source().is_ipv4() != self.spec.address.is_ipv4() {
            return Fate::On;
        }
        if let Some(fate) = self.icmp(packet, here.hit, here.toward) {
            return fate;
        }
        let Some((from, to)) = packet.ports() else {
            return Fate::On;
        };
        match here.toward {
            Toward::Server if here.hit => {
                let key = FlowKey::of(packet, here.toward);
                let port = match self.outward.get(&key) {
                    Some(port) => *port,
                    None if self.outward.len() >= FLOWS => return Fate::Gone,
                    None => {
                        let port = self.next;
                        self.next = self.next.wrapping_add(1).max(self.spec.first_port);
                        self.outward.insert(key, port);
                        self.inward
                            .insert((packet.transport(), port), (packet.source(), from));
                        port
                    }
                };
                packet.set_source(self.spec.address);
                packet.set_ports(port, to);
            }
            Toward::Client if packet.destination() == self.spec.address => {
                let Some((address, port)) = self.inward.get(&(packet.transport(), to)) else {
                    return Fate::Gone;
                };
                packet.set_destination(*address);
                packet.set_ports(from, *port);
            }
            _ => return Fate::On,
        }
        packet.seal();
        Fate::On
    }
}

/// Replaces the source address.
pub struct Readdress {
    source: IpAddr,
}

impl Readdress {
    /// By this one.
    pub fn new(source: IpAddr) -> Readdress {
        Readdress { source }
    }
}

impl Fault for Readdress {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit {
            packet.set_source(self.source);
            packet.seal();
        }
        Fate::On
    }
}

/// A transparent proxy: flows go to another of the server's addresses, straight and without the path behind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectSpec {
    /// The address that takes them.
    pub to: IpAddr,
    /// TTL of its packets when they leave the device.
    #[serde(default = "ttl")]
    pub ttl: u8,
    /// Milliseconds that the device takes, each way.
    #[serde(default)]
    pub delay_ms: f64,
}

fn ttl() -> u8 {
    64
}

/// Its table: the flow as the proxy sees it, and the address that the client meant.
pub struct Redirect {
    spec: RedirectSpec,
    meant: HashMap<FlowKey, IpAddr>,
}

impl Redirect {
    /// An empty table.
    pub fn new(spec: RedirectSpec) -> Redirect {
        Redirect {
            spec,
            meant: HashMap::new(),
        }
    }
}

impl Fault for Redirect {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        match here.toward {
            Toward::Server if here.hit => {
                let meant = packet.destination();
                packet.set_destination(self.spec.to);
                packet.seal();
                if self.meant.len() < FLOWS {
                    self.meant.insert(FlowKey::of(packet, here.toward), meant);
                }
                let after = millis(self.spec.delay_ms);
                here.sent.push(Sent {
                    packet: packet.clone(),
                    toward: Toward::Server,
                    after,
                    direct: true,
                });
                Fate::Gone
            }
            Toward::Client => {
                if let Some(meant) = self.meant.get(&FlowKey::of(packet, here.toward)) {
                    packet.set_source(*meant);
                    packet.set_ttl(self.spec.ttl);
                    packet.seal();
                }
                Fate::On
            }
            Toward::Server => Fate::On,
        }
    }
}
