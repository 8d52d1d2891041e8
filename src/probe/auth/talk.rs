//! One login: which way, and what is said in turn. Sans-IO.
//!
//! PLAIN comes first within TLS, because it is what mail programs do there ("normal password") and the one that a server's
//! password store cannot fail to support; without TLS (only when the user allowed it) the ways that do not show the
//! password come first. What may be remembered of a line has the line's shape and `***` for its secret.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{KeyInit as _, Mac as _};
use zeroize::Zeroizing;

use super::credentials::{Login, Way};
use super::scram::{Hash, Scram};
use crate::base::Foreign;
use crate::probe::session::ask::Capabilities;
use crate::proto::mail::{Language, Reply, Status};

/// The longest line with an initial response for POP3 (RFC 5034 4: 255 octets).
const POP3_LINE: usize = 255;

/// A line to send.
pub struct Turn {
    /// Without tag and line end.
    pub line: Zeroizing<Vec<u8>>,
    /// What may be remembered of it.
    pub shown: String,
    /// Where in the line the secret begins; the line's length when it has none.
    pub secret_at: usize,
    /// A command of its own (it gets an IMAP tag), not the continuation of one.
    pub is_command: bool,
}

/// A login under way.
pub struct Talk {
    login: Arc<Login>,
    way: Way,
    language: Language,
    step: u32,
    /// The first message, held back until the server asks for it.
    held: bool,
    scram: Option<Scram>,
    json: Option<Foreign>,
    cancelled: bool,
}

