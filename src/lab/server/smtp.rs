//! SMTP, submission and LMTP as RFC 5321, 6409, 3207, 4954, 3030 and 2033 have them, for one connection.
//!
//! Mail is taken for the accounts' addresses, elsewhere only after a login; nothing is stored. It
//! refuses to be lenient or strict in interesting ways: a scenario says what goes wrong.

use super::channel::End;
use super::sasl::{self, Login};
use super::session::Session;
use super::spec::{ServiceKind, StartTls};
use super::texts::{Smtp, smtp};

/// The message size that EHLO announces, in bytes.
const SIZE: usize = 10_240_000;

struct Mail {
    helo: bool,
    sender: bool,
    recipients: Vec<String>,
}

/// What the software says when the client was silent for too long.
pub fn farewell(session: &Session<'_>) -> Vec<String> {
    vec![text(session, Smtp::Timeout, "")]
}

/// What the software says to one connection too many.
pub fn too_many(session: &Session<'_>) -> Vec<String> {
    let who = session
        .channel
        .peer()
        .map_or_else(String::new, |peer| peer.ip().to_string());
    vec![text(session, Smtp::TooMany, &who)]
}

fn text(session: &Session<'_>, what: Smtp, who: &str) -> String {
    smtp(session.service.software(), what, &session.service.host, who)
}

/// The whole dialogue.
pub fn serve(session: &mut Session<'_>) -> Result<(), End> {
    let greeting = match session.service.spec.kind {
        ServiceKind::Lmtp => format!("220 {} LMTP Dovecot ready.", session.service.host),
        _ => text(session, Smtp::Greeting, ""),
    };
    session.greet(&[greeting])?;
    let mut mail = Mail {
        helo: false,
        sender: false,
        recipients: Vec::new(),
    };
    loop {
        let line = session.channel.line()?;
        command(session, &mut mail, &line)?;
    }
}

fn command(session: &mut Session<'_>, mail: &mut Mail, line: &str) -> Result<(), End> {
    let verb = line
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let spec = &session.service.spec;
    let lmtp = spec.kind == ServiceKind::Lmtp;
    let must_login = spec.requires_login.unwrap_or(matches!(
        spec.kind,
        ServiceKind::Submission | ServiceKind::Submissions
    )) && session.user.is_none();
    let free = matches!(
        verb.as_str(),
        "EHLO" | "HELO" | "LHLO" | "NOOP" | "QUIT" | "RSET" | "STARTTLS"
    );
    if spec.requires_tls && !session.secure() && !free {
        let say = text(session, Smtp::TlsFirst, "");
        return session.answer(line, "", &[say]).map(drop);
    }
    match verb.as_str() {
        "EHLO" | "HELO" | "LHLO" => {
            let lines = hello(session, &verb);
            if session.answer(line, "", &lines)? {
                mail.helo = true;
                mail.sender = false;
                mail.recipients.clear();
            }
        }
        "STARTTLS" => {
            let refused = spec.starttls == StartTls::Refused;
            let what = match (session.offers_starttls(), refused) {
                (true, false) => Smtp::TlsReady,
                (true, true) => Smtp::TlsBroken,
                (false, _) => Smtp::Unknown,
            };
            let say = text(session, what, "");
            if session.answer(line, "", &[say])? && what == Smtp::TlsReady {
                session.start_tls()?;
                mail.helo = false;
            }
        }
        "AUTH" => auth(session, line)?,
        "MAIL" => {
            let announced = line
                .to_ascii_uppercase()
                .split_once("SIZE=")
                .and_then(|(_, rest)| {
                    rest.split_whitespace()
                        .next()
                        .and_then(|digits| digits.parse::<usize>().ok())
                });
            let what = match announced {
                _ if must_login => Smtp::LoginFirst,
                Some(size) if size > SIZE => Smtp::TooLarge,
                _ => Smtp::SenderOk,
            };
            let say = text(session, what, "");
            mail.sender |= session.answer(line, "", &[say])? && what == Smtp::SenderOk;
        }
        "RCPT" => {
            let address = address(line);
            let domain = |of: &str| {
                of.rsplit_once('@')
                    .map(|(_, domain)| domain.to_ascii_lowercase())
            };
            let accounts = &session.service.accounts;
            let what = if !mail.sender {
                Smtp::OutOfOrder
            } else if session.user.is_some()
                || accounts
                    .iter()
                    .any(|a| a.user.eq_ignore_ascii_case(&address))
            {
                Smtp::RecipientOk
            } else if accounts
                .iter()
                .any(|account| domain(&account.user) == domain(&address))
            {
                Smtp::NoUser
            } else {
                Smtp::Relay
            };
            let say = text(session, what, &address);
            if session.answer(line, "", &[say])? && what == Smtp::RecipientOk {
                mail.recipients.push(address);
            }
        }
        "DATA" => {
            if mail.recipients.is_empty() {
                let say = if mail.sender {
                    "554 5.5.1 Error: no valid recipients".into()
                } else {
                    text(session, Smtp::OutOfOrder, "")
                };
                return session.answer(line, "", &[say]).map(drop);
            }
            let say = text(session, Smtp::Go, "");
            if session.answer(line, "", &[say])? {
                let mut size = 0usize;
                loop {
                    let line = session.channel.line()?;
                    if line == "." {
                        break;
                    }
                    size = size.saturating_add(line.len()).saturating_add(2);
                }
                end_of_message(session, mail, size, lmtp)?;
            }
        }
        "BDAT" => {
            let mut words = line.split_whitespace().skip(1);
            let count = words
                .next()
                .and_then(|word| word.parse::<usize>().ok())
                .unwrap_or(0);
            let last = words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
            session.channel.exact(count)?;
            if mail.recipients.is_empty() {
                let say = text(session, Smtp::OutOfOrder, "");
                session.answer(line, "", &[say])?;
            } else if last {
                end_of_message(session, mail, count, lmtp)?;
            } else {
                session.answer(line, "", &[format!("250 2.0.0 Ok: {count} bytes")])?;
            }
        }
        "RSET" | "NOOP" => {
            let say = text(session, Smtp::Ok, "");
            session.answer(line, "", &[say])?;
            if verb == "RSET" {
                mail.sender = false;
                mail.recipients.clear();
            }
        }
        "QUIT" => {
            let say = text(session, Smtp::Bye, "");
            session.answer(line, "", &[say])?;
            return Err(End::Done);
        }
        "VRFY" => {
            session.answer(line, "", &["252 2.0.0 Cannot VRFY user".into()])?;
        }
        _ => {
            let say = text(session, Smtp::Unknown, "");
            session.answer(line, "", &[say])?;
        }
    }
    Ok(())
}

