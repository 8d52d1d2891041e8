//! When a connection is done: after that nothing is a fault.
//!
//! QUIT or LOGOUT was sent or a goodbye seen; or an encrypted stream carried data both ways and one side
//! closed it properly; or a FIN came while nothing was owed. Postfix ends every TLS delivery with a RST,
//! curl and swaks draw RSTs after close: none of that is a fault.

use super::check::turned_away;
use super::farewell::{Farewell, closing_alert, farewell, may_owe_answer};
use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::ladder::Stage;
use crate::diagnosis::view::{Connection, Ending};
use crate::proto::mail::{Command, Dialogue, Exchange, Oddity, Phase, Status, Verb};
use crate::proto::tls::TlsFacts;

/// Since when the connection is done; `None` while it is not, or when the capture cannot show it.
pub fn done(c: &Connection<'_>) -> Option<Mark> {
    if c.dialogue.quit.is_some_and(|quit| gave_up(c, quit)) {
        return None;
    }
    if clear_after_starttls(c.dialogue).is_some() && !c.partly_unseen() {
        return None;
    }
    if gone_before_greeting(c) {
        return None;
    }
    let quit = c.dialogue.quit.filter(|quit| !cut_off_before(c, *quit));
    if let Some(quit) = quit.or(c.goodbye()) {
        return Some(quit);
    }
    if let Some(tls) = c.tls.filter(|_| !c.reads_inside()) {
        let both = tls.application_data[Side::Client].is_some()
            && tls.application_data[Side::Server].is_some();
        let owed = |end: Mark| {
            crossed(c, tls, end) || without_holes(c, tls) && may_owe_answer(c, tls, end)
        };
        let served = |end: &Mark| !owed(*end);
        if both && !ends_inside_record(c, tls) {
            // What only answers the server's FIN is no farewell of the client (RFC 8446 6.1).
            let server_left = c.tcp.sides[Side::Server].fin;
            let unasked = |notify: &Mark| {
                tls.close_notify[Side::Server].is_some()
                    || server_left.is_none_or(|fin| notify.is_before(fin))
            };
            let notify = closing_alert(c, tls)
                .filter(unasked)
                .or(tls.close_notify[Side::Server])
                .filter(served);
            let quit = || match farewell(c, tls)? {
                Farewell::Sure(at) if c.ended() => Some(at),
                _ => None,
            };
            return notify
                .or_else(|| orderly_fin(c).filter(served))
                .or_else(quit);
        }
        return None;
    }
    if c.tls.is_some_and(|tls| handshake_open(c, tls)) {
        return None;
    }
    if c.dialogue.opaque.is_some() {
        return orderly_fin(c);
    }
    if c.work_open() || answer_unseen(c) || c.one_sided() || c.tcp.cut_frames > 0 {
        return None;
    }
    let fin = orderly_fin(c).filter(|fin| !turned_away(c, *fin))?;
    match c.ending {
        // The client leaves while nothing is owed to it, after it was greeted.
        Ending::Closed {
            by: Side::Client, ..
        } if c.ladder.has(Stage::Greeting) || c.ladder.has(Stage::Session) => Some(fin),
        // The server leaves first: only after work was done is that an orderly end.
        Ending::Closed {
            by: Side::Server, ..
        } if c.ladder.has(Stage::Session) || c.ladder.has(Stage::Auth) => Some(fin),
        _ => None,
    }
}

/// No byte of that TLS stream is missing, from the first that was captured on.
pub fn without_holes(c: &Connection<'_>, tls: &TlsFacts) -> bool {
    let gaps = tls.gaps.client > 0 || tls.gaps.server > 0;
    // With its first words in view it is whole, though the connection was opened before the capture began.
    let begun_in_view = !c.began_late() || tls.client_hello.is_some();
    !gaps && tls.lost.is_none() && !c.partly_unseen() && begun_in_view
}

/// All that the client said came behind the server's end, which it crossed: the server had ended before it was asked for anything.
fn crossed(c: &Connection<'_>, tls: &TlsFacts, end: Mark) -> bool {
    let of_server = tls.close_notify[Side::Server] == Some(end)
        || c.tcp.sides[Side::Server]
            .fin
            .is_some_and(|fin| fin.frame == end.frame);
    let asked = tls.application_data[Side::Client].map(|(first, _)| first);
    of_server && asked.is_some_and(|asked| end.is_before(asked)) && without_holes(c, tls)
}

/// A side ended in the middle of a record: what it was saying never came to its end.
fn ends_inside_record(c: &Connection<'_>, tls: &TlsFacts) -> bool {
    let broke_off = |side: Side| {
        let direction = &c.tcp.sides[side];
        let ended = direction.fin.is_some() && direction.hole.is_none() && !c.end_unseen(side);
        tls.inside_record[side] && ended
    };
    without_holes(c, tls) && (broke_off(Side::Client) || broke_off(Side::Server))
}

/// TLS was begun, and one side's Finished (RFC 8446 4.4.4) never came: nothing was said under it.
fn handshake_open(c: &Connection<'_>, tls: &TlsFacts) -> bool {
    let finished = tls.client_finished.is_some() && tls.server_finished.is_some();
    let carried = tls.application_data[Side::Client].is_some()
        || tls.application_data[Side::Server].is_some();
    tls.started[Side::Client].is_some() && !finished && !carried && without_holes(c, tls)
}

