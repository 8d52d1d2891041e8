//! POP3 (RFC 1939, RFC 2449 CAPA, RFC 2595 STLS, RFC 5034 AUTH, RFC 3206 response codes).
//!
//! Replies match commands in order; which of them go on for several lines depends on the command.
//! Mail that is handed out is skipped, listings are counted. It refuses to keep either.

use super::body::{Body, Dots};
use super::core::{Building, Core, Pending, command, masked, unknown};
use super::dialogue::{Mechanism, Oddity, Phase, Reply, Status, Verb};
use super::garbage::{Garbage, names_itself};
use super::lines::Line;
use super::login::{self, Begun};
use super::sasl::{self, Login};
use super::syntax::{contains, token, upper};
use crate::base::{Foreign, Mark};

/// Commands that a client may send behind a login without waiting for its answer (RFC 2449 6.6).
const COMMANDS: &[&[u8]] = &[
    b"QUIT", b"NOOP", b"RSET", b"STAT", b"CAPA", b"LIST", b"UIDL", b"RETR", b"TOP", b"DELE",
    b"USER", b"PASS", b"APOP", b"AUTH",
];

/// A multi-line answer that has begun. It ends with a line of a dot (RFC 1939 3): until then the command is not answered.
struct Listing {
    seq: u64,
    verb: Verb,
    lines: u32,
    /// Its status line, which is written down with the end; or before, once bytes are missing and the end may be among them.
    reply: Option<Reply>,
}

/// The state of a POP3 dialogue.
pub(super) struct Pop3 {
    login: Option<Login>,
    login_asked: bool,
    listing: Option<Listing>,
    garbage: Garbage,
}

impl Pop3 {
    pub fn new() -> Pop3 {
        Pop3 {
            login: None,
            login_asked: false,
            listing: None,
            garbage: Garbage::default(),
        }
    }

