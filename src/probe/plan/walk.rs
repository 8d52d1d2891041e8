//! Where a flow ends: what answers at each TTL, for the target's flow and a reference in lock-step.
//!
//! The comparison places the end, not a hop's silence: a router that complains to nobody says nothing about the target,
//! and one that complains seldom is asked again. Flows are fixed (Paris), so each sees one path. It refuses to name a
//! boundary that the reference did not cross.

use std::net::IpAddr;

use crate::base::Nanos;
use crate::engine::record::HopInfo;
use crate::engine::record::millis;
use crate::probe::stats::CERTAIN;

/// Distances that are walked at the most.
pub const FARTHEST: u8 = 30;
/// The distance of an answer whose TTL nobody saw: ordinary sockets do not tell it.
pub const UNSEEN: u8 = u8::MAX;

/// What came back for a probe with a certain TTL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// A router says that the TTL ran out.
    Exceeded(IpAddr),
    /// A SYN-ACK, or an echo or UDP answer: the host speaks.
    Open {
        /// Its hop distance by its TTL.
        distance: u8,
    },
    /// A RST.
    Reset {
        /// Its hop distance by its TTL.
        distance: u8,
        /// Its TOS or traffic class.
        tos: u8,
        /// Its IPv6 flow label.
        label: Option<u32>,
    },
    /// Another ICMP error.
    Refused {
        /// Who sent it.
        from: IpAddr,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
}

/// One distance of one flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rung {
    /// Probes sent.
    pub sent: u32,
    /// Time-exceeded that came.
    pub exceeded: u32,
    /// Who sent them first.
    pub router: Option<IpAddr>,
    /// Other routers that sent some.
    pub others: u32,
    /// The first other answer.
    pub end: Option<Heard>,
    /// How many other answers came.
    pub ends: u32,
    /// How many of them opened.
    pub opens: u32,
    /// The fastest answer.
    pub fastest: Option<Nanos>,
}

/// One flow's walk.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    rungs: Vec<Rung>,
}

impl Walk {
    fn rung(&mut self, ttl: u8) -> &mut Rung {
        let at = usize::from(ttl);
        if self.rungs.len() <= at {
            self.rungs.resize(at + 1, Rung::default());
        }
        &mut self.rungs[at]
    }

    /// The rung of a TTL.
    pub fn at(&self, ttl: u8) -> Option<&Rung> {
        self.rungs
            .get(usize::from(ttl))
            .filter(|rung| rung.sent > 0)
    }

    /// A probe left.
    pub fn sent(&mut self, ttl: u8) {
        self.rung(ttl).sent += 1;
    }

    /// Something came back.
    pub fn heard(&mut self, ttl: u8, heard: Heard, took: Nanos) {
        let rung = self.rung(ttl);
        rung.fastest = Some(rung.fastest.map_or(took, |known| known.min(took)));
        match heard {
            Heard::Exceeded(router) => {
                rung.exceeded += 1;
                match rung.router {
                    None => rung.router = Some(router),
                    Some(known) if known != router => rung.others += 1,
                    Some(_) => {}
                }
            }
            other => {
                rung.ends += 1;
                rung.opens += u32::from(matches!(other, Heard::Open { .. }));
                rung.end.get_or_insert(other);
            }
        }
    }

    /// The farthest router that complained.
    pub fn last_router(&self) -> Option<(u8, IpAddr)> {
        self.rungs
            .iter()
            .enumerate()
            .rev()
            .find_map(|(ttl, rung)| Some((ttl as u8, rung.router?)))
    }

    /// The smallest TTL that drew another answer than a time-exceeded.
    pub fn first_end(&self) -> Option<(u8, Heard)> {
        self.rungs
            .iter()
            .enumerate()
            .find_map(|(ttl, rung)| Some((ttl as u8, rung.end?)))
    }

    /// How many of the other answers, at any TTL, opened; and of how many.
    pub fn opened(&self) -> (u32, u32) {
        self.rungs.iter().fold((0, 0), |(opens, ends), rung| {
            (opens + rung.opens, ends + rung.ends)
        })
    }

