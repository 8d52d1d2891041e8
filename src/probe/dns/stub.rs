//! What a stub resolver suffers from its resolvers, computed and not waited for.
//!
//! glibc asks the servers in turn, each for its timeout, and then the whole list again (`res_send.c`, `get_timeout`). A silent server listed first
//! costs its whole timeout in every look-up; one that refuses costs a round trip. This is arithmetic over what was measured; it sends nothing.

use crate::base::Nanos;

use super::resolvers::Resolvers;

/// How one server treats a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// An answer that settles it (NOERROR or NXDOMAIN), after so long.
    Answers(Nanos),
    /// An answer that makes the stub go on to the next server (SERVFAIL, NOTIMP, REFUSED), or an ICMP error, after so long.
    TurnsAway(Nanos),
    /// Nothing.
    Silent,
}

/// What one look-up costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Until the answer, or until the stub gives up.
    pub took: Nanos,
    /// The server that answered: its place in the list.
    pub answered_by: Option<usize>,
    /// How often each server was waited for in vain, by its place in the list.
    pub timeouts: Vec<u32>,
}

/// What the first look-up of a process costs; `rotate` moves the start from then on, so this is the first of them.
pub fn cost(resolvers: &Resolvers, treatments: &[Treatment]) -> Cost {
    let count = treatments.len();
    let mut cost = Cost {
        took: 0,
        answered_by: None,
        timeouts: vec![0; count],
    };
    for _ in 0..resolvers.attempts {
        for (place, treatment) in treatments.iter().enumerate() {
            match treatment {
                Treatment::Answers(after) => {
                    // An answer later than the timeout arrives while the next server is being waited for: the socket still listens.
                    cost.took = cost.took.saturating_add(*after);
                    cost.answered_by = Some(place);
                    return cost;
                }
                Treatment::TurnsAway(after) => cost.took = cost.took.saturating_add(*after),
                Treatment::Silent => {
                    cost.took = cost
                        .took
                        .saturating_add(patience(resolvers.timeout, place, count));
                    if let Some(slot) = cost.timeouts.get_mut(place) {
                        *slot = slot.saturating_add(1);
                    }
                }
            }
        }
    }
    cost
}

/// glibc's `get_timeout`: the first server gets the timeout, the n-th that shifted by its place and divided by their number, never less than 1 s.
fn patience(timeout: Nanos, place: usize, count: usize) -> Nanos {
    let count = Nanos::try_from(count).unwrap_or(Nanos::MAX).max(1);
    let shift = u32::try_from(place).unwrap_or(0).min(8);
    if place == 0 {
        return timeout;
    }
    let seconds = (timeout / crate::base::SECOND).saturating_mul(1 << shift) / count;
    seconds.max(1).saturating_mul(crate::base::SECOND)
}

#[cfg(test)]
mod tests {
    use super::{Treatment, cost};
    use crate::base::{MILLISECOND, SECOND};
    use crate::probe::dns::resolvers::Resolvers;

    fn resolvers(servers: usize) -> Resolvers {
        let text: String = (0..servers)
            .map(|n| format!("nameserver 10.0.0.{}\n", n + 1))
            .collect();
        Resolvers::parse(text.as_bytes(), |_| None)
    }

    #[test]
    fn a_dead_first_server_costs_its_timeout_each_time() {
        let alive = Treatment::Answers(20 * MILLISECOND);
        let found = cost(&resolvers(2), &[Treatment::Silent, alive]);
        assert_eq!(found.took, 5 * SECOND + 20 * MILLISECOND);
        assert_eq!(found.answered_by, Some(1));
        assert_eq!(found.timeouts, [1, 0]);
    }

    #[test]
    fn two_dead_servers_are_asked_twice_each() {
        let found = cost(&resolvers(2), &[Treatment::Silent; 2]);
        assert_eq!((found.took, found.answered_by), (20 * SECOND, None));
        assert_eq!(found.timeouts, [2, 2]);
        let alone = cost(&resolvers(1), &[Treatment::Silent]);
        assert_eq!(alone.took, 10 * SECOND);
    }

    #[test]
    fn who_refuses_costs_only_a_round_trip() {
        let refuses = Treatment::TurnsAway(3 * MILLISECOND);
        let alive = Treatment::Answers(4 * MILLISECOND);
        let found = cost(&resolvers(2), &[refuses, alive]);
        assert_eq!(found.took, 7 * MILLISECOND);
    }
}
