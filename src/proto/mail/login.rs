//! An authentication exchange among the commands and replies of a dialogue: what is written down of it, and what stays masked.
//!
//! It exists because the same exchange (RFC 4422 3) is carried by every mail language with other words around it. What a
//! message of it says is for [`super::sasl`] to read; which reply answers which command the languages know.

use super::core::{Core, command, masked};
use super::dialogue::{Command, Reply, Verb};
use super::lines::Line;
use super::sasl::{self, Login};
use crate::base::Mark;

/// The command that begins an exchange.
pub(super) struct Begun<'a> {
    /// What stands before the mechanism's name, with its blank.
    pub before: &'a [u8],
    /// The mechanism's name.
    pub name: &'a [u8],
    /// What stands behind it on the line, which is never shown.
    pub behind: &'a [u8],
    /// The client's first message in there, in base64.
    pub initial: Option<&'a [u8]>,
}

impl<'a> Begun<'a> {
    /// With the initial response as a word; `=` is an empty one (RFC 4954 4, RFC 5034 4, RFC 4959 3).
    pub fn with_word(before: &'a [u8], name: &'a [u8], word: &'a [u8]) -> Begun<'a> {
        Begun {
            before,
            name,
            behind: word,
            initial: (!word.is_empty() && word != b"=").then_some(word),
        }
    }

    /// The exchange, the verb and the command as it is written down.
    pub fn start(self, core: &mut Core, line: &Line, mark: Mark) -> (Login, Verb, Command) {
        let mechanism = sasl::mechanism(self.name);
        let mut login = Login::start(mechanism, &mut core.dialogue);
        let verb = Verb::Auth(mechanism);
        let shown = [self.before, self.name].concat();
        if let Some(initial) = self.initial {
            login.message(initial, &mut core.dialogue);
        }
        let command = match self.behind {
            b"" => command(line, mark, verb, &shown),
            secret => masked(line, mark, verb, &shown, secret),
        };
        (login, verb, command)
    }
}

/// Whether the command that began the exchange still waits for the server's first word: what the client says before a challenge
/// is no step of it (RFC 4422 3), though it may look like base64. Of a server that was not captured no word is to be expected.
pub(super) fn unanswered(core: &mut Core) -> bool {
    let begun = core
        .pending
        .iter()
        .rev()
        .find(|pending| matches!(pending.verb, Verb::Auth(_)))
        .map(|pending| pending.seq);
    core.spoke.server.is_some()
        && begun
            .and_then(|seq| core.exchange(seq))
            .is_some_and(|exchange| exchange.reply.is_none())
}

/// A line of a running exchange, base64 alone on it (RFC 4422 3.4 as SMTP, IMAP and POP3 carry it): the exchange is told, and
/// the line is not shown but for a cancelling `*` and an empty one.
pub(super) fn step(core: &mut Core, login: Option<&mut Login>, line: &Line, mark: Mark) -> Command {
    let blob = line.bytes.trim_ascii();
    if blob != b"*"
        && let Some(login) = login
    {
        login.message(blob, &mut core.dialogue);
    }
    if blob == b"*" || blob.is_empty() {
        command(line, mark, Verb::AuthStep, blob)
    } else {
        masked(line, mark, Verb::AuthStep, b"", blob)
    }
}

/// A challenge of the server, in base64: the exchange is told, and an OAuth refusal in it is kept.
pub(super) fn challenged(reply: &mut Reply, login: Option<&mut Login>, challenge: &[u8]) {
    reply.sasl_error = sasl::error_json(challenge);
    if let Some(login) = login {
        login.challenge(challenge);
    }
}
