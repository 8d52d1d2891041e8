//! `route.neighbor-unresolved` and `route.duplicate-address`: findings of a source, by ARP and NDP.
//!
//! Silence counts only where answers would be seen: unicast frames to the requester are visible, or it is the capturing host. Somebody who
//! asks for a whole network is a scanner; a new owner after the old one fell silent is a replaced machine, not a second one.

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use crate::base::{MILLISECOND, Mark, Nanos, SourceId};
use crate::diagnosis::{At, Claim, Code, Verdict, Weight, Where};
use crate::flow::{NeighborFacts, Neighbors};

/// Three requests a second apart (RFC 4861 10: MAX_MULTICAST_SOLICIT, RETRANS_TIMER).
const REQUESTS: u32 = 3;
const AT_LEAST: Nanos = 1_800 * MILLISECOND;
/// Silent targets of one asker beyond which it is a scanner.
const SCAN: usize = 8;

/// Judges the neighbours of one source. `concerned`: an answer to who asked for it would be seen here (frames to single stations are, or the
/// capturing host itself asked), and mail needs the one asked for; a printer that is switched off is nobody's mail fault, nor is an
/// address that a scan from outside makes a gateway ask for.
pub fn judge_neighbors(
    neighbors: &Neighbors,
    source: SourceId,
    concerned: &dyn Fn(&NeighborFacts) -> bool,
) -> Vec<Verdict> {
    let troubled: Vec<&NeighborFacts> = neighbors
        .troubled()
        .filter(|(of, _)| *of == source)
        .map(|(_, facts)| facts)
        .collect();
    // A bridge shows one request on each of its ports.
    let mut silent_for: HashMap<Option<IpAddr>, HashSet<IpAddr>> = HashMap::new();
    for facts in troubled.iter().filter(|facts| facts.unanswered > 0) {
        silent_for
            .entry(facts.asker)
            .or_default()
            .insert(facts.target);
    }
    let mut claims: Vec<Claim> = Vec::new();
    for facts in troubled {
        let scanned = silent_for
            .get(&facts.asker)
            .is_some_and(|targets| targets.len() > SCAN);
        if !scanned && concerned(facts) {
            claims.extend(unresolved(facts));
        }
        claims.extend(duplicate(facts));
    }
    claims.sort_by_key(|claim| (claim.death.time(), claim.death.frame()));
    // What a bridge and its port both show is said once.
    let mut said = HashSet::new();
    claims.retain(|claim| said.insert((claim.code, claim.at.address)));
    claims.into_iter().map(Verdict::from).collect()
}

fn unresolved(facts: &NeighborFacts) -> Option<Claim> {
    let (first, latest) = (facts.since?, facts.last?);
    let asker = facts.asker?;
    let asked = latest.time.since(first.time);
    // Three requests, a second apart: the first two had their time, whether or not anything was captured after the third.
    if facts.unanswered < REQUESTS
        || asked < AT_LEAST
        || facts.target.is_multicast()
        || facts.target.is_unspecified()
    {
        return None;
    }
    let protocol = if facts.target.is_ipv4() { "ARP" } else { "NDP" };
    Some(
        Claim::new(
            Code::RouteNeighborUnresolved,
            At::address(Where::Network, facts.target),
            latest,
            0.9,
            format!(
                "Nobody answers for {} by {protocol}: {asker} cannot send it anything.",
                facts.target
            ),
        )
        .shown_by(format!(
            "{protocol} request number {} for {}",
            facts.unanswered, facts.target
        ))
        .because(
            first,
            format!("{protocol} request of {asker}, never answered"),
        )
        .since(first.time)
        .weighing(Weight::Finding)
        .advise(format!(
            "Is {} on, plugged into the same network (VLAN), and really its address?",
            facts.target
        )),
    )
}

fn duplicate(facts: &NeighborFacts) -> Option<Claim> {
    let (old, new) = closest(facts)?;
    if !facts.contested && facts.alternations < 2 {
        return None;
    }
    Some(
        Claim::new(
            Code::RouteDuplicateAddress,
            At::address(Where::Network, facts.target),
            new.1,
            if facts.alternations > 0 { 0.92 } else { 0.85 },
            format!("Two machines claim {}: {} and {}.", facts.target, mac(old.0), mac(new.0)),
        )
        .shown_by(format!("{} is at {}", facts.target, mac(new.0)))
        .because(old.1, format!("{} is at {}", facts.target, mac(old.0)))
        .weighing(Weight::Finding)
        .advise(format!("Find both in the switches' address tables and take {} from one of them", facts.target))
        .advise("Legitimate only for one host with two interfaces on one wire, or a bond in mode balance-alb"),
    )
}

