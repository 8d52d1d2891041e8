//! ManageSieve (RFC 5804).
//!
//! The server greets with its capabilities and OK; answers are data lines and then OK, NO or BYE with
//! an optional code in brackets and a string. Strings may be literals in both directions. Scripts are
//! skipped, not read.

use super::body::Body;
use super::core::{Building, Core, command, masked, unknown};
use super::dialogue::{Phase, Status, Verb};
use super::garbage::Garbage;
use super::lines::Line;
use super::login::{self, Begun};
use super::sasl::Login;
use super::syntax::{astring, literal, token, upper};
use crate::base::{Foreign, Mark, Side};

/// A response whose text comes as a literal.
struct Unfinished {
    building: Building,
    status: Status,
    code: Option<Foreign>,
}

/// The state of a ManageSieve dialogue.
pub(super) struct Sieve {
    login: Option<Login>,
    /// The client's command goes on after a literal.
    client_goes_on: bool,
    /// The literal of the client is a credential.
    credential: bool,
    response: Option<Unfinished>,
    server_goes_on: bool,
    listing: bool,
    garbage: Garbage,
}

impl Sieve {
    pub fn new() -> Sieve {
        Sieve {
            login: None,
            client_goes_on: false,
            credential: false,
            response: None,
            server_goes_on: false,
            listing: false,
            garbage: Garbage::default(),
        }
    }

    /// A line of the client, or the rest of one after a literal.
    pub fn client_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        if std::mem::take(&mut self.client_goes_on) {
            return self.client_literal(core, line);
        }
        if self.login.is_some() && !self.ends_login(core, line) {
            return self.login_step(core, line, mark);
        }
        if line.bytes.trim_ascii().is_empty() {
            return;
        }
        let (word, rest) = token(&line.bytes);
        let (at, _) = line.marks(mark);
        let (verb, phase) = match upper(word).as_slice() {
            b"AUTHENTICATE" => return self.authenticate(core, line, mark, rest),
            name => match known(name) {
                Some(known) => known,
                None if core.dialogue.gapped.client => return,
                None => (Verb::Unknown, Phase::Session),
            },
        };
        if verb == Verb::Quit {
            core.dialogue.quit.get_or_insert(at);
        }
        let asked = if verb == Verb::Unknown {
            unknown(core, line, mark, true)
        } else {
            command(line, mark, verb, &line.bytes)
        };
        core.ask(asked, phase);
        self.client_literal(core, line);
    }

    fn client_literal(&mut self, core: &mut Core, line: &Line) {
        if let Some(left) = literal(&line.bytes) {
            self.client_goes_on = true;
            core.literal[Side::Client].clear();
            if left > 0 {
                let keep = self.credential;
                core.body.client = Body::Count { left, keep };
            }
        }
    }

    /// A literal of the client is complete.
    pub fn client_literal_done(&mut self, core: &mut Core) {
        let text = std::mem::take(&mut core.literal.client);
        if std::mem::take(&mut self.credential)
            && let Some(login) = self.login.as_mut()
        {
            login.message(&text, &mut core.dialogue);
        }
    }

    /// `AUTHENTICATE "mechanism" ["initial response"]` (RFC 5804 2.1).
    fn authenticate(&mut self, core: &mut Core, line: &Line, mark: Mark, rest: &[u8]) {
        let (name, rest) = astring(rest).unwrap_or_default();
        self.credential = literal(rest).is_some();
        let initial = match self.credential {
            true => None, // it comes in a literal
            false => astring(rest),
        };
        let begun = Begun {
            before: b"AUTHENTICATE ",
            name: &name,
            behind: rest,
            initial: initial.as_ref().map(|(text, _)| text.as_slice()),
        };
        let (login, _, command) = begun.start(core, line, mark);
        self.login = Some(login);
        core.ask(command, Phase::Auth);
        self.client_literal(core, line);
    }

    /// Whether a line is a command although a login is open: the client did not wait for the login's answer. What answers a
    /// challenge is a string, quoted or a literal (RFC 5804 2.1), never a bare word.
    fn ends_login(&mut self, core: &mut Core, line: &Line) -> bool {
        let (word, _) = token(&line.bytes);
        let name = upper(word);
        let command = known(&name).is_some() || name.as_slice() == b"AUTHENTICATE";
        let ends = command && login::unanswered(core);
        if ends {
            self.login = None;
            self.credential = false;
        }
        ends
    }

    fn login_step(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let text = line.bytes.trim_ascii();
        self.credential = literal(text).is_some();
        if !self.credential
            && let Some((blob, _)) = astring(text)
            && blob != b"*"
            && let Some(login) = self.login.as_mut()
        {
            login.message(&blob, &mut core.dialogue);
        }
        let command = if matches!(text, b"\"*\"" | b"*" | b"") {
            command(line, mark, Verb::AuthStep, text)
        } else {
            masked(line, mark, Verb::AuthStep, b"", text)
        };
        core.ask(command, Phase::Auth);
        self.client_literal(core, line);
    }

    /// A literal of the server is complete.
    pub fn server_literal_done(&mut self, core: &mut Core) {
        core.body.server = Body::Lines;
    }

    /// A line of the server, or the rest of one after a literal.
    pub fn server_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        if std::mem::take(&mut self.server_goes_on) {
            if let Some(mut response) = self.response.take() {
                let text = std::mem::take(&mut core.literal.server);
                response.building.push(line, &text);
                self.finish(core, response);
            }
            return;
        }
        if line.bytes.trim_ascii().is_empty() {
            return;
        }
        if core.awaits_greeting() {
            core.dialogue
                .greeting_started
                .get_or_insert(line.marks(mark).0);
        }
        if let Some(left) = literal(&line.bytes) {
            self.server_goes_on = true;
            core.literal[Side::Server].clear();
            if left > 0 {
                core.body.server = Body::Count { left, keep: true };
            }
        }
        let (word, rest) = token(&line.bytes);
        let status = match upper(word).as_slice() {
            b"OK" => Status::Positive,
            b"NO" => Status::Negative,
            b"BYE" => Status::Bye,
            _ => return self.data_line(core, line, mark),
        };
        let (code, words) = match rest.strip_prefix(b"(") {
            Some(inner) => {
                let end = inner.iter().position(|b| *b == b')').unwrap_or(inner.len());
                let (name, _) = token(inner.get(..end).unwrap_or_default());
                (
                    Some(Foreign::bounded(&name.to_ascii_uppercase(), 64)),
                    inner.get(end.saturating_add(1)..).unwrap_or_default(),
                )
            }
            None => (None, rest),
        };
        let mut building = Building::new(line, mark);
        let response = if self.server_goes_on {
            Unfinished {
                building,
                status,
                code,
            }
        } else {
            let text = astring(words).map(|(text, _)| text).unwrap_or_default();
            let whole = if words.trim_ascii_start().starts_with(b"\"") {
                text.as_slice()
            } else {
                words
            };
            building.push(line, whole);
            Unfinished {
                building,
                status,
                code,
            }
        };
        if self.server_goes_on {
            self.response = Some(response);
        } else {
            self.finish(core, response);
        }
    }

    fn finish(&mut self, core: &mut Core, response: Unfinished) {
        self.listing = false;
        let status = response.status;
        let mut reply = response.building.finish(status);
        reply.response_code = response.code;
        if status == Status::Bye {
            core.dialogue.goodbye.get_or_insert(reply.done);
        }
        // Who is greeted with NO has asked for nothing yet: behind a login it answers that, and the greeting was not captured.
        let refuses_login = status == Status::Negative
            && core
                .pending
                .front()
                .is_some_and(|pending| matches!(pending.verb, Verb::Auth(_)));
        if core.awaits_greeting() {
            if !refuses_login {
                return core.greeting(reply);
            }
            core.greeting_missed = true;
        }
        let Some(pending) = core.pending.pop_front() else {
            return core.unsolicited(reply, Phase::Session);
        };
        let done = reply.done;
        let positive = status == Status::Positive;
        match pending.verb {
            Verb::Starttls if positive => {
                core.dialogue.starttls_accepted = Some(done);
                core.body.client = Body::Over;
                core.body.server = Body::Over;
            }
            Verb::Auth(_) | Verb::AuthStep => {
                self.login = None;
                if positive {
                    core.dialogue.authenticated = Some(done);
                }
            }
            Verb::Quit => {
                core.dialogue.goodbye.get_or_insert(done);
            }
            _ => {}
        }
        core.answer(pending.seq, reply);
    }

    /// A line that is no OK, NO or BYE: a capability, a challenge, or data.
    fn data_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let challenge = core
            .pending
            .front()
            .filter(|p| matches!(p.verb, Verb::Auth(_) | Verb::AuthStep));
        if challenge.is_some() && line.bytes.starts_with(b"\"")
            || challenge.is_some() && self.server_goes_on
        {
            let (text, _) = astring(&line.bytes).unwrap_or_default();
            let mut building = Building::new(line, mark);
            building.push(line, &text);
            let mut reply = building.finish(Status::Intermediate);
            login::challenged(&mut reply, self.login.as_mut(), &text);
            if let Some(pending) = core.pending.pop_front() {
                core.answer(pending.seq, reply);
            }
            return;
        }
        let capabilities = core.awaits_greeting()
            || core.greeting_missed && core.pending.is_empty()
            || core
                .pending
                .front()
                .is_some_and(|p| p.verb == Verb::Capability);
        if capabilities && line.bytes.starts_with(b"\"") {
            if !std::mem::replace(&mut self.listing, true) {
                core.capabilities_start();
            }
            return capability(core, line, mark);
        }
        if !core.awaits_greeting() || line.after_gap {
            return;
        }
        self.garbage.line(core, line, mark, Phase::Greeting);
    }
}

