//! The one door to the mail decoders: bytes and gaps in, a [`Dialogue`] out.
//!
//! It exists so that lines, counted bytes and message data are told apart in one loop for all five
//! languages. It stops at the exact byte where clear text ends and says so; what follows is not its
//! business.

use super::body::Body;
use super::core::Core;
use super::dialogue::{Dialogue, Language, Oddity};
use super::imap::Imap;
use super::lines::{Line, LineBuffer};
use super::pop3::Pop3;
use super::sieve::Sieve;
use super::smtp::Smtp;
use super::torn::tells_status;
use crate::base::{Mark, PerSide, Side};

/// A decoder for one connection.
pub struct Decoder {
    core: Core,
    lines: PerSide<LineBuffer>,
    speaker: Speaker,
    port: Language,
}

// One per mail flow, and boxing would cost an allocation each.
#[allow(clippy::large_enum_variant)]
enum Speaker {
    Smtp(Smtp),
    Imap(Imap),
    Pop3(Pop3),
    Sieve(Sieve),
}

impl Speaker {
    fn of(language: Language) -> Speaker {
        match language {
            Language::Smtp => Speaker::Smtp(Smtp::new(false)),
            Language::Lmtp => Speaker::Smtp(Smtp::new(true)),
            Language::Imap => Speaker::Imap(Imap::new()),
            Language::Pop3 => Speaker::Pop3(Pop3::new()),
            Language::Sieve => Speaker::Sieve(Sieve::new()),
        }
    }
}

impl Decoder {
    /// For a connection that is expected to speak `language`. The server's first byte may say otherwise.
    pub fn new(language: Language) -> Decoder {
        let mut core = Core::new();
        core.dialogue.language = Some(language);
        Decoder {
            core,
            lines: PerSide::default(),
            speaker: Speaker::of(language),
            port: language,
        }
    }

    /// Nothing was said for a while: gives back memory that holds nothing.
    pub fn rest(&mut self) {
        self.core.rest();
        for side in [Side::Client, Side::Server] {
            self.lines[side].rest();
        }
    }

    /// What was said so far.
    pub fn dialogue(&self) -> &Dialogue {
        &self.core.dialogue
    }

