//! `tcp.listen-overflow`: the server's queue of new connections is full.
//!
//! At the server: SYNs reach it unanswered while other connections to that port are served. Anywhere: the
//! SYN-ACK comes again after the client's ACK, and no byte ever follows (Linux drops the ACK when the
//! accept queue is full, and repeats its SYN-ACK: listen(2), tcp_abort_on_overflow).

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::principles::port_served;
use crate::diagnosis::{At, Claim, Code, Connection, Where};

/// The capture is on the server's own link, and the client's SYNs come from elsewhere: they reach the server's host.
pub fn arrives(c: &Connection<'_>) -> bool {
    let at_server = c.context.server_hops.is_some_and(|hops| hops.hops == 0);
    let came_far = |ttl: u8| !matches!(ttl, 32 | 64 | 128 | 255);
    let first = c.tcp.syns.seen.first();
    at_server && first.is_some_and(|first| came_far(first.ttl))
}

/// The SYNs of this client alone stay unanswered at the server, again and again while others are let in between: a queue that is full keeps
/// everybody out, so a rule of the server's own drops them (fail2ban, a deny list). Where that shows.
pub fn singled_out(c: &Connection<'_>) -> Option<Mark> {
    let (count, latest) = c.context.others_let_in?;
    (count >= 2 && c.tcp.syns.count >= 4 && arrives(c)).then_some(latest)
}

/// SYNs that reach the server and stay unanswered.
pub fn unanswered(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let served = port_served(c);
    if !served.is_some() {
        return;
    }
    let Some((first, last)) = c.tcp.syns.seen.first().zip(c.tcp.syns.last) else {
        return;
    };
    if !arrives(c)
        || singled_out(c).is_some()
        || c.tcp.sides[Side::Server].segments > 0
        || c.tcp.icmp_count > 0
        || c.tcp.syns.count < 3
        || last.time.since(first.at.time) < 3 * SECOND
    {
        return;
    }
    // A capture that lacks the answers to others may lack those to this one as well.
    let absent = c.context.answers_unseen;
    let mut claim = Claim::new(
            Code::TcpListenOverflow,
            At::address(Where::Server, c.server().ip),
            last,
            if absent { 0.6 } else { 0.75 },
            format!("SYNs reach {} and stay unanswered while others are served: its queue is full.", c.server_text()),
        )
        .shown_by(format!("SYN number {} without an answer", c.tcp.syns.count))
        .since(first.at.time)
        .because(first.at, "the SYN reaches the server")
        .advise("Look at the server: ss -ltn (Recv-Q against Send-Q), nstat TcpExtListenOverflows; raise the backlog or the number of processes")
        .or(Code::TcpDropped, 0.15, "nstat on the server: ListenOverflows that do not grow speak for its own firewall");
    if absent {
        claim = claim.or(
            Code::CaptureOneWay,
            0.3,
            "any answer of this port in the same capture",
        );
    }
    claims.push(served.shown(claim));
}

/// SYN-ACKs that come again after the client's ACK.
pub fn repeated(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if c.tcp.syn_acks_after_ack < 2 || c.tcp.sides[Side::Server].data_segments > 0 {
        return;
    }
    let (Some(established), Some(last)) = (c.tcp.established, c.tcp.syn_acks.last) else {
        return;
    };
    if last.time.since(established.time) < SECOND {
        return;
    }
    // Away from the server a device that eats the client's ACK (a stateful one that saw only half of the handshake) looks
    // the same.
    let confidence = if c.captured_beside(Side::Server) {
        0.9
    } else {
        0.55
    };
    claims.push(
        Claim::new(
            Code::TcpListenOverflow,
            At::address(Where::Server, c.server().ip),
            last,
            confidence,
            format!("{} repeats its SYN-ACK although the client acknowledged it: its queue is full.", c.server_text()),
        )
        .shown_by("SYN-ACK again after the handshake was complete")
        .since(established.time)
        .because(established, "the client's ACK completes the handshake")
        .advise("Look at the server: ss -ltn (Recv-Q against Send-Q), nstat TcpExtListenOverflows; raise the backlog or the number of processes")
        .or(Code::TcpStalled, 1.0 - confidence, "a capture at the server: there the client's ACK arrives"),
    );
}
