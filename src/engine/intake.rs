//! The reading half of the engine: frames become connections and sightings.
//!
//! It keeps what belongs to one flow alone: connections with their bytes, fragments, streams of DNS. What says something about
//! others is a sighting. It judges nothing and knows nothing that the judging half knows, so that each may have a core.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::Config;
use super::door::Input;
use super::inside::Inside;
use super::sighting::{Carried, Sighting};
use super::sources::Seen;
use crate::base::limits::FLOWS;
use crate::base::{FrameRef, MILLISECOND, Mark, Nanos, Side, SourceId, Timestamp};
use crate::diagnosis::Measured;
use crate::diagnosis::measured::{read_serves, read_until};
use crate::flow::lookup::{TcpEvent, Transport as Carrier};
use crate::flow::{Ended, Endpoint, Ports, SynOptions, Table};
use crate::proto::dns::{self, StreamDecoder};
use crate::proto::tls::{KeyLog, Shared};
use crate::wire::{Icmp, Ip, Link, Net, Packet, Reassembler, Tcp, Transport, Udp, dissect};

/// Ripe connections are looked for this often, in capture time.
const RIPEN: Nanos = 100 * MILLISECOND;
/// TCP streams of DNS that are decoded at once.
const DNS_STREAMS: usize = 1_024;

/// Answers to one client no further apart than this are one: enough of a witness.
const ONE_ANSWER: Nanos = 500 * MILLISECOND;
/// Clients whose latest answer is at hand: a power of two. Thousands have one within that time, where hundreds of connections begin in
/// a second, and for who is not at hand the judging half is told of every packet.
const AT_HAND: usize = 1 << AT_HAND_BITS;
const AT_HAND_BITS: u32 = 13;

/// When something came back to the latest clients: what is asked for every packet.
struct CameBack(Box<[Option<(IpAddr, Timestamp)>]>);

impl Default for CameBack {
    fn default() -> CameBack {
        CameBack(vec![None; AT_HAND].into())
    }
}

impl CameBack {
    /// Whether an answer to that client at that time is one to remember.
    fn counts(&mut self, client: IpAddr, time: Timestamp) -> bool {
        let place = match client {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                (bits >> 64) as u64 ^ bits as u64
            }
        };
        // Fibonacci hashing: the upper bits of the product are well mixed.
        let place =
            (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - AT_HAND_BITS)) as usize;
        let Some(known) = self.0.get_mut(place) else {
            return true;
        };
        let told =
            known.is_some_and(|(other, at)| other == client && time.since(at).abs() < ONE_ANSWER);
        if !told {
            *known = Some((client, time));
        }
        !told
    }
}

/// The reading half.
pub struct Intake {
    ports: Ports,
    keylog: KeyLog,
    pub(super) sources: Vec<Seen>,
    pub(super) table: Table<Inside>,
    pub(super) fragments: Reassembler,
    dns_streams:
        HashMap<(SourceId, Endpoint, Endpoint), StreamDecoder, foldhash::fast::RandomState>,
    came_back: CameBack,
    pub(super) horizon: Timestamp,
    ripened: Timestamp,
}

impl Intake {
    /// An intake that has seen nothing.
    pub fn new(config: &Config) -> Intake {
        let mut ports = config.ports.clone();
        if config.all {
            ports.everything();
        }
        let mut table = Table::with_limit(ports, config.flows.unwrap_or(FLOWS))
            .seeded(Shared::with_keys(config.keylog.clone()));
        if config.live {
            table.note_changes();
        } else {
            table.hold_back();
        }
        Intake {
            ports: config.ports.clone(),
            keylog: config.keylog.clone(),
            sources: Vec::new(),
            table,
            fragments: Reassembler::new(),
            dns_streams: HashMap::default(),
            came_back: CameBack::default(),
            horizon: Timestamp(i64::MIN),
            ripened: Timestamp(i64::MIN),
        }
    }

    /// Adds key log text (SSLKEYLOGFILE, or of a pcapng file's own): it counts for connections whose first encrypted
    /// record is still to come. Returns how many secrets were taken.
    pub fn secrets(&mut self, text: &[u8]) -> usize {
        self.keylog.add(text)
    }

