//! `tcp.client-vanished`: what the server sends is never acknowledged, and the client was silent before; or the server asks again and
//! again whether the client is still there, hears nothing and gives up.

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::{
    absence, client_was_silent, gave_up_on_peer, silent_behind_window,
};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Weight, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let server = &c.tcp.sides[Side::Server];
    if let Some(claim) = behind_window(c).or_else(|| given_up(c)) {
        claims.push(claim);
        return;
    }
    let Some(o) = *server.outstanding else { return };
    // The client's own goodbye ends all; the server's, sent into the void, does not.
    let left = c.dialogue.quit.is_some()
        || c.tcp.sides[Side::Client].fin.is_some()
        || c.done.is_some_and(|done| done.time < o.first.time);
    if left || o.transmissions < 3 || o.last.time.since(o.first.time) < 3 * SECOND {
        return;
    }
    let spoke_after = c.tcp.sides[Side::Client]
        .last
        .is_some_and(|last| last.time > o.first.time);
    if spoke_after
        || !client_was_silent(c, o.first)
        || c.tcp.sides[Side::Client].segments == 0
        || server.mtu.smaller_arrived_after.is_some()
    {
        return;
    }
    let Some(confidence) = absence(c).confidence(0.8) else {
        return;
    };
    // Something the client asked for is never taken, or the server spoke by itself after a silence.
    let asked = c.unanswered().is_some()
        || c.dialogue.exchanges.iter().rev().any(|exchange| {
            exchange.command.is_some()
                && exchange
                    .reply
                    .as_ref()
                    .is_some_and(|reply| reply.at.time >= o.first.time)
        })
        || c.tls.is_some_and(|tls| {
            let (client, server) = (
                tls.application_data[Side::Client],
                tls.application_data[Side::Server],
            );
            client.is_some_and(|(_, last)| {
                last.time <= o.first.time
                    && server.is_some_and(|(_, answer)| answer.time >= o.first.time)
                    && o.first.time.since(last.time) < 5 * SECOND
            })
        });
    let weight = if asked {
        Weight::Fatal
    } else {
        Weight::Unsettled
    };
    claims.push(
        Claim::new(
            Code::TcpClientVanished,
            At::address(Where::Client, c.client().ip),
            o.last,
            confidence,
            format!(
                "{} stopped answering: the server's packets are never acknowledged.",
                c.client().ip
            ),
        )
        .weighing(weight)
        .since(o.first.time)
        .shown_by(format!(
            "sent {} times in {:.1} s, never acknowledged",
            o.transmissions,
            o.last.time.since(o.first.time) as f64 / 1e9
        ))
        .because(o.first, "the server's data, first time")
        .provisional_if(!c.ended())
        .advise("Look at the client: sleep, roaming, a new address, a VPN that went down")
        .or(
            Code::TcpStalled,
            (1.0 - confidence).max(0.05),
            "a capture at the client: do the server's packets arrive there?",
        ),
    );
}

/// The client could take no more for the moment, and then said nothing to probe after probe.
fn behind_window(c: &Connection<'_>) -> Option<Claim> {
    if c.dialogue.quit.is_some() || c.done.is_some() {
        return None;
    }
    let silence = silent_behind_window(c, Side::Client)?;
    let claim = Claim::new(
        Code::TcpClientVanished,
        At::address(Where::Client, c.client().ip),
        silence.asked,
        absence(c).confidence(0.6)?,
        format!(
            "{} stopped answering while its window was closed for a moment.",
            c.client().ip
        ),
    )
    .weighing(match c.work_open() {
        true => Weight::Fatal,
        false => Weight::Unsettled,
    })
    .advise("Look at the client: sleep, roaming, a new address, a VPN that went down")
    .or(
        Code::TcpStalled,
        0.35,
        "a capture at the client: do the server's probes arrive there?",
    );
    Some(silence.shows(c, claim))
}

/// The server's keep-alives were not answered, and its kernel reset the connection (RFC 9293 3.8.4).
fn given_up(c: &Connection<'_>) -> Option<Claim> {
    let Ending::Closed {
        by: Side::Server,
        at,
        reset: true,
    } = c.ending
    else {
        return None;
    };
    let server = &c.tcp.sides[Side::Server];
    let heard = c.tcp.sides[Side::Client].last?;
    let left = c.dialogue.quit.is_some() || c.done.is_some() || c.said_goodbye();
    if left || !gave_up_on_peer(c, Side::Server) || server.outstanding.is_some() {
        return None;
    }
    let confidence = absence(c).confidence(0.8)?;
    let weight = if c.unanswered().is_some() {
        Weight::Fatal
    } else {
        Weight::Unsettled
    };
    let claim = Claim::new(
        Code::TcpClientVanished,
        At::address(Where::Client, c.client().ip),
        at,
        confidence,
        format!(
            "{} stopped answering: the server's keep-alives get no answer, and it gives up.",
            c.client().ip
        ),
    )
    .weighing(weight)
    .since(heard.time)
    .shown_by(format!(
        "RST of the server after {} keep-alives",
        server.keep_alives
    ))
    .because(heard, "the client's latest segment")
    .advise("Look at the client: sleep, roaming, a new address, a VPN that went down")
    .or(
        Code::TcpIdleDropped,
        (1.0 - confidence).max(0.05),
        "a capture at the client: do the keep-alives arrive there?",
    );
    Some(claim)
}
