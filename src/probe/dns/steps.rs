//! Questions with short TTLs on one socket: the hands of [`Walk`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::UdpSocket;

use super::echo::write_down;
use super::exchange::Server;
use super::question::{Question, Shape};
use super::walk::{Trail, Walk, WalkStep};
use crate::probe::context::Context;
use crate::probe::control::{Role, UDP};
use crate::probe::seen::{Direction, Seen, What, distance};
use crate::proto::dns::decode;

/// IP and UDP headers.
fn headers(to: IpAddr) -> usize {
    if to.is_ipv4() { 28 } else { 48 }
}

fn set_ttl(socket: &UdpSocket, to: IpAddr, ttl: u8) -> std::io::Result<()> {
    let socket = SockRef::from(socket);
    match to {
        IpAddr::V4(_) => socket.set_ttl_v4(u32::from(ttl)),
        IpAddr::V6(_) => socket.set_unicast_hops_v6(u32::from(ttl)),
    }
}

/// What a question draws at every TTL up to `farthest`. `None` without a tap, which alone sees who sends what.
pub async fn questions(
    context: &Context,
    server: &Arc<Server>,
    question: &Question,
    farthest: u8,
    rounds: u8,
) -> Option<Trail> {
    if !context.captures() {
        return None;
    }
    let to = server.address.ip();
    let role = Role::Control("question with a short TTL");
    let socket = context.udp(server.address, role, None).await.ok()?;
    let port = socket.local_addr().ok()?.port();
    let mut packets = context.follow(UDP, port, server.address);
    let base = (context.random() >> 8) as u16;
    let mut walk = Walk::new(farthest, rounds);
    let mut buffer = vec![0; 4_096];
    let room = Shape::with_room(1_232);
    let empty = Shape { padding: 1, ..room }
        .encode(0, question)
        .ok()?
        .len()
        .saturating_sub(1)
        + headers(to);
    loop {
        let now = context.now();
        let wait = match walk.step(now) {
            WalkStep::Send(ttl) => {
                let shape = Shape {
                    padding: u16::from(ttl),
                    ..room
                };
                let bytes = shape
                    .encode(base.wrapping_add(u16::from(ttl)), question)
                    .ok()?;
                context.spend(to, 1).await;
                set_ttl(&socket, to, ttl).ok()?;
                if socket.send(&bytes).await.is_err() {
                    // An error of an earlier one was waiting.
                    let _ = socket.send(&bytes).await;
                }
                continue;
            }
            WalkStep::Wait(until) => until.since(now).max(1),
            WalkStep::Over => return Some(walk.trail()),
        };
        tokio::select! {
            got = socket.recv(&mut buffer) => {
                let Ok(length) = got else { continue };
                let bytes = buffer.get(..length).unwrap_or_default();
                if let Some(message) = decode(bytes, u32::try_from(length).unwrap_or(0))
                    && message.response
                    && let Ok(ttl) = u8::try_from(message.id.wrapping_sub(base))
                    && let Some(drew) = walk.heard(ttl)
                {
                    drew.answered = true;
                }
            }
            Some(seen) = packets.recv() => note(&seen, base, empty, &mut walk),
            () = tokio::time::sleep(Duration::from_nanos(wait.unsigned_abs())) => {}
            () = context.cancelled() => return Some(walk.trail()),
        }
    }
}

fn note(seen: &Seen, base: u16, empty: usize, walk: &mut Walk) {
    match &seen.what {
        What::Icmp {
            kind, code, quote, ..
        } => {
            let padding = usize::try_from(quote.ip.total_len)
                .unwrap_or(0)
                .checked_sub(empty);
            let ttl = padding.and_then(|padding| u8::try_from(padding).ok());
            if let Some(drew) = walk.heard(ttl.unwrap_or(0)) {
                write_down(drew, seen, *kind, *code);
            }
        }
        What::Udp(payload) if seen.direction == Direction::In => {
            if let Some([high, low]) = payload.first_chunk::<2>()
                && let Ok(ttl) = u8::try_from(u16::from_be_bytes([*high, *low]).wrapping_sub(base))
                && let Some(drew) = walk.heard(ttl)
            {
                drew.sender_distance.get_or_insert(distance(seen.ip.ttl));
            }
        }
        _ => {}
    }
}

/// Whether a question with exactly this TTL is answered: one question, then one more.
pub async fn is_answered_at(
    context: &Context,
    server: &Arc<Server>,
    question: &Question,
    ttl: u8,
) -> Option<bool> {
    let to = server.address.ip();
    let role = Role::Control("question with a short TTL");
    let socket = context.udp(server.address, role, Some(ttl)).await.ok()?;
    let id = (context.random() >> 8) as u16;
    let bytes = Shape::with_room(1_232).encode(id, question).ok()?;
    context.spend(to, 1).await;
    socket.send(&bytes).await.ok()?;
    let mut buffer = vec![0; 4_096];
    let answer = async {
        loop {
            let length = socket.recv(&mut buffer).await.ok()?;
            let bytes = buffer.get(..length).unwrap_or_default();
            let message = decode(bytes, u32::try_from(length).unwrap_or(0));
            if message.is_some_and(|message| message.response && message.id == id) {
                return Some(true);
            }
        }
    };
    match tokio::time::timeout(Duration::from_millis(700), answer).await {
        Ok(answered) => answered,
        Err(_) => Some(false),
    }
}
