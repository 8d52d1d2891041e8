//! How much is lost, whether in bursts or by the clock, and from which hop on.
//!
//! A series ends when its 95 % interval lies on one side of what counts as a fault (3 %, as for segments of a connection), or at
//! its bound. A router that answers seldom is no loss as long as those behind it answer: only what persists to the end counts.

use crate::base::{Nanos, Timestamp};
use crate::probe::stats::wilson;

/// The share of lost packets from which a path is degraded (verdicts.md, path.loss).
pub const DEGRADED: f64 = 0.03;
/// Packets of a series at least: fewer say that something is lost, but not where.
const LEAST: u32 = 60;
/// Losses that make a pattern at least.
const PATTERN: usize = 5;

/// What came of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// When it left.
    pub at: Timestamp,
    /// It was answered.
    pub answered: bool,
}

/// A rate with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Lost.
    pub lost: u32,
    /// Sent.
    pub sent: u32,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Rate {
    /// Of counts.
    pub fn of(lost: u32, sent: u32) -> Rate {
        let (low, high) = wilson(lost, sent);
        Rate {
            lost,
            sent,
            low,
            high,
        }
    }

    /// Lost of sent, 0–1.
    pub fn share(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.sent.max(1))
    }

    /// In words: `7/60 (5.8–22.2 %)`.
    pub fn says(&self) -> String {
        format!(
            "{}/{} ({:.1}–{:.1} %)",
            self.lost,
            self.sent,
            self.low * 100.0,
            self.high * 100.0
        )
    }
}

/// Whether a series says enough.
pub fn is_enough(rate: &Rate, most: u32) -> bool {
    rate.sent >= most || rate.sent >= LEAST && (rate.low >= DEGRADED || rate.high < DEGRADED)
}

/// What the order of losses shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// Nothing that chance would not do.
    Random,
    /// In bursts of so many packets on average.
    Bursts {
        /// Packets of a burst, on average.
        length: f64,
        /// Bursts.
        count: u32,
    },
    /// Every n-th packet.
    Every(usize),
    /// Bursts that come back after so long.
    Period(Nanos),
}

impl Pattern {
    /// In words; nothing for chance.
    pub fn says(&self) -> Option<String> {
        Some(match self {
            Pattern::Random => return None,
            Pattern::Bursts { length, count } => {
                format!("in {count} bursts of {length:.1} packets on average")
            }
            Pattern::Every(n) => format!("every {n}th packet, like clockwork"),
            Pattern::Period(time) => format!("every {:.1} s", *time as f64 / 1e9),
        })
    }
}

/// Looks for a pattern in packets that left at a steady pace.
pub fn pattern(fates: &[Fate]) -> Pattern {
    let lost: Vec<usize> = (0..fates.len())
        .filter(|at| fates.get(*at).is_some_and(|fate| !fate.answered))
        .collect();
    if lost.len() < PATTERN {
        return Pattern::Random;
    }
    let gaps: Vec<usize> = lost
        .iter()
        .zip(lost.iter().skip(1))
        .map(|(a, b)| b - a)
        .collect();
    let first = gaps.first().copied().unwrap_or(0);
    // A random process seldom keeps one distance: with 5 losses of 10 % about once in 10,000 series.
    if first > 1
        && gaps.iter().all(|gap| gap % first == 0)
        && gaps.iter().filter(|gap| **gap == first).count() * 5 >= gaps.len() * 4
    {
        return Pattern::Every(first);
    }
    // Wald and Wolfowitz (1940): losses that chance spreads over `kept + 1` gaps make so many runs; far fewer are bursts.
    let bursts: Vec<(usize, usize)> = runs(&lost);
    let (n, l) = (fates.len() as f64, lost.len() as f64);
    let kept = n - l;
    let expected = l * (kept + 1.0) / n;
    let spread = (l * (l - 1.0) * kept * (kept + 1.0) / (n * n * (n - 1.0))).sqrt();
    let fewer = bursts.len() as f64 + 3.3 * spread.max(0.3) < expected;
    if !fewer {
        return Pattern::Random;
    }
    if let Some(time) = period(fates, &bursts) {
        return Pattern::Period(time);
    }
    Pattern::Bursts {
        length: l / bursts.len() as f64,
        count: bursts.len() as u32,
    }
}

/// Neighbouring losses as (first, count).
fn runs(lost: &[usize]) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> = Vec::new();
    for at in lost {
        match all.last_mut() {
            Some((first, count)) if *first + *count == *at => *count += 1,
            _ => all.push((*at, 1)),
        }
    }
    all
}

/// The time between bursts, where it is always about the same.
fn period(fates: &[Fate], bursts: &[(usize, usize)]) -> Option<Nanos> {
    let times: Vec<Nanos> = bursts
        .iter()
        .filter_map(|(first, _)| Some(fates.get(*first)?.at.0))
        .collect();
    let gaps: Vec<Nanos> = times
        .iter()
        .zip(times.iter().skip(1))
        .map(|(a, b)| b - a)
        .collect();
    if gaps.len() < 3 {
        return None;
    }
    let mean = gaps.iter().sum::<Nanos>() / gaps.len() as Nanos;
    let steady = gaps.iter().all(|gap| (gap - mean).abs() * 10 <= mean);
    steady.then_some(mean)
}

/// How much likelier the best place has to be than any other: a hundred times.
const MARGIN: f64 = 4.6;

