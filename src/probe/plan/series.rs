//! Silence or loss: SYNs to the target, with controls between them, until chance is excluded one way or the other.
//!
//! Sequential, so that a clean path is decided after a handful of packets and a lossy one after as many as it takes. A
//! probe counts as unanswered only when its patience is over. It refuses to conclude anything without a control that
//! was answered before, between and after.

use crate::base::{Nanos, SECOND, Timestamp};
use crate::probe::stats::{CERTAIN, chance_of_silence, fisher};

/// Probes of the target at the most.
const MOST: usize = 60;
/// Probes of the target before anything is concluded.
const LEAST: usize = 5;

/// What is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The port that is asked about.
    Target,
    /// Something else of the same host.
    Control,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    subject: Subject,
    sent: Timestamp,
    answered: Option<Timestamp>,
}

/// The series so far.
#[derive(Clone, Debug, Default)]
pub struct Series {
    probes: Vec<Probe>,
    fastest: Option<Nanos>,
    slowest: Option<Nanos>,
    /// A control was answered just before the series.
    preceded: bool,
}

/// What a series shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// More is needed: send this.
    Send(Subject),
    /// Nothing to send; wait for what is under way.
    Wait,
    /// The target is silent, and loss is excluded.
    Dropped {
        /// Target probes unanswered.
        unanswered: u32,
        /// Controls answered.
        answered: u32,
        /// Controls sent.
        controls: u32,
        /// How likely chance did it.
        chance: f64,
    },
    /// The target answers as the controls do.
    Answers,
    /// The target answers now and then, the controls always: not loss, which would hit both.
    Mixed {
        /// Target probes answered.
        answered: u32,
        /// Target probes sent.
        sent: u32,
    },
    /// Nothing answers at all.
    AllSilent,
    /// It cannot be told within the bound.
    Unclear,
}

impl Series {
    /// A series that begins when a control has just been answered, or has not.
    pub fn begun(preceded: bool) -> Series {
        Series {
            preceded,
            ..Series::default()
        }
    }

    /// A probe left; returns its number.
    pub fn sent(&mut self, subject: Subject, at: Timestamp) -> usize {
        self.probes.push(Probe {
            subject,
            sent: at,
            answered: None,
        });
        self.probes.len() - 1
    }

    /// A probe was answered by the host.
    pub fn answered(&mut self, number: usize, at: Timestamp) {
        if let Some(probe) = self.probes.get_mut(number)
            && probe.answered.is_none()
        {
            probe.answered = Some(at);
            let took = at.since(probe.sent).max(0);
            self.fastest = Some(self.fastest.map_or(took, |known| known.min(took)));
            self.slowest = Some(self.slowest.map_or(took, |known| known.max(took)));
        }
    }

    /// Whether the target answered any.
    pub fn is_answered(&self) -> bool {
        self.probes
            .iter()
            .any(|probe| probe.subject == Subject::Target && probe.answered.is_some())
    }

    /// How long an answer may take: several round trips, as far as they are known.
    pub fn patience(&self) -> Nanos {
        let spread = self.slowest.unwrap_or(SECOND);
        (spread.saturating_mul(3) + SECOND / 5).clamp(SECOND * 2 / 5, 3 * SECOND)
    }

    /// (answered, over): of those whose patience is over.
    fn count(&self, subject: Subject, now: Timestamp) -> (u32, u32) {
        let patience = self.patience();
        let over = self.probes.iter().filter(|probe| {
            probe.subject == subject
                && (probe.answered.is_some() || now.since(probe.sent) >= patience)
        });
        over.fold((0, 0), |(answered, all), probe| {
            (answered + u32::from(probe.answered.is_some()), all + 1)
        })
    }

    fn pending(&self, now: Timestamp) -> bool {
        let patience = self.patience();
        self.probes
            .iter()
            .any(|probe| probe.answered.is_none() && now.since(probe.sent) < patience)
    }

    fn total(&self, subject: Subject) -> usize {
        self.probes
            .iter()
            .filter(|probe| probe.subject == subject)
            .count()
    }

    /// What to do, or what it is.
    pub fn next(&self, now: Timestamp) -> Finding {
        let (targets, controls) = (self.total(Subject::Target), self.total(Subject::Control));
        let (hits, of) = self.count(Subject::Target, now);
        let (control_hits, control_of) = self.count(Subject::Control, now);
        // Before, between, after: the first and the last of all are controls.
        let closed = self
            .probes
            .last()
            .is_some_and(|probe| probe.subject == Subject::Control);
        if of as usize >= LEAST && of as usize == targets && closed {
            let chance = if hits == 0 {
                chance_of_silence(of, control_of - control_hits, control_of)
            } else {
                1.0
            };
            if hits == 0 && self.surrounded() && chance < CERTAIN {
                return Finding::Dropped {
                    unanswered: of,
                    answered: control_hits,
                    controls: control_of,
                    chance,
                };
            }
            if hits == 0 && control_hits > 0 && chance < CERTAIN && controls < 2 * MOST {
                return Finding::Send(Subject::Control);
            }
            let enough = if self.preceded { 2 * LEAST } else { LEAST + 1 };
            if hits == 0 && control_hits == 0 && of as usize >= enough {
                return Finding::AllSilent;
            }
            if hits > 0 && !self.pending(now) {
                let unlike = fisher(hits, of - hits, control_hits, control_of - control_hits);
                let rarely = f64::from(hits) / f64::from(of)
                    < f64::from(control_hits) / f64::from(control_of.max(1));
                if unlike < CERTAIN && rarely {
                    return Finding::Mixed {
                        answered: hits,
                        sent: of,
                    };
                }
                if hits == of || !rarely || unlike > 0.2 && of as usize >= 2 * LEAST {
                    return Finding::Answers;
                }
            }
        }
        if targets >= MOST {
            return if self.pending(now) {
                Finding::Wait
            } else {
                Finding::Unclear
            };
        }
        // As many as a clean path needs go out without waiting; further ones one after the other.
        let burst = targets < LEAST + 1;
        if burst || !self.pending(now) {
            return Finding::Send(match self.probes.last() {
                Some(last) if last.subject == Subject::Control && controls > targets => {
                    Subject::Target
                }
                Some(last) if last.subject == Subject::Target => Subject::Control,
                _ => Subject::Control,
            });
        }
        if !closed {
            return Finding::Send(Subject::Control);
        }
        Finding::Wait
    }