    /// Whether answers surely begin at that TTL: one less draws a router's complaint, or nothing so often that at the rate at
    /// which this TTL is answered it is no loss.
    pub fn begins_at(&self, ttl: u8) -> bool {
        let Some(before) = ttl.checked_sub(1).and_then(|before| self.at(before)) else {
            return true;
        };
        let (answered, sent) = self
            .at(ttl)
            .map_or((0, 0), |rung| (answers(rung), rung.sent));
        let (low, _) = crate::probe::stats::wilson(answered, sent);
        let silent = i32::try_from(before.sent).unwrap_or(i32::MAX);
        before.exceeded > 0 || (1.0 - low).powi(silent) < CERTAIN
    }

    /// The distance at which a router has that address.
    pub fn distance_of(&self, address: IpAddr) -> Option<u8> {
        self.rungs
            .iter()
            .position(|rung| rung.router == Some(address))
            .map(|ttl| ttl as u8)
    }

    /// A router that complains at two distances with another one between: the packet went round. The same one at every distance is a
    /// device that makes each TTL run out there, and nothing goes round.
    pub fn circle(&self) -> Option<(u8, u8, IpAddr)> {
        for (near, one) in self.rungs.iter().enumerate() {
            let Some(router) = one.router else { continue };
            let mut between = false;
            for (far, other) in self.rungs.iter().enumerate().skip(near + 1) {
                match other.router {
                    Some(known) if known != router => between = true,
                    Some(_) if between && other.exceeded > 0 => {
                        return Some((near as u8, far as u8, router));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// For the report.
    pub fn hops(&self) -> Vec<HopInfo> {
        let end = self.first_end().map_or(u8::MAX, |(ttl, _)| ttl);
        self.rungs
            .iter()
            .enumerate()
            .filter(|(ttl, rung)| rung.sent > 0 && *ttl <= usize::from(end))
            .map(|(ttl, rung)| {
                let answered = (rung.exceeded + rung.ends).min(rung.sent);
                HopInfo {
                    ttl: ttl as u8,
                    address: rung.router.map(|router| router.to_string()),
                    rtt_ms: rung.fastest.map(millis),
                    loss: Some(
                        (f64::from(rung.sent - answered) / f64::from(rung.sent) * 1e4).round()
                            / 1e4,
                    ),
                    sent: rung.sent,
                    answered,
                }
            })
            .collect()
    }
}

/// Where the target's flow ends, as against the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Boundary {
    /// The last distance that the target's packets surely reached; 0 when no router complained.
    pub after_hop: u8,
    /// The router there.
    pub router: Option<IpAddr>,
    /// Target probes that it forwarded or answered, of those sent.
    pub forwarded: (u32, u32),
    /// The first distance beyond that answers the reference, and how often it answered reference and target.
    pub beyond: Option<Beyond>,
    /// Enough was sent that chance is excluded.
    pub sure: bool,
}

/// What lies behind a boundary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beyond {
    /// Its distance.
    pub ttl: u8,
    /// Its address; `None` for the host itself.
    pub router: Option<IpAddr>,
    /// Reference probes answered, sent.
    pub reference: (u32, u32),
    /// Target probes sent; none was answered.
    pub target: u32,
}

fn answers(rung: &Rung) -> u32 {
    (rung.exceeded + rung.ends).min(rung.sent)
}

/// Compares two walks to a target that never answers.
pub fn boundary(target: &Walk, reference: &Walk) -> Boundary {
    let last = target.last_router();
    let after_hop = last.map_or(0, |(ttl, _)| ttl);
    let at = target.at(after_hop).cloned().unwrap_or_default();
    let beyond = (after_hop + 1..=FARTHEST).find_map(|ttl| {
        let rung = reference.at(ttl).filter(|rung| answers(rung) > 0)?;
        Some(Beyond {
            ttl,
            router: rung.router.filter(|_| rung.exceeded > 0),
            reference: (answers(rung), rung.sent),
            target: target.at(ttl).map_or(0, |rung| rung.sent),
        })
    });
    // What the reference gets answered there is the rate at which the target would be.
    let sure = beyond.is_some_and(|beyond| {
        let (low, _) = crate::probe::stats::wilson(beyond.reference.0, beyond.reference.1);
        beyond.target >= 3
            && (1.0 - low).powi(i32::try_from(beyond.target).unwrap_or(i32::MAX)) < CERTAIN * 4.0
    });
    Boundary {
        after_hop,
        router: last.map(|(_, router)| router),
        forwarded: (at.exceeded.min(at.sent), at.sent),
        beyond,
        sure,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{Heard, Walk, boundary};

    fn router(ttl: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, ttl))
    }

    /// A walk of `rounds` over a path of `length` hops that ends after `dies`; silent hops never complain.
    fn walk(length: u8, dies: Option<u8>, silent: &[u8], rounds: u32) -> Walk {
        let mut walk = Walk::default();
        for _ in 0..rounds {
            for ttl in (1..=length + 1).rev() {
                walk.sent(ttl);
                let passes = dies.is_none_or(|hop| ttl <= hop);
                if !passes || silent.contains(&ttl) {
                    continue;
                }
                let heard = if ttl > length {
                    Heard::Open { distance: length }
                } else {
                    Heard::Exceeded(router(ttl))
                };
                walk.heard(ttl, heard, 1_000_000);
            }
        }
        walk
    }

    #[test]
    fn the_boundary_is_where_the_reference_goes_on() {
        let found = boundary(&walk(5, Some(2), &[], 6), &walk(5, None, &[], 6));
        assert_eq!((found.after_hop, found.router), (2, Some(router(2))));
        assert_eq!(found.beyond.map(|beyond| beyond.ttl), Some(3));
        assert!(found.sure);
    }

    #[test]
    fn a_silent_hop_is_no_boundary() {
        let found = boundary(&walk(5, Some(3), &[4], 6), &walk(5, None, &[4], 6));
        assert_eq!(found.after_hop, 3);
        assert_eq!(found.beyond.map(|beyond| beyond.ttl), Some(5));
        // Hop 3 is silent to both: the last that surely got through is 2.
        let found = boundary(&walk(5, Some(3), &[3], 6), &walk(5, None, &[3], 6));
        assert_eq!(found.after_hop, 2);
    }

    #[test]
    fn without_a_reference_beyond_nothing_is_sure() {
        let found = boundary(&walk(5, Some(2), &[], 6), &walk(5, Some(2), &[], 6));
        assert_eq!((found.beyond, found.sure), (None, false));
    }

    #[test]
    fn answers_begin_where_one_hop_less_is_not_lost() {
        let mut walk = Walk::default();
        let reset = Heard::Reset {
            distance: 4,
            tos: 0,
            label: None,
        };
        let rounds = |walk: &mut Walk, count: u32, answered: u32| {
            for at in 0..count {
                walk.sent(3);
                walk.sent(4);
                if at < answered {
                    walk.heard(4, reset, 1);
                }
            }
        };
        // A third of the packets lost each way: eleven unanswered ones may all be lost.
        rounds(&mut walk, 11, 5);
        assert!(!walk.begins_at(4));
        rounds(&mut walk, 30, 14);
        assert!(walk.begins_at(4));
        let mut heard = Walk::default();
        rounds(&mut heard, 2, 2);
        assert!(!heard.begins_at(4));
        heard.heard(3, Heard::Exceeded(router(3)), 1);
        assert!(heard.begins_at(4));
    }

    #[test]
    fn a_port_that_opens_for_some_is_counted() {
        let mut walk = Walk::default();
        let reset = Heard::Reset {
            distance: 2,
            tos: 0,
            label: None,
        };
        for heard in [reset, Heard::Open { distance: 2 }, reset] {
            walk.sent(3);
            walk.heard(3, heard, 1);
        }
        walk.sent(2);
        walk.heard(2, Heard::Exceeded(router(2)), 1);
        assert_eq!(walk.opened(), (1, 3));
    }

    #[test]
    fn a_packet_that_goes_round_is_seen_twice() {
        let mut round = Walk::default();
        for (ttl, hop) in [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3)] {
            round.sent(ttl);
            round.heard(ttl, Heard::Exceeded(router(hop)), 1);
        }
        assert_eq!(round.circle(), Some((2, 4, router(2))));
        assert_eq!(walk(5, None, &[], 2).circle(), None);
    }

    #[test]
    fn one_router_at_every_distance_is_no_circle() {
        let mut walk = Walk::default();
        for (ttl, hop) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)] {
            walk.sent(ttl);
            walk.heard(ttl, Heard::Exceeded(router(hop)), 1);
        }
        assert_eq!(walk.circle(), None);
    }
}
