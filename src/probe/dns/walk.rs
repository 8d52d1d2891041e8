//! Questions whose TTL ends on the way: which routers still forward them, and who answers although the resolver cannot have been reached.
//!
//! The same five-tuple for every TTL, so that all take one branch of a split path; which question a router's time-exceeded quotes, its length tells. What a router does not say
//! proves nothing (many are silent, or limit ICMP): a place is only where a reference – pings to the same address – is seen to get further. No socket and no clock inside.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::base::{MILLISECOND, Nanos, Timestamp};

/// Between two questions of a walk.
const PACE: Nanos = 40 * MILLISECOND;
/// From the last question of a round to the next round: an answer from far away has time, and no server is asked more than twice a second.
const ROUND: Nanos = 700 * MILLISECOND;

/// What a TTL drew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drew {
    /// A router's time-exceeded.
    pub exceeded: Option<IpAddr>,
    /// An answer in the resolver's name.
    pub answered: bool,
    /// How many hops away its sender is, by the TTL that is left in it.
    pub sender_distance: Option<u8>,
    /// Another ICMP error: sender, type and code.
    pub refused: Option<(IpAddr, u8, u8)>,
}

impl Drew {
    fn anything(&self) -> bool {
        self.exceeded.is_some() || self.answered || self.refused.is_some()
    }
}

/// What every TTL drew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    by_ttl: BTreeMap<u8, Drew>,
}

impl Trail {
    /// What a TTL drew.
    pub fn note(&mut self, ttl: u8) -> &mut Drew {
        self.by_ttl.entry(ttl).or_default()
    }

    /// What a TTL drew, if it was tried.
    pub fn at(&self, ttl: u8) -> Option<&Drew> {
        self.by_ttl.get(&ttl)
    }

    /// The farthest router that says it was reached.
    pub fn farthest(&self) -> Option<(u8, IpAddr)> {
        self.by_ttl
            .iter()
            .rev()
            .find_map(|(ttl, drew)| Some((*ttl, drew.exceeded?)))
    }

    /// The smallest TTL that was answered.
    pub fn answered_from(&self) -> Option<u8> {
        self.by_ttl
            .iter()
            .find_map(|(ttl, drew)| drew.answered.then_some(*ttl))
    }

    /// Who refuses, how far away he is, and with what error: the TTL of his own time-exceeded, else the smallest TTL that is refused.
    pub fn refused_at(&self) -> Option<(u8, (IpAddr, u8, u8))> {
        let (first, error) = self
            .by_ttl
            .iter()
            .find_map(|(ttl, drew)| Some((*ttl, drew.refused?)))?;
        let own = self.routers().find(|(_, router)| *router == error.0);
        Some((own.map_or(first, |(ttl, _)| ttl), error))
    }

    /// Routers that were seen.
    pub fn routers(&self) -> impl Iterator<Item = (u8, IpAddr)> + '_ {
        self.by_ttl
            .iter()
            .filter_map(|(ttl, drew)| Some((*ttl, drew.exceeded?)))
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkStep {
    /// Send with this TTL.
    Send(u8),
    /// Nothing before that time.
    Wait(Timestamp),
    /// All rounds are done.
    Over,
}

/// A walk under way.
#[derive(Clone, Debug)]
pub struct Walk {
    ttls: Vec<u8>,
    rounds: u8,
    /// Still to be sent in this round, the next one last.
    queue: Vec<u8>,
    round: u8,
    last: Option<Timestamp>,
    trail: Trail,
}

impl Walk {
    /// TTLs from 1 to `farthest`; those that draw nothing are tried `rounds` times.
    pub fn new(farthest: u8, rounds: u8) -> Walk {
        Walk {
            ttls: (1..=farthest).collect(),
            rounds: rounds.max(1),
            queue: Vec::new(),
            round: 0,
            last: None,
            trail: Trail::default(),
        }
    }

