//! `tcp.idle-dropped`: after ≥ 30 s of silence the client's next segment gets no answer, or a RST: something forgot the connection.
//!
//! What the server sends into such a silence shows no more than `tcp.client-vanished`: a client that sleeps looks the same. A silence in
//! which the client waited for an answer was no rest; what then dies had died before it.

use crate::base::{Mark, Nanos, SECOND, Side, Timestamp};
use crate::diagnosis::principles::{absence, was_owed};
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::{IdleGap, Reset, ResetTrigger};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if c.said_goodbye()
        || c.dialogue.quit.is_some()
            && c.done
                .is_some_and(|done| c.tcp.idle.iter().all(|gap| gap.to.time > done.time))
    {
        return;
    }
    if let Some(claim) = silence(c).or_else(|| reset(c)) {
        claims.push(claim);
    }
}

/// Sent again and again, never acknowledged.
fn silence(c: &Connection<'_>) -> Option<Claim> {
    let o = (*c.tcp.sides[Side::Client].outstanding)?;
    let server_fin = c.tcp.sides[Side::Server]
        .fin
        .is_some_and(|fin| fin.time < o.first.time);
    if o.idle_before < 30 * SECOND
        || o.transmissions < 3
        || o.last.time.since(o.first.time) < 3 * SECOND
        || o.peer_spoke_after
        || server_fin
        // A router that says what is the matter names another cause (RFC 1812 5.2.7.1).
        || c.undelivered(Side::Client, o.first.time).is_some_and(|error| error.says_unreachable())
        || was_owed(c, o.first.time)
    {
        return None;
    }
    let mut confidence = absence(c).confidence(certainty(c, 0.8))?;
    // What was not captured may have broken the silence; that what was sent now dies is seen all the same.
    if c.frames_missing() {
        confidence = f32::min(confidence, 0.6);
    }
    let shown = format!(
        "sent {} times in {:.1} s, never acknowledged",
        o.transmissions,
        o.last.time.since(o.first.time) as f64 / 1e9
    );
    Some(claim(
        c,
        o.idle_before,
        o.first.time,
        o.last,
        confidence,
        shown,
    ))
}

/// A reset as the answer to what ends the silence. Only the first of a connection tells: what follows it answers those who do not know
/// of it yet, whoever sent it.
fn reset(c: &Connection<'_>) -> Option<Claim> {
    let mut resets = c.tcp.resets.iter();
    let reset = resets
        .find(|reset| reset.trigger == ResetTrigger::Established)
        .filter(|reset| reset.side == Side::Server)?;
    if reset.ahead || reset.acks_unseen || reset.after_own_fin || reset.after_peer_close {
        return None;
    }
    let gap = rest_before(c, reset)?;
    // Only where nothing is missing there it is known that this is the first, and what the reset answers.
    let most = if c.context.capture_drops { 0.6 } else { 1.0 };
    let confidence = certainty(c, 0.75).min(most);
    let shown = "answered by a RST".to_owned();
    let claimed = |confidence| claim(c, gap.length, gap.to.time, reset.at, confidence, shown);
    if !is_from_host(c, reset) {
        return Some(claimed(confidence));
    }
    // A NAT that forgot gives the connection another port, and the host resets that; a host that was restarted does the same of itself, and
    // then a new connection works as well.
    let mut claim = claimed(confidence.min(0.8));
    // It left the server's own host, under these very numbers: nothing before it forgot them.
    if c.captured_beside(Side::Server) {
        claim.at = At::address(Where::Server, c.server().ip);
        claim.summary = claim
            .summary
            .replace("on the way", "by the server's own host");
    }
    Some(claim.or(
        Code::TcpResetMidstream,
        0.15,
        "the server's uptime and log: one that was started anew knows the connection no more, and answers so as well",
    ))
}

/// The rest of ≥ 30 s that the segment ended which the reset answers: it comes at once, and is no abort of a process (timestamps and a
/// window).
fn rest_before<'a>(c: &Connection<'a>, reset: &Reset) -> Option<&'a IdleGap> {
    let spoke = reset.after_peer.is_some_and(|delay| delay <= 3 * SECOND);
    if !spoke || reset.timestamps && reset.window != Some(0) {
        return None;
    }
    c.tcp.idle.iter().find(|gap| {
        gap.length >= 30 * SECOND
            && !gap.unseen
            && gap.to.time <= reset.at.time
            && reset.at.time.since(gap.to.time) <= 3 * SECOND
            && reset.answers_first(gap)
            && !was_owed(c, gap.to.time)
    })
}

/// It comes from where the host's other packets of this connection come from.
fn is_from_host(c: &Connection<'_>, reset: &Reset) -> bool {
    let direction = &c.tcp.sides[reset.side];
    direction.ttls.contains(&reset.hops.ttl) && !reset.other_mac
}

/// A new connection that works, or others dead at the same silence, make it sure.
fn certainty(c: &Connection<'_>, alone: f32) -> f32 {
    if c.context.same_idle > 0 || c.context.retry_worked.is_some() {
        0.93
    } else {
        alone
    }
}

fn claim(
    c: &Connection<'_>,
    idle: Nanos,
    since: Timestamp,
    death: Mark,
    confidence: f32,
    shown: String,
) -> Claim {
    let seconds = idle as f64 / 1e9;
    let mut claim = Claim::new(
        Code::TcpIdleDropped,
        At::of(Where::Network),
        death,
        confidence,
        format!("After {seconds:.0} s of silence the connection was forgotten on the way: what the client sends next gets no answer."),
    )
    .since(since)
    .shown_by(shown)
    .provisional_if(!c.ended())
    .advise(format!("Send keep-alives more often than every {:.0} s (IDLE renewal, TCP keep-alive), or raise the idle time of the NAT or firewall", seconds))
    .or(Code::TcpStalled, (1.0 - confidence).max(0.05), "a new connection at once: if it works, the path is fine and only the state was lost");
    if let Some(gap) = c
        .tcp
        .idle
        .iter()
        .find(|gap| gap.length == idle || gap.to.time == since)
    {
        claim = claim.because(
            gap.from,
            format!("last packet before {seconds:.0} s of silence"),
        );
    }
    if c.context.same_idle > 0 {
        claim = claim.because(
            death,
            format!(
                "{} other connections died after the same silence",
                c.context.same_idle
            ),
        );
    }
    if let Some(mark) = c.context.retry_worked {
        claim = claim.because(mark, "a new connection works");
    }
    claim
}
