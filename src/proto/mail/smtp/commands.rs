//! The client's lines: commands, and the steps of a login.

use super::{Smtp, Transfer};
use crate::base::{Mark, Side};
use crate::proto::mail::body::Body;
use crate::proto::mail::core::{Core, Pending, command, unknown};
use crate::proto::mail::dialogue::{Language, Oddity, Phase, Verb};
use crate::proto::mail::lines::Line;
use crate::proto::mail::login::{self, Begun};
use crate::proto::mail::syntax::{contains, is_masked, number, token, upper};

/// Commands that are known but need no word of their own (IANA mail parameters, vendors' documents).
const OTHER: &[&[u8]] = &[
    b"VRFY",
    b"EXPN",
    b"HELP",
    b"TURN",
    b"ETRN",
    b"ATRN",
    b"SEND",
    b"SOML",
    b"SAML",
    b"BURL",
    b"XCLIENT",
    b"XFORWARD",
    b"XADR",
    b"XCIR",
    b"XGEN",
    b"XQUE",
    b"XSTA",
    b"XRCPTLIMIT",
    b"XSESSIONPARAMS",
    b"XPROXYTO",
    b"XPROXYFROM",
    b"XPROXY",
    b"X-LINK2STATE",
    b"XPING",
    b"XWALLOP",
    b"XDUMPENVELOPE",
    b"RCPTHDR",
    b"TICK",
    b"VERB",
    b"ONEX",
    b"DEBUG",
    b"WIZ",
];

impl Smtp {
    /// A line of the client, outside of message data.
    pub fn client_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        self.client_goes_on(core);
        if self.login.is_some() && !self.ends_login(core, line) {
            return self.login_step(core, line, mark);
        }
        if line.bytes.trim_ascii().is_empty() {
            return;
        }
        let (word, rest) = token(&line.bytes);
        let name = upper(word);
        let (verb, phase) = match name.as_slice() {
            b"EHLO" => (Verb::Ehlo, Phase::Capabilities),
            b"HELO" => (Verb::Helo, Phase::Capabilities),
            b"LHLO" => (Verb::Lhlo, Phase::Capabilities),
            b"STARTTLS" | b"X-ANONYMOUSTLS" => (Verb::Starttls, Phase::Starttls),
            b"AUTH" | b"X-EXPS" => return self.auth(core, line, mark, word, rest),
            b"MAIL" => (Verb::Mail, Phase::Session),
            b"RCPT" => (Verb::Rcpt, Phase::Session),
            b"DATA" => (Verb::DataStart, Phase::Session),
            b"BDAT" => return self.chunk(core, line, mark, rest),
            b"XEXCH50" => return self.blob(core, line, mark, rest),
            b"RSET" | b"NOOP" => (Verb::Noop, Phase::Session),
            b"QUIT" => (Verb::Quit, Phase::Quit),
            other if OTHER.contains(&other) => (Verb::Other, Phase::Session),
            _ => return self.unknown(core, line, mark, word),
        };
        match verb {
            Verb::Ehlo | Verb::Helo | Verb::Lhlo => {
                self.lmtp = verb == Verb::Lhlo;
                core.dialogue.language = Some(if self.lmtp {
                    Language::Lmtp
                } else {
                    Language::Smtp
                });
                let (client, _) = token(rest);
                core.dialogue.client_name = Some(crate::base::Foreign::bounded(client, 256));
            }
            Verb::Mail => self.accepted = 0,
            Verb::DataStart => {
                self.transfer = Transfer::Asked;
                core.dialogue.data_bytes = 0;
            }
            Verb::Quit => {
                core.dialogue.quit.get_or_insert(line.marks(mark).0);
            }
            _ => {}
        }
        core.ask(command(line, mark, verb, &line.bytes), phase);
    }

    /// A word that is no command: masked, another protocol's, or a stray credential.
    fn unknown(&mut self, core: &mut Core, line: &Line, mark: Mark, word: &[u8]) {
        let (at, _) = line.marks(mark);
        if is_masked(word) {
            core.ask(
                command(line, mark, Verb::Masked, &line.bytes),
                Phase::Session,
            );
            return;
        }
        if core.dialogue.gapped.client {
            return;
        }
        if contains(&line.bytes, b" HTTP/1.") || contains(&line.bytes, b" HTTP/2") {
            core.odd(Oddity::Http, at);
        } else if line.bytes.starts_with(b"SSH-") {
            core.odd(Oddity::Ssh, at);
        }
        let command = unknown(core, line, mark, self.login_asked);
        core.ask(command, Phase::Session);
    }

    /// `AUTH mechanism [initial-response]` (RFC 4954 4).
    fn auth(&mut self, core: &mut Core, line: &Line, mark: Mark, word: &[u8], rest: &[u8]) {
        let (name, initial) = token(rest);
        self.login_asked = true;
        let before = [word, b" ".as_slice()].concat();
        let begun = Begun::with_word(&before, name, initial);
        let (login, _, command) = begun.start(core, line, mark);
        self.login = Some(login);
        core.ask(command, Phase::Auth);
    }

    /// Whether a line can be no credential although a login is open: then the login's end was missed.
    fn ends_login(&mut self, core: &Core, line: &Line) -> bool {
        let (word, rest) = token(&line.bytes);
        let lone = rest.is_empty();
        let known = [
            &b"EHLO"[..],
            b"HELO",
            b"LHLO",
            b"MAIL",
            b"RCPT",
            b"AUTH",
            b"STARTTLS",
        ]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name));
        let leaving = [&b"QUIT"[..], b"RSET", b"NOOP"]
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name));
        // A password may be called "quit"; but nobody sends one before the server asks for it.
        let unasked = core.pending.iter().any(|p| matches!(p.verb, Verb::Auth(_)));
        let ends = (known && !lone) || (leaving && unasked && core.spoke.server.is_some());
        if ends {
            self.login = None;
        }
        ends
    }

    fn login_step(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let command = login::step(core, self.login.as_mut(), line, mark);
        core.ask(command, Phase::Auth);
    }

    /// `BDAT size [LAST]` (RFC 3030 2). The chunk follows whatever the server thinks of it.
    fn chunk(&mut self, core: &mut Core, line: &Line, mark: Mark, rest: &[u8]) {
        let (size, last) = token(rest);
        let verb = if last.trim_ascii().eq_ignore_ascii_case(b"LAST") {
            Verb::DataLast
        } else {
            Verb::Data
        };
        let seq = core.command(command(line, mark, verb, &line.bytes), Phase::Session);
        let more = if self.lmtp && verb == Verb::DataLast {
            self.accepted.saturating_sub(1)
        } else {
            0
        };
        core.expect(Pending {
            seq,
            verb,
            tag: Box::default(),
            listing: false,
            more,
        });
        match number(size) {
            Some(left) if left > 0 => {
                self.transfer = Transfer::Chunk(seq);
                core.dialogue.in_data = Some(line.marks(mark).0);
                core.dialogue.data_bytes = 0;
                core.body[Side::Client] = Body::Count { left, keep: false };
            }
            // Nothing, or no size that a server could take: it rejects the line, and lines go on.
            _ => {}
        }
    }

    /// `XEXCH50 size number`: the blob follows once the server says 354 (Exchange 2000 and 2003).
    fn blob(&mut self, core: &mut Core, line: &Line, mark: Mark, rest: &[u8]) {
        let (size, _) = token(rest);
        core.ask(
            command(line, mark, Verb::Other, &line.bytes),
            Phase::Session,
        );
        if let Some(size) = number(size).filter(|size| *size > 0) {
            self.transfer = Transfer::Blob(size);
        }
    }
}
