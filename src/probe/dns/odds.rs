//! When silence is no chance any more: the statistics rule of the catalogue, for questions and their controls.
//!
//! Silence is evidence only against a known loss rate. Controls (pings, other questions to the same server) say how much is lost on the way;
//! their upper 95 % bound is what every unanswered question is held against.

/// Below this, that only chance swallowed all questions is not believed.
const UNLIKELY: f64 = 0.001;
/// With nothing answered at all, so many packets have to vanish: at 56 % loss, 12 in a row are one in a thousand.
const ALL_SILENT: u32 = 12;

/// What became of the controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// Answered.
    pub answered: u32,
    /// Not answered.
    pub lost: u32,
}

impl Controls {
    /// One more.
    pub fn count(&mut self, answered: bool) {
        match answered {
            true => self.answered = self.answered.saturating_add(1),
            false => self.lost = self.lost.saturating_add(1),
        }
    }

    /// The upper 95 % bound of the share that is lost (Clopper-Pearson, one-sided), 0 to 1; 1 without controls. With all `m` answered it is
    /// 1 − 0.05^(1/m).
    pub fn loss_bound(&self) -> f64 {
        if self.answered == 0 {
            return 1.0;
        }
        // The share at which seeing as few losses as were seen, or fewer, has a chance of 5 %.
        let (mut low, mut high) = (0.0f64, 1.0f64);
        for _ in 0..48 {
            let middle = (low + high) / 2.0;
            match self.chance_of_so_few(middle) > 0.05 {
                true => low = middle,
                false => high = middle,
            }
        }
        high
    }

    /// The chance of at most `lost` losses when each packet is lost with probability `p`.
    fn chance_of_so_few(&self, p: f64) -> f64 {
        let total = f64::from(self.answered.saturating_add(self.lost));
        let mut term = (1.0 - p).powf(total);
        let mut sum = term;
        for k in 1..=self.lost {
            let k = f64::from(k);
            term *= (total - k + 1.0) / k * p / (1.0 - p);
            sum += term;
        }
        sum.min(1.0)
    }

    /// Whether `unanswered` questions cannot all have been lost by chance.
    pub fn rule_out_chance(&self, unanswered: u32) -> bool {
        match self.answered {
            0 => self.lost.saturating_add(unanswered) >= ALL_SILENT,
            _ => {
                self.loss_bound()
                    .powi(i32::try_from(unanswered).unwrap_or(i32::MAX))
                    < UNLIKELY
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Controls;

    #[test]
    fn the_bound_is_that_of_the_catalogue() {
        for answered in [1u32, 3, 8, 20] {
            let controls = Controls { answered, lost: 0 };
            let wanted = 1.0 - 0.05f64.powf(1.0 / f64::from(answered));
            assert!((controls.loss_bound() - wanted).abs() < 1e-9, "{answered}");
        }
        let lossy = Controls {
            answered: 8,
            lost: 8,
        };
        assert!(
            (0.70..0.76).contains(&lossy.loss_bound()),
            "{}",
            lossy.loss_bound()
        );
    }

    #[test]
    fn more_loss_wants_more_questions() {
        let clean = Controls {
            answered: 16,
            lost: 0,
        };
        assert!(!clean.rule_out_chance(3) && clean.rule_out_chance(4));
        let lossy = Controls {
            answered: 8,
            lost: 8,
        };
        assert!(!lossy.rule_out_chance(16) && lossy.rule_out_chance(24));
    }

    #[test]
    fn with_nothing_answered_it_takes_twelve() {
        let silent = Controls {
            answered: 0,
            lost: 8,
        };
        assert!(!silent.rule_out_chance(3) && silent.rule_out_chance(4));
        assert!(!Controls::default().rule_out_chance(11));
    }
}
