//! The path between client and server: hops and links in user space, and the loop that drives them.
//!
//! It exists so that every fault can be made at a known hop and seen at any point with exact times. It
//! forwards what the kernels at both ends send, in the order of an event queue; it never opens a
//! connection itself and knows no mail.

mod checksum;
pub mod craft;
mod drive;
pub mod fault;
pub mod link;
pub mod matching;
pub mod neighbor;
pub mod packet;
mod queue;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;

use self::craft::{Complaint, answer_for_router, complain};
pub use self::drive::{Driver, Stop};
use self::fault::{Fate, FaultSpec, Here, Placed, Sent};
use self::link::{Lane, LinkSpec, TooBig, millis};
use self::packet::{Packet, Toward};
use self::queue::{Event, Queue};
pub use self::spec::{HopSpec, PathSpec};
use super::record::{Point, Recorder};
use crate::base::{MILLISECOND, Nanos, SECOND};

/// How long the last router tries to find a host on its own wire before it says that there is none:
/// Linux sends three requests, a second apart.
const NEIGHBOR_PATIENCE: Nanos = 3 * SECOND + 70 * MILLISECOND;

/// Where in a hop a fault stands.
#[derive(Clone, Copy)]
enum Place {
    /// Before the router looks at a packet.
    Ingress,
    /// Where packets are forwarded.
    Forward,
}

struct Hop {
    spec: HopSpec,
    v4: IpAddr,
    v6: IpAddr,
    /// Those that stand before the router.
    ingress: Vec<Placed>,
    faults: Vec<Placed>,
    random: Pcg32,
    /// Tokens for ICMP errors, and when they were counted last.
    icmp: (f64, Nanos),
}

/// The path with everything that is under way on it. Time is handed in.
pub struct Path {
    hops: Vec<Hop>,
    /// `links[k]` lies before hop k; the last one before the server. Both directions.
    links: Vec<(LinkSpec, Lane, Lane)>,
    queue: Queue,
    /// Addresses that really exist at the server's end.
    servers: Vec<IpAddr>,
    /// Source addresses at the server's end whose packets enter at a hop.
    shortcuts: HashMap<IpAddr, usize>,
    /// Packets for the ends, ready to be delivered.
    delivered: Vec<(Toward, Packet)>,
}

impl Path {
    /// Builds it. The scenario has been checked before: there is at least one hop.
    pub fn new(spec: &PathSpec, faults: &[FaultSpec], seed: u64) -> Path {
        let mut hops: Vec<Hop> = spec
            .hop
            .iter()
            .enumerate()
            .map(|(index, hop)| Hop {
                v4: spec.hop_v4(index),
                v6: spec.hop_v6(index),
                spec: hop.clone(),
                ingress: Vec::new(),
                faults: Vec::new(),
                random: Pcg32::new(seed, 500 + index as u64),
                icmp: (f64::from(hop.icmp_rate.unwrap_or(0)), 0),
            })
            .collect();
        let mut shortcuts = HashMap::new();
        for (index, fault) in faults.iter().enumerate() {
            let at = fault.hop.saturating_sub(1);
            if let Some(hop) = hops.get_mut(at) {
                let placed = Placed::new(fault, seed, index as u64);
                if fault.ingress {
                    hop.ingress.push(placed);
                } else {
                    hop.faults.push(placed);
                }
            }
            if let Some(address) = fault.action.shortcut() {
                shortcuts.insert(address, at);
            }
        }
        let access = LinkSpec {
            delay_ms: 0.0,
            ..LinkSpec::default()
        };
        let links = std::iter::once(access)
            .chain(spec.hop.iter().map(|hop| hop.link.clone()))
            .enumerate()
            .map(|(index, link)| {
                let lossy = |toward| link.loss_toward.is_none_or(|only| only == toward);
                let stream = 10 + 2 * index as u64;
                let there = Lane::new(link.clone(), lossy(Toward::Server), seed, stream);
                let back = Lane::new(link.clone(), lossy(Toward::Client), seed, stream + 1);
                (link, there, back)
            })
            .collect();
        Path {
            hops,
            links,
            queue: Queue::default(),
            servers: spec.server.clone(),
            shortcuts,
            delivered: Vec::new(),
        }
    }

    /// A packet comes from an end.
    pub fn enter(&mut self, toward: Toward, packet: Packet, now: Nanos, recorder: &mut Recorder) {
        match toward {
            Toward::Server => self.cross(0, toward, packet, now, None, recorder),
            Toward::Client => match self.shortcuts.get(&packet.source()).copied() {
                Some(hop) => self.queue.plan(
                    now,
                    Event::Arrive {
                        hop,
                        toward,
                        packet,
                        bounced: None,
                    },
                ),
                None => self.cross(self.hops.len(), toward, packet, now, None, recorder),
            },
        }
    }

