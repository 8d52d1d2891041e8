//! Loss on one of several paths: flows that differ only in their source port lose differently.
//!
//! Asked where a few SYNs to an open port were not answered. Eight flows are counted in turns, in another order each time, so
//! that neither bursts nor clockwork can hit one of them alone. Then a flow of the bad class is walked: from which hop on
//! does it lose? What all flows lose alike is left to the series inside a connection.

use std::net::SocketAddr;

use super::loss::{Lossy, say};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::branches::{Divider, Division, Known};
use crate::probe::plan::loss::{Rate, begins_after};
use crate::probe::plan::walk::Heard;
use crate::probe::way::{Kind, Way, round, settle};

/// Flows that are counted; half-open at once at the most.
const FLOWS: usize = 8;
/// RSTs beside the kernel's to where something got lost: one of three arrives.
const UNDONE: u32 = 2;
/// Rounds of the walk at the least, and where the place is not clear by then.
const WALK: u32 = 30;
const FOCUS: u32 = 60;

/// Counts several flows; says so and gives back true where one of several paths loses.
pub async fn look(context: &Context, to: SocketAddr) -> bool {
    context.progress(
        StageName::Loss,
        &format!("which of several paths to {to} loses"),
    );
    let mut flows: Vec<Way> = (0..FLOWS)
        .map(|_| Way::new(Kind::OneFlow(to), "which of several paths loses?"))
        .collect();
    let mut divider = Divider::default();
    loop {
        once(context, &mut flows).await;
        let counts: Vec<(u32, u32)> = flows.iter().map(counted).collect();
        let known = divider.round(&counts);
        if context.is_cancelled() {
            return false;
        }
        match known {
            Known::NotYet => {}
            Known::Alike => return false,
            Known::Divided(found) => {
                judge(context, to, &mut flows, &found).await;
                return true;
            }
        }
    }
}

/// A SYN of each flow, in an order of its own.
async fn once(context: &Context, flows: &mut [Way]) {
    let mut order: Vec<&mut Way> = flows.iter_mut().collect();
    for at in (1..order.len()).rev() {
        order.swap(at, context.random() as usize % (at + 1));
    }
    for way in &mut order {
        way.send(context, 64).await;
    }
    settle(&mut order).await;
    for way in order.iter().filter(|way| counted(way).0 > 0) {
        for _ in 0..UNDONE {
            way.undo(context).await;
        }
    }
}

/// (lost, sent) at the full TTL.
fn counted(way: &Way) -> (u32, u32) {
    let rung = way.walk.at(64);
    rung.map_or((0, 0), |rung| {
        (rung.sent - rung.ends.min(rung.sent), rung.sent)
    })
}

async fn judge(context: &Context, to: SocketAddr, flows: &mut [Way], found: &Division) {
    let ports = |which: &[usize]| -> String {
        let ports = which.iter().filter_map(|at| flows.get(*at)?.local_port());
        let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
        ports.join(", ")
    };
    let ((worse, rate), (better, kept)) = (&found.worse, &found.better);
    let (bad, good) = (ports(worse), ports(better));
    let mut lossy = Lossy {
        rate: *rate,
        others: format!("source ports {good} lose {}", kept.says()),
        shown: format!(
            "SYNs from source ports {bad}: {} were not answered",
            rate.says()
        ),
        what: format!(
            "of packets get lost on one of several paths (source ports {bad}; on others {:.0} %)",
            kept.share() * 100.0
        ),
        manner: String::new(),
        hops: Vec::new(),
    };
    let walked = worse.first().and_then(|at| flows.get_mut(*at));
    if let (true, Some(way)) = (context.options().wants(StageName::Trace), walked) {
        walk(context, way, rate).await;
        lossy.hops = way.walk.hops();
    }
    say(context, to, &lossy);
}

/// Walks a flow of the bad class: each hop so often that the loss shows.
async fn walk(context: &Context, way: &mut Way, rate: &Rate) {
    let distance = match way.last_end {
        Some(Heard::Open { distance }) => distance,
        _ => return,
    };
    let ttls: Vec<u8> = (1..=distance).rev().collect();
    for turn in 0..FOCUS {
        if turn >= WALK && begins_after(rate, &super::loss::counted(&way.walk.hops())).is_some()
            || context.is_cancelled()
        {
            return;
        }
        round(context, &mut [&mut *way], &ttls).await;
    }
}
