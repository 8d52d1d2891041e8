//! Pings: whether a host answers at all, how much is lost on the way, and which routers lead to it.
//!
//! The reference that silent questions are held against. Crafted echo requests (RFC 792, RFC 4443 4.1), so without privilege there are none. Nothing is
//! concluded here.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::walk::{Drew, Trail, Walk, WalkStep};
use crate::base::Nanos;
use crate::probe::context::Context;
use crate::probe::control::Role;
use crate::probe::seen::{Direction, Seen, What, distance};
use crate::wire::craft::{Header, icmp};

/// Between two pings of a series.
const GAP: Duration = Duration::from_millis(60);
/// How long the last ones are waited for.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// What a ping carries before its padding; as much as a small question, so that size makes no difference.
const BODY: usize = 32;

/// Echo requests of one identifier to one host.
struct Pinger<'a> {
    context: &'a Context,
    host: IpAddr,
    source: IpAddr,
    id: u16,
    packets: UnboundedReceiver<Seen>,
}

impl<'a> Pinger<'a> {
    fn new(context: &'a Context, host: IpAddr) -> Option<Pinger<'a>> {
        context.raw()?;
        let source = context.source_for(host).ok()?;
        let id = (context.random() >> 8) as u16 | 1;
        Some(Pinger {
            context,
            host,
            source,
            id,
            packets: context.echoes(host, id, Role::Control("ping")),
        })
    }

    async fn send(&self, ttl: u8, sequence: u16, padding: usize) {
        let header = Header {
            ttl,
            id: self.context.next_id(),
            ..Header::new(self.source, self.host)
        };
        let kind = if self.host.is_ipv4() { 8 } else { 128 };
        let word = u32::from(self.id) << 16 | u32::from(sequence);
        let body = vec![0x6d; BODY.saturating_add(padding)];
        self.context.spend(self.host, 1).await;
        if let (Some(raw), Ok(packet)) = (self.context.raw(), icmp(header, kind, 0, word, &body)) {
            let _ = raw.send(&packet, self.host);
        }
    }
}

/// A series of pings; `note` hears of each whether it was answered. Returns the distance of who answers, by the TTL of the answer.
pub async fn pings(context: &Context, host: IpAddr, count: u32, note: impl Fn(bool)) -> Option<u8> {
    let mut pinger = Pinger::new(context, host)?;
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    let mut open: Vec<u16> = (1..=count).collect();
    let mut away = None;
    let mut next = 1u16;
    let mut wait = Duration::ZERO;
    while !open.is_empty() {
        tokio::select! {
            seen = pinger.packets.recv() => {
                let Some(seen) = seen else { break };
                let What::Echo { sequence } = seen.what else { continue };
                if seen.direction == Direction::In && open.contains(&sequence) {
                    open.retain(|one| *one != sequence);
                    away.get_or_insert(distance(seen.ip.ttl));
                    note(true);
                }
            }
            () = tokio::time::sleep(wait) => {
                if next > count {
                    break;
                }
                pinger.send(64, next, 0).await;
                next = next.saturating_add(1);
                wait = if next > count { PATIENCE } else { GAP };
            }
            () = context.cancelled() => return away,
        }
    }
    for _ in &open {
        note(false);
    }
    away
}

/// Which routers lead to a host: pings with every TTL up to `farthest`.
pub async fn trail(context: &Context, host: IpAddr, farthest: u8, rounds: u8) -> Option<Trail> {
    let mut pinger = Pinger::new(context, host)?;
    let mut walk = Walk::new(farthest, rounds);
    // What an empty ping measures on the wire.
    let empty = if host.is_ipv4() { 28 } else { 48 } + BODY;
    loop {
        let now = context.now();
        let wait: Nanos = match walk.step(now) {
            WalkStep::Send(ttl) => {
                pinger.send(ttl, u16::from(ttl), usize::from(ttl)).await;
                continue;
            }
            WalkStep::Wait(until) => until.since(now).max(1),
            WalkStep::Over => return Some(walk.trail()),
        };
        tokio::select! {
            Some(seen) = pinger.packets.recv() => note(&seen, empty, &mut walk),
            () = tokio::time::sleep(Duration::from_nanos(wait.unsigned_abs())) => {}
            () = context.cancelled() => return Some(walk.trail()),
        }
    }
}

fn note(seen: &Seen, empty: usize, walk: &mut Walk) {
    match &seen.what {
        What::Echo { sequence } if seen.direction == Direction::In => {
            let ttl = u8::try_from(*sequence).unwrap_or(0);
            if let Some(drew) = walk.heard(ttl) {
                drew.answered = true;
                drew.sender_distance.get_or_insert(distance(seen.ip.ttl));
            }
        }
        What::Icmp {
            kind, code, quote, ..
        } => {
            let padding = usize::try_from(quote.ip.total_len)
                .unwrap_or(0)
                .checked_sub(empty);
            let ttl = padding
                .and_then(|padding| u8::try_from(padding).ok())
                .unwrap_or(0);
            if let Some(drew) = walk.heard(ttl) {
                write_down(drew, seen, *kind, *code);
            }
        }
        _ => {}
    }
}

/// An ICMP error that quotes a packet of a walk.
pub fn write_down(drew: &mut Drew, seen: &Seen, kind: u8, code: u8) {
    match seen.what.time_exceeded() {
        true => drew.exceeded = drew.exceeded.or(Some(seen.ip.source)),
        false => {
            drew.sender_distance.get_or_insert(distance(seen.ip.ttl));
            drew.refused = drew.refused.or(Some((seen.ip.source, kind, code)));
        }
    }
}
