//! Does something nearer than the host answer in its name?
//!
//! A walk with SYNs beside one with pings: what answers a SYN with fewer hops than the host has is not the host. The walk is also
//! what the report shows of the path. Of an address that has several services the pings are walked once, and one port; of the
//! others a SYN that cannot reach the host is enough, and only where that is answered is the port walked too.

use std::net::{IpAddr, SocketAddr};

use super::trace;
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::probe::context::Context;
use crate::probe::plan::walk::{FARTHEST, Heard, Walk};
use crate::probe::way::{Kind, Way, round};

/// SYNs of a port that is not walked, so near that the host cannot answer them.
const SHORT: u32 = 2;
/// An answer from too near is drawn so often again.
const AGAIN: u32 = 3;

/// How far an address is, as pings tell.
#[derive(Debug)]
pub struct Far {
    /// Their walk.
    pings: Walk,
    /// Hops to the host.
    hops: u8,
}

impl Far {
    /// The farthest router in which a ping ran out of TTL.
    fn router(&self) -> Option<u8> {
        self.pings.last_router().map(|(ttl, _)| ttl)
    }
}

/// Looks, and leaves the report the walk. `hops`: the distance of what answers SYNs.
pub async fn look(context: &Context, to: SocketAddr, hops: u8) {
    let host = context.host(to.ip());
    let mut target = Way::new(Kind::Flows(to), "TTL walk of the target port");
    let mut walked = false;
    let far = host.far.get_or_init(async || {
        walked = true;
        whole(context, &mut target, hops).await
    });
    let far = far.await;
    if !walked && !is_suspect(context, &mut target, far).await {
        return;
    }
    if !walked {
        let hops = far.hops.max(hops).saturating_add(1).min(FARTHEST);
        let ttls: Vec<u8> = (1..=hops).rev().collect();
        round(context, &mut [&mut target], &ttls).await;
    }
    if let Some(first) = too_near(&target.walk, &far.pings) {
        for _ in 0..AGAIN {
            round(context, &mut [&mut target], &[first, first + 1]).await;
        }
        let drew = target.walk.at(first).map_or(0, |rung| rung.ends);
        if drew >= 2 && too_near(&target.walk, &far.pings) == Some(first) {
            intercepted(context, to, first, &target, far);
        }
    }
    trace::record(context, to, &target);
}

/// Walks a port and pings, side by side.
async fn whole(context: &Context, target: &mut Way, hops: u8) -> Far {
    let mut ping = Way::new(Kind::Echo(target.kind.host()), "TTL walk of a ping");
    // A device that answers nearby hides how far the host is; its own echo tells.
    round(context, &mut [target, &mut ping], &[64]).await;
    let host = match ping.last_end {
        Some(Heard::Open { distance }) => distance.saturating_add(1),
        _ => hops,
    };
    let ttls: Vec<u8> = (1..=hops.max(host).saturating_add(1).min(FARTHEST))
        .rev()
        .collect();
    round(context, &mut [target, &mut ping], &ttls).await;
    Far {
        pings: ping.walk,
        hops: host,
    }
}

/// Whether a SYN that does not get as far as the routers that pings found is answered by more than a router.
async fn is_suspect(context: &Context, target: &mut Way, far: &Far) -> bool {
    let Some(short) = far
        .router()
        .and_then(|ttl| ttl.checked_sub(1))
        .filter(|ttl| *ttl > 0)
    else {
        return false;
    };
    for _ in 0..SHORT {
        round(context, &mut [target], &[short]).await;
        if target.walk.first_end().is_some() {
            return true;
        }
        // A router said that its TTL ran out there: nobody nearer answered for the host.
        if target.walk.last_router().is_some() {
            return false;
        }
    }
    false
}

/// The TTL with which a SYN is answered although a ping still runs out of TTL two hops on.
fn too_near(target: &Walk, pings: &Walk) -> Option<u8> {
    let (first, heard) = target.first_end()?;
    let (router, _) = pings.last_router()?;
    // Two flows may take ways that differ by one hop; a difference of two is none of theirs.
    (matches!(heard, Heard::Open { .. }) && router > first).then_some(first)
}

/// The place of what answers first at that TTL, from so many hops away by its own, and in words. A router tells a TTL's end before it looks
/// at what it hands on, so that a device in its way on answers first at the next TTL; what takes packets in at the next hop (TPROXY, REDIRECT)
/// does so as well, and its answer comes from there.
fn nearby(first: u8, hops: Option<u8>, router: impl Fn(u8) -> Option<IpAddr>) -> (At, String) {
    let before = first.saturating_sub(1);
    let at = |hop: u8| At {
        place: Where::Network,
        address: router(hop),
        hop: (hop > 0).then_some(hop),
        after_hop: Some(before),
    };
    // With the smallest TTL of all there is nobody before it.
    match before {
        0 => (at(0), "at hop 1".to_owned()),
        _ if hops == Some(first) => (at(first), format!("at hop {first}")),
        hop => (at(hop), format!("near hop {hop}")),
    }
}

fn intercepted(context: &Context, to: SocketAddr, first: u8, target: &Way, far: &Far) {
    let hops = match target.walk.at(first).and_then(|rung| rung.end) {
        Some(Heard::Open { distance }) => Some(distance.saturating_add(1)),
        _ => None,
    };
    let farther = far.router().unwrap_or(first);
    let (at, near) = nearby(first, hops, |hop| {
        let walks = [&target.walk, &far.pings];
        walks
            .into_iter()
            .find_map(|walk| walk.at(hop).and_then(|rung| rung.router))
    });
    let claim = Claim::new(
        Code::TcpIntercepted,
        at,
        Proof::Measured("TTL-limited SYNs", context.now()),
        0.95,
        format!(
            "A device {near} answers for {to}: its SYN-ACK comes for a TTL that does not reach the server."
        ),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "a SYN with TTL {first} is answered by a SYN-ACK, while a ping still runs out of TTL at hop {farther}"
    ))
    .advise("Find out who runs a mail proxy or SYN proxy there; the server may be closed behind it");
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Finding,
    });
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::nearby;

    #[test]
    fn what_answers_from_its_own_hop_is_not_the_router_before_it() {
        let router = |hop: u8| (hop > 0).then(|| IpAddr::from([198, 51, 100, hop]));
        let place = |first: u8, hops: Option<u8>| {
            let (at, near) = nearby(first, hops, router);
            (at.hop, at.after_hop, at.address, near)
        };
        let near = |hop: u8, words: &str| (Some(hop), Some(1), router(hop), words.to_owned());
        assert_eq!(place(2, Some(2)), near(2, "at hop 2"));
        // The near misses: from one hop nearer it is that router's doing; from farther away, or from nobody knows where, nothing tells.
        for hops in [Some(1), Some(5), None] {
            assert_eq!(place(2, hops), near(1, "near hop 1"));
        }
        assert_eq!(
            place(1, Some(1)),
            (None, Some(0), None, "at hop 1".to_owned())
        );
    }
}
