//! Where a connection dies that was reset before a word was said: the handshake's last segment, walked.
//!
//! A device that resets what it sees established does so at that segment. A connection is opened whose SYN goes all the way and
//! whose ACK does not: the kernel sends it with a TTL of one, and then it leaves again, each time a hop farther. A reset that
//! comes for a TTL that does not reach the server is a device's. One that comes only when the server is reached is the
//! server's own. No byte of the stream is sent. SYNs to the same port are the control: they draw no reset.

use std::net::SocketAddr;
use std::time::Duration;

use super::ask::{Ask, SessionOutcome, TlsWanted};
use super::claims::about;
use super::offer::APART;
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::inside::Inside;
use crate::probe::options::StageName;
use crate::probe::plan::walk::Walk;
use crate::probe::stage::trigger::{self, Placed};
use crate::probe::way::{Kind, Way, round};
use crate::probe::{Connect, Context, Role};

/// Rounds of the control's walk.
const CONTROL: u32 = 4;
/// Where one TTL less draws a router's complaint, it is asked so often whether it did by chance.
const AGAIN: u32 = 4;
/// The TTL with which the kernel is to send the handshake's ACK.
const HELD_BACK: u8 = 1;
/// Connections opened for it at the most: where the answer comes from nearby, it may come before the kernel was told of the TTL.
const OPENED: u32 = 4;
/// An answer is waited for at least so long.
const LEAST: Duration = Duration::from_millis(150);

/// Who reset it?
pub async fn place(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    if context.raw().is_none() || !context.options().wants(StageName::Trace) {
        return;
    }
    tokio::time::sleep(APART).await;
    let to = outcome.to;
    context.progress(
        StageName::Trace,
        &format!("who resets connections to {to} before a word is said"),
    );
    let Some(found) = walk(context, to).await else {
        return;
    };
    let proof = Proof::Measured("TTL walk of the handshake's ACK", context.now());
    let claim = match found {
        Found::Device(placed) => Claim::new(
            Code::TcpResetMidstreamByPath,
            placed.at,
            proof,
            0.95,
            format!(
                "A device {} resets connections to port {} as soon as they are established; the server does not.",
                placed.says(),
                to.port()
            ),
        )
        .shown_by(format!("the handshake's ACK with growing TTL: {}", placed.shown))
        .advise(format!(
            "Ask whoever runs the device {} why it resets connections to TCP port {} (policy, IPS, connection limit)",
            placed.says(),
            to.port()
        )),
        // Of a port that begins with TLS it is said as an end that follows the hello (verdicts.md, tcp.reset-before-greeting).
        Found::Server(_) if ask.tls == TlsWanted::Implicit => return,
        Found::Server(shown) => Claim::new(
            Code::TcpResetBeforeGreeting,
            At::address(Where::Server, to.ip()),
            proof,
            0.95,
            format!("The server at {to} takes connections and resets them before its first word."),
        )
        .shown_by(shown)
        .advise("Look into the server's log at this time: connection limits (per address), access lists (TCP wrappers, postscreen, couriertcpd MAXPERIP), crashed or missing service behind a proxy"),
    };
    let claim = claim.because(
        Proof::Measured("the session without this", outcome.ended),
        "the session that was opened in the ordinary way was reset too",
    );
    context.measured(about(outcome, claim, Settles::Verdict));
}

enum Found {
    Device(Placed),
    Server(String),
}

async fn walk(context: &Context, to: SocketAddr) -> Option<Found> {
    let role = Role::Control("the handshake's ACK with growing TTL");
    for opened in 0..OPENED {
        if opened > 0 {
            tokio::time::sleep(APART).await;
        }
        let how = Connect {
            held_back: Some(HELD_BACK),
            ..Connect::default()
        };
        let (opened, packets) = context.connect_followed(to, role, how).await.ok()?;
        let mut inside = Inside::new(opened.local, to, packets, Vec::new());
        tokio::time::sleep(opened.took * 2 + LEAST).await;
        let held = inside.confirmed() == Some(HELD_BACK);
        let found = if held {
            walk_inside(context, &mut inside).await
        } else {
            None
        };
        opened.abandon(to.ip());
        if held || context.is_cancelled() {
            return found;
        }
        // An ACK that went all the way says nothing of where it was reset.
    }
    None
}

async fn walk_inside(context: &Context, inside: &mut Inside) -> Option<Found> {
    let to = inside.remote();
    inside.collect();
    let hops = inside.hops()?.clamp(1, 30);
    let mut syns = Way::new(Kind::Flows(to), "control of the handshake's ACK");
    let ttls: Vec<u8> = (1..=hops).rev().collect();
    for _ in 0..CONTROL {
        round(context, &mut [&mut syns], &ttls).await;
    }
    let reaches = syns.walk.first_end().map_or(hops, |(ttl, _)| ttl.min(hops));
    let mut acks = Walk::default();
    // The kernel's own.
    acks.sent(HELD_BACK);
    if let Some(heard) = inside.reset() {
        acks.heard(HELD_BACK, heard, 0);
        return trigger::reset(&[acks], &syns.walk).map(Found::Device);
    }
    let series = inside.series();
    for ttl in 1..=reaches {
        let tries = if ttl + 1 == reaches { AGAIN } else { 1 };
        for _ in 0..tries {
            inside.trigger(context, series, (0, &[]), ttl).await;
            inside.settle(LEAST).await;
            if inside.reset().is_some() {
                break;
            }
        }
        if inside.reset().is_some() || context.is_cancelled() {
            break;
        }
    }
    let acks = inside.walk(series);
    let (first, _) = acks.first_end().filter(|_| inside.reset().is_some())?;
    if first < reaches {
        return trigger::reset(&[acks], &syns.walk).map(Found::Device);
    }
    // The last router let it pass and complained of its TTL, and nothing was reset by that.
    let before = reaches.checked_sub(1).filter(|before| *before > 0)?;
    let passed = acks.at(before).filter(|rung| rung.exceeded > 0)?;
    Some(Found::Server(format!(
        "the handshake's ACK draws a reset only with TTL {reaches}, which reaches the server; with TTL {before} hop {before} says that it ran out ({}/{})",
        passed.exceeded.min(passed.sent),
        passed.sent
    )))
}
