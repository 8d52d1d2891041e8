//! A limit on new connections: how well buckets of tokens and windows of any figures foretell who gets in.
//!
//! It exists because firewalls count in three ways, and a capture shows none of their settings. It names the figures that fit best
//! and refuses to call them the setting.

use super::{AT_ONCE, Try, average, errors, fits};
use crate::base::{Nanos, SECOND};

/// What a bucket holds.
const BURSTS: [u32; 17] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, AT_ONCE,
];
/// Seconds in which a limit counts.
const WINDOWS: [i64; 13] = [1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 300, 600, 3_600];
/// Errors after which an explanation is given up.
const HOPELESS: u32 = 24;

/// A limit: a bucket of tokens (nft `limit`, iptables `limit` and `hashlimit`), a window over what it let in (pf
/// `max-src-conn-rate`), or a window over all SYNs (iptables `recent`). Averaged over all figures: what fits with few of them is the
/// less likely for it.
pub(super) fn limit(tries: &[Try]) -> (f64, (u32, f64)) {
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
