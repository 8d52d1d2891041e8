//! The client's lines: tagged commands, their literals, login steps, DONE.

use super::{Imap, Unfinished, verb_of};
use crate::base::{Foreign, Mark, Secret, Side};
use crate::proto::mail::body::Body;
use crate::proto::mail::core::{Core, Pending, command, masked, unknown};
use crate::proto::mail::dialogue::{Command, Oddity, Phase, Verb};
use crate::proto::mail::lines::Line;
use crate::proto::mail::login::{self, Begun};
use crate::proto::mail::sasl;
use crate::proto::mail::syntax::{astring, contains, literal, token, upper};

/// Arguments of LOGIN looked at.
const ARGUMENTS: usize = 4;

impl Imap {
    /// A line of the client, or the rest of one after a literal.
    pub fn client_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        core.dialogue.clients_turn = false;
        if let Some(unfinished) = self.unfinished.take() {
            return self.go_on(core, line, mark, unfinished);
        }
        if self.login.is_some() && !self.ends_login(core, line) {
            return self.login_step(core, line, mark);
        }
        if line.bytes.trim_ascii().is_empty() {
            return;
        }
        if line.bytes.trim_ascii().eq_ignore_ascii_case(b"DONE") && self.idle_ends(core, line, mark)
        {
            return;
        }
        let (tag, rest) = token(&line.bytes);
        let (name, arguments) = token(rest);
        let mut name = upper(name);
        if name.as_slice() == b"UID" {
            let (second, _) = token(arguments);
            name = upper(second);
        }
        if name.as_slice() == b"AUTHENTICATE" {
            return self.authenticate(core, line, mark, tag, arguments);
        }
        let verb = verb_of(&name);
        let (at, _) = line.marks(mark);
        if verb == Verb::Unknown {
            if core.dialogue.gapped.client {
                return;
            }
            if contains(&line.bytes, b" HTTP/1.") {
                core.odd(Oddity::Http, at);
            }
        }
        let phase = match verb {
            Verb::Capability | Verb::Id => Phase::Capabilities,
            Verb::Starttls => Phase::Starttls,
            Verb::Login => Phase::Auth,
            Verb::Quit => Phase::Quit,
            _ => Phase::Session,
        };
        if verb == Verb::Quit {
            core.dialogue.quit.get_or_insert(at);
        }
        if verb == Verb::Login {
            return self.login(core, line, mark, tag, arguments);
        }
        let asked = if verb == Verb::Unknown {
            unknown(core, line, mark, true)
        } else {
            command(line, mark, verb, &line.bytes)
        };
        let seq = core.command(asked, phase);
        expect(core, seq, verb, tag);
        if let Some(size) = literal(&line.bytes) {
            let message = matches!(name.as_slice(), b"APPEND" | b"REPLACE");
            if message {
                core.dialogue.in_data = Some(at);
                core.dialogue.data_bytes = 0;
            }
            self.unfinished = Some(Unfinished {
                seq,
                arguments: Vec::new(),
                login: false,
                message,
            });
            begin_literal(core, size, false);
            core.dialogue.clients_turn = needs_no_asking(&line.bytes);
            if size == 0 {
                self.client_literal_done(core, mark);
            }
        }
    }

    /// `LOGIN user password`, in any mixture of atoms, quoted strings and literals (RFC 9051 6.2.3).
    fn login(&mut self, core: &mut Core, line: &Line, mark: Mark, tag: &[u8], arguments: &[u8]) {
        core.dialogue.user = None;
        core.dialogue.secret = None;
        let shown = [tag, b" LOGIN".as_slice()].concat();
        let seq = core.command(masked(line, mark, Verb::Login, &shown, b""), Phase::Auth);
        expect(core, seq, Verb::Login, tag);
        let mut unfinished = Unfinished {
            seq,
            arguments: Vec::new(),
            login: true,
            message: false,
        };
        unfinished.take_arguments(arguments);
        self.next_piece(core, line, mark, unfinished);
    }

    /// What follows a literal.
    fn go_on(&mut self, core: &mut Core, line: &Line, mark: Mark, mut unfinished: Unfinished) {
        if unfinished.login {
            unfinished.take_arguments(&line.bytes);
        }
        self.next_piece(core, line, mark, unfinished);
    }

    /// Either another literal follows, or the command is complete.
    fn next_piece(&mut self, core: &mut Core, line: &Line, mark: Mark, unfinished: Unfinished) {
        let (_, done) = line.marks(mark);
        if let Some(exchange) = core.exchange(unfinished.seq)
            && let Some(command) = exchange.command.as_mut()
        {
            command.done = done;
            if unfinished.login {
                show_login(command, &unfinished.arguments);
            }
        }
        if unfinished.login {
            if let Some(user) = unfinished.arguments.first() {
                sasl::set_user(&mut core.dialogue, user);
            }
            if let Some(password) = unfinished.arguments.get(1) {
                sasl::set_secret(&mut core.dialogue, password);
            }
        }
        if let Some(size) = literal(&line.bytes) {
            let keep = unfinished.login;
            self.unfinished = Some(unfinished);
            begin_literal(core, size, keep);
            core.dialogue.clients_turn = needs_no_asking(&line.bytes);
            if size == 0 {
                self.client_literal_done(core, mark);
            }
        }
    }

    /// `AUTHENTICATE mechanism [initial-response]`.
    fn authenticate(
        &mut self,
        core: &mut Core,
        line: &Line,
        mark: Mark,
        tag: &[u8],
        arguments: &[u8],
    ) {
        let (name, initial) = token(arguments);
        let before = [tag, b" AUTHENTICATE ".as_slice()].concat();
        let begun = Begun::with_word(&before, name, initial);
        let (login, verb, command) = begun.start(core, line, mark);
        self.login = Some(login);
        let seq = core.command(command, Phase::Auth);
        expect(core, seq, verb, tag);
    }

    /// Whether a line is a tagged command although a login is open: the client did not wait for the login's answer (RFC 9051
    /// 5.5). A step is base64, without a blank.
    fn ends_login(&mut self, core: &mut Core, line: &Line) -> bool {
        let (_, rest) = token(&line.bytes);
        let (name, _) = token(rest);
        let name = upper(name);
        let command = verb_of(&name) != Verb::Unknown || name.as_slice() == b"AUTHENTICATE";
        let ends = command && login::unanswered(core);
        if ends {
            self.login = None;
        }
        ends
    }

    /// A line of an AUTHENTICATE exchange; also an empty one counts.
    fn login_step(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let command = login::step(core, self.login.as_mut(), line, mark);
        step(core, command, Phase::Auth, |verb| {
            matches!(verb, Verb::Auth(_) | Verb::AuthStep)
        });
    }

    /// `DONE` ends an IDLE: the tagged reply is for it.
    fn idle_ends(&mut self, core: &mut Core, line: &Line, mark: Mark) -> bool {
        if !core.pending.iter().any(|p| p.verb == Verb::Idle) {
            return core.dialogue.gapped.client;
        }
        core.dialogue.idling = false;
        let done = command(line, mark, Verb::Idle, b"DONE");
        step(core, done, Phase::Session, |verb| verb == Verb::Idle);
        true
    }
}

