//! `mail.proxy-protocol`: a PROXY header is sent and refused, or the server says that it wants one (HAProxy, "The PROXY
//! protocol", 2).
//!
//! That a silent server seems to wait for one is only an alternative, elsewhere. A header that is understood leaves no
//! trace and gets no claim: what the server refuses afterwards it refuses for its own reasons.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::principles::reset_origin;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::proto::mail::{Exchange, Family, Phase, Reply, Status};

use super::progress::{Progress, cut, readable, refuses};

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if let Some(preface) = c.dialogue.proxy_preface
        && c.service.implicit_tls()
        && c.tcp.sides[Side::Server].data_segments == 0
    {
        claims.extend(ended_wordlessly(c, preface));
        return;
    }
    let refused = !c.answers.is_empty() || c.dialogue.proxy_preface.is_some();
    let worked = c.dialogue.messages > 0 || c.dialogue.authenticated.is_some();
    if !refused || worked || !readable(c) {
        return;
    }
    let progress = Progress::of(c);
    let named = c
        .dialogue
        .exchanges
        .iter()
        .enumerate()
        .find_map(|(index, exchange)| {
            let answer = c.answers.get(index).copied().flatten()?;
            let reply = exchange.reply.as_ref()?;
            (answer.family == Family::ProxyProtocol && !progress.anything_after(index))
                .then_some(reply)
        });
    if let Some(reply) = named {
        let sent = c.dialogue.proxy_preface;
        let summary = match sent {
            Some(_) => "The server refuses the PROXY header that the client's side sends.",
            None => "The server wants a PROXY header before anything else, and none was sent.",
        };
        let mut claim = claim(c, reply.at, 0.95, summary)
            .shown_by(format!("the server says: {}", cut(reply.line.as_str(), 80)));
        if let Some(mark) = sent {
            claim = claim.because(mark, "PROXY header");
        }
        claims.push(claim);
        return;
    }
    let Some(preface) = c.dialogue.proxy_preface else {
        return;
    };
    // The header was a command to this server: its refusal is the first reply, the greeting's own aside.
    let mut exchanges = c.dialogue.exchanges.iter().enumerate();
    let first = exchanges.find_map(|(index, exchange)| {
        let reply = exchange.reply.as_ref()?;
        (!welcomes(exchange)).then_some((index, exchange, reply))
    });
    let Some((_, exchange, reply)) = first.filter(|(index, exchange, reply)| {
        refuses(reply)
            && reply.at.time >= preface.time
            && syntax_like(reply.code, reply.status)
            && (!greeted(c) || answers_header(c, *index, exchange, reply))
    }) else {
        return;
    };
    // The later replies are all one command late; if mail went through nevertheless, nothing was lost.
    let sure = exchange.command.is_none();
    claims.push(
        claim(
            c,
            reply.at,
            if sure { 0.93 } else { 0.85 },
            "The server takes the PROXY header for a command and refuses it.",
        )
        .shown_by(format!(
            "answer to the header: {}",
            cut(reply.line.as_str(), 80)
        ))
        .because(preface, "PROXY header before the dialogue"),
    );
}

/// On a port of implicit TLS the header stands where the ClientHello belongs: OpenSSL has no alert for what is no record at all, and its
/// server ends the connection without a word.
fn ended_wordlessly(c: &Connection<'_>, preface: Mark) -> Option<Claim> {
    let (at, reset) = c.closed_by(Side::Server)?;
    let prompt = (0..5 * SECOND).contains(&at.time.since(preface.time));
    if !prompt || c.began_late() || c.partly_unseen() || c.end_unseen(Side::Server) {
        return None;
    }
    let first = c.first_reset().filter(|_| reset);
    if first.is_some_and(|first| reset_origin(c, first).by_path()) {
        return None;
    }
    let end = if reset { "RST" } else { "FIN" };
    let hello = c.tls.is_some_and(|tls| tls.client_hello.is_some());
    let summary = "The server ends the connection as soon as it reads the PROXY header where a ClientHello belongs.";
    let claim = claim(c, at, 0.8, summary)
        .shown_by(format!("{end} of the server, no alert, no byte before it"))
        .because(preface, "PROXY header before the handshake");
    let same = "the same without the header";
    Some(match (hello, reset) {
        (true, _) => claim.or(Code::TlsResetOnHello, 0.15, same),
        (false, true) => claim.or(Code::TcpResetBeforeGreeting, 0.15, same),
        (false, false) => claim.or(Code::TcpClosedBeforeGreeting, 0.15, same),
    })
}

/// A greeting that lets the client in.
fn welcomes(exchange: &Exchange) -> bool {
    let reply = exchange.reply.as_ref();
    exchange.phase == Phase::Greeting && reply.is_some_and(|reply| reply.status == Status::Positive)
}

/// The server welcomed the client: it may have understood the header.
fn greeted(c: &Connection<'_>) -> bool {
    c.dialogue.exchanges.iter().any(welcomes)
}

/// Behind a welcome a refusal answers the header only if it answers nothing else. Each command has one answer (RFC 5321 4.2, RFC 1939
/// 3): one that came unasked, or one more in all than there are commands, is the header's. A goodbye has a cause of its own, and so
/// have words about anything but syntax.
fn answers_header(c: &Connection<'_>, index: usize, exchange: &Exchange, reply: &Reply) -> bool {
    let exchanges = &c.dialogue.exchanges;
    let replies = exchanges
        .iter()
        .filter(|exchange| exchange.reply.is_some() && !welcomes(exchange))
        .count();
    let commands = exchanges
        .iter()
        .filter(|exchange| exchange.command.is_some())
        .count();
    let syntax = match reply.code {
        Some(code) => matches!(code, 500..=503),
        None => matches!(reply.status, Status::Negative | Status::Bad),
    };
    let answer = c.answers.get(index).copied().flatten();
    let own_cause = answer.is_some_and(|answer| {
        answer.by_text && !matches!(answer.family, Family::ProtocolError | Family::Rejected)
    });
    let unasked = exchange.command.is_none() || replies > commands;
    syntax && !own_cause && !exchange.unsure && !c.partly_unseen() && unasked
}

fn claim(c: &Connection<'_>, at: Mark, confidence: f32, summary: &str) -> Claim {
    Claim::new(
        Code::MailProxyProtocol,
        At::address(Where::Server, c.server().ip),
        at,
        confidence,
        summary.to_owned(),
    )
    .advise("Make both sides agree: HAProxy send-proxy-v2 with Postfix postscreen_upstream_proxy_protocol or smtpd_upstream_proxy_protocol, Dovecot haproxy = yes, Exim hosts_proxy – or switch the header off at the load balancer")
}

/// What a server says to a line that it does not know, or to one that came before its greeting.
fn syntax_like(code: Option<u16>, status: Status) -> bool {
    match code {
        Some(code) => matches!(code, 421 | 500..=503 | 521 | 550 | 554),
        None => matches!(status, Status::Negative | Status::Bad | Status::Bye),
    }
}
