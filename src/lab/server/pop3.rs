//! POP3 (RFC 1939, 2449, 2595, 5034) for one connection with one mailbox that never changes.
//!
//! It refuses to delete anything and has no APOP.

use super::channel::End;
use super::imap::body;
use super::sasl::{self, Login};
use super::session::Session;
use super::spec::StartTls;
use super::texts::{Access, access};

/// What the software says when the client was silent for too long.
pub fn farewell(session: &Session<'_>) -> Vec<String> {
    vec![format!("-ERR {}", text(session, Access::Timeout))]
}

/// What the software says to one connection too many.
pub fn too_many(session: &Session<'_>) -> Vec<String> {
    vec![format!("-ERR {}", text(session, Access::TooMany))]
}

fn text(session: &Session<'_>, what: Access) -> String {
    access(
        session.service.software(),
        what,
        &session.service.host,
        false,
    )
}

/// The whole dialogue.
pub fn serve(session: &mut Session<'_>) -> Result<(), End> {
    let greeting = format!("+OK {}", text(session, Access::Greeting));
    session.greet(&[greeting])?;
    let mut name = String::new();
    loop {
        let line = session.channel.line()?;
        command(session, &line, &mut name)?;
    }
}

fn capabilities(session: &Session<'_>) -> Vec<String> {
    session.scripted_capabilities().unwrap_or_else(|| {
        let mut list: Vec<String> = [
            "CAPA",
            "TOP",
            "UIDL",
            "RESP-CODES",
            "PIPELINING",
            "AUTH-RESP-CODE",
        ]
        .map(str::to_owned)
        .into();
        if session.offers_starttls() {
            list.push("STLS".into());
        }
        if session.login_allowed() {
            let names = session.service.mechanisms();
            let names: Vec<&str> = names
                .iter()
                .map(|m| sasl::name(*m))
                .filter(|n| !n.is_empty())
                .collect();
            list.extend(["USER".to_owned(), format!("SASL {}", names.join(" "))]);
        }
        list
    })
}

fn command(session: &mut Session<'_>, line: &str, name: &mut String) -> Result<(), End> {
    let mut parts = line.splitn(2, ' ');
    let verb = parts.next().unwrap_or_default().to_ascii_uppercase();
    let argument = parts.next().unwrap_or_default().to_owned();
    let sizes: Vec<usize> = session
        .service
        .spec
        .messages
        .iter()
        .map(|size| body(*size).len())
        .collect();
    let number = argument
        .split(' ')
        .next()
        .and_then(|n| n.parse::<usize>().ok())
        .unwrap_or(0)
        .wrapping_sub(1);
    match verb.as_str() {
        "CAPA" => {
            let mut lines = vec!["+OK".to_owned()];
            lines.extend(capabilities(session));
            lines.push(".".into());
            session.answer(line, "", &lines)?;
        }
        "STLS" => {
            let refused = session.service.spec.starttls == StartTls::Refused;
            let go = session.offers_starttls() && !refused;
            let say = match (go, session.offers_starttls()) {
                (true, _) => format!("+OK {}", text(session, Access::TlsReady)),
                (_, true) => format!("-ERR {}", text(session, Access::TlsBroken)),
                _ => "-ERR TLS support isn't enabled.".to_owned(),
            };
            if session.answer(line, "", &[say])? && go {
                session.start_tls()?;
            }
        }
        "USER" => {
            let say = match session.login_allowed() {
                true => "+OK".to_owned(),
                false => format!("-ERR {}", text(session, Access::NeedsTls)),
            };
            if session.answer(line, "", &[say])? {
                *name = argument;
            }
        }
        "PASS" => {
            let outcome = match sasl::knows(&session.service.accounts, name, &argument) {
                true => Login::Accepted(name.clone()),
                false => Login::Rejected,
            };
            logged_in(session, line, outcome)?;
        }
        "APOP" => logged_in(session, line, Login::Rejected)?,
        "AUTH" => {
            let mut words = argument.split_whitespace();
            let wanted = words.next().and_then(sasl::by_name);
            let Some(mechanism) = wanted.filter(|m| session.service.mechanisms().contains(m))
            else {
                let say = format!("-ERR {}", text(session, Access::NoMechanism));
                return session.answer(line, "", &[say]).map(drop);
            };
            if !session.login_allowed() {
                return logged_in(session, line, Login::Rejected);
            }
            let outcome = sasl::login(session, mechanism, words.next(), |session, challenge| {
                session.answer("+", "", &[format!("+ {challenge}")])?;
                session.channel.line()
            })?;
            logged_in(session, line, outcome)?;
        }
        "QUIT" => {
            session.answer(line, "", &[format!("+OK {}", text(session, Access::Bye))])?;
            return Err(End::Done);
        }
        "NOOP" | "RSET" => {
            session.answer(line, "", &["+OK".into()])?;
        }
        _ if session.user.is_none() => {
            session.answer(line, "", &["-ERR Unknown command.".into()])?;
        }
        "STAT" => {
            session.answer(
                line,
                "",
                &[format!(
                    "+OK {} {}",
                    sizes.len(),
                    sizes.iter().sum::<usize>()
                )],
            )?;
        }
        "LIST" | "UIDL" => {
            let mut lines = vec![format!("+OK {} messages:", sizes.len())];
            lines.extend(
                sizes
                    .iter()
                    .enumerate()
                    .map(|(index, size)| format!("{} {size}", index.saturating_add(1))),
            );
            lines.push(".".into());
            session.answer(line, "", &lines)?;
        }
        "RETR" | "TOP" => {
            let lines = match session.service.spec.messages.get(number) {
                Some(size) => {
                    let body = body(*size);
                    vec![
                        format!("+OK {} octets", body.len()),
                        body.trim_end().to_owned(),
                        ".".into(),
                    ]
                }
                None => vec!["-ERR There's no such message.".to_owned()],
            };
            session.answer(line, "", &lines)?;
        }
        "DELE" => {
            session.answer(line, "", &["+OK Marked to be deleted.".into()])?;
        }
        _ => {
            session.answer(line, "", &["-ERR Unknown command.".into()])?;
        }
    }
    Ok(())
}

fn logged_in(session: &mut Session<'_>, line: &str, outcome: Login) -> Result<(), End> {
    let allowed = session.login_allowed();
    let say = match &outcome {
        _ if !allowed => format!("-ERR {}", text(session, Access::NeedsTls)),
        Login::Accepted(_) => format!("+OK {}.", text(session, Access::LoggedIn)),
        Login::Rejected => format!("-ERR {}", text(session, Access::BadCredentials)),
        Login::Cancelled | Login::Malformed => "-ERR Authentication aborted".to_owned(),
    };
    if session.answer(line, "", &[say])?
        && allowed
        && let Login::Accepted(user) = outcome
    {
        session.user = Some(user);
    }
    Ok(())
}
