//! Which explanation fits that some SYNs of a client to a port were answered and others were not.
//!
//! Each explanation says of every SYN, in order and with what was answered before it, whether an answer was to come; how well all
//! of it fits is a likelihood. A limit has to explain the whole better than each of its rivals:
//! chance and outages of any length, outages that come back by the clock, a fate by port number, too many connections open, a queue that is full, a firewall that
//! remembers an older clock. It makes no claim: the rules for `tcp.rate-limited` and `path.split` ask it.

use crate::base::{Nanos, SECOND, Timestamp};
use crate::diagnosis::handshake::{Fate, Handshake};

/// The natural logarithm of 1,000: how much likelier an explanation has to be than any other.
pub const LIKELIER: f64 = 6.908;
/// SYNs that are weighed at the most.
const TRIES: usize = 512;
/// How often an explanation that is true errs about one SYN: a token's clock and the capture's are not the same, a packet is lost.
const ERRS: f64 = 0.02;
/// The most that a limit lets through at once, or in its window.
const AT_ONCE: u32 = 50;
/// What a bucket holds.
const BURSTS: [u32; 17] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, AT_ONCE,
];
/// Seconds in which a limit counts.
const WINDOWS: [i64; 13] = [1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 300, 600, 3_600];
/// Silences that come back by the clock last as long at the least.
const SHORTEST: Nanos = 4 * SECOND;
/// Periods that are tried between the first silence and the last.
const PERIODS: i64 = 24;
/// Errors after which an explanation is given up.
const HOPELESS: u32 = 24;

/// How well each explanation fits: natural logarithms of likelihoods.
#[derive(Clone, Copy, Debug)]
pub struct Explanations {
    /// A limit on new connections, averaged over its rates and bursts.
    pub limit: f64,
    /// The limit that fits best: at once, and seconds until the next one.
    pub best: (u32, f64),
    /// Chance, and outages of any length.
    pub chance: f64,
    /// Outages that come back by the clock (a job, a restart, a route that flaps): such as last some seconds.
    pub clockwork: f64,
    /// A connection's fate goes by its port numbers.
    pub port: f64,
    /// Too many connections were open, or waited to be accepted.
    pub crowd: f64,
    /// A device that compares time stamps of one address.
    pub clock: f64,
    /// How often a SYN that was answered follows one that was not.
    pub returns: usize,
}

/// One SYN.
#[derive(Clone, Copy, Debug)]
struct Try {
    at: Timestamp,
    answered: bool,
    /// Connections of the same client to the port at that moment that were open, that had not heard the server's first byte since their
    /// SYN, and since their SYN-ACK.
    crowd: [u32; 3],
    /// An earlier connection from the same address had a later time stamp.
    stale: bool,
}

impl Explanations {
    /// Of all connections of one client to one port, in the order of their SYNs.
    pub fn of(handshakes: &[Handshake]) -> Explanations {
        let tries = tries(handshakes);
        let chance = chance(&tries);
        let crowd = (0..3_usize)
            .map(|kind| {
                best_threshold(
                    tries
                        .iter()
                        .map(|one| (one.crowd.get(kind).copied().unwrap_or(0), one.answered)),
                )
            })
            .fold(f64::NEG_INFINITY, f64::max);
        let clock = fits(
            tries.iter().filter(|one| one.stale == one.answered).count(),
            tries.len(),
        );
        let (limit, best) = limit(&tries);
        Explanations {
            limit,
            best,
            chance,
            clockwork: clockwork(&tries),
            port: by_port(handshakes),
            crowd,
            clock,
            returns: tries
                .iter()
                .zip(tries.iter().skip(1))
                .filter(|(before, after)| !before.answered && after.answered)
                .count(),
        }
    }

    /// A limit is a thousand times likelier than anything else.
    pub fn is_limit(&self) -> bool {
        let rival = self.outage().max(self.port).max(self.crowd).max(self.clock);
        self.limit - rival >= LIKELIER
    }

    /// How well times of silence fit that come whoever asks, by chance or by the clock.
    pub fn outage(&self) -> f64 {
        self.chance.max(self.clockwork)
    }
}