fn end_of_message(
    session: &mut Session<'_>,
    mail: &mut Mail,
    size: usize,
    lmtp: bool,
) -> Result<(), End> {
    let what = if size > SIZE {
        Smtp::TooLarge
    } else {
        Smtp::Queued
    };
    let one = text(session, what, "");
    let lines = if lmtp {
        mail.recipients.iter().map(|_| one.clone()).collect()
    } else {
        vec![one]
    };
    mail.sender = false;
    mail.recipients.clear();
    session.answer(".", "", &lines).map(drop)
}

fn hello(session: &Session<'_>, verb: &str) -> Vec<String> {
    let host = &session.service.host;
    if verb == "HELO" {
        return vec![format!("250 {host}")];
    }
    let keywords = session.scripted_capabilities().unwrap_or_else(|| {
        let mut keywords = vec!["PIPELINING".to_owned(), format!("SIZE {SIZE}")];
        if session.offers_starttls() {
            keywords.push("STARTTLS".to_owned());
        }
        let mechanisms = session.service.mechanisms();
        if session.login_allowed() && !mechanisms.is_empty() {
            let names: Vec<&str> = mechanisms
                .iter()
                .map(|m| sasl::name(*m))
                .filter(|n| !n.is_empty())
                .collect();
            keywords.push(format!("AUTH {}", names.join(" ")));
        }
        keywords.extend(["ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING"].map(str::to_owned));
        keywords
    });
    let mut lines: Vec<String> = std::iter::once(host.clone()).chain(keywords).collect();
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter_mut().enumerate() {
        *line = format!("250{}{line}", if index == last { ' ' } else { '-' });
    }
    lines
}

fn auth(session: &mut Session<'_>, line: &str) -> Result<(), End> {
    let mut words = line.split_whitespace().skip(1);
    let wanted = words.next().and_then(sasl::by_name);
    let initial = words.next().map(str::to_owned);
    let offered = session.service.mechanisms();
    let refusal = match wanted {
        _ if offered.is_empty() || !session.login_allowed() => Some(Smtp::AuthNotOffered),
        Some(mechanism) if offered.contains(&mechanism) => None,
        _ => Some(Smtp::NoMechanism),
    };
    if let Some(what) = refusal {
        let say = text(session, what, "");
        return session.answer(line, "", &[say]).map(drop);
    }
    let Some(mechanism) = wanted else {
        return Ok(());
    };
    let outcome = sasl::login(
        session,
        mechanism,
        initial.as_deref(),
        |session, challenge| {
            session.answer("+", "", &[format!("334 {challenge}")])?;
            session.channel.line()
        },
    )?;
    let what = match &outcome {
        Login::Accepted(_) => Smtp::LoggedIn,
        Login::Rejected => Smtp::BadCredentials,
        Login::Cancelled | Login::Malformed => Smtp::AuthAborted,
    };
    let say = text(session, what, "");
    if session.answer(line, "", &[say])?
        && let Login::Accepted(user) = outcome
    {
        session.user = Some(user);
    }
    Ok(())
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    let inner = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(inner, _)| inner);
    inner.unwrap_or_default().to_owned()
}
