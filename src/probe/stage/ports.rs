//! A port that does not open: dropped, refused, reset by something on the path, prohibited, or going round in circles.
//!
//! Every claim names what it was measured against. A RST or a silence that nothing can be compared with is left to what
//! the packets alone say.

mod crowd;
mod guessed;
mod last;
mod refusal;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

pub use crowd::question;
pub use guessed::{Guessed, Silent, guessed};
pub use refusal::{device, refused};

use super::local::{self, Neighbor};
use super::reference::{self, Reference};
use super::trace;
use crate::base::Timestamp;
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::series::{Finding, Series, Subject};
use crate::probe::plan::walk::{Beyond, Heard};
use crate::probe::way::{Kind, Way};

/// The kernel's own SYN is kept so long, that three transmissions of it are seen (silence has a clock).
const CLOCK: Duration = Duration::from_millis(3_400);
/// An answer to it is waited for so long before the port is called dropped: the verdict is final within 5 s.
const LATE: Duration = Duration::from_millis(4_500);
/// A next hop that does not answer is known by then.
const NEIGHBOR: Duration = Duration::from_millis(4_000);
/// A handshake that takes so long is slow (verdicts.md, path.slow).
const SLOW: Duration = Duration::from_secs(1);
/// A port's silence is this sure where nobody saw its SYNs leave, and no router on the way either.
const UNSEEN_TO_LEAVE: f32 = 0.85;
/// Between two looks at what this host does.
const SOON: Duration = Duration::from_millis(200);

/// A port answers nothing for a while: finds out whether it is dropped, and where. `begun`: when the kernel's connection
/// was begun; `known`: it was seen to be silent already.
pub async fn silent(context: &Context, to: SocketAddr, begun: Instant, known: Option<Silent>) {
    if stuck(context, to).await {
        return;
    }
    let (control, ahead) = match known {
        Some(known) => (Some(known.control), known.ahead),
        None => (None, context.go_ahead(to.ip())),
    };
    let reference = match control {
        Some(_) => control,
        None => {
            let looking = format!("{to} is silent: looking for a control");
            context.progress(StageName::Tcp, &looking);
            reference::find(context, to.ip(), to.port()).await
        }
    };
    if context.is_open(to) {
        return;
    }
    let mut probes = Vec::new();
    let (finding, end, series) = series(context, to, reference, &mut probes).await;
    drop(ahead);
    let end = match finding {
        // A firewall may say of one port that its host is unreachable: where another answers, that is no word about this one.
        Finding::Dropped { .. } => end.or_else(|| context.error_about(to, false)),
        _ => end,
    };
    match (finding, end) {
        // The kernel hears the same: what it is stands in its own packets, where it is the walk says.
        (_, Some(heard)) => refusal::answered(context, to, heard, reference).await,
        (Finding::Dropped { .. }, None) => {
            context.progress(
                StageName::Tcp,
                &format!("provisional: {to} is dropped (0.90); looking where"),
            );
            let counted = context.now();
            let (borne, placed, opened) = tokio::join!(
                super::options::borne(context, to),
                located(context, to, reference),
                opens_late(context, to, begun)
            );
            match opened {
                _ if borne => {}
                None => dropped(context, to, (&finding, counted), reference, placed),
                Some(took) if took >= SLOW => slow(context, to, took, &finding, reference),
                Some(_) => {}
            }
            end_of_clock(context, to, begun).await;
        }
        (Finding::AllSilent, None) if reference.is_none() => {
            let (placed, opened) =
                tokio::join!(located(context, to, None), opens_late(context, to, begun));
            let refused = refused_late(to, &mut probes).or_else(|| context.error_about(to, true));
            let walk = placed.as_ref().map(|placed| placed.target.walk.clone());
            let walk = walk.unwrap_or_default();
            match refused {
                _ if opened.is_some() => {}
                Some(heard) if refusal::unreachable(context, to, heard, &walk) => {}
                Some(heard) => refusal::answered(context, to, heard, None).await,
                None => path_silent(context, to, placed),
            }
            end_of_clock(context, to, begun).await;
        }
        // As often as not: one of several ways may be dead.
        (Finding::Mixed { .. } | Finding::Answers, None) if !context.is_open(to) => {
            super::split::sample(context, to).await;
            // The port opens, only not for this host's own connections: no other setting mends that.
            context.bars(to);
        }
        // Answered from another address, or too often to be dropped and too seldom to be told from loss in so few probes. Where
        // some were answered, flows that are asked again and again tell; else the kernel's own packets say what it is.
        (Finding::Unclear, None) => {
            if series.is_answered() && !context.is_open(to) {
                super::split::sample(context, to).await;
                // Some of its SYNs are answered: it is open.
                context.bars(to);
            }
            end_of_clock(context, to, begun).await;
        }
        _ => {}
    }
}

