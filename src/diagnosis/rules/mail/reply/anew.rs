//! A login that was refused, and another one behind it that was refused for something else.
//!
//! Who is refused tries anew, and a connection that goes on with that has got over the first refusal: what ended the work is what the
//! last login got. The first one stays the cause where the second is asked the same, or only confirms it.

use crate::diagnosis::Connection;
use crate::diagnosis::rules::mail::progress::{Step, step};
use crate::proto::mail::{Command, Exchange, Family, Mechanism, Phase, Verb};

use super::Judged;

/// Whether both refuse logins, each for a cause of its own, and the later one another login than the first.
pub(super) fn of_another_login(c: &Connection<'_>, first: &Judged<'_>, later: &Judged<'_>) -> bool {
    let exchanges = &c.dialogue.exchanges;
    let goodbye = later.step == Step::Unasked && later.exchange.phase == Phase::Auth;
    if first.step != Step::Login || !(later.step == Step::Login || goodbye) {
        return false;
    }
    let between = first.index.saturating_add(1)..=later.index;
    let begun = exchanges.get(between).unwrap_or_default();
    has_own_cause(later.answer.family)
        && first.answer.family != later.answer.family
        && begun.iter().any(begins)
}

/// Whether the client got over the first of two such refusals: it was a trouble that passed, or was of other credentials.
pub(super) fn got_over(c: &Connection<'_>, first: &Judged<'_>, later: &Judged<'_>) -> bool {
    let passed = matches!(
        first.answer.family,
        Family::AuthServerFailure
            | Family::ServiceUnavailable
            | Family::MailboxBusy
            | Family::TooManyConnections
    );
    let judged = first.answer.family == Family::CredentialsRejected;
    passed || judged && other_credentials(c, first.index, later.index)
}

/// What a refusal of a login says for itself. That there were too many of them, or that a method is not known, may follow from the first
/// refusal, and so may a token behind a password.
fn has_own_cause(family: Family) -> bool {
    matches!(
        family,
        Family::CredentialsRejected
            | Family::AuthServerFailure
            | Family::ServiceUnavailable
            | Family::MailboxBusy
            | Family::TooManyConnections
            | Family::AccountDisabled
            | Family::ProtocolDisabled
            | Family::PasswordExpired
            | Family::AppPasswordRequired
            | Family::OauthRequired
            | Family::WebLoginRequired
    )
}

fn begins(exchange: &Exchange) -> bool {
    let verb = exchange.command.as_ref().map(|command| command.verb);
    matches!(
        verb,
        Some(Verb::Auth(_) | Verb::Login | Verb::User | Verb::Pass | Verb::Apop)
    )
}

/// The login that ends with the exchange `index` was made with another password, or for another user, than the one that ended with
/// `before`. Only what is sent as it is can be compared: an answer to a challenge is another one each time.
fn other_credentials(c: &Connection<'_>, before: usize, index: usize) -> bool {
    let both = lines_of_login(c, before).zip(lines_of_login(c, index));
    both.is_some_and(|(one, other)| {
        let alike = one.len() == other.len();
        let mut pairs = one.iter().zip(&other);
        alike
            && pairs.clone().all(|(one, other)| one.verb == other.verb)
            && pairs.any(|(one, other)| one.secret != other.secret || user(one) != user(other))
    })
}

/// What the client sent in the login that ends with the exchange `until`, the last first.
fn lines_of_login<'a>(c: &Connection<'a>, until: usize) -> Option<Vec<&'a Command>> {
    let dialogue = c.dialogue;
    let mut lines = Vec::new();
    for exchange in dialogue.exchanges.get(..=until)?.iter().rev() {
        let Some(command) = exchange.command.as_ref() else {
            continue;
        };
        if step(dialogue, exchange) != Step::Login {
            continue;
        }
        lines.push(command);
        match command.verb {
            Verb::AuthStep | Verb::Pass => {}
            Verb::Auth(mechanism) => return as_it_is(mechanism).then_some(lines),
            Verb::Login | Verb::User => return Some(lines),
            _ => return None,
        }
    }
    None
}

/// The user's name, where the line shows it: behind the tag of LOGIN, and in USER.
fn user(command: &Command) -> Option<&str> {
    let text = command.text.as_str();
    match command.verb {
        Verb::Login => text.split_once(' ').map(|(_, rest)| rest),
        Verb::User => Some(text),
        _ => None,
    }
}

/// The mechanism sends the password itself (RFC 4616).
fn as_it_is(mechanism: Mechanism) -> bool {
    matches!(mechanism, Mechanism::Plain | Mechanism::Login)
}
