//! What is said of a refusal: the sentence, the evidence, what to do, and what else it may be.
//!
//! The weight is decided elsewhere; here nothing is judged any more.

use super::Judged;
use super::refine::{names_encryption, wrong_state};
use crate::base::{MILLISECOND, Nanos, Side};
use crate::diagnosis::rules::mail::progress::{
    Step, cut, listing, masked_starttls, starttls_offered, step,
};
use crate::diagnosis::rules::mail::refusals::refusal;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::Service;
use crate::proto::mail::{Exchange, Family, Language, Reply, Status};

/// How long servers wait for a PROXY header before they give up with words, with the second that Postfix takes to say them.
const HEADER: (Nanos, Nanos) = (2_500 * MILLISECOND, 6_500 * MILLISECOND);
/// Characters of a summary, about.
const SUMMARY: usize = 108;

pub(super) fn claim(c: &Connection<'_>, judged: &Judged<'_>) -> Claim {
    let family = judged.answer.family;
    let row = refusal(family);
    let words = quoted(judged.reply);
    let (code, says) = if judged.not_offered {
        (
            Code::MailStarttlsMissing,
            "The server does not offer STARTTLS; the client asked for it all the same",
        )
    } else {
        (row.code, says(c, judged, row.says))
    };
    // Whether it was on the list is not known: the list came before the capture, or nobody asked for it.
    let list_unseen = family == Family::StarttlsRefused
        && !judged.not_offered
        && starttls_offered(c.dialogue).is_none();
    let says = if list_unseen {
        "The server refuses STARTTLS"
    } else {
        says
    };
    let place = match family {
        // A limit of the whole server, or of this client alone?
        Family::TooManyConnections if !names_client(judged.reply) => Where::Server,
        // Answers that RFC 5321 does not allow, to commands that it does.
        _ if judged.not_offered => Where::Server,
        _ => row.place,
    };
    let at = match place {
        Where::Client => At::address(place, c.client().ip),
        Where::Server => At::address(place, c.server().ip),
        _ => At::of(place),
    };
    let mut confidence = match (judged.answer.by_text, family) {
        (true, _) => 0.95,
        (false, Family::Rejected | Family::Temporary | Family::GreetingRejected) => 0.88,
        (false, Family::NeedsTls | Family::MechanismUnsupported) => 0.85,
        (false, _) => 0.9,
    };
    if judged.not_offered && starttls_offered(c.dialogue).is_none() {
        confidence = if c.began_late() { 0.65 } else { 0.8 };
    }
    if judged.not_offered && masked_starttls(c.dialogue) {
        confidence = f32::min(confidence, 0.75);
    }
    if list_unseen {
        confidence = f32::min(confidence, 0.65);
    }
    if names_host(judged) {
        confidence = f32::min(confidence, 0.75);
    }
    if maybe_needs_tls(c, judged) {
        confidence = f32::min(confidence, 0.6);
    }
    if unauthenticated_sender(judged) {
        confidence = f32::min(confidence, 0.85);
    }
    if only_at_recipient(judged) {
        confidence = f32::min(confidence, 0.7);
    }
    if wrong_state_unlisted(c, judged) {
        confidence = f32::min(confidence, 0.7);
    }
    if awaited_header(c, judged) {
        confidence = f32::min(confidence, 0.75);
    }
    if maybe_no_logins(c, judged) || maybe_relay(c, judged) {
        confidence = f32::min(confidence, 0.7);
    }
    // What was not captured may have been the next, better try.
    if c.dialogue.gaps > 0 || c.partly_unseen() {
        confidence = f32::min(confidence, 0.75);
    }
    let room = SUMMARY.saturating_sub(says.chars().count()).max(24);
    let mut claim = Claim::new(
        code,
        at,
        judged.reply.at,
        confidence,
        format!("{says}: {}", cut(&words, room)),
    )
    .weighing(judged.weight)
    .shown_by(evidence(judged, &words));
    if let Some(command) = &judged.exchange.command {
        claim = claim.because(command.at, cut(command.text.as_str(), 80));
    }
    if let Some(error) = &judged.reply.sasl_error {
        claim = claim.because(
            judged.reply.at,
            format!("decoded: {}", cut(error.as_str(), 160)),
        );
    }
    if judged.weight == Weight::Fatal {
        claim = claim.provisional_if(!c.ended() && c.dialogue.quit.is_none());
    }
    advise(c, judged, claim, row.advice)
}

