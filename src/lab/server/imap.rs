//! IMAP (RFC 9051, 3501, 2177, 2595) for one connection with one mailbox that never changes.
//!
//! Literals, quoted strings, SASL with and without an initial response. It refuses to store flags,
//! to search, or to parse what it does not need for a session to look real.

use super::channel::End;
use super::sasl::{self, Login};
use super::session::Session;
use super::spec::StartTls;
use super::texts::{Access, access};

/// What the software says when the client was silent for too long.
pub fn farewell(session: &Session<'_>) -> Vec<String> {
    vec![format!("* BYE {}", text(session, Access::Timeout))]
}

/// What the software says to one connection too many.
pub fn too_many(session: &Session<'_>) -> Vec<String> {
    vec![format!("* BYE {}", text(session, Access::TooMany))]
}

fn text(session: &Session<'_>, what: Access) -> String {
    access(
        session.service.software(),
        what,
        &session.service.host,
        true,
    )
}

/// The whole dialogue.
pub fn serve(session: &mut Session<'_>) -> Result<(), End> {
    let greeting = format!(
        "* OK [CAPABILITY {}] {}",
        capabilities(session),
        text(session, Access::Greeting)
    );
    session.greet(&[greeting])?;
    loop {
        let line = command_line(session)?;
        let (tag, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        let (tag, rest) = (tag.to_owned(), rest.to_owned());
        command(session, &tag, &rest)?;
    }
}

/// A command with its literals put in as quoted strings.
fn command_line(session: &mut Session<'_>) -> Result<String, End> {
    let mut line = session.channel.line()?;
    while let Some((before, count)) = literal(&line) {
        if !line.ends_with("+}") {
            session.say(&["+ OK".to_owned()])?;
        }
        let bytes = session.channel.exact(count)?;
        let rest = session.channel.line()?;
        let quoted = String::from_utf8_lossy(&bytes)
            .replace('\\', "\\\\")
            .replace('"', "\\\"");
        line = format!("{before}\"{quoted}\"{rest}");
    }
    Ok(line)
}

/// Text before `{n}` or `{n+}` at the line's end, and n.
fn literal(line: &str) -> Option<(String, usize)> {
    let (before, count) = line.strip_suffix('}')?.rsplit_once('{')?;
    let count: usize = count.strip_suffix('+').unwrap_or(count).parse().ok()?;
    (count <= 1_000_000).then(|| (before.to_owned(), count))
}

/// Atoms and quoted strings.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c == ' ' {
            chars.next();
            continue;
        }
        let mut word = String::new();
        if c == '"' {
            chars.next();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => word.extend(chars.next()),
                    '"' => break,
                    c => word.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ' ') {
                word.push(c);
            }
        }
        words.push(word);
    }
    words
}

fn capabilities(session: &Session<'_>) -> String {
    if let Some(scripted) = session.scripted_capabilities() {
        return scripted.join(" ");
    }
    let mut list = vec![
        "IMAP4rev1".to_owned(),
        "SASL-IR".into(),
        "LITERAL+".into(),
        "ID".into(),
        "IDLE".into(),
    ];
    if session.user.is_some() {
        list.extend(["UIDPLUS", "MOVE", "NAMESPACE", "UNSELECT"].map(str::to_owned));
        return list.join(" ");
    }
    if session.offers_starttls() {
        list.push("STARTTLS".into());
    }
    if session.login_allowed() {
        let names = session.service.mechanisms();
        list.extend(
            names
                .iter()
                .map(|m| sasl::name(*m))
                .filter(|n| !n.is_empty())
                .map(|name| format!("AUTH={name}")),
        );
    } else {
        list.push("LOGINDISABLED".into());
    }
    list.join(" ")
}