/// The likelihood of an explanation that errs that often.
fn fits(wrong: usize, of: usize) -> f64 {
    let wrong = wrong as f64;
    wrong * ERRS.ln() + (of as f64 - wrong) * (1.0 - ERRS).ln()
}

/// Every SYN, in order.
fn tries(handshakes: &[Handshake]) -> Vec<Try> {
    let mut all: Vec<Try> = Vec::new();
    for one in handshakes {
        let last = one.last_syn();
        for syn in one.syns() {
            if all.len() >= TRIES {
                break;
            }
            all.push(Try {
                at: syn.time,
                answered: one.is_answered() && syn == last,
                crowd: crowd(handshakes, one, syn.time),
                stale: is_stale(handshakes, one),
            });
        }
    }
    all.sort_by_key(|one| one.at);
    all
}

fn crowd(handshakes: &[Handshake], own: &Handshake, at: Timestamp) -> [u32; 3] {
    let mut crowd = [0_u32; 3];
    for other in handshakes.iter().filter(|other| other.number != own.number) {
        let Fate::Answered {
            at: answer,
            greeted,
            over,
        } = other.fate
        else {
            continue;
        };
        let until = |end: Option<Timestamp>| end.is_none_or(|end| end > at);
        let asked = other.last_syn().time <= at;
        let waits = until(greeted) && until(over);
        let is = [
            asked && until(over),
            asked && waits,
            answer.time <= at && waits,
        ];
        for (count, is) in crowd.iter_mut().zip(is) {
            *count += u32::from(is);
        }
    }
    crowd
}

/// Linux before 4.12 with tcp_tw_recycle, and firewalls, refuse a SYN whose time stamp is older than the last one of its address
/// (PAWS, RFC 7323 5; per host): of several clients behind one NAT only one clock gets in.
fn is_stale(handshakes: &[Handshake], own: &Handshake) -> bool {
    own.tsval.is_some_and(|tsval| {
        handshakes.iter().any(|other| {
            other.is_answered()
                && (0..=60 * SECOND).contains(&own.syn.time.since(other.syn.time))
                && other.number != own.number
                && other
                    .tsval
                    .is_some_and(|later| later != tsval && later.wrapping_sub(tsval) < 1 << 31)
        })
    })
}

/// Each connection is wholly alive or wholly dead, averaged over the share of both.
fn by_port(handshakes: &[Handshake]) -> f64 {
    let alive = handshakes.iter().filter(|one| one.is_answered()).count();
    let dead = handshakes.len().saturating_sub(alive);
    // The integral over all shares is 1 / ((n + 1) · (n over k)).
    let ways: f64 = (1..=alive)
        .map(|one| ((dead + one) as f64 / one as f64).ln())
        .sum();
    let whole = -((handshakes.len() + 1) as f64).ln() - ways;
    // An answer to a later SYN contradicts it, once for each SYN before.
    let late: usize = handshakes
        .iter()
        .filter(|one| one.is_answered())
        .map(|one| one.again.len())
        .sum();
    whole + late as f64 * ERRS.ln()
}

/// So many of one kind and of the other, at the best share for both.
pub fn share(some: f64, others: f64) -> f64 {
    let all = some + others;
    let part = |count: f64| {
        if count > 0.0 {
            count * (count / all).ln()
        } else {
            0.0
        }
    };
    part(some) + part(others)
}

/// Times of answers and times of silence that come and go by themselves: a Markov process in continuous time, averaged over its
/// rates. With fast rates it is loss by chance, with slow ones a service or a path that fails for a while, whatever the client does.
fn chance(tries: &[Try]) -> f64 {
    let mut fits = Vec::new();
    for speed in -14..=14_i32 {
        // Changes a second: from one in an hour to thousands.
        let speed = 2.0_f64.powi(speed);
        let kept: Vec<f64> = tries
            .iter()
            .zip(tries.iter().skip(1))
            .map(|(before, after)| {
                let apart = after.at.since(before.at).max(Nanos::from(100_000_i32));
                (-speed * apart as f64 / SECOND as f64).exp()
            })
            .collect();
        for dead in 1..20_i32 {
            let dead = f64::from(dead) / 20.0;
            let odds = |answered: bool| if answered { 1.0 - dead } else { dead };
            let mut sum = tries.first().map_or(0.0, |one| odds(one.answered).ln());
            for ((before, after), kept) in tries.iter().zip(tries.iter().skip(1)).zip(&kept) {
                let stays = if before.answered == after.answered {
                    *kept
                } else {
                    0.0
                };
                sum += (stays + (1.0 - kept) * odds(after.answered)).ln();
            }
            fits.push((sum, 1.0));
        }
    }
    average(&fits)
}