/// The sentence, made more exact where the dialogue allows.
fn says(c: &Connection<'_>, judged: &Judged<'_>, usual: &'static str) -> &'static str {
    let recipients = || {
        let exchanges = c.dialogue.exchanges.iter();
        exchanges.filter(|exchange| step(c.dialogue, exchange) == Step::Recipient)
    };
    let accepted = |exchange: &Exchange| {
        let reply = exchange.reply.as_ref();
        reply.is_some_and(|reply| reply.status == Status::Positive)
    };
    let all_refused = judged.step == Step::Recipient
        && judged.weight == Weight::Fatal
        && recipients().count() > 1
        && !recipients().any(accepted);
    match judged.answer.family {
        // Of logins the words name no other reason than the address.
        Family::Rejected if judged.step == Step::Login && judged.answer.by_text => {
            "The account may not be used from this client's address"
        }
        Family::Rejected if not_authorized(judged.reply) => {
            "The login was right, and may not be used for what was asked"
        }
        Family::Rejected if refers(judged.reply) => "The server sends the client to another server",
        _ if names_host(judged) => "The server refused this client's address and does not say why",
        Family::RecipientRejected if all_refused => "The server refused every recipient",
        Family::RecipientRejected if judged.weight == Weight::Finding => {
            "The server refused one of the recipients"
        }
        Family::CredentialsRejected
            if judged.weight == Weight::Finding
                && c.dialogue
                    .authenticated
                    .is_some_and(|worked| worked.time >= judged.reply.done.time) =>
        {
            "A login was rejected before another one worked"
        }
        _ => usual,
    }
}

fn advise(
    c: &Connection<'_>,
    judged: &Judged<'_>,
    mut claim: Claim,
    advice: &'static [&'static str],
) -> Claim {
    let dialogue = c.dialogue;
    let tried = dialogue
        .exchanges
        .iter()
        .any(|exchange| step(dialogue, exchange) == Step::Login);
    let untried = !tried && !dialogue.mechanisms.is_empty();
    if names_host(judged) {
        claim = claim.or(
            Code::MailRejected,
            0.1,
            "the server's log: which of its rules refuses the client",
        );
        if untried && judged.weight == Weight::Fatal {
            claim = claim.or(Code::AuthRequired, 0.1, "the same mail after a login");
        }
    }
    let family = judged.answer.family;
    if judged.not_offered {
        claim = claim.advise("Server's operator: certificate and switch (Postfix smtpd_tls_security_level = may, Exim tls_advertise_hosts = *, Dovecot ssl = yes)")
            .advise("Client: implicit TLS (465, 993, 995)")
            .or(
                Code::MailStarttlsStripped,
                match (c.began_late(), masked_starttls(dialogue)) {
                    (true, _) => 0.3,
                    (false, true) => 0.2,
                    (false, false) => 0.08,
                },
                "a capture at the server, or another path: whether its list has STARTTLS there",
            );
        return claim;
    }
    match family {
        Family::RelayDenied | Family::AuthRequired if untried => {
            claim = claim.advise("AUTH was offered and not tried: set the client up to log in");
        }
        Family::AuthRequired
            if c.tls.is_none()
                && dialogue.mechanisms.is_empty()
                && starttls_offered(dialogue) == Some(true) =>
        {
            claim = claim.advise(
                "Client: start TLS first (STARTTLS is offered); logins are offered inside it",
            );
        }
        _ => {}
    }
    if family == Family::Rejected && refers(judged.reply) {
        claim = claim.advise("Client: log in at the server that the reply names");
    }
    for text in advice {
        claim = claim.advise(*text);
    }
    match family {
        Family::StarttlsRefused if starttls_offered(dialogue).is_none() => claim.or(
            Code::MailStarttlsMissing,
            0.3,
            "the server's list of capabilities: whether it offers STARTTLS",
        ),
        Family::RelayDenied | Family::SenderRejected if untried && judged.weight == Weight::Fatal => claim.or(
            Code::AuthRequired,
            0.05,
            "the same mail after a login",
        ),
        Family::CredentialsRejected if is_gmail(c) => claim.or(
            Code::AuthAppPasswordRequired,
            0.1,
            "whether the account uses two-step verification: then only an app password or OAuth works",
        ),
        Family::CredentialsRejected if !judged.answer.by_text && is_microsoft(c) => claim.or(
            Code::AuthOauthRequired,
            0.2,
            "the account's sign-in log: whether basic authentication is switched off",
        ),
        Family::CredentialsRejected if maybe_needs_tls(c, judged) => claim.or(
            Code::AuthNeedsTls,
            0.35,
            "the same login after STARTTLS: no method of logging in is offered in clear",
        ),
        // RFC 9051 6.2.3: LOGINDISABLED would explain it, and the list was not (wholly) seen.
        Family::CredentialsRejected
            if c.tls.is_none()
                && dialogue.is_mailbox()
                && (c.partly_unseen() || c.began_late()) =>
        {
            claim.or(
                Code::AuthNeedsTls,
                0.2,
                "the server's list of capabilities: LOGINDISABLED",
            )
        }
        Family::NeedsTls if maybe_no_logins(c, judged) => claim.or(
            Code::AuthMechanismUnsupported,
            0.25,
            "the list that the server shows inside TLS: whether it has AUTH",
        ),
        Family::AuthRequired if unauthenticated_sender(judged) => claim.or(
            Code::MailSenderRejected,
            0.1,
            "the same mail from a sender's address that is no account of this server",
        ),
        Family::Rejected if not_authorized(judged.reply) => claim.or(
            Code::AuthCredentialsRejected,
            0.1,
            "the same login elsewhere, or the server's log: whether the password was right",
        ),
        Family::RecipientRejected if only_at_recipient(judged) && !maybe_relay(c, judged) => claim.or(
            Code::MailRejected,
            0.25,
            "the server's log, or the same recipient from another client: whether it is the recipient that is refused",
        ),
        Family::Rejected if judged.step == Step::Recipient && !judged.answer.by_text => claim.or(
            Code::MailRecipientRejected,
            0.1,
            "the same mail to another recipient of this server",
        ),
        Family::NeedsTls if wrong_state_unlisted(c, judged) => claim.or(
            Code::MailProtocolError,
            0.25,
            "the server's list of capabilities: whether it has LOGINDISABLED",
        ),
        Family::RecipientRejected if maybe_relay(c, judged) => claim.or(
            Code::MailRelayDenied,
            0.3,
            "whether the recipient's domain is one of this server's",
        ),
        Family::ServiceUnavailable if awaited_header(c, judged) => claim.or(
            Code::MailProxyProtocol,
            0.2,
            "the server's configuration: does this port expect a PROXY header (smtpd_upstream_proxy_protocol)?",
        ),
        Family::IdleTimeout if dialogue.in_data.is_some() => claim.or(
            Code::TcpStalled,
            0.2,
            "a capture at the server: whether the rest of the message arrives there",
        ),
        Family::MechanismUnsupported if c.tls.is_none() && !judged.answer.by_text => claim.or(
            Code::AuthNeedsTls,
            0.1,
            "the list that the server shows inside TLS",
        ),
        _ => claim,
    }
}

