//! Beside a greeting that does not come: does anything of a connection get through after its handshake, and if not, where does it end?
//!
//! A server whose queue is full drops the client's ACK, and a device that saw only half of the handshake does so too: from the
//! client's end both look alike. On a connection opened for it empty segments below the window (a keep-alive, RFC 9293 3.8.4)
//! are walked against SYNs to the same port. No byte of the stream is sent, so the server's turn to speak first is not touched.

use std::net::SocketAddr;
use std::time::Duration;

use super::ask::{Ask, TlsWanted};
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Where};
use crate::probe::inside::Inside;
use crate::probe::options::StageName;
use crate::probe::plan::walk::{Boundary, boundary};
use crate::probe::way::{Kind, Way, settle};
use crate::probe::{Connect, Context, Role};

/// A greeting that does not come for so long is looked into.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two looks whether the connection is open.
const LOOK: Duration = Duration::from_millis(200);
/// An answer is waited for at least so long.
const LEAST: Duration = Duration::from_millis(150);
/// Rounds over the whole way, and all rounds at the most.
const WHOLE: u32 = 2;
const FOCUS: u32 = 16;

/// Looks into it while the session waits; ready only when it was placed: nobody needs a minute to know then.
pub async fn beside_silence(context: &Context, ask: &Ask, to: SocketAddr) {
    while !context.is_open(to) {
        tokio::time::sleep(LOOK).await;
    }
    tokio::time::sleep(PATIENCE).await;
    let walks = context.raw().is_some() && context.options().wants(StageName::Trace);
    if ask.tls != TlsWanted::Implicit && walks {
        context.progress(
            StageName::Trace,
            &format!("what of {to} gets through after its handshake"),
        );
        if let Some(found) = walk(context, to).await {
            return say(context, to, &found);
        }
    }
    std::future::pending().await
}

/// Where empty segments end although SYNs go on; `None` when they are answered, or it cannot be told.
async fn walk(context: &Context, to: SocketAddr) -> Option<Boundary> {
    let role = Role::Control("is anything let through after the handshake?");
    let (opened, packets) = context
        .connect_followed(to, role, Connect::default())
        .await
        .ok()?;
    let mut inside = Inside::new(opened.local, to, packets, Vec::new());
    tokio::time::sleep(LEAST).await;
    let hops = inside.hops()?.clamp(1, 30);
    let touched = inside.series();
    let mut syns = Way::new(Kind::Flows(to), "control of what follows a handshake");
    let mut found = None;
    for turn in 0..FOCUS {
        let seen = boundary(&inside.walk(touched), &syns.walk);
        let mut ttls: Vec<u8> = match turn < WHOLE {
            true => (1..=hops).rev().collect(),
            false => vec![
                seen.beyond.map_or(seen.after_hop + 1, |beyond| beyond.ttl),
                seen.after_hop,
            ],
        };
        ttls.retain(|ttl| *ttl > 0);
        for ttl in ttls {
            syns.send(context, ttl).await;
            inside.touch(context, touched, ttl).await;
        }
        settle(&mut [&mut syns]).await;
        inside.settle(LEAST).await;
        // The server, or whoever speaks for it, acknowledges: nothing is held back.
        if inside.walk(touched).first_end().is_some() || context.is_cancelled() {
            return None;
        }
        let seen = boundary(&inside.walk(touched), &syns.walk);
        if seen.sure && turn > WHOLE {
            found = Some(seen);
            break;
        }
    }
    // At the last router's far side the server's own queue is as likely: what the packets say stays.
    found.filter(|found| found.beyond.is_some_and(|beyond| beyond.router.is_some()))
}

fn say(context: &Context, to: SocketAddr, found: &Boundary) {
    let Some(beyond) = found.beyond else { return };
    let router = found
        .router
        .map_or_else(String::new, |router| format!(" ({router})"));
    let at = At {
        place: Where::Network,
        address: found.router,
        hop: None,
        after_hop: Some(found.after_hop),
    };
    let claim = Claim::new(
        Code::TcpStalled,
        at,
        Proof::Measured("TTL walk inside a connection", context.now()),
        0.93,
        format!(
            "What follows the handshake vanishes after hop {}{router}; SYNs to the same port get farther.",
            found.after_hop
        ),
    )
    .shown_by(format!(
        "empty segments of an open connection draw nothing at hop {} ({} tries); SYNs to port {} draw an answer there ({}/{})",
        beyond.ttl,
        beyond.target,
        to.port(),
        beyond.reference.0,
        beyond.reference.1
    ))
    .advise(format!(
        "Ask whoever runs the device after hop {}{router} for its connection states: it may see only one direction (asymmetric routing), or drop what follows a SYN",
        found.after_hop
    ));
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Verdict,
    });
}
