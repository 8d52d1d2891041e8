//! ManageSieve (RFC 5804) for one connection: capabilities, TLS, login, one script that never changes.

use super::channel::End;
use super::imap::words;
use super::sasl::{self, Login};
use super::session::Session;
use super::spec::StartTls;
use super::texts::{Access, access};

/// What the software says when the client was silent for too long.
pub fn farewell(session: &Session<'_>) -> Vec<String> {
    vec![format!(
        "BYE \"{}\"",
        access(
            session.service.software(),
            Access::Timeout,
            &session.service.host,
            false
        )
    )]
}

/// What the software says to one connection too many.
pub fn too_many() -> Vec<String> {
    vec!["BYE (TRYLATER) \"Maximum number of connections from user+IP exceeded\"".to_owned()]
}

fn capabilities(session: &Session<'_>, last: &str) -> Vec<String> {
    let mut lines = session.scripted_capabilities().unwrap_or_else(|| {
        let mut lines = vec![
            "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"".to_owned(),
            "\"SIEVE\" \"fileinto reject envelope vacation\"".to_owned(),
        ];
        let names = session.service.mechanisms();
        let names: Vec<&str> = names
            .iter()
            .map(|m| sasl::name(*m))
            .filter(|n| !n.is_empty())
            .collect();
        lines.push(format!(
            "\"SASL\" \"{}\"",
            if session.login_allowed() {
                names.join(" ")
            } else {
                String::new()
            }
        ));
        if session.offers_starttls() {
            lines.push("\"STARTTLS\"".into());
        }
        lines.push("\"VERSION\" \"1.0\"".into());
        lines
    });
    lines.push(last.to_owned());
    lines
}

/// The whole dialogue.
pub fn serve(session: &mut Session<'_>) -> Result<(), End> {
    let greeting = capabilities(session, "OK \"Dovecot ready.\"");
    session.greet(&greeting)?;
    loop {
        let line = string_line(session)?;
        command(session, &line)?;
    }
}

/// A line with a literal at its end put in as a quoted string.
fn string_line(session: &mut Session<'_>) -> Result<String, End> {
    let line = session.channel.line()?;
    let literal = line
        .strip_suffix("+}")
        .and_then(|line| line.rsplit_once('{'));
    let Some((before, count)) =
        literal.and_then(|(before, n)| Some((before.to_owned(), n.parse::<usize>().ok()?)))
    else {
        return Ok(line);
    };
    let bytes = session.channel.exact(count.min(1_000_000))?;
    session.channel.line()?;
    Ok(format!("{before}\"{}\"", String::from_utf8_lossy(&bytes)))
}

fn command(session: &mut Session<'_>, line: &str) -> Result<(), End> {
    let arguments = words(line);
    let verb = arguments
        .first()
        .map(|verb| verb.to_ascii_uppercase())
        .unwrap_or_default();
    match verb.as_str() {
        "CAPABILITY" => {
            let lines = capabilities(session, "OK \"Capability completed.\"");
            session.answer(line, "", &lines)?;
        }
        "STARTTLS" => {
            let refused = session.service.spec.starttls == StartTls::Refused;
            let go = session.offers_starttls() && !refused;
            let say = match (go, session.offers_starttls()) {
                (true, _) => "OK \"Begin TLS negotiation now.\"",
                (_, true) => "NO \"TLS initialization failed.\"",
                _ => "NO \"TLS support isn't enabled.\"",
            };
            if session.answer(line, "", &[say.to_owned()])? && go {
                session.start_tls()?;
                let again = capabilities(session, "OK \"TLS negotiation successful.\"");
                session.say(&again)?;
            }
        }
        "AUTHENTICATE" => {
            let wanted = arguments.get(1).and_then(|name| sasl::by_name(name));
            let offered = session.service.mechanisms();
            let outcome = match wanted.filter(|m| offered.contains(m)) {
                _ if !session.login_allowed() => Err(
                    "NO (ENCRYPT-NEEDED) \"Cleartext authentication disallowed on non-secure (SSL/TLS) connections.\"",
                ),
                None => Err("NO \"Unsupported authentication mechanism.\""),
                Some(mechanism) => Ok(sasl::login(
                    session,
                    mechanism,
                    arguments.get(2).map(String::as_str),
                    |session, challenge| {
                        session.answer("+", "", &[format!("\"{challenge}\"")])?;
                        let line = string_line(session)?;
                        Ok(words(&line).into_iter().next().unwrap_or_default())
                    },
                )?),
            };
            let say = match &outcome {
                Err(text) => text,
                Ok(Login::Accepted(_)) => "OK \"Logged in.\"",
                Ok(_) => "NO \"Authentication failed.\"",
            };
            if session.answer(line, "", &[say.to_owned()])?
                && let Ok(Login::Accepted(user)) = outcome
            {
                session.user = Some(user);
            }
        }
        "LOGOUT" => {
            session.answer(line, "", &["OK \"Logout completed.\"".into()])?;
            return Err(End::Done);
        }
        "NOOP" => {
            session.answer(line, "", &["OK \"NOOP completed.\"".into()])?;
        }
        "LISTSCRIPTS" if session.user.is_some() => {
            session.answer(
                line,
                "",
                &[
                    "\"lab\" ACTIVE".into(),
                    "OK \"Listscripts completed.\"".into(),
                ],
            )?;
        }
        "HAVESPACE" | "PUTSCRIPT" | "SETACTIVE" if session.user.is_some() => {
            session.answer(line, "", &["OK \"Completed.\"".into()])?;
        }
        _ => {
            session.answer(
                line,
                "",
                &["NO \"Error in MANAGESIEVE command received by server.\"".into()],
            )?;
        }
    }
    Ok(())
}