    /// A line of the client.
    pub fn client_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        if self.login.is_some() && !self.ends_login(core, line) {
            return self.login_step(core, line, mark);
        }
        if line.bytes.trim_ascii().is_empty() {
            return;
        }
        let (word, rest) = token(&line.bytes);
        let name = upper(word);
        let (at, _) = line.marks(mark);
        let alone = rest.is_empty();
        let (verb, phase, listing) = match name.as_slice() {
            b"CAPA" => (Verb::Capability, Phase::Capabilities, true),
            b"STLS" => (Verb::Starttls, Phase::Starttls, false),
            b"USER" => (Verb::User, Phase::Auth, false),
            b"PASS" => {
                sasl::set_secret(&mut core.dialogue, after_word(line, word));
                let secret = after_word(line, word);
                core.ask(masked(line, mark, Verb::Pass, word, secret), Phase::Auth);
                return;
            }
            b"APOP" => {
                let (user, digest) = token(rest);
                core.dialogue.secret = None;
                sasl::set_user(&mut core.dialogue, user);
                let shown = [word, b" ".as_slice(), user].concat();
                core.ask(masked(line, mark, Verb::Apop, &shown, digest), Phase::Auth);
                return;
            }
            b"AUTH" if alone => (Verb::Capability, Phase::Capabilities, true),
            b"AUTH" => return self.auth(core, line, mark, word, rest),
            b"RETR" | b"TOP" => (Verb::Retrieve, Phase::Session, true),
            b"LIST" | b"UIDL" => (Verb::Other, Phase::Session, alone),
            b"LANG" => (Verb::Other, Phase::Session, alone),
            b"STAT" | b"DELE" | b"LAST" | b"UTF8" | b"XTND" | b"XSENDER" | b"XUIDL" => {
                (Verb::Other, Phase::Session, false)
            }
            b"NOOP" | b"RSET" => (Verb::Noop, Phase::Session, false),
            b"QUIT" => (Verb::Quit, Phase::Quit, false),
            _ => {
                if core.dialogue.gapped.client {
                    return;
                }
                if contains(&line.bytes, b" HTTP/1.") {
                    core.odd(Oddity::Http, at);
                }
                let command = unknown(core, line, mark, self.login_asked);
                core.ask(command, Phase::Session);
                return;
            }
        };
        match verb {
            Verb::User => {
                core.dialogue.secret = None;
                sasl::set_user(&mut core.dialogue, rest);
            }
            Verb::Quit => {
                core.dialogue.quit.get_or_insert(at);
            }
            _ => {}
        }
        let seq = core.command(command(line, mark, verb, &line.bytes), phase);
        core.expect(Pending {
            seq,
            verb,
            tag: Box::default(),
            listing,
            more: 0,
        });
    }

    /// `AUTH mechanism [initial-response]` (RFC 5034 4).
    fn auth(&mut self, core: &mut Core, line: &Line, mark: Mark, word: &[u8], rest: &[u8]) {
        let (name, initial) = token(rest);
        self.login_asked = true;
        let before = [word, b" ".as_slice()].concat();
        let begun = Begun::with_word(&before, name, initial);
        let (login, _, command) = begun.start(core, line, mark);
        self.login = Some(login);
        core.ask(command, Phase::Auth);
    }

    /// Whether a line is a command although a login is open: the client did not wait for the login's answer. A password may
    /// be called `quit`, but nobody sends one before the server asks for it.
    fn ends_login(&mut self, core: &mut Core, line: &Line) -> bool {
        let (word, _) = token(&line.bytes);
        let ends =
            COMMANDS.iter().any(|name| word.eq_ignore_ascii_case(name)) && login::unanswered(core);
        if ends {
            self.login = None;
        }
        ends
    }

    fn login_step(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let command = login::step(core, self.login.as_mut(), line, mark);
        core.ask(command, Phase::Auth);
    }

    /// A line of the server.
    pub fn server_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let (word, rest) = token(&line.bytes);
        let status = match word {
            _ if self.listing.is_some() && !core.dialogue.gapped.server => None,
            b"+" => Some(Status::Intermediate),
            word if word.eq_ignore_ascii_case(b"+OK") => Some(Status::Positive),
            word if word.eq_ignore_ascii_case(b"-ERR") => Some(Status::Negative),
            _ => None,
        };
        let Some(status) = status else {
            return match self.listing.take() {
                Some(listing) => self.listing_line(core, line, mark, listing),
                None => self.no_reply(core, line, mark),
            };
        };
        if let Some(mut listing) = self.listing.take() {
            core.dialogue.gapped.server = false; // the listing's end was in the gap
            write(core, &mut listing);
        }
        let reply = reply(line, mark, status, rest);
        if core.awaits_greeting() {
            if status != Status::Intermediate {
                return self.greet(core, reply);
            }
            core.greeting_missed = true;
        }
        self.answer(core, reply);
    }

    fn greet(&mut self, core: &mut Core, reply: Reply) {
        let text = reply.text.as_str().as_bytes();
        if let Some(start) = text.iter().position(|b| *b == b'<')
            && let Some(stamp) = text.get(start..)
            && let Some(end) = stamp.iter().position(|b| *b == b'>')
            && stamp.get(..end).is_some_and(|inner| inner.contains(&b'@'))
        {
            core.dialogue.apop_offered = true;
        }
        core.greeting(reply);
    }

    fn answer(&mut self, core: &mut Core, mut reply: Reply) {
        let positive = reply.status == Status::Positive;
        let done = reply.done;
        let Some(pending) = core.pending.pop_front() else {
            if reply.status == Status::Negative {
                // The last words of a server that gives up a silent client.
                core.dialogue.goodbye.get_or_insert(done);
            }
            return core.unsolicited(reply, Phase::Session);
        };
        match pending.verb {
            Verb::Starttls if positive => {
                core.dialogue.starttls_accepted = Some(done);
                core.body.client = Body::Over;
                core.body.server = Body::Over;
            }
            Verb::Pass | Verb::Apop if positive => core.dialogue.authenticated = Some(done),
            Verb::Auth(_) | Verb::AuthStep => {
                if reply.status == Status::Intermediate {
                    let challenge = reply.text.clone();
                    login::challenged(
                        &mut reply,
                        self.login.as_mut(),
                        challenge.as_str().as_bytes(),
                    );
                } else {
                    self.login = None;
                    if positive {
                        core.dialogue.authenticated = Some(done);
                    }
                }
            }
            Verb::Quit => {
                core.dialogue.goodbye.get_or_insert(done);
            }
            Verb::Retrieve if positive => core.body.server = Body::Dotted(Dots::new()),
            Verb::Capability if positive => core.capabilities_start(),
            _ => {}
        }
        if pending.listing && positive {
            self.listing = Some(Listing {
                seq: pending.seq,
                verb: pending.verb,
                lines: 1,
                reply: Some(reply),
            });
            return;
        }
        core.answer(pending.seq, reply);
    }

    /// A line of a multi-line answer; a dot ends it.
    fn listing_line(&mut self, core: &mut Core, line: &Line, mark: Mark, mut listing: Listing) {
        listing.lines = listing.lines.saturating_add(1);
        if *line.bytes == *b"." {
            core.dialogue.gapped.server = false;
            return listing_done(core, line.marks(mark).1, &mut listing);
        }
        if listing.verb == Verb::Capability && !line.after_gap {
            let (word, mut rest) = token(&line.bytes);
            core.capability(&line.bytes, line.marks(mark).0);
            if word.eq_ignore_ascii_case(b"SASL") {
                while !rest.is_empty() {
                    let (name, tail) = token(rest);
                    core.offer(name);
                    rest = tail;
                }
            } else if word.eq_ignore_ascii_case(b"IMPLEMENTATION") {
                core.name_software(&String::from_utf8_lossy(rest));
            } else if rest.is_empty() && sasl::mechanism(word) != Mechanism::Other {
                core.offer(word); // the answer to AUTH without an argument
            }
        }
        self.listing = Some(listing);
    }

    /// The dot after a message.
    pub fn body_done(&mut self, core: &mut Core, mark: Mark) {
        core.body.server = Body::Lines;
        if let Some(mut listing) = self.listing.take() {
            listing.lines = listing.lines.saturating_add(1);
            listing_done(core, mark, &mut listing);
        }
    }

    /// The server's next line is one of a multi-line answer.
    pub fn hands_out(&self) -> bool {
        self.listing.is_some()
    }

    /// Bytes of the server are missing: the end of a listing may be among them, and nobody can say that it never came.
    pub fn server_gap(&mut self, core: &mut Core) {
        if let Some(listing) = self.listing.as_mut() {
            write(core, listing);
        }
    }

    fn no_reply(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        if (line.after_gap || core.dialogue.gapped.server) && !names_itself(line) {
            core.dialogue.gapped.server = true;
            return;
        }
        if line.bytes.trim_ascii().is_empty() {
            return;
        }
        self.garbage.line(core, line, mark, Phase::Session);
    }
}

