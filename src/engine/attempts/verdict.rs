//! How an attempt ended, and what it died of or what it cost.
//!
//! A client goes on to the next address, and what that cost it makes a success degraded. A probe's attempt is no race: it
//! tries every server for its own sake, all at once, so that each of them that fails counts beside those that work
//! (contract: of several addresses, all dead is failed, some dead is degraded).

use std::collections::BTreeMap;

use super::{Attempt, Member};
use crate::base::{Nanos, SECOND, Timestamp};
use crate::diagnosis::{Code, Outcome};

/// Who waits so long for an answer beside what works wants it (verdicts.md, the clock of silence): the losers of a race are left at once
/// (RFC 8305 5).
const WANTED: Nanos = 5 * SECOND;

/// A verdict that is less sure than this is one of several that are likely.
const LIKELY: f64 = 0.5;

/// What a client's attempt died of: of what it tried, what got it to a server, since the addresses before that only led there; of those, and
/// where nothing did, what is surest. A probe tries all for their own sake.
fn worst_of(attempt: &Attempt) -> Option<&Member> {
    let failed = attempt.connections.iter();
    let failed = failed.filter(|member| member.outcome == Outcome::Failed);
    let got_there =
        |member: &Member| member.established && !member.own_sake && member.confidence() >= LIKELY;
    failed.max_by(|a, b| {
        got_there(a)
            .cmp(&got_there(b))
            .then(a.confidence().total_cmp(&b.confidence()))
            .then(b.id.cmp(&a.id))
    })
}

/// How the attempt ended, and the member that says why.
pub(super) fn verdict_of(attempt: &Attempt) -> (Outcome, Option<&Member>) {
    let worst = worst_of(attempt);
    if let Some(winner) = attempt.success() {
        return match attempt.own_sake() {
            true => each_counts(attempt, worst, winner),
            false => one_suffices(attempt, winner),
        };
    }
    if let Some(worst) = worst {
        // What a probe met at an address that somebody made up is that answer's doing.
        let forged = forged_lookup(attempt).filter(|_| attempt.own_sake());
        return (Outcome::Failed, Some(forged.unwrap_or(worst)));
    }
    let mut members = attempt.connections.iter();
    let undecided = members.find(|member| member.outcome == Outcome::Incomplete);
    if let Some(connection) = undecided.or(attempt.connections.first()) {
        return (Outcome::Incomplete, Some(connection));
    }
    of_lookups(attempt)
}

/// The members that stand for a root cause each: the one that says how the attempt ended, and of a probe's attempt what every
/// host failed of; ports of one host that share a code share the cause.
pub(super) fn faults<'a>(attempt: &'a Attempt, says: Option<&'a Member>) -> Vec<&'a Member> {
    let all = says.is_some_and(|member| {
        member.own_sake
            && member.outcome == Outcome::Failed
            && (!is_forged(member) || several_died(attempt))
    });
    let mut faults: Vec<&Member> = says.into_iter().collect();
    let failed = attempt.connections.iter();
    for member in failed.filter(|member| all && member.outcome == Outcome::Failed) {
        let alike = |known: &&Member| {
            known.code() == member.code() && known.server.address() == member.server.address()
        };
        if !faults.iter().any(alike) {
            faults.push(member);
        }
    }
    faults
}

/// Connections to more than one host failed: not all of them need be at an address that somebody made up.
fn several_died(attempt: &Attempt) -> bool {
    let mut dead = attempt
        .connections
        .iter()
        .filter(|member| member.outcome == Outcome::Failed)
        .map(|member| member.server.address());
    dead.next()
        .is_some_and(|first| dead.any(|other| other != first))
}

/// A client's success: degraded by what was tried before, where that cost it a second, and by what it went on waiting for.
fn one_suffices<'a>(attempt: &'a Attempt, winner: &'a Member) -> (Outcome, Option<&'a Member>) {
    let losers = losers(attempt, winner);
    let mut spent: BTreeMap<&str, Nanos> = BTreeMap::new();
    for (loser, cost) in &losers {
        *spent.entry(loser.code()).or_default() += cost;
    }
    let dear = |loser: &Member| {
        let waited = loser.waited();
        spent.get(loser.code()).is_some_and(|cost| *cost >= SECOND)
            || waited.is_some_and(|until| until.since(winner.decided) >= WANTED)
    };
    let mut failed = losers.iter().map(|(loser, _)| *loser);
    let first = failed.clone().next();
    let loser = failed.find(|loser| dear(loser));
    // Several that cost less than a second each.
    let together = || first.filter(|_| spent.values().sum::<Nanos>() >= SECOND);
    let loser = loser.or_else(together);
    match loser.or_else(|| dear_lookup(attempt, winner)) {
        Some(loser) => (Outcome::Degraded, Some(loser)),
        None => (winner.outcome, Some(winner)),
    }
}

