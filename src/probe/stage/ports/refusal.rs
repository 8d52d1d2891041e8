//! A port that answers with something that is no SYN-ACK: who sent it, and from which hop.
//!
//! Claims stand against a control's walk; a RST that nothing can be compared with is left to what the packets alone say.

mod prohibited;

use std::net::SocketAddr;

use self::prohibited::prohibited;
pub use self::prohibited::unreachable;
use super::{say, stuck};
use crate::diagnosis::{At, Claim, Code, Proof, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::walk::{Heard, Walk};
use crate::probe::stage::reference::{self, Reference};
use crate::probe::stage::trace;
use crate::probe::way::{Kind, Way};

/// DSCP AF11: what a host's stack copies into its RST and a firewall's REJECT does not.
const MARK: u8 = 0x28;

/// A port answers a SYN with something that is no SYN-ACK: who is it?
pub async fn refused(context: &Context, to: SocketAddr) {
    // A rule of this host's own refuses before anything leaves.
    if stuck(context, to).await {
        return;
    }
    context.progress(StageName::Tcp, &format!("{to} refuses: asking once more"));
    let mut way = Way::new(Kind::Flows(to), "the raw answer of the target port");
    for _ in 0..10 {
        way.send(context, 64).await;
        crate::probe::way::settle(&mut [&mut way]).await;
        if way.last_end.is_some() || way.walk.last_router().is_some() {
            break;
        }
    }
    // A full TTL that runs out goes round; where no packet is captured, the kernel gives up at once.
    let circles = way.walk.last_router();
    let Some(heard) = way
        .last_end
        .or(circles.map(|(_, router)| Heard::Exceeded(router)))
    else {
        return;
    };
    let reference = reference::find(context, to.ip(), to.port()).await;
    answered(context, to, heard, reference).await;
}

pub(super) async fn answered(
    context: &Context,
    to: SocketAddr,
    heard: Heard,
    reference: Option<Reference>,
) {
    if matches!(heard, Heard::Open { .. }) {
        sometimes(context, to, (1, 1));
        return;
    }
    if !context.options().wants(StageName::Trace) {
        return;
    }
    match heard {
        Heard::Reset { distance, .. } => {
            reset(context, to, distance.saturating_add(1), reference).await;
        }
        Heard::Refused { from, kind, code } => {
            prohibited(context, to, from, (kind, code), reference).await;
        }
        Heard::Exceeded(_) => circle(context, to).await,
        Heard::Open { .. } => {}
    }
}

/// A RST: by whom? Where that cannot be told, so it is said.
async fn reset(context: &Context, to: SocketAddr, hops: u8, reference: Option<Reference>) {
    let Err(seen) = who_reset(context, to, hops, reference).await else {
        return;
    };
    let claim = Claim::new(
        Code::TcpRefused,
        At::address(Where::Server, to.ip()),
        Proof::Measured("TTL-limited SYNs", context.now()),
        0.6,
        format!(
            "A RST answers for port {}; whether the server sent it could not be told.",
            to.port()
        ),
    )
    .shown_by(seen)
    .or(
        Code::TcpResetByPath,
        0.35,
        "another port of the same host that opens, or a capture at the server",
    );
    say(context, to, claim);
    // What may be barred is no wrong port.
    context.bars(to);
}

/// The port that was refused opens for other SYNs: who refuses is one of several, and which no TTL tells, since each may be
/// another host, as far away as it likes. `opened`: how many SYNs, of those that drew a RST or a SYN-ACK.
fn sometimes(context: &Context, to: SocketAddr, (opens, answered): (u32, u32)) {
    let port = to.port();
    let claim = Claim::new(
        Code::TcpRefused,
        At::address(Where::Unknown, to.ip()),
        Proof::Measured("SYNs from other ports", context.now()),
        0.6,
        format!(
            "Port {port} of {} refuses some connections and opens for others: one of several back ends or paths.",
            to.ip()
        ),
    )
    .shown_by(format!(
        "after the connection was refused, of {answered} SYNs that were answered {opens} drew a SYN-ACK"
    ))
    .or(
        Code::TcpResetByPath,
        0.2,
        "a capture at the server: does the SYN that is refused arrive there?",
    )
    .or(
        Code::PathSplit,
        0.18,
        "the same source ports again: are always the same ones refused?",
    )
    .advise(format!(
        "Look at every host that answers for port {port} of {} behind a balancing device: on one of them the service may not run",
        to.ip()
    ));
    say(context, to, claim);
    // What is open at times is no wrong port.
    context.bars(to);
}

/// Finds it out; else what was seen, which is too little.
async fn who_reset(
    context: &Context,
    to: SocketAddr,
    hops: u8,
    reference: Option<Reference>,
) -> Result<(), String> {
    let (target, control) = trace::answering(context, to, hops, reference).await;
    let (opens, answered) = target.walk.opened();
    if opens > 0 {
        sometimes(context, to, (opens, answered));
        return Ok(());
    }
    let Some((first, Heard::Reset { distance, .. })) = target.walk.first_end() else {
        return Err("SYNs with TTLs from 1 up drew no RST again".to_owned());
    };
    let own = control
        .as_ref()
        .and_then(|control| control.walk.first_end())
        .filter(|(_, heard)| matches!(heard, Heard::Open { .. } | Heard::Reset { .. }));
    let Some((reaches, answer)) = own else {
        return Err(format!(
            "a SYN with TTL {first} draws a RST; nothing else of the host answers, against which that could be held"
        ));
    };
    let rung = |way: &Way, ttl: u8| {
        way.walk
            .at(ttl)
            .map_or((0, 0), |rung| (rung.ends.min(rung.sent), rung.sent))
    };
    let name = control
        .as_ref()
        .map_or_else(String::new, |one| one.kind.name());
    let proof = Proof::Measured("TTL-limited SYNs", context.now());
    let (drew, of) = rung(&target, first);
    if first < reaches && drew >= 2 {
        // That this TTL does not reach the server must be seen, not inferred from silence: a router at or behind it still
        // complains about the control's packets.
        let beyond = control
            .as_ref()
            .and_then(|one| one.walk.last_router())
            .is_some_and(|(ttl, _)| ttl >= first);
        let (early, _) = control.as_ref().map_or((0, 0), |one| rung(one, first));
        if early > 0 || !beyond {
            return Err(format!(
                "a SYN with TTL {first} draws a RST ({drew}/{of}), {name} is answered from TTL {reaches} on; no router behind is heard of"
            ));
        }
        let before = first.saturating_sub(1);
        let at = device(
            &target.walk,
            control.as_ref().map(|one| &one.walk),
            (first, distance),
        );
        let who = match (at.address, at.hop) {
            (Some(router), Some(hop)) => format!("at {router} (hop {hop})"),
            (None, Some(hop)) => format!("at hop {hop}"),
            (Some(router), None) => format!("behind {router} (hop {before})"),
            (None, None) => format!("behind hop {before}"),
        };
        let claim = Claim::new(
            Code::TcpResetByPath,
            at,
            proof,
            0.98,
            format!("A device {who} resets connections to port {}; the server never sees them.", to.port()),
        )
        .shown_by(format!(
            "a SYN to port {} with TTL {first} draws a RST ({drew}/{of}); {name} needs TTL {reaches} to reach the server",
            to.port()
        ))
        .advise(format!(
            "Ask whoever runs the device {who} to allow TCP port {} to {}",
            to.port(),
            to.ip()
        ));
        say(context, to, claim);
        context.bars(to);
        Ok(())
    } else if first == reaches && drew >= 2 && target.walk.begins_at(first) {
        let stack = own_stack(context, to).await;
        if let Stack::Opens(opens) = stack {
            sometimes(context, to, opens);
            return Ok(());
        }
        let mut claim = Claim::new(
            Code::TcpRefused,
            At::address(Where::Server, to.ip()),
            proof,
            0.97,
            format!(
                "Nothing listens on port {}: the server itself refuses.",
                to.port()
            ),
        )
        .shown_by(format!(
            "a RST comes only from TTL {first} on, the TTL with which {name} reaches the server too"
        ))
        .advise(format!(
            "Start the service on {}, or use the port on which it listens",
            to.ip()
        ));
        match stack {
            Stack::Own => {
                claim = claim.because(
                    Proof::Measured("DSCP echo", context.now()),
                    "the RST copies the DSCP of the SYN, as a host's own stack does",
                );
            }
            Stack::Rule => {
                // The last router rejects behind its TTL check: no TTL tells it from the server, but its RST comes from nearer.
                let (Heard::Open { distance: usual }
                | Heard::Reset {
                    distance: usual, ..
                }) = answer
                else {
                    return Ok(());
                };
                let nearer = distance < usual;
                claim.confidence = if nearer { 0.55 } else { 0.85 };
                if nearer {
                    claim.summary = format!(
                        "Port {} is refused: by the server, or by a rule of the router before it.",
                        to.port()
                    );
                    claim = claim.because(
                        Proof::Measured("TTL-limited SYNs", context.now()),
                        format!("the RST comes from {distance} hops away, the server's answers to {name} from {usual}"),
                    );
                }
                claim = claim
                    .because(
                        Proof::Measured("DSCP echo", context.now()),
                        "the RST does not copy the DSCP of the SYN although a ping's answer does: a firewall's REJECT at \
                         the server's distance writes such",
                    )
                    .or(
                        Code::TcpResetByPath,
                        if nearer { 0.42 } else { 0.12 },
                        "a look at the firewall rules of the server and of the router before it",
                    );
            }
            Stack::Opens(_) => {}
            // Whether it is the server's own stack or a rule before it nobody saw.
            Stack::Unknown => {
                claim.confidence = 0.85;
                claim = claim.or(
                    Code::TcpResetByPath,
                    0.12,
                    "a look at the firewall rules of the server and of the router before it",
                );
            }
        }
        say(context, to, claim);
        Ok(())
    } else {
        Err(format!(
            "a SYN with TTL {first} draws a RST ({drew}/{of}), {name} is answered from TTL {reaches} on: too little to tell"
        ))
    }
}

/// Where a device stands whose RST comes first for a probe of that TTL, from that distance. `control`: what else is known of
/// the way.
pub fn device(target: &Walk, control: Option<&Walk>, (first, distance): (u8, u8)) -> At {
    let before = first.saturating_sub(1);
    let router = target.at(before).and_then(|rung| rung.router);
    let heard = heard_before(target, first);
    // A device that filters behind its TTL check says time-exceeded itself one TTL earlier; its RST comes from as far.
    let seems = distance.saturating_add(1);
    let hop = [before, first]
        .into_iter()
        .find(|ttl| heard.is_some() && *ttl == seems);
    let address = match hop == Some(first) {
        true => control.and_then(|control| control.at(first)?.router),
        false => router,
    };
    At {
        place: Where::Network,
        address,
        hop,
        after_hop: heard,
    }
}

/// Whose RST it is, by its DSCP.
enum Stack {
    Own,
    Rule,
    /// It opened: how often, of how many answers.
    Opens((u32, u32)),
    Unknown,
}

/// A Linux host copies the DSCP of what it refuses; a REJECT rule writes 0. A ping that comes back marked is the control
/// that the path keeps the mark both ways.
async fn own_stack(context: &Context, to: SocketAddr) -> Stack {
    if context.raw().is_none() {
        return Stack::Unknown;
    }
    let mut refused = Way::new(Kind::Flows(to), "does the RST copy the DSCP?");
    for _ in 0..2 {
        refused.send_marked(context, 64, MARK).await;
    }
    crate::probe::way::settle(&mut [&mut refused]).await;
    let opened = refused.walk.opened();
    if opened.0 > 0 {
        return Stack::Opens(opened);
    }
    let Some(Heard::Reset { tos, .. }) = refused.last_end else {
        return Stack::Unknown;
    };
    if tos & 0xfc == MARK {
        return Stack::Own;
    }
    let mut ping = Way::new(Kind::Echo(to.ip()), "does the path keep the DSCP?");
    ping.send_marked(context, 64, MARK).await;
    crate::probe::way::settle(&mut [&mut ping]).await;
    if tos == 0 && ping.last_tos & 0xfc == MARK {
        Stack::Rule
    } else {
        Stack::Unknown
    }
}

/// The distance before a TTL, where a router complained about the target's own packet: 0 before the first.
fn heard_before(target: &Walk, ttl: u8) -> Option<u8> {
    let before = ttl.checked_sub(1)?;
    let heard = target.at(before).is_some_and(|rung| rung.exceeded > 0);
    (before == 0 || heard).then_some(before)
}

/// A full TTL ran out on the way: which routers does the packet see twice?
async fn circle(context: &Context, to: SocketAddr) {
    let mut target = Way::new(Kind::OneFlow(to), "TTL walk of the target port");
    let ttls: Vec<u8> = (1..=20).rev().collect();
    for _ in 0..3 {
        crate::probe::way::round(context, &mut [&mut target], &ttls).await;
    }
    let Some((near, far, router)) = target.walk.circle() else {
        return;
    };
    let at = At {
        place: Where::Network,
        address: Some(router),
        hop: Some(near),
        after_hop: None,
    };
    let claim = Claim::new(
        Code::RouteLoop,
        at,
        Proof::Measured("TTL walk", context.now()),
        0.98,
        format!(
            "Packets to {} go round: {router} sees them at hop {near} and again at hop {far}.",
            to.ip()
        ),
    )
    .advise(format!(
        "Ask whoever runs {router} where it routes {}",
        to.ip()
    ));
    say(context, to, claim);
}
