//! `dns.bad-response`: something answered, but malformed or not to the question (RFC 1035 4.1, RFC 5452 9.1).
//!
//! The client drops it and goes on waiting, so a good answer afterwards makes it a trifle; strays beside a good answer are
//! everyday (a late answer to an earlier question on the same port) and are not mentioned.

use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Where};
use crate::flow::lookup::Reply;

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    if l.answer().is_some() {
        return;
    }
    let facts = l.facts;
    let broken = facts
        .replies
        .iter()
        .chain(&facts.mismatched)
        .find_map(|reply| reply.message.malformed.map(|why| (reply, why)));
    let (reply, what, confidence) = match broken {
        Some((reply, why)) => (reply, why.to_owned(), 0.9),
        None => {
            // A sound message that does not fit: only when the client saw no better one.
            let fits_a_try = |reply: &&Reply| went_to_a_try(l, reply);
            let Some(reply) = facts.mismatched.iter().find(fits_a_try) else {
                return;
            };
            if l.unanswered().is_none() || facts.truncated().is_some() {
                return;
            }
            (reply, misfit(l, reply), 0.8)
        }
    };
    claims.push(
        Claim::new(
            Code::DnsBadResponse,
            At::address(Where::Resolver, facts.resolver),
            reply.at,
            confidence,
            format!("The answer of {} to {} is broken: {what}.", facts.resolver, l.question()),
        )
        .shown_by(format!("a response of {} bytes: {what}", reply.message.length))
        .because(facts.first, format!("query for {}", l.question()))
        .advise(format!(
            "Record on both sides of the firewalls between {} and {} and compare: the device that changes the message shows",
            facts.client, facts.resolver
        ))
        .advise("Switch off DNS inspection (application layer gateway) on the way"),
    );
}

/// The answer went to a port that a try came from, or has the id of one. Any other answers a question of another socket, which the capture
/// lost.
fn went_to_a_try(l: &Lookup<'_>, reply: &Reply) -> bool {
    let queries = &l.facts.queries;
    let all_kept = l.facts.tries as usize <= queries.len();
    !all_kept
        || queries
            .iter()
            .any(|query| query.port == reply.port || query.id == reply.message.id)
}

fn misfit(l: &Lookup<'_>, reply: &Reply) -> String {
    let asked = (&l.facts.name, l.facts.kind);
    match &reply.message.question {
        Some((name, kind)) if (name, *kind) == asked => {
            let mut queries = l.facts.queries.iter();
            if queries.any(|query| query.id == reply.message.id) {
                return format!("it went to port {}, from which nobody asked", reply.port);
            }
            format!("its id {:#06x} was never asked with", reply.message.id)
        }
        Some((name, _)) => format!("it answers another question ({name})"),
        None => "it repeats no question".to_owned(),
    }
}
