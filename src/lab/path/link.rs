//! A link of the path: how long it takes, what it loses, how much fits through.
//!
//! Each direction has its own queue and its own random numbers, drawn in the order of its packets, so
//! that the same seed and the same traffic give the same losses.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;
use serde::Deserialize;

use crate::base::{MILLISECOND, Nanos, SECOND};

/// A link's qualities, the same in both directions unless said otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkSpec {
    /// One-way delay in milliseconds.
    pub delay_ms: f64,
    /// Added to the delay: evenly between 0 and this many milliseconds. Never changes the order.
    pub jitter_ms: f64,
    /// Kilobits per second; without it there is no limit.
    pub bandwidth_kbit: Option<u32>,
    /// Milliseconds that may wait for a slow link before packets are dropped.
    pub queue_ms: f64,
    /// The largest IP packet in bytes.
    pub mtu: Option<u32>,
    /// What the router before the link says to a packet that is too large for it.
    pub too_big: TooBig,
    /// Losses.
    pub loss: Option<Loss>,
    /// Losses happen in this direction only.
    pub loss_toward: Option<super::packet::Toward>,
    /// The share of packets that are overtaken, and by how many milliseconds.
    pub reorder: Option<Chance>,
    /// The share of packets that arrive twice, and how many milliseconds apart.
    pub duplicate: Option<Chance>,
}

impl Default for LinkSpec {
    fn default() -> LinkSpec {
        LinkSpec {
            delay_ms: 1.0,
            jitter_ms: 0.0,
            bandwidth_kbit: None,
            queue_ms: 200.0,
            mtu: None,
            too_big: TooBig::Tell,
            loss: None,
            loss_toward: None,
            reorder: None,
            duplicate: None,
        }
    }
}

/// What a router does about a packet that does not fit and must not be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TooBig {
    /// It tells the sender the MTU.
    #[default]
    Tell,
    /// It says nothing: a black hole.
    Silent,
    /// It tells a wrong MTU (0 stands for routers older than RFC 1191).
    Bogus(u32),
}

/// How packets get lost.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Loss {
    /// Each packet with this probability (Bernoulli).
    Random(f64),
    /// In bursts (Gilbert-Elliott): probability to enter the bad state, to leave it, and of loss inside it.
    Burst {
        /// Good to bad, per packet.
        enter: f64,
        /// Bad to good, per packet.
        leave: f64,
        /// Loss while bad.
        bad: f64,
    },
    /// Every n-th packet, for captures that must show the same loss each time.
    Every(u64),
    /// Bursts that come for certain: of the packets longer than `longer_than` bytes, `lose` in a row after every `pass`.
    Train {
        /// Packets that pass between two bursts.
        pass: u64,
        /// Packets of a burst.
        lose: u64,
        /// Shorter packets always pass and are not counted.
        #[serde(default)]
        longer_than: usize,
    },
}

/// A share of the packets and a time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chance {
    /// Between 0 and 1.
    pub rate: f64,
    /// Milliseconds.
    pub by_ms: f64,
}

/// One direction of a link, with its state.
pub struct Lane {
    spec: LinkSpec,
    random: Pcg32,
    lossy: bool,
    bad: bool,
    count: u64,
    /// When the slow link has sent all it was given.
    free_at: Nanos,
    /// The latest arrival so far: order is kept.
    latest: Nanos,
}

/// Milliseconds as in a scenario, in nanoseconds.
pub fn millis(value: f64) -> Nanos {
    (value * MILLISECOND as f64) as Nanos
}

/// A number in [0, 1).
pub fn unit(random: &mut Pcg32) -> f64 {
    f64::from(random.next_u32()) / 4_294_967_296.0
}

impl Lane {
    /// A direction with its own stream of random numbers.
    pub fn new(spec: LinkSpec, lossy: bool, seed: u64, stream: u64) -> Lane {
        Lane {
            spec,
            random: Pcg32::new(seed, stream),
            lossy,
            bad: false,
            count: 0,
            free_at: 0,
            latest: 0,
        }
    }

    /// When a packet of `length` bytes that is sent at `now` arrives: never, once, or twice.
    pub fn send(&mut self, now: Nanos, length: usize) -> [Option<Nanos>; 2] {
        if self.loses(length) {
            return [None, None];
        }
        let mut leaves = now;
        if let Some(rate) = self.spec.bandwidth_kbit.filter(|rate| *rate > 0) {
            let starts = self.free_at.max(now);
            if starts - now > millis(self.spec.queue_ms) {
                return [None, None];
            }
            leaves = starts + (length as i64 * 8).saturating_mul(SECOND / 1000) / i64::from(rate);
            self.free_at = leaves;
        }
        let jitter = if self.spec.jitter_ms > 0.0 {
            millis(self.spec.jitter_ms * unit(&mut self.random))
        } else {
            0
        };
        let regular = (leaves + millis(self.spec.delay_ms) + jitter).max(self.latest);
        let arrives = match self.spec.reorder {
            Some(reorder) if unit(&mut self.random) < reorder.rate => {
                regular + millis(reorder.by_ms)
            }
            _ => {
                self.latest = regular;
                regular
            }
        };
        let again = match self.spec.duplicate {
            Some(twice) if unit(&mut self.random) < twice.rate => {
                Some(arrives + millis(twice.by_ms))
            }
            _ => None,
        };
        [Some(arrives), again]
    }