impl Talk {
    /// Chooses the way and makes the first line.
    ///
    /// # Errors
    /// Why no login is tried.
    pub fn begin(
        login: Arc<Login>,
        language: Language,
        offered: &Capabilities,
        secure: bool,
    ) -> Result<(Talk, Turn), &'static str> {
        let way = choose(&login, language, offered, secure)?;
        let mut talk = Talk {
            login,
            way,
            language,
            step: 0,
            held: false,
            scram: None,
            json: None,
            cancelled: false,
        };
        let hash = match way {
            Way::ScramSha1 => Some(Hash::Sha1),
            Way::ScramSha256 => Some(Hash::Sha256),
            _ => None,
        };
        if let Some(hash) = hash {
            let nonce = nonce().ok_or("no randomness for a nonce")?;
            talk.scram = Some(Scram::new(hash, talk.login.user(), nonce));
        }
        let turn = talk.first(offered.offers("SASL-IR"))?;
        Ok((talk, turn))
    }

    /// The way, by name.
    pub fn way(&self) -> &'static str {
        self.way.name()
    }

    /// The JSON of an OAuth refusal.
    pub fn refusal_json(&self) -> Option<Foreign> {
        self.json.clone()
    }

    /// Whether a positive reply lets us in: not after we called it off.
    pub fn accepts(&self) -> bool {
        !self.cancelled
    }

    fn first(&mut self, initial_allowed: bool) -> Result<Turn, &'static str> {
        let user = self.login.user().to_owned();
        if self.way == Way::Command {
            let password = self.login.password().unwrap_or_default();
            return match self.language {
                Language::Imap => {
                    let quoted = |text: &str| {
                        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                        Zeroizing::new(format!("\"{text}\""))
                    };
                    let (name, secret) = (quoted(&user), quoted(password));
                    let line = Zeroizing::new(format!("LOGIN {} {}", *name, *secret));
                    Ok(Turn {
                        line: Zeroizing::new(line.as_bytes().to_vec()),
                        secret_at: line.len().saturating_sub(secret.len()),
                        shown: format!("LOGIN {} \"***\"", *name),
                        is_command: true,
                    })
                }
                _ => Ok(Turn {
                    line: Zeroizing::new(format!("USER {user}").into_bytes()),
                    secret_at: user.len().saturating_add(5),
                    shown: format!("USER {user}"),
                    is_command: true,
                }),
            };
        }
        let verb = match self.language {
            Language::Imap | Language::Sieve => "AUTHENTICATE",
            _ => "AUTH",
        };
        let sieve = self.language == Language::Sieve;
        let name = match sieve {
            true => format!("\"{}\"", self.way.name()),
            false => self.way.name().to_owned(),
        };
        let command = format!("{verb} {name}");
        let Some((secret, shown)) = self.initial() else {
            return Ok(Turn {
                line: Zeroizing::new(command.clone().into_bytes()),
                secret_at: command.len(),
                shown: command,
                is_command: true,
            });
        };
        let (blob, shown) = (encode(&secret), STANDARD.encode(shown));
        let fits = match self.language {
            Language::Imap => initial_allowed,
            Language::Pop3 => {
                let length = command.len().saturating_add(blob.len()).saturating_add(3);
                length <= POP3_LINE
            }
            _ => true,
        };
        if !fits {
            self.held = true;
            return Ok(Turn {
                line: Zeroizing::new(command.clone().into_bytes()),
                secret_at: command.len(),
                shown: command,
                is_command: true,
            });
        }
        let with = |blob: &str| match sieve {
            true => format!("{command} \"{blob}\""),
            false => format!("{command} {blob}"),
        };
        Ok(Turn {
            line: Zeroizing::new(with(&blob).into_bytes()),
            secret_at: command.len().saturating_add(1),
            shown: with(&shown),
            is_command: true,
        })
    }

    /// The first message of the mechanism, when the client begins, and what may be remembered of it.
    fn initial(&self) -> Option<(Zeroizing<Vec<u8>>, String)> {
        let user = self.login.user();
        let password = self.login.password().unwrap_or_default();
        let token = self.login.token().unwrap_or_default();
        let shape = |secret: &str| match self.way {
            Way::Plain => Some(format!("\0{user}\0{secret}")),
            Way::Xoauth2 => Some(format!("user={user}\x01auth=Bearer {secret}\x01\x01")),
            Way::OauthBearer => {
                let name = user.replace('=', "=3D").replace(',', "=2C");
                Some(format!("n,a={name},\x01auth=Bearer {secret}\x01\x01"))
            }
            Way::ScramSha1 | Way::ScramSha256 => self.scram.as_ref().map(Scram::first),
            Way::Login | Way::CramMd5 | Way::Command => None,
        };
        let secret = match self.way {
            Way::Plain => password,
            _ => token,
        };
        let line = shape(secret)?;
        Some((Zeroizing::new(line.into_bytes()), shape("***")?))
    }

    /// The next line, if the reply asks for one; `None` when the login is over.
    pub fn answer(&mut self, reply: &Reply) -> Option<Turn> {
        self.step = self.step.saturating_add(1);
        if self.way == Way::Command && self.language == Language::Pop3 {
            if self.step > 1 || reply.status != Status::Positive {
                return None;
            }
            let password = self.login.password().unwrap_or_default();
            return Some(Turn {
                line: Zeroizing::new([b"PASS ", password.as_bytes()].concat()),
                secret_at: 5,
                shown: "PASS ***".to_owned(),
                is_command: true,
            });
        }
        if reply.status != Status::Intermediate || self.step > 8 {
            return None;
        }
        if self.json.is_none() {
            self.json.clone_from(&reply.sasl_error);
        }
        if std::mem::take(&mut self.held) {
            self.step = 0;
            let (secret, shown) = self.initial()?;
            return Some(self.continuation(&secret, &shown));
        }
        let challenge = STANDARD
            .decode(reply.text.as_str().trim())
            .unwrap_or_default();
        let (secret, shown) = self.respond(&challenge);
        match secret {
            Some(secret) => Some(self.continuation(&secret, &shown)),
            None => {
                // RFC 4954 4, RFC 9051 6.2.2: `*` calls it off.
                self.cancelled = true;
                let line = match self.language {
                    Language::Sieve => "\"*\"",
                    _ => "*",
                };
                Some(Turn {
                    line: Zeroizing::new(line.as_bytes().to_vec()),
                    secret_at: line.len(),
                    shown: line.to_owned(),
                    is_command: false,
                })
            }
        }
    }

    /// What a challenge gets; `None` calls the login off.
    fn respond(&mut self, challenge: &[u8]) -> (Option<Zeroizing<Vec<u8>>>, String) {
        let user = self.login.user().to_owned();
        let password = Zeroizing::new(self.login.password().unwrap_or_default().to_owned());
        let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        match (self.way, self.step) {
            (Way::Login, 1) => (Some(bytes(&user)), user),
            (Way::Login, 2) => (Some(bytes(&password)), "***".to_owned()),
            (Way::CramMd5, 1) => {
                let Ok(mut mac) = hmac::Hmac::<md5::Md5>::new_from_slice(password.as_bytes())
                else {
                    return (None, String::new());
                };
                mac.update(challenge);
                let digest = mac.finalize().into_bytes();
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                (Some(bytes(&format!("{user} {hex}"))), format!("{user} ***"))
            }
            (Way::ScramSha1 | Way::ScramSha256, 1) => {
                let text = String::from_utf8_lossy(challenge).into_owned();
                let answer = self
                    .scram
                    .as_mut()
                    .and_then(|scram| scram.answer(&text, &password).ok());
                match answer {
                    Some(answer) => (Some(bytes(&answer)), "c=biws,r=***,p=***".to_owned()),
                    None => (None, String::new()),
                }
            }
            (Way::ScramSha1 | Way::ScramSha256, 2) => {
                let text = String::from_utf8_lossy(challenge).into_owned();
                let proven = self
                    .scram
                    .as_ref()
                    .is_some_and(|scram| scram.check(&text).is_ok());
                match proven {
                    true => (Some(bytes("")), String::new()),
                    false => (None, String::new()),
                }
            }
            // A refusal as JSON; an empty answer, or one octet 0x01, draws the final reply (RFC 7628 3.2.3).
            (Way::Xoauth2, _) => (Some(bytes("")), String::new()),
            (Way::OauthBearer, _) => (Some(bytes("\x01")), "\x01".to_owned()),
            _ => (None, String::new()),
        }
    }

    fn continuation(&self, secret: &[u8], shown: &str) -> Turn {
        let (blob, shown) = (encode(secret), STANDARD.encode(shown));
        match self.language {
            Language::Sieve => Turn {
                line: Zeroizing::new(format!("\"{}\"", *blob).into_bytes()),
                secret_at: 0,
                shown: format!("\"{shown}\""),
                is_command: false,
            },
            _ => Turn {
                line: Zeroizing::new(blob.as_bytes().to_vec()),
                secret_at: 0,
                shown,
                is_command: false,
            },
        }
    }
}

