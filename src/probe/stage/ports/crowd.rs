//! Whether a port was silent, or refused, because this run itself asked too much at once.
//!
//! Exists because a limit of new connections (nftables `limit rate`, hashlimit, ufw's `limit`) lets the first SYNs through and swallows
//! or refuses the rest, whatever their port: of eight ports that are asked side by side some are silent to the end, and a ping beside them
//! is answered each time. What tells is what SYNs of the same time met at ports of the same host that do open, and at the port itself:
//! where they got lost as well, a port's silence is no more than its share of that. It refuses to doubt a silence beside ports that
//! opened every time, and says nothing of a host where no port opened: a limit lets the first SYNs through.

use std::collections::HashSet;
use std::net::SocketAddr;

use super::say_as;
use crate::base::SECOND;
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Weight, Where};
use crate::probe::context::{Answered, ConnectError, Context, SynSent};
use crate::probe::session::{SessionEnd, SessionOutcome};
use crate::probe::stats::{CERTAIN, chance_of_silence};

/// SYNs at ports that open, in the time of the silent ones, before anything is concluded.
const LEAST: u32 = 4;
/// As likely as this the silence is the same loss, and nothing is known of the port.
const LIKELY: f64 = 0.01;

/// How a session's connection was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Silence,
    /// A RST, or an ICMP error.
    Refusal,
    Opened,
}

impl End {
    fn of(outcome: &SessionOutcome) -> End {
        match (&outcome.end, &outcome.error) {
            (SessionEnd::Refused, _)
            | (_, Some(ConnectError::Unreachable(_) | ConnectError::Denied(_))) => End::Refusal,
            (SessionEnd::NoAnswer, _) => End::Silence,
            _ => End::Opened,
        }
    }
}

/// What SYNs met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Met {
    opened: u32,
    refused: u32,
    silent: u32,
}

impl Met {
    fn of<'a>(sent: impl Iterator<Item = &'a SynSent>) -> Met {
        let mut met = Met::default();
        for one in sent {
            *match one.answer {
                Some(Answered::Opened) => &mut met.opened,
                Some(Answered::Refused) => &mut met.refused,
                None => &mut met.silent,
            } += 1;
        }
        met
    }

    fn all(self) -> u32 {
        self.opened + self.refused + self.silent
    }

    /// Opened now and then, seldom: as behind a limit.
    fn is_limited(self) -> bool {
        self.opened > 0 && self.all() >= LEAST && self.opened * 5 <= self.all()
    }
}

/// SYNs to a port, and beside it to ports of its host that open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    own: Met,
    beside: Met,
    /// One of those beside opens seldom.
    limited: bool,
}

impl Counts {
    /// Of the SYNs to a host: `None` where none went to the port.
    fn of(port: u16, sent: &[SynSent]) -> Option<Counts> {
        let to = |port: u16| sent.iter().filter(move |one| one.port == port);
        let first = to(port).map(|one| one.at).min()?.plus(-SECOND);
        let last = to(port).map(|one| one.at).max()?.plus(SECOND);
        let opened = |one: &&SynSent| one.answer == Some(Answered::Opened);
        let open: HashSet<u16> = sent.iter().filter(opened).map(|one| one.port).collect();
        let during = |one: &&SynSent| one.at >= first && one.at <= last;
        let others = |one: &&SynSent| one.port != port && open.contains(&one.port);
        let beside = sent.iter().filter(others).filter(during);
        let ports: HashSet<u16> = beside.clone().map(|one| one.port).collect();
        Some(Counts {
            own: Met::of(to(port)),
            beside: Met::of(beside),
            limited: ports.into_iter().any(|one| Met::of(to(one)).is_limited()),
        })
    }

    /// Ports that open refused and lost SYNs of the same time: how much of a silence is left beside that.
    fn beside_silence(self) -> Option<Settles> {
        let Met {
            refused, silent, ..
        } = self.beside;
        let (lost, of) = (refused + silent, self.beside.all());
        // One that got lost is no limit, and a few of many neither.
        if of < LEAST || lost < 2 || lost * 5 < of {
            return self.limited.then_some(Settles::Doubt);
        }
        let times = i32::try_from(self.own.silent).unwrap_or(i32::MAX);
        if (f64::from(lost) / f64::from(of)).powi(times) >= LIKELY {
            return Some(Settles::Limit);
        }
        let chance = chance_of_silence(self.own.silent, lost, of);
        (self.limited || chance >= CERTAIN).then_some(Settles::Doubt)
    }

    /// What is left of how its session ended.
    fn weight(self, end: End) -> Option<Settles> {
        match end {
            // It opened for this run, and was silent to its connection: dropped it is not.
            End::Silence if self.own.opened > 0 && self.own.silent > 0 => Some(Settles::Limit),
            End::Silence => self.beside_silence(),
            // What opens refuses nobody else of one address, but by a limit; one alone may be a restart, or a back end of several.
            End::Refusal => (self.beside.refused >= 2).then_some(Settles::Doubt),
            // It opened late.
            End::Opened if self.own.silent >= 2 => self.beside_silence(),
            End::Opened => None,
        }
    }
}

