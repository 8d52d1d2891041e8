//! Outages: how well silence that comes whoever asks, by chance or by the clock, explains who was answered.
//!
//! It exists as the rival of every explanation by what the client does. It refuses silences of an instant by the clock: with those
//! every pattern has a period.

use super::{Try, average, fits};
use crate::base::{Nanos, SECOND, Timestamp};

/// Silences that come back by the clock last as long at the least.
const SHORTEST: Nanos = 4 * SECOND;
/// Periods that are tried between the first silence and the last.
const PERIODS: i64 = 24;
/// Times of answers and times of silence that come and go by themselves: a Markov process in continuous time, averaged over its
/// rates. With fast rates it is loss by chance, with slow ones a service or a path that fails for a while, whatever the client does.
pub(super) fn chance(tries: &[Try]) -> f64 {
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
pub(super) fn clockwork(tries: &[Try]) -> f64 {
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
