//! How far a dialogue got after each reply: what decides whether a refusal mattered.
//!
//! It exists because a negative reply is a verdict only if the client got no further at that stage
//! afterwards. One pass backwards over the exchanges; it judges no reply itself.

use crate::base::{Foreign, Timestamp};
use crate::diagnosis::Connection;
use crate::proto::TlsMode;
use crate::proto::mail::{
    Dialogue, Exchange, Family, Language, Oddity, Phase, Reply, Status, Verb,
};

/// What an exchange was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The server's first words.
    Greeting,
    /// EHLO, HELO, LHLO.
    Hello,
    /// STARTTLS, STLS.
    Starttls,
    /// A login, any of its lines.
    Login,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// DATA, BDAT, the message itself.
    Message,
    /// A command on a mailbox or script (IMAP, POP3, ManageSieve).
    Work,
    /// What a client may ask without needing it: CAPABILITY, ID, NOOP, IDLE, VRFY, XCLIENT.
    Probe,
    /// No command of this protocol.
    Stray,
    /// Words of the server that nothing asked for: 421, BYE, the last -ERR.
    Unasked,
    /// QUIT, LOGOUT.
    Quit,
}

const fn bit(step: Step) -> u16 {
    1 << step as u16
}

/// Steps that are work or lead to it.
const ANY: u16 = bit(Step::Hello)
    | bit(Step::Starttls)
    | bit(Step::Login)
    | bit(Step::Sender)
    | bit(Step::Recipient)
    | bit(Step::Message)
    | bit(Step::Work);

/// A command other than QUIT or LOGOUT was granted, or the server asked for more: it speaks the language, and let the client go on.
pub fn understood(dialogue: &Dialogue) -> bool {
    dialogue.exchanges.iter().any(|exchange| {
        let command = exchange.command.as_ref();
        let reply = exchange.reply.as_ref();
        command.is_some_and(|command| command.verb != Verb::Quit)
            && reply.is_some_and(|reply| {
                matches!(reply.status, Status::Positive | Status::Intermediate)
            })
    })
}

/// Whether the clear dialogue can be judged: no TLS where clear text was expected, no clear text where TLS was.
pub fn readable(c: &Connection<'_>) -> bool {
    match c.tls_mode {
        TlsMode::Implicit => c.tls.is_some_and(|tls| tls.client_finished.is_some()),
        // A client that was refused STARTTLS may send its ClientHello all the same (`openssl s_client` does).
        _ => c.tls.is_none() || asked_for_tls(c.dialogue),
    }
}

/// STARTTLS or STLS was said in clear: TLS did not come out of nothing.
fn asked_for_tls(dialogue: &Dialogue) -> bool {
    dialogue.starttls_accepted.is_some()
        || dialogue.exchanges.iter().any(|exchange| {
            let command = exchange.command.as_ref();
            command.is_some_and(|command| command.verb == Verb::Starttls)
        })
}

/// What an exchange was about.
pub fn step(dialogue: &Dialogue, exchange: &Exchange) -> Step {
    let Some(command) = &exchange.command else {
        return if exchange.phase == Phase::Greeting {
            Step::Greeting
        } else {
            Step::Unasked
        };
    };
    match command.verb {
        Verb::Ehlo | Verb::Helo | Verb::Lhlo => Step::Hello,
        Verb::Starttls => Step::Starttls,
        Verb::Auth(_) | Verb::AuthStep | Verb::Login | Verb::User | Verb::Pass | Verb::Apop => {
            Step::Login
        }
        Verb::Mail => Step::Sender,
        Verb::Rcpt => Step::Recipient,
        Verb::DataStart | Verb::Data | Verb::DataLast => Step::Message,
        Verb::Select | Verb::Retrieve => Step::Work,
        Verb::Other if dialogue.is_mailbox() => Step::Work,
        Verb::Capability | Verb::Idle | Verb::Compress | Verb::Id | Verb::Noop | Verb::Other => {
            Step::Probe
        }
        Verb::Unknown | Verb::Masked => Step::Stray,
        Verb::Quit => Step::Quit,
    }
}

/// Whether a reply refuses. A 334 that carries an error of an OAuth login is a refusal as well (RFC 7628 3.2.2).
pub fn refuses(reply: &Reply) -> bool {
    match reply.status {
        Status::Transient | Status::Negative | Status::Bad | Status::Bye => true,
        Status::Intermediate => reply.sasl_error.is_some(),
        Status::Positive | Status::Garbage => false,
    }
}

/// What happened after each exchange.
pub struct Progress {
    /// Steps that were granted in a later exchange, by index.
    granted_after: Vec<u16>,
    /// Steps that were granted in an earlier one, by index.
    granted_before: Vec<u16>,
    /// A later refusal that is no consequence of a missing login, by index.
    refused_otherwise_after: Vec<bool>,
    /// An earlier recipient of the same transaction was accepted, and its message was begun later, by index.
    message_for_another: Vec<bool>,
    starttls_accepted: Option<Timestamp>,
}