/// Silence comes back after the same time and lasts as long each time, whoever asks: the period and the share that fit best. Only
/// silences of seconds count, with an answered time between them that is no mere instant: else every pattern has a period.
fn clockwork(tries: &[Try]) -> f64 {
    let pairs = || tries.iter().zip(tries.iter().skip(1));
    let begun = || {
        pairs()
            .filter(|(before, after)| before.answered && !after.answered)
            .map(|(_, after)| after.at)
    };
    let (Some(first), Some(last)) = (begun().next(), begun().next_back()) else {
        return f64::NEG_INFINITY;
    };
    let span = last.since(first);
    // Where between two SYNs a silence began is not known.
    let loose = pairs()
        .filter(|(before, after)| before.answered && !after.answered)
        .map(|(before, after)| after.at.since(before.at))
        .max()
        .unwrap_or(0);
    let mut best = f64::NEG_INFINITY;
    for times in 1..=PERIODS.min(begun().count() as i64 * 2) {
        for step in -2..=2_i64 {
            let period = span.saturating_add(loose / 2 * step) / times;
            if period > SHORTEST
                && let Some(fit) = fits_arc(tries, first, period)
            {
                best = best.max(fit);
            }
        }
    }
    best
}

/// The best division of a period into a silent part and an answered one. That it begins and ends just between two SYNs is the less
/// likely the nearer they are.
fn fits_arc(tries: &[Try], from: Timestamp, period: Nanos) -> Option<f64> {
    let mut phases: Vec<(Nanos, bool)> = tries
        .iter()
        .map(|one| (one.at.since(from).rem_euclid(period), one.answered))
        .collect();
    phases.sort_unstable();
    // The stretch with the most silence less answers, over two rounds so that it may lie across the end.
    let count = phases.len();
    let worth = |at: usize| -> i64 {
        match phases.get(at % count) {
            Some((_, false)) => 1,
            _ => -1,
        }
    };
    let (mut best, mut sum, mut start) = ((0, 0, 0), 0, 0);
    for at in 0..count * 2 {
        if sum <= 0 || at >= start + count {
            (sum, start) = (0, at);
        }
        sum += worth(at);
        if sum > best.0 {
            best = (sum, start, at);
        }
    }
    let (gain, start, end) = best;
    let time = |at: usize| phases.get(at % count).map(|(phase, _)| *phase);
    let silent = (time(end)? - time(start)?).rem_euclid(period);
    let plausible = silent >= SHORTEST && silent <= period / 5 * 4;
    let dead = phases.iter().filter(|(_, answered)| !answered).count();
    let wrong = dead.saturating_sub(usize::try_from(gain).unwrap_or(0));
    let apart = |one: usize, other: usize| -> Option<f64> {
        let nanos = (time(other)? - time(one)?).rem_euclid(period).max(1);
        Some((nanos as f64 / period as f64).ln())
    };
    let edges = apart(start + count - 1, start)? + apart(end, end + 1)?;
    plausible.then(|| edges + fits(wrong, tries.len()))
}

/// How often "unanswered from a count of N on" errs, for each N from 1.
fn errors(counted: impl Iterator<Item = (u32, bool)>) -> Vec<u32> {
    // Those answered at a count of N and more are errors, and those unanswered below it.
    let mut answered = vec![0_u32; AT_ONCE as usize + 1];
    let mut silent = answered.clone();
    for (count, is_answered) in counted {
        let list = if is_answered {
            &mut answered
        } else {
            &mut silent
        };
        if let Some(place) = list.get_mut(count.min(AT_ONCE) as usize) {
            *place += 1;
        }
    }
    let mut wrong: u32 = answered.iter().sum();
    answered
        .iter()
        .zip(&silent)
        .take(AT_ONCE as usize)
        .map(|(answered, silent)| {
            wrong = wrong + silent - answered;
            wrong
        })
        .collect()
}

