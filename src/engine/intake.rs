//! The reading half of the engine: frames become segments of connections, and sightings.
//!
//! It does what concerns all connections: sources and their clocks, ticks, fragments, what came back to whom, DNS over UDP,
//! neighbours. What concerns one connection goes [onward](Onward) to the shard that keeps it. It judges nothing and knows nothing
//! that the judging half knows, so that each may have a core.

use std::net::IpAddr;

use super::Config;
use super::door::Input;
use super::onward::{Onward, Told, When};
use super::sighting::{Carried, Sighting};
use super::sources::Seen;
use crate::base::{FrameRef, MILLISECOND, Mark, Nanos, SourceId, Timestamp};
use crate::diagnosis::Measured;
use crate::diagnosis::measured::{read_serves, read_until};
use crate::flow::lookup::Transport as Carrier;
use crate::flow::{Endpoint, Ports, Wire};
use crate::proto::dns;
use crate::wire::{Ip, Net, Packet, Reassembler, StopReason, Transport, Udp, dissect, glance};

/// Ripe connections are looked for this often, in capture time.
const RIPEN: Nanos = 100 * MILLISECOND;

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
    pub(super) sources: Vec<Seen>,
    pub(super) fragments: Reassembler,
    came_back: CameBack,
    pub(super) horizon: Timestamp,
    ripened: Timestamp,
}

impl Intake {
    /// An intake that has seen nothing.
    pub fn new(config: &Config) -> Intake {
        Intake {
            ports: config.ports.clone(),
            sources: Vec::new(),
            fragments: Reassembler::new(),
            came_back: CameBack::default(),
            horizon: Timestamp(i64::MIN),
            ripened: Timestamp(i64::MIN),
        }
    }

    /// Takes what a probe says of itself, as the text that its capture holds: a measurement, until when it listened, or what
    /// is spoken on a port that it was given.
    /// Anything else is passed over.
    pub fn told(&mut self, source: SourceId, text: &[u8], out: &mut impl Onward) {
        if let Some(until) = read_until(text) {
            let world = self.world(source);
            if let Some(root) = self.sources.get_mut(world.0 as usize) {
                root.reach(until);
            }
            out.hear(Sighting::Probed(world));
        } else if let Some((port, service)) = read_serves(text) {
            self.ports.suggest(port, service);
            out.tell(Told::Suggest(port, service));
        } else if let Some(measured) = Measured::from_text(text) {
            out.hear(Sighting::Measured(source, Box::new(measured)));
        }
    }

    /// Takes a frame; tells what it showed.
    pub fn frame<O: Onward>(&mut self, input: &Input<'_>, out: &mut O) {
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
        self.tick(input.time, out);
        if input.control {
            return;
        }
        let when = When {
            mark,
            world,
            now: self.horizon,
        };
        let point = point(input.source, input.interface);
        let root = self.sources.get_mut(world.0 as usize);
        if O::TAKES_APART
            && let Some(glance) = glance(input.link_type, input.data, input.original_len)
        {
            if let Some(source) = root {
                source.link.glance(&glance, point, &self.ports);
            }
            self.came_back(mark, glance.source, glance.destination, out);
            out.plain(&when, input, (glance.source_port, glance.destination_port));
            return;
        }
        let packet = dissect(input.link_type, input.data, input.original_len);
        if let Some(source) = root {
            source.link.see(&packet, point, &self.ports);
        }
        if let (Net::None, Some(stop)) = (&packet.net, packet.stop)
            && let Some(source) = self.sources.get_mut(input.source.0 as usize)
        {
            source.misses(stop);
        }
        self.packet(&when, input, &packet, out);
    }

    /// Something came to a client.
    #[inline]
    fn came_back(&mut self, mark: Mark, from: IpAddr, to: IpAddr, out: &mut impl Onward) {
        if from != to && !to.is_multicast() && self.came_back.counts(to, mark.time) {
            out.hear(Sighting::CameBack(to, mark.time));
        }
    }

    /// Time passes: what is over by it is told.
    #[inline]
    pub fn tick(&mut self, now: Timestamp, out: &mut impl Onward) {
        self.horizon = self.horizon.max(now);
        if self.horizon.since(self.ripened) >= RIPEN {
            self.ripen(out);
        }
    }

    /// Tells what is over by now.
    fn ripen(&mut self, out: &mut impl Onward) {
        self.ripened = self.horizon;
        self.horizons(out);
        out.hear(Sighting::Tick(self.horizon));
        out.tick(self.horizon);
        out.hear(Sighting::Ripened);
    }

    /// The end of everything.
    pub fn finish(&mut self, out: &mut impl Onward) {
        self.drain(out);
        out.hear(Sighting::Finished);
    }

