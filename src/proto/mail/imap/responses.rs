//! The server's lines: greeting, continuation requests, untagged data, tagged replies.

use super::Imap;
use crate::base::{Foreign, Mark};
use crate::proto::mail::body::Body;
use crate::proto::mail::core::{Building, Core, TEXT};
use crate::proto::mail::dialogue::{Phase, Reply, Status, Verb};
use crate::proto::mail::garbage::names_itself;
use crate::proto::mail::lines::Line;
use crate::proto::mail::login;
use crate::proto::mail::syntax::{astring, contains, literal, starts, token, upper};

impl Imap {
    /// A line of the server, or the rest of one after a literal.
    pub fn server_line(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        let continued = std::mem::take(&mut self.continued);
        if let Some(left) = literal(&line.bytes) {
            self.continued = true;
            if left > 0 {
                core.body.server = Body::Count { left, keep: false };
            }
            if !continued && contains(&line.bytes, b" FETCH ") {
                core.dialogue.messages = core.dialogue.messages.saturating_add(1);
            }
        }
        if continued || line.bytes.trim_ascii().is_empty() {
            return;
        }
        if core.awaits_greeting() {
            core.dialogue
                .greeting_started
                .get_or_insert(line.marks(mark).0);
        }
        let (tag, rest) = token(&line.bytes);
        match tag {
            b"*" => self.untagged(core, line, mark, rest),
            b"+" => self.continuation(core, line, mark, rest),
            _ => self.tagged(core, line, mark, tag, rest),
        }
    }

    fn untagged(&mut self, core: &mut Core, line: &Line, mark: Mark, rest: &[u8]) {
        let (word, text) = token(rest);
        let word = upper(word);
        let status = match word.as_slice() {
            b"OK" | b"PREAUTH" => Status::Positive,
            b"NO" => Status::Negative,
            b"BAD" => Status::Bad,
            b"BYE" => Status::Bye,
            b"CAPABILITY" => return capabilities(core, text, line.marks(mark).0),
            b"ID" => return id(core, text),
            _ => {
                if core.awaits_greeting() {
                    core.greeting_missed = true;
                }
                return;
            }
        };
        let reply = reply(core, line, mark, status, text);
        if core.awaits_greeting() {
            if word.as_slice() == b"PREAUTH" {
                core.dialogue.authenticated = Some(reply.done);
            }
            return core.greeting(reply);
        }
        match status {
            Status::Bye => {
                core.dialogue.idling = false;
                core.dialogue.goodbye.get_or_insert(reply.done);
                if core.dialogue.quit.is_none() {
                    let phase = self.phase(core);
                    core.unsolicited(reply, phase);
                }
            }
            Status::Negative | Status::Bad if self.complaint.len() < TEXT => {
                if !self.complaint.is_empty() {
                    self.complaint.push(b' ');
                }
                self.complaint.extend_from_slice(text);
            }
            _ => {}
        }
    }

    /// `+`: go on with the login, the literal, or: now idling.
    fn continuation(&mut self, core: &mut Core, line: &Line, mark: Mark, text: &[u8]) {
        if self.unfinished.is_some() {
            core.dialogue.clients_turn = true;
        }
        let waiting = core
            .pending
            .iter()
            .rev()
            .find(|p| matches!(p.verb, Verb::Auth(_) | Verb::AuthStep | Verb::Idle));
        let Some((seq, verb)) = waiting.map(|p| (p.seq, p.verb)) else {
            return; // a go-ahead for a literal
        };
        if self.unfinished.is_some() {
            return;
        }
        let mut reply = reply(core, line, mark, Status::Intermediate, text);
        if verb == Verb::Idle {
            core.dialogue.idling = true;
        } else {
            login::challenged(&mut reply, self.login.as_mut(), text);
        }
        core.answer(seq, reply);
    }