    /// Takes what a probe says of itself, as the text that its capture holds: a measurement, until when it listened, or what
    /// is spoken on a port that it was given.
    /// Anything else is passed over.
    pub fn told(&mut self, source: SourceId, text: &[u8], seen: &mut dyn FnMut(Sighting)) {
        if let Some(until) = read_until(text) {
            let world = self.world(source);
            if let Some(root) = self.sources.get_mut(world.0 as usize) {
                root.reach(until);
            }
            seen(Sighting::Probed(world));
        } else if let Some((port, service)) = read_serves(text) {
            self.ports.suggest(port, service);
            self.table.suggest(port, service);
        } else if let Some(measured) = Measured::from_text(text) {
            seen(Sighting::Measured(source, Box::new(measured)));
        }
    }

    /// Takes a frame; tells `seen` what it showed.
    pub fn frame(&mut self, input: &Input<'_>, seen: &mut dyn FnMut(Sighting)) {
        let Some(source) = self.sources.get_mut(input.source.0 as usize) else {
            return;
        };
        source.counts.see(input.time, input.original_len);
        let world = source.world;
        let mark = Mark {
            frame: FrameRef::new(input.source, input.number),
            time: input.time,
        };
        if world == input.source {
            source.see(mark);
        } else if let Some(root) = self.sources.get_mut(world.0 as usize) {
            root.see(mark);
        }
        self.tick(input.time, seen);
        if input.control {
            return;
        }
        let packet = dissect(input.link_type, input.data, input.original_len);
        if let Some(source) = self.sources.get_mut(world.0 as usize) {
            source.link.see(&packet, &self.ports);
        }
        self.packet(mark, &packet, seen);
    }

    /// Time passes: tells `seen` what is over by it.
    #[inline]
    pub fn tick(&mut self, now: Timestamp, seen: &mut dyn FnMut(Sighting)) {
        self.horizon = self.horizon.max(now);
        if self.horizon.since(self.ripened) >= RIPEN {
            self.ripen(seen);
        }
    }

    /// Tells what is over by now.
    fn ripen(&mut self, seen: &mut dyn FnMut(Sighting)) {
        self.ripened = self.horizon;
        self.horizons(seen);
        seen(Sighting::Tick(self.horizon));
        let mut others = 0;
        while let Some(ended) = self.table.due(self.horizon) {
            match ended {
                Ended::Mail(flow) => seen(Sighting::Ended(flow)),
                Ended::Other => others += 1,
            }
        }
        if others > 0 {
            seen(Sighting::Other(others));
        }
        seen(Sighting::Ripened);
    }

    /// The end of everything.
    pub fn finish(&mut self, seen: &mut dyn FnMut(Sighting)) {
        self.drain(seen);
        seen(Sighting::Finished);
    }

    /// Worlds are apart: what was seen of one says nothing about the next.
    pub(super) fn forget(&mut self) {
        self.dns_streams.clear();
        self.fragments = Reassembler::new();
        self.came_back = CameBack::default();
        self.horizon = Timestamp(i64::MIN);
        self.ripened = Timestamp(i64::MIN);
    }

    fn packet(&mut self, mark: Mark, packet: &Packet<'_>, seen: &mut dyn FnMut(Sighting)) {
        match &packet.net {
            Net::None => {}
            Net::Arp(arp) => seen(Sighting::Arp(mark, *arp)),
            Net::Ip(ip) => {
                if let Some(fragment) = ip.fragment {
                    let (from, to) = (ip.source, ip.destination);
                    if fragment.offset == 0
                        && let Transport::Fragment([0, 53, ..]) = packet.transport
                        && ip.protocol == 17
                    {
                        seen(Sighting::Fragment {
                            client: to,
                            resolver: from,
                            mark,
                        });
                    }
                    if let Some(datagram) = self.fragments.add(packet, mark.time) {
                        seen(Sighting::Whole {
                            client: to,
                            resolver: from,
                        });
                        self.whole(mark, &datagram.packet(), seen);
                    }
                    return;
                }
                self.ip(mark, packet, ip, seen);
            }
        }
    }

    fn whole(&mut self, mark: Mark, packet: &Packet<'_>, seen: &mut dyn FnMut(Sighting)) {
        if let Net::Ip(ip) = &packet.net {
            self.ip(mark, packet, ip, seen);
        }
    }