/// After a session: says so where how it ended may be this run's own doing, and that the port may be none to be blamed.
pub fn question(context: &Context, to: SocketAddr, outcome: &SessionOutcome) {
    let end = End::of(outcome);
    // What was over within a second did not open late.
    if end == End::Opened && outcome.ended.since(outcome.started) < SECOND {
        return;
    }
    let Some(counts) = Counts::of(to.port(), &context.syns_to(to.ip())) else {
        return;
    };
    let Some(settles) = counts.weight(end) else {
        return;
    };
    let target = match to {
        SocketAddr::V4(_) => to.to_string(),
        SocketAddr::V6(to) => format!("[{}]:{}", to.ip(), to.port()),
    };
    let Counts { own, beside, .. } = counts;
    let summary = match (end, own.opened) {
        (End::Silence | End::Refusal, 0) => format!(
            "Whether {target} answers is not known: SYNs to ports of this host that do open got lost or were refused as well while this run asked them all at once."
        ),
        (End::Silence | End::Refusal, opened) => format!(
            "{target} opened for {opened} of this run's SYNs and not for the others: a limit of new connections may have kept them out."
        ),
        (End::Opened, _) => format!(
            "{target} opened late while this run asked several ports at once: a limit of new connections may have swallowed its first SYNs."
        ),
    };
    if end != End::Opened {
        context.bars(to);
    }
    let claim = Claim::new(
        Code::TcpRateLimited,
        At::of(Where::Unknown),
        Proof::Measured("SYNs of this run", context.now()),
        0.4,
        summary,
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "of {} SYNs to port {} {} opened, {} were refused and {} not answered; of {} to ports of the same host that open, in the same time, {} were refused and {} not answered",
        own.all(), to.port(), own.opened, own.refused, own.silent, beside.all(), beside.refused, beside.silent
    ))
    .advise(format!(
        "Ask this port alone, after a minute of rest: mxray probe {target}"
    ))
    .or(Code::TcpDropped, 0.3, "the same port asked alone");
    say_as(context, to, claim, settles);
}

#[cfg(test)]
mod tests {
    use super::{Answered, Counts, End, Met, SynSent};
    use crate::base::{SECOND, Timestamp};
    use crate::diagnosis::Settles;

    fn syn(port: u16, tenths: i64, answer: Option<Answered>) -> SynSent {
        SynSent {
            at: Timestamp(tenths * SECOND / 10),
            port,
            answer,
        }
    }

    fn met(opened: u32, refused: u32, silent: u32) -> Met {
        Met {
            opened,
            refused,
            silent,
        }
    }

    fn weight(silent: u32, lost: u32, beside: u32) -> Option<Settles> {
        let counts = Counts {
            own: met(0, 0, silent),
            beside: met(beside - lost, 0, lost),
            limited: false,
        };
        counts.weight(End::Silence)
    }

    #[test]
    fn what_opens_every_time_leaves_a_silence_as_it_is() {
        assert_eq!(weight(9, 0, 40), None);
        // A packet that got lost, and a path that loses some.
        assert_eq!(weight(9, 1, 4), None);
        assert_eq!(weight(9, 4, 40), None);
        assert_eq!(weight(30, 12, 40), None);
        // Too few to say anything.
        assert_eq!(weight(9, 3, 3), None);
    }

    #[test]
    fn what_opens_seldom_leaves_nothing_of_it() {
        assert_eq!(weight(9, 20, 25), Some(Settles::Limit));
        assert_eq!(weight(9, 3, 5), Some(Settles::Limit));
        assert_eq!(weight(9, 6, 15), Some(Settles::Doubt));
    }

    #[test]
    fn what_opened_in_the_same_run_was_not_dropped() {
        let limited = Counts {
            own: met(1, 0, 20),
            beside: met(40, 0, 0),
            limited: false,
        };
        assert_eq!(limited.weight(End::Silence), Some(Settles::Limit));
        // Free ports do not speak for a group that has a limit of its own.
        let grouped = Counts {
            own: met(0, 0, 20),
            limited: true,
            ..limited
        };
        assert_eq!(grouped.weight(End::Silence), Some(Settles::Doubt));
    }

    #[test]
    fn a_refusal_is_in_doubt_where_ports_that_open_refuse_as_well() {
        let refused = |beside: u32| Counts {
            own: met(0, 3, 0),
            beside: met(30, beside, 0),
            limited: false,
        };
        assert_eq!(refused(0).weight(End::Refusal), None);
        assert_eq!(refused(1).weight(End::Refusal), None);
        assert_eq!(refused(2).weight(End::Refusal), Some(Settles::Doubt));
        // It works, whatever others do.
        assert_eq!(refused(9).weight(End::Opened), None);
    }

    #[test]
    fn only_ports_that_open_count_and_only_in_its_time() {
        let opens = |at: i64| (at == 8).then_some(Answered::Opened);
        let mut sent: Vec<SynSent> = (0..9).map(|at| syn(25, 10 * at, None)).collect();
        assert_eq!(Counts::of(25, &sent).map(|one| one.beside.all()), Some(0));
        sent.extend((0..9).map(|at| syn(587, 10 * at, opens(at))));
        // Silent like the first, and closed: they say nothing of it.
        sent.extend((0..9).map(|at| syn(465, 10 * at, None)));
        sent.extend((0..9).map(|at| syn(443, 10 * at, Some(Answered::Refused))));
        // Long after.
        sent.extend((0..9).map(|at| syn(587, 1_000 + 10 * at, Some(Answered::Opened))));
        let counts = Counts::of(25, &sent).expect("SYNs to it");
        assert_eq!((counts.own, counts.beside), (met(0, 0, 9), met(1, 0, 8)));
        assert_eq!(Counts::of(143, &sent), None);
    }
}
