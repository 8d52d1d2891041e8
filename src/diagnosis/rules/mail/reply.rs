//! Every code that a negative reply proves: one rule, one table ([`super::refusals`]).
//!
//! A negative reply is a verdict only if the client got no further at that stage afterwards; else it is a finding, or
//! nothing (capability probes). The first one that made success impossible is the verdict, what follows from it is not
//! said: all recipients refused is a failure at RCPT, not at the 503 or 554 that DATA then gets (RFC 5321 4.2, 4.3.2; RFC
//! 4954 6; RFC 9051 7.1; RFC 1939 3). What a server says inside TLS is not readable, and nothing is claimed.

mod anew;
mod refine;
mod weight;
mod words;

use crate::base::{SECOND, Side};
use crate::diagnosis::{Claim, Code, Connection, Weight};
use crate::proto::mail::{Answer, Exchange, Family, Language, Reply, Status, Verb};

use super::progress::{Progress, Step, readable, refuses, starttls_offered, step, understood};
use super::refusals::refusal;
use super::starttls_stripped;
use anew::{got_over, of_another_login};
use refine::{refine, taken_back};
use weight::{consequence, granted_to_another, probe, unasked, work};
use words::claim;

/// Findings told beside the verdict.
const FINDINGS: usize = 4;
/// A client may still try something else until this long after a refusal at the end of the capture.
const UNDECIDED: i64 = 5 * SECOND;

/// A refusal, judged.
struct Judged<'a> {
    index: usize,
    exchange: &'a Exchange,
    reply: &'a Reply,
    step: Step,
    answer: Answer,
    /// `mail.starttls-missing`: not offered, asked for all the same.
    not_offered: bool,
    weight: Weight,
}

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if c.answers.is_empty() || !readable(c) {
        return;
    }
    let progress = Progress::of(c);
    let mut fatal: Option<Judged<'_>> = None;
    let mut findings: Vec<Judged<'_>> = Vec::new();
    for (index, exchange) in c.dialogue.exchanges.iter().enumerate() {
        let Some(judged) = judge(c, &progress, index, exchange) else {
            continue;
        };
        let mut beside = Some(judged);
        if let Some(judged) = beside.take_if(|judged| judged.weight == Weight::Fatal) {
            beside = settle(c, &mut fatal, judged);
        }
        if let Some(judged) = beside
            && findings.len() < FINDINGS
            && findings
                .iter()
                .all(|other| code_of(other) != code_of(&judged))
        {
            findings.push(judged);
        }
    }
    if let Some(judged) = &fatal {
        claims.push(claim(c, judged));
    }
    let said = fatal.as_ref().map(code_of);
    for judged in findings.iter().filter(|f| Some(code_of(f)) != said) {
        claims.push(claim(c, judged));
    }
}

/// Which of two refusals that ended the work is the cause; of the other one what is worth telling beside it.
fn settle<'a>(
    c: &Connection<'a>,
    fatal: &mut Option<Judged<'a>>,
    judged: Judged<'a>,
) -> Option<Judged<'a>> {
    let Some(first) = fatal else {
        *fatal = Some(judged);
        return None;
    };
    let vague = gives_way(first, &judged);
    let anew = !vague && of_another_login(c, first, &judged);
    let mut other = match vague || anew && got_over(c, first, &judged) {
        true => std::mem::replace(first, judged),
        false => judged,
    };
    let beside = anew || of_another_recipient(first, &other);
    other.weight = Weight::Finding;
    beside.then_some(other)
}

/// Another recipient of the same client was refused, and for a cause of its own: each of them has to be put right (RFC 5321 3.3).
fn of_another_recipient(first: &Judged<'_>, other: &Judged<'_>) -> bool {
    let follows = matches!(
        other.answer.family,
        Family::ProtocolError | Family::Temporary | Family::Rejected | Family::AuthRequired
    );
    let asked = |judged: &Judged<'_>| {
        judged
            .exchange
            .command
            .as_ref()
            .map(|asked| asked.text.clone())
    };
    first.step == Step::Recipient
        && other.step == Step::Recipient
        && !follows
        && asked(first) != asked(other)
}

/// A method that the server does not know, or refuses without a cause, gives way to what it then says to another one at the same step;
/// and that it wants a login (RFC 4954 6) to what it says to the login that the client then tries.
fn gives_way(first: &Judged<'_>, later: &Judged<'_>) -> bool {
    if first.answer.family == Family::AuthRequired && first.step != Step::Login {
        return later.step == Step::Login;
    }
    let vague = matches!(
        first.answer.family,
        Family::MechanismUnsupported | Family::ProtocolError | Family::Rejected
    );
    vague
        && first.step == later.step
        && first.answer.family != later.answer.family
        && matches!(first.step, Step::Login | Step::Hello)
}