    fn ip(&mut self, mark: Mark, packet: &Packet<'_>, ip: &Ip, seen: &mut dyn FnMut(Sighting)) {
        if ip.source != ip.destination
            && !ip.destination.is_multicast()
            && self.came_back.counts(ip.destination, mark.time)
        {
            seen(Sighting::CameBack(ip.destination, mark.time));
        }
        match &packet.transport {
            Transport::Tcp(tcp) => self.tcp(mark, &packet.link, ip, tcp, seen),
            Transport::Udp(udp) => udp_message(mark, ip, udp, seen),
            Transport::Icmp(icmp) => self.icmp(mark, &packet.link, ip, icmp, seen),
            Transport::None | Transport::Fragment(_) => {}
        }
    }

    fn tcp(
        &mut self,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
        seen: &mut dyn FnMut(Sighting),
    ) {
        let from = Endpoint {
            ip: ip.source,
            port: tcp.source_port,
        };
        let to = Endpoint {
            ip: ip.destination,
            port: tcp.destination_port,
        };
        if tcp.flags.syn() {
            if tcp.flags.ack() {
                seen(Sighting::Answered {
                    server: from,
                    mark,
                    options: SynOptions::of(tcp),
                    ttl: ip.ttl,
                });
            } else if self.ports.service(to.port).is_some() {
                seen(Sighting::Uses {
                    client: from.ip,
                    address: to.ip,
                    mark,
                });
            }
        }
        if from.port == 53 || to.port == 53 {
            self.dns_over_tcp(mark, ip, (from, to), tcp, seen);
        }
        self.table.segment(mark, link, ip, tcp);
    }

    fn dns_over_tcp(
        &mut self,
        mark: Mark,
        ip: &Ip,
        (from, to): (Endpoint, Endpoint),
        tcp: &Tcp<'_>,
        seen: &mut dyn FnMut(Sighting),
    ) {
        let asks = to.port == 53;
        let (client, resolver) = if asks { (from, to) } else { (to, from) };
        let event = if tcp.flags.opens() {
            Some(TcpEvent::Syn)
        } else if tcp.flags.syn() {
            Some(TcpEvent::SynAck)
        } else if tcp.flags.rst() && !asks {
            Some(TcpEvent::Reset)
        } else {
            None
        };
        if let Some(event) = event {
            seen(Sighting::OverTcp {
                mark,
                client: client.ip,
                resolver: resolver.ip,
                event,
                ttl: ip.ttl,
            });
        }
        let key = (self.world(mark.frame.source()), client, resolver);
        if tcp.flags.syn() || tcp.flags.rst() || tcp.flags.fin() && tcp.payload.is_empty() {
            self.dns_streams.remove(&key);
        }
        if tcp.payload.is_empty()
            || self.dns_streams.len() >= DNS_STREAMS && !self.dns_streams.contains_key(&key)
        {
            return;
        }
        let mut messages = Vec::new();
        let side = if asks { Side::Client } else { Side::Server };
        self.dns_streams
            .entry(key)
            .or_insert_with(StreamDecoder::new)
            .data(side, mark, tcp.payload, &mut messages);
        for framed in messages {
            seen(Sighting::Message(Box::new(Carried {
                mark: framed.at,
                transport: Carrier::Tcp,
                ip: *ip,
                from,
                to,
                message: framed.message,
            })));
        }
    }

    fn icmp(
        &mut self,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        icmp: &Icmp<'_>,
        seen: &mut dyn FnMut(Sighting),
    ) {
        if let Some(neighbor) = &icmp.neighbor {
            seen(Sighting::Ndp(mark, ip.source, *neighbor, link.source));
        }
        if let Some(quote) = &icmp.quote
            && !self.table.icmp(mark, ip, icmp, quote)
        {
            let error = Icmp { body: &[], ..*icmp };
            seen(Sighting::Quoted(Box::new((mark, *ip, error, *quote))));
        }
    }
}

/// A datagram from or to port 53 may be a DNS message.
fn udp_message(mark: Mark, ip: &Ip, udp: &Udp<'_>, seen: &mut dyn FnMut(Sighting)) {
    if udp.source_port != 53 && udp.destination_port != 53 {
        return;
    }
    let Some(message) = dns::decode(udp.payload, udp.payload_len) else {
        return;
    };
    let from = Endpoint {
        ip: ip.source,
        port: udp.source_port,
    };
    let to = Endpoint {
        ip: ip.destination,
        port: udp.destination_port,
    };
    seen(Sighting::Message(Box::new(Carried {
        mark,
        transport: Carrier::Udp,
        ip: *ip,
        from,
        to,
        message,
    })));
}