    /// Bytes of a side, in stream order. Returns how many belong to the clear dialogue; fewer than given means that
    /// clear text ended there: TLS (or compression) begins with the next byte. Never panics.
    pub fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]) -> usize {
        if bytes.is_empty() || self.core.body[side] == Body::Over {
            return 0;
        }
        self.core.heard(side, mark);
        let other = side.other();
        if let Some(line) = self.lines[other].flush_carriage_return() {
            self.line(other, &line, mark);
            self.lines[other].recycle(line);
        }
        let mut used = 0usize;
        while let Some(rest) = bytes.get(used..) {
            let Some(&first) = rest.first() else { break };
            if self.lines[side].is_empty() {
                self.before(side, mark);
            }
            let step = match self.core.body[side] {
                Body::Over => break,
                Body::Lines => {
                    if first == TLS_HANDSHAKE && self.lines[side].is_empty() {
                        self.end_clear_text(side, mark);
                        break;
                    }
                    self.feed_line(side, mark, rest)
                }
                Body::Count { left, keep } => self.count(side, mark, rest, left, keep),
                Body::Dotted(mut dots) => {
                    let (step, done) = dots.scan(rest);
                    self.core.body[side] = Body::Dotted(dots);
                    self.body_bytes(side, step as u64);
                    if done {
                        self.body_done(side, mark);
                    }
                    step
                }
            };
            used = used.saturating_add(step);
        }
        used
    }

    /// Bytes of a side that will never come. `len` 0 before anything else means that the start was not captured.
    pub fn gap(&mut self, side: Side, mark: Mark, len: u64) {
        if len > 0 && side == Side::Server {
            self.tear(mark);
        }
        // What was said before the hole is no less sure for it.
        if len > 0
            && let (Side::Server, Speaker::Pop3(pop3)) = (side, &mut self.speaker)
        {
            pop3.server_gap(&mut self.core);
        }
        self.core.gap(side, len);
        if len > 0 {
            self.core.latest[side] = Some(mark);
        }
        match &mut self.core.body[side] {
            Body::Over => {}
            Body::Lines => self.lines[side].gap(),
            Body::Count { left, keep } => {
                let keep = *keep;
                let inside = len.min(*left);
                let beyond = len.saturating_sub(inside);
                let left = left.saturating_sub(inside);
                self.core.body[side] = Body::Count { left, keep };
                self.body_bytes(side, inside);
                if left == 0 {
                    self.body_done(side, mark);
                    if beyond > 0 {
                        self.lines[side].gap();
                    }
                }
            }
            Body::Dotted(dots) => {
                dots.gap();
                if side == Side::Server {
                    // Line by line from here: the dot may be lost, and the next reply must not be.
                    self.core.body.server = Body::Lines;
                    self.lines.server.gap();
                } else {
                    self.body_bytes(side, len);
                }
            }
        }
    }

    /// Bytes of the server are missing: the line that they tear in two may have said enough.
    fn tear(&mut self, mark: Mark) {
        if self.core.body.server != Body::Lines || self.quotes() {
            return;
        }
        let Some(line) = self.lines.server.torn() else {
            return;
        };
        if !line.torn || tells_status(&self.core, &line.bytes) {
            self.core.torn = line.torn;
            self.line(Side::Server, &line, mark);
            self.core.torn = false;
        }
        self.lines.server.recycle(line);
    }

    /// The server's next line is no reply of its own: it goes on with what it hands out.
    fn quotes(&self) -> bool {
        match &self.speaker {
            Speaker::Imap(imap) => imap.hands_out(),
            Speaker::Pop3(pop3) => pop3.hands_out(),
            Speaker::Smtp(_) | Speaker::Sieve(_) => false,
        }
    }

    /// Clear text goes on where TLS was expected (a decrypted capture, or the inside of TLS).
    pub fn resume_clear(&mut self) {
        self.core.body.client = Body::Lines;
        self.core.body.server = Body::Lines;
    }

    /// The language is not known yet: none is claimed.
    pub(in crate::proto) fn unclaimed() -> Decoder {
        let mut decoder = Decoder::new(Language::Smtp);
        decoder.core.dialogue.language = None;
        decoder
    }

    /// Notes something strange that the caller saw.
    pub fn odd(&mut self, oddity: Oddity, at: Mark) {
        self.core.odd(oddity, at);
    }

    /// From now on nothing can be read.
    pub(in crate::proto) fn opaque(&mut self, at: Mark) {
        self.core.opaque(at);
    }

    /// Notes a PROXY protocol preface of that many bytes.
    pub fn proxy_preface(&mut self, at: Mark, length: u32) {
        let dialogue = &mut self.core.dialogue;
        if dialogue.proxy_preface.is_none() {
            dialogue.proxy_preface = Some(at);
            dialogue.proxy_length = length;
        }
    }

    /// Notes that a side sent bytes that are not for this decoder.
    pub fn heard(&mut self, side: Side, mark: Mark) {
        match side {
            Side::Client => self.core.dialogue.last_client = Some(mark.time),
            Side::Server => self.core.dialogue.last_server = Some(mark.time),
        }
    }

    /// Whether clear text has ended for a side.
    pub fn is_over(&self, side: Side) -> bool {
        self.core.body[side] == Body::Over
    }

    /// Whether the next byte of a side is the first of a line.
    pub(in crate::proto) fn at_line(&self, side: Side) -> bool {
        self.core.body[side] == Body::Lines && self.lines[side].is_empty()
    }

    fn before(&mut self, side: Side, mark: Mark) {
        if side == Side::Server && self.core.awaits_greeting() {
            self.core.dialogue.greeting_started.get_or_insert(mark);
        }
        if let Speaker::Smtp(smtp) = &mut self.speaker {
            smtp.before(&mut self.core, side, mark);
        }
    }

    /// The first word of a greeting tells the languages apart: digits, `*`, `+OK` or `-ERR`, a quoted string. A bare `+`
    /// invites an IMAP client to go on, where the capture begins in the middle.
    fn recognise(&mut self, line: &[u8], mark: Mark) {
        let Some(language) = self.core.dialogue.language else {
            return;
        };
        let smtp = matches!(language, Language::Smtp | Language::Lmtp);
        let word = line
            .split(|byte| *byte == b' ')
            .next()
            .unwrap_or(line)
            .trim_ascii();
        let pop3 = word.eq_ignore_ascii_case(b"+OK") || word.eq_ignore_ascii_case(b"-ERR");
        let spoken = match line.first() {
            Some(b'2' | b'4' | b'5') if !smtp => Language::Smtp,
            Some(b'*') if language != Language::Imap => Language::Imap,
            Some(b'+' | b'-') if pop3 && language != Language::Pop3 => Language::Pop3,
            Some(b'"') if language != Language::Sieve => Language::Sieve,
            _ => return,
        };
        if spoken != self.port {
            self.core.odd(Oddity::OtherMailProtocol, mark);
        }
        self.core.dialogue.language = Some(spoken);
        self.speaker = Speaker::of(spoken);
        self.core.pending.clear();
    }

    fn end_clear_text(&mut self, side: Side, mark: Mark) {
        self.core.body[side] = Body::Over;
        let asked = self
            .core
            .pending
            .iter()
            .find(|p| p.verb == super::Verb::Starttls);
        if asked.is_some() && self.core.dialogue.starttls_accepted.is_none() {
            // The invitation itself was not captured, but was followed.
            self.core.dialogue.starttls_accepted = Some(mark);
        }
        if self.core.dialogue.starttls_accepted.is_some() {
            self.core.body[side.other()] = Body::Over;
        }
    }

    fn feed_line(&mut self, side: Side, mark: Mark, rest: &[u8]) -> usize {
        let fed = self.lines[side].feed(mark, rest);
        if let Some(line) = fed.line {
            self.line(side, &line, mark);
            self.lines[side].recycle(line);
        }
        fed.used
    }

    fn line(&mut self, side: Side, line: &Line, mark: Mark) {
        if line.long {
            self.core.odd(Oddity::LongLine, line.marks(mark).0);
        }
        if side == Side::Server && self.core.awaits_greeting() {
            self.recognise(&line.bytes, mark);
        }
        let core = &mut self.core;
        match (side, &mut self.speaker) {
            (Side::Client, Speaker::Smtp(smtp)) => smtp.client_line(core, line, mark),
            (Side::Client, Speaker::Imap(imap)) => imap.client_line(core, line, mark),
            (Side::Client, Speaker::Pop3(pop3)) => pop3.client_line(core, line, mark),
            (Side::Client, Speaker::Sieve(sieve)) => sieve.client_line(core, line, mark),
            (Side::Server, Speaker::Smtp(smtp)) => smtp.server_line(core, line, mark),
            (Side::Server, Speaker::Imap(imap)) => imap.server_line(core, line, mark),
            (Side::Server, Speaker::Pop3(pop3)) => pop3.server_line(core, line, mark),
            (Side::Server, Speaker::Sieve(sieve)) => sieve.server_line(core, line, mark),
        }
    }

    fn count(&mut self, side: Side, mark: Mark, rest: &[u8], left: u64, keep: bool) -> usize {
        let step = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        if keep {
            self.core
                .keep_literal(side, rest.get(..step).unwrap_or(rest));
        }
        let left = left.saturating_sub(step as u64);
        self.core.body[side] = Body::Count { left, keep };
        self.body_bytes(side, step as u64);
        if left == 0 {
            self.body_done(side, mark);
        }
        step
    }

    fn body_bytes(&mut self, side: Side, length: u64) {
        match (side, &mut self.speaker) {
            (Side::Client, Speaker::Smtp(smtp)) => smtp.body_bytes(&mut self.core, length),
            (Side::Client, Speaker::Imap(imap)) => imap.client_bytes(&mut self.core, length),
            _ => {}
        }
    }

    fn body_done(&mut self, side: Side, mark: Mark) {
        self.core.body[side] = Body::Lines;
        match (side, &mut self.speaker) {
            (Side::Client, Speaker::Smtp(smtp)) => smtp.body_done(&mut self.core, mark),
            (Side::Client, Speaker::Imap(imap)) => imap.client_literal_done(&mut self.core, mark),
            (Side::Client, Speaker::Sieve(sieve)) => sieve.client_literal_done(&mut self.core),
            (Side::Server, Speaker::Pop3(pop3)) => pop3.body_done(&mut self.core, mark),
            (Side::Server, Speaker::Sieve(sieve)) => sieve.server_literal_done(&mut self.core),
            _ => {}
        }
    }
}

/// The content type of a TLS handshake record; no line of a mail protocol begins with this byte.
const TLS_HANDSHAKE: u8 = 0x16;
