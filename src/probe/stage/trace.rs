//! Where it happens: the target's flow against a control's, walked down from the full TTL.
//!
//! Two rounds over the whole way, then only around the boundary until chance is excluded; a new flow confirms. Everything
//! that was seen becomes the report's `paths`.

use std::net::{IpAddr, SocketAddr};

use super::reference::Reference;
use crate::engine::record::{HopInfo, PathRecord};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::walk::{Boundary, FARTHEST, Heard, boundary};
use crate::probe::way::{Kind, Way, round, settle};

/// Rounds around a boundary at the most: on a lossy path it takes many.
const FOCUS: u32 = 24;
/// The same by ordinary sockets: a control that opens is a connection each time.
const PLAIN: u32 = 10;
/// Probes of a new flow that confirm a boundary, and where packets get lost.
const CONFIRMED: u32 = 3;
const CONFIRMED_LOSSY: u32 = 8;
/// Hops to a host of which nothing is known.
const UNKNOWN: u8 = 16;

fn focus(context: &Context) -> u32 {
    match context.raw() {
        Some(_) => FOCUS,
        None => PLAIN,
    }
}

/// TTLs from the farthest down.
fn down(from: u8) -> Vec<u8> {
    (1..=from.clamp(1, FARTHEST)).rev().collect()
}

/// A walk of a target that does not answer.
pub struct Placed {
    /// The target's way.
    pub target: Way,
    /// The control's.
    pub control: Option<Way>,
    /// Where the target's ends.
    pub boundary: Boundary,
    /// A new flow dies at the same place.
    pub confirmed: bool,
}

/// Walks a target that never answers.
pub async fn silent(context: &Context, to: SocketAddr, reference: Option<Reference>) -> Placed {
    context.progress(StageName::Trace, &format!("where SYNs to {to} vanish"));
    let mut target = Way::new(Kind::OneFlow(to), "TTL walk of the target port");
    let mut control = reference.map(|one| Way::new(one.kind, "TTL walk of a control"));
    let far = reference.map_or(UNKNOWN, |one| one.hops.saturating_add(1));
    let focus = focus(context);
    let ttls = down(far);
    let mut rounds = 0;
    let mut found;
    loop {
        let around: Vec<u8> = if rounds < 2 {
            ttls.clone()
        } else {
            let Boundary {
                after_hop, beyond, ..
            } = boundary(&target.walk, &Way::walk_of(control.as_ref()));
            let next = beyond.map_or(after_hop + 1, |beyond| beyond.ttl);
            let mut around = vec![next, after_hop + 1, after_hop];
            around.retain(|ttl| (1..=FARTHEST).contains(ttl));
            around.dedup();
            around
        };
        match &mut control {
            Some(control) => round(context, &mut [control, &mut target], &around).await,
            None => round(context, &mut [&mut target], &around).await,
        }
        rounds += 1;
        found = boundary(&target.walk, &Way::walk_of(control.as_ref()));
        let enough = found.sure && rounds >= 4;
        let hopeless = control.is_none() && rounds >= 4;
        if enough || hopeless || rounds >= focus || context.is_cancelled() {
            break;
        }
    }
    // A walked flow may be treated as the walker's: a new one at the full TTL and at the boundary must agree.
    let mut fresh = Way::new(Kind::Flows(to), "a new flow confirms the place");
    let beyond = found.beyond.filter(|_| found.sure);
    // Where packets get lost a router may have been missed by chance, and the walk looked until it seemed so.
    let lossy = beyond.is_some_and(|beyond| beyond.reference.0 < beyond.reference.1);
    for _ in 0..if lossy { CONFIRMED_LOSSY } else { CONFIRMED } {
        fresh.send(context, 64).await;
        if let Some(beyond) = beyond {
            fresh.send(context, beyond.ttl).await;
        }
        if found.after_hop > 0 {
            fresh.send(context, found.after_hop).await;
        }
    }
    settle(&mut [&mut fresh]).await;
    let confirmed = fresh.walk.first_end().is_none_or(|(ttl, _)| ttl < 64)
        && (found.after_hop == 0
            || fresh
                .walk
                .last_router()
                .is_some_and(|(ttl, _)| ttl == found.after_hop));
    record(context, to, &target);
    if let Some(control) = &control {
        record_way(context, control);
    }
    Placed {
        target,
        control,
        boundary: found,
        confirmed,
    }
}