/// The end of a multi-line answer was seen.
fn listing_done(core: &mut Core, done: Mark, listing: &mut Listing) {
    write(core, listing);
    if let Some(reply) = core.exchange(listing.seq).and_then(|e| e.reply.as_mut()) {
        reply.done = done;
        reply.lines = listing.lines;
    }
}

/// Writes the reply of a multi-line answer down, unless it is; a message of it was handed out.
fn write(core: &mut Core, listing: &mut Listing) {
    let Some(reply) = listing.reply.take() else {
        return;
    };
    if listing.verb == Verb::Retrieve {
        core.dialogue.messages = core.dialogue.messages.saturating_add(1);
    }
    core.answer(listing.seq, reply);
}

/// A reply with its response code (RFC 2449 8) taken out of the text.
fn reply(line: &Line, mark: Mark, status: Status, text: &[u8]) -> Reply {
    let bracket = text
        .strip_prefix(b"[")
        .and_then(|inner| Some((inner, inner.iter().position(|b| *b == b']')?)))
        .filter(|(_, end)| status == Status::Negative && *end <= 32);
    let (code, words) = match bracket {
        Some((inner, end)) => (inner.get(..end), inner.get(end.saturating_add(1)..)),
        None => (None, Some(text)),
    };
    let mut reply = Building::whole(line, mark, words.unwrap_or_default(), status);
    reply.response_code = code.map(|code| Foreign::bounded(&code.to_ascii_uppercase(), 32));
    reply
}

/// All that follows the command's word and one blank: passwords may contain blanks (RFC 1939 7).
fn after_word<'a>(line: &'a Line<'_>, word: &[u8]) -> &'a [u8] {
    let start = line.bytes.iter().position(|b| !b.is_ascii_whitespace());
    let skip = start
        .unwrap_or(0)
        .saturating_add(word.len())
        .saturating_add(1);
    line.bytes.get(skip..).unwrap_or_default()
}