/// What a command asks, and in which phase; AUTHENTICATE apart.
fn known(name: &[u8]) -> Option<(Verb, Phase)> {
    Some(match name {
        b"CAPABILITY" => (Verb::Capability, Phase::Capabilities),
        b"STARTTLS" => (Verb::Starttls, Phase::Starttls),
        b"LOGOUT" => (Verb::Quit, Phase::Quit),
        b"NOOP" => (Verb::Noop, Phase::Session),
        b"HAVESPACE" | b"PUTSCRIPT" | b"LISTSCRIPTS" | b"SETACTIVE" | b"GETSCRIPT"
        | b"DELETESCRIPT" | b"RENAMESCRIPT" | b"CHECKSCRIPT" | b"UNAUTHENTICATE" => {
            (Verb::Other, Phase::Session)
        }
        _ => return None,
    })
}

/// `"SASL" "PLAIN LOGIN"` (RFC 5804 1.7).
fn capability(core: &mut Core, line: &Line, mark: Mark) {
    let Some((name, rest)) = astring(&line.bytes) else {
        return;
    };
    let value = astring(rest).map(|(value, _)| value).unwrap_or_default();
    let text = [name.as_slice(), b" ", value.as_slice()].concat();
    core.capability(&text, line.marks(mark).0);
    if name.eq_ignore_ascii_case(b"SASL") {
        let mut rest = value.as_slice();
        while !rest.is_empty() {
            let (mechanism, tail) = token(rest);
            core.offer(mechanism);
            rest = tail;
        }
    } else if name.eq_ignore_ascii_case(b"IMPLEMENTATION") {
        core.name_software(&String::from_utf8_lossy(&value));
    }
}