    fn tagged(&mut self, core: &mut Core, line: &Line, mark: Mark, tag: &[u8], rest: &[u8]) {
        let (word, text) = token(rest);
        let status = match upper(word).as_slice() {
            b"OK" => Status::Positive,
            b"NO" => Status::Negative,
            b"BAD" => Status::Bad,
            _ => return self.garbage(core, line, mark),
        };
        if core.awaits_greeting() {
            core.greeting_missed = true;
        }
        let mut reply = reply(core, line, mark, status, text);
        let complaint = std::mem::take(&mut self.complaint);
        if !complaint.is_empty() && status != Status::Positive {
            let text = format!("{} {}", reply.text, Foreign::bounded(&complaint, TEXT));
            reply.text = Foreign::bounded(text.as_bytes(), TEXT);
        }
        let position = core.pending.iter().position(|p| *p.tag == *tag);
        let Some(pending) = position.and_then(|index| core.pending.remove(index)) else {
            let phase = self.phase(core);
            return core.unsolicited(reply, phase);
        };
        let done = reply.done;
        let positive = status == Status::Positive;
        match pending.verb {
            Verb::Auth(_) | Verb::AuthStep | Verb::Login => {
                self.login = None;
                if positive {
                    core.dialogue.authenticated = Some(done);
                }
            }
            Verb::Idle => core.dialogue.idling = false,
            Verb::Starttls if positive => {
                core.dialogue.starttls_accepted = Some(done);
                core.body.client = Body::Over;
                core.body.server = Body::Over;
            }
            Verb::Compress if positive => {
                core.opaque(done);
            }
            Verb::Quit if positive => {
                core.dialogue.goodbye.get_or_insert(done);
            }
            _ => {}
        }
        if self
            .unfinished
            .as_ref()
            .is_some_and(|u| u.seq == pending.seq)
        {
            core.dialogue.clients_turn = false;
            let message = self.unfinished.take().is_some_and(|u| u.message);
            if message {
                core.dialogue.in_data = None;
            }
            // Refused before the literal was sent: then it will not come (RFC 9051 4.3).
            if !positive && core.literal.client.is_empty() && core.dialogue.data_bytes == 0 {
                core.body.client = Body::Lines;
            }
        }
        core.answer(pending.seq, reply);
    }

    fn garbage(&mut self, core: &mut Core, line: &Line, mark: Mark) {
        if line.after_gap && !names_itself(line) {
            core.dialogue.gapped.server = true;
            return;
        }
        let phase = self.phase(core);
        self.garbage.line(core, line, mark, phase);
    }

    fn phase(&self, core: &Core) -> Phase {
        let verb = core.pending.front().map(|p| p.verb);
        match verb {
            _ if core.dialogue.quit.is_some() => Phase::Quit,
            Some(Verb::Login | Verb::Auth(_) | Verb::AuthStep) => Phase::Auth,
            Some(Verb::Starttls) => Phase::Starttls,
            Some(Verb::Capability | Verb::Id) => Phase::Capabilities,
            _ => Phase::Session,
        }
    }
}

/// A reply with its response code (RFC 9051 7.1) taken out of the text; capabilities in it are noted.
fn reply(core: &mut Core, line: &Line, mark: Mark, status: Status, text: &[u8]) -> Reply {
    let (code, words) = response_code(text);
    let mut reply = Building::whole(line, mark, words, status);
    if let Some(code) = code {
        let (name, arguments) = token(code);
        if name.eq_ignore_ascii_case(b"CAPABILITY") {
            capabilities(core, arguments, reply.at);
        }
        reply.response_code = Some(Foreign::bounded(&name.to_ascii_uppercase(), 64));
    }
    reply
}

fn response_code(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let text = text.trim_ascii_start();
    let Some(inner) = text.strip_prefix(b"[") else {
        return (None, text);
    };
    match inner.iter().position(|b| *b == b']') {
        Some(end) => (
            inner.get(..end),
            inner.get(end.saturating_add(1)..).unwrap_or_default(),
        ),
        None => (None, text),
    }
}

fn capabilities(core: &mut Core, mut list: &[u8], at: Mark) {
    core.capabilities_start();
    while !list.is_empty() {
        let (word, rest) = token(list);
        core.capability(word, at);
        if starts(word, b"AUTH=") {
            core.offer(word.get(5..).unwrap_or_default());
        }
        list = rest;
    }
}

/// `* ID ("name" "Dovecot" …)` (RFC 2971).
fn id(core: &mut Core, list: &[u8]) {
    let mut rest = list.trim_ascii_start();
    rest = rest.strip_prefix(b"(").unwrap_or(rest);
    for _ in 0..16 {
        let Some((key, tail)) = astring(rest) else {
            return;
        };
        let Some((value, tail)) = astring(tail) else {
            return;
        };
        if key.eq_ignore_ascii_case(b"name") {
            if core.dialogue.software.is_none() {
                core.dialogue.software = Some(Foreign::bounded(&value, 64));
            }
            return;
        }
        rest = tail;
    }
}
