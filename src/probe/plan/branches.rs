//! Does one of several paths lose packets that the others do not? From what each of several flows lost.
//!
//! A hash of addresses and ports keeps a flow on its path, so flows of a bad path lose alike and the others alike. The flows are
//! divided where two rates explain the counts best. It counts only when they explain them so much better than one rate that
//! no choice of division does by chance.

use super::loss::{Rate, log_likelihood};

/// Twice the gain in log-likelihood from which a division stands: of a chi-square with one degree of freedom, for a chance of one in
/// eight thousand shared by the 127 ways to divide eight flows in two (Wilks 1938; Bonferroni). One in a thousand is too much, because every
/// round looks again.
const GAIN: f64 = 24.0;
/// Rounds after which a division that is not half as clear as it would have to be by then is given up.
const PATIENCE: u32 = 8;
/// Rounds at the most.
pub const ROUNDS: u32 = 24;

/// Two classes of flows.
#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    /// Flows that lose more, and how much.
    pub worse: (Vec<usize>, Rate),
    /// Those that lose less.
    pub better: (Vec<usize>, Rate),
    /// Chance is excluded.
    pub sure: bool,
    gain: f64,
}

/// Divides flows by what they lost: (lost, sent) of each. `None` where all are alike.
pub fn divide(flows: &[(u32, u32)]) -> Option<Division> {
    let mut order: Vec<usize> = (0..flows.len()).collect();
    let share = |at: &usize| {
        let (lost, sent) = flows.get(*at).copied().unwrap_or_default();
        f64::from(lost) / f64::from(sent.max(1))
    };
    order.sort_by(|one, other| share(other).total_cmp(&share(one)));
    let counted = |part: &[usize]| {
        part.iter()
            .filter_map(|at| flows.get(*at))
            .fold((0, 0), |(lost, sent), one| (lost + one.0, sent + one.1))
    };
    let whole = log_likelihood(counted(&order));
    let best = (1..order.len())
        .map(|at| {
            let (worse, better) = order.split_at(at);
            let split = log_likelihood(counted(worse)) + log_likelihood(counted(better));
            (2.0 * (split - whole), at)
        })
        .max_by(|one, other| one.0.total_cmp(&other.0))?;
    let (gain, at) = best;
    let (worse, better) = order.split_at(at);
    let class = |part: &[usize]| {
        let (lost, sent) = counted(part);
        let mut part = part.to_vec();
        part.sort_unstable();
        (part, Rate::of(lost, sent))
    };
    (gain > 0.0).then(|| Division {
        worse: class(worse),
        better: class(better),
        sure: gain >= GAIN,
        gain,
    })
}

/// Whether another round may still tell.
pub fn goes_on(round: u32, found: Option<&Division>) -> bool {
    let Some(found) = found else {
        return round < PATIENCE;
    };
    let hopeful = found.gain * f64::from(ROUNDS) / f64::from(round.max(1)) >= GAIN;
    !found.sure && round < ROUNDS && (round < PATIENCE || hopeful)
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg32;
    use rand_pcg::rand_core::Rng as _;

    use super::{Division, ROUNDS, divide, goes_on};

    /// Eight flows of which every `one_in`th loses `lossy` and the others `other`.
    fn run(one_in: usize, lossy: f64, other: f64, seed: u64) -> (Option<Division>, u32) {
        let mut random = Pcg32::new(seed, 21);
        let mut flows = [(0, 0); 8];
        for round in 1..=ROUNDS {
            for (at, flow) in flows.iter_mut().enumerate() {
                let rate = if at % one_in == 0 { lossy } else { other };
                flow.1 += 1;
                flow.0 += u32::from(f64::from(random.next_u32()) / f64::from(u32::MAX) < rate);
            }
            let found = divide(&flows);
            if !goes_on(round, found.as_ref()) {
                return (found, round);
            }
        }
        (divide(&flows), ROUNDS)
    }

    #[test]
    fn a_branch_that_loses_a_third_is_told_from_the_others() {
        for (one_in, ports) in [(2, vec![0, 2, 4, 6]), (4, vec![0, 4])] {
            let mut told = 0;
            for seed in 0..100 {
                let (found, _) = run(one_in, 0.3, 0.0, seed);
                let Some(found) = found.filter(|found| found.sure) else {
                    continue;
                };
                // Who lost nothing yet may stand on the wrong side; who is named as bad, is.
                let right = found.worse.0.iter().all(|at| ports.contains(at));
                assert!(right, "{seed}: {found:?}");
                told += 1;
            }
            assert!(told >= 85, "{one_in}: {told}");
        }
    }

    #[test]
    fn branches_that_lose_alike_are_not_told_apart() {
        let (mut wrong, mut rounds) = (0, 0);
        for seed in 0..500 {
            for rate in [0.02, 0.15, 0.3] {
                let (found, took) = run(2, rate, rate, seed);
                wrong += u32::from(found.is_some_and(|found| found.sure));
                rounds += took;
            }
        }
        assert!(wrong <= 3, "{wrong} of 1500");
        assert!(rounds / 1_500 <= 12, "{} rounds on average", rounds / 1_500);
    }
}
