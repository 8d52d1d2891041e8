//! What the codes alone say, where no text names a cause.
//!
//! Sources: RFC 5321 4.2.3, RFC 4954 6, RFC 5248 and the IANA registry of enhanced codes, RFC 5530,
//! RFC 2449 8, RFC 3206, RFC 5804 1.3, and the vendors' lists that are named at the rows.

use super::{Asked, Place};
use crate::proto::mail::dialogue::Family::{self, *};
use crate::proto::mail::dialogue::{Answer, Language, Phase, Reply, Status, Verb};

/// Reads the codes.
pub(super) fn read(asked: &Asked, reply: &Reply) -> Option<Answer> {
    let (family, origin) = if asked.is_smtp() {
        smtp(asked, reply)?
    } else {
        mailbox(asked, reply)?
    };
    Some(Answer {
        family,
        origin,
        by_text: false,
    })
}

/// The code that says why a login failed, whatever the password was; `None` where it only refuses, or only ends the session.
pub(super) fn cause(asked: &Asked, reply: &Reply) -> Option<Answer> {
    let (family, origin) = if asked.is_smtp() {
        if matches!(reply.code, Some(421 | 500..=503 | 530)) {
            return None;
        }
        smtp(asked, reply)?
    } else {
        let (family, origin) = response_code(asked, reply)?;
        let authorized = reply.response_code.as_ref();
        if authorized.is_some_and(|code| code.as_str() == "AUTHORIZATIONFAILED") {
            return Some(Answer {
                family,
                origin,
                by_text: false,
            });
        }
        (family, origin)
    };
    let causes = match family {
        // Beside 535 the detail 9 is only a second opinion.
        AppPasswordRequired => reply.code != Some(535),
        AuthServerFailure | ServiceUnavailable | PasswordExpired | AccountDisabled | NeedsTls
        | MailboxBusy | TooManyConnections | MechanismUnsupported | WebLoginRequired => true,
        _ => false,
    };
    causes.then_some(Answer {
        family,
        origin,
        by_text: false,
    })
}

fn smtp(asked: &Asked, reply: &Reply) -> Option<(Family, &'static str)> {
    let code = reply.code?;
    let login = asked.is_login();
    if let Some(found) = enhanced(asked, reply, code, login) {
        return Some(found);
    }
    let transient = (400..500).contains(&code);
    Some(match code {
        432 if login => (PasswordExpired, "RFC 4954 6"),
        435 if login => (AuthServerFailure, "Exim src/smtp_in.c"),
        454 if login => (AuthServerFailure, "RFC 4954 6"),
        454 if asked.command == Some(Verb::Starttls) => (StarttlsRefused, "RFC 3207 4"),
        500..=503 | 554 if asked.command == Some(Verb::Starttls) => (StarttlsRefused, "RFC 3207 4"),
        523 | 524 | 538 if login => (NeedsTls, "RFC 4954 6, RFC 5248"),
        525 if login => (AccountDisabled, "RFC 5248"),
        // Who is asked to let somebody in does not ask for a login: what is missing before it is TLS (RFC 3207 4).
        530 if login && !asked.tls => (NeedsTls, "RFC 3207 4"),
        530 => (AuthRequired, "RFC 4954 6"),
        534 => (AppPasswordRequired, "RFC 4954 6, Google"),
        535 => (CredentialsRejected, "RFC 4954 6"),
        504 if login => (MechanismUnsupported, "RFC 4954 4"),
        500 | 502 | 503 if login && !asked.tls => (NeedsTls, "RFC 4954 4 (AUTH not offered)"),
        500 | 502 if login => (MechanismUnsupported, "RFC 4954 4 (AUTH not offered)"),
        _ if login && transient => (AuthServerFailure, "RFC 4954 6"),
        550 | 553 | 554 if login => (CredentialsRejected, "RFC 4954 6"),
        // It hangs up on purpose; that it is itself in trouble is subject 3 or 4.
        421 if reply.enhanced.is_some_and(|status| status.subject == 7) => (
            if asked.phase == Phase::Greeting {
                GreetingRejected
            } else {
                Temporary
            },
            "RFC 3463 3.8 (security or policy)",
        ),
        421 => (ServiceUnavailable, "RFC 5321 4.2.3"),
        221 if asked.command == Some(Verb::Unknown) => (
            ProtocolError,
            "Postfix src/smtpd/smtpd.c (smtpd_forbidden_commands)",
        ),
        221 => (ServiceUnavailable, "RFC 5321 4.2.3"),
        459 => (Rejected, "RFC 1985 (node not allowed)"),
        500..=504 | 555 => (ProtocolError, "RFC 5321 4.2.3"),
        552 if matches!(
            asked.command,
            Some(Verb::Mail | Verb::Data | Verb::DataLast)
        ) =>
        {
            (MessageTooLarge, "RFC 1870 6")
        }
        552 if asked.command == Some(Verb::Rcpt) => (MailboxFull, "RFC 5321 4.2.3"),
        521 | 554 if asked.phase == Phase::Greeting => (GreetingRejected, "RFC 7504, RFC 5321 3.1"),
        // 521 is also how servers hang up (Postfix); with 5.5.1, 5.5.2 or 5.5.4 it was for the client's syntax.
        521 if reply.enhanced.is_some_and(|status| {
            (status.subject, status.class) == (5, 5) && matches!(status.detail, 1 | 2 | 4)
        }) =>
        {
            (ProtocolError, "RFC 3463 3.6")
        }
        521 | 556 => (Rejected, "RFC 7504"),
        _ if asked.phase == Phase::Greeting => (GreetingRejected, "RFC 5321 3.1"),
        _ => stage(asked, reply, transient),
    })
}

