//! `mail.slow-answer`: TCP acknowledged a command at once, the reply came ≥ 10 s later; after the final dot ≥ 60 s; IDLE
//! never (RFC 5321 4.5.3.2 has the timeouts per command).
//!
//! Where TCP itself stood still – loss, zero window – the wait is not the server's program's.

use crate::base::{MILLISECOND, Mark, Nanos, SECOND, Side, Timestamp};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::mail::{Command, Language, Reply, Verb};

use super::progress::{cut, readable};

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if !readable(c) || c.one_sided() {
        return;
    }
    let mut worst: Option<(Nanos, &Command, &Reply)> = None;
    let mut previous: Option<Timestamp> = None;
    for exchange in &c.dialogue.exchanges {
        let Some(reply) = &exchange.reply else {
            continue;
        };
        if let Some(command) = &exchange.command {
            // In a pipeline a command waits for the replies before it.
            let begin = previous.map_or(command.done.time, |p| p.max(command.done.time));
            let waited = answered(c, reply).time.since(begin);
            if waited >= patience(command)
                && worst.is_none_or(|(longest, _, _)| waited > longest)
                && !matches!(command.verb, Verb::Idle | Verb::Quit)
                && only_the_program(c, command, begin, reply, waited)
            {
                worst = Some((waited, command, reply));
            }
        }
        previous = previous.max(Some(reply.done.time));
    }
    let Some((waited, command, reply)) = worst else {
        return;
    };
    // After a hole in an SMTP dialogue a reply may belong to another command than it seems to.
    if c.partly_unseen() {
        return;
    }
    let seconds = waited as f64 / SECOND as f64;
    let asked = cut(command.text.as_str(), 40);
    claims.push(
        Claim::new(
            Code::MailSlowAnswer,
            At::address(Where::Server, c.server().ip),
            answered(c, reply),
            0.9,
            format!("The server took {seconds:.1} s to answer {asked}; TCP had acknowledged it at once."),
        )
        .weighing(Weight::Costly)
        .since(command.done.time)
        .shown_by(format!("the reply, {seconds:.1} s later: {}", cut(reply.line.as_str(), 80)))
        .because(command.done, asked)
        .advise("Server's operator: read the log with times; content filters, milters, virus scanner, LDAP and DNSBLs that time out")
        .advise("Clients: wait 10 minutes after the final dot (RFC 5321 4.5.3.2.6), else the mail is sent twice"),
    );
}

/// Where the client had its answer. In SMTP that is the reply's last line (RFC 5321 4.2.1: the client waits for it), which a tarpit
/// says piece by piece; what IMAP and POP3 answer may be long because it is much.
fn answered(c: &Connection<'_>, reply: &Reply) -> Mark {
    match c.dialogue.language {
        Some(Language::Smtp | Language::Lmtp) => reply.done,
        _ => reply.at,
    }
}

/// From when on an answer is slow.
fn patience(command: &Command) -> Nanos {
    let dot = command.verb == Verb::DataLast
        || command.verb == Verb::Data && command.text.as_str() == "<data>";
    if dot { 60 * SECOND } else { 10 * SECOND }
}

/// Nothing in TCP explains the wait: no loss, no pause with unacknowledged data, no closed window in that time.
fn only_the_program(
    c: &Connection<'_>,
    command: &Command,
    begin: Timestamp,
    reply: &Reply,
    waited: Nanos,
) -> bool {
    let within = |time: Timestamp| time >= command.at.time && time <= reply.done.time;
    let lost = c.tcp.losses.iter().any(|loss| within(loss.at.time));
    let stalled = [Side::Client, Side::Server].into_iter().any(|side| {
        c.tcp.sides[side].stalls.iter().any(|stall| {
            stall.length >= SECOND
                && stall.from.time < answered(c, reply).time
                && stall.to.time > begin
        })
    });
    if lost || stalled {
        return false;
    }
    // IMAP answers in pieces before the tagged line: only silence on the wire is a wait.
    if c.dialogue.language != Some(Language::Imap) {
        return true;
    }
    let least = patience(command).min(waited) - SECOND;
    c.tcp.idle.iter().any(|gap| {
        gap.length >= least
            && gap.from.time.0 >= begin.0 - 500 * MILLISECOND
            && gap.to.time <= reply.done.time
    })
}