fn command(session: &mut Session<'_>, tag: &str, line: &str) -> Result<(), End> {
    let arguments = words(line);
    let mut verb = arguments
        .first()
        .map(|verb| verb.to_ascii_uppercase())
        .unwrap_or_default();
    if verb == "UID" {
        verb = arguments
            .get(1)
            .map(|verb| verb.to_ascii_uppercase())
            .unwrap_or_default();
    }
    let ok = |what: &str| format!("{tag} OK {what}");
    match verb.as_str() {
        "CAPABILITY" => {
            let list = format!("* CAPABILITY {}", capabilities(session));
            session.answer(
                line,
                tag,
                &[
                    list,
                    ok("Pre-login capabilities listed, post-login capabilities have more."),
                ],
            )?;
        }
        "STARTTLS" => {
            let refused = session.service.spec.starttls == StartTls::Refused;
            let go = session.offers_starttls() && !refused;
            let say = match (go, session.offers_starttls()) {
                (true, _) => ok(&text(session, Access::TlsReady)),
                (_, true) => format!("{tag} NO {}", text(session, Access::TlsBroken)),
                _ => format!("{tag} BAD TLS support isn't enabled."),
            };
            if session.answer(line, tag, &[say])? && go {
                session.start_tls()?;
            }
        }
        "LOGIN" => {
            let (user, password) = (arguments.get(1).cloned(), arguments.get(2).cloned());
            let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
            let outcome = match sasl::knows(&session.service.accounts, &user, &password) {
                true => Login::Accepted(user),
                false => Login::Rejected,
            };
            logged_in(session, tag, line, outcome)?;
        }
        "AUTHENTICATE" => {
            let wanted = arguments.get(1).and_then(|name| sasl::by_name(name));
            let Some(mechanism) = wanted.filter(|m| session.service.mechanisms().contains(m))
            else {
                let say = format!("{tag} NO {}", text(session, Access::NoMechanism));
                return session.answer(line, tag, &[say]).map(drop);
            };
            if !session.login_allowed() {
                return logged_in(session, tag, line, Login::Rejected);
            }
            let outcome = sasl::login(
                session,
                mechanism,
                arguments.get(2).map(String::as_str),
                |session, challenge| {
                    session.answer("+", tag, &[format!("+ {challenge}")])?;
                    session.channel.line()
                },
            )?;
            logged_in(session, tag, line, outcome)?;
        }
        "LOGOUT" => {
            let bye = format!("* BYE {}", text(session, Access::Bye));
            session.answer(line, tag, &[bye, ok("Logout completed.")])?;
            return Err(End::Done);
        }
        "NOOP" | "CHECK" | "CLOSE" | "ENABLE" | "STORE" | "SUBSCRIBE" | "CREATE" | "EXPUNGE"
        | "UNSELECT" => {
            session.answer(line, tag, &[ok(&format!("{verb} completed."))])?;
        }
        "ID" => {
            session.answer(
                line,
                tag,
                &["* ID (\"name\" \"Dovecot\")".into(), ok("ID completed.")],
            )?;
        }
        _ if session.user.is_none() => {
            session.answer(
                line,
                tag,
                &[format!(
                    "{tag} BAD Command not allowed before login, or unknown."
                )],
            )?;
        }
        "SELECT" | "EXAMINE" => {
            let lines = [
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)".to_owned(),
                format!("* {} EXISTS", session.service.spec.messages.len()),
                "* 0 RECENT".to_owned(),
                "* OK [UIDVALIDITY 1] UIDs valid".to_owned(),
                ok("[READ-WRITE] Select completed."),
            ];
            session.answer(line, tag, &lines)?;
        }
        "STATUS" => {
            let count = session.service.spec.messages.len();
            session.answer(
                line,
                tag,
                &[
                    format!("* STATUS INBOX (MESSAGES {count})"),
                    ok("Status completed."),
                ],
            )?;
        }
        "LIST" | "LSUB" => {
            session.answer(
                line,
                tag,
                &[
                    "* LIST (\\HasNoChildren) \".\" INBOX".into(),
                    ok("List completed."),
                ],
            )?;
        }
        "NAMESPACE" => {
            session.answer(
                line,
                tag,
                &[
                    "* NAMESPACE ((\"\" \".\")) NIL NIL".into(),
                    ok("Namespace completed."),
                ],
            )?;
        }
        "SEARCH" => {
            let all: String = (1..=session.service.spec.messages.len())
                .map(|n| format!(" {n}"))
                .collect();
            session.answer(
                line,
                tag,
                &[format!("* SEARCH{all}"), ok("Search completed.")],
            )?;
        }
        "FETCH" => {
            let mut lines = Vec::new();
            for (index, size) in session.service.spec.messages.iter().enumerate() {
                let number = index.saturating_add(1);
                let body = body(*size);
                lines.push(format!(
                    "* {number} FETCH (UID {number} BODY[] {{{}}}\r\n{body})",
                    body.len()
                ));
            }
            lines.push(ok("Fetch completed."));
            session.answer(line, tag, &lines)?;
        }
        "IDLE" => {
            session.answer(line, tag, &["+ idling".into()])?;
            let done = session.channel.line()?;
            session.answer(&done, tag, &[ok("Idle completed.")])?;
        }
        _ => {
            session.answer(
                line,
                tag,
                &[format!(
                    "{tag} BAD Error in IMAP command {verb}: Unknown command."
                )],
            )?;
        }
    }
    Ok(())
}

fn logged_in(session: &mut Session<'_>, tag: &str, line: &str, outcome: Login) -> Result<(), End> {
    let allowed = session.login_allowed();
    let say = match &outcome {
        _ if !allowed => format!("{tag} NO {}", text(session, Access::NeedsTls)),
        Login::Accepted(_) => format!("{tag} OK {}", text(session, Access::LoggedIn)),
        Login::Rejected => format!("{tag} NO {}", text(session, Access::BadCredentials)),
        Login::Cancelled | Login::Malformed => format!("{tag} BAD Authentication aborted"),
    };
    if session.answer(line, tag, &[say])?
        && allowed
        && let Login::Accepted(user) = outcome
    {
        session.user = Some(user);
    }
    Ok(())
}

/// A message of about so many bytes, in lines of 72.
pub fn body(size: usize) -> String {
    let mut text = String::from("From: sender@example.org\r\nSubject: lab\r\n\r\n");
    while text.len() < size {
        text.push_str(
            "The quick brown fox jumps over the lazy dog, over and over and over ag.\r\n",
        );
    }
    text
}
