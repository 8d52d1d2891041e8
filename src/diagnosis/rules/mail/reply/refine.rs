//! What the rest of the dialogue adds to the reading of one reply.
//!
//! It exists because a reply that only refuses a login means one thing or the other by what was said before: what the
//! server offered in clear, whether it let somebody in, what the client sent last. It weighs nothing.

use crate::diagnosis::Connection;
use crate::diagnosis::rules::mail::progress::{
    Step, listing, masked_starttls, offers, starttls_offered, step,
};
use crate::proto::mail::{Answer, Exchange, Family, Mechanism, Reply, Status, Verb};

/// Words and parts of words with which a server says that encryption is what it misses.
const ENCRYPTION: [&str; 8] = [
    "tls", "ssl", "encrypt", "secur", "clear", "plain", "layer", "privacy",
];

/// The family, with all that was said on the connection.
pub(super) fn refine(
    c: &Connection<'_>,
    index: usize,
    exchange: &Exchange,
    reply: &Reply,
    mut answer: Answer,
) -> Answer {
    let dialogue = c.dialogue;
    let login = step(dialogue, exchange) == Step::Login;
    let verb = exchange.command.as_ref().map(|command| command.verb);
    if login && let Some(family) = (Login { c, index, exchange }).says(reply, answer) {
        answer.family = family;
        answer.by_text = false;
        return answer;
    }
    answer.family = match answer.family {
        Family::CredentialsRejected
            if login
                && matches!(
                    mechanism(c, index),
                    Some(Mechanism::Xoauth2 | Mechanism::OauthBearer)
                ) =>
        {
            Family::TokenRejected
        }
        // RFC 9051 6.2.3: with LOGINDISABLED the server must refuse LOGIN, whatever the password.
        Family::CredentialsRejected | Family::Rejected | Family::ProtocolError
            if verb == Some(Verb::Login)
                && c.tls.is_none()
                && offers(dialogue, "LOGINDISABLED") =>
        {
            Family::NeedsTls
        }
        // Sendmail says this of a client or a sender that its access map rejects, and, where checks are put off, says it to RCPT
        // (cf/m4/proto.m4, FEATURE(delay_checks)); a recipient has words of its own.
        Family::RecipientRejected
            if verb == Some(Verb::Rcpt)
                && !answer.by_text
                && reply
                    .text
                    .as_str()
                    .to_ascii_lowercase()
                    .contains("... access denied") =>
        {
            Family::Rejected
        }
        // The mail system or its policy, without a word for it: of an address that says nothing (RFC 3463 3.4, 3.8), and checks of the client are
        // often put off until RCPT.
        Family::RecipientRejected | Family::SenderRejected
            if matches!(verb, Some(Verb::Mail | Verb::Rcpt))
                && !answer.by_text
                && reply.enhanced.is_some_and(|status| {
                    matches!((status.subject, status.detail), (3, _) | (7, 0..=16 | 19))
                }) =>
        {
            Family::Rejected
        }
        // No TLS to be had either: logins are not served on this port, or not in this way.
        Family::NeedsTls
            if login
                && matches!(reply.code, Some(500 | 502..=504))
                && unknown_way(c, index, names_encryption(reply))
                && starttls_offered(dialogue) == Some(false)
                && !masked_starttls(dialogue)
                && c.context.starttls_elsewhere.is_none() =>
        {
            Family::MechanismUnsupported
        }
        family => family,
    };
    answer
}

/// What the server says only confirms that the client took its login back, which it has to refuse (RFC 4954 4, RFC 9051 6.2.2, RFC 5034 4):
/// nobody was judged. A cause of its own beside that is one.
pub(super) fn taken_back(
    c: &Connection<'_>,
    index: usize,
    exchange: &Exchange,
    reply: &Reply,
    answer: Answer,
) -> bool {
    let confirms = match answer.family {
        Family::NeedsTls => !names_encryption(reply),
        Family::CredentialsRejected
        | Family::TokenRejected
        | Family::ProtocolError
        | Family::Rejected => reply.status != Status::Bye && reply.code != Some(421),
        _ => false,
    };
    confirms && (Login { c, index, exchange }).cancelled()
}

/// A login that is refused, and what was said before.
struct Login<'a> {
    c: &'a Connection<'a>,
    index: usize,
    exchange: &'a Exchange,
}

