//! What of a dialogue the capture does not show, where its end alone looks like that of work done.
//!
//! It exists because a goodbye in view says nothing of what came before it: where the answer to the work is cut, lost, or older than
//! the capture, the honest verdict is `unknown`. It makes no claims.

use super::view::Connection;
use crate::base::{Mark, Side};
use crate::proto::mail::{Command, Exchange, Language, Phase, Reply, Status, Verb};

/// Something was refused, and what was lost makes it uncertain what, or whether it was granted later: that the work was done is
/// not known either.
pub(super) fn doubtful_refusal(c: &Connection<'_>) -> bool {
    // Of what is encrypted nothing is known anyway.
    let lossy = c.partly_unseen() && c.tls.is_none();
    let refused = |exchange: &Exchange| {
        let work = |verb| matches!(verb, Verb::Mail | Verb::Rcpt | Verb::Data | Verb::DataLast);
        let asked = exchange.command.as_ref();
        let needed =
            asked.is_some_and(|command| exchange.phase == Phase::Auth || work(command.verb));
        (exchange.unsure || lossy && needed)
            && exchange.reply.as_ref().is_some_and(|reply| {
                matches!(
                    reply.status,
                    Status::Transient | Status::Negative | Status::Bad
                )
            })
    };
    c.dialogue.messages == 0
        && c.dialogue.authenticated.is_none()
        && c.dialogue.exchanges.iter().any(refused)
}

/// The recorder cut frames short, and of a dialogue in clear nothing was seen to be done: what was asked may be in what was cut. Or what
/// became of the last of it is.
pub(super) fn cut_short(c: &Connection<'_>) -> bool {
    let nothing = c.dialogue.messages == 0 && c.dialogue.authenticated.is_none();
    c.tcp.cut_frames > 0 && c.tls.is_none() && (nothing || last_answer_unseen(c))
}

/// A command has no answer in view, or a refusal whose words are cut, and nothing was granted in its phase behind it.
fn last_answer_unseen(c: &Connection<'_>) -> bool {
    let mut granted: Vec<Phase> = Vec::new();
    for exchange in c.dialogue.exchanges.iter().rev() {
        let verb = exchange.command.as_ref().map(|command| command.verb);
        let status = exchange.reply.as_ref().map(|reply| reply.status);
        // Who was asked for mail and handed some out did what it was asked for, and opened the mailbox before.
        let handed_out = verb == Some(Verb::Retrieve) && c.dialogue.messages > 0;
        match status {
            Some(Status::Positive | Status::Intermediate) => {}
            None if handed_out => {}
            Some(_) if !exchange.unsure => continue,
            _ => {
                let matters = match verb {
                    Some(verb) => is_work(verb),
                    None => exchange.phase != Phase::Quit,
                };
                if matters && !granted.contains(&exchange.phase) {
                    return true;
                }
                continue;
            }
        }
        // Who is refused may go on as if nothing had been asked (RSET, NOOP): that this is granted says nothing of the work.
        if verb.is_none_or(is_work) && !granted.contains(&exchange.phase) {
            granted.push(exchange.phase);
        }
    }
    false
}

/// A command for which a client comes, or that leads there; not one that only looks or leaves.
fn is_work(verb: Verb) -> bool {
    !matches!(
        verb,
        Verb::Quit
            | Verb::Noop
            | Verb::Idle
            | Verb::Capability
            | Verb::Id
            | Verb::Ehlo
            | Verb::Helo
            | Verb::Lhlo
            | Verb::Starttls
            | Verb::Compress
            | Verb::Unknown
            | Verb::Masked
    )
}

