//! The flows that mxray opened itself, and whether each is the target or only evidence.
//!
//! A flow is entered before its first packet leaves. The tap then knows of every frame whether it is ours at all, whose
//! answer it is, and whether a replay must leave it out. What others on this machine send to the same server is none of
//! our business and never recorded.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use tokio::sync::mpsc::UnboundedSender;

use super::seen::{Direction, Seen, What};
use crate::base::Timestamp;
use crate::wire::{Icmp, Ip, Net, Packet, Transport};

/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;

/// What a flow is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the user asked about: it is judged.
    Target,
    /// Evidence, and of what: recorded, marked, not judged.
    Control(&'static str),
}

impl Role {
    /// Why it is no target.
    pub fn control(self) -> Option<&'static str> {
        match self {
            Role::Target => None,
            Role::Control(why) => Some(why),
        }
    }
}

/// A flow of ours: local ports are the kernel's to give, so they tell our flows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// [`TCP`] or [`UDP`].
    pub protocol: u8,
    /// Our port.
    pub local_port: u16,
    /// The other end.
    pub remote: SocketAddr,
}

impl FlowKey {
    /// As packets tell it: on which link a link-local address is stands in none of them (RFC 4007 6).
    fn as_in_packets(self) -> FlowKey {
        FlowKey {
            remote: as_in_packets(self.remote),
            ..self
        }
    }
}

fn as_in_packets(endpoint: SocketAddr) -> SocketAddr {
    SocketAddr::new(endpoint.ip(), endpoint.port())
}

struct Entry {
    role: Role,
    listener: Option<UnboundedSender<Seen>>,
}

/// All flows of a run.
#[derive(Default)]
pub struct Registry {
    flows: HashMap<FlowKey, Entry>,
    /// By local port: for answers from another address than the one that was asked.
    ports: HashMap<(u8, u16), FlowKey>,
    /// Echo requests, by identifier.
    echoes: HashMap<u16, Entry>,
    /// Pieces of datagrams of ours: source and identification.
    pieces: HashMap<(IpAddr, u32), FlowKey>,
    hosts: HashSet<IpAddr>,
    neighbors: HashSet<IpAddr>,
    /// Servers that a packet was seen to leave for.
    left: HashSet<SocketAddr>,
}

/// What became of a frame.
pub struct Classified {
    /// Its role.
    pub role: Role,
    /// What it says, and who waits for it.
    pub seen: Option<(Seen, UnboundedSender<Seen>)>,
}

impl Registry {
    /// Enters a flow. True when its host was not known before.
    pub fn enter(
        &mut self,
        key: FlowKey,
        role: Role,
        listener: Option<UnboundedSender<Seen>>,
    ) -> bool {
        let key = key.as_in_packets();
        self.flows.insert(key, Entry { role, listener });
        self.ports.insert((key.protocol, key.local_port), key);
        self.hosts.insert(key.remote.ip())
    }

    /// Lets somebody listen to a flow that was entered.
    pub fn listen(&mut self, key: FlowKey, listener: UnboundedSender<Seen>) {
        if let Some(entry) = self.flows.get_mut(&key.as_in_packets()) {
            entry.listener = Some(listener);
        }
    }

    /// Enters echo requests of an identifier. True when the host was not known before.
    pub fn enter_echo(
        &mut self,
        host: IpAddr,
        id: u16,
        role: Role,
        listener: UnboundedSender<Seen>,
    ) -> bool {
        let listener = Some(listener);
        self.echoes.insert(id, Entry { role, listener });
        self.hosts.insert(host)
    }

    /// A neighbour that our packets go by: its ARP and NDP are evidence.
    pub fn enter_neighbor(&mut self, neighbor: IpAddr) {
        self.neighbors.insert(neighbor);
    }

    /// Hosts of our flows.
    pub fn hosts(&self) -> impl Iterator<Item = IpAddr> {
        self.hosts.iter().copied()
    }

