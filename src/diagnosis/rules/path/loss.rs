//! `path.loss`: segments that got lost and had to be sent again, counted in MSS-equivalents in both directions.
//!
//! Degraded at ≥ 3 events when they are ≥ 3 %, or ≥ 1 % with ≥ 1 s of standing still; less is a finding.

use crate::base::SECOND;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::LossPlace;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if c.tcp.loss_count < 3 || c.tcp.mss_equivalents == 0 {
        return;
    }
    let Some(first) = c
        .tcp
        .losses
        .iter()
        .find(|loss| loss.place != LossPlace::Capture)
    else {
        return;
    };
    let rate = c.tcp.mss_equivalents_lost as f64 / c.tcp.mss_equivalents as f64;
    let costly = rate >= 0.03 || rate >= 0.01 && c.tcp.stood_still >= SECOND;
    let (mut before, mut after) = (0, 0);
    for loss in &c.tcp.losses {
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
            c.tcp.mss_equivalents_lost,
            c.tcp.mss_equivalents,
            rate * 100.0,
            c.tcp.stood_still as f64 / 1e9
        ),
    )
    .weighing(if costly { Weight::Costly } else { Weight::Finding })
    .shown_by(format!("the {side} sends lost data again; {} events in all, {after} beyond the capture point, {before} before it", c.tcp.loss_count))
    .advise("Find the link: from which hop on does mtr show loss that persists to the end; look at interface errors, duplex, overload");
    if let Some(last) = c.tcp.losses.last() {
        claim = claim.because(last.at, "lost data again");
    }
    claims.push(claim);
}