fn best_threshold(counted: impl Iterator<Item = (u32, bool)> + Clone) -> f64 {
    let of = counted.clone().count();
    let least = errors(counted).into_iter().min().unwrap_or(0);
    fits(least as usize, of)
}

/// A limit: a bucket of tokens (nft `limit`, iptables `limit` and `hashlimit`), a window over what it let in (pf
/// `max-src-conn-rate`), or a window over all SYNs (iptables `recent`). Averaged over all figures: what fits with few of them is the
/// less likely for it.
fn limit(tries: &[Try]) -> (f64, (u32, f64)) {
    let mut best = (f64::NEG_INFINITY, (1, 1.0));
    let mut keep = |fit: f64, at_once: u32, seconds: f64| {
        if fit > best.0 {
            best = (fit, (at_once, seconds));
        }
        fit
    };
    // Few at once are likelier than many: what is set is 3, 5 or 10 rather than 37.
    let weight = |at_once: u32| 1.0 / f64::from(at_once);
    let mut buckets = Vec::new();
    for step in 0..120_i32 {
        // Seconds for a token: from a twentieth to ten minutes, so close to each other that a few dozen tokens fit in between.
        let seconds = 0.05 * 1.08_f64.powi(step);
        for at_once in BURSTS {
            let fit = bucket(tries, at_once, seconds).map_or(f64::NEG_INFINITY, |wrong| {
                keep(fits(wrong as usize, tries.len()), at_once, seconds)
            });
            buckets.push((fit, weight(at_once)));
        }
    }
    let mut windows = Vec::new();
    for seconds in WINDOWS {
        for only_answered in [true, false] {
            let counted = window(tries, seconds.saturating_mul(SECOND), only_answered);
            let each = tries.iter().zip(&counted);
            let wrong = errors(each.map(|(one, count)| (*count, one.answered)));
            for (at_once, wrong) in (1_u32..).zip(wrong) {
                let every = seconds as f64 / f64::from(at_once);
                let fit = keep(fits(wrong as usize, tries.len()), at_once, every);
                windows.push((fit, weight(at_once)));
            }
        }
    }
    let both = [(average(&buckets), 1.0), (average(&windows), 1.0)];
    (average(&both), best.1)
}

/// The logarithm of the mean of likelihoods, each with its weight.
fn average(logs: &[(f64, f64)]) -> f64 {
    let most = logs
        .iter()
        .map(|(log, _)| *log)
        .fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return f64::NEG_INFINITY;
    }
    let sum: f64 = logs
        .iter()
        .map(|(log, weight)| (log - most).exp() * weight)
        .sum();
    let whole: f64 = logs.iter().map(|(_, weight)| weight).sum();
    most + (sum / whole).ln()
}

/// How often a bucket that was full at first errs.
fn bucket(tries: &[Try], at_once: u32, seconds: f64) -> Option<u32> {
    let most = f64::from(at_once);
    let mut tokens = most;
    let mut before = tries.first()?.at;
    let mut wrong = 0;
    for one in tries {
        let passed = one.at.since(before) as f64 / SECOND as f64;
        before = one.at;
        tokens = (tokens + passed / seconds).min(most);
        wrong += u32::from((tokens >= 1.0) != one.answered);
        if wrong > HOPELESS {
            return None;
        }
        if one.answered {
            tokens = (tokens - 1.0).max(0.0);
        }
    }
    Some(wrong)
}

/// How many SYNs came in the time before each.
fn window(tries: &[Try], length: Nanos, only_answered: bool) -> Vec<u32> {
    let mut from = tries.iter().peekable();
    let mut inside = 0_u32;
    let mut counts = Vec::with_capacity(tries.len());
    let counts_too = |one: &Try| u32::from(one.answered || !only_answered);
    for one in tries {
        while let Some(old) = from.next_if(|old| one.at.since(old.at) > length) {
            inside = inside.saturating_sub(counts_too(old));
        }
        counts.push(inside);
        inside = inside.saturating_add(counts_too(one));
    }
    counts
}