type Owner = ([u8; 6], Mark);

/// The two owners whose latest answers are closest, the earlier first.
fn closest(facts: &NeighborFacts) -> Option<(Owner, Owner)> {
    let mut owners: Vec<Owner> = facts.owners.iter().copied().collect();
    owners.sort_by_key(|(_, at)| (at.time, at.frame));
    owners
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some((*a, *b)),
            _ => None,
        })
        .min_by_key(|(a, b)| b.1.time.since(a.1.time))
}

fn mac(address: [u8; 6]) -> String {
    let parts: Vec<String> = address.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

#[cfg(test)]
mod tests {
    use super::judge_neighbors;
    use crate::base::{FrameRef, MILLISECOND, Mark, SourceId, Timestamp};
    use crate::diagnosis::Code;
    use crate::flow::{Neighbors, Wire};
    use crate::wire::Arp;

    fn at(ms: i64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), ms as u64 + 1),
            time: Timestamp(ms * MILLISECOND),
        }
    }

    fn ask(neighbors: &mut Neighbors, ms: i64, target: &str) {
        let arp = Arp {
            reply: false,
            sender_mac: [2; 6],
            sender_ip: "10.0.0.5".parse().unwrap(),
            target_ip: target.parse().unwrap(),
        };
        neighbors.arp(at(ms), &Wire::default(), &arp);
    }

    fn answer(neighbors: &mut Neighbors, ms: i64, mac: u8) {
        let arp = Arp {
            reply: true,
            sender_mac: [mac; 6],
            sender_ip: "10.0.0.1".parse().unwrap(),
            target_ip: "10.0.0.5".parse().unwrap(),
        };
        neighbors.arp(at(ms), &Wire::default(), &arp);
    }

    fn codes(neighbors: &Neighbors, visible: bool) -> Vec<Code> {
        judge_neighbors(neighbors, SourceId(0), &|_| visible)
            .iter()
            .map(|verdict| verdict.code)
            .collect()
    }

    #[test]
    fn three_requests_into_silence() {
        let mut neighbors = Neighbors::default();
        ask(&mut neighbors, 0, "10.0.0.1");
        ask(&mut neighbors, 1_000, "10.0.0.1");
        assert!(codes(&neighbors, true).is_empty());
        ask(&mut neighbors, 2_000, "10.0.0.1");
        assert_eq!(codes(&neighbors, true), [Code::RouteNeighborUnresolved]);
        // Where unicast answers are not seen, silence says nothing.
        assert!(codes(&neighbors, false).is_empty());
        answer(&mut neighbors, 2_500, 4);
        assert!(codes(&neighbors, true).is_empty());
    }

    #[test]
    fn a_scanner_is_no_fault() {
        let mut neighbors = Neighbors::default();
        for round in 0..3 {
            for host in 1..20 {
                ask(
                    &mut neighbors,
                    round * 1_000 + host,
                    &format!("10.0.1.{host}"),
                );
            }
        }
        assert!(codes(&neighbors, true).is_empty());
    }

    #[test]
    fn an_address_that_moves_is_no_second_owner() {
        let mut neighbors = Neighbors::default();
        ask(&mut neighbors, 0, "10.0.0.1");
        answer(&mut neighbors, 1, 4);
        // A standby takes over (RFC 5227 4): it answers the next request.
        ask(&mut neighbors, 50, "10.0.0.1");
        answer(&mut neighbors, 51, 6);
        assert!(codes(&neighbors, true).is_empty());
        // Both answer one.
        ask(&mut neighbors, 100, "10.0.0.1");
        answer(&mut neighbors, 101, 6);
        answer(&mut neighbors, 102, 4);
        assert_eq!(codes(&neighbors, true), [Code::RouteDuplicateAddress]);
    }

    #[test]
    fn two_owners_at_once_are_a_fault_and_a_new_one_is_not() {
        let mut neighbors = Neighbors::default();
        answer(&mut neighbors, 0, 4);
        answer(&mut neighbors, 20_000, 6);
        assert!(codes(&neighbors, true).is_empty());
        answer(&mut neighbors, 20_001, 4);
        assert_eq!(codes(&neighbors, true), [Code::RouteDuplicateAddress]);
    }
}
