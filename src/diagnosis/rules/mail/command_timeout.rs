//! `mail.command-timeout`: a command was acknowledged by TCP and never answered (RFC 5321 4.5.3.2).
//!
//! Clock: the client gave up after ≥ 5 s, or the capture ran on for 30 s, 120 s after the final dot. IDLE never. A
//! server that closes instead of answering is `tcp.closed-midstream`.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::principles::absence;
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::flow::Vantage;
use crate::proto::mail::{Command, Exchange, Oddity, Verb};

use super::progress::{cut, has_oddity, readable};

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let dialogue = c.dialogue;
    if !readable(c)
        || c.one_sided()
        || c.partly_unseen()
        || c.unheard(Side::Server).is_some()
        || c.said_goodbye()
        || dialogue.idling
        || dialogue.in_data.is_some()
        || dialogue.clients_turn
        || dialogue.opaque.is_some()
    {
        return;
    }
    // Nothing that the server said at all is another fault.
    if c.tcp.sides[Side::Server].data_segments == 0 {
        return;
    }
    let strange = [Oddity::Http, Oddity::Ssh, Oddity::NotMail];
    if strange
        .iter()
        .any(|odd| has_oddity(dialogue, *odd).is_some())
    {
        return;
    }
    let Some((first, last)) = unanswered(c) else {
        return;
    };
    if last.verb == Verb::Starttls && dialogue.starttls_accepted.is_some() {
        return;
    }
    let asked = last.done.time;
    if c.tls
        .and_then(|tls| tls.started[Side::Client])
        .is_some_and(|started| started.time > asked && dialogue.starttls_accepted.is_none())
    {
        return;
    }
    // Acknowledged, and the answer is not on its way: neither side has data outstanding.
    let outstanding = |side: Side| {
        c.tcp.sides[side]
            .outstanding
            .is_some_and(|o| !o.fin_only && (side == Side::Server || o.first.time <= asked))
    };
    if outstanding(Side::Client) || outstanding(Side::Server) {
        return;
    }
    let heard = c.tcp.sides[Side::Server]
        .last_data
        .map_or(asked, |mark| mark.time.max(asked));
    let clock = if is_dot(last) { 120 } else { 30 };
    let gave_up: Option<Mark> = match c.ending {
        Ending::Closed {
            by: Side::Server, ..
        } => return,
        // QUIT is sent while the command is still unanswered.
        _ if dialogue.quit.is_some() => dialogue.quit,
        Ending::Closed { at, .. } => Some(at),
        Ending::Open => None,
    };
    let waited = match gave_up {
        Some(at) => at.time.since(heard),
        None => c.horizon.since(heard),
    };
    let least = if gave_up.is_some() { 5 } else { clock };
    if waited < least * SECOND {
        return;
    }
    // Where the server says nothing at all after it, not even to the client's leaving, its answer may be what the path loses.
    let unheard = !c.tcp.sides[Side::Client].fin_acked && c.tcp.vantage != Vantage::Server;
    let deaf = unheard && c.closes_in_vain();
    // The answer had begun, and nothing came any more, not even an acknowledgement of the client's FIN: it is the way that ended. A
    // client that leaves by RST gets none in any case.
    let left = c.tcp.sides[Side::Client].fin.is_some();
    let begun = c.answer_begun();
    if unheard && left && gave_up.is_some() && begun {
        return;
    }
    let full = match (gave_up.is_some(), unheard) {
        _ if deaf => 0.45,
        (true, true) => 0.8,
        (true, false) => 0.9,
        (false, _) => 0.85,
    };
    let done = if answered_in_part(c, last) {
        "did not answer it for every recipient"
    } else if begun {
        "did not finish its answer"
    } else {
        "never answered it"
    };
    let Some(confidence) = absence(c).confidence(full) else {
        return;
    };
    let seconds = waited as f64 / SECOND as f64;
    let text = cut(last.text.as_str(), 40);
    let mut claim = Claim::new(
        Code::MailCommandTimeout,
        At::address(Where::Server, c.server().ip),
        last.done,
        confidence,
        format!("The server took {text} and {done} in {seconds:.0} s."),
    )
    .since(first.done.time)
    .shown_by(format!("{text}: acknowledged by TCP, no reply"))
    .provisional_if(!c.ended())
    .advise("Server's operator: see what the process does at this point (log with times, strace): milters, filters, directory, disk, locks");
    if deaf {
        claim = claim.or(
            Code::TcpStalled,
            0.45,
            "a capture at the server: whether the client's FIN arrives there",
        );
    } else if unheard && gave_up.is_some() {
        claim = claim.or(
            Code::PathMtuBlackhole,
            0.12,
            "a capture at the server: whether its answer leaves, and is sent again and again",
        );
    }
    if is_dot(last) {
        claim = claim.advise("Client: wait 10 minutes after the final dot (RFC 5321 4.5.3.2.6); a shorter timeout sends the mail twice");
    }
    if let Some(at) = gave_up {
        claim = claim.because(at, format!("the client gives up after {seconds:.1} s"));
    }
    claims.push(claim);
}

/// The commands at the end of the dialogue that got no reply: the first and the last of them.
fn unanswered<'a>(c: &Connection<'a>) -> Option<(&'a Command, &'a Command)> {
    if c.reads_inside_partly() {
        // The answer may have come in what could not be read.
        return None;
    }
    let mut found: Option<(&Command, &Command)> = None;
    for exchange in c.dialogue.exchanges.iter().rev() {
        let Some(command) = &exchange.command else {
            continue;
        };
        if exchange.reply.is_some() {
            break;
        }
        if matches!(command.verb, Verb::Quit | Verb::Idle | Verb::Unknown) {
            continue;
        }
        found = Some((command, found.map_or(command, |(_, last)| last)));
    }
    found
}

/// LMTP answers a message once for each recipient (RFC 2033 4.2): some have their answer.
fn answered_in_part(c: &Connection<'_>, last: &Command) -> bool {
    let answered = |exchange: &Exchange| {
        let command = exchange.command.as_ref();
        exchange.reply.is_some()
            && command.is_some_and(|command| command.at == last.at && command.verb == last.verb)
    };
    // Of other commands several may stand in one segment (RFC 2920).
    is_dot(last) && c.dialogue.exchanges.iter().any(answered)
}

fn is_dot(command: &Command) -> bool {
    command.verb == Verb::DataLast
        || command.verb == Verb::Data && command.text.as_str() == "<data>"
}