/// Frames were not captured, and the last command has no answer, or there is no command at all: nobody knows what was asked and what came
/// of it.
fn answer_unseen(c: &Connection<'_>) -> bool {
    let asked = |exchange: &&Exchange| exchange.command.is_some();
    let last = c.dialogue.exchanges.iter().rev().find(asked);
    let answered = last.is_some_and(|exchange| {
        let verb = exchange.command.as_ref().map(|command| command.verb);
        exchange.reply.is_some() || matches!(verb, Some(Verb::Quit | Verb::Idle))
    });
    !answered && c.frames_missing()
}

/// The server had ended the connection over unfinished work before the client said QUIT: what is said into a closed connection
/// does not finish the work.
pub(super) fn cut_off_before(c: &Connection<'_>, quit: Mark) -> bool {
    let Ending::Closed {
        by: Side::Server,
        at,
        ..
    } = c.ending
    else {
        return false;
    };
    (at.time, at.frame.number()) < (quit.time, quit.frame.number())
        && !c.partly_unseen()
        && c.work_open()
}

/// The client asked for STARTTLS, was told to go ahead (RFC 3207 4), and went on in clear with something else than a goodbye, to which
/// the server never said a word: where. A decrypted capture, which looks alike, has the answers.
pub fn clear_after_starttls(dialogue: &Dialogue) -> Option<Mark> {
    let mut oddities = dialogue.oddities.iter();
    let (_, spoke) = oddities.find(|(oddity, _)| *oddity == Oddity::ClearAfterStarttls)?;
    let mut later = dialogue.exchanges.iter().filter(|exchange| {
        let command = exchange.command.as_ref();
        command.is_some_and(|command| command.at.time >= spoke.time)
    });
    let first = later.next()?.command.as_ref()?;
    let answered = dialogue.exchanges.iter().any(|exchange| {
        exchange
            .reply
            .as_ref()
            .is_some_and(|reply| reply.status != Status::Garbage && !reply.at.is_before(*spoke))
    });
    (first.verb != Verb::Quit && !answered).then_some(*spoke)
}

/// QUIT was said only because nothing came: after ≥ 5 s of waiting for the greeting or its end, or for the answer to a command that never
/// had one.
fn gave_up(c: &Connection<'_>, quit: Mark) -> bool {
    let waited_for = |command: &Command| quit.time.since(command.done.time) >= 5 * SECOND;
    c.gave_up_waiting().is_some()
        || !c.partly_unseen() && (c.unanswered().is_some_and(waited_for) || half_greeted(c, quit))
}

/// Whether the client had closed before the greeting came. Who closes its own direction only, behind a QUIT, still takes what
/// comes, unless its host answers that with a reset, as one that waits for nothing any more (RFC 1122 4.2.2.13).
pub fn gone_before_greeting(c: &Connection<'_>) -> bool {
    let mut exchanges = c.dialogue.exchanges.iter();
    let greeting = exchanges.find(|exchange| exchange.command.is_none());
    // Of a connection that was begun before the capture nobody knows which words are its first; a goodbye they are not.
    let late = c.began_late() && c.goodbye().is_none();
    let greeting = greeting.filter(|greeting| late || greeting.phase == Phase::Greeting);
    let Some(reply) = greeting.and_then(|greeting| greeting.reply.as_ref()) else {
        return false;
    };
    let client = &c.tcp.sides[Side::Client];
    let left = client.fin.is_some_and(|fin| fin.is_before(reply.at));
    let wordless = client.first_data.is_none();
    let refused = || {
        c.first_reset()
            .is_some_and(|reset| reset.side == Side::Client && !reset.at.is_before(reply.at))
    };
    if c.frames_missing() {
        return false;
    }
    // A capture that began later shows it as well: who had left, heard nothing before that, and wants nothing of what comes.
    match c.began_late() {
        true => left && wordless && refused(),
        false => left && (wordless || refused()),
    }
}

/// The greeting had begun ≥ 5 s before that, and its last line (RFC 5321 4.2) never came.
fn half_greeted(c: &Connection<'_>, quit: Mark) -> bool {
    let dialogue = c.dialogue;
    !c.began_late()
        && !dialogue.greeted
        && dialogue
            .exchanges
            .iter()
            .all(|exchange| exchange.phase == Phase::Quit)
        && dialogue
            .greeting_started
            .is_some_and(|begun| quit.time.since(begun.time) >= 5 * SECOND)
}

/// The first FIN, if it came by FIN and nothing was left unacknowledged before it.
fn orderly_fin(c: &Connection<'_>) -> Option<Mark> {
    let Ending::Closed {
        at, reset: false, ..
    } = c.ending
    else {
        return None;
    };
    // A hole that never filled is owed as well: its sender is still trying.
    let hole = |side: Side| {
        c.tcp.sides[side]
            .hole
            .is_some_and(|mark| mark.time <= at.time)
    };
    if hole(Side::Client) || hole(Side::Server) {
        return None;
    }
    let owed = |side: Side| {
        c.tcp.sides[side]
            .outstanding
            .is_some_and(|o| !o.fin_only && o.missed.unwrap_or(o.first).time <= at.time)
    };
    if owed(Side::Client) || owed(Side::Server) {
        None
    } else {
        Some(at)
    }
}