    /// What to do now.
    pub fn step(&mut self, now: Timestamp) -> WalkStep {
        if self.queue.is_empty() {
            let next = self.last.map_or(now, |last| last.plus(ROUND));
            let silent: Vec<u8> = self
                .ttls
                .iter()
                .rev()
                .copied()
                .filter(|ttl| !self.trail.at(*ttl).is_some_and(Drew::anything))
                .collect();
            if silent.is_empty() && self.last.is_none_or(|last| now.since(last) >= ROUND) {
                return WalkStep::Over;
            }
            if now < next {
                return WalkStep::Wait(next);
            }
            if self.round >= self.rounds {
                return WalkStep::Over;
            }
            self.round = self.round.saturating_add(1);
            self.queue = silent;
        }
        let next = self.last.map_or(now, |last| last.plus(PACE));
        if now < next {
            return WalkStep::Wait(next);
        }
        match self.queue.pop() {
            Some(ttl) => {
                self.last = Some(now);
                self.trail.note(ttl);
                WalkStep::Send(ttl)
            }
            None => WalkStep::Over,
        }
    }

    /// Where to write down what a TTL drew; `None` for a TTL that was never sent.
    pub fn heard(&mut self, ttl: u8) -> Option<&mut Drew> {
        self.trail.by_ttl.get_mut(&ttl)
    }

    /// What it came to.
    pub fn trail(self) -> Trail {
        self.trail
    }
}

/// Where questions vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vanishing {
    /// The farthest router that forwarded them or at least received them.
    pub after_hop: u8,
    /// Its address.
    pub address: IpAddr,
    /// How far pings get: the TTL of the farthest router or of the resolver's own answer.
    pub pings_reach: u8,
    /// Pings are answered by the resolver itself.
    pub host_answers: bool,
    /// The TTL of a ping runs out in a router beyond.
    pub router_beyond: bool,
}

impl Vanishing {
    /// Whether what holds questions back is nearer than the resolver. Where pings met no router beyond, it may be the resolver itself.
    pub fn is_between(self) -> bool {
        self.router_beyond || !self.host_answers
    }
}

/// Where questions vanish while pings to the same address get further; `None` when nothing gets further, or no router says anything.
pub fn vanishing(questions: &Trail, pings: &Trail) -> Option<Vanishing> {
    if questions.answered_from().is_some() {
        return None;
    }
    let (after_hop, address) = questions.farthest()?;
    let answered = pings.answered_from();
    let pings_reach = answered.or(pings.farthest().map(|(ttl, _)| ttl))?;
    (pings_reach > after_hop).then_some(Vanishing {
        after_hop,
        address,
        pings_reach,
        host_answers: answered.is_some(),
        router_beyond: pings.farthest().is_some_and(|(ttl, _)| ttl > after_hop),
    })
}

/// Who answers in the resolver's name: the smallest TTL that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impostor {
    /// Its distance.
    pub hop: u8,
    /// The router at that distance as pings show it.
    pub address: Option<IpAddr>,
    /// How far the resolver is at least.
    pub resolver_at_least: u8,
    /// Routers that said the question itself had ended there while it was answered.
    pub both: bool,
}

/// Whether an answer came although its question cannot have reached the resolver.
///
/// Certain when a router says that the very question ended with it, or when pings with that TTL, or a larger one, end at a router. The paths of
/// pings and questions may differ in length by one: that is not enough.
pub fn impostor(questions: &Trail, pings: &Trail) -> Option<Impostor> {
    let first = questions.answered_from()?;
    let both = questions
        .by_ttl
        .values()
        .any(|drew| drew.answered && drew.exceeded.is_some());
    let farthest = pings.farthest().map_or(0, |(ttl, _)| ttl);
    let resolver_at_least = pings.answered_from().unwrap_or(farthest.saturating_add(1));
    // A device that looks at packets when it sends them on tells of their end one hop sooner than it answers: the TTL left in its answer says which hop it is.
    let before = first.saturating_sub(1);
    let says_ended = questions
        .at(before)
        .is_some_and(|drew| drew.exceeded.is_some());
    let is_before = questions
        .at(first)
        .and_then(|drew| drew.sender_distance)
        .is_some_and(|distance| distance.saturating_add(1) == before);
    let hop = if says_ended && is_before {
        before
    } else {
        first
    };
    // The way back of one host's answers is one way: that a nearer one answers questions shows in their TTL as well.
    let from_elsewhere = || {
        let away = |drew: Option<&Drew>| drew.and_then(|drew| drew.sender_distance);
        let pinged = pings.answered_from().and_then(|ttl| away(pings.at(ttl)));
        away(questions.at(first))
            .zip(pinged)
            .is_some_and(|(asked, pinged)| asked != pinged)
    };
    let far = |from: u8| resolver_at_least >= from.saturating_add(2);
    let is_sure = both || far(first) || far(hop) && from_elsewhere();
    if !is_sure {
        return None;
    }
    Some(Impostor {
        hop,
        address: pings.at(hop).and_then(|drew| drew.exceeded),
        resolver_at_least: resolver_at_least.max(hop.saturating_add(1)),
        both,
    })
}

