//! Neighbours: who asked by ARP or NDP for whom, and who answered.
//!
//! A next hop that nobody answers for kills every packet before it is sent, and two owners of one address kill
//! some. Virtual router addresses (VRRP, CARP, HSRP, GLBP) answer beside real ones by design and never count as a second
//! owner. It records; whether silence means anything is judged with the witnesses.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use hashbrown::HashMap;

use super::worlds::Worlds;
use crate::base::{MILLISECOND, Mark, Nanos, SourceId};
use crate::wire::{Arp, Link, Neighbor};

/// Addresses that are remembered per table, on each wire one; beyond it new ones are not.
const ADDRESSES: usize = 16_384;
/// Wires on which one address is told apart; beyond it new ones are not.
const WIRES: usize = 64;
/// Answers of two owners this close may be answers to one request.
const TOGETHER: Nanos = 500 * MILLISECOND;

/// What a frame was captured on: an interface of its source, and a VLAN there. Each is a network of its own, and one address may
/// have an owner in each of them (IEEE 802.1Q 5.3: frames of one VLAN do not reach another).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    interface: u32,
    vlans: ArrayVec<u16, 4>,
}

impl Wire {
    /// That of a frame, of that interface of its source. What captures several interfaces as one may say which it was.
    pub fn of(interface: u32, link: &Link) -> Wire {
        Wire {
            interface: link.interface.unwrap_or(interface),
            // Of the priority alone (IEEE 802.1Q 6.9): it is on no other network for that.
            vlans: link.vlans.iter().copied().filter(|id| *id != 0).collect(),
        }
    }
}

/// One address that was asked for or answered for, on one wire of one source.
#[derive(Clone, Debug)]
pub struct NeighborFacts {
    /// The wire.
    wire: Wire,
    /// The address.
    pub target: IpAddr,
    /// Who asked last.
    pub asker: Option<IpAddr>,
    /// Requests since the last answer.
    pub unanswered: u32,
    /// The first of them.
    pub since: Option<Mark>,
    /// The latest of them.
    pub last: Option<Mark>,
    /// Requests in all.
    pub requests: u32,
    /// Answers in all, gratuitous ones included.
    pub answers: u32,
    /// The latest answer.
    pub last_answer: Option<Mark>,
    /// Distinct hardware addresses that answered (virtual routers' left out), with their latest answer.
    pub owners: ArrayVec<([u8; 6], Mark), 4>,
    /// How often the owner changed back to one that had answered before: two hosts, not a replaced one.
    pub alternations: u32,
    /// Two owners answered one request: the second within half a second of the first, and nobody had asked again meanwhile. Whoever takes an
    /// address over (a standby, a new card) answers the requests after that, or announces itself.
    pub contested: bool,
}

/// All addresses.
#[derive(Debug, Default)]
pub struct Neighbors {
    worlds: Worlds,
    /// Of each address what is known of it on each wire: nearly always one.
    known: HashMap<(SourceId, IpAddr), Vec<NeighborFacts>, foldhash::fast::RandomState>,
    /// Wires of all addresses.
    kept: usize,
    full: bool,
}

impl Neighbors {
    /// The frames of `source` belong to the same world as those of `world`.
    pub fn join(&mut self, source: SourceId, world: SourceId) {
        self.worlds.join(source, world);
    }

    /// Takes an ARP message.
    pub fn arp(&mut self, mark: Mark, wire: &Wire, arp: &Arp) {
        let probe = arp.sender_ip.is_unspecified();
        if arp.reply || arp.sender_ip == arp.target_ip {
            // For itself it is an announcement (RFC 5227 3), as a request or as a reply.
            let asked = arp.sender_ip != arp.target_ip;
            self.answer(mark, wire, arp.sender_ip, arp.sender_mac, asked);
        } else if !probe {
            self.request(mark, wire, arp.target_ip, arp.sender_ip);
        }
    }

    /// Takes a neighbour solicitation or advertisement from `sender`.
    pub fn ndp(
        &mut self,
        mark: Mark,
        wire: &Wire,
        sender: IpAddr,
        neighbor: &Neighbor,
        link_source: Option<[u8; 6]>,
    ) {
        if neighbor.advertisement {
            if let Some(mac) = neighbor.mac.or(link_source) {
                self.answer(mark, wire, neighbor.target, mac, true);
            }
        } else if !sender.is_unspecified() {
            // From the unspecified address it is duplicate address detection: silence is the good answer (RFC 4862 5.4).
            self.request(mark, wire, neighbor.target, sender);
        }
    }

    /// What is known of one address, on the wire where it was seen first.
    pub fn get(&self, source: SourceId, target: IpAddr) -> Option<&NeighborFacts> {
        self.known.get(&(source, target))?.first()
    }