fn code_of(judged: &Judged<'_>) -> Code {
    if judged.not_offered {
        Code::MailStarttlsMissing
    } else {
        refusal(judged.answer.family).code
    }
}

/// Weighs one reply; `None` when there is nothing to say of it.
fn judge<'a>(
    c: &Connection<'a>,
    progress: &Progress,
    index: usize,
    exchange: &'a Exchange,
) -> Option<Judged<'a>> {
    let reply = exchange.reply.as_ref().filter(|reply| refuses(reply))?;
    let answer = c.answers.get(index).copied().flatten()?;
    if c.remarks_leaving(exchange) {
        return None;
    }
    // A goodbye whose QUIT the capture lost (RFC 5321 4.2.3: 221 closes the channel).
    if reply.code == Some(221) && c.partly_unseen() {
        return None;
    }
    if reply.status == Status::Bye && farewell(c, index, answer) {
        return None;
    }
    // What it answers is not known, and it does not say itself what it is about.
    if exchange.unsure && !answer.by_text {
        return None;
    }
    if !heard(c, index, exchange, reply, answer) {
        return None;
    }
    let step = match step(c.dialogue, exchange) {
        // A goodbye at the beginning of a capture that begins in the middle is no greeting.
        Step::Greeting
            if c.began_late() && (reply.status == Status::Bye || reply.code == Some(421)) =>
        {
            Step::Unasked
        }
        step => step,
    };
    if step == Step::Login && taken_back(c, index, exchange, reply, answer) {
        return None;
    }
    let mut judged = Judged {
        index,
        exchange,
        reply,
        step,
        answer: refine(c, index, exchange, reply, answer),
        not_offered: false,
        weight: Weight::Fatal,
    };
    let family = judged.answer.family;
    // Who logged in behind it did what it asked for (RFC 4954 6): what came of that stands for itself.
    let logged_in = family == Family::AuthRequired && progress.later(index, Step::Login);
    let further = logged_in || progress.further(index, step, reply.at.time);
    judged.weight = match step {
        Step::Quit => return None,
        Step::Probe | Step::Stray => probe(c, progress, &judged, further)?,
        Step::Unasked => unasked(c, progress, &mut judged, further)?,
        Step::Hello if further => return None, // EHLO 502, then HELO
        Step::Starttls => {
            if starttls_stripped::sign(c).is_some() {
                return None; // said by the rule that knows what removed it
            }
            judged.not_offered = not_offered(c, reply);
            if further {
                Weight::Finding
            } else {
                Weight::Fatal
            }
        }
        Step::Message if consequence(c, index) => return None,
        Step::Message if granted_to_another(c, index, exchange) => Weight::Finding,
        Step::Work => work(c, progress, index, family, further)?,
        _ if further => Weight::Finding,
        _ => Weight::Fatal,
    };
    let undecided = still_open(c, reply) || tries_anew(c, &judged);
    if judged.weight == Weight::Fatal && (undecided || unsure(c, &judged)) {
        judged.weight = Weight::Finding;
    }
    Some(judged)
}

/// A BYE that answers a LOGOUT which the capture lost (RFC 9051 7.1.5): the tagged OK to it comes behind, or it is the first
/// that was heard of the server and names no cause.
fn farewell(c: &Connection<'_>, index: usize, answer: Answer) -> bool {
    if !c.partly_unseen() && !c.began_late() {
        return false;
    }
    let next = index.checked_add(1);
    let behind = next.and_then(|next| c.dialogue.exchanges.get(next));
    let granted = behind.is_some_and(|exchange| {
        let quit = |verb| matches!(verb, Verb::Quit);
        exchange
            .command
            .as_ref()
            .is_none_or(|command| quit(command.verb))
            && exchange
                .reply
                .as_ref()
                .is_some_and(|reply| reply.status == Status::Positive)
    });
    granted || index == 0 && c.dialogue.gaps > 0 && !answer.by_text
}