/// Nothing was seen to leave: the next hop does not answer, or a filter of this host holds it back. Neither says anything of
/// the path.
async fn stuck(context: &Context, to: SocketAddr) -> bool {
    if let Some(why) = local::unusable(to, context.options().interface.is_some()) {
        local::no_server(context, to, why);
        context.give_up(to);
        return true;
    }
    let end = Instant::now() + NEIGHBOR;
    // Without a capture nobody sees what leaves: only the next hop's silence is known.
    let seen = |context: &Context| context.captures() && context.has_left(to);
    while !seen(context) && !context.is_open(to) && !context.is_cancelled() {
        let Ok(way) = context.way_out(to.ip()) else {
            return false;
        };
        match local::neighbor(&way) {
            // The kernel asks three times, a second apart; then ARP and NDP themselves show it.
            Some(Neighbor::Asking) if Instant::now() < end => {
                tokio::time::sleep(SOON).await;
            }
            Some(Neighbor::Asking | Neighbor::Failed) => {
                local::no_neighbor(context, to.ip(), &way);
                return true;
            }
            _ if !context.captures() => return false,
            _ => {
                // The tap may be late; a filter is not.
                tokio::time::sleep(SOON).await;
                if context.has_left(to) || context.is_open(to) || way.is_here {
                    return false;
                }
                let rule = context.held_by("tcp", to, &way);
                local::held_back(context, to, &way, rule.as_deref());
                // Waiting brings nothing.
                context.give_up(to);
                return true;
            }
        }
    }
    false
}

/// Lets the kernel's own connection go on until its silence counts, then ends it.
async fn end_of_clock(context: &Context, to: SocketAddr, begun: Instant) {
    tokio::time::sleep_until(begun + CLOCK).await;
    if !context.is_open(to) {
        context.give_up(to);
    }
}

/// Waits for the answer to the kernel's own SYNs; how long it took, when the connection opened after all.
async fn opens_late(context: &Context, to: SocketAddr, begun: Instant) -> Option<Duration> {
    let end = begun + LATE;
    while !context.is_open(to) {
        if context.is_cancelled() || Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(SOON / 8).await;
    }
    Some(begun.elapsed())
}

/// It opened long after its SYN, and not because of loss: the answers come, and come late.
fn slow(
    context: &Context,
    to: SocketAddr,
    took: Duration,
    finding: &Finding,
    reference: Option<Reference>,
) {
    let Some(counted) = counted(to, finding, reference.as_ref()) else {
        return;
    };
    let control = control(reference.as_ref());
    let took = took.as_secs_f64();
    let at = At::address(Where::Unknown, to.ip());
    let proof = Proof::Measured("SYN series", context.now());
    let claim = Claim::new(
        Code::PathSlow,
        at,
        proof,
        0.7,
        format!("{to} opened only {took:.1} s after the first SYN; {control} at once."),
    )
    .weighing(Weight::Costly)
    .shown_by(counted)
    .or(
        Code::TcpListenOverflow,
        0.15,
        "a capture at the server: SYNs that arrive there and are not answered at first",
    )
    .advise(format!(
        "Look at what answers for port {} of {}: a SYN queue that is full, a proxy or firewall that connects to the server first",
        to.port(),
        to.ip()
    ));
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Session,
    });
}

async fn located(
    context: &Context,
    to: SocketAddr,
    reference: Option<Reference>,
) -> Option<trace::Placed> {
    if !context.options().wants(StageName::Trace) {
        return None;
    }
    Some(trace::silent(context, to, reference).await)
}

