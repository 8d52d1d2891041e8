//! How sure counts make us: intervals of loss, the statistics rule of silence, and tests of difference.
//!
//! Silence is evidence only against a known loss rate. Everything here is arithmetic on counts; when enough was counted
//! the planners say.

/// Below this probability a silence is no loss (the statistics rule).
pub const CERTAIN: f64 = 0.001;

/// Wilson's 95 % interval of a share, `hits` of `of`.
pub fn wilson(hits: u32, of: u32) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.959_964;
    let n = f64::from(of);
    let p = f64::from(hits.min(of)) / n;
    let z2 = Z * Z;
    let center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

/// The one-sided upper 95 % bound of the loss when `lost` of `sent` controls were not answered (Clopper-Pearson). With
/// none lost it is 1 − 0.05^(1/m).
pub fn loss_bound(lost: u32, sent: u32) -> f64 {
    if sent == 0 || lost >= sent {
        return 1.0;
    }
    let (mut low, mut high) = (f64::from(lost) / f64::from(sent), 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if at_most(lost, sent, middle) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// P(X ≤ `hits`) of a binomial distribution.
fn at_most(hits: u32, of: u32, p: f64) -> f64 {
    (0..=hits)
        .map(|k| {
            (ln_choose(of, k) + f64::from(k) * p.ln() + f64::from(of - k) * (1.0 - p).ln()).exp()
        })
        .sum()
}

/// How likely it is that `unanswered` packets were all lost by chance, given controls of which `lost` of `sent` were.
pub fn chance_of_silence(unanswered: u32, lost: u32, sent: u32) -> f64 {
    loss_bound(lost, sent).powi(i32::try_from(unanswered).unwrap_or(i32::MAX))
}

/// Fisher's exact test, two-sided: how likely two groups (`a` of `a + b`, `c` of `c + d`) differ that much by chance.
pub fn fisher(a: u32, b: u32, c: u32, d: u32) -> f64 {
    let (row, column, all) = (a + b, a + c, a + b + c + d);
    let probability = |x: u32| {
        (ln_choose(row, x) + ln_choose(all - row, column - x) - ln_choose(all, column)).exp()
    };
    let seen = probability(a);
    let first = column.saturating_sub(all - row);
    let last = row.min(column);
    (first..=last)
        .map(probability)
        .filter(|one| *one <= seen * (1.0 + 1e-9))
        .sum::<f64>()
        .min(1.0)
}

/// Holm's correction: which of several tests stand at `level` together.
pub fn holm(values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|x, y| values[*x].total_cmp(&values[*y]));
    let mut stand = vec![false; values.len()];
    for (rank, at) in order.iter().enumerate() {
        if values[*at] > level / (values.len() - rank) as f64 {
            break;
        }
        stand[*at] = true;
    }
    stand
}

fn ln_choose(of: u32, k: u32) -> f64 {
    ln_factorial(of) - ln_factorial(k) - ln_factorial(of - k)
}

fn ln_factorial(n: u32) -> f64 {
    (2..=n).map(|k| f64::from(k).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::{CERTAIN, chance_of_silence, fisher, holm, loss_bound, wilson};

    #[test]
    fn the_bound_is_that_of_the_rule() {
        for m in [1, 5, 10, 30] {
            let rule = 1.0 - 0.05f64.powf(1.0 / f64::from(m));
            assert!((loss_bound(0, m) - rule).abs() < 1e-9, "{m}");
        }
        assert!((loss_bound(1, 10) - 0.394).abs() < 0.001);
        assert_eq!(loss_bound(3, 3), 1.0);
    }

    #[test]
    fn a_clean_path_needs_a_handful() {
        assert!(chance_of_silence(6, 0, 10) < CERTAIN);
        assert!(chance_of_silence(4, 0, 10) > CERTAIN);
        // At a loss of one in three it takes many more.
        assert!(chance_of_silence(6, 10, 30) > CERTAIN);
        assert!(chance_of_silence(12, 10, 30) < CERTAIN);
    }

    #[test]
    fn intervals_and_differences() {
        let (low, high) = wilson(0, 100);
        assert!(low < 1e-12 && (high - 0.037).abs() < 0.001);
        assert!((fisher(10, 0, 0, 10) - 1.0825e-5).abs() < 1e-8);
        assert!(fisher(5, 5, 5, 5) > 0.99);
        assert_eq!(holm(&[0.04, 0.001, 0.03], 0.05), [false, true, false]);
    }
}
