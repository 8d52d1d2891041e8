//! The control: something else of the same host that answers, against which a port's silence or refusal counts.
//!
//! Another port that is open is best, one that is closed is good, a ping is better than nothing. A port that a device on
//! the path may speak for is no worse than the one it is compared with.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use crate::probe::context::Context;
use crate::probe::plan::walk::Heard;
use crate::probe::way::{Kind, Way};

/// Ports that are tried, besides the target's own.
const CANDIDATES: [u16; 7] = [443, 80, 25, 587, 993, 465, 143];
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

fn rank(heard: Heard) -> u8 {
    match heard {
        Heard::Open { .. } => 3,
        Heard::Reset { .. } => 2,
        Heard::Refused { .. } | Heard::Exceeded(_) => 0,
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
        })
        .collect();
    let mut echo = Way::new(Kind::Echo(host), "looking for a control");
    for way in &mut ways {
        way.send(context, 64).await;
    }
    echo.send(context, 64).await;
    ways.push(echo);
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
            .filter(|(_, heard)| rank(*heard) > 0)
            .max_by_key(|(way, heard)| {
                let ping = matches!(way.kind, Kind::Echo(_));
                (if ping { 1 } else { rank(*heard) }, u8::from(!ping))
            });
        if let Some((way, heard)) = best {
            let known = *first.get_or_insert_with(Instant::now);
            let open = rank(heard) == 3 && !matches!(way.kind, Kind::Echo(_));
            if open || known.elapsed() >= GRACE {
                let distance = match heard {
                    Heard::Open { distance } | Heard::Reset { distance, .. } => distance,
                    _ => 0,
                };
                let kind = match (way.kind, heard) {
                    (Kind::Flows(to), Heard::Open { .. }) => Kind::OneFlow(to),
                    (kind, _) => kind,
                };
                return Some(Reference {
                    kind,
                    heard,
                    hops: distance.saturating_add(1),
                });
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