/// A reply is judged together with the command that it answers: of a client that was not captured only the greeting
/// can be judged, and after a hole nothing is taken for a greeting that follows a command.
fn heard(
    c: &Connection<'_>,
    index: usize,
    exchange: &Exchange,
    reply: &Reply,
    answer: Answer,
) -> bool {
    if c.tcp.sides[Side::Client].segments == 0 {
        return index == 0 && !c.partly_unseen();
    }
    // Nor does a server greet with words about a command, or grant anything to whom it refused in its greeting.
    if exchange.command.is_none()
        && c.partly_unseen()
        && (index > 0 || answer.family == Family::ProtocolError || understood(c.dialogue))
    {
        return false;
    }
    // The words of a capture that begins in the middle answer something that nobody saw until there is a command: only
    // words that name a cause of their own tell what.
    let asked = || {
        let so_far = c.dialogue.exchanges.get(..=index).unwrap_or_default();
        so_far.iter().any(|exchange| exchange.command.is_some())
    };
    if c.began_late() && !asked() {
        // A server that leaves may leave after all the work.
        let leaves = reply.status == Status::Bye || reply.code == Some(421);
        return answer.by_text && answer.family != Family::ProtocolError && !leaves;
    }
    let greeting = answer.family == Family::GreetingRejected;
    let asked_before = || {
        c.tcp.sides[Side::Client]
            .first_data
            .is_some_and(|asked| asked.time < reply.at.time)
    };
    let unseen = c.partly_unseen() || c.began_late() || c.tcp.syn_acks.count == 0;
    !(greeting && unseen && asked_before())
}

/// Something was not captured (or the beginning, and no work was open), and the server ends the session, which may be
/// after all the work; or it said more after the refusal: the client may have got further; or what was lost makes it
/// uncertain what the reply answers.
fn unsure(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    let done = judged.reply.done;
    let ends = judged.answer.family == Family::IdleTimeout
        || c.dialogue
            .goodbye
            .is_some_and(|bye| bye.frame == done.frame);
    let said_more = || {
        c.tcp.sides[Side::Server]
            .last_data
            .is_some_and(|last| (last.time, last.frame.number()) > (done.time, done.frame.number()))
    };
    let idle = matches!(judged.step, Step::Probe | Step::Stray | Step::Unasked);
    let late = c.began_late() && ends && idle && !c.work_open();
    // Its end stands behind bytes that nobody captured: they may grant what it refused before.
    let further =
        ends || (said_more() || c.end_unseen(Side::Server)) && !left_upon(c, judged.index);
    // It tried once more, and what came of that was not captured.
    let again = || {
        let mut later = c.dialogue.exchanges.iter().skip(judged.index);
        later.any(|exchange| step(c.dialogue, exchange) == Step::Login && exchange.reply.is_none())
    };
    let further = further || judged.step == Step::Login && again();
    late || judged.index > 0 && c.partly_unseen() && further || judged.exchange.unsure
}

/// What the client said next was QUIT or LOGOUT, and nothing is missing between: it got no further, whatever else was lost.
fn left_upon(c: &Connection<'_>, index: usize) -> bool {
    let dialogue = c.dialogue;
    let next = index
        .checked_add(1)
        .and_then(|next| dialogue.exchanges.get(next));
    let quits = next.is_some_and(|exchange| {
        step(dialogue, exchange) == Step::Quit && exchange.reply.is_some() && !exchange.unsure
    });
    // Of IMAP no reply is in doubt, it carries its command's tag: what was lost between two of them does not show.
    let whole = dialogue.gaps == 0 && c.tcp.cut_frames == 0;
    quits && dialogue.omitted == 0 && (whole || dialogue.language != Some(Language::Imap))
}

/// These are the server's last words.
fn says_goodbye(c: &Connection<'_>, reply: &Reply) -> bool {
    let said = c.dialogue.goodbye;
    reply.status == Status::Bye || said.is_some_and(|bye| bye.frame == reply.done.frame)
}

/// The capture ends so soon after the refusal that the client may have gone on.
fn still_open(c: &Connection<'_>, reply: &Reply) -> bool {
    !c.ended()
        && c.dialogue.quit.is_none()
        && reply.status != Status::Bye
        && c.horizon.since(reply.at.time) < UNDECIDED
}

/// The capture ends in the middle of another login behind the one that was refused: what comes of it nobody knows yet.
fn tries_anew(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    let next = judged.index.checked_add(1);
    let later = next.and_then(|next| c.dialogue.exchanges.get(next..));
    let open = |exchange: &Exchange| {
        let reply = exchange.reply.as_ref().map(|reply| reply.status);
        step(c.dialogue, exchange) == Step::Login
            && matches!(reply, None | Some(Status::Intermediate))
    };
    let latest = later.and_then(<[Exchange]>::last);
    judged.step == Step::Login && !c.ended() && latest.is_some_and(open)
}

/// STARTTLS was asked for although it was not on offer: not in the list, or unknown to a server that gave no list.
fn not_offered(c: &Connection<'_>, reply: &Reply) -> bool {
    match starttls_offered(c.dialogue) {
        Some(offered) => !offered,
        None => {
            let text = reply.text.as_str().to_ascii_lowercase();
            reply.status == Status::Bad
                || matches!(reply.code, Some(500 | 502))
                || text.contains("unknown command")
                || text.contains("invalid command")
                || text.contains("not supported")
        }
    }
}
