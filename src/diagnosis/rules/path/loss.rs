//! `path.loss`: segments that got lost and had to be sent again, counted in MSS-equivalents in both directions.
//!
//! Degraded at ≥ 3 events when they are ≥ 3 %, or ≥ 1 % with ≥ 1 s of standing still; less is a finding. What was first sent when the
//! connection was done (a FIN that waits for a process to close) is not counted: nobody waits for it.

use crate::base::{SECOND, Timestamp};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::{LossEvent, LossPlace};
use crate::proto::mail::Verb;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let over = over(c);
    let counts = |loss: &&LossEvent| over.is_none_or(|over| loss.sent < over);
    let (mut events, mut lost, mut stood_still) = (
        c.tcp.loss_count,
        c.tcp.mss_equivalents_lost,
        c.tcp.stood_still,
    );
    for loss in c.tcp.losses.iter().filter(|loss| !counts(loss)) {
        events = events.saturating_sub(loss.events);
        lost = lost.saturating_sub(u64::from(loss.equivalents));
        stood_still = stood_still.saturating_sub(loss.waited).max(0);
    }
    if events < 3 || c.tcp.mss_equivalents == 0 {
        return;
    }
    let losses = || c.tcp.losses.iter().filter(counts);
    let Some(first) = losses().find(|loss| loss.place != LossPlace::Capture) else {
        return;
    };
    let rate = lost as f64 / c.tcp.mss_equivalents as f64;
    let costly = rate >= 0.03 || rate >= 0.01 && stood_still >= SECOND;
    let (mut before, mut after) = (0, 0);
    for loss in losses() {
        match loss.place {
            LossPlace::Before => before += 1,
            LossPlace::After => after += 1,
            LossPlace::Capture => {}
        }
    }
    let side = first.side.name();
    let mut claim = Claim::new(
        Code::PathLoss,
        At::of(Where::Network),
        first.at,
        0.9,
        format!(
            "{} of {} packets were lost ({:.1} %), {:.1} s of standing still.",
            lost,
            c.tcp.mss_equivalents,
            rate * 100.0,
            stood_still as f64 / 1e9
        ),
    )
    .weighing(if costly { Weight::Costly } else { Weight::Finding })
    .shown_by(format!("the {side} sends lost data again; {events} events in all, {after} beyond the capture point, {before} before it"))
    .advise("Find the link: from which hop on does mtr show loss that persists to the end; look at interface errors, duplex, overload");
    if let Some(last) = losses().next_back() {
        claim = claim.because(last.at, "lost data again");
    }
    claims.push(claim);
}

/// Since when nobody waits for anything: it is done, and nothing that was asked before is still being answered (POP3's QUIT may stand
/// in one segment with the RETRs before it, RFC 2449 6.6).
fn over(c: &Connection<'_>) -> Option<Timestamp> {
    let done = c.done?.time;
    let answered_later = c.dialogue.exchanges.iter().any(|exchange| {
        let quits = exchange
            .command
            .as_ref()
            .is_some_and(|command| command.verb == Verb::Quit);
        let reply = exchange.reply.as_ref();
        !quits && reply.is_some_and(|reply| reply.done.time > done)
    });
    (!answered_later).then_some(done)
}