    fn loses(&mut self, length: usize) -> bool {
        if !self.lossy {
            return false;
        }
        match self.spec.loss {
            Some(Loss::Train { longer_than, .. }) if length <= longer_than => return false,
            _ => self.count += 1,
        }
        match self.spec.loss {
            None => false,
            Some(Loss::Random(rate)) => unit(&mut self.random) < rate,
            Some(Loss::Train { pass, lose, .. }) => {
                (self.count - 1) % pass.saturating_add(lose).max(1) >= pass
            }
            Some(Loss::Every(n)) => n > 0 && self.count.is_multiple_of(n),
            Some(Loss::Burst { enter, leave, bad }) => {
                let flips = unit(&mut self.random) < if self.bad { leave } else { enter };
                self.bad ^= flips;
                self.bad && unit(&mut self.random) < bad
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chance, Lane, LinkSpec, Loss};
    use crate::base::MILLISECOND;

    #[test]
    fn the_same_seed_loses_the_same_packets() {
        let fate = |seed| {
            let spec = LinkSpec {
                loss: Some(Loss::Burst {
                    enter: 0.1,
                    leave: 0.3,
                    bad: 0.9,
                }),
                ..LinkSpec::default()
            };
            let mut lane = Lane::new(spec, true, seed, 1);
            (0..200)
                .map(|n| lane.send(n, 100)[0].is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(fate(7), fate(7));
        assert_ne!(fate(7), fate(8));
        assert!(fate(7).iter().any(|arrived| !arrived));
    }

    #[test]
    fn a_train_of_losses_counts_large_packets_only() {
        let spec = LinkSpec {
            loss: Some(Loss::Train {
                pass: 3,
                lose: 2,
                longer_than: 500,
            }),
            ..LinkSpec::default()
        };
        let mut lane = Lane::new(spec, true, 1, 1);
        let mut passes = |length| lane.send(0, length)[0].is_some();
        let large: Vec<bool> = (0..7).map(|_| passes(1400) && passes(40)).collect();
        assert_eq!(large, [true, true, true, false, false, true, true]);
    }

    /// When each of a thousand packets arrives that are sent a millisecond apart.
    fn arrivals(spec: LinkSpec) -> Vec<[Option<i64>; 2]> {
        let mut lane = Lane::new(spec, true, 5, 1);
        (0..1_000)
            .map(|n| lane.send(n * MILLISECOND, 100))
            .collect()
    }

    #[test]
    fn chance_has_the_rate_that_was_asked_for() {
        let spec = LinkSpec {
            loss: Some(Loss::Random(0.2)),
            ..LinkSpec::default()
        };
        let lost = arrivals(spec).iter().filter(|a| a[0].is_none()).count();
        assert!(
            (150..250).contains(&lost),
            "{lost} of 1,000 at a rate of 0.2"
        );
    }

    #[test]
    fn bursts_lose_packets_in_a_row() {
        let spec = LinkSpec {
            loss: Some(Loss::Burst {
                enter: 0.02,
                leave: 0.25,
                bad: 1.0,
            }),
            ..LinkSpec::default()
        };
        let lost: Vec<bool> = arrivals(spec).iter().map(|a| a[0].is_none()).collect();
        let all = lost.iter().filter(|lost| **lost).count();
        let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!(runs > 5 && all > 2 * runs, "{all} losses in {runs} bursts");
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let shaky = LinkSpec {
            delay_ms: 10.0,
            jitter_ms: 5.0,
            ..LinkSpec::default()
        };
        let times: Vec<_> = arrivals(shaky).iter().filter_map(|a| a[0]).collect();
        assert!(times.is_sorted());
        assert!(times.windows(2).any(|pair| pair[1] - pair[0] > MILLISECOND));
        let overtaken = LinkSpec {
            reorder: Some(Chance {
                rate: 0.1,
                by_ms: 3.0,
            }),
            ..LinkSpec::default()
        };
        let times: Vec<_> = arrivals(overtaken).iter().filter_map(|a| a[0]).collect();
        let late = times.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!(
            (50..150).contains(&late),
            "{late} of 1,000 at a rate of 0.1"
        );
    }

    #[test]
    fn some_packets_come_twice() {
        let spec = LinkSpec {
            duplicate: Some(Chance {
                rate: 0.1,
                by_ms: 2.0,
            }),
            ..LinkSpec::default()
        };
        let times = arrivals(spec);
        let twice: Vec<_> = times.iter().filter_map(|a| Some((a[0]?, a[1]?))).collect();
        assert!((50..150).contains(&twice.len()), "{} of 1,000", twice.len());
        assert!(twice.iter().all(|(one, two)| two - one == 2 * MILLISECOND));
    }

    #[test]
    fn what_waits_too_long_for_a_slow_link_is_dropped() {
        let spec = LinkSpec {
            bandwidth_kbit: Some(8),
            queue_ms: 250.0,
            ..LinkSpec::default()
        };
        let mut lane = Lane::new(spec, false, 1, 1);
        let arrived: Vec<bool> = (0..5).map(|_| lane.send(0, 100)[0].is_some()).collect();
        assert_eq!(arrived, [true, true, true, false, false]);
    }

    #[test]
    fn a_slow_link_makes_packets_queue_up() {
        let mut lane = Lane::new(
            LinkSpec {
                delay_ms: 0.0,
                bandwidth_kbit: Some(8),
                ..LinkSpec::default()
            },
            false,
            1,
            1,
        );
        assert_eq!(lane.send(0, 100)[0], Some(100_000_000));
        assert_eq!(lane.send(0, 100)[0], Some(200_000_000));
    }
}