fn evidence(judged: &Judged<'_>, words: &str) -> String {
    match &judged.exchange.command {
        Some(command) => format!(
            "reply to {}: {}",
            cut(command.text.as_str(), 60),
            cut(words, 200)
        ),
        None => format!("the server says: {}", cut(words, 200)),
    }
}

/// The reply in one line, codes first.
fn quoted(reply: &Reply) -> String {
    let line = reply.line.as_str().trim_end();
    if reply.lines <= 1 {
        return line.to_owned();
    }
    match (reply.code, reply.enhanced) {
        (Some(code), Some(e)) => {
            let (class, subject, detail) = (e.class, e.subject, e.detail);
            format!("{code} {class}.{subject}.{detail} {}", reply.text)
        }
        (Some(code), None) => format!("{code} {}", reply.text),
        _ => line.to_owned(),
    }
}

/// The limit is one of this client, user or address.
fn names_client(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    let limit = reply
        .response_code
        .as_ref()
        .is_some_and(|code| code.as_str() == "LIMIT");
    limit
        || [
            "from",
            "your",
            "user",
            "per ip",
            "this ip",
            "simultaneous",
            "client",
            "account",
        ]
        .iter()
        .any(|word| text.contains(word))
}

/// Whoever it is, another server has the mailbox (RFC 2221 4.1, RFC 5804 1.3).
fn refers(reply: &Reply) -> bool {
    let code = reply.response_code.as_ref();
    code.is_some_and(|code| code.as_str() == "REFERRAL")
}

/// Who logged in is known, and may not act for the user that was asked for (RFC 5530 3).
fn not_authorized(reply: &Reply) -> bool {
    let code = reply.response_code.as_ref();
    code.is_some_and(|code| code.as_str() == "AUTHORIZATIONFAILED")
}

