//! `tcp.reset-midstream` and `tcp.closed-midstream`: the server spoke, then its side ended the connection without a word.

use crate::base::{Mark, Nanos, SECOND, Side};
use crate::diagnosis::principles::{
    Farewell, asked_in_vain, behind_message, delivered, farewell, gave_up_on_peer, in_order,
    quit_unanswered, reset_origin, with_words,
};
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::ResetTrigger;
use crate::proto::mail::{Exchange, Verb};
use crate::proto::tls::TlsFacts;

/// An end this soon after a line is the answer to it.
const ANSWER: Nanos = 5 * SECOND;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some((at, reset)) = c.closed_by(Side::Server) else {
        return;
    };
    let server = &c.tcp.sides[Side::Server];
    if c.done.is_some() || c.said_goodbye() || server.data_segments == 0 || c.one_sided() {
        return;
    }
    if reset && (may_have_quit(c, at) || may_be_encrypted(c)) {
        return;
    }
    // Of lines that the capture cut short one may have been QUIT, and another its answer.
    if reset && c.tls.is_none() && c.tcp.cut_frames > 0 && c.unanswered().is_none() {
        return;
    }
    let server_text = c.server_text();
    // What the client says into a connection that was ended is not what it ended after.
    let mut said = c.dialogue.exchanges.iter().rev();
    let phase = said.find_map(|exchange| {
        let command = exchange.command.as_ref()?;
        command.at.is_before(at).then_some(command)
    });
    let during = phase.map_or(String::new(), |command| format!(" after {}", command.text));
    if reset {
        let Some(found) = c.tcp.resets.iter().find(|r| r.side == Side::Server) else {
            return;
        };
        let origin = reset_origin(c, found);
        // What was not captured before it may have been a goodbye.
        if origin.by_path() || c.end_unseen(Side::Server) {
            return;
        }
        // What it answers was not captured, and may have been the client's goodbye (RFC 9293 3.10.7.4: data after a close draws a RST).
        if found.acks_unseen || c.end_unseen(Side::Client) {
            return;
        }
        // No process did it: the client is gone.
        if gave_up_on_peer(c, Side::Server) {
            return;
        }
        let abort = origin.aborted || found.timestamps && found.window != Some(0);
        let in_vain = asked_in_vain(c, Side::Server).filter(|asked| asked.is_before(at));
        let (confidence, how) = if in_vain.is_some() {
            (0.5, "RST behind a keep-alive without an answer")
        } else if abort {
            (
                0.9,
                "RST with the connection's own timestamps and window: a process on the host cut it",
            )
        } else if origin.score > 0.0 {
            (0.55, "RST without data before it that would explain it")
        } else {
            (0.75, "RST without data before it that would explain it")
        };
        let taken = delivered(c);
        let mut claim = Claim::new(
            Code::TcpResetMidstream,
            At::address(Where::Server, c.server().ip),
            at,
            confidence,
            match taken {
                Some(_) => {
                    format!("{server_text} reset the connection behind the message that it had taken.")
                }
                None => format!("{server_text} reset the connection in the middle{during}."),
            },
        )
        .shown_by(how)
        .advise("Look into the server's log at this time: a crash, a restart, a limit, an overloaded proxy in front of it");
        if !abort && found.trigger == ResetTrigger::Established {
            claim = claim.or(
                Code::TcpResetMidstreamByPath,
                (1.0 - confidence) * 0.9,
                "a capture at the server: if it sends no reset there, a device on the path does",
            );
        }
        if let Some(asked) = in_vain {
            claim = claim
                .because(
                    asked,
                    "the server asks whether the client is still there; nothing comes back",
                )
                .or(
                    Code::TcpClientVanished,
                    0.4,
                    "a capture at the client: do the keep-alives arrive there?",
                );
        }
        for signal in &origin.signals {
            claim = claim.because(found.at, format!("RST: {signal}"));
        }
        if let Some(taken) = taken {
            claim = behind_message(claim, taken);
        }
        claims.push(with_words(idle_hint(c, claim), found));
        return;
    }
    // A FIN is an offence only while something was owed or begun. What was not captured, or not in order, may have been the
    // answer, the QUIT, or the client's own FIN.
    let owed = c.work_open() || owes_tls(c, at);
    let end_unseen = c.end_unseen(Side::Server) || c.end_unseen(Side::Client);
    if !owed || c.partly_unseen() || end_unseen || !in_order(c.tcp) || !is_understood(c) {
        return;
    }
    let mut claim = Claim::new(
        Code::TcpClosedMidstream,
        At::address(Where::Server, c.server().ip),
        at,
        0.85,
        format!("{server_text} closed the connection in the middle{during}, without a word."),
    )
    .shown_by("FIN of the server; no 421, BYE or final -ERR before it")
    .advise("Look into the server's log at this time: a crash, a restart, a time limit, a proxy in front of it");
    if let Some((last, silence)) = sat_silent(c, at) {
        let text = format!(
            "nobody had said anything for {:.0} s, and the client's turn it was: a time limit of the server's, or of a proxy's in front of it",
            silence as f64 / 1e9
        );
        claim = claim.because(last, text);
    }
    claims.push(idle_hint(c, claim));
}

