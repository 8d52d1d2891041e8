//! The control: something else of the same host that answers, against which a port's silence or refusal counts.
//!
//! Another port that is open is best, one that is closed is good, a ping is better than nothing. A port that a device on
//! the path may speak for is no worse than the one it is compared with.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use crate::probe::context::Context;
use crate::probe::plan::walk::{FARTHEST, Heard, UNSEEN};
use crate::probe::way::{Kind, Way, round};

/// Ports that are tried, besides the target's own.
const CANDIDATES: [u16; 7] = [443, 80, 25, 587, 993, 465, 143];
/// Those of them on which mail is spoken.
const MAIL: [u16; 5] = [25, 587, 993, 465, 143];
/// TTLs that are walked up at once.
const STRIDE: u8 = 5;
/// An open port is waited for so long after something else has answered.
const GRACE: Duration = Duration::from_millis(60);
/// Nothing has answered for so long: nothing will.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Control SYNs that are answered by nobody are sent again once.
const AGAIN: Duration = Duration::from_millis(1_000);

/// A control that answers.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// What it is.
    pub kind: Kind,
    /// How it answers.
    pub heard: Heard,
    /// Hops to the host, counted by the answer's TTL: the TTL that just reaches it, if both ways are equally long.
    pub hops: u8,
}

impl Reference {
    /// In words.
    pub fn name(&self) -> String {
        match self.heard {
            Heard::Open { .. } => format!("{} answers", self.kind.name()),
            Heard::Reset { .. } => format!("{} is refused", self.kind.name()),
            _ => format!("{} is answered", self.kind.name()),
        }
    }
}

/// The rank of a port that opens.
const BEST: u8 = 5;

/// How good a control is that answers so; 0 is none. A connection that ordinary sockets open is one that a mail server sees.
fn rank(kind: Kind, heard: Heard, crafted: bool) -> u8 {
    match (kind, heard) {
        (Kind::Echo(_), Heard::Open { .. }) => 1,
        (Kind::OneFlow(to) | Kind::Flows(to), Heard::Open { .. }) => {
            match crafted || !MAIL.contains(&to.port()) {
                true => BEST,
                false => 1,
            }
        }
        (_, Heard::Reset { .. }) => 3,
        (_, Heard::Refused { .. } | Heard::Exceeded(_)) => 0,
    }
}

/// The smallest TTL that the host answers, walked up: where no TTL of an answer is seen.
async fn reaches(context: &Context, kind: Kind) -> Option<u8> {
    let mut way = Way::new(kind, "how far the control is");
    for first in (1..=FARTHEST).step_by(usize::from(STRIDE)) {
        let ttls: Vec<u8> = (first..first.saturating_add(STRIDE)).collect();
        round(context, &mut [&mut way], &ttls).await;
        if let Some((ttl, _)) = way.walk.first_end() {
            return Some(ttl);
        }
    }
    None
}

/// A port that opened, as the control of others at its host.
pub fn opened(to: SocketAddr, heard: Heard) -> Option<Reference> {
    match heard {
        Heard::Open { distance } if distance != UNSEEN => Some(Reference {
            kind: Kind::OneFlow(to),
            heard,
            hops: distance.saturating_add(1),
        }),
        _ => None,
    }
}

/// Looks for one. `not`: the target's port.
pub async fn find(context: &Context, host: IpAddr, not: u16) -> Option<Reference> {
    let mut ways: Vec<Way> = CANDIDATES
        .iter()
        .filter(|port| **port != not)
        .map(|port| {
            Way::new(
                Kind::Flows(SocketAddr::new(host, *port)),
                "looking for a control port",
            )
            .first()
        })
        .collect();
    let mut echo = Way::new(Kind::Echo(host), "looking for a control").first();
    for way in &mut ways {
        way.send(context, 64).await;
    }
    echo.send(context, 64).await;
    ways.push(echo);
    let crafted = context.raw().is_some();
    let begun = Instant::now();
    let mut first: Option<Instant> = None;
    let mut again = false;
    loop {
        for way in &mut ways {
            way.collect();
        }
        let best = ways
            .iter()
            .filter_map(|way| Some((way, way.last_end?)))
            .map(|(way, heard)| (way, heard, rank(way.kind, heard, crafted)))
            .filter(|(.., rank)| *rank > 0)
            // The first of equals: 443 before the others.
            .rev()
            .max_by_key(|(way, _, rank)| (*rank, u8::from(!matches!(way.kind, Kind::Echo(_)))));
        if let Some((way, heard, rank)) = best {
            let known = *first.get_or_insert_with(Instant::now);
            if rank == BEST || known.elapsed() >= GRACE {
                let distance = match heard {
                    Heard::Open { distance } | Heard::Reset { distance, .. } => distance,
                    _ => 0,
                };
                let kind = match (way.kind, heard) {
                    (Kind::Flows(to), Heard::Open { .. }) => Kind::OneFlow(to),
                    (kind, _) => kind,
                };
                let hops = match distance {
                    UNSEEN => reaches(context, kind).await.unwrap_or(FARTHEST / 2),
                    distance => distance.saturating_add(1),
                };
                return Some(Reference { kind, heard, hops });
            }
        }
        if begun.elapsed() >= AGAIN && !again && best.is_none() {
            again = true;
            for way in &mut ways {
                way.send(context, 64).await;
            }
        }
        if begun.elapsed() >= PATIENCE || context.is_cancelled() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
