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

use super::choice::choose;
use super::credentials::{Login, Way};
use super::scram::{Hash, Scram};
use crate::base::Foreign;
use crate::probe::session::ask::Capabilities;
use crate::proto::mail::{Language, Reply, Status};

#[cfg(test)]
mod tests;

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