/// All that the client had said was answered, and it was silent for so long before the server ended: since when.
fn sat_silent(c: &Connection<'_>, end: Mark) -> Option<(Mark, Nanos)> {
    let earlier = |exchange: &&Exchange| {
        let command = exchange.command.as_ref();
        command.is_none_or(|command| command.at.is_before(end))
    };
    let exchanges = &c.dialogue.exchanges;
    let last = exchanges.iter().rev().find(earlier)?;
    // Of a message or a literal there is no reply until its end.
    let whole = c.tls.is_none() && c.dialogue.in_data.is_none();
    let reply = last.reply.as_ref().filter(|_| whole)?;
    let said = |side: Side| {
        let data = c.tcp.sides[side].last_data;
        data.filter(|said| said.is_before(end) && reply.done.is_before(*said))
    };
    if said(Side::Client).is_some() {
        return None;
    }
    let last = said(Side::Server).unwrap_or(reply.done);
    let silence = end.time.since(last.time);
    (silence >= 5 * SECOND).then_some((last, silence))
}

/// The server said that TLS may begin (RFC 3207 4), and ended before the client's hello came: after a hello it is `tls.reset-on-hello`.
fn owes_tls(c: &Connection<'_>, end: Mark) -> bool {
    let hello = c.tls.and_then(|tls| tls.started[Side::Client]);
    let begun = hello.is_some_and(|hello| hello.is_before(end));
    let left = c.tcp.sides[Side::Client].fin;
    c.dialogue.starttls_accepted.is_some() && !begun && left.is_none_or(|fin| fin.time > end.time)
}

/// TLS was asked for, and the answer was not captured: what came behind it nobody can read, and its last word may have been a goodbye.
fn may_be_encrypted(c: &Connection<'_>) -> bool {
    let asked = |exchange: &Exchange| {
        let verb = exchange.command.as_ref().map(|command| command.verb);
        verb == Some(Verb::Starttls) && (exchange.reply.is_none() || exchange.unsure)
    };
    c.partly_unseen() && c.dialogue.exchanges.iter().any(asked)
}

/// What has the size of QUIT was answered, and the server ended at once: it may have owed nothing. Or its end is all the answer that
/// it gave: to QUIT, which asks for no more, or to whatever a client says that was refused before.
fn may_have_quit(c: &Connection<'_>, end: Mark) -> bool {
    let tls = c.tls.filter(|_| !c.reads_inside());
    let unanswered = tls.and_then(|tls| quit_unanswered(c, tls));
    if unanswered.is_some_and(|said| (0..ANSWER).contains(&end.time.since(said.time))) {
        return true;
    }
    match tls.and_then(|tls| farewell(c, tls)) {
        Some(Farewell::Likely(answered)) => end.time.since(answered.time) < SECOND,
        Some(Farewell::Sure(_)) => true,
        // What was missed may have been QUIT, its answer, or what tells how long one is.
        None => {
            let first = c.tcp.resets.iter().find(|r| r.side == Side::Server);
            let jumps = first.is_some_and(|reset| reset.seq_exact == Some(false));
            let late = |tls: &TlsFacts| c.began_late() && tls.client_hello.is_none();
            tls.is_some_and(|tls| {
                c.partly_unseen() || jumps || tls.server_hello.is_none() || late(tls)
            }) && !c.work_open()
        }
    }
}

/// Whether what looks like an open command is one. Where the beginning was not captured it may be the inside of TLS, unless
/// the server answered something that is known.
fn is_understood(c: &Connection<'_>) -> bool {
    let known = |exchange: &Exchange| {
        let command = exchange.command.as_ref();
        exchange.reply.is_some() && command.is_some_and(|command| command.verb != Verb::Unknown)
    };
    !c.began_late() || c.dialogue.exchanges.iter().any(known)
}

/// The same silence before several ends is a proxy's timeout: say so.
fn idle_hint(c: &Connection<'_>, claim: Claim) -> Claim {
    if c.context.same_idle == 0 {
        return claim;
    }
    let Some(gap) = c.tcp.idle.first() else {
        return claim;
    };
    claim.because(
        gap.from,
        format!(
            "{} other connections to this server ended after the same silence of {:.0} s: a proxy's or load balancer's time limit",
            c.context.same_idle,
            gap.length as f64 / 1e9
        ),
    )
}
