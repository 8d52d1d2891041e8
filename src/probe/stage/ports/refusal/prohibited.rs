//! A port that an ICMP error answers for: who sent it, and how far away he is.
//!
//! Exists apart because a router without a route answers at its own TTL and a firewall one beyond, and only the routers heard before it
//! tell which. Where none of those was heard it names the address alone.

use std::net::{IpAddr, SocketAddr};

use super::super::say;
use super::heard_before;
use crate::diagnosis::{At, Claim, Code, Proof, Where};
use crate::probe::context::Context;
use crate::probe::plan::walk::{Heard, Walk};
use crate::probe::seen::icmp_name;
use crate::probe::stage::reference::Reference;
use crate::probe::stage::trace;

/// The error is this host's own: nothing left, and nobody on the way has to be asked.
fn own_rule(context: &Context, to: SocketAddr, from: IpAddr, meaning: Code) {
    let rule = context
        .way_out(to.ip())
        .ok()
        .and_then(|way| context.held_by("tcp", to, &way));
    let rule = rule.map_or_else(String::new, |rule| format!(" ({rule})"));
    let at = At {
        place: Where::Client,
        address: Some(from),
        hop: None,
        after_hop: Some(0),
    };
    let (summary, advice) = match meaning {
        Code::TcpProhibited => (
            format!(
                "A rule of this host itself rejects TCP port {}{rule}.",
                to.port()
            ),
            "Look at the output rules of this host: nft list ruleset, iptables-save".to_owned(),
        ),
        _ => (
            format!(
                "This host itself says that {} cannot be reached: its next hop does not answer, or a rule of its own says so{rule}.",
                to.ip()
            ),
            format!(
                "See ip neighbour, ip route get {}, and nft list ruleset on this host",
                to.ip()
            ),
        ),
    };
    let proof = Proof::Measured("SYNs from this host", context.now());
    let claim = Claim::new(meaning, at, proof, 0.9, summary)
        .shown_by(format!(
            "the ICMP error comes from {from}, this host's own address"
        ))
        .advise(advice);
    say(context, to, claim);
    context.bars(to);
}

/// A router says that the host cannot be reached, by an error about whichever packet of this run: of that, and of a walk that was
/// made already. False where the error says something else.
pub fn unreachable(context: &Context, to: SocketAddr, heard: Heard, walk: &Walk) -> bool {
    let Heard::Refused { from, kind, code } = heard else {
        return false;
    };
    let ours = context.source_for(to.ip()).is_ok_and(|ours| ours == from);
    if ours || meaning(to.is_ipv4(), kind, code) != Some(Code::RouteUnreachable) {
        return false;
    }
    let at = At {
        place: Where::Network,
        address: Some(from),
        hop: walk.distance_of(from),
        after_hop: None,
    };
    let place = at
        .hop
        .map_or_else(String::new, |hop| format!(" (hop {hop})"));
    let name = icmp_name(!to.is_ipv4(), kind, code);
    let claim = Claim::new(
        Code::RouteUnreachable,
        at,
        Proof::Measured("SYN series", context.now()),
        0.95,
        format!(
            "{from}{place} says that {} cannot be reached: {name}.",
            to.ip()
        ),
    )
    .shown_by(format!(
        "nothing at {} answers, and {from} says {name} of a packet of this run to it",
        to.ip()
    ));
    say(context, to, claim);
    true
}

