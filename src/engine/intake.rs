//! What one frame says, handed to whoever keeps it: connections, look-ups, neighbours, fragments, witnesses.

use super::door::Engine;
use crate::base::{MILLISECOND, Mark, Side};
use crate::flow::lookup::{TcpEvent, Transport as Carrier};
use crate::flow::{Endpoint, SynOptions};
use crate::proto::dns::{self, StreamDecoder};
use crate::wire::{Icmp, Ip, Link, Net, Packet, Tcp, Transport, Udp};

/// TCP streams of DNS that are decoded at once.
const DNS_STREAMS: usize = 1_024;

impl Engine {
    pub(super) fn packet(&mut self, mark: Mark, packet: &Packet<'_>) {
        match &packet.net {
            Net::None => {}
            Net::Arp(arp) => self.neighbors.arp(mark, arp),
            Net::Ip(ip) => {
                if let Some(fragment) = ip.fragment {
                    let (from, to) = (ip.source, ip.destination);
                    if fragment.offset == 0
                        && let Transport::Fragment([0, 53, ..]) = packet.transport
                        && ip.protocol == 17
                    {
                        self.searches.fragment(to, from, mark);
                    }
                    if let Some(datagram) = self.fragments.add(packet, mark.time) {
                        self.searches.whole(to, from);
                        self.whole(mark, &datagram.packet());
                    }
                    return;
                }
                self.ip(mark, packet, ip);
            }
        }
    }

    fn whole(&mut self, mark: Mark, packet: &Packet<'_>) {
        if let Net::Ip(ip) = &packet.net {
            self.ip(mark, packet, ip);
        }
    }

    fn ip(&mut self, mark: Mark, packet: &Packet<'_>, ip: &Ip) {
        // One answer a second is enough of a witness.
        let quiet = self.came_back.is_none_or(|(client, time)| {
            client != ip.destination || mark.time.since(time).abs() >= 500 * MILLISECOND
        });
        if quiet && ip.source != ip.destination && !ip.destination.is_multicast() {
            self.came_back = Some((ip.destination, mark.time));
            self.knowledge.witness.came_back(ip.destination, mark.time);
        }
        match &packet.transport {
            Transport::Tcp(tcp) => self.tcp(mark, &packet.link, ip, tcp),
            Transport::Udp(udp) => self.udp(mark, ip, udp),
            Transport::Icmp(icmp) => self.icmp(mark, &packet.link, ip, icmp),
            Transport::None | Transport::Fragment(_) => {}
        }
    }

    fn tcp(&mut self, mark: Mark, link: &Link, ip: &Ip, tcp: &Tcp<'_>) {
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
                self.knowledge
                    .answered(from, mark, syn_options(tcp), ip.ttl);
            } else if self.config.ports.service(to.port).is_some() {
                self.names.use_address(from.ip, to.ip, mark);
            }
        }
        if from.port == 53 || to.port == 53 {
            self.dns_over_tcp(mark, ip, from, to, tcp);
        }
        self.table.segment(mark, link, ip, tcp);
    }

    fn udp(&mut self, mark: Mark, ip: &Ip, udp: &Udp<'_>) {
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
        self.lookups
            .message(mark, Carrier::Udp, ip, from, to, message);
    }

    fn dns_over_tcp(&mut self, mark: Mark, ip: &Ip, from: Endpoint, to: Endpoint, tcp: &Tcp<'_>) {
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
            self.lookups
                .tcp(mark, client.ip, resolver.ip, event, ip.ttl);
        }
        let key = (self.world(mark.frame.source), client, resolver);
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
            self.lookups
                .message(framed.at, Carrier::Tcp, ip, from, to, framed.message);
        }
    }

    fn icmp(&mut self, mark: Mark, link: &Link, ip: &Ip, icmp: &Icmp<'_>) {
        if let Some(neighbor) = &icmp.neighbor {
            self.neighbors.ndp(mark, ip.source, neighbor, link.source);
        }
        if let Some(quote) = &icmp.quote
            && !self.table.icmp(mark, ip, icmp, quote)
        {
            self.lookups.icmp(mark, ip, icmp, quote);
        }
    }
}

fn syn_options(tcp: &Tcp<'_>) -> SynOptions {
    SynOptions {
        mss: tcp.options.mss,
        window_scale: tcp.options.window_scale,
        sack: tcp.options.sack_permitted,
        timestamps: tcp.options.timestamps.is_some(),
        ecn: false,
        fast_open: tcp.options.fast_open,
        multipath: tcp.options.multipath,
    }
}
