//! Logging in, by every protocol's own command and by SASL.

use super::dialect::{Dialect, Reply, Sense};
use super::session::Dialogue;
use super::spec::Login;
use crate::lab::server::channel::End;
use crate::lab::server::sasl;
use crate::lab::server::spec::Mechanism;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Logs in; the error says what the server answered.
pub fn login(dialogue: &mut Dialogue<'_>, login: &Login) -> Result<(), End> {
    let usual = match dialogue.dialect {
        Dialect::Imap | Dialect::Pop3 => Mechanism::Command,
        _ => Mechanism::Plain,
    };
    let mechanism = login.mechanism.unwrap_or(usual);
    if login.only_if_offered && !offered(dialogue, mechanism) {
        return Err(End::Refused(format!(
            "the server does not offer {}",
            sasl::name(mechanism)
        )));
    }
    let reply = match (mechanism, dialogue.dialect) {
        (Mechanism::Command, Dialect::Imap) => {
            let text = format!("LOGIN {} {}", quoted(&login.user), quoted(&login.password));
            dialogue.command(&text, false)?
        }
        (Mechanism::Command, _) => {
            let reply = dialogue.command(&format!("USER {}", login.user), false)?;
            match reply.sense {
                Sense::Good => dialogue.command(&format!("PASS {}", login.password), false)?,
                _ => reply,
            }
        }
        (Mechanism::Apop, _) => dialogue.command(
            &format!("APOP {} c4c9334bac560ecc979e58001b3e22fb", login.user),
            false,
        )?,
        _ => by_sasl(dialogue, login, mechanism)?,
    };
    match reply.sense {
        Sense::Good => Ok(()),
        _ => Err(End::Refused(reply.text())),
    }
}

fn offered(dialogue: &Dialogue<'_>, mechanism: Mechanism) -> bool {
    let name = sasl::name(mechanism);
    let found = |word: &str| {
        dialogue
            .capabilities
            .iter()
            .any(|line| line.to_ascii_uppercase().contains(word))
    };
    match (mechanism, dialogue.dialect) {
        (Mechanism::Command, Dialect::Imap) => !found("LOGINDISABLED"),
        (Mechanism::Command, _) => found("USER"),
        _ => dialogue.capabilities.iter().any(|line| {
            let upper = line.to_ascii_uppercase();
            upper.split([' ', '=', '"']).any(|word| word == name)
                && (upper.contains("AUTH") || upper.contains("SASL"))
        }),
    }
}

fn by_sasl(dialogue: &mut Dialogue<'_>, login: &Login, mechanism: Mechanism) -> Result<Reply, End> {
    let (user, password) = (&login.user, &login.password);
    let initial = match mechanism {
        Mechanism::Plain => Some(format!("\0{user}\0{password}")),
        Mechanism::Xoauth2 => Some(format!("user={user}\x01auth=Bearer {password}\x01\x01")),
        Mechanism::Oauthbearer => Some(format!("n,a={user},\x01auth=Bearer {password}\x01\x01")),
        _ => None,
    };
    // What is said to each challenge in turn; CRAM-MD5 with a digest of nothing, since it is to fail.
    let mut answers = match mechanism {
        Mechanism::Login => vec![STANDARD.encode(user), STANDARD.encode(password)],
        Mechanism::CramMd5 => {
            vec![STANDARD.encode(format!("{user} 00000000000000000000000000000000"))]
        }
        Mechanism::Xoauth2 => vec![String::new()],
        Mechanism::Oauthbearer => vec![STANDARD.encode("\x01")],
        Mechanism::Gssapi => vec!["*".to_owned()],
        _ => Vec::new(),
    }
    .into_iter();
    let sieve = dialogue.dialect == Dialect::Sieve;
    let verb = match dialogue.dialect {
        Dialect::Imap | Dialect::Sieve => "AUTHENTICATE",
        _ => "AUTH",
    };
    let name = match sieve {
        true => format!("\"{}\"", sasl::name(mechanism)),
        false => sasl::name(mechanism).to_owned(),
    };
    let mut text = format!("{verb} {name}");
    if let Some(initial) = initial {
        let encoded = STANDARD.encode(initial);
        text += &if sieve {
            format!(" \"{encoded}\"")
        } else {
            format!(" {encoded}")
        };
    }
    let mut reply = dialogue.command(&text, false)?;
    while reply.sense == Sense::Continue {
        let answer = answers.next().unwrap_or_else(|| "*".to_owned());
        dialogue.line(&if sieve {
            format!("\"{answer}\"")
        } else {
            answer
        })?;
        reply = dialogue.same_reply()?;
    }
    Ok(reply)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
