//! `dns.truncated-no-tcp`: the answer did not fit into UDP (TC, RFC 1035 4.1.1), and asking again over TCP,
//! which every server has to allow (RFC 7766 5), did not get through.

use super::nearer;
use crate::base::SECOND;
use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::{At, Claim, Code, Where};
use crate::wire::says_undelivered;

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    let Some(truncated) = facts.truncated() else {
        return;
    };
    if l.answer().is_some() {
        return;
    }
    let (Some(first), Some(last)) = (facts.tcp().first_syn, facts.tcp().last_syn) else {
        return;
    };
    let refusal = facts
        .icmp
        .iter()
        .find(|error| error.tcp && says_undelivered(error.v6, error.kind, error.code));
    let resolver = |place| At::address(place, facts.resolver);
    let (death, shown, place, confidence, open) = if let Some((reset, hops)) = facts.tcp().reset {
        let mut text = match facts.tcp().syn_ack {
            Some(_) => "RST on the TCP connection to port 53",
            None => "RST to the SYN on TCP port 53",
        }
        .to_owned();
        let place = match l.reset_on_the_way(hops) {
            Some(base) => {
                text.push_str(&nearer(hops, base));
                At::of(Where::Network)
            }
            None => resolver(Where::Resolver),
        };
        (reset, text, place, 0.9, false)
    } else if let Some(error) = refusal {
        let text = format!(
            "ICMP {}/{} from {} quotes the segment to TCP port 53",
            error.kind, error.code, error.sender
        );
        let place = if error.sender == facts.resolver {
            Where::Resolver
        } else {
            Where::Network
        };
        let place = At::address(place, error.sender);
        (error.at, text, place, 0.93, false)
    } else {
        // SYNs, or the query on an open connection, into silence.
        let waited = l.horizon.since(last.time);
        let counts = facts.tcp().syns >= 3 && last.time.since(first.time) >= 3 * SECOND
            || l.horizon.since(first.time) >= 5 * SECOND;
        let Some(confidence) = l.absence().confidence(0.92).filter(|_| counts) else {
            return;
        };
        let open = waited < 10 * SECOND;
        match facts.tcp().syn_ack {
            None => {
                let text = format!(
                    "SYN to TCP port 53, {} in all, never answered",
                    facts.tcp().syns
                );
                (last, text, resolver(Where::Network), confidence, open)
            }
            Some(mark) => {
                let text = "TCP port 53 opens, and no answer comes over it".to_owned();
                let death = facts
                    .last_query
                    .filter(|query| query.time > mark.time)
                    .unwrap_or(mark);
                let place = resolver(Where::Unknown);
                (death, text, place, confidence.min(0.85), open)
            }
        }
    };
    // Where something on the way was seen to refuse it, the resolver need not do anything.
    let on_the_way =
        place.place == Where::Network && (refusal.is_some() || facts.tcp().reset.is_some());
    let mut claim = Claim::new(
        Code::DnsTruncatedNoTcp,
        place,
        death,
        confidence,
        format!(
            "{} needs TCP port 53 of {}, and that does not work.",
            l.question(),
            facts.resolver
        ),
    )
    .shown_by(shown)
    .because(
        truncated.at,
        "the answer over UDP is cut off (TC): ask again over TCP",
    )
    .because(first, "SYN to TCP port 53")
    .since(first.time)
    .provisional_if(open)
    .advise(format!(
        "Allow TCP port 53 beside UDP between {} and {}",
        facts.client, facts.resolver
    ));
    if !on_the_way {
        claim = claim.advise(format!(
            "Resolver's operator: serve TCP on {} (RFC 7766)",
            facts.resolver
        ));
    }
    claims.push(claim);
}
