//! `path.slow`: a handshake round trip of a second or more, measured from the last SYN (Karn); or a server that opened only after several
//! SYNs in a row had gone unanswered.
//!
//! One SYN is lost every day and sent again after a second (RFC 6298 2.1): that is nothing. Two in a row are worth a word, and
//! three that take three seconds, the clock of a silent SYN (verdicts.md), cost the user something, whatever they were lost to.

use crate::base::{Mark, Nanos, SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::Extra;

/// SYNs in a row that are more than one that got lost.
const UNANSWERED: usize = 2;
/// Standing still for so long, by more than two of them, is a cost: the clock of a silent SYN (verdicts.md).
const COSTLY: Nanos = 3 * SECOND;
/// Nobody sends a SYN again sooner: copies by the capture are none.
const RESENT: Nanos = SECOND / 2;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let (Some(server), Some(answer)) = (c.tcp.rtt_server, c.tcp.syn_acks.seen.first()) else {
        return;
    };
    // What was not captured may have been the SYN that was answered, and whatever went round faster.
    if c.frames_missing() {
        return;
    }
    // With a round trip above 1 s the SYN is always sent twice (RFC 6298 2.1), and Karn's last SYN is the wrong one: the
    // round trips of data then tell which SYN was answered.
    let first = c
        .tcp
        .syns
        .seen
        .first()
        .map_or(server, |syn| answer.at.time.since(syn.at.time));
    let slow_data = [Side::Client, Side::Server]
        .iter()
        .any(|side| c.tcp.min_rtt[*side].is_some_and(|rtt| rtt >= SECOND));
    let server = if c.tcp.syns.count > 1 && slow_data {
        first
    } else {
        server
    };
    let rtt = server.saturating_add(c.tcp.rtt_client.unwrap_or(0));
    if c.tcp.syns.count > 1 && !slow_data {
        claims.extend(opened_late(c, answer.at));
        return;
    }
    if rtt < SECOND {
        return;
    }
    // Data that goes round faster speaks against the path: then a SYN or SYN-ACK was lost and sent again.
    let far = if server >= rtt.saturating_sub(server) {
        Side::Server
    } else {
        Side::Client
    };
    if c.tcp.min_rtt[far].is_some_and(|quick| quick < rtt / 2) {
        return;
    }
    claims.push(
        Claim::new(
            Code::PathSlow,
            At::of(Where::Network),
            answer.at,
            0.8,
            format!("The handshake with {} took {:.1} s for one round trip.", c.server_text(), rtt as f64 / 1e9),
        )
        .weighing(Weight::Costly)
        .shown_by(format!("SYN-ACK {:.3} s after the SYN", server as f64 / 1e9))
        .advise("Look for a satellite or mobile link, or a queue that is full (bufferbloat), on the way"),
    );
}

/// Several SYNs in a row went unanswered before one was answered at once.
fn opened_late(c: &Connection<'_>, answer: Mark) -> Option<Claim> {
    let syns = &c.tcp.syns.seen;
    let first = syns.first()?;
    let (mut unanswered, mut last) = (0, first);
    for syn in syns.iter().filter(|syn| syn.at.time <= answer.time) {
        if syn.at.time.since(last.at.time) >= RESENT {
            unanswered += 1;
            last = syn;
        }
    }
    // Those with an option that the answered one lacks tell another tale.
    let is_option = Extra::of(&first.options).is_some() && Extra::of(&last.options).is_none();
    // Refused, it was not unanswered.
    let refused = c.tcp.reopened > 0 || c.tcp.icmp_count > 0;
    if unanswered < UNANSWERED || is_option || refused {
        return None;
    }
    let waited = last.at.time.since(first.at.time);
    let seconds = waited as f64 / 1e9;
    let claim = Claim::new(
        Code::PathSlow,
        At::of(Where::Unknown),
        answer,
        0.6,
        format!(
            "{} opened only {seconds:.1} s after the first SYN: {unanswered} SYNs in a row went unanswered.",
            c.server_text()
        ),
    )
    .weighing(match unanswered > UNANSWERED && waited >= COSTLY {
        true => Weight::Costly,
        false => Weight::Finding,
    })
    .shown_by(format!("the SYN-ACK answers SYN number {}", unanswered + 1))
    .because(first.at, "SYN")
    .because(last.at, "SYN again, the one that is answered")
    .since(first.at.time)
    .or(Code::PathLoss, 0.2, "mtr to the server: whether packets of all kinds get lost")
    .or(
        Code::TcpListenOverflow,
        0.1,
        "a capture at the server: whether these SYNs arrive there",
    )
    .or(
        Code::TcpRateLimited,
        0.1,
        "one connection alone, after some seconds in which nothing else was sent",
    )
    .advise("See whether it comes again at certain times: a way or a server that was away for a moment, a limit on new connections, a full queue");
    Some(claim)
}
