//! How many packets get lost, on which stretch, and with which pattern.
//!
//! In a default run the few SYNs that were sent anyway say whether anything is lost at all. Where some were, duplicates inside
//! a connection opened for it are counted until the interval says enough, end to end and hop by hop: the very flow, the very
//! port, no half-open connections. ICMP that stays away while what lies behind still answers is no loss.

use std::net::SocketAddr;
use std::time::Duration;

use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::engine::record::{HopInfo, LossInfo, PathRecord};
use crate::probe::context::{Connect, Context};
use crate::probe::control::Role;
use crate::probe::inside::Inside;
use crate::probe::options::StageName;
use crate::probe::plan::loss::{DEGRADED, Fate, Rate, begins_after, is_enough, pattern, seldom};
use crate::probe::session::{self, Ask, Handover};
use crate::probe::way::{Kind, Way, settle};

/// A connection opened to place a fault: not sooner after the one before (manners: stock fail2ban counts).
const APART: Duration = Duration::from_millis(1_100);
/// Packets of a default series at the most, and of an intensive one.
const DEFAULT: u32 = 160;
const INTENSIVE: u32 = 1_000;
/// Seconds that an intensive series takes at the most.
const LASTS: u32 = 10;
/// Packets for each hop, where the place is clear and where it is not, and for all hops together.
const PER_HOP: u32 = 30;
const FOCUS: u32 = 90;
const PACKETS: u32 = 600;
/// The share of lost packets from which a silence of seconds may be loss: four transmissions in a row once in a thousand times.
const HEAVY: f64 = 0.08;
/// Pings that hold against it.
const CONTROL: u32 = 40;
/// Packets that leave before the next look.
const BATCH: u32 = 10;
const LEAST: Duration = Duration::from_millis(150);

/// Packets that an intensive series sends to one server, for the announcement.
pub fn cost(rate: u32) -> u32 {
    intensive_series(rate) + 16 * PER_HOP
}

fn intensive_series(rate: u32) -> u32 {
    INTENSIVE.min(rate.saturating_mul(LASTS))
}

/// After other probes: `lost` of `sent` of them were not answered.
pub async fn look(context: &Context, ask: &Ask, to: SocketAddr, lost: u32, sent: u32) {
    let intensive = context.options().intensive;
    if sent > 0 {
        record(context, to, &Rate::of(lost, sent), Vec::new());
    }
    if lost == 0 && !intensive || context.raw().is_none() || context.is_cancelled() {
        return;
    }
    if lost > 0 && super::branches::look(context, to).await && !intensive {
        return;
    }
    tokio::time::sleep(APART).await;
    context.progress(StageName::Loss, &format!("how much is lost to {to}"));
    let quiet = Ask {
        login: None,
        envelope: None,
        ..ask.clone()
    };
    let role = Role::Control("how many packets are lost");
    let how = Connect::default();
    let Some(mut handed) = session::up_to(context, &quiet, to, role, how, Handover::Begin).await
    else {
        return;
    };
    let inside = &mut handed.inside;
    let most = match intensive {
        true => intensive_series(context.options().rate),
        false => DEFAULT,
    };
    let series = inside.series();
    let mut rate;
    loop {
        for _ in 0..BATCH {
            let small = inside.small();
            inside.duplicate(context, series, small, 64).await;
        }
        inside.settle(LEAST).await;
        let (answered, sent) = inside.count(series, 64);
        // Some servers and proxies answer no such segments: that is silence, not loss.
        if sent >= BATCH && answered == 0 {
            super::size::farewell(ask, &mut handed.stream).await;
            return;
        }
        rate = Rate::of(sent - answered, sent);
        let enough = match intensive {
            true => rate.sent >= most,
            false => is_enough(&rate, most),
        };
        if enough || context.is_cancelled() || inside.reset().is_some() {
            break;
        }
    }
    if rate.sent > 0 && inside.reset().is_none() {
        let hops = match rate.low > 0.005 || intensive {
            true => by_hop(context, inside, &rate).await,
            false => Vec::new(),
        };
        let fates = inside.fates(series);
        // A server may answer such segments now and then: what is lost is lost to others as well.
        let (gone, asked) = match rate.low > 0.005 {
            true => pinged(context, to).await.unwrap_or((lost, sent)),
            false => (0, 0),
        };
        let others = Rate::of(gone, asked);
        if rate.low <= 0.005 || others.high >= rate.low && gone > 0 {
            judge(context, to, &rate, &fates, (&hops, &others));
        }
    }
    super::size::farewell(ask, &mut handed.stream).await;
}

/// Pings as a control: lost and sent; none where the host answers none.
async fn pinged(context: &Context, to: SocketAddr) -> Option<(u32, u32)> {
    let mut way = Way::new(Kind::Echo(to.ip()), "control of what is lost");
    for _ in 0..CONTROL / BATCH {
        for _ in 0..BATCH {
            way.send(context, 64).await;
        }
        settle(&mut [&mut way]).await;
    }
    let rung = way.walk.at(64)?;
    let heard = rung.ends.min(rung.sent);
    (heard > 0).then_some((rung.sent - heard, rung.sent))
}

