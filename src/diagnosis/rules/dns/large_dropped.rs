//! `dns.large-dropped`: short answers of this resolver arrive, long ones never do (RFC 6891 6.2.5, RFC 9715).
//!
//! That an answer which never came was long is an inference: fragments that never became whole prove it, another resolver's long
//! answer to the same question nearly so; that big questions of other names work speaks for it the least.

use crate::base::{Mark, SECOND};
use crate::diagnosis::lookup_view::{Lookup, Silence};
use crate::diagnosis::{At, Claim, Code, Weight, Where};
use crate::flow::lookup::Transport;
use crate::proto::dns::RecordType;

/// What a UDP answer may have without EDNS (RFC 1035 4.2.1).
const PLAIN: u32 = 512;

/// Hears a look-up that was never answered.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let Some(silence) = l.silence() else { return };
    let facts = l.facts;
    let offered = facts
        .queries
        .iter()
        .filter_map(|query| query.edns_size)
        .max();
    let Some(offered) = offered.filter(|size| u32::from(*size) > PLAIN) else {
        return;
    };
    if silence.tries < 2 || facts.icmp_count > 0 {
        return;
    }
    let long_elsewhere = l
        .same_name()
        .find(|sibling| sibling.kind == facts.kind && sibling.length > PLAIN)
        .and_then(|sibling| sibling.answer.map(|mark| (sibling.length, mark)));
    let (confidence, shown) = if let Some(fragment) = l.context.stray_fragment {
        (
            0.9,
            (
                fragment,
                "a fragment of an answer; the rest never arrived".to_owned(),
            ),
        )
    } else if let Some((length, mark)) = long_elsewhere {
        let reached = l
            .context
            .largest_udp_answer
            .is_some_and(|(size, _)| size >= length);
        if reached {
            return;
        }
        (
            0.8,
            (
                mark,
                format!("another resolver's answer to the same question has {length} bytes"),
            ),
        )
    } else if let Some(small) = l.context.small_answer
        && !matches!(facts.kind, RecordType::A | RecordType::AAAA)
        && silence.tries >= 3
        && !is_silent_in_small(l)
        && l.context
            .largest_udp_answer
            .is_none_or(|(size, _)| size <= PLAIN)
    {
        (
            0.55,
            (
                small,
                "a short answer of the same resolver arrived".to_owned(),
            ),
        )
    } else {
        return;
    };
    claims.push(claim(l, &silence, offered, confidence, shown));
}

/// What cannot be long was not answered either: the question without room for more (an answer is then cut off, RFC 1035 4.2.1), or an
/// address of the same name. Its size is no matter then: nobody answers for that name, while others are answered.
fn is_silent_in_small(l: &Lookup<'_>) -> bool {
    let facts = l.facts;
    let asked_in_small = facts
        .queries
        .iter()
        .filter(|query| query.transport == Transport::Udp)
        .any(|query| query.edns_size.is_none_or(|size| u32::from(size) <= PLAIN));
    asked_in_small
        || l.same_name().any(|sibling| {
            sibling.resolver == facts.resolver
                && matches!(sibling.kind, RecordType::A | RecordType::AAAA)
                && sibling.rcode.is_none()
        })
}

fn claim(
    l: &Lookup<'_>,
    silence: &Silence,
    offered: u16,
    confidence: f32,
    (mark, text): (Mark, String),
) -> Claim {
    let facts = l.facts;
    Claim::new(
        Code::DnsLargeDropped,
        At::address(Where::Network, facts.resolver),
        silence.last,
        confidence,
        format!("Long answers of {} vanish: {} never came, short answers do.", facts.resolver, l.question()),
    )
    .shown_by(format!("query number {} with room for {offered} bytes, never answered", silence.tries))
    .because(mark, text)
    .since(silence.first.time)
    .provisional_if(silence.open)
    .or(
        Code::DnsTimeout,
        (1.0 - confidence).min(0.4),
        "the same question with small and large EDNS sizes, or over TCP: dig +bufsize=512, dig +tcp",
    )
    .advise(format!(
        "Let UDP port 53 answers above 512 bytes and their fragments pass between {} and {}",
        facts.resolver, facts.client
    ))
    .advise("Resolver's operator: offer at most 1232 bytes (unbound edns-buffer-size, BIND max-udp-size)")
}

/// Hears a look-up whose big tries failed and whose small one was answered: EDNS with room for more than 512 bytes never, without it at
/// once, and the answer was cut off or really is that long.
pub fn shrunk(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    let Some(reply) = facts.replies.first() else {
        return;
    };
    let roomy = |size: Option<u16>| size.is_some_and(|size| u32::from(size) > PLAIN);
    let before = || {
        facts
            .queries
            .iter()
            .filter(|query| query.at.time <= reply.at.time && query.transport == Transport::Udp)
    };
    let Some(last) = before().next_back() else {
        return;
    };
    let lost: Vec<_> = before().filter(|query| roomy(query.edns_size)).collect();
    let is_long = reply.message.truncated
        || facts
            .replies
            .iter()
            .any(|reply| reply.message.length > PLAIN);
    let (Some(first_lost), Some(last_lost)) = (lost.first(), lost.last()) else {
        return;
    };
    let waited = last.at.time.since(last_lost.at.time);
    if lost.len() < 2 || roomy(last.edns_size) || !is_long || waited < SECOND / 4 {
        return;
    }
    claims.push(
        Claim::new(
            Code::DnsLargeDropped,
            At::address(Where::Network, facts.resolver),
            last_lost.at,
            0.75,
            format!(
                "Long answers of {} vanish: {} came only when asked for in small.",
                facts.resolver,
                l.question()
            ),
        )
        .shown_by("query with room for a long answer, never answered")
        .because(last.at, "the same question without that room")
        .because(reply.at, "it is answered at once")
        .since(first_lost.at.time)
        .weighing(Weight::Costly)
        .advise(format!(
            "Let UDP port 53 answers above 512 bytes and their fragments pass between {} and {}",
            facts.resolver, facts.client
        )),
    );
}