    /// Whether a TCP or UDP packet to that server was seen to leave.
    pub fn has_left(&self, to: SocketAddr) -> bool {
        self.left.contains(&as_in_packets(to))
    }

    /// Forgets all flows; the hosts stay.
    pub fn clear(&mut self) {
        self.left.clear();
        self.flows.clear();
        self.ports.clear();
        self.echoes.clear();
        self.pieces.clear();
    }

    /// Whose frame it is; `None` when it is not ours.
    pub fn classify(&mut self, packet: &Packet<'_>, time: Timestamp) -> Option<Classified> {
        match &packet.net {
            Net::None => None,
            Net::Arp(arp) => {
                let known = |ip| self.neighbors.contains(&ip) || self.hosts.contains(&ip);
                (known(arp.sender_ip) || known(arp.target_ip)).then_some(Classified {
                    role: Role::Target,
                    seen: None,
                })
            }
            Net::Ip(ip) => self.ip(ip, packet, time),
        }
    }

    fn ip(&mut self, ip: &Ip, packet: &Packet<'_>, time: Timestamp) -> Option<Classified> {
        match &packet.transport {
            Transport::Tcp(tcp) => {
                let (key, direction) = self.find(TCP, ip, tcp.source_port, tcp.destination_port)?;
                if direction == Direction::Out {
                    self.left.insert(key.remote);
                }
                let what = What::Tcp {
                    source_port: tcp.source_port,
                    flags: tcp.flags,
                    seq: tcp.seq,
                    ack: tcp.ack,
                    // Its own packets are captured whole.
                    window: tcp.window.unwrap_or(0),
                    options: tcp.options,
                    payload_len: tcp.payload_len,
                };
                Some(self.of_flow(key, ip, time, direction, what))
            }
            Transport::Udp(udp) => {
                let (key, direction) = self.find(UDP, ip, udp.source_port, udp.destination_port)?;
                if direction == Direction::Out {
                    self.left.insert(key.remote);
                }
                let what = What::Udp(udp.payload.to_vec());
                Some(self.of_flow(key, ip, time, direction, what))
            }
            Transport::Icmp(icmp) => self.icmp(ip, icmp, time),
            Transport::Fragment(bytes) => {
                let fragment = ip.fragment?;
                let piece = (ip.source, fragment.id);
                if fragment.offset == 0
                    && let [s0, s1, d0, d1, ..] = bytes
                {
                    let ports = (
                        u16::from_be_bytes([*s0, *s1]),
                        u16::from_be_bytes([*d0, *d1]),
                    );
                    let (key, _) = self.find(ip.protocol, ip, ports.0, ports.1)?;
                    self.pieces.insert(piece, key);
                }
                // A later piece that comes first is taken for a target's: better heard than lost.
                let role = match self.pieces.get(&piece) {
                    Some(key) => self.flows.get(key)?.role,
                    None if self.hosts.contains(&ip.source) => Role::Target,
                    None => return None,
                };
                Some(Classified { role, seen: None })
            }
            Transport::None => None,
        }
    }

    fn find(
        &self,
        protocol: u8,
        ip: &Ip,
        source_port: u16,
        destination_port: u16,
    ) -> Option<(FlowKey, Direction)> {
        let out = FlowKey {
            protocol,
            local_port: source_port,
            remote: SocketAddr::new(ip.destination, destination_port),
        };
        if self.flows.contains_key(&out) {
            return Some((out, Direction::Out));
        }
        let back = FlowKey {
            protocol,
            local_port: destination_port,
            remote: SocketAddr::new(ip.source, source_port),
        };
        if self.flows.contains_key(&back) {
            return Some((back, Direction::In));
        }
        let asked = self.ports.get(&(protocol, destination_port))?;
        (asked.remote.port() == source_port).then_some((*asked, Direction::In))
    }

