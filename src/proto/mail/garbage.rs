//! A server's line that is no reply in the language of the dialogue.
//!
//! It exists because all languages meet the same strangers: a web server or an SSH daemon behind a mail port,
//! words of no mail server at all, noise. It knows them by their first words, writes the first few lines down
//! and refuses to judge.

use super::core::{Building, Core};
use super::dialogue::{Oddity, Phase, Status};
use super::lines::Line;
use super::syntax::starts;
use crate::base::Mark;

/// First word of web servers (RFC 9112 4).
const HTTP: &[u8] = b"HTTP/";
/// First words of web pages.
const PAGE: [&[u8]; 2] = [b"<html", b"<!doctype"];
/// First word of an SSH daemon (RFC 4253 4.2).
const SSH: &[u8] = b"SSH-";

/// Whether the first line behind missing bytes names its protocol itself. A page does not: messages hold pages.
pub(super) fn names_itself(line: &Line) -> bool {
    line.after_gap && (line.bytes.starts_with(HTTP) || line.bytes.starts_with(SSH))
}

/// Lines written down at most, one after the other.
const KEPT: u32 = 4;

/// How many such lines there were since the server was last understood.
#[derive(Default)]
pub(super) struct Garbage {
    lines: u32,
}

impl Garbage {
    /// One such line, while the dialogue is in that phase unless its greeting is still to come.
    pub fn line(&mut self, core: &mut Core, line: &Line, mark: Mark, phase: Phase) {
        let (at, _) = line.marks(mark);
        if line.bytes.starts_with(HTTP) || PAGE.iter().any(|word| starts(&line.bytes, word)) {
            core.odd(Oddity::Http, at);
        } else if line.bytes.starts_with(SSH) {
            core.odd(Oddity::Ssh, at);
        } else if core.awaits_greeting() {
            core.odd(Oddity::NotMail, at);
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines <= KEPT {
            let phase = if core.awaits_greeting() {
                Phase::Greeting
            } else {
                phase
            };
            let reply = Building::whole(line, mark, &line.bytes, Status::Garbage);
            core.alone(reply, phase);
        }
    }

    /// The server was understood: what comes later is written down anew.
    pub fn understood(&mut self) {
        self.lines = 0;
    }
}
