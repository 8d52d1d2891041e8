//! `tcp.stalled`: established and talking, then segments of any size are sent again and again, and nothing comes back.
//!
//! Captured on the receiver's own link they are seen to arrive: then it is its host that takes them no more.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::principles::{absence, client_was_silent, silent_behind_window, was_owed};
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::{IcmpError, Vantage};

/// A packet of this length and more may be too large for a link on the way (RFC 791 3.1: every host takes 576).
const LARGE: u32 = 1_000;
/// Payload that says nothing of what large packets do.
const SMALL: u32 = 500;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if let Some(claim) = closing(c).or_else(|| behind_window(c)) {
        claims.push(claim);
        return;
    }
    for side in [Side::Client, Side::Server] {
        let Some(o) = *c.tcp.sides[side].outstanding else {
            continue;
        };
        // After the end nothing is a fault; a 421 of a server that waited in vain for the data is no such end.
        if c.done.is_some_and(|done| done.time <= o.first.time) {
            continue;
        }
        // Established and talking: something got through before, in either direction.
        let unproven = o.range.start <= 0 && !c.began_late();
        if unproven && c.tcp.sides[side.other()].data_segments == 0 {
            continue;
        }
        // Who drops may say so: on an open connection that is a soft error, and TCP goes on trying (RFC 1122 4.2.3.9).
        let told = c.undelivered(side, o.first.time);
        // A long silence may be why, if no router says that the host cannot be reached; not one in which the client waited for its answer.
        let rested =
            o.idle_before >= 30 * SECOND && !(side == Side::Client && was_owed(c, o.first.time));
        if o.fin_only
            || o.transmissions < 3
            || o.last.time.since(o.first.time) < 3 * SECOND
            || rested && !told.is_some_and(|error| error.says_unreachable())
        {
            continue;
        }
        if c.tcp.sides[side.other()].zero_window.closed_since.is_some() {
            continue;
        }
        // The peer's receiving side has to have been alive on this connection, else it is a one-way capture.
        if c.tcp.sides[side.other()].segments == 0 {
            continue;
        }
        // Nothing came back from the client since: it may be gone itself, and after a silence it is.
        let nothing_back = side == Side::Server
            && c.tcp.sides[Side::Client]
                .last
                .is_none_or(|last| last.time <= o.first.time);
        // What was missed may have been its goodbye.
        if nothing_back && (client_was_silent(c, o.first) || c.partly_unseen()) {
            continue;
        }
        // Nothing of that size ever arrived, and nothing smaller was sent since: its size may be why.
        let untried = o.packet_len >= LARGE && c.tcp.sides[side].largest_arrived < SMALL;
        let begun_late = untried && c.began_late();
        let full = if nothing_back || begun_late {
            0.6
        } else {
            0.88
        };
        let Some(confidence) = absence(c).confidence(full) else {
            continue;
        };
        let (from, to) = match side {
            Side::Client => (c.client().ip, c.server().ip),
            Side::Server => (c.server().ip, c.client().ip),
        };
        // A client of which nothing came since may have left the last link, a radio's.
        let arrives = told.is_none() && !nothing_back && c.captured_beside(side.other());
        let confidence = if arrives {
            confidence.min(0.8)
        } else {
            confidence
        };
        let place = match told {
            Some(error) if error.sender == to => At::address(side_of(side.other()), to),
            Some(error) => At::address(Where::Network, error.sender),
            None if arrives => At::address(side_of(side.other()), to),
            None => At::of(Where::Network),
        };
        let mut claim = Claim::new(
                Code::TcpStalled,
                place,
                o.last,
                confidence,
                match arrives {
                    true => format!("In the middle of the connection {to} stopped taking what {from} sends: it arrives on its own link and is acknowledged no more."),
                    false => format!("In the middle of the connection packets between {from} and {to} stopped getting through: nothing that {from} sends is acknowledged any more."),
                },
            )
            .since(o.first.time)
            .shown_by(format!("sent {} times in {:.1} s, never acknowledged", o.transmissions, o.last.time.since(o.first.time) as f64 / 1e9))
            .because(o.first, format!("{} bytes at stream offset {}, first time", o.range.end - o.range.start, o.range.start))
            .provisional_if(!c.ended())
            .advise(match told {
                Some(error) if error.sender == to => format!("Look for rules of {to} itself that reject this connection since that time, and what changed there"),
                None if arrives => format!("Look on {to} for a rule that drops them since that time (nft list ruleset, iptables -vnL), and whether it was up"),
                Some(error) if is_host_gone(error, o.first) => format!("Look whether {to} is up; then at the network behind {}", error.sender),
                _ => format!("Look at the path from {from} to {to} and at the way back at this time: routing change, firewall state lost, link down"),
            })
            .or(Code::PathMtuBlackhole, if begun_late || untried && nothing_back { 0.3 } else { 0.1 }, "a smaller segment sent later that is acknowledged");
        if let Some(error) = told {
            claim = claim.because(
                error.at,
                format!(
                    "ICMP {}/{} from {} quotes it: {}",
                    error.kind,
                    error.code,
                    error.sender,
                    if is_host_gone(error, o.first) {
                        "the host gives it no answer by ARP or NDP, it is down or gone"
                    } else if error.sender == to {
                        "a rule of its own"
                    } else {
                        "a rule or a missing route there"
                    }
                ),
            );
        }
        if nothing_back {
            claim = claim.or(
                Code::TcpClientVanished,
                0.1,
                "a capture at the client: does it still wait for the answer?",
            );
        }
        claims.push(claim);
        return;
    }
}