/// What failed beside the winner, in the order in which it began, and what each cost: the time until the next try began.
fn losers<'a>(attempt: &'a Attempt, winner: &Member) -> Vec<(&'a Member, Nanos)> {
    let members = attempt.connections.iter();
    let failed = members.filter(|member| member.outcome == Outcome::Failed);
    let mut losers: Vec<(&Member, Nanos)> = failed.map(|member| (member, 0)).collect();
    if losers.is_empty() {
        return losers;
    }
    losers.sort_by_key(|(loser, _)| loser.started);
    let started = attempt.connections.iter().map(|member| member.started);
    let mut began: Vec<Timestamp> = started.filter(|began| *began <= winner.started).collect();
    began.sort_unstable();
    for (loser, cost) in &mut losers {
        let later = began.partition_point(|began| *began <= loser.started);
        let next = began.get(later).copied().unwrap_or(winner.started);
        *cost = next.since(loser.started).max(0);
    }
    losers
}

/// A probe's success: degraded by every server that failed beside it.
fn each_counts<'a>(
    attempt: &'a Attempt,
    worst: Option<&'a Member>,
    winner: &'a Member,
) -> (Outcome, Option<&'a Member>) {
    let costly = || {
        let mut members = attempt.connections.iter();
        members.find(|member| member.outcome == Outcome::Degraded)
    };
    match worst
        .or_else(|| dear_lookup(attempt, winner))
        .or_else(costly)
    {
        Some(loser) => (Outcome::Degraded, Some(loser)),
        None => (winner.outcome, Some(winner)),
    }
}

fn is_forged(member: &Member) -> bool {
    member.code() == Code::DnsForged.name()
}

/// A look-up that failed for an answer of somebody else's: the addresses that were tried may be that answer's.
fn forged_lookup(attempt: &Attempt) -> Option<&Member> {
    let mut lookups = attempt.lookups.iter();
    lookups.find(|member| member.outcome == Outcome::Failed && is_forged(member))
}

/// A look-up that failed, and that no other one of the same question made good within a second.
fn failed_lookup(attempt: &Attempt) -> Option<&Member> {
    let mut lookups = attempt.lookups.iter();
    lookups.find(|member| {
        member.outcome == Outcome::Failed && made_good(attempt, member) != Some(false)
    })
}

/// Whether the client had waited a second for the one that failed, until another one answered its question; `None` when none did.
fn made_good(attempt: &Attempt, failed: &Member) -> Option<bool> {
    let lookups = attempt.lookups.iter();
    let later = lookups.filter(|other| other.answers_for(failed));
    later
        .map(|again| failed.cost(again.decided) >= SECOND)
        .min()
}

fn costly_lookup(attempt: &Attempt) -> Option<&Member> {
    let mut lookups = attempt.lookups.iter();
    lookups.find(|member| member.outcome == Outcome::Degraded)
}

/// A look-up that kept the winner waiting for a second.
fn dear_lookup<'a>(attempt: &'a Attempt, winner: &Member) -> Option<&'a Member> {
    let mut lookups = [failed_lookup(attempt), costly_lookup(attempt)]
        .into_iter()
        .flatten();
    lookups.find(|lookup| lookup.cost(winner.started) >= SECOND)
}

/// Look-ups alone: failed when one did and no other of the same purpose gave anything.
fn of_lookups(attempt: &Attempt) -> (Outcome, Option<&Member>) {
    let costly_lookup = costly_lookup(attempt);
    let well = attempt
        .lookups
        .iter()
        .find(|member| member.useful() && member.works());
    let failed = |good: Option<bool>| {
        let failed = || {
            let lookups = attempt.lookups.iter();
            lookups.filter(|member| {
                member.outcome == Outcome::Failed && made_good(attempt, member) == good
            })
        };
        let first = failed().next()?;
        // Whether a name needs an address of its own, its MX tells (RFC 5321 5.1): where the same resolver did not say that, nothing
        // is known of what is missing.
        let unknown_mx = |one: &&Member| one.asks_mx_of_same(first);
        failed().find(unknown_mx).or(Some(first))
    };
    let dear = failed(Some(true));
    if let Some(failed) = failed(None) {
        let Some(well) = well else {
            return (Outcome::Failed, Some(failed));
        };
        // Asked of the same resolver it is the other family, or another name: a stub waits for both.
        let cost = match failed.server == well.server {
            true => failed.decided.since(failed.started),
            false => failed.cost(well.decided),
        };
        if cost >= SECOND {
            return (Outcome::Degraded, Some(failed));
        }
        if dear.is_none() && costly_lookup.is_none() {
            return (Outcome::Healthy, Some(well));
        }
    }
    if let Some(failed) = dear {
        return (Outcome::Degraded, Some(failed));
    }
    let member = costly_lookup
        .or(well)
        .or(attempt
            .lookups
            .iter()
            .find(|member| member.outcome == Outcome::Healthy))
        .or(attempt.lookups.first());
    let outcome = member.map_or(Outcome::Incomplete, |member| member.outcome);
    (outcome, member)
}
