//! `dns.type-dropped`: the resolver answers A for this name, and another type never (RFC 4074 4.1).

use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Where};
use crate::proto::dns::{RecordType, type_name};

use super::AGAIN;

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let Some(silence) = l.silence() else { return };
    let facts = l.facts;
    // A piece of the answer arrived: it is a matter of size, not of type.
    if l.context.stray_fragment.is_some() {
        return;
    }
    // One lost query proves nothing about a type, nor do two programs that ask at once.
    let again = silence.last.time.since(silence.first.time) >= AGAIN;
    if silence.tries < 2 || !again || facts.icmp_count > 0 || facts.kind == RecordType::A {
        return;
    }
    // Whoever fails at the name itself may give up on one question (RFC 9520 2) and still work on the other.
    let Some(answered) = l
        .same_name()
        .filter(|sibling| sibling.resolver == facts.resolver && sibling.kind == RecordType::A)
        .filter(|sibling| sibling.rcode == Some(0))
        .find_map(|sibling| sibling.answer)
    else {
        return;
    };
    // Answered late itself, it shows how long this resolver takes: the other answer may come as late (RFC 1035 4.2.1).
    let late = l.same_name().any(|sibling| {
        sibling.answer == Some(answered)
            && l.horizon.since(silence.last.time) < answered.time.since(sibling.first.time)
            && silence.last.is_before(answered)
    });
    if late {
        return;
    }
    // What drops a type drops it always: this one came through a moment ago, or a moment later.
    let passes = l.same_name().any(|sibling| {
        sibling.resolver == facts.resolver && sibling.kind == facts.kind && sibling.answer.is_some()
    });
    if passes {
        return;
    }
    let kind = type_name(facts.kind);
    let confidence = if silence.tries >= 3 { 0.9 } else { 0.75 };
    let mut claim = Claim::new(
        Code::DnsTypeDropped,
        At::address(Where::Network, facts.resolver),
        silence.last,
        if l.context.capture_drops { 0.7 } else { confidence },
        format!("{} answers A of {} and never {kind}.", facts.resolver, facts.name),
    )
    .shown_by(format!("{kind} query number {}, never answered", silence.tries))
    .because(answered, "the A of the same name was answered")
    .because(silence.first, format!("{kind} query, first time"))
    .since(silence.first.time)
    .provisional_if(silence.open)
    .or(
        Code::DnsTimeout,
        0.08,
        format!("asking for {kind} and A in turn, several times (dig)"),
    )
    .advise(format!(
        "Look for DNS inspection between {} and {} that drops {kind}, then ask the zone's own servers for {kind}",
        facts.client, facts.resolver
    ));
    if facts.kind != RecordType::AAAA {
        claim = claim.or(
            Code::DnsLargeDropped,
            0.1,
            "the same question with an EDNS size of 512: dig +bufsize=512",
        );
    }
    claims.push(claim);
}
