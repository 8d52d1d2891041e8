//! Questions that never got off this host: a next hop that does not answer for its address, a filter of this host's own, an address
//! that nobody has.
//!
//! No packet tells of them, so no look-up is judged: without a word from here the run would look well. The kernel is asked; nothing is sent.

use std::io;
use std::net::SocketAddr;

use super::asking::Fate;
use super::lookups::Lookups;
use crate::diagnosis::{At, Claim, Code, Proof, Weight, Where};
use crate::probe::context::Context;
use crate::probe::stage::local::{self, Neighbor, WayOut};

/// What kept all questions to a resolver here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// The next hop is silent.
    Neighbor,
    /// A filter of this host.
    Filter,
}

/// What is known of questions to a resolver that was never answered.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Packets are captured, and none of the questions was seen to leave.
    unseen: bool,
    /// The kernel was not permitted to send one: so it says that an output rule dropped it.
    forbidden: bool,
    /// Something else kept one from being sent.
    unsendable: bool,
    /// This host's own ICMP error came for one: it gave up looking for the next hop.
    own_error: bool,
    /// How far the next hop's address is known.
    neighbor: Option<Neighbor>,
}

/// Whose doing it is, where that is known.
fn kept(known: Known) -> Option<Kept> {
    let silent = matches!(known.neighbor, Some(Neighbor::Asking | Neighbor::Failed));
    match known {
        Known {
            forbidden: true, ..
        } => Some(Kept::Filter),
        _ if silent || known.own_error && known.neighbor.is_none() => Some(Kept::Neighbor),
        Known {
            unseen: true,
            unsendable: false,
            ..
        } => Some(Kept::Filter),
        _ => None,
    }
}

/// Says why no question got to any resolver, where that is this host's own doing or its next hop's. True when something was said.
pub(super) async fn said(context: &Context, lookups: &Lookups) -> bool {
    lookups.settle().await;
    let log = lookups.log();
    let answered = |fate: &Option<Fate>| matches!(fate, Some(Fate::Answered(_) | Fate::NoTcp(_)));
    if log.iter().any(|asked| answered(&asked.exchanged.fate)) {
        return false;
    }
    let forbidden = io::Error::from_raw_os_error(libc::EPERM).to_string();
    let (mut said, mut hops) = (false, Vec::new());
    for server in &lookups.servers {
        let to = server.address;
        if let Some(why) = local::unusable(to, context.options().interface.is_some()) {
            no_resolver(context, to, why);
            said = true;
            continue;
        }
        let Some(way) = way_out(context, to) else {
            continue;
        };
        let fates = || {
            let asked = log
                .iter()
                .filter(|asked| asked.server.place == server.place);
            asked.filter_map(|asked| asked.exchanged.fate.as_ref())
        };
        if way.is_here || fates().next().is_none() || context.captures() && context.has_left(to) {
            continue;
        }
        let known = Known {
            unseen: context.captures(),
            forbidden: fates().any(|fate| matches!(fate, Fate::Unsendable(why) if *why == forbidden)),
            unsendable: fates().any(|fate| matches!(fate, Fate::Unsendable(_))),
            own_error: fates().any(|fate| {
                matches!(fate, Fate::Rejected(Some((sender, ..))) if Some(*sender) == way.source)
            }),
            neighbor: local::neighbor(&way),
        };
        match kept(known) {
            // One dead gateway is one fault, however many resolvers lie behind it.
            Some(Kept::Neighbor) if hops.contains(&way.next_hop) => {}
            Some(Kept::Neighbor) => {
                hops.push(way.next_hop);
                local::no_neighbor(context, to.ip(), &way);
                said = true;
            }
            Some(Kept::Filter) => {
                let rule = context.held_by("udp", to, &way);
                local::question_held_back(context, to.ip(), &way, rule.as_deref());
                said = true;
            }
            None => {}
        }
    }
    said
}

/// The way to a resolver; by the link that a link-local address names (RFC 4007 6).
fn way_out(context: &Context, to: SocketAddr) -> Option<WayOut> {
    let zone = match to {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => local::device_name(v6.scope_id()),
        _ => None,
    };
    let options = context.options();
    let device = zone.as_deref().or(options.interface.as_deref());
    local::way_out(to.ip(), options.source, device).ok()
}

/// No question can be put to such an address.
fn no_resolver(context: &Context, to: SocketAddr, why: &str) {
    let ip = to.ip();
    let proof = Proof::Measured("kind of address", context.now());
    let summary = format!("No question gets to the resolver {ip}: {why}.");
    let claim = Claim::new(Code::RouteNone, At::of(Where::Client), proof, 0.97, summary)
        .weighing(Weight::Finding)
        .shown_by(format!("the address {ip} itself"))
        .advise(match ip.is_ipv6() && !ip.is_multicast() {
            true => format!("Name the link as well, in /etc/resolv.conf: nameserver {ip}%DEVICE"),
            false => format!("Set another resolver than {ip}"),
        });
    context.finding(claim);
}

#[cfg(test)]
mod tests {
    use super::{Kept, Known, kept};
    use crate::probe::stage::local::Neighbor;

    #[test]
    fn a_silent_next_hop_and_an_own_filter_are_told_apart() {
        let unseen = Known {
            unseen: true,
            ..Known::default()
        };
        let dead = Known {
            neighbor: Some(Neighbor::Failed),
            ..unseen
        };
        assert_eq!(kept(dead), Some(Kept::Neighbor));
        // The kernel forgot the entry, and its own error tells.
        let forgotten = Known {
            own_error: true,
            ..unseen
        };
        assert_eq!(kept(forgotten), Some(Kept::Neighbor));
        let held = Known {
            neighbor: Some(Neighbor::Known),
            ..unseen
        };
        assert_eq!(kept(held), Some(Kept::Filter));
        let refused = Known {
            forbidden: true,
            unsendable: true,
            neighbor: Some(Neighbor::Failed),
            ..Known::default()
        };
        assert_eq!(kept(refused), Some(Kept::Filter));
        // What else the kernel did not like about it is no filter.
        let unsendable = Known {
            unsendable: true,
            ..held
        };
        assert_eq!(kept(unsendable), None);
    }

    #[test]
    fn without_a_capture_silence_is_nobodys() {
        let known = Known {
            neighbor: Some(Neighbor::Known),
            ..Known::default()
        };
        assert_eq!(kept(known), None);
        assert_eq!(kept(Known::default()), None);
        let asking = Known {
            neighbor: Some(Neighbor::Asking),
            ..Known::default()
        };
        assert_eq!(kept(asking), Some(Kept::Neighbor));
    }
}
