//! What a negative reply means: code, enhanced code, response code, and the words of real servers.
//!
//! The table exists because the same digits mean different things at different servers, and the words
//! decide. A text that names a cause outranks the codes, also against the stage; without one the codes
//! decide. Every row names the programs whose words it holds; rows that name several, or are called
//! generic, collect wordings and are no citation of one line of one source. It refuses to read positive replies, and says nothing
//! rather than something vague.

mod access;
mod codes;
mod login;
mod place;
mod policy;
mod transaction;
mod trouble;

#[cfg(test)]
mod tests;

use aho_corasick::{AhoCorasick, MatchKind};

use place::{denied, follows, in_name, starts_word};
use trouble::{judging_failed, recipient_not_verified, scanner_is_broken};

use super::dialogue::{Answer, Family, Language, Mechanism, Phase, Reply, Status, Verb};
use crate::base::Foreign;

/// Where a row applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Anywhere.
    Any,
    /// SMTP and LMTP.
    Smtp,
    /// SMTP and LMTP, outside of a login.
    Transaction,
    /// The same, and for good (5xx).
    ForGood,
    /// IMAP, POP3, ManageSieve.
    Mailbox,
    /// While logging in, in any language.
    Login,
    /// As answer to RCPT.
    Rcpt,
    /// As answer to EHLO, HELO, LHLO.
    Hello,
    /// As answer to message data (or to what follows it).
    Data,
    /// As answer to STARTTLS, STLS.
    Starttls,
    /// As greeting, or said without being asked.
    Connection,
}

/// How much a text proves where several match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// Generic words, for servers that no other row knows.
    Generic,
    /// The words of a known server.
    Known,
    /// Names the part of the transaction that was refused; a cause that stands behind it says why.
    Part,
    /// Names its cause beyond doubt, whatever stands beside it.
    Sure,
}

/// Rows with one meaning and one source. `a * b` in a text: both, in this order.
struct Words {
    family: Family,
    place: Place,
    strength: Strength,
    origin: &'static str,
    texts: &'static [&'static str],
    /// The texts say that it failed, and not why: a code that says why outranks them.
    symptom: bool,
}

const fn words(
    family: Family,
    place: Place,
    strength: Strength,
    origin: &'static str,
    texts: &'static [&'static str],
) -> Words {
    Words {
        family,
        place,
        strength,
        origin,
        texts,
        symptom: false,
    }
}

impl Words {
    /// The same row, whose texts are a symptom.
    const fn symptom(self) -> Words {
        Words {
            symptom: true,
            ..self
        }
    }
}

const TABLES: [&[Words]; 4] = [login::ROWS, access::ROWS, policy::ROWS, transaction::ROWS];

/// One text of a row: its first part is what the automaton finds.
struct Text {
    row: &'static Words,
    rest: Vec<&'static str>,
    length: usize,
}

/// The table, ready to read replies. Build it once and share it: building takes milliseconds, reading microseconds.
pub struct ReplyTable {
    automaton: Option<AhoCorasick>,
    texts: Vec<Text>,
}

impl Default for ReplyTable {
    fn default() -> ReplyTable {
        ReplyTable::new()
    }
}