/// The capture begins in the middle of a dialogue in clear, and shows of the work no more than its end (verdicts.md, `incomplete`): where
/// something was refused in it, if that is the last that was said of the work.
pub(super) fn work_before_capture(c: &Connection<'_>) -> Option<Option<Mark>> {
    let clear = c.tls.is_none() || c.reads_inside();
    let seen = c.dialogue.messages > 0 || c.dialogue.authenticated.is_some();
    if !c.began_late() || !clear || seen || c.dialogue.opaque.is_some() {
        return None;
    }
    let mut said = c.dialogue.exchanges.iter().rev();
    let last = said.find_map(|exchange| {
        let reply = exchange.reply.as_ref()?;
        let about_work = match &exchange.command {
            // An IDLE that was granted shows a mailbox that was opened before (RFC 2177 3).
            Some(command) => is_work(command.verb) || command.verb == Verb::Idle,
            None => {
                exchange.phase != Phase::Quit
                    && reply.status != Status::Bye
                    && reply.code != Some(221)
            }
        };
        about_work.then_some(reply)
    });
    match last.map(|reply| (reply.status, reply.at)) {
        Some((Status::Positive | Status::Intermediate, _)) => None,
        Some((_, at)) => Some(Some(at)),
        None => Some(None),
    }
}

/// Frames of a dialogue in clear were not captured, and what was captured does not show that the work was done: the last that is
/// in view of it is a refusal, or a command without an answer.
pub(super) fn work_unseen(c: &Connection<'_>) -> bool {
    let clear = c.tls.is_none() || c.reads_inside();
    let missing = c.frames_missing() || c.tcp.cut_frames == 0 && c.partly_unseen();
    missing
        && clear
        && c.dialogue.opaque.is_none()
        && (!work_shown(c) || !c.dialogue.is_mailbox() && refused_last(c))
        && (refused_last(c) || last_asked_is_open(c) || words_unseen(c))
}

/// The server acknowledged words of the client that were not captured: what was asked for there, and refused perhaps, is not in view. Who was
/// let into a mailbox, and said goodbye, had what it came for.
pub(super) fn words_unseen(c: &Connection<'_>) -> bool {
    let clear = c.tls.is_none() || c.reads_inside();
    let left = c.dialogue.quit.is_some() || c.goodbye().is_some();
    let let_in = c.dialogue.is_mailbox() && c.dialogue.authenticated.is_some() && left;
    clear && c.dialogue.opaque.is_none() && c.tcp.capture_gaps[Side::Client] > 0 && !let_in
}

/// The capture shows that a message was accepted, or that something of a mailbox was granted. Whose answer it is matters little there:
/// who is not let in is granted nothing at all (RFC 1939 3, RFC 5804 2).
fn work_shown(c: &Connection<'_>) -> bool {
    let mailbox = c.dialogue.is_mailbox();
    let granted = |exchange: &Exchange| {
        let Some((command, reply)) = exchange.command.as_ref().zip(exchange.reply.as_ref()) else {
            return false;
        };
        let counts = match command.verb {
            Verb::Select | Verb::Retrieve | Verb::Other => {
                mailbox && !(exchange.unsure && may_answer_quit(c, reply))
            }
            // Without a tag nothing tells the answer to a login from that to what comes behind it, which only who was let in gets.
            Verb::Pass | Verb::Apop | Verb::Auth(_) | Verb::AuthStep => {
                mailbox
                    && c.dialogue.language != Some(Language::Imap)
                    && !(exchange.unsure && may_answer_quit(c, reply))
            }
            Verb::Data | Verb::DataLast => !mailbox && !exchange.unsure,
            _ => false,
        };
        counts && reply.status == Status::Positive
    };
    let dialogue = c.dialogue;
    match dialogue.messages {
        0 => mailbox && dialogue.exchanges.iter().any(granted),
        _ => mailbox || dialogue.omitted > 0 || dialogue.exchanges.iter().any(granted),
    }
}

/// A reply and what it answers, where nothing that is missing can have come between them.
fn surely(exchange: &Exchange) -> Option<(Verb, &Reply)> {
    let command = exchange.command.as_ref()?;
    let reply = exchange.reply.as_ref()?;
    (!exchange.unsure).then_some((command.verb, reply))
}

/// How far into the work a command leads; 0: it is none of it.
fn depth(c: &Connection<'_>, verb: Verb) -> u8 {
    match verb {
        Verb::Other if !c.dialogue.is_mailbox() => 0,
        // Who is refused them and leaves came for more.
        Verb::Starttls | Verb::Ehlo | Verb::Helo | Verb::Lhlo => 1,
        Verb::Mail => 2,
        Verb::Rcpt => 3,
        Verb::DataStart | Verb::Data | Verb::DataLast => 4,
        _ => u8::from(is_work(verb)),
    }
}