    /// Every address that was asked for and has had no answer since, or that has two owners.
    pub fn troubled(&self) -> impl Iterator<Item = (SourceId, &NeighborFacts)> {
        self.known
            .iter()
            .flat_map(|((source, _), wires)| wires.iter().map(|facts| (*source, facts)))
            .filter(|(_, facts)| facts.unanswered > 0 || facts.owners.len() > 1)
    }

    /// Whether the bound on addresses was hit.
    pub fn full(&self) -> bool {
        self.full
    }

    fn request(&mut self, mark: Mark, wire: &Wire, target: IpAddr, asker: IpAddr) {
        let Some((wires, at)) = self.entry(mark, wire, target) else {
            return;
        };
        let Some(facts) = wires.get_mut(at) else {
            return;
        };
        facts.asker = Some(asker);
        facts.requests = facts.requests.saturating_add(1);
        facts.unanswered = facts.unanswered.saturating_add(1);
        facts.since.get_or_insert(mark);
        facts.last = Some(mark);
    }

    /// `asked`: it may answer a request.
    fn answer(&mut self, mark: Mark, wire: &Wire, target: IpAddr, mac: [u8; 6], asked: bool) {
        let Some((wires, at)) = self.entry(mark, wire, target) else {
            return;
        };
        let asked_here = wires.get(at).is_some_and(|facts| facts.requests > 0);
        let mut again = false;
        for facts in wires.iter_mut() {
            // A bridge floods a request to all its ports and hands the answer to one. And where nobody asks, what is answered was asked
            // elsewhere: a mirror port may leave the tag of one direction out.
            if facts.wire.vlans == wire.vlans || !asked_here {
                again |= facts.unanswered > 0;
                facts.unanswered = 0;
                facts.since = None;
                facts.last = None;
            }
        }
        let Some(facts) = wires.get_mut(at) else {
            return;
        };
        facts.answers = facts.answers.saturating_add(1);
        facts.last_answer = Some(mark);
        if is_virtual_router(mac) {
            return;
        }
        let other = facts.owners.last().filter(|(known, _)| *known != mac);
        let together = other.is_some_and(|(_, at)| mark.time.since(at.time).abs() <= TOGETHER);
        facts.contested |= together && asked && !again;
        match facts.owners.iter().position(|(known, _)| *known == mac) {
            Some(at) => {
                // The latest owner stands last.
                let latest = at.saturating_add(1) == facts.owners.len();
                facts.owners.remove(at);
                facts.alternations = facts.alternations.saturating_add(u32::from(!latest));
            }
            None if facts.owners.is_full() => {
                facts.owners.remove(0);
            }
            None => {}
        }
        let _ = facts.owners.try_push((mac, mark));
    }

    /// What is known of an address, and where among it stands what concerns that wire.
    fn entry(
        &mut self,
        mark: Mark,
        wire: &Wire,
        target: IpAddr,
    ) -> Option<(&mut Vec<NeighborFacts>, usize)> {
        let key = (self.worlds.of(mark.frame.source()), target);
        let room = self.kept < ADDRESSES;
        if !room && !self.known.contains_key(&key) {
            self.full = true;
            return None;
        }
        let wires = self.known.entry(key).or_default();
        if let Some(at) = wires.iter().position(|facts| facts.wire == *wire) {
            return Some((wires, at));
        }
        if !room || wires.len() >= WIRES {
            // What is not told apart counts where the address was seen first.
            self.full = true;
            return Some((wires, 0));
        }
        self.kept = self.kept.saturating_add(1);
        wires.push(NeighborFacts {
            wire: wire.clone(),
            target,
            asker: None,
            unanswered: 0,
            since: None,
            last: None,
            requests: 0,
            answers: 0,
            last_answer: None,
            owners: ArrayVec::new(),
            alternations: 0,
            contested: false,
        });
        let at = wires.len().saturating_sub(1);
        Some((wires, at))
    }
}

