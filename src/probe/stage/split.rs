//! One of several paths or back ends: flows that differ only in their source port live or die, each always.
//!
//! Twice eight flows are asked once; only where one stays silent is more sent. A flow counts as dead when it was silent so often
//! that the other flows' loss excludes chance, for all flows together (Holm). An address hash moves nobody between two
//! packets of one flow, so a mixed flow is loss and says nothing. A hash reads the server's port as well as ours: where one
//! address has many services, their flows together go over its paths, and each needs fewer.

use std::net::SocketAddr;

use super::near;
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::walk::{Heard, boundary};
use crate::probe::stats::{CERTAIN, holm, wilson};
use crate::probe::way::{Kind, Way, round, settle};
use crate::wire::TcpOptions;

/// Flows that are asked; half-open at once at the most.
const FLOWS: usize = 8;
/// Flows of one port: of four branches one is met by sixteen flows but once in a hundred runs not.
const OF_PORT: usize = 16;
/// Flows of all ports of one address together, and of a port at least: what 300 packets and 50 a second have room for beside the
/// sessions (Manners).
const OF_HOST: usize = 32;
const LEAST: usize = 5;
/// Living flows beside silent ones: one alone, asked a few times, does not exclude loss.
const ALIVE: usize = 3;
/// Times that a silent flow is asked.
const ASKED: u32 = 8;
/// Walks of a dead flow against a living one.
const WALKS: u32 = 8;

/// Asks several flows of a port that opens for somebody. Gives back how many probes were not answered at first, of how many:
/// what is lost, unless it is a dead branch, which is said.
pub async fn sample(context: &Context, to: SocketAddr) -> (u32, u32) {
    if context.raw().is_none() || context.is_cancelled() {
        return (0, 0);
    }
    context.progress(StageName::Tcp, &format!("{to} from several source ports"));
    let host = context.host(to.ip());
    let wanted = match context.options().intensive {
        true => OF_PORT,
        false => (OF_HOST / host.services()).clamp(LEAST, OF_PORT),
    };
    // What is half open at an address counts for all its ports.
    let turn = host.turn().await;
    let mut flows: Vec<Way> = Vec::new();
    while flows.len() < wanted {
        for _ in 0..FLOWS.min(wanted - flows.len()) {
            let mut way = Way::new(Kind::OneFlow(to), "one of several source ports");
            way.send(context, 64).await;
            flows.push(way);
        }
        settle_all(&mut flows).await;
        // Somebody is silent already: it is he who is asked again, once enough others tell what is lost by chance.
        let alive = flows.iter().filter(|way| way.last_end.is_some()).count();
        if alive >= ALIVE && alive < flows.len() {
            break;
        }
    }
    drop(turn);
    let distance = flows.iter().find_map(|way| match way.last_end {
        Some(Heard::Open { distance }) => Some(distance),
        _ => None,
    });
    let Some(distance) = distance else {
        return (0, 0);
    };
    let lost = flows.iter().filter(|way| way.last_end.is_none()).count() as u32;
    let agreed: Vec<TcpOptions> = flows.iter().filter_map(|way| way.last_options).collect();
    super::options::compare(context, to, &agreed).await;
    let mut split_seen = false;
    if flows.iter().any(|way| way.last_end.is_none()) {
        ask_again(context, &mut flows).await;
        if let Some((dead, alive)) = classes(&flows) {
            split(context, to, &mut flows, &dead, &alive).await;
            split_seen = true;
        }
    }
    if context.options().wants(StageName::Trace) && !context.is_cancelled() {
        near::look(context, to, distance.saturating_add(1)).await;
    }
    match split_seen {
        true => (0, 0),
        false => (lost, flows.len() as u32),
    }
}

async fn settle_all(flows: &mut [Way]) {
    let mut all: Vec<&mut Way> = flows.iter_mut().collect();
    settle(&mut all).await;
}

/// Silent flows are asked again and again; the others twice more, so that the loss is known.
async fn ask_again(context: &Context, flows: &mut [Way]) {
    for turn in 1..ASKED {
        // The silent ones first: what a rate limit lets through is theirs, and they are no longer silent.
        let (silent, alive): (Vec<&mut Way>, Vec<&mut Way>) =
            flows.iter_mut().partition(|way| way.last_end.is_none());
        for way in silent {
            way.send(context, 64).await;
        }
        for way in alive.into_iter().filter(|_| turn <= 3) {
            way.renew_here();
            way.send(context, 64).await;
        }
        settle_all(flows).await;
        let all_answered = flows.iter().all(|way| way.last_end.is_some());
        if all_answered || turn >= 3 && !can_be_told(flows) || context.is_cancelled() {
            return;
        }
    }
}

