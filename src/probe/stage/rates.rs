//! Are SYNs beyond a rate dropped? Only when asked (`--intensive`): it takes bursts and pauses.
//!
//! One source port at a time, so that a hash over ports cannot be it; a control between, so that loss cannot. A limit shows itself
//! by its order: after a pause the first are answered, what follows at once is not, and after the next pause the first are
//! again.

use std::net::SocketAddr;
use std::time::Duration;

use super::reference;
use crate::diagnosis::{At, Claim, Code, Proof, Weight, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
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

/// Packets that it sends to one server at the most, for the announcement.
pub const COST: u32 = (2 * (BURST + GROUPS * GROUP)) as u32;

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
    let answered = burst.iter().filter(|way| way.last_end.is_some()).count();
    if answered == BURST {
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
        said(context, to, &counts, pause, &reference.name());
    }
    counts.is_limit()
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

fn said(context: &Context, to: SocketAddr, counts: &Counts, pause: u64, control: &str) {
    let claim = Claim::new(
        Code::TcpRateLimited,
        At::of(Where::Network),
        Proof::Measured("SYN rate ladder", context.now()),
        0.95,
        format!(
            "New connections to {to} are limited: after {pause} s of rest about {} SYN{} answered, the next are not.",
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