    /// Worlds are apart: what was seen of one says nothing about the next.
    pub(super) fn forget(&mut self, out: &mut impl Onward) {
        out.tell(Told::Forget);
        self.fragments = Reassembler::new();
        self.came_back = CameBack::default();
        self.horizon = Timestamp(i64::MIN);
        self.ripened = Timestamp(i64::MIN);
    }

    fn packet(
        &mut self,
        when: &When,
        input: &Input<'_>,
        packet: &Packet<'_>,
        out: &mut impl Onward,
    ) {
        let mark = when.mark;
        match &packet.net {
            Net::None => {}
            Net::Arp(arp) => {
                let wire = Wire::of(input.interface, &packet.link);
                out.hear(Sighting::Arp(Box::new((mark, wire, *arp))));
            }
            Net::Ip(ip) => {
                if let Some(fragment) = ip.fragment {
                    let (from, to) = (ip.source, ip.destination);
                    if fragment.offset == 0
                        && let Transport::Fragment([0, 53, ..]) = packet.transport
                        && ip.protocol == 17
                    {
                        out.hear(Sighting::Fragment {
                            client: to,
                            resolver: from,
                            mark,
                        });
                    }
                    if let Some(datagram) = self.fragments.add(packet, mark.time) {
                        out.hear(Sighting::Whole {
                            client: to,
                            resolver: from,
                        });
                        let packet = datagram.packet();
                        if let Net::Ip(ip) = &packet.net {
                            self.ip(when, None, &packet, ip, out);
                        }
                    }
                    return;
                }
                self.ip(when, Some(input), packet, ip, out);
            }
        }
    }

    #[inline]
    fn ip(
        &mut self,
        when: &When,
        frame: Option<&Input<'_>>,
        packet: &Packet<'_>,
        ip: &Ip,
        out: &mut impl Onward,
    ) {
        let mark = when.mark;
        self.came_back(mark, ip.source, ip.destination, out);
        match &packet.transport {
            Transport::Tcp(tcp) => out.segment(when, frame, &packet.link, ip, tcp),
            Transport::Udp(udp) => udp_message(mark, ip, udp, out),
            Transport::Icmp(icmp) => {
                if let Some(neighbor) = &icmp.neighbor {
                    let sender = packet.link.source;
                    let interface = frame.map_or(0, |frame| frame.interface);
                    let wire = Wire::of(interface, &packet.link);
                    let ndp = Box::new((mark, wire, ip.source, *neighbor, sender));
                    out.hear(Sighting::Ndp(ndp));
                }
                if let Some(cut) = icmp.cut_quote() {
                    // An error goes to whoever sent what it quotes (RFC 792, RFC 4443 2.2).
                    out.hear(Sighting::CutQuote(Box::new((mark, ip.destination, cut))));
                } else if let Some(quote) = icmp.quote.as_ref().filter(|_| icmp.is_error()) {
                    out.error(when, ip, icmp, quote);
                }
            }
            Transport::None if ip.protocol == 6 => self.cut_segment(when, frame, packet, out),
            Transport::None | Transport::Fragment(_) => {}
        }
    }

    /// A segment that the snap length cut before its flags belongs to no connection, but it may be of mail: its ports are that of a
    /// mail service, or cut as well. Once for each world is enough.
    fn cut_segment(
        &mut self,
        when: &When,
        frame: Option<&Input<'_>>,
        packet: &Packet<'_>,
        out: &mut impl Onward,
    ) {
        let Some((frame, stop)) = frame.zip(packet.stop) else {
            return;
        };
        let Some(root) = self.sources.get_mut(when.world.0 as usize) else {
            return;
        };
        if stop.layer != "tcp" || stop.reason != StopReason::Snaplen || root.cut_segments {
            return;
        }
        let rest = frame.data.get(stop.offset..).unwrap_or_default();
        let port = |place: usize| {
            let octets = rest.get(place..)?.first_chunk::<2>()?;
            Some(u16::from_be_bytes(*octets))
        };
        let mail = |port: Option<u16>| port.is_none_or(|port| self.ports.service(port).is_some());
        if mail(port(0)) || mail(port(2)) {
            root.cut_segments = true;
            out.hear(Sighting::CutSegments(when.world));
        }
    }
}

/// A number for an interface of a source; of very many, some share theirs.
#[inline]
fn point(source: SourceId, interface: u32) -> u32 {
    (source.0 & 0xffff) << 14 | (interface & 0x3fff)
}

/// A datagram from or to port 53 may be a DNS message.
fn udp_message(mark: Mark, ip: &Ip, udp: &Udp<'_>, out: &mut impl Onward) {
    if udp.source_port != 53 && udp.destination_port != 53 {
        return;
    }
    let Some(message) = dns::decode(udp.payload, udp.payload_len) else {
        return;
    };
    let (from, to) = Endpoint::of(ip, (udp.source_port, udp.destination_port));
    out.hear(Sighting::Message(Box::new(Carried {
        mark,
        transport: Carrier::Udp,
        ip: *ip,
        from,
        to,
        message,
    })));
}