/// VRRP and CARP (RFC 9568 7.3; version for IPv6 included), HSRP 1 and 2, GLBP.
fn is_virtual_router(mac: [u8; 6]) -> bool {
    matches!(
        mac,
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x05, 0x73, 0xa0, 0x00..=0x0f, _]
            | [0x00, 0x07, 0xb4, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::{Neighbors, Wire};
    use crate::base::{FrameRef, Mark, SourceId, Timestamp};
    use crate::wire::Arp;

    const HERE: Wire = Wire {
        interface: 0,
        vlans: arrayvec::ArrayVec::new_const(),
    };

    fn mark(number: u64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), number),
            time: Timestamp(number as i64),
        }
    }

    fn arp(reply: bool, mac: [u8; 6], sender: &str, target: &str) -> Arp {
        Arp {
            reply,
            sender_mac: mac,
            sender_ip: sender.parse().unwrap(),
            target_ip: target.parse().unwrap(),
        }
    }

    #[test]
    fn requests_count_until_somebody_answers() {
        let mut neighbors = Neighbors::default();
        for number in 1..=3 {
            neighbors.arp(
                mark(number),
                &HERE,
                &arp(false, [2; 6], "10.0.0.5", "10.0.0.1"),
            );
        }
        let target = "10.0.0.1".parse().unwrap();
        let facts = neighbors.get(SourceId(0), target).unwrap();
        assert_eq!((facts.unanswered, facts.since), (3, Some(mark(1))));
        neighbors.arp(mark(4), &HERE, &arp(true, [4; 6], "10.0.0.1", "10.0.0.5"));
        assert_eq!(neighbors.get(SourceId(0), target).unwrap().unanswered, 0);
        assert_eq!(neighbors.troubled().count(), 0);
    }

    #[test]
    fn a_virtual_router_is_no_second_owner() {
        let mut neighbors = Neighbors::default();
        neighbors.arp(mark(1), &HERE, &arp(true, [4; 6], "10.0.0.1", "10.0.0.5"));
        neighbors.arp(
            mark(2),
            &HERE,
            &arp(true, [0, 0, 0x5e, 0, 1, 9], "10.0.0.1", "10.0.0.5"),
        );
        assert_eq!(neighbors.troubled().count(), 0);
        neighbors.arp(mark(3), &HERE, &arp(true, [6; 6], "10.0.0.1", "10.0.0.5"));
        neighbors.arp(mark(4), &HERE, &arp(true, [4; 6], "10.0.0.1", "10.0.0.5"));
        let facts = neighbors
            .get(SourceId(0), "10.0.0.1".parse().unwrap())
            .unwrap();
        assert_eq!((facts.owners.len(), facts.alternations), (2, 1));
    }

    fn vlan(id: u16) -> Wire {
        Wire {
            interface: 0,
            vlans: [id].into_iter().collect(),
        }
    }

    #[test]
    fn one_address_may_have_an_owner_on_each_wire() {
        let mut neighbors = Neighbors::default();
        let ask = arp(false, [2; 6], "10.0.0.5", "10.0.0.1");
        let answer = |mac| arp(true, [mac; 6], "10.0.0.1", "10.0.0.5");
        for number in [1, 5, 9] {
            for (step, id) in [(0, 10), (1, 20)] {
                neighbors.arp(mark(number + step), &vlan(id), &ask);
                neighbors.arp(mark(number + step), &vlan(id), &answer(id as u8));
            }
        }
        assert_eq!(neighbors.troubled().count(), 0);
        // The near miss: two on one of them.
        neighbors.arp(mark(12), &vlan(10), &answer(6));
        neighbors.arp(mark(13), &vlan(10), &answer(10));
        let (_, facts) = neighbors.troubled().next().unwrap();
        assert_eq!((facts.owners.len(), facts.alternations), (2, 1));
    }

    #[test]
    fn what_a_bridge_floods_is_answered_on_one_of_its_ports() {
        let mut neighbors = Neighbors::default();
        let port = |interface| Wire { interface, ..HERE };
        let ask = arp(false, [2; 6], "10.0.0.5", "10.0.0.1");
        let answer = arp(true, [4; 6], "10.0.0.1", "10.0.0.5");
        for number in [1, 6, 11] {
            for interface in [1, 2, 3] {
                neighbors.arp(mark(number), &port(interface), &ask);
            }
            for interface in [2, 1] {
                neighbors.arp(mark(number + 1), &port(interface), &answer);
            }
        }
        assert_eq!(neighbors.troubled().count(), 0);
        // The near miss: nobody answers, and each port shows it.
        for interface in [1, 2, 3] {
            neighbors.arp(mark(20), &port(interface), &ask);
        }
        assert_eq!(neighbors.troubled().count(), 3);
    }

    #[test]
    fn an_answer_is_heard_on_the_wire_where_nobody_asks() {
        let mut neighbors = Neighbors::default();
        let ask = arp(false, [2; 6], "10.0.0.5", "10.0.0.1");
        for number in 1..=3 {
            neighbors.arp(mark(number), &vlan(10), &ask);
        }
        assert_eq!(neighbors.troubled().count(), 1);
        neighbors.arp(mark(4), &HERE, &arp(true, [4; 6], "10.0.0.1", "10.0.0.5"));
        assert_eq!(neighbors.troubled().count(), 0);
        // The near miss: of another network, where it was asked for as well.
        neighbors.arp(mark(5), &vlan(10), &ask);
        neighbors.arp(mark(6), &vlan(20), &ask);
        neighbors.arp(
            mark(7),
            &vlan(20),
            &arp(true, [6; 6], "10.0.0.1", "10.0.0.5"),
        );
        assert_eq!(neighbors.troubled().count(), 1);
    }
}
