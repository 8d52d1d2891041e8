//! Are SYNs beyond a rate dropped? Only when asked (`--intensive`): it takes bursts and pauses.
//!
//! One source port at a time, so that a hash over ports cannot be it; a control between, so that loss cannot. A limit shows itself
//! by its order: after a pause the first are answered, what follows at once is not, and after the next pause the first are
//! again.

use std::net::SocketAddr;
use std::time::Duration;

use super::ports::device;
use super::reference::{self, Reference};
use crate::diagnosis::{At, Claim, Code, Proof, Weight, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::loss::{Rate, begins_after};
use crate::probe::plan::walk::Heard;
use crate::probe::stats::{CERTAIN, fisher};
use crate::probe::way::{Kind, Way, settle};

/// SYNs of a burst: half-open at once at the most.
const BURST: usize = 8;
/// SYNs after a pause.
const GROUP: usize = 8;
/// The pause before a group, in seconds; the long one where the short one does not suffice each time.
const SHORT: u64 = 4;
const LONG: u64 = 11;
/// Pauses at the most.
const GROUPS: usize = 6;
/// Groups whose first SYN was answered.
const FIRSTS: u32 = 3;

/// Rounds of the walk that places a limit, over so many hops at the most.
const WALK: u32 = 14;
const HOPS: u8 = 16;

/// Packets that it sends to one server at the most, for the announcement.
pub const COST: u32 = (2 * (BURST + GROUPS * GROUP)) as u32 + 2 * WALK * (HOPS as u32);

/// What a group of SYNs after a pause came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// First SYNs of a group: answered, sent.
    first: (u32, u32),
    /// SYNs after the first that was not answered: answered, sent.
    after: (u32, u32),
    /// Controls: answered, sent.
    control: (u32, u32),
    /// The most that were answered in a row.
    most: u32,
}

impl Counts {
    fn take(&mut self, answers: &[bool]) {
        self.first.1 += 1;
        self.first.0 += u32::from(answers.first() == Some(&true));
        let run = answers.iter().take_while(|answered| **answered).count();
        self.most = self.most.max(run as u32);
        for answered in answers.iter().skip(run + 1) {
            self.after.1 += 1;
            self.after.0 += u32::from(*answered);
        }
    }

    fn is_limit(&self) -> bool {
        let (firsts, of) = self.first;
        let (later, all) = self.after;
        let (held, controls) = self.control;
        // A control that is lost now and then is loss; the order then proves nothing.
        let clean = controls >= 10 && held * 20 >= controls * 19;
        firsts >= FIRSTS && clean && fisher(firsts, of - firsts, later, all - later) < CERTAIN
    }
}

/// Climbs the ladder. True where a limit was found: further connections would only run into it.
pub async fn climb(context: &Context, to: SocketAddr) -> bool {
    let rate = context.options().rate;
    context.progress(StageName::Tcp, &format!("SYNs to {to} at {rate} a second"));
    let Some(reference) = reference::find(context, to.ip(), to.port()).await else {
        return false;
    };
    let kind = match reference.kind {
        Kind::OneFlow(other) => Kind::Flows(other),
        other => other,
    };
    let mut control = Way::new(kind, "control of SYNs at a rate");
    let mut burst: Vec<Way> = Vec::new();
    for _ in 0..BURST {
        let mut way = Way::new(Kind::OneFlow(to), "SYNs at a rate");
        way.send(context, 64).await;
        control.send(context, 64).await;
        burst.push(way);
    }
    let mut all: Vec<&mut Way> = burst.iter_mut().chain([&mut control]).collect();
    settle(&mut all).await;
    // A limit may reset what is beyond it.
    let opened = |way: &&Way| matches!(way.last_end, Some(Heard::Open { .. }));
    if burst.iter().filter(opened).count() == BURST {
        return false;
    }
    let mut counts = Counts::default();
    let mut pause = SHORT;
    for _ in 0..GROUPS {
        context.progress(
            StageName::Tcp,
            &format!("SYNs to {to} after a pause of {pause} s"),
        );
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let answers = group(context, to, &mut control).await;
        let is_answered = answers.first() == Some(&true);
        if !is_answered && pause == SHORT {
            // Too short, and if it sufficed before that was luck (the limit's clock runs on its own): what was
            // counted at this pause says nothing.
            pause = LONG;
            counts = Counts::default();
            continue;
        }
        if !is_answered && counts.first.0 == 0 {
            // Nothing came back yet: such a pause is no pause, and proves nothing.
            continue;
        }
        counts.take(&answers);
        counts.control = control
            .walk
            .at(64)
            .map_or((0, 0), |rung| (rung.ends.min(rung.sent), rung.sent));
        if counts.is_limit() || context.is_cancelled() {
            break;
        }
    }
    if counts.is_limit() {
        let place = place(context, to, reference).await;
        said(context, to, (&counts, place), pause, &reference.name());
    }
    counts.is_limit()
}

