//! Logging in by SASL, the same for SMTP, IMAP, POP3 and ManageSieve.
//!
//! A protocol passes how it wraps a challenge; this file knows the mechanisms. Those that are only
//! offered (CRAM-MD5, GSSAPI) ask once and then fail, as with a wrong password.

use super::channel::End;
use super::session::Session;
use super::spec::{Account, Mechanism};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How a login went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Welcome.
    Accepted(String),
    /// Wrong credentials.
    Rejected,
    /// The client sent `*`.
    Cancelled,
    /// What the client sent is not Base64.
    Malformed,
}

/// A mechanism by its registered name.
pub fn by_name(name: &str) -> Option<Mechanism> {
    Some(match name.to_ascii_uppercase().as_str() {
        "PLAIN" => Mechanism::Plain,
        "LOGIN" => Mechanism::Login,
        "XOAUTH2" => Mechanism::Xoauth2,
        "OAUTHBEARER" => Mechanism::Oauthbearer,
        "CRAM-MD5" => Mechanism::CramMd5,
        "GSSAPI" => Mechanism::Gssapi,
        _ => return None,
    })
}

/// A mechanism's registered name; empty for what is no SASL.
pub fn name(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Plain => "PLAIN",
        Mechanism::Login => "LOGIN",
        Mechanism::Xoauth2 => "XOAUTH2",
        Mechanism::Oauthbearer => "OAUTHBEARER",
        Mechanism::CramMd5 => "CRAM-MD5",
        Mechanism::Gssapi => "GSSAPI",
        Mechanism::Command | Mechanism::Apop => "",
    }
}

/// Whether somebody has this name and password.
pub fn knows(accounts: &[Account], user: &str, password: &str) -> bool {
    accounts
        .iter()
        .any(|account| account.user == user && account.password == password)
}

/// Runs a mechanism. `ask` sends a challenge (already Base64) and returns the client's line.
pub fn login(
    session: &mut Session<'_>,
    mechanism: Mechanism,
    initial: Option<&str>,
    ask: impl Fn(&mut Session<'_>, &str) -> Result<String, End>,
) -> Result<Login, End> {
    let accounts = &session.service.accounts;
    let first = match (initial, mechanism) {
        (Some(initial), _) => initial.to_owned(),
        (None, Mechanism::Login) => ask(session, "VXNlcm5hbWU6")?,
        (None, Mechanism::CramMd5) => ask(
            session,
            &STANDARD.encode(format!("<1896.697170952@{}>", session.service.host)),
        )?,
        (None, _) => ask(session, "")?,
    };
    if first == "*" {
        return Ok(Login::Cancelled);
    }
    let Ok(first) = STANDARD.decode(if first == "=" { "" } else { &first }) else {
        return Ok(Login::Malformed);
    };
    let text = String::from_utf8_lossy(&first).into_owned();
    match mechanism {
        Mechanism::Plain => {
            let mut parts = text.split('\0').skip(1);
            let (user, password) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            Ok(judge(knows(accounts, user, password), user))
        }
        Mechanism::Login => {
            let answer = ask(session, "UGFzc3dvcmQ6")?;
            if answer == "*" {
                return Ok(Login::Cancelled);
            }
            let Ok(password) = STANDARD.decode(answer) else {
                return Ok(Login::Malformed);
            };
            Ok(judge(
                knows(accounts, &text, &String::from_utf8_lossy(&password)),
                &text,
            ))
        }
        Mechanism::Xoauth2 | Mechanism::Oauthbearer => {
            let field = |key: &str| {
                text.split('\x01')
                    .find_map(|part| part.strip_prefix(key))
                    .map(str::to_owned)
            };
            let user = field("user=")
                .or_else(|| {
                    text.split(',')
                        .find_map(|part| part.strip_prefix("a="))
                        .map(str::to_owned)
                })
                .unwrap_or_default();
            let token = field("auth=Bearer ").unwrap_or_default();
            let good = accounts
                .iter()
                .any(|a| a.user == user && !a.token.is_empty() && a.token == token);
            if !good {
                let json = match mechanism {
                    Mechanism::Xoauth2 => {
                        r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#
                            .to_owned()
                    }
                    _ => r#"{"status":"invalid_token","scope":"mail"}"#.to_owned(),
                };
                ask(session, &STANDARD.encode(json))?;
            }
            Ok(judge(good, &user))
        }
        Mechanism::CramMd5 | Mechanism::Gssapi | Mechanism::Command | Mechanism::Apop => {
            Ok(Login::Rejected)
        }
    }
}

fn judge(good: bool, user: &str) -> Login {
    if good {
        Login::Accepted(user.to_owned())
    } else {
        Login::Rejected
    }
}
