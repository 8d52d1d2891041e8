//! Load balancers and monitors connect, look, and leave, all day: that is no fault.

use super::done::cut_off_before;
use crate::base::{MILLISECOND, Mark, Nanos, SECOND, Side, Timestamp};
use crate::diagnosis::view::{Connection, Ending};
use crate::flow::ResetTrigger;
use crate::proto::mail::{Exchange, Status, Verb};
use crate::proto::tls::TlsFacts;

/// A program has looked at a certificate and its name long before that.
const LOOKED_AT: Nanos = 200 * MILLISECOND;

/// How a check shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is one.
    Yes(Mark),
    /// A bare TLS handshake: one only when the same client repeats it.
    BareHandshake(Mark),
    /// It is none.
    No,
}

/// Whether the client ended by itself within 1 s of the server's last step, refused nothing, having asked for
/// nothing but EHLO, CAPABILITY, NOOP or QUIT.
pub fn check(c: &Connection<'_>) -> Check {
    let Some(at) = leaving(c) else {
        return Check::No;
    };
    if turned_away(c, at) || answered_falsely(c) {
        return Check::No;
    }
    let wordless = |tls: &&TlsFacts| tls.application_data[Side::Client].is_none();
    if let Some(tls) = c.tls.filter(|tls| wordless(tls) || !c.reads_inside()) {
        let idle_end = tls.refusal.is_none()
            && tls.alerts.iter().all(|alert| !alert.fatal)
            && tls.client_finished.is_some()
            && tls.application_data[Side::Client].is_none();
        if !idle_end {
            return Check::No;
        }
        return match left_upon_greeting(c, tls, at) {
            true => Check::Yes(at),
            false if waited_in_vain(tls, at) => Check::No,
            false => Check::BareHandshake(at),
        };
    }
    if c.tcp.opening != crate::flow::Opening::Syn || c.one_sided() {
        return Check::No;
    }
    let only_asked = c.dialogue.exchanges.iter().all(|exchange| {
        let harmless = exchange.command.as_ref().is_none_or(|command| {
            matches!(
                command.verb,
                Verb::Ehlo | Verb::Helo | Verb::Lhlo | Verb::Capability | Verb::Noop | Verb::Quit
            )
        });
        let granted = exchange.reply.as_ref().is_none_or(|reply| {
            matches!(reply.status, Status::Positive)
                || exchange
                    .command
                    .as_ref()
                    .is_some_and(|c| c.verb == Verb::Quit)
        });
        harmless && (granted || c.remarks_leaving(exchange))
    });
    if !only_asked {
        return Check::No;
    }
    if c.half_said() || cut_off(c) || answer_missed(c) || c.end_unseen(Side::Client) {
        return Check::No;
    }
    // Bytes that are no dialogue (garbage, another protocol) are no check; a balancer's own checks say whom they are for, and no more.
    if c.client_said() > 0
        && c.dialogue
            .exchanges
            .iter()
            .all(|exchange| exchange.command.is_none())
    {
        return Check::No;
    }
    let Some(last_step) = server_last_step(c, at.time) else {
        return Check::No;
    };
    if at.time.since(last_step) <= SECOND {
        Check::Yes(at)
    } else {
        Check::No
    }
}

/// Greeted inside TLS (tickets are no greeting), and gone soon after that without a word: it had accepted the certificate, and asked for
/// nothing. Who dislikes a name leaves right behind the handshake (RFC 9525 6.6), and the server, which knows nothing of it, greets
/// meanwhile: only who stayed longer than it takes to look at a certificate did not leave for that.
fn left_upon_greeting(c: &Connection<'_>, tls: &TlsFacts, left: Mark) -> bool {
    let Some((_, greeted)) = tls.application_data[Side::Server] else {
        return false;
    };
    let finished = [tls.client_finished, tls.server_finished];
    let Some(finished) = finished.into_iter().flatten().map(|mark| mark.time).max() else {
        return false;
    };
    if left.time < greeted.time {
        return false;
    }
    // The handshake has to reach the client, and its leaving to come back to where it is seen.
    let way = c.tcp.rtt_client.unwrap_or(0);
    let stayed = left.time.since(finished);
    let reacted = left.time.since(greeted.time);
    stayed >= LOOKED_AT.saturating_add(way) && (way / 4 * 3..=SECOND).contains(&reacted)
}