/// A 4xx or 5xx that says nothing more: the stage gives the family, unless the subject of its enhanced code is another.
fn stage(asked: &Asked, reply: &Reply, transient: bool) -> (Family, &'static str) {
    const ORIGIN: &str = "RFC 5321 4.2.3";
    if transient {
        return (Temporary, ORIGIN);
    }
    let subject = reply.enhanced.map(|status| status.subject);
    let family = match asked.command {
        // An address or a mailbox: behind RCPT that is the recipient's.
        _ if asked.is_at(Place::Data) && matches!(subject, Some(1 | 2)) => {
            return (RecipientRejected, "RFC 3463 3.2, 3.3");
        }
        Some(Verb::Ehlo | Verb::Helo | Verb::Lhlo) => HeloRejected,
        Some(Verb::Mail) => SenderRejected,
        Some(Verb::Rcpt) => RecipientRejected,
        _ => Rejected,
    };
    (family, ORIGIN)
}

/// Enhanced codes (IANA registry, RFC 5248); Google's and Microsoft's own details by their documents.
fn enhanced(
    asked: &Asked,
    reply: &Reply,
    code: u16,
    login: bool,
) -> Option<(Family, &'static str)> {
    const REGISTRY: &str = "IANA enhanced status codes (RFC 5248)";
    const GOOGLE: &str = "Google support.google.com/a/answer/3726730";
    const MICROSOFT: &str = "Microsoft learn.microsoft.com exchange non-delivery reports";
    const NULL_MX: &str = "RFC 7505 4.2";
    let status = reply.enhanced?;
    // Before the message nothing is known of its content: there these are about the address (RFC 6531 3.6).
    let envelope = matches!(asked.command, Some(Verb::Mail | Verb::Rcpt));
    let family = match (status.subject, status.detail) {
        // The registry's meaning of 27. Google's, SPF, has no such words.
        (7, 27) if names_null_mx(reply) => return Some((SenderRejected, NULL_MX)),
        (7, 26 | 27 | 30..=32 | 40) => return Some((DomainUnauthenticated, GOOGLE)),
        (7, 20..=24 | 515 | 509) => {
            return Some((DomainUnauthenticated, "RFC 7372, Microsoft"));
        }
        (7, 25) => RdnsRequired,
        (7, 510) => return Some((RdnsRequired, MICROSOFT)),
        // "Message must be RFC 5322 section 3.6.2 compliant": its From.
        (7, 512) => return Some((ContentRejected, MICROSOFT)),
        (7, 28) => return Some((RateLimited, GOOGLE)),
        (7, 29) => return Some((StarttlsRequired, GOOGLE)),
        (7, 511 | 606..=649 | 708) => return Some((Blocklisted, MICROSOFT)),
        // The organization forbids the recipient; the others from 700 on are about how much is sent.
        (7, 703) => return Some((Rejected, MICROSOFT)),
        (7, 500 | 508 | 650 | 700..=749 | 850..=899) => return Some((RateLimited, MICROSOFT)),
        (7, 54 | 64) if !login => return Some((RelayDenied, MICROSOFT)),
        (7, 57) => return Some((AuthRequired, MICROSOFT)),
        (7, 124 | 133..=137) if !login => return Some((RecipientRejected, MICROSOFT)),
        (7, 501..=503) => return Some((SenderRejected, MICROSOFT)),
        (7, 9) if asked.is_at(Place::Data) => {
            return Some((
                DomainUnauthenticated,
                "Yahoo senders.yahooinc.com/smtp-error-codes",
            ));
        }
        (7, 60) => return Some((SenderRejected, MICROSOFT)),
        (7, 8) => CredentialsRejected,
        (7, 9) if login => match code {
            504 => MechanismUnsupported,
            _ => AppPasswordRequired,
        },
        (7, 14) if login => return Some((WebLoginRequired, GOOGLE)),
        (7, 10 | 11) if login => NeedsTls,
        (7, 10 | 11) => StarttlsRequired,
        (5, 6) if login => return Some((ProtocolError, "RFC 4954 6")),
        (7, 12) if login => PasswordExpired,
        (7, 13) => AccountDisabled,
        (7, 139) if login => return Some((CredentialsRejected, MICROSOFT)),
        (7, 3) if login => return Some((CredentialsRejected, MICROSOFT)),
        (7, 4) if login => MechanismUnsupported,
        (7, 0) if login && status.class == 4 => AuthServerFailure,
        (5, 4) if login && code == 504 => MechanismUnsupported,
        (2, 2) => MailboxFull,
        (3, 4) => MessageTooLarge,
        (2, 3) => MessageTooLarge,
        (5, 3) => RateLimited,
        (4, 5) if status.class == 5 => RateLimited,
        (4, 2) if code == 421 => IdleTimeout,
        (1, 0..=4 | 6 | 10) if !login => RecipientRejected,
        // Its owner changed (RFC 7293 14).
        (7, 17 | 18) if !login => RecipientRejected,
        (1, 7 | 8) if !login => SenderRejected,
        (3, 0 | 2 | 5) if status.class == 4 && !login => ServiceUnavailable,
        (3, 1) if status.class == 4 => ServiceUnavailable,
        (6, 7) if asked.command == Some(Verb::Mail) => {
            return Some((SenderRejected, "RFC 6531 3.5"));
        }
        (6, 7) if asked.command == Some(Verb::Rcpt) => {
            return Some((RecipientRejected, "RFC 6531 3.5"));
        }
        (6, _) | (7, 7) if !envelope => ContentRejected,
        _ => return None,
    };
    Some((family, REGISTRY))
}