/// Who refuses in the resolver's name although pings need a larger TTL to get to the resolver, and come back from farther away: its
/// distance, and the router there. Two ways may differ by a hop; that both measures do so in the same direction is one host's doing and
/// not the other's.
pub fn refused_nearer(questions: &Trail, pings: &Trail) -> Option<(u8, Option<IpAddr>)> {
    let (hop, _) = questions.refused_at()?;
    let host = pings.answered_from()?;
    let away = |drew: Option<&Drew>| drew.and_then(|drew| drew.sender_distance);
    let refused = questions
        .by_ttl
        .values()
        .find(|drew| drew.refused.is_some());
    let nearer = away(refused) < away(pings.at(host)) && away(refused).is_some();
    let router = pings.at(hop).and_then(|drew| drew.exceeded);
    // A router answers a ping with that TTL: it does not get to the resolver.
    (hop < host && nearer && router.is_some()).then_some((hop, router))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Trail, Walk, WalkStep, impostor, refused_nearer, vanishing};
    use crate::base::{MILLISECOND, SECOND, Timestamp};

    fn router(hop: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, hop])
    }

    /// What hop does to a TTL: `Some(true)` answers, `Some(false)` time-exceeded.
    fn walk(farthest: u8, path: impl Fn(u8, u32) -> Option<bool>) -> (Trail, Vec<(i64, u8)>) {
        let mut walk = Walk::new(farthest, 3);
        let (mut now, mut sent) = (Timestamp(0), Vec::new());
        loop {
            match walk.step(now) {
                WalkStep::Send(ttl) => {
                    sent.push((now.0, ttl));
                    let nth = sent.iter().filter(|(_, other)| *other == ttl).count() as u32;
                    let answer = path(ttl, nth);
                    if let (Some(answer), Some(drew)) = (answer, walk.heard(ttl)) {
                        match answer {
                            true => drew.answered = true,
                            false => drew.exceeded = Some(router(ttl)),
                        }
                    }
                }
                WalkStep::Wait(until) => now = until,
                WalkStep::Over => return (walk.trail(), sent),
            }
            assert!(now.0 < 20 * SECOND, "it ends");
        }
    }

    #[test]
    fn a_drop_behind_the_second_hop_is_placed_there() {
        let (questions, _) = walk(5, |ttl, _| (ttl <= 2).then_some(false));
        let (pings, _) = walk(5, |ttl, _| Some(ttl >= 5));
        let place = vanishing(&questions, &pings).expect("a place");
        assert_eq!((place.after_hop, place.address), (2, router(2)));
        assert!(place.host_answers && place.pings_reach == 5);
        assert!(place.is_between());
    }

    #[test]
    fn where_no_router_beyond_speaks_it_may_be_the_host() {
        let (questions, _) = walk(5, |ttl, _| (ttl <= 2).then_some(false));
        // Hops 3 and 4 say nothing of pings either.
        let (pings, _) = walk(5, |ttl, _| match ttl {
            3 | 4 => None,
            _ => Some(ttl >= 5),
        });
        let place = vanishing(&questions, &pings).expect("a place");
        assert_eq!((place.after_hop, place.pings_reach), (2, 5));
        assert!(!place.is_between());
    }

    #[test]
    fn silent_routers_mislead_nobody() {
        // Hop 3 never says anything, to nobody: nothing is blamed behind it.
        let (questions, _) = walk(5, |ttl, _| match ttl {
            3 => None,
            5 => Some(true),
            _ => Some(false),
        });
        assert_eq!(vanishing(&questions, &questions), None);
        // Everything ends at the same place: no difference, no place.
        let (all, _) = walk(8, |ttl, _| (ttl <= 2).then_some(false));
        assert_eq!(vanishing(&all, &all), None);
    }

    #[test]
    fn what_is_lost_once_is_sent_again() {
        let (trail, sent) = walk(4, |ttl, nth| match ttl {
            2 if nth < 3 => None,
            4 => Some(true),
            _ => Some(false),
        });
        assert_eq!(trail.farthest(), Some((3, router(3))));
        assert_eq!(trail.at(2).and_then(|drew| drew.exceeded), Some(router(2)));
        let twos: Vec<i64> = sent
            .iter()
            .filter(|(_, ttl)| *ttl == 2)
            .map(|(at, _)| *at)
            .collect();
        assert_eq!(twos.len(), 3);
        assert!(
            twos.windows(2)
                .all(|two| two[1] - two[0] >= 500 * MILLISECOND)
        );
    }

    #[test]
    fn who_answers_too_early_is_no_resolver() {
        let (questions, _) = walk(5, |ttl, _| Some(ttl >= 2));
        let (pings, _) = walk(5, |ttl, _| Some(ttl >= 5));
        let found = impostor(&questions, &pings).expect("an impostor");
        assert_eq!((found.hop, found.address), (2, Some(router(2))));
        assert_eq!(found.resolver_at_least, 5);
        // One hop less is a branch of another length, or a load balancer.
        let (near, _) = walk(5, |ttl, _| Some(ttl >= 4));
        assert_eq!(impostor(&near, &pings), None);
    }

    #[test]
    fn who_looks_at_packets_on_their_way_out_is_one_hop_nearer() {
        let (mut questions, _) = walk(5, |ttl, _| Some(ttl >= 3));
        let (pings, _) = walk(5, |ttl, _| Some(ttl >= 5));
        questions.note(3).sender_distance = Some(1);
        let found = impostor(&questions, &pings).expect("an impostor");
        assert_eq!((found.hop, found.address), (2, Some(router(2))));
        questions.note(3).sender_distance = Some(2);
        assert_eq!(impostor(&questions, &pings).map(|found| found.hop), Some(3));
    }

    #[test]
    fn a_refusal_is_as_far_as_its_senders_own_time_exceeded() {
        let mut trail = Trail::default();
        trail.note(1).exceeded = Some(router(1));
        trail.note(2).exceeded = Some(router(2));
        trail.note(3).refused = Some((router(2), 3, 13));
        assert_eq!(trail.refused_at().map(|(hop, _)| hop), Some(2));
        trail.note(3).refused = Some((router(9), 3, 13));
        assert_eq!(trail.refused_at().map(|(hop, _)| hop), Some(3));
    }

    /// Hop 1 sends questions to itself, where nothing listens; the resolver is at hop 2, or is hop 1 itself.
    #[test]
    fn who_refuses_from_nearer_than_pings_answer_is_no_resolver() {
        let resolver = IpAddr::from([192, 0, 2, 53]);
        let mut questions = Trail::default();
        let refused = questions.note(1);
        refused.refused = Some((resolver, 3, 3));
        refused.sender_distance = Some(0);
        let mut pings = Trail::default();
        pings.note(1).exceeded = Some(router(1));
        let host = pings.note(2);
        host.answered = true;
        host.sender_distance = Some(1);
        assert_eq!(
            refused_nearer(&questions, &pings),
            Some((1, Some(router(1))))
        );
        // The same distance back: a way there that is a hop shorter.
        pings.note(2).sender_distance = Some(0);
        assert_eq!(refused_nearer(&questions, &pings), None);
        let mut near = Trail::default();
        near.note(1).answered = true;
        near.note(1).sender_distance = Some(0);
        assert_eq!(refused_nearer(&questions, &near), None);
        // No ping was answered: nothing to hold it against.
        assert_eq!(refused_nearer(&questions, &Trail::default()), None);
    }

    #[test]
    fn answered_and_ended_at_once_is_certain() {
        let mut questions = Trail::default();
        questions.note(1).exceeded = Some(router(1));
        questions.note(1).answered = true;
        let found = impostor(&questions, &Trail::default()).expect("an impostor");
        assert!(found.both && found.hop == 1);
    }
}