/// It stayed ≥ 5 s behind the handshake, and nothing came that may be a greeting: who looks at a certificate leaves sooner.
fn waited_in_vain(tls: &TlsFacts, left: Mark) -> bool {
    tls.ungreeted()
        && tls
            .finished()
            .is_some_and(|finished| left.time.since(finished.time) >= 5 * SECOND)
}

/// The client's host refused a SYN-ACK that does not acknowledge its SYN (RFC 9293 3.10.7.3): it, and the reset at the number that it
/// named, stand elsewhere than behind that SYN. Who only looks resets a SYN-ACK that is right.
fn answered_falsely(c: &Connection<'_>) -> bool {
    c.tcp.established.is_none()
        && c.first_reset().is_some_and(|reset| {
            reset.side == Side::Client
                && reset.trigger == ResetTrigger::SynAck
                && (reset.seq_exact == Some(false) || c.tcp.acked_unseen > 0)
        })
}

/// The client acknowledged what the capture does not show of the server: a greeting, a refusal, or the server's end. Only who is seen to be
/// welcome, and to be answered whatever it asked, left for reasons of its own.
fn answer_missed(c: &Connection<'_>) -> bool {
    let tcp = c.tcp;
    let missed = tcp.acked_unseen > 0
        || tcp.capture_gaps[Side::Server] > 0
        || c.dialogue.gaps > 0
        || c.end_unseen(Side::Server);
    let quits = |exchange: &Exchange| {
        let command = exchange.command.as_ref();
        command.is_some_and(|command| command.verb == Verb::Quit)
    };
    let mut words = c.dialogue.exchanges.iter().filter(|said| !quits(said));
    let answered = c.dialogue.exchanges.len() > usize::from(c.dialogue.quit.is_some())
        && words.all(|exchange| exchange.reply.is_some());
    missed && !answered
}

/// The client had asked for something, and its host then knew nothing of the connection: it did not leave by itself.
fn cut_off(c: &Connection<'_>) -> bool {
    let unknown = c.first_reset().is_some_and(|reset| {
        reset.side == Side::Client && reset.of_unknown_connection() && !reset.acks_all
    });
    unknown
        && c.dialogue.quit.is_none()
        && c.client_said() > 0
        && c.tcp.sides[Side::Server]
            .outstanding
            .is_some_and(|answer| answer.transmissions >= 2)
}

/// A router or host said before the connection's end that it does not deliver this flow's packets and the server was not heard after that: who
/// ends it then does not do so for its own reasons.
pub(super) fn turned_away(c: &Connection<'_>, end: Mark) -> bool {
    let heard = server_last_word(c, end.time);
    c.tcp.icmp.iter().any(|error| {
        error.says_undelivered()
            && error.matches
            && error.at.is_before(end)
            && heard.is_none_or(|heard| heard <= error.at.time)
    })
}

/// When the client ended it by itself: with QUIT or LOGOUT, or by closing first.
fn leaving(c: &Connection<'_>) -> Option<Mark> {
    let goodbye = c
        .dialogue
        .exchanges
        .iter()
        .filter_map(|exchange| exchange.command.as_ref())
        .find(|command| command.verb == Verb::Quit);
    match (goodbye, c.ending) {
        (Some(goodbye), _) if !cut_off_before(c, goodbye.at) => Some(goodbye.at),
        (
            None,
            Ending::Closed {
                by: Side::Client,
                at,
                ..
            },
        ) => Some(at),
        _ => None,
    }
}

/// The time of the server's latest word before `end`.
fn server_last_word(c: &Connection<'_>, end: Timestamp) -> Option<Timestamp> {
    let replies = c
        .dialogue
        .exchanges
        .iter()
        .filter_map(|exchange| exchange.reply.as_ref())
        .map(|reply| reply.at.time);
    let data = c.tcp.sides[Side::Server].last_data.map(|mark| mark.time);
    replies.chain(data).filter(|time| *time <= end).max()
}

/// The time of the server's latest word (or SYN-ACK) before `end`.
fn server_last_step(c: &Connection<'_>, end: Timestamp) -> Option<Timestamp> {
    let syn_ack = c.tcp.syn_acks.last.map(|mark| mark.time);
    let word = server_last_word(c, end);
    word.into_iter()
        .chain(syn_ack.filter(|time| *time <= end))
        .max()
}