/// The sender's domain says that it takes no mail (RFC 7505 4.2).
fn names_null_mx(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    text.contains("nullmx") || text.contains("null mx") || text.contains("does not accept mail")
}

/// What the vendor's own detail (X.7.500) defines, and nothing else of the reply.
pub(super) fn defined(asked: &Asked, reply: &Reply) -> Option<Answer> {
    let (code, status) = (reply.code?, reply.enhanced?);
    if status.detail < 100 || asked.is_login() {
        return None;
    }
    let (family, origin) = enhanced(asked, reply, code, false)?;
    Some(Answer {
        family,
        origin,
        by_text: false,
    })
}

/// What the response code says (RFC 5530, RFC 2449 8, RFC 3206, RFC 5804 1.3).
fn response_code(asked: &Asked, reply: &Reply) -> Option<(Family, &'static str)> {
    let login = asked.is_login();
    let code = reply.response_code.as_ref()?;
    match code.as_str() {
        "AUTHENTICATIONFAILED" => Some((CredentialsRejected, "RFC 5530 3")),
        // The password was right; what it may be used for was not.
        "AUTHORIZATIONFAILED" if login => Some((Rejected, "RFC 5530 3")),
        "EXPIRED" => Some((PasswordExpired, "RFC 5530 3")),
        "PRIVACYREQUIRED" | "ENCRYPT-NEEDED" => Some((NeedsTls, "RFC 5530 3, RFC 5804 1.3")),
        "AUTH-TOO-WEAK" => Some((MechanismUnsupported, "RFC 5804 1.3")),
        "TRANSITION-NEEDED" => Some((PasswordExpired, "RFC 5804 1.3")),
        "UNAVAILABLE" | "SYS/TEMP" | "TRYLATER" | "SERVERBUG" | "SYS/PERM" if login => {
            Some((AuthServerFailure, "RFC 5530 3, RFC 3206"))
        }
        "UNAVAILABLE" | "SYS/TEMP" | "SYS/PERM" | "TRYLATER" | "SERVERBUG" => {
            Some((ServiceUnavailable, "RFC 5530 3, RFC 3206"))
        }
        "INUSE" | "IN-USE" | "LOGIN-DELAY" => Some((MailboxBusy, "RFC 5530 3, RFC 2449 8")),
        // On a command of its own it is that command's limit: of keywords, of mailboxes.
        "LIMIT" if login || asked.phase == Phase::Greeting || asked.command.is_none() => {
            Some((TooManyConnections, "RFC 5530 3"))
        }
        "QUOTA/MAXSIZE" => Some((MessageTooLarge, "RFC 5804 1.3")),
        "OVERQUOTA" | "QUOTA" => Some((MailboxFull, "RFC 5530 3, RFC 5804 1.3")),
        // Whoever it is, another server knows: the password was not looked at.
        "REFERRAL" if login => Some((Rejected, "RFC 2221 4.1, RFC 5804 1.3")),
        // RFC 9051 6.2.3 knows it as a capability; some servers send it as the reason as well.
        "LOGINDISABLED" if !asked.tls => Some((NeedsTls, "RFC 9051 6.2.3")),
        "TOOBIG" => Some((MessageTooLarge, "RFC 4469 5")),
        "CLIENTBUG" => Some((ProtocolError, "RFC 5530 3")),
        "CONTACTADMIN" if login => Some((AccountDisabled, "RFC 5530 3")),
        "AUTH" if login => Some((CredentialsRejected, "RFC 3206 4")),
        // It can never succeed: of a mechanism, that it is none of the server's.
        "CANNOT" if matches!(asked.command, Some(Verb::Auth(_))) => {
            Some((MechanismUnsupported, "RFC 5530 3"))
        }
        "WEBALERT" => Some((WebLoginRequired, "Google IMAP")),
        _ => None,
    }
}

