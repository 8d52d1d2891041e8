//! Where a command or a ClientHello dies: sent with growing TTL inside a connection that the kernel opened for it.
//!
//! First duplicates of acknowledged bytes are walked: how far does anything of this connection get? Then what the kernel
//! would send next, each TTL a hop farther and never as far as the server: a filter shows itself by its reset, or by the
//! time-exceeded that stay away from behind it. A router that complains to nobody is silent to the duplicates too, so it
//! misleads nobody. Only what also dies without this counts; the caller saw that.

use std::time::Duration;

use super::ports::device;
use crate::diagnosis::{At, Where};
use crate::probe::context::Context;
use crate::probe::inside::Inside;
use crate::probe::options::StageName;
use crate::probe::plan::walk::{Heard, Walk, boundary};

/// Rounds of the control's walk: what lies behind a filter is never asked again, because it may let nothing through then.
const CONTROL: u32 = 4;
/// Rounds of the trigger around its end at the most.
const FOCUS: u32 = 12;
/// A TTL that goes all the way.
const WHOLE: u8 = 64;
/// Segments of one trigger.
const SEGMENTS: usize = 4;
/// An answer is waited for at least so long.
const LEAST: Duration = Duration::from_millis(150);

/// Where it dies.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Whose doing and where.
    pub at: At,
    /// By a reset; else it vanishes.
    pub by_reset: bool,
    /// Every router lets it pass: only the server, or what stands right before it, is left. Counts where the server never
    /// acknowledges it.
    pub last: bool,
    /// Duplicates of what the server acknowledged, sent as far as it goes, draw nothing either, although a host answers each (RFC 9293
    /// 3.10.7.4): of this connection nothing comes back any more, whatever is sent.
    pub mute: bool,
    /// What was seen, with its control.
    pub shown: String,
}

impl Placed {
    /// The place in words.
    pub fn says(&self) -> String {
        let address = self
            .at
            .address
            .map_or_else(String::new, |address| format!(" ({address})"));
        match (self.at.hop, self.at.after_hop) {
            (Some(hop), _) => format!("at hop {hop}{address}"),
            (None, Some(hop)) => format!("after hop {hop}{address}"),
            (None, None) => "on the way".to_owned(),
        }
    }
}

/// Walks what is sent next. `None` when too little answers to tell.
pub async fn walk(context: &Context, inside: &mut Inside, bytes: &[u8]) -> Option<Placed> {
    if context.raw().is_none() || !context.options().wants(StageName::Trace) || bytes.is_empty() {
        return None;
    }
    let to = inside.remote();
    context.progress(
        StageName::Trace,
        &format!("where it dies on the way to {to}"),
    );
    let hops = inside.hops()?.clamp(1, 30);
    let control = inside.series();
    for turn in 0..CONTROL {
        for ttl in (1..=hops).rev() {
            let small = inside.small();
            inside.duplicate(context, control, small, ttl).await;
        }
        inside.settle(LEAST).await;
        let nothing = (1..=hops).all(|ttl| inside.count(control, ttl).0 == 0);
        if nothing && turn == 1 || context.is_cancelled() {
            return None;
        }
    }
    let unanswered = inside.walk(control).first_end().is_none();
    let mute = unanswered && is_mute(context, inside).await;
    // A trigger that reaches the server would be its own business.
    let reaches = inside
        .walk(control)
        .first_end()
        .map_or(hops, |(ttl, _)| ttl.min(hops));
    let mss = usize::from(
        inside
            .largest()?
            .saturating_sub(if to.is_ipv4() { 52 } else { 72 })
            .max(64),
    );
    let pieces: Vec<(u32, Vec<u8>)> = bytes
        .chunks(mss)
        .take(SEGMENTS)
        .enumerate()
        .map(|(at, piece)| ((at * mss) as u32, piece.to_vec()))
        .collect();
    let series: Vec<usize> = pieces.iter().map(|_| inside.series()).collect();
    let mut silent = 0;
    for ttl in 1..reaches {
        send(context, inside, &pieces, &series, ttl).await;
        if inside.reset().is_some() {
            return reset(&walks(inside, &series), &inside.walk(control));
        }
        let heard = series.iter().any(|one| inside.count(*one, ttl).0 > 0);
        let known = inside.count(control, ttl).0 > 0;
        silent = if heard || !known { 0 } else { silent + 1 };
        // Lost by chance, or the end: the next round tells.
        if silent >= 2 || context.is_cancelled() {
            break;
        }
    }
    let placed = vanishes(context, inside, (&pieces, &series), (control, reaches)).await;
    if placed.is_some() {
        return placed;
    }
    let placed = passes(inside, &series, (control, reaches));
    placed.map(|placed| Placed { mute, ..placed })
}