/// An ICMP error about one of the series' SYNs that came when the series was over: a router asks for its neighbour for three seconds before
/// it says that there is none, which is as long as the series takes.
fn refused_late(to: SocketAddr, probes: &mut [(usize, Way)]) -> Option<Heard> {
    let mut asked = probes
        .iter_mut()
        .map(|(_, way)| way)
        .filter(|way| way.kind == Kind::Flows(to));
    asked.find_map(|way| {
        way.collect();
        way.last_end
            .filter(|heard| matches!(heard, Heard::Refused { .. }))
    })
}

/// Runs the series of silence. Also gives back an answer that was neither open nor nothing, and in `probes` what was sent.
async fn series(
    context: &Context,
    to: SocketAddr,
    reference: Option<Reference>,
    probes: &mut Vec<(usize, Way)>,
) -> (Finding, Option<Heard>, Series) {
    let control = match reference.map(|one| one.kind) {
        Some(Kind::OneFlow(to)) => Kind::Flows(to),
        Some(kind) => kind,
        None => Kind::Echo(to.ip()),
    };
    let mut series = Series::begun(reference.is_some());
    loop {
        let now = context.now();
        let mut end = None;
        for (number, way) in probes.iter_mut() {
            if way.collect() == 0 {
                continue;
            }
            let Some(heard) = way.last_end else {
                // A time-exceeded for a full TTL: it goes round.
                if let Some((_, router)) = way.walk.last_router()
                    && matches!(way.kind, Kind::Flows(one) if one == to)
                {
                    end = Some(Heard::Exceeded(router));
                }
                continue;
            };
            let target = matches!(way.kind, Kind::Flows(one) if one == to);
            if target && way.stranger.is_some() {
                return (Finding::Unclear, None, series);
            }
            match heard {
                Heard::Open { .. } => {}
                other if target => end = Some(other),
                _ => {}
            }
            let took = way.fastest().unwrap_or(0);
            series.answered(*number, now.plus(-took.min(1)));
        }
        if end.is_some() {
            return (Finding::Wait, end, series);
        }
        match series.next(now) {
            Finding::Send(subject) => {
                let (kind, why) = match subject {
                    Subject::Target => (Kind::Flows(to), "is the target's silence loss?"),
                    Subject::Control => (control, "control of the target's silence"),
                };
                let mut way = Way::new(kind, why).first();
                if !way.send(context, 64).await {
                    return (Finding::Unclear, None, series);
                }
                let number = series.sent(subject, context.now());
                probes.push((number, way));
            }
            Finding::Wait => tokio::time::sleep(Duration::from_millis(10)).await,
            done => return (done, None, series),
        }
        if context.is_open(to) {
            return (Finding::Answers, None, series);
        }
        if context.is_cancelled() {
            return (Finding::Unclear, None, series);
        }
    }
}

/// What the series was held against, in words.
fn control(reference: Option<&Reference>) -> String {
    reference.map_or_else(|| "nothing".to_owned(), Reference::name)
}

/// What a series of dropped SYNs counted, in words; `None` for any other.
fn counted(to: SocketAddr, finding: &Finding, reference: Option<&Reference>) -> Option<String> {
    let Finding::Dropped {
        unanswered,
        answered,
        controls,
        chance,
    } = *finding
    else {
        return None;
    };
    Some(format!(
        "{unanswered} SYNs to port {} from {unanswered} ports unanswered, while {} {answered}/{controls}: chance {chance:.0e}",
        to.port(),
        control(reference)
    ))
}

fn say(context: &Context, to: SocketAddr, claim: Claim) {
    say_as(context, to, claim, Settles::Verdict);
}

fn say_as(context: &Context, to: SocketAddr, claim: Claim, settles: Settles) {
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles,
    });
}

