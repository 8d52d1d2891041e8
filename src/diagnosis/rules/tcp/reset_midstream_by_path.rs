//! `tcp.reset-midstream-by-path`: a reset that contradicts the server's own stream.
//!
//! Other hop distance, data of the server after "its" reset, another flow label, or both ends reset at once.

use crate::base::{MILLISECOND, Side};
use crate::diagnosis::principles::{behind_message, delivered, reset_origin};
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::ResetTrigger;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if c.done.is_some() {
        return;
    }
    let fin_first = c.tcp.sides[Side::Client]
        .fin
        .or(c.tcp.sides[Side::Server].fin);
    for reset in &c.tcp.resets {
        // What a host answers to leftovers of a connection that it cut itself says nothing of who cut it.
        if reset.trigger == ResetTrigger::Syn
            || reset.leftover
            || reset.after_own_fin
            || fin_first.is_some_and(|fin| fin.time <= reset.at.time)
        {
            continue;
        }
        let mut origin = reset_origin(c, reset);
        let twin = c.tcp.resets.iter().find(|other| {
            other.side != reset.side
                && other.at.time.since(reset.at.time).abs() <= MILLISECOND
                && !other.after_peer_close
                && !reset.after_peer_close
        });
        if let Some(twin) = twin {
            origin.score += 1.5;
            origin.signals.push(format!(
                "both ends were reset within {:.3} ms",
                twin.at.time.since(reset.at.time).abs() as f64 / 1e6
            ));
        }
        if !origin.by_path() {
            continue;
        }
        let probability = origin.probability().min(0.95);
        let mut claim =
            Claim::new(
                Code::TcpResetMidstreamByPath,
                At::of(Where::Network),
                reset.at,
                probability,
                format!("A device between {} and {} cut the connection with a reset in the {}'s name.", c.client().ip, c.server().ip, reset.side.name()),
            )
            .shown_by(format!("RST: {}", origin.signals.join("; ")))
            .advise(format!(
                "Ask whoever runs the firewalls between {} and {} for inspection, session limits or policy on TCP port {}",
                c.client().ip,
                c.server().ip,
                c.server().port
            ))
            .or(Code::TcpResetMidstream, 1.0 - probability, "a capture at the other end: does it send this reset?");
        // What interferes with a connection that worked leaves it healthy.
        if let Some(taken) = delivered(c) {
            claim = behind_message(claim, taken);
        }
        claims.push(claim);
        return;
    }
}
