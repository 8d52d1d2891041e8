//! How each mail protocol forms commands and replies, as far as a client has to know it.

use crate::lab::server::channel::{Channel, End};
use crate::lab::server::spec::ServiceKind;

/// Lines that one reply may have.
const LINES: usize = 100_000;

/// A protocol, without its port and its TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SMTP and submission.
    Smtp,
    /// LMTP.
    Lmtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// ManageSieve.
    Sieve,
    /// None: lines in, lines out.
    Raw,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Yes.
    Good,
    /// Go on.
    Continue,
    /// No.
    Bad,
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// All its lines.
    pub lines: Vec<String>,
    /// What it says.
    pub sense: Sense,
}

impl Reply {
    /// The reply as one text, for an error.
    pub fn text(&self) -> String {
        self.lines.last().cloned().unwrap_or_default()
    }
}

impl Dialect {
    /// The dialect of a service.
    pub fn of(kind: ServiceKind) -> Dialect {
        match kind {
            ServiceKind::Smtp | ServiceKind::Submission | ServiceKind::Submissions => Dialect::Smtp,
            ServiceKind::Lmtp => Dialect::Lmtp,
            ServiceKind::Imap | ServiceKind::Imaps => Dialect::Imap,
            ServiceKind::Pop3 | ServiceKind::Pop3s => Dialect::Pop3,
            ServiceKind::Sieve => Dialect::Sieve,
            ServiceKind::Dns | ServiceKind::Raw | ServiceKind::Https => Dialect::Raw,
        }
    }

    /// The command that starts TLS.
    pub fn starttls(self) -> &'static str {
        if self == Dialect::Pop3 {
            "STLS"
        } else {
            "STARTTLS"
        }
    }

    /// The command that ends a session.
    pub fn quit(self) -> &'static str {
        match self {
            Dialect::Imap | Dialect::Sieve => "LOGOUT",
            _ => "QUIT",
        }
    }

    /// Reads one reply. `tag` is the IMAP tag that ends it, empty for a greeting; `multi` says that POP3 sends lines
    /// up to a dot if it agrees. `seen` is called with every line.
    pub fn reply(
        self,
        channel: &mut Channel,
        tag: &str,
        multi: bool,
        mut seen: impl FnMut(&str),
    ) -> Result<Reply, End> {
        let mut lines: Vec<String> = Vec::new();
        while lines.len() < LINES {
            let line = channel.line()?;
            seen(&line);
            lines.push(line.clone());
            let sense = match self {
                Dialect::Smtp | Dialect::Lmtp => smtp(&line),
                Dialect::Imap => {
                    if let Some(count) = line
                        .strip_suffix('}')
                        .and_then(|line| line.rsplit_once('{'))
                    {
                        let count = count.1.parse::<usize>().unwrap_or(0);
                        channel.exact(count.min(1 << 26))?;
                        continue;
                    }
                    imap(&line, tag)
                }
                Dialect::Pop3 if lines.len() == 1 => match (line.as_str(), multi) {
                    (text, false) if text.starts_with("+OK") => Some(Sense::Good),
                    (text, true) if text.starts_with("+OK") => None,
                    (text, _) if text.starts_with("+ ") || text == "+" => Some(Sense::Continue),
                    _ => Some(Sense::Bad),
                },
                Dialect::Pop3 => (line == ".").then_some(Sense::Good),
                Dialect::Sieve => sieve(&line),
                Dialect::Raw => Some(Sense::Good),
            };
            if let Some(sense) = sense {
                return Ok(Reply { lines, sense });
            }
        }
        Err(End::Refused("a reply without an end".to_owned()))
    }
}

fn smtp(line: &str) -> Option<Sense> {
    match (line.as_bytes().first(), line.as_bytes().get(3)) {
        (Some(b'0'..=b'9'), Some(b'-')) => None,
        (Some(b'2'), _) => Some(Sense::Good),
        (Some(b'3'), _) => Some(Sense::Continue),
        _ => Some(Sense::Bad),
    }
}

fn imap(line: &str, tag: &str) -> Option<Sense> {
    if line.starts_with("+ ") || line == "+" {
        return Some(Sense::Continue);
    }
    let status = |text: &str| match text.split(' ').next().unwrap_or_default() {
        "OK" | "PREAUTH" => Sense::Good,
        _ => Sense::Bad,
    };
    match line.strip_prefix("* ") {
        Some(text) if tag.is_empty() => Some(status(text)),
        Some(_) => None,
        None if tag.is_empty() => Some(Sense::Bad),
        None => line
            .strip_prefix(tag)
            .and_then(|rest| rest.strip_prefix(' '))
            .map(status),
    }
}

fn sieve(line: &str) -> Option<Sense> {
    match line.split(' ').next().unwrap_or_default() {
        "OK" => Some(Sense::Good),
        "NO" | "BYE" => Some(Sense::Bad),
        // A lone string is a SASL challenge; a capability has a known name in front.
        word if word.starts_with('"') && word == line && !is_capability(line) => {
            Some(Sense::Continue)
        }
        word if word.starts_with('"') => None,
        _ => Some(Sense::Bad),
    }
}

fn is_capability(line: &str) -> bool {
    line.get(1..)
        .is_some_and(|text| text.starts_with("STARTTLS") || text.starts_with("UNAUTHENTICATE"))
}