fn dropped(
    context: &Context,
    to: SocketAddr,
    (finding, at_time): (&Finding, Timestamp),
    reference: Option<Reference>,
    placed: Option<trace::Placed>,
) {
    let Some(counted) = counted(to, finding, reference.as_ref()) else {
        return;
    };
    let control = control(reference.as_ref());
    let proof = Proof::Measured("SYN series", at_time);
    let mut at = At::of(Where::Network);
    let mut confidence = 0.95;
    let mut summary = format!("SYNs to port {} vanish; {control}.", to.port());
    let mut advice = format!(
        "Ask whoever runs the firewalls on the way to allow TCP port {} to {}",
        to.port(),
        to.ip()
    );
    let mut walked = None;
    let mut last = None;
    if let Some(placed) = placed {
        let found = &placed.boundary;
        // Where no router complained of either, and the next that answers is the host itself, nothing lies between to tell a place by.
        let told =
            |beyond: &Beyond| found.after_hop > 0 || beyond.ttl == 1 || beyond.router.is_some();
        if let Some(beyond) = found.beyond.filter(told)
            && found.sure
            && placed.confirmed
        {
            at.after_hop = Some(found.after_hop);
            at.address = found.router;
            let here = found
                .router
                .map_or_else(String::new, |router| format!(" ({router})"));
            summary = if found.after_hop == 0 {
                format!(
                    "SYNs to port {} vanish before the first router that answers; {control}.",
                    to.port()
                )
            } else {
                format!("SYN packets vanish after hop {}{here}.", found.after_hop)
            };
            last = beyond.router.is_none().then_some(beyond.ttl);
            let there = beyond.router.map_or_else(
                || format!("the host itself, hop {},", beyond.ttl),
                |router| format!("hop {} ({router})", beyond.ttl),
            );
            walked = Some(format!(
                "hop {}{here} answered {}/{} SYNs to port {}; {there} 0/{}, and {}/{} of the control",
                found.after_hop,
                found.forwarded.0,
                found.forwarded.1,
                to.port(),
                beyond.target,
                beyond.reference.0,
                beyond.reference.1
            ));
            // Ordinary sockets make each probe a flow of its own, which a balanced path may send elsewhere.
            confidence = if context.raw().is_some() { 0.99 } else { 0.93 };
            if let Some(router) = found.router {
                advice = format!(
                    "Ask whoever runs the device after {router} (hop {}) to allow TCP port {} to {}",
                    found.after_hop,
                    to.port(),
                    to.ip()
                );
            }
        }
    }
    if !context.captures() && at.after_hop.unwrap_or(0) == 0 {
        // Nobody saw a SYN leave, and no router says that one came by: it may be this host that holds them back.
        at.place = Where::Unknown;
        confidence = f32::min(confidence, UNSEEN_TO_LEAVE);
        summary = format!(
            "SYNs to port {} vanish, here or before the first router that answers; {control}.",
            to.port()
        );
        advice = format!(
            "{advice}; look at this host's own output rules first: nft list ruleset, iptables-save"
        );
    }
    if let (Some(server), Some(place), Some(hop)) = (last, at.address, at.after_hop) {
        (summary, advice) = last::seen((hop, place), server, to);
    }
    let mut claim = Claim::new(Code::TcpDropped, at, proof, confidence, summary)
        .shown_by(counted)
        .advise(advice);
    // The server itself drops as well, when its queue is full.
    let maybe_server = last.is_some() || walked.is_none();
    if let Some(walked) = walked {
        claim = claim.because(Proof::Measured("TTL walk", context.now()), walked);
    }
    if maybe_server {
        claim.confidence = f32::min(claim.confidence, 0.9);
        claim = claim
            .or(
                Code::TcpListenOverflow,
                0.05,
                "a capture at the server: SYNs that arrive there and are not answered while others are",
            )
            .or(
                Code::TcpSynackLost,
                0.04,
                "a capture at the server: SYN-ACKs that leave there, and are lost on the way back",
            );
    }
    say(context, to, claim);
}

fn path_silent(context: &Context, to: SocketAddr, placed: Option<trace::Placed>) {
    let proof = Proof::Measured("SYN series", context.now());
    let mut at = At::of(Where::Network);
    let mut text = format!(
        "Nothing at {} answers: no port that was tried, no ping. The whole path is silent, not one port.",
        to.ip()
    );
    if let Some((ttl, router)) = placed.and_then(|placed| placed.target.walk.last_router()) {
        at.after_hop = Some(ttl);
        at.address = Some(router);
        text = format!("{text} Hop {ttl} ({router}) is the last that answers.");
    }
    let claim = Claim::new(Code::TcpDropped, at, proof, 0.8, text)
        .advise(format!(
            "Check that {} is up and is the right address",
            to.ip()
        ))
        .advise("Ask whoever runs the device after the last hop that answers")
        .or(
            Code::RouteUnreachable,
            0.15,
            "a capture at the server: whether anything arrives there",
        );
    say(context, to, claim);
}