    /// A control was answered before the first, between, and after the last probe of the target.
    fn surrounded(&self) -> bool {
        let at = |wanted: Subject| {
            move |probe: &&Probe| {
                probe.subject == wanted && (wanted == Subject::Target || probe.answered.is_some())
            }
        };
        let first = self.probes.iter().find(at(Subject::Target));
        let last = self.probes.iter().rev().find(at(Subject::Target));
        let (Some(first), Some(last)) = (first, last) else {
            return false;
        };
        let mut controls = self.probes.iter().filter(at(Subject::Control));
        let before = self.preceded || controls.clone().any(|probe| probe.sent <= first.sent);
        let between = controls
            .clone()
            .any(|probe| probe.sent > first.sent && probe.sent < last.sent);
        before && between && controls.any(|probe| probe.sent >= last.sent)
    }

    /// The fastest round trip.
    pub fn fastest(&self) -> Option<Nanos> {
        self.fastest
    }
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg32;
    use rand_pcg::rand_core::Rng as _;

    use super::{Finding, Series, Subject};
    use crate::base::{MILLISECOND, Timestamp};

    /// Runs a series against a simulated host; returns the conclusion, the packets and the time.
    fn run(rtt_ms: i64, loss: f64, target: f64, control: f64, seed: u64) -> (Finding, usize, i64) {
        let mut random = Pcg32::new(seed, 1);
        let mut chance = move || f64::from(random.next_u32()) / f64::from(u32::MAX);
        let mut series = Series::begun(control > 0.0);
        let mut now = Timestamp(0);
        let mut due: Vec<(Timestamp, usize)> = Vec::new();
        let mut packets = 0;
        loop {
            due.retain(|(at, number)| {
                if *at <= now {
                    series.answered(*number, *at);
                }
                *at > now
            });
            match series.next(now) {
                Finding::Send(subject) => {
                    packets += 1;
                    let number = series.sent(subject, now);
                    let open = match subject {
                        Subject::Target => target,
                        Subject::Control => control,
                    };
                    let arrives = chance() >= loss && chance() >= loss && chance() < open;
                    if arrives {
                        due.push((now.plus(rtt_ms * MILLISECOND), number));
                    }
                    now = now.plus(20 * MILLISECOND);
                }
                Finding::Wait => now = now.plus(5 * MILLISECOND),
                other => return (other, packets, now.0 / MILLISECOND),
            }
            assert!(packets < 400 && now.0 < 200_000 * MILLISECOND);
        }
    }

    #[test]
    fn a_clean_path_is_decided_in_about_a_second() {
        for rtt in [1, 20, 100] {
            let (finding, packets, took) = run(rtt, 0.0, 0.0, 1.0, 7);
            assert!(matches!(finding, Finding::Dropped { .. }), "{finding:?}");
            assert!(packets <= 24 && took < 1_300, "{packets} {took}");
        }
    }

    #[test]
    fn loss_takes_longer_and_is_never_called_dropped() {
        let mut concluded = 0;
        for seed in 0..300 {
            for loss in [0.05, 0.15, 0.3] {
                let (finding, ..) = run(20, loss, 1.0, 1.0, seed);
                assert!(
                    !matches!(finding, Finding::Dropped { .. }),
                    "seed {seed} {loss}: {finding:?}"
                );
                concluded += u32::from(finding == Finding::Answers);
            }
        }
        assert!(concluded > 800, "{concluded} of 900");
    }

    #[test]
    fn a_dropped_port_on_a_lossy_path_is_found() {
        let mut found = 0;
        for seed in 0..100 {
            let (finding, ..) = run(20, 0.3, 0.0, 1.0, seed);
            assert!(
                !matches!(finding, Finding::Answers | Finding::Mixed { .. }),
                "{seed}: {finding:?}"
            );
            found += u32::from(matches!(finding, Finding::Dropped { .. }));
        }
        assert!(found > 90, "{found}");
    }

    #[test]
    fn a_silent_path_is_no_filtered_port() {
        assert_eq!(run(1, 0.0, 0.0, 0.0, 1).0, Finding::AllSilent);
    }

    #[test]
    fn what_cannot_be_told_says_whether_anything_was_answered() {
        let now = Timestamp(0);
        let mut series = Series::begun(true);
        let control = series.sent(Subject::Control, now);
        let target = series.sent(Subject::Target, now);
        series.answered(control, now);
        assert!(!series.is_answered());
        series.answered(target, now);
        assert!(series.is_answered());
    }

    #[test]
    fn now_and_then_is_neither() {
        let mixed = (0..20)
            .filter(|seed| matches!(run(5, 0.0, 0.5, 1.0, *seed).0, Finding::Mixed { .. }))
            .count();
        assert!(mixed >= 10, "{mixed}");
    }
}