impl ReplyTable {
    /// Builds the automaton over all texts, in small letters: half as large as one that knows both.
    pub fn new() -> ReplyTable {
        let mut firsts = Vec::new();
        let mut texts = Vec::new();
        for row in TABLES.iter().copied().flatten() {
            for text in row.texts {
                let mut parts = text.split(" * ");
                firsts.push(parts.next().unwrap_or_default().to_ascii_lowercase());
                texts.push(Text {
                    row,
                    rest: parts.collect(),
                    length: text.len(),
                });
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(firsts)
            .ok();
        ReplyTable { automaton, texts }
    }

    /// Reads a negative reply (also a refusal of an OAuth token in a 334 or `+`). `command` is what it answers; for
    /// the last reply of a login pass the `Auth` verb that began it, so that the mechanism is known. `tls` says whether
    /// the dialogue was encrypted. `None` for a positive reply, and for one that proves nothing.
    pub fn read(
        &self,
        language: Language,
        phase: Phase,
        command: Option<Verb>,
        reply: &Reply,
        tls: bool,
    ) -> Option<Answer> {
        match reply.status {
            Status::Positive | Status::Garbage => return None,
            Status::Intermediate => {
                return reply.sasl_error.is_some().then_some(Answer {
                    family: Family::TokenRejected,
                    origin: "RFC 7628 3.2.2",
                    by_text: true,
                });
            }
            Status::Transient | Status::Negative | Status::Bad | Status::Bye => {}
        }
        let asked = Asked {
            language,
            phase,
            command,
            tls,
            closing: reply.code == Some(421),
            transient: matches!(reply.code, Some(400..500)),
        };
        // A vendor's own detail (X.7.500) is a definition, "server busy" beside it only a manner of speaking.
        let defined = reply.enhanced.is_some_and(|status| status.detail >= 100);
        let words = self.by_words(&asked, reply, |_| true);
        let cause = words.and_then(|row| self.cause(&asked, reply, row));
        let trouble = words.and_then(|row| self.trouble(&asked, reply, row));
        let answer = match words {
            // A response code of the protocol itself is a definition too.
            _ if asked.is_login()
                && reply.response_code.as_ref().is_some_and(|code| {
                    matches!(
                        code.as_str(),
                        "PRIVACYREQUIRED" | "ENCRYPT-NEEDED" | "REFERRAL"
                    )
                }) =>
            {
                codes::read(&asked, reply)
            }
            Some(_) if cause.is_some() => cause,
            Some(_) if trouble.is_some() => trouble,
            // 530 has one meaning (RFC 4954 6), whatever the program calls a command that comes too early.
            Some(row) if row.family == Family::ProtocolError && reply.code == Some(530) => {
                codes::read(&asked, reply)
            }
            // 459 has one as well (RFC 1985: the node is not allowed), whatever the program calls what it does not serve.
            Some(row) if row.family == Family::ServiceUnavailable && reply.code == Some(459) => {
                codes::read(&asked, reply)
            }
            // So are the codes for SPF, DKIM and DMARC (RFC 7372), whatever part of the transaction is named beside them, or
            // that a limit is the penalty.
            Some(row)
                if matches!(
                    row.family,
                    Family::SenderRejected
                        | Family::RecipientRejected
                        | Family::Rejected
                        | Family::ContentRejected
                        | Family::RateLimited
                ) && codes::read(&asked, reply)
                    .is_some_and(|by_code| by_code.family == Family::DomainUnauthenticated) =>
            {
                codes::read(&asked, reply)
            }
            Some(row)
                if row.strength < Strength::Sure && codes::defined(&asked, reply).is_some() =>
            {
                codes::defined(&asked, reply)
            }
            // "Not available" for good is what the subject of the code says: an address, a mailbox (RFC 3463 3.2, 3.3).
            Some(row)
                if row.family == Family::ServiceUnavailable
                    && row.strength == Strength::Generic
                    && reply.enhanced.is_some_and(|status| {
                        status.class == 5 && matches!(status.subject, 1 | 2)
                    }) =>
            {
                codes::read(&asked, reply)
            }
            Some(row)
                if row.family == Family::ServiceUnavailable
                    && defined
                    && codes::read(&asked, reply).is_some() =>
            {
                codes::read(&asked, reply)
            }
            Some(row) => Some(Answer {
                family: row.family,
                origin: row.origin,
                by_text: true,
            }),
            None => codes::read(&asked, reply),
        };
        answer.map(|answer| asked.refine(answer, reply))
    }

    /// A code that says why the login failed, where the words of `row` say only that it did: "login failed" is the symptom
    /// of a locked mailbox too (RFC 5530 3, RFC 4954 6, RFC 2449 8, RFC 5804 1.3).
    fn cause(&self, asked: &Asked, reply: &Reply, row: &Words) -> Option<Answer> {
        if row.family != Family::CredentialsRejected || row.place != Place::Login {
            return None;
        }
        let cause = codes::cause(asked, reply)?;
        // "Invalid password" is more than a symptom. Only a response code that itself names a cause outranks it.
        let names = |code: &Foreign| code.as_str() != "CONTACTADMIN";
        let outranks_all = reply.response_code.as_ref().is_some_and(names);
        let more = || {
            self.by_words(asked, reply, |row| !row.symptom)
                .is_some_and(|row| row.family == Family::CredentialsRejected)
        };
        (outranks_all || row.symptom && !more()).then_some(cause)
    }

    /// Trouble of the server's own, where the words of `row` only name what it was about to judge: for the time being (RFC 5321 4.2.1).
    fn trouble(&self, asked: &Asked, reply: &Reply, row: &Words) -> Option<Answer> {
        if !asked.is_smtp() || !matches!(reply.code, Some(400..500)) {
            return None;
        }
        let lower = reply.text.as_str().to_ascii_lowercase();
        let answer = |family, origin| Answer {
            family,
            origin,
            by_text: true,
        };
        match row.family {
            Family::ContentRejected if scanner_is_broken(&lower) => Some(answer(
                Family::ServiceUnavailable,
                "amavisd; clamav-milter; Exim: the scanner does not answer",
            )),
            Family::RecipientRejected if recipient_not_verified(&lower) => Some(answer(
                Family::Temporary,
                "Postfix src/smtpd/smtpd_check.c (reject_unverified_recipient)",
            )),
            Family::SenderRejected if lower.contains("address verification in progress") => {
                Some(answer(
                    Family::Temporary,
                    "Postfix src/smtpd/smtpd_check.c (reject_unverified_sender)",
                ))
            }
            Family::RecipientRejected | Family::SenderRejected if row.strength < Strength::Sure => {
                let own = |row: &Words| {
                    row.family == Family::ServiceUnavailable && row.strength > Strength::Generic
                };
                let named = self.by_words(asked, reply, own).map(|row| row.origin);
                let origin =
                    named.or_else(|| judging_failed(&lower).then_some("RFC 3463 3.4 (4.3.x)"))?;
                Some(answer(Family::ServiceUnavailable, origin))
            }
            _ => None,
        }
    }

    fn by_words(
        &self,
        asked: &Asked,
        reply: &Reply,
        wanted: impl Fn(&Words) -> bool,
    ) -> Option<&'static Words> {
        let text = reply.text.as_str();
        let lower = text.to_ascii_lowercase();
        let mut best: Option<(Strength, usize, &'static Words)> = None;
        for found in self.automaton.as_ref()?.find_overlapping_iter(&lower) {
            let Some(entry) = self.texts.get(found.pattern().as_usize()) else {
                continue;
            };
            let better = best.is_none_or(|(strength, length, _)| {
                (entry.row.strength, entry.length) > (strength, length)
            });
            if better
                && wanted(entry.row)
                && asked.is_at(entry.row.place)
                && !in_name(asked, text, found.start(), found.end())
                && starts_word(text, found.start())
                && !denied(&lower, found.start())
                && follows(&lower, found.end(), &entry.rest)
            {
                best = Some((entry.row.strength, entry.length, entry.row));
            }
        }
        best.map(|(_, _, row)| row)
    }
}

/// Exchange's words for a command that comes too early.
fn says_wrong_state(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    text.contains("not valid in this state")
}

/// What a reply answers.
struct Asked {
    language: Language,
    phase: Phase,
    command: Option<Verb>,
    tls: bool,
    /// It is a 421, which begins with the server's name.
    closing: bool,
    /// It is a 4xx.
    transient: bool,
}

impl Asked {
    fn is_smtp(&self) -> bool {
        matches!(self.language, Language::Smtp | Language::Lmtp)
    }

    fn is_login(&self) -> bool {
        self.phase == Phase::Auth
            || matches!(
                self.command,
                Some(
                    Verb::Auth(_)
                        | Verb::AuthStep
                        | Verb::Login
                        | Verb::User
                        | Verb::Pass
                        | Verb::Apop
                )
            )
    }

    fn is_at(&self, place: Place) -> bool {
        match place {
            Place::Any => true,
            Place::Smtp => self.is_smtp(),
            Place::Transaction => self.is_smtp() && !self.is_login(),
            Place::ForGood => self.is_smtp() && !self.is_login() && !self.transient,
            Place::Mailbox => !self.is_smtp(),
            Place::Login => self.is_login(),
            Place::Rcpt => self.command == Some(Verb::Rcpt),
            Place::Hello => {
                matches!(self.command, Some(Verb::Ehlo | Verb::Helo | Verb::Lhlo))
            }
            Place::Data => matches!(
                self.command,
                Some(Verb::Data | Verb::DataLast | Verb::DataStart)
            ),
            Place::Starttls => self.command == Some(Verb::Starttls),
            Place::Connection => self.phase == Phase::Greeting || self.command.is_none(),
        }
    }

    /// What depends on more than the words.
    fn refine(&self, mut answer: Answer, reply: &Reply) -> Answer {
        let oauth = matches!(
            self.command,
            Some(Verb::Auth(Mechanism::Xoauth2 | Mechanism::OauthBearer))
        );
        answer.family = match answer.family {
            Family::CredentialsRejected if oauth => Family::TokenRejected,
            // "Must issue STARTTLS" to a login is about the login.
            Family::StarttlsRequired if self.is_login() => Family::NeedsTls,
            // A refused STARTTLS cannot be cured by STARTTLS.
            Family::ServiceUnavailable | Family::Temporary | Family::AuthServerFailure
                if self.command == Some(Verb::Starttls) =>
            {
                Family::StarttlsRefused
            }
            Family::MechanismUnsupported if !self.is_login() => Family::ProtocolError,
            // AUTH that is not on offer: before TLS it may be afterwards, within TLS it is not there.
            Family::MechanismUnsupported if reply.code == Some(503) && !self.tls => {
                Family::NeedsTls
            }
            Family::NeedsTls if reply.code == Some(503) && self.tls => Family::MechanismUnsupported,
            // NO to a script or its name is about the script, whatever words it quotes (RFC 5804 2.6).
            Family::ProtocolError | Family::Temporary
                if self.language == Language::Sieve && reply.status == Status::Negative =>
            {
                Family::Rejected
            }
            // Exchange says no more to a login in clear that its settings forbid: USER is not valid before STLS.
            Family::ProtocolError
                if self.language == Language::Pop3
                    && self.is_login()
                    && !self.tls
                    && says_wrong_state(reply) =>
            {
                Family::NeedsTls
            }
            // The account of the recipient, not the client's own.
            Family::AccountDisabled if self.command == Some(Verb::Rcpt) => {
                Family::RecipientRejected
            }
            // MAIL names the sender alone (RFC 5321 3.3): an address refused there is the sender's.
            Family::RecipientRejected
                if self.command == Some(Verb::Mail)
                    && !reply
                        .text
                        .as_str()
                        .to_ascii_lowercase()
                        .contains("recipient") =>
            {
                Family::SenderRejected
            }
            // "Come back later" for good is no greylist.
            Family::Greylisted if reply.status == Status::Negative && self.is_smtp() => {
                Family::ServiceUnavailable
            }
            family => family,
        };
        answer
    }
}