/// Whether the flows that answered once answer well enough for the silence of one to be told from loss, had it been asked
/// each time. Where they have fallen silent too (a rate limit), no further SYN can tell.
fn can_be_told(flows: &[Way]) -> bool {
    let (hits, of) = (flows.iter().map(counted))
        .filter(|(answered, _)| *answered > 0)
        .fold((0, 0), |(hits, of), (answered, asked)| {
            (hits + answered, of + asked)
        });
    let (rate, _) = wilson(hits, of);
    (1.0 - rate).powi(ASKED as i32) < CERTAIN
}

/// (answered, asked) of a flow.
fn counted(way: &Way) -> (u32, u32) {
    way.walk
        .at(64)
        .map_or((0, 0), |rung| (rung.ends.min(rung.sent), rung.sent))
}

/// Which flows are dead and which alive, if chance is excluded.
fn classes(flows: &[Way]) -> Option<(Vec<usize>, Vec<usize>)> {
    let (mut dead, mut alive) = (Vec::new(), Vec::new());
    let (mut hits, mut of) = (0, 0);
    for (at, way) in flows.iter().enumerate() {
        let (answered, asked) = counted(way);
        if answered == 0 {
            dead.push(at);
        } else {
            alive.push(at);
            hits += answered;
            of += asked;
        }
    }
    let (rate, _) = wilson(hits, of);
    let chances: Vec<f64> = dead
        .iter()
        .filter_map(|at| flows.get(*at))
        .map(|way| (1.0 - rate).powi(i32::try_from(counted(way).1).unwrap_or(0)))
        .collect();
    let stand = holm(&chances, CERTAIN);
    let all = !dead.is_empty() && !alive.is_empty() && stand.iter().all(|one| *one);
    all.then_some((dead, alive))
}

async fn split(
    context: &Context,
    to: SocketAddr,
    flows: &mut [Way],
    dead: &[usize],
    alive: &[usize],
) {
    let (Some(first_dead), Some(first_alive)) = (dead.first(), alive.first()) else {
        return;
    };
    let hops = flows
        .get(*first_alive)
        .and_then(|way| match way.last_end? {
            Heard::Open { distance } => Some(distance.saturating_add(1)),
            _ => None,
        })
        .unwrap_or(12);
    let ports = |which: &[usize]| -> String {
        which
            .iter()
            .filter_map(|at| flows.get(*at)?.local_port())
            .map(|port| port.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (dead_ports, alive_ports) = (ports(dead), ports(alive));
    let (_, asked) = flows.get(*first_dead).map_or((0, 0), counted);
    let mut at = At::of(Where::Network);
    let mut walked = None;
    let (low, high) = (first_dead.min(first_alive), first_dead.max(first_alive));
    let (before, after) = flows.split_at_mut(*high);
    if let (Some(one), Some(other)) = (before.get_mut(*low), after.first_mut()) {
        let (target, control) = if low == first_dead {
            (one, other)
        } else {
            (other, one)
        };
        control.renew_here();
        let ttls: Vec<u8> = (1..=hops).rev().collect();
        for _ in 0..WALKS {
            round(context, &mut [control, target], &ttls).await;
            let found = boundary(&target.walk, &control.walk);
            if found.sure {
                at.after_hop = Some(found.after_hop);
                at.address = found.router;
                let behind = found
                    .router
                    .map_or_else(String::new, |router| format!(" ({router})"));
                walked = Some(format!(
                    "a dead flow gets to hop {}{behind} and no farther, a living one on the same port does",
                    found.after_hop
                ));
                break;
            }
        }
    }
    let behind = at
        .after_hop
        .map_or_else(String::new, |hop| format!(" after hop {hop}"));
    let mut claim = Claim::new(
        Code::PathSplit,
        at,
        Proof::Measured("source ports", context.now()),
        0.98,
        format!(
            "One of several paths or back ends to {to} is dead{behind}: {} of {} source ports never open, the others always do.",
            dead.len(),
            dead.len() + alive.len()
        ),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "SYNs from ports {dead_ports} were never answered ({asked} times each); from ports {alive_ports} they were"
    ))
    .advise("Ask whoever runs the balancing device there to look at its links or back ends: a hash of addresses and ports chooses one");
    if let Some(walked) = walked {
        claim = claim.because(Proof::Measured("TTL walk", context.now()), walked);
    }
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Cause,
    });
}
