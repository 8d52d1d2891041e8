//! What of a dialogue the capture does not show, where its end alone looks like that of work done.
//!
//! It exists because a goodbye in view says nothing of what came before it: where the answer to the work is cut, lost, or older than
//! the capture, the honest verdict is `unknown`. It makes no claims.

use super::view::Connection;
use crate::base::Mark;
use crate::proto::mail::{Exchange, Phase, Status, Verb};

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