    /// When something is due next.
    pub fn next(&self) -> Option<Nanos> {
        self.queue.next()
    }

    /// Does what is due, and gives what has reached an end.
    pub fn advance(
        &mut self,
        now: Nanos,
        recorder: &mut Recorder,
    ) -> std::vec::Drain<'_, (Toward, Packet)> {
        while let Some((at, event)) = self.queue.due(now) {
            match event {
                Event::Arrive {
                    hop,
                    toward,
                    packet,
                    bounced,
                } => self.arrive(hop, toward, packet, bounced, at, recorder),
                Event::Leave {
                    hop,
                    toward,
                    packet,
                } => self.leave(hop, toward, packet, at, recorder),
                Event::Deliver { toward, packet } => self.delivered.push((toward, packet)),
            }
        }
        self.delivered.drain(..)
    }

    /// Sends a packet over a link. `bounced` names the other router of a loop.
    fn cross(
        &mut self,
        link: usize,
        toward: Toward,
        packet: Packet,
        now: Nanos,
        bounced: Option<usize>,
        recorder: &mut Recorder,
    ) {
        let last = self.hops.len();
        let Some((_, there, back)) = self.links.get_mut(link) else {
            return;
        };
        let lane = if toward == Toward::Server {
            there
        } else {
            back
        };
        if toward == Toward::Server && link > 0 {
            recorder.see(Point::AfterHop(link), now, &packet, toward);
        }
        for at in lane.send(now, packet.length()).into_iter().flatten() {
            let packet = packet.clone();
            let event = match toward {
                Toward::Server if link == last => Event::Deliver { toward, packet },
                Toward::Client if link == 0 => Event::Deliver { toward, packet },
                Toward::Server => Event::Arrive {
                    hop: link,
                    toward,
                    packet,
                    bounced,
                },
                Toward::Client => Event::Arrive {
                    hop: link.saturating_sub(1),
                    toward,
                    packet,
                    bounced,
                },
            };
            self.queue.plan(at, event);
        }
    }

    fn arrive(
        &mut self,
        at: usize,
        toward: Toward,
        mut packet: Packet,
        bounced: Option<usize>,
        now: Nanos,
        recorder: &mut Recorder,
    ) {
        if toward == Toward::Client {
            recorder.see(Point::AfterHop(at + 1), now, &packet, toward);
        }
        if self.meet(at, Place::Ingress, toward, &mut packet, now) != Fate::On {
            return;
        }
        let Some(hop) = self.hops.get_mut(at) else {
            return;
        };
        if packet.destination() == hop.v4 || packet.destination() == hop.v6 {
            let id = identification(&mut hop.random);
            if let Some(answer) =
                answer_for_router(&packet, hop.spec.icmp_ttl, id).filter(|_| !hop.spec.silent)
            {
                self.leave(at, toward.back(), answer, now, recorder);
            }
            return;
        }
        if packet.ttl() <= 1 {
            self.error(at, &packet, Complaint::TIME_EXCEEDED, 0, now);
            return;
        }
        packet.set_ttl(packet.ttl() - 1);
        if let Some(with) = bounced {
            self.bounce(at, with, packet, now, recorder);
            return;
        }
        let Some(packet) = self.fit(at, toward, packet, now, recorder) else {
            return;
        };
        self.filter(at, toward, packet, now, recorder);
    }

    /// Passes the packet if the next link takes it; else cuts it or complains.
    fn fit(
        &mut self,
        at: usize,
        toward: Toward,
        packet: Packet,
        now: Nanos,
        recorder: &mut Recorder,
    ) -> Option<Packet> {
        let (link, _, _) = self
            .links
            .get(if toward == Toward::Server { at + 1 } else { at })?;
        let Some(mtu) = link.mtu.filter(|mtu| packet.length() > *mtu as usize) else {
            return Some(packet);
        };
        if !packet.dont_fragment() {
            for piece in packet.fragments(mtu as usize) {
                self.filter(at, toward, piece, now, recorder);
            }
            return None;
        }
        // Linux looks at the size before it decrements the TTL, and quotes the packet so.
        let told = match link.too_big {
            TooBig::Tell => mtu,
            TooBig::Bogus(told) => told,
            TooBig::Silent => return None,
        };
        let mut quoted = packet;
        quoted.set_ttl(quoted.ttl().saturating_add(1));
        self.error(at, &quoted, Complaint::too_big(told), 0, now);
        None
    }

    fn filter(
        &mut self,
        at: usize,
        toward: Toward,
        mut packet: Packet,
        now: Nanos,
        recorder: &mut Recorder,
    ) {
        match self.meet(at, Place::Forward, toward, &mut packet, now) {
            Fate::Gone => {}
            Fate::Bounced(with) => self.bounce(at, with, packet, now, recorder),
            Fate::Late(by) => self.queue.plan(
                now + by,
                Event::Leave {
                    hop: at,
                    toward,
                    packet,
                },
            ),
            Fate::On => self.leave(at, toward, packet, now, recorder),
        }
    }

    /// Shows a packet to the faults of a hop, and plans what they send themselves.
    fn meet(
        &mut self,
        at: usize,
        place: Place,
        toward: Toward,
        packet: &mut Packet,
        now: Nanos,
    ) -> Fate {
        let Some(hop) = self.hops.get_mut(at) else {
            return Fate::Gone;
        };
        let faults = match place {
            Place::Ingress => &mut hop.ingress,
            Place::Forward => &mut hop.faults,
        };
        let mut sent = Vec::new();
        let mut fate = Fate::On;
        for fault in faults {
            let address = if packet.version() == 4 {
                hop.v4
            } else {
                hop.v6
            };
            let mut here = Here {
                toward,
                now,
                address,
                random: &mut hop.random,
                hit: false,
                sent: &mut sent,
            };
            fate = fault.packet(packet, &mut here);
            if fate != Fate::On {
                break;
            }
        }
        for Sent {
            packet,
            toward,
            after,
            direct,
        } in sent
        {
            let event = if direct {
                Event::Deliver { toward, packet }
            } else {
                Event::Leave {
                    hop: at,
                    toward,
                    packet,
                }
            };
            self.queue.plan(now + after, event);
        }
        fate
    }

    fn bounce(
        &mut self,
        at: usize,
        with: usize,
        packet: Packet,
        now: Nanos,
        recorder: &mut Recorder,
    ) {
        let (link, toward) = if with > at {
            (at + 1, Toward::Server)
        } else {
            (at, Toward::Client)
        };
        self.cross(link, toward, packet, now, Some(at), recorder);
    }

    /// Forwards a packet from a hop; the last one knows which hosts there are.
    fn leave(
        &mut self,
        at: usize,
        toward: Toward,
        packet: Packet,
        now: Nanos,
        recorder: &mut Recorder,
    ) {
        match toward {
            Toward::Client => self.cross(at, toward, packet, now, None, recorder),
            Toward::Server => {
                let destination = packet.destination();
                if at + 1 == self.hops.len() && !self.servers.contains(&destination) {
                    self.error(
                        at,
                        &packet,
                        Complaint::HOST_UNREACHABLE,
                        NEIGHBOR_PATIENCE,
                        now,
                    );
                    return;
                }
                self.cross(at + 1, toward, packet, now, None, recorder);
            }
        }
    }

    /// A hop complains to the sender, if it ever does and its rate allows it.
    fn error(
        &mut self,
        at: usize,
        packet: &Packet,
        complaint: Complaint,
        after: Nanos,
        now: Nanos,
    ) {
        let Some(hop) = self.hops.get_mut(at) else {
            return;
        };
        if hop.spec.silent {
            return;
        }
        if let Some(rate) = hop.spec.icmp_rate.map(f64::from) {
            let passed = (now - hop.icmp.1) as f64 / SECOND as f64;
            hop.icmp = ((hop.icmp.0 + passed * rate).min(rate), now);
            if hop.icmp.0 < 1.0 {
                return;
            }
            hop.icmp.0 -= 1.0;
        }
        let own = if packet.version() == 4 {
            hop.v4
        } else {
            hop.v6
        };
        let id = identification(&mut hop.random);
        let after = after + millis(hop.spec.icmp_delay_ms);
        let (quote, ttl) = (hop.spec.quote, hop.spec.icmp_ttl);
        if let Some(packet) = complain(own, packet, complaint, quote, ttl, id) {
            // What went in a loop came from the client's side as well.
            let home = if self.servers.contains(&packet.destination()) {
                Toward::Server
            } else {
                Toward::Client
            };
            self.queue.plan(
                now + after,
                Event::Leave {
                    hop: at,
                    toward: home,
                    packet,
                },
            );
        }
    }
}

fn identification(random: &mut Pcg32) -> u16 {
    (random.next_u32() >> 16) as u16 | 1
}
