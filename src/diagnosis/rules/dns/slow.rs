//! `dns.slow`: answered, but only after a retry or at least 2 s after the first try.
//!
//! Asking again over TCP because the answer was cut off is no retry.

use crate::base::{Mark, SECOND};
use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Weight, Where};

use super::AGAIN;

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    let (Some(answer), Some(first)) = (l.answer(), facts.replies.first()) else {
        return;
    };
    // Whoever went on behind the first try had its answer: what was asked later is another look-up.
    if facts.last_query.is_none() || l.context.answered_unseen.is_some() {
        return;
    }
    let tries = l.tries_until(first.at);
    let took = answer.at.time.since(facts.first.time);
    let again = facts
        .queries
        .iter()
        .map(|query| query.at)
        .find(|at| at.time.since(facts.first.time) >= AGAIN && at.time <= first.at.time)
        .filter(|_| tries >= 2);
    if again.is_none() && took < 2 * SECOND {
        return;
    }
    let another = took < SECOND && asked_anew(l, first.at);
    let seconds = took as f64 / SECOND as f64;
    let mut claim = Claim::new(
        Code::DnsSlow,
        At::address(Where::Unknown, facts.resolver),
        again.unwrap_or(answer.at),
        if another { 0.6 } else { 0.95 },
        format!(
            "{} took {seconds:.1} s at {}, {tries} tries.",
            l.question(),
            facts.resolver
        ),
    )
    .shown_by(match again {
        Some(_) => "the same question again, the first was not answered",
        None => "the answer, late",
    })
    .since(facts.first.time)
    .weighing(if another {
        Weight::Finding
    } else {
        Weight::Costly
    })
    .because(facts.first, format!("query for {}", l.question()))
    .advise(format!(
        "Resolver's operator ({}): look at its load and at the name servers it waits for",
        facts.resolver
    ))
    .advise("Steps of 5 s: a lost query or a dead resolver listed first in the client's settings");
    if again.is_some() {
        claim = claim.because(answer.at, format!("answered after {seconds:.1} s"));
    }
    claims.push(claim);
}

/// Each later try has another port and another number than the first. Most clients send the same question again; so soon another program of
/// theirs may have asked as well, and what the first one was told was not captured.
fn asked_anew(l: &Lookup<'_>, answered: Mark) -> bool {
    let mut queries = l.facts.queries.iter();
    let Some(first) = queries.next() else {
        return false;
    };
    queries
        .filter(|query| query.at.time <= answered.time)
        .all(|query| query.id != first.id && query.port != first.port)
}