    fn icmp(&mut self, ip: &Ip, icmp: &Icmp<'_>, time: Timestamp) -> Option<Classified> {
        if let Some(neighbor) = &icmp.neighbor {
            let known = |ip: IpAddr| self.neighbors.contains(&ip) || self.hosts.contains(&ip);
            return known(neighbor.target).then_some(Classified {
                role: Role::Target,
                seen: None,
            });
        }
        if let Some(quote) = icmp.quote {
            let what = What::Icmp {
                v6: icmp.v6,
                kind: icmp.kind,
                code: icmp.code,
                mtu: icmp.mtu,
                quote,
            };
            if let (Some(source), Some(destination)) = (quote.source_port, quote.destination_port) {
                let key = FlowKey {
                    protocol: quote.ip.protocol,
                    local_port: source,
                    remote: SocketAddr::new(quote.ip.destination, destination),
                };
                // The quote may bear addresses and ports of a NAT behind us only towards us: ours are back in it.
                return self
                    .flows
                    .contains_key(&key)
                    .then(|| self.of_flow(key, ip, time, Direction::In, what));
            }
            // A quoted echo request: its identifier stands where no port does.
            let id = super::seen::quoted_echo(icmp.body)?;
            return self.of_echo(id, ip, time, Direction::In, what);
        }
        let request = if icmp.v6 { 128 } else { 8 };
        let reply = if icmp.v6 { 129 } else { 0 };
        let id = super::seen::echo_id(icmp)?;
        let direction = match icmp.kind {
            kind if kind == request => Direction::Out,
            kind if kind == reply => Direction::In,
            _ => return None,
        };
        let what = What::Echo {
            sequence: super::seen::echo_sequence(icmp)?,
        };
        self.of_echo(id, ip, time, direction, what)
    }

    fn of_echo(
        &self,
        id: u16,
        ip: &Ip,
        time: Timestamp,
        direction: Direction,
        what: What,
    ) -> Option<Classified> {
        let entry = self.echoes.get(&id)?;
        let seen = Seen {
            time,
            direction,
            ip: *ip,
            what,
        };
        Some(Classified {
            role: entry.role,
            seen: entry.listener.clone().map(|listener| (seen, listener)),
        })
    }

    fn of_flow(
        &self,
        key: FlowKey,
        ip: &Ip,
        time: Timestamp,
        direction: Direction,
        what: What,
    ) -> Classified {
        let Some(entry) = self.flows.get(&key) else {
            return Classified {
                role: Role::Target,
                seen: None,
            };
        };
        let seen = Seen {
            time,
            direction,
            ip: *ip,
            what,
        };
        Classified {
            role: entry.role,
            seen: entry.listener.clone().map(|listener| (seen, listener)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

    use super::{FlowKey, Registry, Role, UDP};
    use crate::base::Timestamp;
    use crate::wire::craft::{Header, udp};
    use crate::wire::dissect;

    /// A resolver at a link-local address, as resolv.conf names it: with its link.
    #[test]
    fn packets_to_a_link_local_address_are_ours_whatever_the_link() {
        let there: Ipv6Addr = "fe80::53".parse().expect("an address");
        let here: Ipv6Addr = "fe80::5".parse().expect("an address");
        let remote = SocketAddr::from(SocketAddrV6::new(there, 53, 0, 2));
        let mut registry = Registry::default();
        let key = FlowKey {
            protocol: UDP,
            local_port: 40_000,
            remote,
        };
        registry.enter(key, Role::Target, None);
        assert!(!registry.has_left(remote));
        let header = Header::new(here.into(), there.into());
        let ours = SocketAddr::new(here.into(), 40_000);
        let bytes = udp(header, ours, remote, b"a question").expect("a packet");
        let packet = dissect(101, &bytes, u32::try_from(bytes.len()).expect("short"));
        assert!(registry.classify(&packet, Timestamp(1)).is_some());
        assert!(registry.has_left(remote));
    }
}