/// The server could take no more for the moment, and then said nothing to probe after probe.
fn behind_window(c: &Connection<'_>) -> Option<Claim> {
    if c.done.is_some() || c.said_goodbye() {
        return None;
    }
    let silence = silent_behind_window(c, Side::Server)?;
    let (from, to) = (c.client().ip, c.server().ip);
    let claim = Claim::new(
        Code::TcpStalled,
        At::of(Where::Network),
        silence.asked,
        absence(c).confidence(0.6)?,
        format!("While the window of {to} was closed for a moment, nothing came back from it any more."),
    )
    .advise(format!("Look at the path between {from} and {to} at this time: routing change, firewall state lost, link or host down"));
    Some(silence.shows(c, claim))
}

/// Where a side is.
fn side_of(side: Side) -> Where {
    match side {
        Side::Client => Where::Client,
        Side::Server => Where::Server,
    }
}

/// The last router says it after it asked for the host in vain: three times, a second apart (RFC 1812 5.3.3.2, RFC 4861 7.2.2). A rule or a
/// missing route says it at once.
fn is_host_gone(error: &IcmpError, first: Mark) -> bool {
    error.is_about_host() && error.at.time.since(first.time) >= 2 * SECOND
}

/// In the middle of an answer nothing came any more, and the client's leaving is not acknowledged either, however often it is sent. A host that
/// fell silent at that moment looks the same.
fn closing(c: &Connection<'_>) -> Option<Claim> {
    if !c.closes_in_vain() || !c.answer_begun() {
        return None;
    }
    let unsure = c.one_sided() || c.partly_unseen() || c.said_goodbye();
    // Captured beside the server, it is the server that does not answer.
    if unsure || c.tcp.vantage == Vantage::Server {
        return None;
    }
    let o = (*c.tcp.sides[Side::Client].outstanding)?;
    let last_words = c.tcp.sides[Side::Server].last_data?;
    if c.done.is_some_and(|done| done.time <= o.first.time) {
        return None;
    }
    let confidence = absence(c).confidence(0.6)?;
    let (from, to) = (c.client().ip, c.server().ip);
    let claim = Claim::new(
        Code::TcpStalled,
        At::of(Where::Network),
        o.last,
        confidence,
        format!("The answer of {to} broke off, and nothing of it came back any more."),
    )
    .since(last_words.time)
    .shown_by(format!(
        "FIN sent {} times in {:.1} s, never acknowledged",
        o.transmissions,
        o.last.time.since(o.first.time) as f64 / 1e9
    ))
    .because(last_words, "the latest bytes of the answer, which is not complete")
    .provisional_if(!c.ended())
    .advise(format!("Look at the path between {from} and {to} at this time: routing change, firewall state lost, link or host down"))
    .or(
        Code::MailCommandTimeout,
        0.2,
        "a capture at the server: whether the client's FIN arrives there",
    );
    Some(claim)
}
