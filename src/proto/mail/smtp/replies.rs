//! The server's lines: replies, matched to commands in order (RFC 2920 3.1).

use super::{Smtp, Transfer};
use crate::base::{Foreign, Mark};
use crate::proto::mail::body::Body;
use crate::proto::mail::core::{Building, Core, Pending};
use crate::proto::mail::dialogue::{Command, Oddity, Phase, Reply, Status, Verb};
use crate::proto::mail::garbage::names_itself;
use crate::proto::mail::lines::Line;
use crate::proto::mail::login;
use crate::proto::mail::syntax::{
    contains, enhanced, enhanced_in_brackets, reply_line, starts, token,
};

impl Smtp {
    /// A line of the server.
    pub fn server_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let Some((code, last, text)) = reply_line(&line.bytes) else {
            return self.no_reply(core, line, mark);
        };
        let text: &[u8] = if line.torn { b"" } else { text };
        if line.after_gap && self.code_so_far().is_some_and(|before| before != code) {
            // All lines of a reply have one code (RFC 5321 4.2.1).
            self.end_unseen(core);
        }
        if core.awaits_greeting() {
            core.dialogue
                .greeting_started
                .get_or_insert(line.marks(mark).0);
        }
        self.garbage.understood();
        let listing = core
            .pending
            .front()
            .is_some_and(|pending| matches!(pending.verb, Verb::Ehlo | Verb::Lhlo) && code == 250);
        let coded = if listing { None } else { enhanced(text) };
        let (status, words) = match coded {
            Some((status, words)) => (Some(status), words),
            None => (None, text),
        };
        if last && !listing && self.building.is_none() {
            let mut reply = Building::whole(line, mark, words, status_of(code));
            reply.enhanced = status;
            return self.complete(core, reply, code);
        }
        let building = self
            .building
            .get_or_insert_with(|| Building::new(line, mark));
        building.enhanced = building.enhanced.or(status);
        building.push(line, words);
        if listing {
            capability_line(core, text, building.lines, line.marks(mark).0);
        }
        if last && let Some(building) = self.building.take() {
            // Should the codes of the lines differ, the last one counts, as Postfix reads it.
            let reply = building.finish(status_of(code));
            self.complete(core, reply, code);
        }
    }

    /// The code of the reply whose last line has not come.
    fn code_so_far(&self) -> Option<u16> {
        let first = self.building.as_ref()?.first().as_str();
        reply_line(first.as_bytes()).map(|(code, _, _)| code)
    }

    /// The last line of a reply is in a hole of the capture: what was seen of it is the reply.
    fn end_unseen(&mut self, core: &mut Core) {
        let code = self.code_so_far();
        if let (Some(building), Some(code)) = (self.building.take(), code) {
            let reply = building.finish(status_of(code));
            self.complete(core, reply, code);
        }
    }

    /// The client goes on: it has read the last line of the reply (RFC 5321 4.2.1), so that one is in the hole.
    pub(super) fn client_goes_on(&mut self, core: &mut Core) {
        if core.dialogue.gapped.server && self.building.is_some() {
            self.end_unseen(core);
        }
    }

    /// The last line of a reply was read.
    fn complete(&mut self, core: &mut Core, mut reply: Reply, code: u16) {
        reply.code = Some(code);
        reply.enhanced = reply
            .enhanced
            .or_else(|| enhanced_in_brackets(reply.text.as_str().as_bytes()));
        self.reply(core, reply);
    }

    /// A line without a reply code: part of a reply, another protocol, or noise.
    fn no_reply(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        if line.after_gap && !names_itself(line) {
            core.dialogue.gapped.server = true;
            return;
        }
        if line.bytes.trim_ascii().is_empty() {
            return;
        }
        if let Some(building) = self.building.as_mut() {
            building.push(line, &line.bytes);
            return;
        }
        if let Some(reply) = codeless(core, line, mark) {
            return self.reply(core, reply);
        }
        self.garbage.line(core, line, mark, Phase::Session);
    }

    /// A complete reply.
    fn reply(&mut self, core: &mut Core, reply: Reply) {
        let code = reply.code.unwrap_or_default();
        if masked_text(reply.line.as_str().as_bytes()) {
            core.odd(Oddity::MaskedBanner, reply.at);
        }
        if core.awaits_greeting() {
            // A greeting is 220, or a refusal; anything else answers a command that was sent before.
            if matches!(code, 220 | 400..600) || core.pending.is_empty() {
                let (name, _) = token(reply.text.as_str().as_bytes());
                if code == 220 && !name.is_empty() {
                    core.dialogue.server_name = Some(Foreign::bounded(name, 256));
                }
                if contains(reply.text.as_str().as_bytes(), b" LMTP") {
                    self.lmtp = true;
                    core.dialogue.language = Some(crate::proto::mail::Language::Lmtp);
                }
                return core.greeting(reply);
            }
            core.greeting_missed = true;
        }
        self.skip_impossible(core, code);
        let mut reply = reply;
        let quits = |pending: &Pending| pending.verb == Verb::Quit;
        if code == 221
            && !core.pending.iter().any(quits)
            && core.dialogue.quit.is_none()
            && !core.asked_unseen()
        {
            // "Closing" (RFC 5321 4.2.3) to anything but QUIT: the server hangs up, as Postfix does on a web browser.
            reply.status = Status::Bye;
        }
        if code == 221 && self.lmtp && core.pending.iter().any(quits) {
            // "Closing" accepts no message (RFC 5321 4.3.2): it answers QUIT, and what a recipient is owed stays owed.
            let message = |pending: &Pending| matches!(pending.verb, Verb::Data | Verb::DataLast);
            while core.pending.front().is_some_and(message) {
                core.pending.pop_front();
            }
        }
        let Some(pending) = core.pending.pop_front() else {
            return self.without_command(core, reply);
        };
        self.answer(core, pending, reply);
    }

    /// After a gap on the server's side some replies are lost: drop commands that this code cannot answer.
    fn skip_impossible(&mut self, core: &mut Core, code: u16) {
        if !core.dialogue.gapped.server {
            return;
        }
        while core.pending.len() > 1 {
            let Some(first) = core.pending.front() else {
                break;
            };
            let fits = match code {
                354 => matches!(first.verb, Verb::DataStart | Verb::Other),
                334 | 235 => matches!(first.verb, Verb::Auth(_) | Verb::AuthStep),
                220 => first.verb == Verb::Starttls,
                221 => first.verb == Verb::Quit,
                _ => true,
            };
            if fits {
                break;
            }
            core.pending.pop_front();
        }
    }

    /// Nothing is outstanding: an answer to a message still being sent, a farewell, or odd.
    fn without_command(&mut self, core: &mut Core, reply: Reply) {
        if self.transfer == Transfer::Open {
            let done = core.latest.client.unwrap_or(reply.at);
            let terminator_lost = core.dialogue.gapped.client;
            // So may be what was said behind it.
            core.doubt.client |= terminator_lost;
            self.message_of_before(core, done);
            self.transfer = Transfer::Answered;
            if reply.status == Status::Positive {
                // It saw an end where this decoder saw none (the last dot without its line end, then FIN).
                core.dialogue.in_data = None;
            }
            if terminator_lost || core.body.client == Body::Lines {
                core.body.client = Body::Lines;
                self.transfer = Transfer::None;
                core.dialogue.in_data = None;
            }
            if let Some(pending) = core.pending.pop_front() {
                self.answer(core, pending, reply);
            }
            return;
        }
        let missed = core.dialogue.gapped.client || core.asked_unseen();
        if reply.code == Some(354) && missed && self.transfer == Transfer::None {
            // The server waits for a message (RFC 5321 4.1.1.4): its DATA is what was not captured.
            self.transfer = Transfer::Open;
            core.dialogue.in_data.get_or_insert(reply.done);
            core.dialogue.data_bytes = 0;
        }
        let phase = if core.dialogue.quit.is_some() {
            Phase::Quit
        } else if self.login.is_some() {
            Phase::Auth
        } else {
            Phase::Session
        };
        core.unsolicited(reply, phase);
    }

    fn answer(&mut self, core: &mut Core, pending: Pending, mut reply: Reply) {
        let positive = reply.status == Status::Positive;
        let done = reply.done;
        let code = reply.code.unwrap_or_default();
        if reply.status == Status::Bye {
            core.dialogue.goodbye.get_or_insert(done);
        }
        match pending.verb {
            Verb::Helo if positive => {
                core.capabilities_start();
                name_server(core, &reply);
            }
            Verb::Starttls if code == 220 => {
                core.dialogue.starttls_accepted = Some(done);
                core.body.client = Body::Over;
                core.body.server = Body::Over;
            }
            Verb::Auth(_) | Verb::AuthStep => {
                if code == 334 {
                    let challenge = reply.text.clone();
                    login::challenged(
                        &mut reply,
                        self.login.as_mut(),
                        challenge.as_str().as_bytes(),
                    );
                } else {
                    self.login = None;
                }
                if positive {
                    core.dialogue.authenticated = Some(done);
                }
            }
            Verb::Rcpt if positive => self.accepted = self.accepted.saturating_add(1),
            Verb::DataStart if code == 354 && self.transfer == Transfer::Asked => {
                self.transfer = Transfer::Open;
                core.dialogue.in_data.get_or_insert(done);
            }
            Verb::DataStart if code == 354 => {}
            Verb::DataStart => {
                if matches!(self.transfer, Transfer::Asked) {
                    self.transfer = Transfer::None;
                    core.dialogue.in_data = None;
                    core.body.client = Body::Lines;
                }
            }
            Verb::Other => {
                if let Transfer::Blob(left) = self.transfer {
                    if code == 354 {
                        core.body.client = Body::Count { left, keep: false };
                    } else {
                        self.transfer = Transfer::None;
                    }
                }
            }
            Verb::Data | Verb::DataLast if positive => {
                let chunk = core
                    .exchange(pending.seq)
                    .and_then(|e| e.command.as_ref())
                    .is_some_and(Command::is_chunk);
                if !chunk {
                    core.dialogue.messages = core.dialogue.messages.saturating_add(1);
                }
            }
            Verb::Quit => {
                core.dialogue.goodbye.get_or_insert(done);
            }
            _ => {}
        }
        let ends = reply.status == Status::Bye;
        core.answer(pending.seq, reply);
        if pending.more > 0 && !ends {
            self.owe_another(core, pending);
        }
    }

    /// The message has a reply for each recipient (LMTP, RFC 2033 4.2), and the next one is still owed: an exchange with the same
    /// command awaits it.
    fn owe_another(&mut self, core: &mut Core, mut pending: Pending) {
        let asked = core
            .exchange(pending.seq)
            .map(|exchange| (exchange.command.clone(), exchange.phase));
        if let Some((Some(command), phase)) = asked {
            pending.seq = core.command_of_before(command, phase);
        }
        pending.more = pending.more.saturating_sub(1);
        core.pending.push_front(pending);
    }
}