impl Unfinished {
    fn take_arguments(&mut self, text: &[u8]) {
        let mut rest = text.trim_ascii();
        if literal(rest).is_some() {
            let start = rest.iter().rposition(|b| *b == b'{').unwrap_or(0);
            rest = rest.get(..start).unwrap_or_default();
        }
        while self.arguments.len() < ARGUMENTS {
            let Some((value, tail)) = astring(rest) else {
                break;
            };
            self.arguments.push(value);
            rest = tail;
        }
    }
}

/// Shows the account, not the password.
fn show_login(command: &mut Command, arguments: &[Vec<u8>]) {
    let tag = command
        .text
        .as_str()
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    let user = arguments.first().map(|u| Foreign::bounded(u, 256));
    let text = match &user {
        Some(user) => format!("{tag} LOGIN {user} ***"),
        None => format!("{tag} LOGIN ***"),
    };
    command.text = Foreign::from(text.as_str());
    command.secret = arguments
        .get(1)
        .map(|password| Secret::new(Foreign::from_bytes(password)));
}

/// A literal that the client sends without waiting for the server's `+` (RFC 7888 3, 4).
fn needs_no_asking(line: &[u8]) -> bool {
    line.trim_ascii_end().ends_with(b"+}")
}

fn begin_literal(core: &mut Core, size: u64, keep: bool) {
    core.literal[Side::Client].clear();
    core.body.client = if size == 0 {
        Body::Lines
    } else {
        Body::Count { left: size, keep }
    };
}

fn expect(core: &mut Core, seq: u64, verb: Verb, tag: &[u8]) {
    core.expect(Pending {
        seq,
        verb,
        tag: tag.get(..64).unwrap_or(tag).into(),
        listing: false,
        more: 0,
    });
}

/// A further line of a command that has had its `+`: its own exchange takes the place of the command's.
fn step(core: &mut Core, command: Command, phase: Phase, of: impl Fn(Verb) -> bool) {
    let verb = command.verb;
    let seq = core.command(command, phase);
    if let Some(pending) = core.pending.iter_mut().rev().find(|p| of(p.verb)) {
        pending.seq = seq;
        pending.verb = verb;
    }
}
