//! `tcp.option-dropped`: a SYN with ECN, Fast Open or Multipath TCP stays unanswered, the one without is answered.
//!
//! Hosts send their second SYN without it whatever became of the first, so one that was lost by chance looks the same: it is none where
//! the same server answered such a SYN of the same client, or where one without was lost as well.

use crate::base::SECOND;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::Extra;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let (Some(answer), Some(first)) = (c.tcp.syn_acks.seen.first(), c.tcp.syns.seen.first()) else {
        return;
    };
    let Some(extra) = Extra::of(&first.options) else {
        return;
    };
    if c.context.extras_answered.contains(&extra) {
        return;
    }
    let before: Vec<_> = c
        .tcp
        .syns
        .seen
        .iter()
        .filter(|syn| syn.at.time <= answer.at.time)
        .collect();
    let Some((last, lost)) = before.split_last() else {
        return;
    };
    // The SYN that was answered is the last one, and it came without; every one with it was not answered for ≥ 0.5 s.
    if Extra::of(&last.options).is_some() || last.at.time.since(first.at.time) < SECOND / 2 {
        return;
    }
    let with = lost
        .iter()
        .filter(|syn| Extra::of(&syn.options).is_some())
        .count();
    if with < lost.len() {
        return;
    }
    let extra = extra.name();
    let confidence = if with >= 2 { 0.85 } else { 0.6 };
    let claim = Claim::new(
        Code::TcpOptionDropped,
        At::of(Where::Network),
        first.at,
        confidence,
        format!("SYNs with {extra} are dropped on the way; without it the server answers."),
    )
    .weighing(Weight::Costly)
    .shown_by(format!("SYN with {extra}, never answered ({with} sent)"))
    .because(last.at, format!("SYN without {extra}"))
    .because(answer.at, "SYN-ACK")
    .advise(format!(
        "Switch off {extra} at the client, or find the device that drops it"
    ))
    .or(
        Code::PathLoss,
        1.0 - confidence,
        "the same SYN again: loss would hit both kinds",
    );
    claims.push(claim);
}