/// An ICMP error answers for a port: whose, and what does it say?
pub(super) async fn prohibited(
    context: &Context,
    to: SocketAddr,
    from: IpAddr,
    (kind, code): (u8, u8),
    reference: Option<Reference>,
) {
    let Some(meaning) = meaning(to.is_ipv4(), kind, code) else {
        return;
    };
    if context.source_for(to.ip()).is_ok_and(|ours| ours == from) {
        own_rule(context, to, from, meaning);
        return;
    }
    let hops = reference.map_or(12, |one| one.hops);
    let (target, control) = trace::answering(context, to, hops, reference).await;
    let first = target.walk.first_end().map(|(ttl, _)| ttl);
    // Loss may have hidden an earlier answer: the distance before it counts only where a router was heard.
    let before = first.and_then(|ttl| heard_before(&target.walk, ttl));
    let own = from == to.ip() && meaning == Code::TcpProhibited;
    let at = At {
        place: if own { Where::Server } else { Where::Network },
        address: Some(from),
        hop: rejects_at(&target.walk, control.as_ref().map(|one| &one.walk), from),
        after_hop: before,
    };
    let place = at
        .hop
        .map_or_else(String::new, |hop| format!(" (hop {hop})"));
    let name = icmp_name(!to.is_ipv4(), kind, code);
    let summary = match meaning {
        _ if own => format!(
            "The server's own firewall rejects TCP port {}: {name}.",
            to.port()
        ),
        Code::TcpProhibited => format!(
            "A firewall at {from}{place} rejects TCP port {}: {name}.",
            to.port()
        ),
        _ if from == to.ip() => format!(
            "{from}{place} itself says {name}: it passes on to a host that it cannot reach, or a rule of its own says so."
        ),
        _ => format!(
            "{from}{place} says that {} cannot be reached: {name}.",
            to.ip()
        ),
    };
    let drew = first
        .and_then(|ttl| target.walk.at(ttl))
        .map_or((0, 0), |rung| (rung.ends.min(rung.sent), rung.sent));
    let mut claim = Claim::new(
        meaning,
        at,
        Proof::Measured("TTL-limited SYNs", context.now()),
        0.98,
        summary,
    )
    .shown_by(format!(
        "SYNs to port {} draw {name} from {from} from TTL {} on ({}/{})",
        to.port(),
        first.unwrap_or(0),
        drew.0,
        drew.1
    ));
    if meaning == Code::TcpProhibited {
        claim = claim
            .advise(format!("Ask whoever runs {from} to allow TCP port {} to {}", to.port(), to.ip()))
            .advise("Applications call this \"No route to host\" or \"Connection refused\"; routing is not the fault");
    }
    if let Some(one) = reference {
        claim = claim.because(
            Proof::Measured("control", context.now()),
            format!("meanwhile {}", one.name()),
        );
    }
    say(context, to, claim);
}

/// How far away the sender of an ICMP error is. A router that filters behind its TTL check answers from one TTL beyond its own
/// distance, at which its time-exceeded tells its address. One that has no route, or one that refuses, answers before that check, at
/// its own distance: what is heard one TTL earlier is then another router.
fn rejects_at(target: &Walk, control: Option<&Walk>, from: IpAddr) -> Option<u8> {
    let own = target
        .distance_of(from)
        .or_else(|| control?.distance_of(from));
    own.or_else(|| {
        let (first, _) = target.first_end()?;
        heard_before(target, first).map(|_| first)
    })
}

/// Which cause an ICMP error about a SYN is (C14).
fn meaning(v4: bool, kind: u8, code: u8) -> Option<Code> {
    match (v4, kind, code) {
        (true, 3, 2 | 3 | 9 | 10 | 13) | (false, 1, 1 | 4 | 5 | 6) => Some(Code::TcpProhibited),
        (true, 3, 0 | 1 | 6 | 7) | (false, 1, 0 | 3) => Some(Code::RouteUnreachable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::rejects_at;
    use crate::probe::plan::walk::{Heard, Walk};

    fn router(hop: u16) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, hop))
    }

    /// A walk on which hops below `first` complain, but for `mute`, and `from` rejects from there on.
    fn walk(first: u8, mute: Option<u8>, from: IpAddr) -> Walk {
        let mut walk = Walk::default();
        for ttl in 1..=4 {
            walk.sent(ttl);
            if ttl >= first {
                let (kind, code) = (1, 0);
                walk.heard(ttl, Heard::Refused { from, kind, code }, 1);
            } else if Some(ttl) != mute {
                walk.heard(ttl, Heard::Exceeded(router(ttl.into())), 1);
            }
        }
        walk
    }

    #[test]
    fn who_has_no_route_rejects_at_its_own_distance() {
        assert_eq!(
            rejects_at(&walk(2, None, router(2)), None, router(2)),
            Some(2)
        );
        assert_eq!(
            rejects_at(&walk(1, None, router(1)), None, router(1)),
            Some(1)
        );
        // Nobody is heard before it: an earlier answer may have been lost.
        assert_eq!(
            rejects_at(&walk(3, Some(2), router(3)), None, router(3)),
            None
        );
    }

    #[test]
    fn who_filters_behind_its_ttl_check_is_one_hop_nearer() {
        assert_eq!(
            rejects_at(&walk(3, None, router(2)), None, router(2)),
            Some(2)
        );
        // The control tells where it is.
        let silent = walk(3, Some(2), router(2));
        let control = walk(5, None, router(9));
        assert_eq!(rejects_at(&silent, Some(&control), router(2)), Some(2));
    }
}