/// A reply to the message that lacks its reply code and begins with the enhanced one (RFC 2034 4), as a server writes it whose texts come from
/// its filter. Nothing else of a server can stand there: the client waits with what comes next.
fn codeless(core: &Core, line: &Line, mark: Mark) -> Option<Reply> {
    let to_message = core.pending.len() == 1
        && core
            .pending
            .front()
            .is_some_and(|pending| pending.verb == Verb::Data);
    let (code, words) = enhanced(&line.bytes).filter(|_| to_message)?;
    let status = match code.class {
        4 => Status::Transient,
        5 => Status::Negative,
        _ => return None,
    };
    let mut reply = Building::whole(line, mark, words, status);
    reply.enhanced = Some(code);
    Some(reply)
}

/// One line of the reply to EHLO (RFC 5321 4.1.1.1): the first names the server.
fn capability_line(core: &mut Core, text: &[u8], number: u32, at: Mark) {
    if number <= 1 {
        core.capabilities_start();
        let (name, _) = token(text);
        if !name.is_empty() {
            core.dialogue.server_name = Some(Foreign::bounded(name, 256));
        }
        return;
    }
    core.capability(text, at);
    let (keyword, rest) = token(text);
    let mut mechanisms = if keyword.eq_ignore_ascii_case(b"AUTH") {
        rest
    } else if starts(keyword, b"AUTH=") {
        // The form of old Outlook versions: `250-AUTH=LOGIN PLAIN`.
        text.trim_ascii_start().get(5..).unwrap_or_default()
    } else {
        return;
    };
    while !mechanisms.is_empty() {
        let (name, rest) = token(mechanisms);
        core.offer(name);
        mechanisms = rest;
    }
}

fn name_server(core: &mut Core, reply: &Reply) {
    let (name, _) = token(reply.text.as_str().as_bytes());
    if !name.is_empty() {
        core.dialogue.server_name = Some(Foreign::bounded(name, 256));
    }
}

/// Postfix's predicate of a masked banner (`strspn(text, "20 *\t\n")`), with at least one `*`.
fn masked_text(line: &[u8]) -> bool {
    line.iter()
        .all(|b| matches!(b, b'2' | b'0' | b' ' | b'*' | b'\t' | b'-'))
        && line.contains(&b'*')
}

fn status_of(code: u16) -> Status {
    match code {
        421 => Status::Bye,
        200..300 => Status::Positive,
        300..400 => Status::Intermediate,
        400..500 => Status::Transient,
        500..600 => Status::Negative,
        _ => Status::Garbage,
    }
}