/// The hop behind which the loss begins: up to it (almost) nothing is lost, from there on as much as on the whole way. None
/// where that is not a hundred times likelier than any other place. `hops`: (TTL, lost, sent).
pub fn begins_after(whole: &Rate, hops: &[(u8, u32, u32)]) -> Option<u8> {
    let quiet = seldom(whole, hops);
    let mut ladder: Vec<(u8, u32, u32)> = hops
        .iter()
        .filter(|(ttl, _, sent)| *sent >= 10 && !quiet.contains(ttl))
        .copied()
        .collect();
    ladder.sort_unstable();
    ladder.push((u8::MAX, whole.lost, whole.sent));
    let likelihood = |at: usize| {
        let count = |part: &[(u8, u32, u32)]| {
            part.iter()
                .fold((0, 0), |(lost, sent), one| (lost + one.1, sent + one.2))
        };
        let (near, far) = ladder.split_at(at);
        let (before, after) = (count(near), count(far));
        let share = |(lost, sent): (u32, u32)| f64::from(lost) / f64::from(sent.max(1));
        // What is lost before is the routers' own reluctance, if anything.
        let fits = share(before) * 3.0 <= share(after);
        (log_likelihood(before) + log_likelihood(after), fits)
    };
    let all: Vec<(f64, bool)> = (0..ladder.len()).map(likelihood).collect();
    let (at, (best, fits)) = all
        .iter()
        .enumerate()
        .max_by(|(_, one), (_, other)| one.0.total_cmp(&other.0))?;
    let clear = all
        .iter()
        .enumerate()
        .all(|(other, (likely, _))| other == at || best - likely >= MARGIN);
    (at > 0 && *fits && clear).then(|| ladder.get(at - 1).map(|one| one.0))?
}

/// The logarithm of how likely such a count is at its own rate.
pub(super) fn log_likelihood((lost, sent): (u32, u32)) -> f64 {
    let (k, n) = (f64::from(lost), f64::from(sent));
    let term = |part: f64| {
        if part > 0.0 {
            part * (part / n).ln()
        } else {
            0.0
        }
    };
    term(k) + term(n - k)
}

/// Routers that answer more seldom than the whole way loses: they count their ICMP, and lose nothing.
pub fn seldom(whole: &Rate, hops: &[(u8, u32, u32)]) -> Vec<u8> {
    hops.iter()
        .filter(|(_, lost, sent)| *sent >= 10 && Rate::of(*lost, *sent).low > whole.high)
        .map(|(ttl, ..)| *ttl)
        .collect()
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg32;
    use rand_pcg::rand_core::Rng as _;

    use super::{DEGRADED, Fate, Pattern, Rate, begins_after, is_enough, pattern, seldom};
    use crate::base::{MILLISECOND, SECOND, Timestamp};

    fn series(count: usize, lost: impl Fn(usize) -> bool) -> Vec<Fate> {
        (0..count)
            .map(|at| Fate {
                at: Timestamp(at as i64 * 20 * MILLISECOND),
                answered: !lost(at),
            })
            .collect()
    }

    #[test]
    fn chance_has_no_pattern() {
        let mut patterns = 0;
        for seed in 0..300 {
            let mut random = Pcg32::new(seed, 9);
            let fates: Vec<bool> = (0..150).map(|_| random.next_u32() % 100 < 12).collect();
            patterns += u32::from(pattern(&series(150, |at| fates[at])) != Pattern::Random);
        }
        assert!(patterns <= 6, "{patterns} of 300");
    }

    #[test]
    fn clockwork_and_bursts_are_seen() {
        assert_eq!(pattern(&series(100, |at| at % 9 == 4)), Pattern::Every(9));
        let clock = pattern(&series(300, |at| at % 50 < 5));
        assert!(
            matches!(clock, Pattern::Period(time) if (time - SECOND).abs() < SECOND / 20),
            "{clock:?}"
        );
        let starts = [3usize, 40, 61, 118];
        let bursts = pattern(&series(150, |at| {
            starts.iter().any(|start| (*start..start + 6).contains(&at))
        }));
        assert_eq!(
            bursts,
            Pattern::Bursts {
                length: 6.0,
                count: 4
            }
        );
    }

    #[test]
    fn a_series_ends_when_it_says_enough() {
        let after = |lossy: f64, seed: u64| {
            let mut random = Pcg32::new(seed, 4);
            let (mut lost, mut sent) = (0, 0);
            loop {
                sent += 1;
                lost += u32::from(f64::from(random.next_u32()) / f64::from(u32::MAX) < lossy);
                let rate = Rate::of(lost, sent);
                if is_enough(&rate, 400) {
                    return rate;
                }
            }
        };
        let (mut wrong, mut packets) = (0, 0);
        for seed in 0..200 {
            wrong += u32::from(after(0.01, seed).low >= DEGRADED);
            packets = packets.max(after(0.3, seed).sent);
            assert!(after(0.3, seed).low >= DEGRADED);
        }
        assert!(wrong <= 4 && packets < 120, "{wrong} {packets}");
    }

    #[test]
    fn loss_that_persists_has_a_beginning_and_a_router_that_counts_has_none() {
        let whole = Rate::of(30, 100);
        let hops = [(1, 0, 30), (2, 1, 30), (3, 9, 30), (4, 10, 30)];
        assert_eq!(begins_after(&whole, &hops), Some(2));
        // As likely before the third as behind it: not said.
        let hops = [(1, 0, 30), (2, 1, 30), (3, 2, 12)];
        assert_eq!(begins_after(&Rate::of(6, 40), &hops), None);
        // Lost on the first link already.
        let hops = [(1, 9, 30), (2, 10, 30), (3, 9, 30)];
        assert_eq!(begins_after(&whole, &hops), None);
        let quiet = Rate::of(0, 100);
        let hops = [(1, 0, 30), (2, 24, 30), (3, 0, 30)];
        assert_eq!(
            (begins_after(&quiet, &hops), seldom(&quiet, &hops)),
            (None, vec![2])
        );
    }
}
