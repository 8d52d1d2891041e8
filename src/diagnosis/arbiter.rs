//! One arbiter decides between claims that know nothing of each other.
//!
//! First what the catalogue declares as outranking (a cause drops its symptoms), then the earliest
//! death, and at the same moment the likelier, with the other as alternative. Pairs of fatal claims that
//! meet without being declared are reported, and a test over all captures allows none.

use super::claim_order::outranks;
use super::verdict::{Claim, Weight};
use super::{Alternative, Code};
use crate::base::MILLISECOND;

/// What became of the claims on one connection or look-up.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// The root cause, if any claim was fatal or costly.
    pub cause: Option<Claim>,
    /// Everything else worth saying, in order of time.
    pub findings: Vec<Claim>,
    /// Pairs of fatal claims that met and of which neither is declared to outrank the other.
    pub undeclared: Vec<(Code, Code)>,
}

/// Decides.
pub fn decide(mut claims: Vec<Claim>) -> Decision {
    let mut decision = Decision::default();
    // Of most connections nothing is claimed, and of most others one thing.
    if claims.len() < 2 {
        match claims.pop() {
            Some(claim) if claim.weight == Weight::Finding => decision.findings.push(claim),
            alone => decision.cause = alone,
        }
        return decision;
    }
    claims.sort_by(|a, b| {
        a.since
            .cmp(&b.since)
            .then(b.confidence.total_cmp(&a.confidence))
    });
    let weight = [Weight::Fatal, Weight::Costly, Weight::Unsettled]
        .into_iter()
        .find(|weight| claims.iter().any(|claim| claim.weight == *weight));
    let (candidates, others): (Vec<Claim>, Vec<Claim>) = claims
        .into_iter()
        .partition(|claim| Some(claim.weight) == weight);
    decision.findings = others;
    let survivors: Vec<bool> = candidates
        .iter()
        .map(|claim| {
            !candidates
                .iter()
                .any(|other| other.code != claim.code && outranks(other.code, claim.code))
        })
        .collect();
    let mut remaining = Vec::new();
    for (claim, survives) in candidates.into_iter().zip(survivors) {
        if survives {
            remaining.push(claim);
        } else if weight == Some(Weight::Costly) {
            decision.findings.push(claim);
        }
    }
    let mut remaining = remaining.into_iter();
    let Some(mut winner) = remaining.next() else {
        return decision;
    };
    for other in remaining {
        if other.code == winner.code {
            continue;
        }
        if winner.weight == Weight::Fatal {
            decision.undeclared.push((winner.code, other.code));
        }
        let together = other.since.since(winner.since) <= MILLISECOND;
        if together && other.confidence > winner.confidence {
            let loser = std::mem::replace(&mut winner, other);
            add_alternative(&mut winner, loser);
        } else if together || winner.confidence < 0.7 {
            add_alternative(&mut winner, other);
        } else if other.weight != Weight::Fatal {
            decision.findings.push(other);
        }
    }
    decision.cause = Some(winner);
    decision
}

fn add_alternative(winner: &mut Claim, loser: Claim) {
    if winner
        .alternatives
        .iter()
        .any(|alternative| alternative.code == loser.code)
    {
        return;
    }
    let confidence = loser.confidence.min(1.0 - winner.confidence).max(0.01);
    winner.alternatives.push(Alternative {
        code: loser.code,
        confidence,
        told_apart_by: loser.summary,
    });
}