/// The same packets with TTLs that end on the way.
async fn by_hop(context: &Context, inside: &mut Inside, rate: &Rate) -> Vec<HopInfo> {
    let hops = inside.hops().unwrap_or(1).clamp(1, 30);
    let to = inside.remote();
    context.progress(
        StageName::Loss,
        &format!("where it is lost on the way to {to}"),
    );
    let series = inside.series();
    for turn in 0..(PACKETS / u32::from(hops)).clamp(PER_HOP, FOCUS) {
        // A place that is not clear yet takes more.
        let found = begins_after(rate, &counted(&inside.walk(series).hops()));
        if turn >= PER_HOP && (found.is_some() || rate.low < DEGRADED) {
            break;
        }
        for ttl in (1..hops).rev() {
            let small = inside.small();
            inside.duplicate(context, series, small, ttl).await;
        }
        inside.settle(LEAST).await;
        let silent = (1..hops).all(|ttl| inside.count(series, ttl).0 == 0);
        if silent && turn >= 4 || context.is_cancelled() {
            break;
        }
    }
    inside.walk(series).hops()
}

/// (TTL, lost, sent) of every router that answers: who never does says nothing.
pub(super) fn counted(hops: &[HopInfo]) -> Vec<(u8, u32, u32)> {
    hops.iter()
        .map(|hop| (hop.ttl, hop.sent.saturating_sub(hop.answered), hop.sent))
        .filter(|(_, lost, sent)| lost < sent)
        .collect()
}

fn judge(
    context: &Context,
    to: SocketAddr,
    rate: &Rate,
    fates: &[Fate],
    (hops, others): (&[HopInfo], &Rate),
) {
    let manner = pattern(fates)
        .says()
        .map_or_else(String::new, |manner| format!(", {manner}"));
    let lossy = Lossy {
        rate: *rate,
        hops: hops.to_vec(),
        what: "of packets or their answers get lost".to_owned(),
        manner,
        shown: format!(
            "{} duplicates inside an open connection to port {} were not acknowledged",
            rate.says(),
            to.port()
        ),
        others: format!("of other packets to the same host {}", others.says()),
    };
    say(context, to, &lossy);
}

/// What was counted, and how it is said.
pub(super) struct Lossy {
    /// How much is lost.
    pub rate: Rate,
    /// The same packets with a low TTL.
    pub hops: Vec<HopInfo>,
    /// What gets lost, after "30 % ".
    pub what: String,
    /// With which pattern.
    pub manner: String,
    /// What was seen.
    pub shown: String,
    /// What was seen of something else.
    pub others: String,
}

/// Says that packets get lost, how many and where.
pub(super) fn say(context: &Context, to: SocketAddr, lossy: &Lossy) {
    let Lossy { rate, hops, .. } = lossy;
    record(context, to, rate, hops.clone());
    let counted = counted(hops);
    if rate.low < 0.005 {
        return;
    }
    let after_hop = begins_after(rate, &counted);
    let router = after_hop.and_then(|ttl| {
        let hop = hops.iter().find(|hop| hop.ttl == ttl)?;
        hop.address.as_ref()?.parse().ok()
    });
    let at = At {
        place: Where::Network,
        address: router,
        hop: None,
        after_hop,
    };
    let place = match (after_hop, router) {
        (Some(hop), Some(router)) => format!(" behind hop {hop} ({router})"),
        (Some(hop), None) => format!(" behind hop {hop}"),
        _ => String::new(),
    };
    let summary = format!(
        "{:.0} % {}{place}{} (95 %: {:.1}–{:.1} %).",
        rate.share() * 100.0,
        lossy.what,
        lossy.manner,
        rate.low * 100.0,
        rate.high * 100.0
    );
    let weight = match rate.low >= DEGRADED {
        true => Weight::Costly,
        false => Weight::Finding,
    };
    let proof = Proof::Measured("loss series", context.now());
    let mut claim = Claim::new(Code::PathLoss, at, proof, 0.95, summary)
        .weighing(weight)
        .shown_by(lossy.shown.clone())
        .because(
            Proof::Measured("control", context.now()),
            lossy.others.clone(),
        );
    if let Some((hop, (_, lost, sent))) =
        after_hop.and_then(|hop| Some((hop, counted.iter().find(|(ttl, ..)| *ttl == hop)?)))
    {
        claim = claim.because(
            Proof::Measured("loss by hop", context.now()),
            format!(
                "as far as hop {hop}, of the same packets with a low TTL: {}",
                Rate::of(*lost, *sent).says()
            ),
        );
    }
    let counts = seldom(rate, &counted);
    if !counts.is_empty() {
        let names: Vec<String> = counts.iter().map(|hop| format!("hop {hop}")).collect();
        claim = claim.because(
            Proof::Measured("loss by hop", context.now()),
            format!(
                "{} answers seldom, what lies behind it does not: it limits its ICMP",
                names.join(", ")
            ),
        );
    }
    let claim = claim.advise(match router {
        Some(router) => {
            format!("Ask whoever runs the link behind {router} for its error counters and its load")
        }
        None => "Look at the counters of the links on the way, this host's own first".to_owned(),
    });
    let weigh = |claim, settles| {
        context.measured(Measured {
            about: About::Server(to),
            claim,
            settles,
        });
    };
    // So much that an answer, sent again and again, may come late or never.
    if rate.low >= HEAVY {
        weigh(claim.clone(), Settles::Doubt);
    }
    weigh(claim, Settles::Session);
}

fn record(context: &Context, to: SocketAddr, rate: &Rate, hops: Vec<HopInfo>) {
    context.path(PathRecord {
        target: to.ip().to_string(),
        port: Some(to.port()),
        hops,
        mtu: None,
        loss: Some(LossInfo {
            rate: (rate.share() * 1e4).round() / 1e4,
            low: (rate.low * 1e4).round() / 1e4,
            high: (rate.high * 1e4).round() / 1e4,
            sent: rate.sent,
        }),
        tls: None,
    });
}
