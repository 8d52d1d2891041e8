//! Does one of several paths lose packets that the others do not? From what each of several flows lost.
//!
//! A hash of addresses and ports keeps a flow on its path, so flows of a bad path lose alike and the others alike. The flows are
//! divided where two rates explain the counts best. It counts only when they explain them so much better than one rate that
//! no choice of division does by chance, and when further rounds, which had no part in the choice, show the same flows worse again: a
//! flow that was stuck for a while at the server is no path.

use super::loss::{Rate, log_likelihood};

/// Twice the gain in log-likelihood from which a division stands to be borne out: of a chi-square with one degree of freedom, for a
/// chance of one in a thousand shared by the 127 ways to divide eight flows in two (Wilks 1938; Bonferroni).
const GAIN: f64 = 20.0;
/// Rounds after which a division that is not half as clear as it would have to be by then is given up.
const PATIENCE: u32 = 8;
/// Rounds at the most until flows are divided.
const ROUNDS: u32 = 24;
/// Twice the gain from which further rounds bear out a division that was made before them: a chi-square with one degree of freedom,
/// for a chance of one in three thousand, half of which would have the other flows worse.
const BORNE_OUT: f64 = 13.0;
/// Further rounds at the most.
const FURTHER: u32 = 24;

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
fn divide(flows: &[(u32, u32)]) -> Option<Division> {
    let mut order: Vec<usize> = (0..flows.len()).collect();
    let share = |at: &usize| {
        let (lost, sent) = flows.get(*at).copied().unwrap_or_default();
        f64::from(lost) / f64::from(sent.max(1))
    };
    order.sort_by(|one, other| share(other).total_cmp(&share(one)));
    let counted = |part: &[usize]| counted(flows, part);
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
fn goes_on(round: u32, found: Option<&Division>) -> bool {
    let Some(found) = found else {
        return round < PATIENCE;
    };
    let hopeful = found.gain * f64::from(ROUNDS) / f64::from(round.max(1)) >= GAIN;
    !found.sure && round < ROUNDS && (round < PATIENCE || hopeful)
}

/// What is known after a round.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Another round may tell.
    NotYet,
    /// The flows are not told apart.
    Alike,
    /// They are, and further rounds bore it out: what each class lost in all of them.
    Divided(Division),
}

/// Divides flows round by round, then waits for further rounds to bear it out.
#[derive(Clone, Debug, Default)]
pub struct Divider {
    round: u32,
    /// The division that is to be borne out, and what the flows had lost when it was made.
    made: Option<(Division, Vec<(u32, u32)>)>,
}

impl Divider {
    /// Another round is over; `flows`: (lost, sent) of each in all rounds by now.
    pub fn round(&mut self, flows: &[(u32, u32)]) -> Known {
        self.round = self.round.saturating_add(1);
        let Some((made, then)) = &self.made else {
            let found = divide(flows);
            if goes_on(self.round, found.as_ref()) {
                return Known::NotYet;
            }
            let Some(found) = found.filter(|found| found.sure) else {
                return Known::Alike;
            };
            self.made = Some((found, flows.to_vec()));
            self.round = 0;
            return Known::NotYet;
        };
        let since: Vec<(u32, u32)> = flows
            .iter()
            .zip(then)
            .map(|(now, then)| (now.0.saturating_sub(then.0), now.1.saturating_sub(then.1)))
            .collect();
        if made.bears_out(&since) {
            Known::Divided(made.recounted(flows))
        } else if self.round < FURTHER {
            Known::NotYet
        } else {
            Known::Alike
        }
    }
}

impl Division {
    /// Whether these flows lost in the same manner.
    fn bears_out(&self, flows: &[(u32, u32)]) -> bool {
        let worse = counted(flows, &self.worse.0);
        let better = counted(flows, &self.better.0);
        let whole = (worse.0 + better.0, worse.1 + better.1);
        let split = log_likelihood(worse) + log_likelihood(better);
        let is_worse = Rate::of(worse.0, worse.1).share() > Rate::of(better.0, better.1).share();
        is_worse && 2.0 * (split - log_likelihood(whole)) >= BORNE_OUT
    }

    /// The same classes, with what they lost by now.
    fn recounted(&self, flows: &[(u32, u32)]) -> Division {
        let class = |part: &[usize]| {
            let (lost, sent) = counted(flows, part);
            (part.to_vec(), Rate::of(lost, sent))
        };
        Division {
            worse: class(&self.worse.0),
            better: class(&self.better.0),
            ..*self
        }
    }
}

/// (lost, sent) of some of the flows together.
fn counted(flows: &[(u32, u32)], part: &[usize]) -> (u32, u32) {
    part.iter()
        .filter_map(|at| flows.get(*at))
        .fold((0, 0), |(lost, sent), one| (lost + one.0, sent + one.1))
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg32;
    use rand_pcg::rand_core::Rng as _;

    use super::{Divider, Division, FURTHER, Known, ROUNDS};

    /// Eight flows, of which each loses at `rate` (which flow, which round); and how many rounds it took.
    fn run(rate: impl Fn(usize, u32) -> f64, seed: u64) -> (Option<Division>, u32) {
        let mut random = Pcg32::new(seed, 21);
        let mut flows = [(0, 0); 8];
        let mut divider = Divider::default();
        for round in 1..=ROUNDS + FURTHER {
            for (at, flow) in flows.iter_mut().enumerate() {
                flow.1 += 1;
                let drawn = f64::from(random.next_u32()) / f64::from(u32::MAX);
                flow.0 += u32::from(drawn < rate(at, round));
            }
            match divider.round(&flows) {
                Known::NotYet => {}
                Known::Alike => return (None, round),
                Known::Divided(found) => return (Some(found), round),
            }
        }
        (None, ROUNDS + FURTHER)
    }

    #[test]
    fn a_branch_that_loses_a_third_is_told_from_the_others() {
        for (one_in, ports) in [(2, vec![0, 2, 4, 6]), (4, vec![0, 4])] {
            let mut told = 0;
            for seed in 0..100 {
                let rate = |at: usize, _| if at.is_multiple_of(one_in) { 0.3 } else { 0.0 };
                let Some(found) = run(rate, seed).0 else {
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
        for seed in 0..1_000 {
            for rate in [0.02, 0.15, 0.3] {
                let (found, took) = run(|_, _| rate, seed);
                wrong += u32::from(found.is_some());
                rounds += took;
            }
        }
        assert_eq!(wrong, 0);
        assert!(rounds / 3_000 <= 12, "{} rounds on average", rounds / 3_000);
    }

    /// A half-open connection that a server does not let go of may answer no further SYN for a while.
    #[test]
    fn flows_that_were_stuck_for_a_while_are_no_path() {
        let mut wrong = 0;
        for seed in 0..1_000 {
            let stuck = |at: usize, round: u32| at.is_multiple_of(3) && (3..8).contains(&round);
            let rate = |at, round| if stuck(at, round) { 1.0 } else { 0.28 };
            wrong += u32::from(run(rate, seed).0.is_some());
        }
        assert!(wrong <= 10, "{wrong} of 1000");
    }
}
