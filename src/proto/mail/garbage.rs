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

/// First words of web servers.
const WEB: [&[u8]; 3] = [b"HTTP/", b"<html", b"<!doctype"];
/// First word of an SSH daemon (RFC 4253 4.2).
const SSH: &[u8] = b"SSH-";

/// Whether a line names its protocol itself: then it is no tail of a line whose beginning is missing.
pub(super) fn names_itself(line: &[u8]) -> bool {
    WEB.iter().any(|word| starts(line, word)) || line.starts_with(SSH)
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
        if WEB.iter().any(|word| starts(&line.bytes, word)) {
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
            let mut building = Building::new(line, mark);
            building.push(line, &line.bytes);
            core.alone(building.finish(Status::Garbage), phase);
        }
    }

    /// The server was understood: what comes later is written down anew.
    pub fn understood(&mut self) {
        self.lines = 0;
    }
}
