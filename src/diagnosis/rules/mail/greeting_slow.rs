//! `mail.greeting-slow`: from the handshake's ACK to the last greeting line ≥ 5 s (RFC 5321 4.5.3.2.1 lets clients wait
//! 5 minutes).
//!
//! Where the wait is TCP's own (greeting lost and sent again, handshake repeated) other rules speak. What kind of wait it
//! is shows its form: `220-` first is postscreen, pauses between lines are a tarpit, multiples of 5 s are DNS timeouts.

use crate::base::{MILLISECOND, SECOND, Side};
use crate::diagnosis::principles::gone_before_greeting;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::mail::Phase;

use super::progress::readable;

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some(established) = c.tcp.established else {
        return;
    };
    if c.began_late()
        || c.tcp.syn_acks_after_ack > 0
        || !readable(c)
        || c.tls_mode == crate::proto::TlsMode::Implicit
        || !c.dialogue.greeted
    {
        return;
    }
    // What looks like the greeting may answer a command that was not captured; and what comes when the client is gone cost it nothing.
    if c.frames_missing() || gone_before_greeting(c) {
        return;
    }
    let Some(reply) = c
        .dialogue
        .exchanges
        .first()
        .filter(|exchange| exchange.phase == Phase::Greeting && exchange.command.is_none())
        .and_then(|exchange| exchange.reply.as_ref())
    else {
        return;
    };
    // A server that waits for a PROXY header cannot greet before it.
    let begin = match c.dialogue.proxy_preface {
        Some(preface) if preface.time > established.time => preface,
        _ => established,
    };
    let waited = reply.done.time.since(begin.time);
    let lost = c
        .tcp
        .losses
        .iter()
        .any(|loss| loss.at.time <= reply.done.time);
    let stalled = c.tcp.sides[Side::Server]
        .stalls
        .iter()
        .any(|stall| stall.from.time < reply.done.time && stall.length >= SECOND);
    if waited < 5 * SECOND || lost || stalled {
        return;
    }
    let seconds = waited as f64 / SECOND as f64;
    let early = reply.at.time.since(begin.time) < waited / 2;
    let teaser = reply.lines >= 2 && early && reply.line.as_str().starts_with("220-");
    let beyond = waited % (5 * SECOND);
    let dns_like = !(300 * MILLISECOND..=5 * SECOND - 50 * MILLISECOND).contains(&beyond);
    let (kind, advice) = if teaser {
        (
            "a first line 220- at once and the rest late, as Postfix postscreen does",
            "Nothing, if mail flows: a greet delay against spammers (postscreen_greet_wait). Known clients can be excepted: postscreen_access_list = permit_mynetworks",
        )
    } else if reply.pauses >= 3 {
        (
            "sent in small pieces with pauses: a tarpit",
            "Nothing, if mail flows: a tarpit against spammers. Ask the server's operator to except known clients",
        )
    } else if dns_like {
        (
            "a multiple of 5 s, as a reverse look-up that times out makes it",
            "Server's operator: let the resolver answer for the client's address (PTR), or switch the look-up off",
        )
    } else {
        (
            "in one piece and late: a deliberate delay, or a slow look-up on the server",
            "Do not lower the client's timeout below 60 s; the server's operator knows whether the delay is meant",
        )
    };
    let mut claim = Claim::new(
        Code::MailGreetingSlow,
        At::address(Where::Server, c.server().ip),
        reply.done,
        0.93,
        format!("{} took {seconds:.1} s to greet: {kind}.", c.server_text()),
    )
    .weighing(Weight::Costly)
    .since(begin.time)
    .shown_by(format!(
        "the greeting is complete {seconds:.1} s after the connection opened"
    ))
    .because(begin, "the connection is open")
    .advise(advice);
    if teaser {
        claim = claim.because(reply.at, format!("first line: {}", reply.line));
    }
    claims.push(claim);
}