/// Somebody's address as sender, and nobody has logged in.
fn unauthenticated_sender(judged: &Judged<'_>) -> bool {
    let text = judged.reply.text.as_str().to_ascii_lowercase();
    judged.answer.family == Family::AuthRequired && text.contains("sender address rejected")
}

/// That the recipient was refused is all that is known: 550 stands for a mailbox that is not there and for policy alike (RFC 5321 4.2.3), 554 for
/// whatever failed, and no word or enhanced code (RFC 3463 3.2, 3.3) says which.
fn only_at_recipient(judged: &Judged<'_>) -> bool {
    let reply = judged.reply;
    judged.answer.family == Family::RecipientRejected
        && judged.step == Step::Recipient
        && !judged.answer.by_text
        && matches!(reply.code, Some(550 | 554))
        && reply
            .enhanced
            .is_none_or(|status| matches!(status.subject, 0 | 4 | 5))
}

/// "Invalid state" for a LOGIN in clear, and no list that says whether that is because of TLS.
fn wrong_state_unlisted(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    judged.answer.family == Family::NeedsTls
        && wrong_state(judged.reply)
        && listing(c.dialogue).is_none()
}

/// All that is said is that the client's host is refused: a list, a table of the server's own, and a rule that lets nobody in who has not
/// logged in look like that (Postfix src/smtpd/smtpd_check.c: the text of every REJECT without one of its own).
fn names_host(judged: &Judged<'_>) -> bool {
    let text = judged.reply.text.as_str();
    judged.answer.family == Family::Blocklisted
        && text
            .to_ascii_lowercase()
            .contains("client host rejected: access denied")
}

/// A login in clear where the list has no method for it and offers STARTTLS (RFC 4954 4, RFC 5804 2.1): some servers then refuse
/// every password with the words for a wrong one.
fn maybe_needs_tls(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    judged.answer.family == Family::CredentialsRejected
        && judged.step == Step::Login
        && c.tls.is_none()
        && c.dialogue.starttls_accepted.is_none()
        && c.dialogue.mechanisms.is_empty()
        && matches!(
            c.dialogue.language,
            Some(Language::Smtp | Language::Lmtp | Language::Sieve)
        )
        && starttls_offered(c.dialogue) == Some(true)
}

/// AUTH on the port for mail between servers, not offered before TLS: it may not be offered within it either (most servers there have no logins).
fn maybe_no_logins(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    judged.answer.family == Family::NeedsTls
        && c.service == Service::Smtp
        && c.tls.is_none()
        && c.dialogue.mechanisms.is_empty()
        && !names_encryption(judged.reply)
}

/// A server that is set up for a PROXY header waits for it about 5 s (Postfix src/smtpd/smtpd_haproxy.c, smtpd_upstream_proxy_timeout),
/// and then says only that something of its own is wrong: 421 4.3.0 in the place of its greeting.
fn awaited_header(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    let reply = judged.reply;
    let local = reply.code == Some(421) && reply.enhanced.is_none_or(|status| status.subject == 3);
    let waited = c.tcp.established.map(|mark| reply.at.time.since(mark.time));
    let silent = c.tcp.sides[Side::Client]
        .first_data
        .is_none_or(|said| reply.at.is_before(said));
    judged.answer.family == Family::ServiceUnavailable
        && judged.step == Step::Greeting
        && local
        && silent
        && c.dialogue.proxy_preface.is_none()
        && waited.is_some_and(|waited| (HEADER.0..=HEADER.1).contains(&waited))
}

/// OpenSMTPD says the same of an unknown user and of a domain that it does not relay to (smtpd/smtp_session.c).
fn maybe_relay(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    judged.answer.family == Family::RecipientRejected
        && judged.reply.enhanced.is_none()
        && software_is(c, "OpenSMTPD")
        && judged.reply.text.as_str().starts_with("Invalid recipient")
}

fn software_is(c: &Connection<'_>, name: &str) -> bool {
    c.dialogue
        .software
        .as_ref()
        .is_some_and(|software| software.as_str().eq_ignore_ascii_case(name))
}

fn is_gmail(c: &Connection<'_>) -> bool {
    software_is(c, "Gmail")
}

fn is_microsoft(c: &Connection<'_>) -> bool {
    software_is(c, "Exchange") || software_is(c, "Exchange Online")
}
