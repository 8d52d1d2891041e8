//! Which explanation fits that some SYNs of a client to a port were answered and others were not.
//!
//! Each explanation says of every SYN, in order and with what was answered before it, whether an answer was to come; how well all
//! of it fits is a likelihood. A limit has to explain the whole better than each of its rivals: chance and outages of any length,
//! outages that come back by the clock, a fate by port number, too many connections open, a queue that is full, a firewall that
//! remembers an older clock. It makes no claim: the rules for `tcp.rate-limited` and `path.split` ask it.

mod limits;
mod outages;

use crate::base::{SECOND, Timestamp};
use crate::diagnosis::handshake::{Fate, Handshake};

/// The natural logarithm of 1,000: how much likelier an explanation has to be than any other.
pub const LIKELIER: f64 = 6.908;
/// SYNs that are weighed at the most.
const TRIES: usize = 512;
/// How often an explanation that is true errs about one SYN: a token's clock and the capture's are not the same, a packet is lost.
const ERRS: f64 = 0.02;
/// The most that a limit lets through at once, or in its window.
const AT_ONCE: u32 = 50;

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
        let chance = outages::chance(&tries);
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
        let (limit, best) = limits::limit(&tries);
        Explanations {
            limit,
            best,
            chance,
            clockwork: outages::clockwork(&tries),
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