impl Progress {
    /// Reads it from a connection.
    pub fn of(c: &Connection<'_>) -> Progress {
        let dialogue = c.dialogue;
        let exchanges = &dialogue.exchanges;
        let mut granted = Vec::with_capacity(exchanges.len());
        // Recipients accepted in the running transaction; unknown, hence one, before a MAIL was seen.
        let mut accepted = 1u32;
        for exchange in exchanges {
            let step = step(dialogue, exchange);
            let verb = exchange.command.as_ref().map(|command| command.verb);
            let status = exchange.reply.as_ref().map(|reply| reply.status);
            let positive = status == Some(Status::Positive);
            let invited = positive || status == Some(Status::Intermediate);
            let counts = match step {
                Step::Login => positive && verb != Some(Verb::User),
                // "Go on" with a message for nobody is no progress.
                Step::Message => invited && accepted > 0,
                _ => positive,
            };
            if verb == Some(Verb::Mail) {
                accepted = 0;
            }
            if step == Step::Recipient && positive {
                accepted = accepted.saturating_add(1);
            }
            granted.push(if counts { bit(step) } else { 0 });
        }
        let mut granted_before = Vec::with_capacity(granted.len());
        let mut mask = 0;
        for bits in &granted {
            granted_before.push(mask);
            mask |= bits;
        }
        let mut granted_after = vec![0; granted.len()];
        let mut refused_otherwise_after = vec![false; granted.len()];
        let (mut mask, mut otherwise) = (0, false);
        for (index, exchange) in exchanges.iter().enumerate().rev() {
            if let (Some(slot), Some(flag)) = (
                granted_after.get_mut(index),
                refused_otherwise_after.get_mut(index),
            ) {
                *slot = mask;
                *flag = otherwise;
            }
            mask |= granted.get(index).copied().unwrap_or_default();
            let late = matches!(
                step(dialogue, exchange),
                Step::Sender | Step::Recipient | Step::Message
            );
            let family = c
                .answers
                .get(index)
                .and_then(|answer| answer.map(|answer| answer.family));
            otherwise |= late
                && family.is_some_and(|family| {
                    !matches!(
                        family,
                        Family::RelayDenied
                            | Family::AuthRequired
                            | Family::SenderRejected
                            | Family::ProtocolError
                            | Family::StarttlsRequired
                            | Family::Rejected
                    )
                });
        }
        Progress {
            granted_after,
            granted_before,
            refused_otherwise_after,
            message_for_another: message_for_another(dialogue),
            starttls_accepted: dialogue.starttls_accepted.map(|mark| mark.time),
        }
    }

    fn after(&self, index: usize) -> u16 {
        self.granted_after.get(index).copied().unwrap_or_default()
    }

    /// Whether anything that leads to work was granted after that exchange.
    pub fn anything_after(&self, index: usize) -> bool {
        self.after(index) & ANY != 0
    }

    /// Whether that step was granted after that exchange.
    pub fn later(&self, index: usize, step: Step) -> bool {
        self.after(index) & bit(step) != 0
    }

    /// Whether that step was granted before that exchange.
    pub fn before(&self, index: usize, step: Step) -> bool {
        self.granted_before.get(index).copied().unwrap_or_default() & bit(step) != 0
    }

    /// Whether the client got further at that step after the exchange `index`, answered at `time`.
    pub fn further(&self, index: usize, step: Step, time: Timestamp) -> bool {
        if self
            .starttls_accepted
            .is_some_and(|accepted| accepted > time)
        {
            return true; // what came after it may be encrypted
        }
        let of = |steps: u16| self.after(index) & steps != 0;
        let message = bit(Step::Message);
        let recipient = bit(Step::Recipient) | message;
        let sender = bit(Step::Sender) | recipient;
        match step {
            Step::Greeting | Step::Probe | Step::Stray | Step::Unasked | Step::Quit => of(ANY),
            Step::Hello => of(ANY),
            Step::Starttls => of(bit(Step::Starttls) | bit(Step::Login) | bit(Step::Work) | sender),
            Step::Login => {
                of(bit(Step::Login) | bit(Step::Work) | recipient)
                    || of(bit(Step::Sender))
                        && self
                            .refused_otherwise_after
                            .get(index)
                            .copied()
                            .unwrap_or_default()
            }
            Step::Sender => of(sender),
            // With the message the client goes on for the recipients that it has (RFC 5321 3.3), whatever becomes of it then.
            Step::Recipient => {
                of(recipient)
                    || self
                        .message_for_another
                        .get(index)
                        .copied()
                        .unwrap_or_default()
            }
            Step::Message => of(message),
            Step::Work => of(bit(Step::Work)),
        }
    }
}