/// Where SYNs beyond the limit end, and what shows it. Called while it holds; every SYN to the port keeps it busy.
async fn place(context: &Context, to: SocketAddr, reference: Reference) -> Option<(At, String)> {
    if !context.options().wants(StageName::Trace) {
        return None;
    }
    context.progress(StageName::Trace, &format!("who limits SYNs to {to}"));
    let mut target = Way::new(Kind::Flows(to), "TTL walk of SYNs beyond a limit");
    let mut control = Way::new(reference.kind, "TTL walk of a control");
    let hops = reference.hops.clamp(1, HOPS);
    for _ in 0..WALK {
        // The full TTL first: it takes what the limit has left.
        for ttl in std::iter::once(64).chain((1..hops).rev()) {
            target.send(context, ttl).await;
            control.send(context, ttl).await;
        }
        settle(&mut [&mut target, &mut control]).await;
        if context.is_cancelled() {
            return None;
        }
    }
    if let Some((first, Heard::Reset { distance, .. })) = target.walk.first_end() {
        // That this TTL does not reach the server must be seen.
        let beyond = control.walk.last_router()?.0 >= first;
        let drew = target.walk.at(first)?.ends;
        let shown = format!(
            "SYNs beyond the limit draw a RST from TTL {first} on ({drew} times), where the control still runs out of TTL"
        );
        return (beyond && drew >= 3).then(|| {
            (
                device(&target.walk, Some(&control.walk), (first, distance)),
                shown,
            )
        });
    }
    let lost = |ttl: u8| {
        let rung = target.walk.at(ttl)?;
        let heard = (rung.exceeded + rung.ends).min(rung.sent);
        Some((rung.sent - heard, rung.sent))
    };
    let (gone, sent) = lost(64)?;
    // Routers that the control hears of: who complains to nobody says nothing.
    let ladder: Vec<(u8, u32, u32)> = (1..hops)
        .filter(|ttl| {
            control
                .walk
                .at(*ttl)
                .is_some_and(|rung| rung.exceeded * 2 > rung.sent)
        })
        .filter_map(|ttl| lost(ttl).map(|(lost, sent)| (ttl, lost, sent)))
        .collect();
    let hop = begins_after(&Rate::of(gone, sent), &ladder)?;
    let (_, lost, of) = ladder.iter().find(|(ttl, ..)| *ttl == hop)?;
    let at = At {
        place: Where::Network,
        address: target.walk.at(hop)?.router,
        hop: None,
        after_hop: Some(hop),
    };
    let shown = format!(
        "beyond the limit hop {hop} still says of {} of {of} SYNs that their TTL ran out; of those meant to get farther {gone} of {sent} drew nothing",
        of - lost
    );
    Some((at, shown))
}

/// SYNs one after the other from one port, a control after each.
async fn group(context: &Context, to: SocketAddr, control: &mut Way) -> Vec<bool> {
    let mut answers = Vec::new();
    let mut way = Way::new(Kind::OneFlow(to), "SYNs after a pause");
    for _ in 0..GROUP {
        way.renew_here();
        way.last_end = None;
        way.send(context, 64).await;
        control.send(context, 64).await;
        settle(&mut [&mut way, control]).await;
        answers.push(matches!(way.last_end, Some(Heard::Open { .. })));
    }
    answers
}

fn said(
    context: &Context,
    to: SocketAddr,
    (counts, place): (&Counts, Option<(At, String)>),
    pause: u64,
    control: &str,
) {
    let at = place.as_ref().map_or(At::of(Where::Network), |(at, _)| *at);
    let here = match (at.hop, at.after_hop) {
        (Some(hop), _) => format!(" at hop {hop}"),
        (None, Some(hop)) => format!(" behind hop {hop}"),
        (None, None) => String::new(),
    };
    let mut claim = Claim::new(
        Code::TcpRateLimited,
        at,
        Proof::Measured("SYN rate ladder", context.now()),
        0.95,
        format!(
            "New connections to {to} are limited{here}: after {pause} s of rest about {} SYN{} answered, the next are not.",
            counts.most,
            if counts.most == 1 { " is" } else { "s are" }
        ),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "the first SYN after a pause of {pause} s was answered {}/{} times, those that followed a silent one {}/{}, all from one source port",
        counts.first.0, counts.first.1, counts.after.0, counts.after.1
    ))
    .because(
        Proof::Measured("control", context.now()),
        format!("between them {control} {}/{}", counts.control.0, counts.control.1),
    )
    .advise("Open fewer connections at once and reuse them; ask the server's operator or the firewall's for the limit (hashlimit, connlimit, anvil)");
    if let Some((_, shown)) = place {
        claim = claim.because(Proof::Measured("TTL walk", context.now()), shown);
    }
    context.finding(claim);
}

#[cfg(test)]
mod tests {
    use super::Counts;

    fn counts(groups: &[&[bool]], control: (u32, u32)) -> Counts {
        let mut counts = Counts::default();
        for group in groups {
            counts.take(group);
        }
        Counts { control, ..counts }
    }

    #[test]
    fn order_makes_a_limit() {
        let group: &[bool] = &[true, false, false, false, false, false, false, false];
        assert!(counts(&[group; 3], (24, 24)).is_limit());
        // The control fails as well: the path loses packets.
        assert!(!counts(&[group; 3], (15, 24)).is_limit());
    }

    #[test]
    fn chance_and_a_dead_port_make_none() {
        let mixed: &[bool] = &[true, false, true, false, true, true];
        assert!(!counts(&[mixed; 4], (24, 24)).is_limit());
        let dead: &[bool] = &[false; 6];
        assert!(!counts(&[dead; 4], (24, 24)).is_limit());
        let open: &[bool] = &[true; 6];
        assert!(!counts(&[open; 4], (24, 24)).is_limit());
    }
}
