//! `tcp.option-dropped`: a SYN with ECN, Fast Open or Multipath TCP stays unanswered, the one without is answered.

use crate::base::SECOND;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::SynOptions;

fn extras(options: &SynOptions) -> Option<&'static str> {
    if options.multipath {
        Some("Multipath TCP")
    } else if options.fast_open {
        Some("TCP Fast Open")
    } else if options.ecn {
        Some("ECN")
    } else {
        None
    }
}

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let (Some(answer), Some(first)) = (c.tcp.syn_acks.seen.first(), c.tcp.syns.seen.first()) else {
        return;
    };
    let Some(extra) = extras(&first.options) else {
        return;
    };
    let before: Vec<_> = c
        .tcp
        .syns
        .seen
        .iter()
        .filter(|syn| syn.at.time <= answer.at.time)
        .collect();
    let Some(last) = before.last() else { return };
    // The SYN that was answered is the last one, and it came without; every one with it was not answered for ≥ 0.5 s.
    if extras(&last.options).is_some() || last.at.time.since(first.at.time) < SECOND / 2 {
        return;
    }
    let with = before
        .iter()
        .filter(|syn| extras(&syn.options).is_some())
        .count();
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