impl<'a> Login<'a> {
    /// What the refusal means, where the dialogue shows that it cannot mean what the reply alone does.
    fn says(&self, reply: &Reply, answer: Answer) -> Option<Family> {
        match answer.family {
            Family::NeedsTls if !names_encryption(reply) => {
                let family = match reply.status {
                    Status::Bad => self.not_understood()?,
                    _ => self.without_tls(reply)?,
                };
                // "Authentication not enabled" is a cause of its own, which 503 alone made one of TLS.
                Some(if answer.by_text && !not_advertised(reply) {
                    Family::MechanismUnsupported
                } else {
                    family
                })
            }
            Family::CredentialsRejected | Family::TokenRejected if self.unheard_of(reply) => {
                Some(Family::MechanismUnsupported)
            }
            // Exchange says no more to a LOGIN in clear that its settings forbid (LoginType). Whom it let in before, and who saw a list without
            // LOGINDISABLED, is told that the command is out of place; a list with it is read below.
            Family::ProtocolError
                if reply.status == Status::Bad
                    && self.verb() == Some(Verb::Login)
                    && self.c.tls.is_none()
                    && wrong_state(reply)
                    && !self.c.began_late()
                    && self.c.dialogue.gaps == 0
                    && listing(self.c.dialogue).is_none()
                    && !self.let_in() =>
            {
                Some(Family::NeedsTls)
            }
            // OpenSMTPD calls AUTH an unknown command until TLS runs, and offers it from then on.
            Family::ProtocolError
                if answer.by_text
                    && reply.code == Some(503)
                    && matches!(self.verb(), Some(Verb::Auth(_)))
                    && self.without_tls(reply).is_none()
                    && self.c.dialogue.starttls_accepted.is_none()
                    && self.c.dialogue.mechanisms.is_empty()
                    && starttls_offered(self.c.dialogue) == Some(true) =>
            {
                Some(Family::NeedsTls)
            }
            _ => None,
        }
    }

    /// What 500, 502 or 503 means where the dialogue shows that it is not about TLS (RFC 4954 4); `None` where it may be.
    fn without_tls(&self, reply: &Reply) -> Option<Family> {
        let positive = |verb: fn(Verb) -> bool| {
            self.before()
                .any(|exchange| verb_of(exchange).is_some_and(verb) && granted(exchange))
        };
        if self.let_in() || self.in_transaction() {
            return Some(Family::ProtocolError);
        }
        // AUTH belongs to those extensions that EHLO lists: before EHLO it is out of order, whatever is offered later.
        if !positive(|verb| matches!(verb, Verb::Ehlo | Verb::Lhlo)) {
            let unseen = self.c.began_late() || self.c.partly_unseen();
            let tried = self
                .before()
                .any(|exchange| verb_of(exchange) == Some(Verb::Ehlo));
            return Some(match (unseen, tried) {
                (true, _) => Family::Rejected,
                (false, true) => Family::MechanismUnsupported,
                (false, false) => Family::ProtocolError,
            });
        }
        match self.verb() {
            // It was invited to go on.
            Some(Verb::AuthStep) => Some(Family::Rejected),
            _ if self.offered() => Some(if reply.code == Some(503) {
                Family::Rejected
            } else {
                Family::MechanismUnsupported
            }),
            _ => None,
        }
    }

    /// What BAD means where the list shows that logins in clear are not disabled (RFC 9051 6.2.3, 7.1.3).
    fn not_understood(&self) -> Option<Family> {
        let dialogue = self.c.dialogue;
        if self.let_in() {
            return Some(Family::ProtocolError);
        }
        let unseen = listing(dialogue).is_none() || dialogue.gaps > 0;
        match self.verb() {
            Some(Verb::AuthStep) => Some(Family::ProtocolError),
            _ if unseen || offers(dialogue, "LOGINDISABLED") => None,
            Some(Verb::Auth(_)) if !self.offered() => Some(Family::MechanismUnsupported),
            _ => Some(Family::ProtocolError),
        }
    }