fn encode(secret: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(secret))
}

/// 24 characters of randomness.
fn nonce() -> Option<String> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0u8; 18];
    ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// The first way that both sides have.
fn choose(
    login: &Login,
    language: Language,
    offered: &Capabilities,
    secure: bool,
) -> Result<Way, &'static str> {
    let names = offered.mechanisms();
    let has = |way: Way| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(way.name()))
    };
    if let Some(way) = login.only() {
        let fits = match way {
            Way::Xoauth2 | Way::OauthBearer => login.token().is_some(),
            _ => login.password().is_some(),
        };
        return match (fits, has(way)) {
            (true, true) => Ok(way),
            (false, _) => Err("this mechanism needs another kind of credential"),
            (true, false) => Err("the server does not offer this mechanism"),
        };
    }
    let Some(password) = login.password() else {
        return [Way::OauthBearer, Way::Xoauth2]
            .into_iter()
            .find(|way| has(*way))
            .ok_or("the server takes no OAuth token (neither OAUTHBEARER nor XOAUTH2 is offered)");
    };
    let ascii = password.is_ascii() && login.user().is_ascii();
    let order: &[Way] = match secure {
        true => &[
            Way::Plain,
            Way::Login,
            Way::ScramSha256,
            Way::ScramSha1,
            Way::CramMd5,
        ],
        false => &[
            Way::ScramSha256,
            Way::ScramSha1,
            Way::CramMd5,
            Way::Plain,
            Way::Login,
        ],
    };
    let found = order.iter().copied().find(|way| {
        has(*way) && (ascii || !matches!(way, Way::ScramSha1 | Way::ScramSha256 | Way::CramMd5))
    });
    if let Some(way) = found {
        return Ok(way);
    }
    let line_safe = |text: &str| !text.chars().any(char::is_control);
    let by_command = match language {
        Language::Imap => !offered.offers("LOGINDISABLED") && ascii,
        // RFC 2449 6.3; a server without CAPA says nothing about it.
        Language::Pop3 => offered.lines.is_empty() || offered.offers("USER"),
        _ => false,
    };
    match by_command && line_safe(password) && line_safe(login.user()) {
        true => Ok(Way::Command),
        false if names.is_empty() => Err("the server offers no login here"),
        false => Err("no way of logging in that both sides have"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FrameRef, Mark, SourceId, Timestamp};

    fn reply(status: Status, text: &str) -> Reply {
        let mark = Mark {
            frame: FrameRef::new(SourceId(0), 0),
            time: Timestamp(0),
        };
        Reply {
            at: mark,
            done: mark,
            status,
            code: None,
            enhanced: None,
            response_code: None,
            text: Foreign::from(text),
            line: Foreign::from(text),
            lines: 1,
            pauses: 0,
            sasl_error: None,
        }
    }

    fn offer(lines: &[&str]) -> Capabilities {
        Capabilities {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            masked: false,
        }
    }

    fn joe() -> Arc<Login> {
        Arc::new(Login::with_password(
            "tim".into(),
            Zeroizing::new("tanstaaftanstaaf".into()),
        ))
    }

    fn text(turn: &Turn) -> String {
        String::from_utf8_lossy(&turn.line).into_owned()
    }

    #[test]
    fn plain_goes_with_the_command_where_the_protocol_allows() {
        let (_, turn) = Talk::begin(joe(), Language::Smtp, &offer(&["AUTH PLAIN LOGIN"]), true)
            .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(text(&turn), "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
        assert!(!turn.shown.contains("dGFuc3RhYWZ0"));
        let (mut talk, turn) = Talk::begin(joe(), Language::Imap, &offer(&["AUTH=PLAIN"]), true)
            .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(text(&turn), "AUTHENTICATE PLAIN");
        let turn = talk
            .answer(&reply(Status::Intermediate, ""))
            .expect("a line");
        assert_eq!(text(&turn), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
        assert!(talk.answer(&reply(Status::Negative, "no")).is_none());
    }

    #[test]
    fn the_example_of_rfc_2195() {
        let (mut talk, _) = Talk::begin(joe(), Language::Imap, &offer(&["AUTH=CRAM-MD5"]), true)
            .unwrap_or_else(|why| panic!("{why}"));
        let challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
        let turn = talk
            .answer(&reply(Status::Intermediate, challenge))
            .expect("a line");
        assert_eq!(
            text(&turn),
            "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"
        );
        assert_eq!(STANDARD.decode(&turn.shown).expect("base64"), b"tim ***");
    }

    #[test]
    fn commands_where_there_is_no_mechanism() {
        let (_, turn) = Talk::begin(joe(), Language::Imap, &offer(&["IMAP4REV1"]), true)
            .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(text(&turn), "LOGIN \"tim\" \"tanstaaftanstaaf\"");
        assert_eq!(turn.shown, "LOGIN \"tim\" \"***\"");
        assert!(Talk::begin(joe(), Language::Imap, &offer(&["LOGINDISABLED"]), true).is_err());
        let (mut talk, turn) = Talk::begin(joe(), Language::Pop3, &offer(&["USER"]), true)
            .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(text(&turn), "USER tim");
        let turn = talk.answer(&reply(Status::Positive, "")).expect("a line");
        assert_eq!(
            (text(&turn).as_str(), turn.shown.as_str()),
            ("PASS tanstaaftanstaaf", "PASS ***")
        );
        assert!(talk.answer(&reply(Status::Negative, "no")).is_none());
    }

    #[test]
    fn a_token_wants_a_mechanism_for_tokens() {
        let login = || {
            Arc::new(Login::with_token(
                "joe@example.test".into(),
                Zeroizing::new("tok".into()),
            ))
        };
        assert!(Talk::begin(login(), Language::Smtp, &offer(&["AUTH PLAIN"]), true).is_err());
        let (mut talk, turn) = Talk::begin(
            login(),
            Language::Smtp,
            &offer(&["AUTH PLAIN XOAUTH2"]),
            true,
        )
        .unwrap_or_else(|why| panic!("{why}"));
        let blob = text(&turn)
            .rsplit(' ')
            .next()
            .map(str::to_owned)
            .expect("a blob");
        assert_eq!(
            STANDARD.decode(blob).expect("base64"),
            b"user=joe@example.test\x01auth=Bearer tok\x01\x01"
        );
        let turn = talk
            .answer(&reply(Status::Intermediate, "e30="))
            .expect("a line");
        assert_eq!(text(&turn), "");
    }

    #[test]
    fn nothing_is_shown_in_clear_first_and_nothing_twice() {
        let (talk, _) = Talk::begin(
            joe(),
            Language::Smtp,
            &offer(&["AUTH PLAIN LOGIN SCRAM-SHA-256"]),
            false,
        )
        .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(talk.way(), "SCRAM-SHA-256");
        let (mut talk, _) =
            Talk::begin(joe(), Language::Smtp, &offer(&["AUTH SCRAM-SHA-256"]), true)
                .unwrap_or_else(|why| panic!("{why}"));
        let turn = talk
            .answer(&reply(Status::Intermediate, "bm9uc2Vuc2U="))
            .expect("a line");
        assert_eq!(text(&turn), "*");
        assert!(!talk.accepts());
    }
}