/// Something was refused, and nothing in view was granted behind it as far into the work. A refusal whose command is missing may be
/// of anything: a mail that is refused at any step is not delivered (RFC 5321 3.3).
fn refused_last(c: &Connection<'_>) -> bool {
    let mut granted = 0;
    for exchange in c.dialogue.exchanges.iter().rev() {
        let Some(reply) = exchange.reply.as_ref() else {
            continue;
        };
        let sure = surely(exchange).map(|(verb, _)| depth(c, verb));
        match reply.status {
            Status::Positive => granted = granted.max(sure.unwrap_or(0)),
            Status::Transient | Status::Negative | Status::Bad => {}
            // 421 may answer any command (RFC 5321 4.2.2); of a BYE the LOGOUT may be missing.
            Status::Bye if reply.code == Some(421) => {}
            _ => continue,
        }
        let refused = reply.status != Status::Positive && !ends_session(exchange);
        let least = if c.dialogue.is_mailbox() { 1 } else { 4 };
        let asked = sure.unwrap_or(least);
        if refused && asked > granted {
            return true;
        }
    }
    false
}

/// The last that was asked for in view has no answer there: of the work, or, where there is none of it, of whatever was said
/// before the goodbye. Where nothing was, the greeting is what is owed.
fn last_asked_is_open(c: &Connection<'_>) -> bool {
    let exchanges = &c.dialogue.exchanges;
    let last = |of: &dyn Fn(Verb) -> bool| {
        exchanges.iter().rev().find(|exchange| {
            let command = exchange.command.as_ref();
            command.is_some_and(|command| of(command.verb))
        })
    };
    let asked = last(&|verb| depth(c, verb) > 0)
        .or_else(|| last(&|verb| !matches!(verb, Verb::Quit | Verb::Idle)));
    if asked.is_some_and(|exchange| surely(exchange).is_some()) {
        return false;
    }
    let asked = asked.and_then(|exchange| exchange.command.as_ref());
    let answers = |exchange: &Exchange| {
        let invites = |status| matches!(status, Status::Positive | Status::Intermediate);
        let loose = asked.is_none() || exchange.command.is_none() || exchange.unsure;
        loose
            && !ends_session(exchange)
            && exchange.reply.as_ref().is_some_and(|reply| {
                let parting = c.goodbye().is_some_and(|bye| !reply.at.is_before(bye));
                invites(reply.status)
                    && comes_behind(asked, reply)
                    && !parting
                    && !may_answer_quit(c, reply)
            })
    };
    !exchanges.iter().any(answers)
}

fn comes_behind(asked: Option<&Command>, reply: &Reply) -> bool {
    asked.is_none_or(|command| command.done.is_before(reply.at))
}

/// In SMTP 221 is the answer to QUIT, and nothing else is (RFC 5321 4.1.1.10); elsewhere it looks like any other. Where no QUIT is in view, it is
/// the last one.
fn may_answer_quit(c: &Connection<'_>, reply: &Reply) -> bool {
    let last = || {
        let mut replies = c.dialogue.exchanges.iter().rev();
        let last = replies.find_map(|exchange| exchange.reply.as_ref());
        last.is_some_and(|last| last.at == reply.at)
    };
    c.dialogue.is_mailbox()
        && match c.dialogue.quit {
            Some(quit) => quit.is_before(reply.at),
            None => last(),
        }
}

/// The exchange is the end of a session: QUIT, its answer, or words that close the channel.
fn ends_session(exchange: &Exchange) -> bool {
    let quits = exchange
        .command
        .as_ref()
        .is_some_and(|command| command.verb == Verb::Quit);
    let closes = exchange
        .reply
        .as_ref()
        .is_some_and(|reply| reply.code == Some(221));
    quits || closes || exchange.command.is_none() && exchange.phase == Phase::Quit
}
