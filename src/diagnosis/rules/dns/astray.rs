//! Answers that came and did not reach who asked: `dns.bad-response` where another address answers than the one that was asked,
//! `dns.blocked` where a rule turns them away.
//!
//! A resolver with several addresses that does not answer from the one that was asked breaks RFC 2181 4.1; its clients drop what it says.
//! That a closed socket draws an ICMP error is everyday, since answers come late: only what a rule sends (RFC 1812 5.2.7.1) counts.

use crate::diagnosis::lookup_view::{Content, Lookup};
use crate::diagnosis::{At, Claim, Code, Where};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    claims.extend(elsewhere(l));
    claims.extend(rejected(l));
}

fn elsewhere(l: &Lookup<'_>) -> Option<Claim> {
    let facts = l.facts;
    let stray = facts.astray.as_ref()?.elsewhere?;
    let silence = l.unanswered()?;
    // Beside other answers those tell more. Who asked once may have taken it, and so may who went on: it was translated back after it was
    // captured here, or another answer was not captured.
    if facts.reply_count > 0
        || facts.mismatched_count > 0
        || silence.tries <= 1
        || l.context.went_on_untold.is_some()
        || l.context.used.is_some()
    {
        return None;
    }
    let (resolver, from) = (facts.resolver, stray.from);
    let mut claim = Claim::new(
        Code::DnsBadResponse,
        At::address(Where::Resolver, resolver),
        stray.first,
        0.85,
        format!("{resolver} was asked for {}, and {from} answers: no client takes an answer from another address.", l.question()),
    )
    .shown_by(format!("the answer, by id, port and question, comes from {from}"))
    .because(silence.first, format!("query to {resolver} for {}", l.question()))
    .since(silence.first.time)
    .provisional_if(silence.open)
    .advise(format!(
        "Let the server answer from the address that was asked: listen on {resolver} itself instead of on the wildcard address (BIND: listen-on, Unbound: interface-automatic), or translate its answers back where a device hands queries on to {from}"
    ))
    .advise(format!("Or enter {from} as the client's resolver"));
    if stray.last != stray.first {
        claim = claim.because(
            stray.last,
            format!("the same again, {} in all", stray.count),
        );
    }
    if silence.last != silence.first {
        claim = claim.because(silence.last, "the client asks again: it took none of them");
    }
    Some(claim)
}

fn rejected(l: &Lookup<'_>) -> Option<Claim> {
    let facts = l.facts;
    let turned_away = facts.astray.as_ref()?.rejected?;
    let Some(Content::Positive(reply)) = l.content() else {
        return None;
    };
    // One of them may have come through; and who goes on had an answer.
    if turned_away.count < facts.reply_count
        || l.context.went_on.is_some()
        || l.context.used.is_some()
    {
        return None;
    }
    let (sender, client) = (turned_away.sender, facts.client);
    let place = if sender == client {
        Where::Client
    } else {
        Where::Network
    };
    let (kind, code) = turned_away.error;
    Some(
        Claim::new(
            Code::DnsBlocked,
            At::address(place, sender),
            turned_away.first,
            0.85,
            format!("{sender} rejects the answer of {} to {client}: ICMP {kind}/{code}, by a rule.", facts.resolver),
        )
        .shown_by(format!("ICMP {kind}/{code} from {sender} quotes the answer"))
        .because(facts.first, format!("query for {}", l.question()))
        .because(reply.at, "its answer")
        .since(facts.first.time)
        .advise(format!(
            "Look at the firewall of {sender}: let answers from UDP port 53 of {} in (nft: ct state established accept)",
            facts.resolver
        )),
    )
}
