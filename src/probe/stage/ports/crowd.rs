//! Whether a port was silent because this run itself asked too much at once.
//!
//! Exists because a limit of new connections (nftables `limit rate`, hashlimit, ufw's `limit`) lets the first SYNs through and swallows
//! the rest, whatever their port: of eight ports that are asked side by side some are silent to the end, and a ping beside them is
//! answered each time. What tells is how often SYNs were answered at ports of the same host that do answer, at the same time: where
//! they got lost as well, a port's silence is no more than its share of that. It refuses to doubt a silence beside ports that
//! answered every time, and says nothing of a host where no port answered: a limit lets the first SYNs through.

use std::net::SocketAddr;

use super::say_as;
use crate::base::SECOND;
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Weight, Where};
use crate::probe::context::{Context, SynSent};
use crate::probe::stats::{CERTAIN, chance_of_silence};

/// SYNs at ports that answer, in the time of the silent ones, before anything is concluded.
const LEAST: u32 = 4;
/// As likely as this the silence is the same loss, and nothing is known of the port.
const LIKELY: f64 = 0.01;

/// SYNs to a silent port, and beside it to ports of its host that answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// To the port, unanswered.
    silent: u32,
    /// To the port, answered, though a connection of its own met silence.
    answered: u32,
    /// To the others, unanswered.
    lost: u32,
    /// To the others.
    beside: u32,
}

impl Counts {
    /// Of the SYNs to a host: `None` where none went to the port.
    fn of(port: u16, sent: &[SynSent]) -> Option<Counts> {
        let own = || sent.iter().filter(|one| one.port == port);
        let (first, last) = (
            own().map(|one| one.at).min()?,
            own().map(|one| one.at).max()?,
        );
        let answers = |port: u16| sent.iter().any(|one| one.port == port && one.answered);
        let beside = || {
            let during = sent
                .iter()
                .filter(|one| one.at >= first.plus(-SECOND) && one.at <= last.plus(SECOND));
            during.filter(|one| one.port != port && answers(one.port))
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Counts {
            silent: count(own().filter(|one| !one.answered).count()),
            answered: count(own().filter(|one| one.answered).count()),
            lost: count(beside().filter(|one| !one.answered).count()),
            beside: count(beside().count()),
        })
    }

    /// What the loss beside it leaves of the silence.
    fn weight(self) -> Option<Settles> {
        // One that got lost is no limit, and a few of many neither.
        if self.beside < LEAST || self.lost < 2 || self.lost * 5 < self.beside {
            return None;
        }
        let share = f64::from(self.lost) / f64::from(self.beside);
        let silence = share.powi(i32::try_from(self.silent).unwrap_or(i32::MAX));
        if self.answered > 0 || silence >= LIKELY {
            return Some(Settles::Limit);
        }
        let chance = chance_of_silence(self.silent, self.lost, self.beside);
        (chance >= CERTAIN).then_some(Settles::Doubt)
    }
}

/// After a session that met silence: says so where that may be this run's own doing, and that the port may be none to be blamed.
pub fn question(context: &Context, to: SocketAddr) {
    let Some(counts) = Counts::of(to.port(), &context.syns_to(to.ip())) else {
        return;
    };
    let Some(settles) = counts.weight() else {
        return;
    };
    context.bars(to);
    let Counts {
        silent,
        answered,
        lost,
        beside,
    } = counts;
    let asked = silent.saturating_add(answered);
    let target = match to {
        SocketAddr::V4(_) => to.to_string(),
        SocketAddr::V6(to) => format!("[{}]:{}", to.ip(), to.port()),
    };
    let claim = Claim::new(
        Code::TcpRateLimited,
        At::of(Where::Unknown),
        Proof::Measured("SYNs of this run", context.now()),
        0.4,
        format!(
            "Whether {target} answers is not known: SYNs to ports of this host that do answer got lost as well while this run asked them all at once."
        ),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "of {asked} SYNs to port {} {silent} unanswered; of {beside} to ports of the same host that answer {lost} were not either, in the same time",
        to.port()
    ))
    .advise(format!(
        "Ask this port alone, after a minute of rest: mxray probe {target}"
    ))
    .or(
        Code::TcpDropped,
        0.3,
        "the same port asked alone",
    );
    say_as(context, to, claim, settles);
}

#[cfg(test)]
mod tests {
    use super::{Counts, SynSent};
    use crate::base::{SECOND, Timestamp};
    use crate::diagnosis::Settles;

    fn syn(port: u16, tenths: i64, answered: bool) -> SynSent {
        SynSent {
            at: Timestamp(tenths * SECOND / 10),
            port,
            answered,
        }
    }

    fn weight(silent: u32, lost: u32, beside: u32) -> Option<Settles> {
        let counts = Counts {
            silent,
            answered: 0,
            lost,
            beside,
        };
        counts.weight()
    }

    #[test]
    fn what_answers_every_time_leaves_a_silence_as_it_is() {
        assert_eq!(weight(9, 0, 40), None);
        // A packet that got lost, and a path that loses some.
        assert_eq!(weight(9, 1, 4), None);
        assert_eq!(weight(9, 4, 40), None);
        assert_eq!(weight(30, 12, 40), None);
        // Too few to say anything.
        assert_eq!(weight(9, 3, 3), None);
    }

    #[test]
    fn what_answers_seldom_leaves_nothing_of_it() {
        assert_eq!(weight(9, 20, 25), Some(Settles::Limit));
        assert_eq!(weight(9, 3, 5), Some(Settles::Limit));
        assert_eq!(weight(9, 6, 15), Some(Settles::Doubt));
    }

    #[test]
    fn only_ports_that_answer_count_and_only_in_its_time() {
        let mut sent: Vec<SynSent> = (0..9).map(|at| syn(25, 10 * at, false)).collect();
        assert_eq!(Counts::of(25, &sent).map(|one| one.beside), Some(0));
        sent.extend((0..9).map(|at| syn(587, 10 * at, at == 8)));
        // Silent like the first: it says nothing of it.
        sent.extend((0..9).map(|at| syn(465, 10 * at, false)));
        // Long after.
        sent.extend((0..9).map(|at| syn(587, 1_000 + 10 * at, true)));
        let counts = Counts::of(25, &sent);
        let wanted = Counts {
            silent: 9,
            answered: 0,
            lost: 8,
            beside: 9,
        };
        assert_eq!(counts, Some(wanted));
        assert_eq!(Counts::of(143, &sent), None);
        // It answered another SYN of this run: dropped it is not, if others lose theirs as well.
        let open = Counts {
            answered: 1,
            silent: 40,
            ..wanted
        };
        assert_eq!(open.weight(), Some(Settles::Limit));
        assert_eq!(Counts { lost: 0, ..open }.weight(), None);
    }
}
