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
use crate::wire::{Arp, Neighbor};

/// Addresses that are remembered per table; beyond it new ones are not.
const ADDRESSES: usize = 16_384;
/// Answers of two owners this close may be answers to one request.
const TOGETHER: Nanos = 500 * MILLISECOND;

/// One address that was asked for or answered for, on one source.
#[derive(Clone, Debug)]
pub struct NeighborFacts {
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
    known: HashMap<(SourceId, IpAddr), NeighborFacts, foldhash::fast::RandomState>,
    full: bool,
}

impl Neighbors {
    /// The frames of `source` belong to the same world as those of `world`.
    pub fn join(&mut self, source: SourceId, world: SourceId) {
        self.worlds.join(source, world);
    }

    /// Takes an ARP message.
    pub fn arp(&mut self, mark: Mark, arp: &Arp) {
        let probe = arp.sender_ip.is_unspecified();
        if arp.reply || arp.sender_ip == arp.target_ip {
            // For itself it is an announcement (RFC 5227 3), as a request or as a reply.
            let asked = arp.sender_ip != arp.target_ip;
            self.answer(mark, arp.sender_ip, arp.sender_mac, asked);
        } else if !probe {
            self.request(mark, arp.target_ip, arp.sender_ip);
        }
    }

    /// Takes a neighbour solicitation or advertisement from `sender`.
    pub fn ndp(
        &mut self,
        mark: Mark,
        sender: IpAddr,
        neighbor: &Neighbor,
        link_source: Option<[u8; 6]>,
    ) {
        if neighbor.advertisement {
            if let Some(mac) = neighbor.mac.or(link_source) {
                self.answer(mark, neighbor.target, mac, true);
            }
        } else if !sender.is_unspecified() {
            // From the unspecified address it is duplicate address detection: silence is the good answer (RFC 4862 5.4).
            self.request(mark, neighbor.target, sender);
        }
    }

    /// What is known of one address.
    pub fn get(&self, source: SourceId, target: IpAddr) -> Option<&NeighborFacts> {
        self.known.get(&(source, target))
    }

    /// Every address that was asked for and has had no answer since, or that has two owners.
    pub fn troubled(&self) -> impl Iterator<Item = (SourceId, &NeighborFacts)> {
        self.known
            .iter()
            .filter(|(_, facts)| facts.unanswered > 0 || facts.owners.len() > 1)
            .map(|((source, _), facts)| (*source, facts))
    }

    /// Whether the bound on addresses was hit.
    pub fn full(&self) -> bool {
        self.full
    }

    fn request(&mut self, mark: Mark, target: IpAddr, asker: IpAddr) {
        let Some(facts) = self.entry(mark, target) else {
            return;
        };
        facts.asker = Some(asker);
        facts.requests = facts.requests.saturating_add(1);
        facts.unanswered = facts.unanswered.saturating_add(1);
        facts.since.get_or_insert(mark);
        facts.last = Some(mark);
    }

    /// `asked`: it may answer a request.
    fn answer(&mut self, mark: Mark, target: IpAddr, mac: [u8; 6], asked: bool) {
        let Some(facts) = self.entry(mark, target) else {
            return;
        };
        facts.answers = facts.answers.saturating_add(1);
        facts.last_answer = Some(mark);
        let again = facts.unanswered > 0;
        facts.unanswered = 0;
        facts.since = None;
        facts.last = None;
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

    fn entry(&mut self, mark: Mark, target: IpAddr) -> Option<&mut NeighborFacts> {
        let key = (self.worlds.of(mark.frame.source()), target);
        if self.known.len() >= ADDRESSES && !self.known.contains_key(&key) {
            self.full = true;
            return None;
        }
        Some(self.known.entry(key).or_insert_with(|| NeighborFacts {
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
        }))
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
    use super::Neighbors;
    use crate::base::{FrameRef, Mark, SourceId, Timestamp};
    use crate::wire::Arp;

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
            neighbors.arp(mark(number), &arp(false, [2; 6], "10.0.0.5", "10.0.0.1"));
        }
        let target = "10.0.0.1".parse().unwrap();
        let facts = neighbors.get(SourceId(0), target).unwrap();
        assert_eq!((facts.unanswered, facts.since), (3, Some(mark(1))));
        neighbors.arp(mark(4), &arp(true, [4; 6], "10.0.0.1", "10.0.0.5"));
        assert_eq!(neighbors.get(SourceId(0), target).unwrap().unanswered, 0);
        assert_eq!(neighbors.troubled().count(), 0);
    }

    #[test]
    fn a_virtual_router_is_no_second_owner() {
        let mut neighbors = Neighbors::default();
        neighbors.arp(mark(1), &arp(true, [4; 6], "10.0.0.1", "10.0.0.5"));
        neighbors.arp(
            mark(2),
            &arp(true, [0, 0, 0x5e, 0, 1, 9], "10.0.0.1", "10.0.0.5"),
        );
        assert_eq!(neighbors.troubled().count(), 0);
        neighbors.arp(mark(3), &arp(true, [6; 6], "10.0.0.1", "10.0.0.5"));
        neighbors.arp(mark(4), &arp(true, [4; 6], "10.0.0.1", "10.0.0.5"));
        let facts = neighbors
            .get(SourceId(0), "10.0.0.1".parse().unwrap())
            .unwrap();
        assert_eq!((facts.owners.len(), facts.alternations), (2, 1));
    }
}
