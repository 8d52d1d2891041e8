//! `mail.not-mail`: what answered does not speak a mail protocol, or another one than this port's (RFC 5321 4.2, RFC 9051
//! 7.1, RFC 1939 4).
//!
//! A mail server that greets oddly is a mail server: the greeting's form decides, never words in it – but for an FTP
//! server, whose greeting has SMTP's form and which then knows no command of it.

use crate::base::Mark;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::proto::mail::{Oddity, Phase, Reply, Status};

use super::progress::{Step, cut, has_oddity, readable, step, understood};

/// What is said of a greeting in another mail protocol.
const OTHER: &str = "it greets in another mail protocol";

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if !readable(c) || c.dialogue.gaps > 0 {
        return;
    }
    let found = if c.began_late() || c.frames_missing() {
        // What begins in the middle, or has holes, may be anything, but for what names itself.
        garbage(c)
            .filter(|(.., confidence)| *confidence > 0.9)
            .map(|(at, line, what, _)| (at, line, what, 0.75))
    } else {
        garbage(c).or_else(|| other_protocol(c)).or_else(|| ftp(c))
    };
    let Some((at, line, what, confidence)) = found else {
        return;
    };
    let server = c.server_text();
    let text = match what {
        // What service it is was learnt from this greeting: the one that was called for is another.
        OTHER => format!(
            "{server} answers, but in {}, not in the protocol that was called for.",
            spoken(line)
        ),
        _ => format!(
            "{server} answers, but does not speak {}: {what}.",
            c.service.name()
        ),
    };
    claims.push(
        Claim::new(
            Code::MailNotMail,
            At::address(Where::Server, c.server().ip),
            at,
            confidence,
            text,
        )
        .shown_by(format!("the server's words: {}", cut(line, 80)))
        .advise("Check host and port: IMAP 143/993, POP3 110/995, submission 587/465, MX 25")
        .advise("At a hotspot log in by browser first; server's operator: check port forwarding and load balancer"),
    );
}

/// The server's first words are no reply of any mail protocol.
fn garbage<'a>(c: &Connection<'a>) -> Option<(Mark, &'a str, &'static str, f32)> {
    let dialogue = c.dialogue;
    if dialogue.greeted || understood(dialogue) {
        return None;
    }
    let reply = dialogue
        .exchanges
        .iter()
        .find_map(|exchange| exchange.reply.as_ref())
        .filter(|reply| reply.status == Status::Garbage)?;
    let line = reply.line.as_str();
    // A TLS alert or record: the wrong encryption, not the wrong service.
    if line.starts_with("\\x15\\x03") || line.starts_with("\\x16\\x03") {
        return None;
    }
    let (what, confidence) =
        if has_oddity(dialogue, Oddity::Ssh).is_some() && line.starts_with("SSH-") {
            ("an SSH server", 0.97)
        } else if line.starts_with("HTTP/") || line.starts_with('<') {
            ("a web server", 0.97)
        } else {
            ("its first words belong to no mail protocol", 0.85)
        };
    Some((reply.at, line, what, confidence))
}

/// Another mail protocol than the port's, and the client got nothing out of it.
fn other_protocol<'a>(c: &Connection<'a>) -> Option<(Mark, &'a str, &'static str, f32)> {
    let at = has_oddity(c.dialogue, Oddity::OtherMailProtocol)?;
    if understood(c.dialogue) || c.dialogue.authenticated.is_some() {
        return None;
    }
    let reply = greeting(c)?;
    Some((at, reply.line.as_str(), OTHER, 0.85))
}

/// The protocol of a greeting, by its form.
fn spoken(line: &str) -> &'static str {
    match line.as_bytes() {
        [b'*', ..] => "IMAP",
        [b'+' | b'-', ..] => "POP3",
        [digit, ..] if digit.is_ascii_digit() => "SMTP",
        _ => "ManageSieve",
    }
}

/// An FTP greeting, and no EHLO or HELO that was understood.
fn ftp<'a>(c: &Connection<'a>) -> Option<(Mark, &'a str, &'static str, f32)> {
    let reply = greeting(c)?;
    let mut refused = false;
    for exchange in &c.dialogue.exchanges {
        let Some(reply) = &exchange.reply else {
            continue;
        };
        if step(c.dialogue, exchange) == Step::Hello {
            if reply.status == Status::Positive {
                return None;
            }
            refused = true;
        }
    }
    let named = || {
        reply
            .text
            .as_str()
            .to_ascii_lowercase()
            .split(|ch: char| !ch.is_ascii_alphanumeric())
            .any(|word| matches!(word, "ftp" | "ftpd" | "vsftpd" | "proftpd" | "filezilla"))
    };
    (refused && named()).then_some((reply.at, reply.line.as_str(), "an FTP server", 0.85))
}

fn greeting<'a>(c: &Connection<'a>) -> Option<&'a Reply> {
    c.dialogue
        .exchanges
        .iter()
        .find(|exchange| exchange.phase == Phase::Greeting && exchange.command.is_none())
        .and_then(|exchange| exchange.reply.as_ref())
}