/// Walks a target that answers (with a RST or an ICMP error), each probe on a flow of its own.
pub async fn answering(
    context: &Context,
    to: SocketAddr,
    hops: u8,
    reference: Option<Reference>,
) -> (Way, Option<Way>) {
    context.progress(StageName::Trace, &format!("who answers for {to}"));
    let mut target = Way::new(Kind::Flows(to), "TTL walk of the target port");
    // A flow that was answered before is answered late or not at all (a half-open connection, RFC 5961): no flow twice.
    let mut control = reference.map(|one| {
        let kind = match one.kind {
            Kind::OneFlow(to) => Kind::Flows(to),
            other => other,
        };
        Way::new(kind, "TTL walk of a control")
    });
    // An answer whose TTL was not seen tells no distance.
    let hops = Some(hops).filter(|hops| *hops <= FARTHEST).unwrap_or(0);
    let far = match reference.map_or(hops, |one| one.hops.max(hops)) {
        0 => UNKNOWN,
        hops => hops,
    }
    .saturating_add(1);
    let ttls = down(far);
    let focus = focus(context);
    let mut rounds = 0;
    loop {
        let around: Vec<u8> = match target.walk.first_end().filter(|_| rounds >= 2) {
            // The boundary: where an answer first comes, the two before it, and where the control's first comes.
            Some((first, _)) => {
                let other = control
                    .as_ref()
                    .and_then(|control| control.walk.first_end())
                    .map_or(first, |(ttl, _)| ttl);
                let mut around = vec![
                    other,
                    other.saturating_sub(1),
                    first,
                    first.saturating_sub(1),
                ];
                around.retain(|ttl| *ttl > 0);
                around.sort_unstable();
                around.dedup();
                around.reverse();
                around
            }
            None => ttls.clone(),
        };
        match &mut control {
            Some(control) => round(context, &mut [control, &mut target], &around).await,
            None => round(context, &mut [&mut target], &around).await,
        }
        rounds += 1;
        let twice = |way: &Way| {
            way.walk
                .first_end()
                .and_then(|(ttl, _)| way.walk.at(ttl))
                .is_some_and(|rung| rung.ends >= 3)
        };
        let mut enough = rounds >= 3 && twice(&target) && control.as_ref().is_none_or(twice);
        if let Some((first, _)) = target.walk.first_end() {
            let own = control.as_ref().and_then(|one| one.walk.first_end());
            let heard = target.walk.begins_at(first);
            // What answers too early counts only where the control is seen to go on.
            let beyond = own.is_none_or(|(reaches, _)| reaches <= first)
                || Way::walk_of(control.as_ref())
                    .last_router()
                    .is_some_and(|(ttl, _)| ttl >= first);
            enough &= heard && beyond;
        }
        if enough || rounds >= focus || context.is_cancelled() {
            break;
        }
    }
    record(context, to, &target);
    if let Some(control) = &control {
        record_way(context, control);
    }
    (target, control)
}

impl Way {
    fn walk_of(way: Option<&Way>) -> crate::probe::plan::walk::Walk {
        way.map(|way| way.walk.clone()).unwrap_or_default()
    }
}

/// A way for the report's `paths`.
pub fn record(context: &Context, to: SocketAddr, way: &Way) {
    context.path(PathRecord {
        target: to.ip().to_string(),
        port: Some(to.port()),
        hops: hops(way, to.ip()),
        mtu: None,
        loss: None,
        tls: None,
    });
}

/// What was found at each distance. What is no router's complaint comes from the destination's address, or says itself who sent it.
fn hops(way: &Way, to: IpAddr) -> Vec<HopInfo> {
    let mut hops = way.walk.hops();
    for hop in hops.iter_mut().filter(|hop| hop.address.is_none()) {
        let from = match way.walk.at(hop.ttl).and_then(|rung| rung.end) {
            None => continue,
            Some(Heard::Refused { from, .. }) => from,
            Some(_) => to,
        };
        hop.address = Some(from.to_string());
    }
    hops
}

fn record_way(context: &Context, way: &Way) {
    match way.kind {
        Kind::OneFlow(to) | Kind::Flows(to) => record(context, to, way),
        Kind::Echo(host) => context.path(PathRecord {
            target: host.to_string(),
            port: None,
            hops: hops(way, host),
            mtu: None,
            loss: None,
            tls: None,
        }),
    }
}