/// Whether nothing that goes all the way is answered, before anything else was sent.
async fn is_mute(context: &Context, inside: &mut Inside) -> bool {
    let whole = inside.series();
    for _ in 0..CONTROL {
        let small = inside.small();
        inside.duplicate(context, whole, small, WHOLE).await;
        inside.settle(LEAST).await;
    }
    inside.count(whole, WHOLE) == (0, CONTROL)
}

/// Every router that complains at all complains about it too.
fn passes(inside: &Inside, series: &[usize], (control, reaches): (usize, u8)) -> Option<Placed> {
    let last = reaches.checked_sub(1).filter(|last| *last > 0)?;
    let reference = inside.walk(control);
    let everywhere = series.iter().all(|one| {
        let walk = inside.walk(*one);
        (1..=last).all(|ttl| hears(&reference, ttl) == 0 || hears(&walk, ttl) > 0)
    });
    let router = reference.at(last)?.router?;
    everywhere.then(|| Placed {
        at: At {
            place: Where::Network,
            address: Some(router),
            hop: None,
            after_hop: Some(last),
        },
        by_reset: false,
        last: true,
        mute: false,
        shown: format!("every router up to hop {last} still complains that its TTL ran out"),
    })
}

async fn send(
    context: &Context,
    inside: &mut Inside,
    pieces: &[(u32, Vec<u8>)],
    series: &[usize],
    ttl: u8,
) {
    for ((at, piece), series) in pieces.iter().zip(series) {
        inside.trigger(context, *series, (*at, piece), ttl).await;
    }
    inside.settle(LEAST).await;
}

fn walks(inside: &Inside, series: &[usize]) -> Vec<Walk> {
    series.iter().map(|one| inside.walk(*one)).collect()
}

/// A reset for a TTL that does not reach the server. `control`: packets of the same port that draw none.
pub fn reset(triggers: &[Walk], control: &Walk) -> Option<Placed> {
    let trigger = triggers
        .iter()
        .find(|walk| matches!(walk.first_end(), Some((_, Heard::Reset { .. }))))?;
    let (first, Heard::Reset { distance, .. }) = trigger.first_end()? else {
        return None;
    };
    // That this TTL does not reach the server must be seen: a router at or behind it complains, the server does not answer.
    let beyond = control.last_router().is_some_and(|(ttl, _)| ttl >= first);
    let early = control.at(first).is_some_and(|rung| rung.ends > 0);
    if !beyond || early {
        return None;
    }
    let at = device(trigger, Some(control), (first, distance));
    let (asked, heard) = control
        .at(first)
        .map_or((0, 0), |rung| (rung.sent, rung.exceeded));
    Some(Placed {
        at,
        by_reset: true,
        last: false,
        mute: false,
        shown: format!(
            "with TTL {first} it draws a reset; what the device lets pass runs out of TTL there ({heard}/{asked})"
        ),
    })
}

/// It is heard of up to a hop and never behind it.
async fn vanishes(
    context: &Context,
    inside: &mut Inside,
    (pieces, series): (&[(u32, Vec<u8>)], &[usize]),
    (control, reaches): (usize, u8),
) -> Option<Placed> {
    for _ in 0..FOCUS {
        let reference = inside.walk(control);
        let nearest = series
            .iter()
            .map(|one| (inside.walk(*one), boundary(&inside.walk(*one), &reference)))
            .filter(|(_, found)| found.beyond.is_some_and(|beyond| beyond.ttl < reaches))
            .min_by_key(|(_, found)| found.after_hop);
        let (walk, found) = nearest?;
        let beyond = found.beyond?;
        let heard_before = found.after_hop == 0 || hears(&walk, found.after_hop) >= 2;
        if found.sure && heard_before {
            let at = At {
                place: Where::Network,
                address: found.router,
                hop: None,
                after_hop: Some(found.after_hop),
            };
            return Some(Placed {
                at,
                by_reset: false,
                last: false,
                mute: false,
                shown: format!(
                    "hop {} still complains that its TTL ran out, TTL {} draws nothing ({} tries); duplicates of what was acknowledged before draw an answer there ({}/{})",
                    found.after_hop,
                    beyond.ttl,
                    beyond.target,
                    beyond.reference.0,
                    beyond.reference.1
                ),
            });
        }
        for ttl in [found.after_hop, beyond.ttl] {
            if ttl > 0 {
                send(context, inside, pieces, series, ttl).await;
            }
            if inside.reset().is_some() {
                return reset(&walks(inside, series), &inside.walk(control));
            }
        }
        if context.is_cancelled() {
            return None;
        }
    }
    None
}

fn hears(walk: &Walk, ttl: u8) -> u32 {
    walk.at(ttl).map_or(0, |rung| rung.exceeded)
}