    /// The method is not in the server's list, and it was refused before anything of it was said: nothing was judged.
    fn unheard_of(&self, reply: &Reply) -> bool {
        let dialogue = self.c.dialogue;
        let said = self
            .exchange
            .command
            .as_ref()
            .is_some_and(|command| command.secret.is_some());
        let judged = reply.response_code.as_ref().is_some_and(|code| {
            matches!(
                code.as_str(),
                "AUTHENTICATIONFAILED" | "AUTHORIZATIONFAILED"
            )
        });
        matches!(self.verb(), Some(Verb::Auth(_)))
            && !said
            && !judged
            && dialogue.gaps == 0
            && listing(dialogue).is_some()
            && !offers(dialogue, "LOGINDISABLED")
            && !self.offered()
    }

    /// The client's last line took the login back. After an error in a challenge that is only how a client goes on (RFC 7628
    /// 3.2.3).
    fn cancelled(&self) -> bool {
        let star = self.exchange.command.as_ref().is_some_and(|command| {
            command.verb == Verb::AuthStep && command.text.as_str().trim() == "*"
        });
        let told = self
            .before()
            .next_back()
            .and_then(|exchange| exchange.reply.as_ref())
            .is_some_and(|reply| reply.sasl_error.is_some());
        star && !told
    }

    fn verb(&self) -> Option<Verb> {
        verb_of(self.exchange)
    }

    fn before(&self) -> impl DoubleEndedIterator<Item = &'a Exchange> {
        let exchanges = &self.c.dialogue.exchanges;
        exchanges.get(..self.index).unwrap_or_default().iter()
    }

    /// The method is among those that the server lists in clear.
    fn offered(&self) -> bool {
        mechanism(self.c, self.index)
            .is_some_and(|tried| self.c.dialogue.mechanisms.contains(&tried))
    }

    /// An earlier login was granted.
    fn let_in(&self) -> bool {
        self.before().any(|exchange| {
            step(self.c.dialogue, exchange) == Step::Login
                && verb_of(exchange) != Some(Verb::User)
                && granted(exchange)
        })
    }

    /// A mail transaction is open, in which AUTH is not allowed (RFC 4954 4).
    fn in_transaction(&self) -> bool {
        let last = self.before().rev().find(|exchange| {
            let verb = verb_of(exchange);
            granted(exchange)
                && matches!(
                    verb,
                    Some(
                        Verb::Mail
                            | Verb::Data
                            | Verb::DataLast
                            | Verb::Noop
                            | Verb::Ehlo
                            | Verb::Helo
                            | Verb::Lhlo
                    )
                )
        });
        last.and_then(verb_of) == Some(Verb::Mail)
    }
}

fn verb_of(exchange: &Exchange) -> Option<Verb> {
    exchange.command.as_ref().map(|command| command.verb)
}

fn granted(exchange: &Exchange) -> bool {
    let reply = exchange.reply.as_ref();
    reply.is_some_and(|reply| reply.status == Status::Positive)
}

/// A word or a code of the reply speaks of encryption. Without one only the refusal itself lets think of TLS.
pub(super) fn names_encryption(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    let by_code = matches!(reply.code, Some(523 | 524 | 530 | 538))
        || reply
            .enhanced
            .is_some_and(|status| status.subject == 7 && matches!(status.detail, 10 | 11));
    let by_response_code = reply.response_code.as_ref().is_some_and(|code| {
        matches!(
            code.as_str(),
            "PRIVACYREQUIRED" | "ENCRYPT-NEEDED" | "LOGINDISABLED"
        )
    });
    by_code || by_response_code || ENCRYPTION.iter().any(|word| text.contains(word))
}

/// Exchange's words for a command that comes too early.
pub(super) fn wrong_state(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    text.contains("in invalid state")
}

/// Exim's "AUTH command used when not advertised", which says why no more than the bare code does.
fn not_advertised(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    text.contains("when not advertised")
}

/// No login is on offer at all (and the words do not say that TLS is the reason), or others than the one tried.
fn unknown_way(c: &Connection<'_>, index: usize, speaks_of_tls: bool) -> bool {
    let offered = &c.dialogue.mechanisms;
    if offered.is_empty() {
        return !speaks_of_tls;
    }
    mechanism(c, index).is_some_and(|tried| !offered.contains(&tried))
}

/// The mechanism of the login that this exchange belongs to.
fn mechanism(c: &Connection<'_>, index: usize) -> Option<Mechanism> {
    c.dialogue
        .exchanges
        .get(..=index)?
        .iter()
        .rev()
        .take(8)
        .find_map(|exchange| match exchange.command.as_ref()?.verb {
            Verb::Auth(mechanism) => Some(mechanism),
            _ => None,
        })
}