fn mailbox(asked: &Asked, reply: &Reply) -> Option<(Family, &'static str)> {
    let login = asked.is_login();
    let found = response_code(asked, reply);
    if found.is_some() {
        return found;
    }
    let starttls = asked.command == Some(Verb::Starttls);
    Some(match reply.status {
        _ if starttls => (StarttlsRefused, "RFC 9051 6.2.1, RFC 2595 4"),
        Status::Bye if asked.phase == Phase::Greeting => (GreetingRejected, "RFC 9051 7.1.5"),
        Status::Bye => (ServiceUnavailable, "RFC 9051 7.1.5"),
        Status::Bad if login && !asked.tls => (NeedsTls, "RFC 9051 6.2.3 (LOGINDISABLED)"),
        Status::Bad => (ProtocolError, "RFC 9051 7.1.3"),
        _ if asked.phase == Phase::Greeting => (GreetingRejected, "RFC 1939 3"),
        _ if login => (CredentialsRejected, "RFC 9051 6.2.2, RFC 1939 7"),
        _ if asked.language == Language::Pop3 && asked.command == Some(Verb::Unknown) => {
            (ProtocolError, "RFC 1939 3")
        }
        _ if asked.command == Some(Verb::Capability) => (ProtocolError, "RFC 2449 5"),
        _ => (Rejected, "RFC 9051 7.1.2, RFC 1939 3"),
    })
}
