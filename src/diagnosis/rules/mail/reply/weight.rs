//! How much a refusal weighs: whether it ended the work, only cost something, or is a consequence of an earlier one.
//!
//! It knows steps and what was granted before and after; the words of a reply are not looked at.

use super::{Judged, says_goodbye};
use crate::base::SECOND;
use crate::diagnosis::rules::mail::progress::{Progress, Step, refuses, step};
use crate::diagnosis::{Connection, Weight};
use crate::proto::mail::{Exchange, Family, Language, Status, Verb};

/// A server that says goodbye after this silence without a reason meant the silence.
const QUIET: i64 = 60 * SECOND;
/// A goodbye that comes sooner than this behind a login is the server's answer to who logged in.
const AT_ONCE: i64 = 5 * SECOND;

/// Probes and strays matter only when they were the whole of the client's work, or the server named a cause of its own.
pub(super) fn probe(
    c: &Connection<'_>,
    progress: &Progress,
    judged: &Judged<'_>,
    further: bool,
) -> Option<Weight> {
    // What was not captured may have been the work.
    let worked = worked_before(c, progress, judged.index) || c.partly_unseen();
    let verb = judged.exchange.command.as_ref().map(|command| command.verb);
    let cause = judged.reply.status == Status::Bye
        || judged.answer.by_text
            && matches!(
                judged.answer.family,
                Family::Blocklisted
                    | Family::RdnsRequired
                    | Family::TooManyConnections
                    | Family::RateLimited
                    | Family::ServiceUnavailable
                    | Family::StarttlsRequired
                    | Family::ClientCertificateRequired
                    | Family::AuthRequired
            );
    match (judged.step, verb) {
        (_, Some(Verb::Masked)) => None, // banner-masked says it
        _ if further => None,
        _ if cause => Some(if worked {
            Weight::Finding
        } else {
            Weight::Fatal
        }),
        (Step::Stray, _) if !worked => Some(Weight::Fatal),
        _ => None,
    }
}

/// Words that nothing asked for: a goodbye before, in, or after the work.
pub(super) fn unasked(
    c: &Connection<'_>,
    progress: &Progress,
    judged: &mut Judged<'_>,
    further: bool,
) -> Option<Weight> {
    let ends = says_goodbye(c, judged.reply);
    if !ends && (further || c.dialogue.quit.is_some()) {
        return None;
    }
    // Said after QUIT or LOGOUT it is a farewell.
    if c.dialogue
        .quit
        .is_some_and(|quit| quit.time <= judged.reply.at.time)
    {
        return None;
    }
    let spoken_before = c
        .dialogue
        .exchanges
        .get(..judged.index)
        .unwrap_or_default()
        .iter()
        .rev()
        .find_map(|exchange| {
            let reply = exchange.reply.as_ref().map(|reply| reply.done.time);
            let command = exchange.command.as_ref().map(|command| command.done.time);
            reply.max(command)
        });
    let silence = spoken_before.map(|time| judged.reply.at.time.since(time));
    let quiet = silence.is_some_and(|silence| silence >= QUIET);
    if !judged.answer.by_text && quiet && judged.answer.family == Family::ServiceUnavailable {
        judged.answer.family = Family::IdleTimeout;
    }
    let worked = worked_before(c, progress, judged.index);
    if c.work_open() {
        return Some(Weight::Fatal);
    }
    if judged.answer.family == Family::IdleTimeout {
        return Some(Weight::Finding);
    }
    let at_once = silence.is_some_and(|silence| silence < AT_ONCE);
    if ends && at_once && only_let_in(c, judged.index) {
        return Some(Weight::Fatal);
    }
    if worked {
        if !judged.answer.by_text && quiet {
            judged.answer.family = Family::IdleTimeout;
        }
        // Without a cause and without a silence nothing is known but that it ended, after work that was done.
        let named = judged.answer.by_text || quiet || judged.reply.response_code.is_some();
        return named.then_some(Weight::Finding);
    }
    Some(Weight::Fatal)
}

/// A login is the last thing that was granted on a mailbox before that exchange: the client was let in and thrown out (RFC 9051
/// 7.1.5 lets a server say BYE at any time, and some look up only then whether the account may use the protocol).
fn only_let_in(c: &Connection<'_>, index: usize) -> bool {
    if !c.dialogue.is_mailbox() || c.dialogue.omitted > 0 {
        return false;
    }
    let earlier = c.dialogue.exchanges.get(..index).unwrap_or_default();
    let granted = earlier.iter().rev().find(|exchange| {
        exchange.command.is_some()
            && exchange.reply.as_ref().is_some_and(|reply| {
                matches!(reply.status, Status::Positive | Status::Intermediate)
            })
    });
    granted.is_some_and(|exchange| {
        let user = exchange
            .command
            .as_ref()
            .is_some_and(|command| command.verb == Verb::User);
        step(c.dialogue, exchange) == Step::Login
            && !user
            && exchange
                .reply
                .as_ref()
                .is_some_and(|reply| reply.status == Status::Positive)
    })
}

/// Something that the client came for was granted before.
fn worked_before(c: &Connection<'_>, progress: &Progress, index: usize) -> bool {
    progress.before(index, Step::Message)
        || progress.before(index, Step::Work)
        || c.dialogue.is_mailbox() && progress.before(index, Step::Login)
}

/// A refused mailbox command ends the work only when nothing worked before and after, or for a cause of its own.
pub(super) fn work(
    c: &Connection<'_>,
    progress: &Progress,
    index: usize,
    family: Family,
    further: bool,
) -> Option<Weight> {
    let cause = !matches!(
        family,
        Family::Rejected | Family::ProtocolError | Family::Temporary
    );
    // What was not captured may have been work that was granted.
    let unseen = c.partly_unseen() || c.began_late();
    let worked = progress.before(index, Step::Work) || unseen;
    match (further, cause, worked) {
        (true, true, _) => Some(Weight::Finding),
        (true, false, _) => None,
        (false, true, _) | (false, false, false) => Some(Weight::Fatal),
        (false, false, true) => Some(Weight::Finding),
    }
}

/// DATA or BDAT refused because every recipient was: a consequence.
pub(super) fn consequence(c: &Connection<'_>, index: usize) -> bool {
    let earlier = c.dialogue.exchanges.get(..index).unwrap_or_default();
    let mut refused = false;
    for exchange in earlier.iter().rev() {
        match step(c.dialogue, exchange) {
            Step::Recipient | Step::Sender => {
                let Some(reply) = &exchange.reply else {
                    return false;
                };
                if step(c.dialogue, exchange) == Step::Recipient && !refuses(reply) {
                    return false;
                }
                refused |= refuses(reply);
                if step(c.dialogue, exchange) == Step::Sender {
                    return refused;
                }
            }
            Step::Hello | Step::Greeting => return refused,
            _ => {}
        }
    }
    false
}

/// LMTP answers once per recipient (RFC 2033 4.2): another recipient of the same message got it.
pub(super) fn granted_to_another(c: &Connection<'_>, index: usize, exchange: &Exchange) -> bool {
    let Some(command) = &exchange.command else {
        return false;
    };
    if c.dialogue.language != Some(Language::Lmtp) {
        return false;
    }
    let start = index.saturating_sub(64);
    c.dialogue
        .exchanges
        .iter()
        .skip(start)
        .take(128)
        .any(|other| {
            other
                .command
                .as_ref()
                .is_some_and(|c| c.at == command.at && c.verb == command.verb)
                && other
                    .reply
                    .as_ref()
                    .is_some_and(|reply| reply.status == Status::Positive)
        })
}
