//! `tcp.dropped`: the SYN and its retransmissions, and no answer of any kind.
//!
//! At least three transmissions over at least 3 s (Linux since 6.5 sends four a second apart, so nothing may
//! rely on doubling), or at least three lone SYNs to one address over 3 s. A single SYN that was given up
//! (happy eyeballs, RFC 8305) is `unknown`.
//!
//! Captured on the server's own link they are seen to arrive: then what drops them is the server's host. Nothing follows from SYNs that
//! leave with so few hops that they need not arrive at all (traceroute).

use super::listen_overflow::{arrives, singled_out};
use crate::base::{SECOND, Side};
use crate::diagnosis::principles::{absence, port_served};
use crate::diagnosis::{At, Claim, Code, Connection, Where};

/// Hears a connection that never opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if c.tcp.sides[Side::Server].segments > 0
        || c.tcp.icmp_count > 0
        || c.tcp.foreign_syn_ack.is_some()
        || c.context.refused_cut.is_some()
        || answer_refused(c)
    {
        return;
    }
    let own = c
        .tcp
        .syns
        .seen
        .first()
        .map(|syn| syn.at)
        .zip(c.tcp.syns.last);
    let Some((first, last)) = own else { return };
    let arrives = arrives(c);
    if c.tcp.syns.seek_path() && !arrives {
        return;
    }
    // Of a group of lone SYNs each connection keeps its own last frame; the group says how long nothing answered.
    let (count, first, span) = match c.context.lone_syns {
        _ if c.tcp.syns.count >= 3 => (c.tcp.syns.count, first, last.time.since(first.time)),
        // Its own SYN may still be answered within the first second (RFC 6298 2.1).
        Some((count, earliest, latest)) if count >= 3 && c.watched_after(first.time) >= SECOND => {
            (count, earliest, latest.time.since(earliest.time))
        }
        _ => return,
    };
    if span < 3 * SECOND {
        return;
    }
    let absence = absence(c);
    // The port answers others: what drops these SYNs knows a number or a rate, a firewall's or that of the server's own queue.
    let served = port_served(c);
    let full = served.confidence(Code::TcpDropped, 0.97);
    let Some(confidence) = absence.confidence(full) else {
        return;
    };
    let banned = singled_out(c);
    // A queue that is full now and then may have met this client each time.
    let confidence = match banned {
        Some(_) => confidence.min(0.75),
        None if arrives => confidence.min(0.8),
        None => confidence,
    };
    let place = if banned.is_some() || arrives {
        At::address(Where::Server, c.server().ip)
    } else {
        At::of(Where::Network)
    };
    let silent = c.watched_after(last.time).max(span) as f64 / 1e9;
    let server = c.server_text();
    let mut claim = Claim::new(
        Code::TcpDropped,
        place,
        last,
        confidence,
        match banned {
            Some(_) => format!("{server} drops what {} sends, by a rule of its own: {count} SYN packets reach it and stay unanswered while it lets others in.", c.client().ip),
            None if arrives => format!("{server} drops what reaches it: {count} SYN packets arrive there and stay unanswered."),
            None => format!("{server} never answered: {count} SYN packets vanished without a trace."),
        },
    )
    .shown_by(format!(
        "SYN again, number {count}; nothing came back in {silent:.1} s"
    ))
    .since(first.time)
    .because(first, "SYN to a port that never answers")
    .provisional_if(!c.ended() && c.horizon.since(last.time) < 10 * SECOND);
    claim = match banned {
        Some(mark) => claim
            .because(mark, "another client's SYN is answered meanwhile")
            .advise(format!("Look on the server for what drops {}: fail2ban-client banned, nft list ruleset, iptables -vnL", c.client().ip)),
        None if arrives => claim
            .advise("Look on the server for a rule that drops them: nft list ruleset, iptables -vnL".to_owned())
            .advise(format!("Look whether its queue is full: ss -ltn (Recv-Q against Send-Q of port {}), nstat TcpExtListenOverflows", c.server().port)),
        None => advise_for_path(c, claim),
    };
    if let Some((port, mark)) = c.context.host_answers {
        claim = claim.because(
            mark,
            format!(
                "the same host answers on port {port}: the fault is about port {}",
                c.server().port
            ),
        );
    }
    if served.is_some() || arrives {
        let (weight, why) = if arrives {
            (
                0.2,
                "nstat on the server: whether TcpExtListenOverflows grows",
            )
        } else {
            (
                0.1,
                "a capture at the server: there the SYNs arrive when its queue is full",
            )
        };
        claim = claim.or(Code::TcpListenOverflow, weight, why);
    }
    claim = served.shown(claim);
    if absence.doubtful() {
        claim = claim.or(
            Code::CaptureOneWay,
            0.3,
            "any packet towards this client in the same capture",
        );
    }
    claims.push(claim);
}

/// The client's host turned down an answer that the capture does not show: with a reset without ACK (RFC 9293 3.10.7.1), which a lone SYN
/// draws from nobody.
fn answer_refused(c: &Connection<'_>) -> bool {
    let mut resets = c.tcp.resets.iter();
    resets.any(|reset| reset.side == Side::Client && !reset.flags.ack())
}

/// What to do about a firewall somewhere on the way.
fn advise_for_path(c: &Connection<'_>, claim: Claim) -> Claim {
    let server = c.server_text();
    let claim = claim.advise(format!(
        "Ask whoever runs the firewalls between {} and {} to look for drops of TCP port {}",
        c.client().ip,
        c.server().ip,
        c.server().port
    ))
    .advise(format!(
        "Find the place: tcptraceroute to {server} and to a port that answers; the last hop that only the second one passes is before the firewall"
    ));
    if c.server().port == 25 {
        return claim.advise("Many access networks and clouds close port 25 outward; mail clients belong on 587 or 465");
    }
    claim
}