/// Which exchanges stand in a transaction behind a recipient that was accepted and before the message for it: DATA or BDAT,
/// answered or not.
fn message_for_another(dialogue: &Dialogue) -> Vec<bool> {
    let exchanges = &dialogue.exchanges;
    let mut found = vec![false; exchanges.len()];
    // Where a recipient was accepted in the running transaction.
    let mut accepted: Option<usize> = None;
    for (index, exchange) in exchanges.iter().enumerate() {
        let reply = exchange.reply.as_ref();
        let positive = reply.is_some_and(|reply| reply.status == Status::Positive);
        match step(dialogue, exchange) {
            Step::Recipient if positive => accepted = accepted.or(Some(index)),
            Step::Message => {
                if let Some(slots) = accepted
                    .take()
                    .and_then(|first| found.get_mut(first..index))
                {
                    slots.fill(true);
                }
            }
            Step::Sender | Step::Hello => accepted = None,
            _ => {}
        }
    }
    found
}

/// Whether the latest listing (EHLO, CAPABILITY, CAPA) has this keyword; parameters do not count.
pub fn offers(dialogue: &Dialogue, keyword: &str) -> bool {
    dialogue.capabilities.iter().any(|line| {
        let line = line.as_str().as_bytes().split_at_checked(keyword.len());
        line.is_some_and(|(word, rest)| {
            word.eq_ignore_ascii_case(keyword.as_bytes())
                && matches!(rest.first(), None | Some(b' ' | b'='))
        })
    })
}

/// Whether STARTTLS (STLS) is in the latest listing; `None` without a listing, or when a part of it may be missing.
pub fn starttls_offered(dialogue: &Dialogue) -> Option<bool> {
    if offers(dialogue, "STARTTLS") || offers(dialogue, "STLS") {
        return Some(true);
    }
    listing(dialogue)
        .filter(|_| dialogue.gaps == 0)
        .map(|_| false)
}

/// The latest reply that listed what the server can do; in IMAP the greeting may be it.
pub fn listing(dialogue: &Dialogue) -> Option<&Reply> {
    let asked = dialogue.exchanges.iter().rev().find_map(|exchange| {
        let command = exchange.command.as_ref()?;
        let lists = matches!(command.verb, Verb::Ehlo | Verb::Lhlo | Verb::Capability);
        let reply = exchange.reply.as_ref()?;
        (lists && reply.status == Status::Positive).then_some(reply)
    });
    asked.or_else(|| {
        let greeting = dialogue.exchanges.first()?.reply.as_ref()?;
        (!dialogue.capabilities.is_empty()).then_some(greeting)
    })
}

/// A keyword of the listing that a device masked and that is as long as STARTTLS: `XXXXXXXA`, `XXXXXXXX`.
pub fn masked_starttls(dialogue: &Dialogue) -> bool {
    has_oddity(dialogue, Oddity::MaskedKeyword).is_some()
        && !offers(dialogue, "STARTTLS")
        && masks(dialogue) > 0
}

/// Whether what is masked may be other keywords of that length: CHUNKING (RFC 3030) and SMTPUTF8 (RFC 6531), which a device that
/// lets only the keywords through that it knows overwrites too.
pub fn masks_may_be_others(dialogue: &Dialogue) -> bool {
    let smtp = matches!(dialogue.language, Some(Language::Smtp | Language::Lmtp));
    let others = ["CHUNKING", "SMTPUTF8"].into_iter();
    smtp && masks(dialogue) <= others.filter(|word| !offers(dialogue, word)).count()
}

/// Masked keywords of eight letters.
fn masks(dialogue: &Dialogue) -> usize {
    let masked = |line: &&Foreign| {
        let word = line.as_str().split(' ').next().unwrap_or_default();
        word.len() == 8
            && word.starts_with("XXXXXXX")
            && (word.ends_with('X') || word.ends_with('A'))
    };
    dialogue.capabilities.iter().filter(masked).count()
}

/// Where that oddity was seen.
pub fn has_oddity(dialogue: &Dialogue, oddity: Oddity) -> Option<crate::base::Mark> {
    dialogue
        .oddities
        .iter()
        .find(|(seen, _)| *seen == oddity)
        .map(|(_, mark)| *mark)
}

/// Whether the client asked for nothing but what a check asks, STARTTLS allowed.
pub fn only_looked(dialogue: &Dialogue) -> bool {
    dialogue.exchanges.iter().all(|exchange| {
        exchange.command.as_ref().is_none_or(|command| {
            matches!(
                command.verb,
                Verb::Ehlo
                    | Verb::Helo
                    | Verb::Lhlo
                    | Verb::Capability
                    | Verb::Starttls
                    | Verb::Noop
                    | Verb::Id
                    | Verb::Quit
            )
        })
    })
}

/// The client ended the connection, or said that it would.
pub fn client_left(c: &Connection<'_>) -> bool {
    c.dialogue.quit.is_some()
        || matches!(
            c.ending,
            crate::diagnosis::Ending::Closed {
                by: crate::base::Side::Client,
                ..
            }
        )
}

/// A foreign text, cut to what fits into a sentence.
pub fn cut(text: &str, most: usize) -> String {
    // Of bytes there are at least as many as of characters.
    if text.len() <= most || text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most).collect();
    short.push('…');
    short
}
