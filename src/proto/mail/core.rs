//! What the five decoders share: the dialogue being written, and the commands that await a reply.
//!
//! It exists so that bounds, marks and the matching of replies to commands are written once. It
//! knows no language and refuses to judge: a reply without a command is written down as such.

use std::collections::VecDeque;

use arrayvec::ArrayVec;

use super::body::Body;
use super::dialogue::{Command, Dialogue, Exchange, Oddity, Phase, Reply, Status, Verb};
use super::lines::{Line, is_pause};
use super::software;
use super::syntax;
use crate::base::{Foreign, Mark, PerSide, Secret, Side, limits};

/// Commands waiting for a reply at once; with more, the oldest is given up (RFC 2920 clients send some ten).
const PENDING: usize = 256;
/// Exchanges dropped from the middle at once when the bound is hit, so that dropping stays cheap.
const DROPPED: usize = 32;
/// Capabilities kept.
const CAPABILITIES: usize = 64;
/// Bytes kept of one.
const CAPABILITY: usize = 256;
/// Oddities kept.
const ODDITIES: usize = 32;
/// Room for the words of a reply of several lines, as most listings of capabilities need it.
const LISTING: usize = 256;
/// Bytes kept of a reply's words.
pub(super) const TEXT: usize = 1_024;
/// Bytes kept of a literal that may be a login name or password.
const LITERAL: usize = 1_024;

/// A command that awaits its reply.
pub(super) struct Pending {
    /// Its exchange.
    pub seq: u64,
    /// What it asks.
    pub verb: Verb,
    /// IMAP tag; empty elsewhere.
    pub tag: Box<[u8]>,
    /// A multi-line answer follows a positive reply (POP3).
    pub listing: bool,
    /// Further replies of its own that follow the first one (LMTP: one per recipient).
    pub more: u32,
}

/// The dialogue in the making.
pub(super) struct Core {
    pub dialogue: Dialogue,
    pub body: PerSide<Body>,
    /// The literal just read, when it was to be kept.
    pub literal: PerSide<Vec<u8>>,
    pub pending: VecDeque<Pending>,
    /// This side said anything at all.
    pub spoke: PerSide<Option<Mark>>,
    /// The last bytes of this side.
    pub latest: PerSide<Option<Mark>>,
    /// The start of the server's words was not captured: no greeting is to be expected.
    pub greeting_missed: bool,
    next: u64,
    asked_before_gap: u64,
    /// Bytes of a side are missing, and since then nothing showed that commands and replies are in step again.
    pub doubt: PerSide<bool>,
    /// The server replied since a side's bytes went missing.
    replied_since: bool,
    /// The line that is being read has no end: of the reply in it the words are not known.
    pub torn: bool,
}

impl Core {
    /// Nothing of either side can be read from now on.
    pub fn opaque(&mut self, at: Mark) {
        self.dialogue.opaque.get_or_insert(at);
        self.body.client = Body::Over;
        self.body.server = Body::Over;
    }

    pub fn new() -> Core {
        Core {
            dialogue: Dialogue::default(),
            body: PerSide {
                client: Body::Lines,
                server: Body::Lines,
            },
            literal: PerSide::default(),
            pending: VecDeque::new(),
            spoke: PerSide::default(),
            latest: PerSide::default(),
            greeting_missed: false,
            next: 0,
            asked_before_gap: 0,
            doubt: PerSide::default(),
            replied_since: false,
            torn: false,
        }
    }

    /// Gives back memory that holds nothing.
    pub fn rest(&mut self) {
        self.dialogue.exchanges.shrink_to_fit();
        self.dialogue.capabilities.shrink_to_fit();
        self.pending.shrink_to_fit();
        for side in [Side::Client, Side::Server] {
            self.literal[side].shrink_to_fit();
        }
    }

    /// `len` bytes of a side are missing; 0 where what it said before the capture began is.
    pub fn gap(&mut self, side: Side, len: u64) {
        if len > 0 {
            self.dialogue.gaps = self.dialogue.gaps.saturating_add(1);
        }
        self.dialogue.gapped[side] = true;
        let in_message = side == Side::Client && self.dialogue.awaits_message();
        let spoke = self.spoke[side].is_some() && !in_message;
        if len > 0 && (spoke || !self.pending.is_empty()) {
            self.doubt[side] = true;
            self.replied_since = false;
        }
        if side == Side::Server {
            self.asked_before_gap = self.next;
            if self.spoke.server.is_none() {
                self.greeting_missed = true;
            }
        }
    }

    /// Notes that a side said something.
    pub fn heard(&mut self, side: Side, mark: Mark) {
        self.spoke[side].get_or_insert(mark);
        self.latest[side] = Some(mark);
        match side {
            Side::Client => self.dialogue.last_client = Some(mark.time),
            Side::Server => self.dialogue.last_server = Some(mark.time),
        }
    }

    /// Whether the next words of the server are its greeting.
    pub fn awaits_greeting(&self) -> bool {
        !self.dialogue.greeted && !self.greeting_missed
    }

    /// The capture began within the session, and no command was seen since: what the server says answers what came before.
    pub fn asked_unseen(&self) -> bool {
        let exchanges = &self.dialogue.exchanges;
        self.greeting_missed && exchanges.iter().all(|exchange| exchange.command.is_none())
    }

    /// Writes a command down; returns the number of its exchange.
    pub fn command(&mut self, command: Command, phase: Phase) -> u64 {
        self.in_step();
        self.command_of_before(command, phase)
    }

    /// Writes a command down that is only noticed by its reply: it shows nothing of what came after a hole.
    pub fn command_of_before(&mut self, command: Command, phase: Phase) -> u64 {
        let missed = std::mem::take(&mut self.dialogue.gapped.server);
        if missed && self.spoke.server.is_some() {
            // The client waited for the greeting (RFC 5321 3.1): what was not understood of it is not coming any more.
            self.greeting_missed |= !self.dialogue.greeted;
        }
        if missed && self.dialogue.language != Some(super::dialogue::Language::Imap) {
            // What was asked before the gap got its answer in the gap; the client would not go on otherwise.
            let known = self.asked_before_gap;
            self.pending.retain(|pending| pending.seq >= known);
        }
        self.dialogue.gapped.client = false;
        if command.verb == Verb::Starttls {
            self.dialogue.starttls_asked = Some(command.at);
        }
        self.push(Exchange {
            command: Some(command),
            reply: None,
            phase,
            unsure: false,
        })
    }

    /// A client that waits for each reply before it goes on is in step again with its next command: what it still
    /// waited for was in the server's hole; and what was in its own has its reply once nothing is outstanding.
    pub fn in_step(&mut self) {
        let waited = self.pending.len();
        if waited == 0 && self.replied_since {
            self.doubt = PerSide::default();
        } else if waited <= 1 && self.dialogue.gapped.server {
            self.doubt.server = false;
        }
    }

    /// Whether a reply that comes now may belong to another command (IMAP's carry a tag), or refuses in words that are cut.
    fn in_doubt(&self, reply: &Reply) -> bool {
        if self.torn && reply.status != Status::Positive {
            return true;
        }
        (self.doubt.client || self.doubt.server)
            && self.dialogue.language != Some(super::dialogue::Language::Imap)
    }

    /// Puts a command into the queue of those that await a reply.
    pub fn expect(&mut self, pending: Pending) {
        if self.pending.len() >= PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(pending);
    }

    /// A command without tag or further answers, written down and expected.
    pub fn ask(&mut self, command: Command, phase: Phase) -> u64 {
        let verb = command.verb;
        let seq = self.command(command, phase);
        self.expect(Pending {
            seq,
            verb,
            tag: Box::default(),
            listing: false,
            more: 0,
        });
        seq
    }

    /// Writes a reply down with its command, or alone when that is gone or has its reply.
    pub fn answer(&mut self, seq: u64, reply: Reply) {
        let unsure = self.in_doubt(&reply);
        self.replied_since = true;
        match self.exchange(seq) {
            Some(exchange) if exchange.reply.is_none() => {
                exchange.reply = Some(reply);
                exchange.unsure = unsure;
            }
            Some(exchange) => {
                let phase = exchange.phase;
                self.alone(reply, phase);
            }
            None => {}
        }
    }

    /// Writes a reply down that no command asked for.
    pub fn alone(&mut self, reply: Reply, phase: Phase) {
        let unsure = self.in_doubt(&reply);
        self.replied_since = true;
        self.push(Exchange {
            command: None,
            reply: Some(reply),
            phase,
            unsure,
        });
    }

    /// The greeting: the server's first words.
    pub fn greeting(&mut self, reply: Reply) {
        self.dialogue.greeted = true;
        self.dialogue.greeting_started.get_or_insert(reply.at);
        self.name_software(reply.text.as_str());
        if let Some(early) = self.spoke.client {
            self.odd(Oddity::EarlyTalker, early);
        }
        if reply.status == Status::Bye || matches!(reply.status, Status::Negative) {
            self.dialogue.goodbye.get_or_insert(reply.done);
        }
        self.alone(reply, Phase::Greeting);
    }

    /// Words of the server that nothing asked for, other than a greeting.
    pub fn unsolicited(&mut self, reply: Reply, phase: Phase) {
        let expected =
            reply.status == Status::Bye || self.dialogue.gapped.client || self.greeting_missed;
        if !expected && self.spoke.client.is_some() {
            self.odd(Oddity::Unsolicited, reply.at);
        }
        if reply.status == Status::Bye {
            self.dialogue.goodbye.get_or_insert(reply.done);
        }
        self.alone(reply, phase);
    }

    /// The exchange with this number, unless it was dropped from the middle.
    pub fn exchange(&mut self, seq: u64) -> Option<&mut Exchange> {
        let seq = usize::try_from(seq).ok()?;
        let head = limits::EXCHANGES / 2;
        let index = if seq < head {
            seq
        } else {
            let omitted = usize::try_from(self.dialogue.omitted).ok()?;
            seq.checked_sub(omitted).filter(|index| *index >= head)?
        };
        self.dialogue.exchanges.get_mut(index)
    }

    fn push(&mut self, exchange: Exchange) -> u64 {
        let exchanges = &mut self.dialogue.exchanges;
        if exchanges.len() >= limits::EXCHANGES {
            let head = limits::EXCHANGES / 2;
            exchanges.drain(head..head.saturating_add(DROPPED));
            self.dialogue.omitted = self.dialogue.omitted.saturating_add(DROPPED as u64);
        }
        exchanges.push(exchange);
        let seq = self.next;
        self.next = self.next.saturating_add(1);
        seq
    }

    /// A strange thing, the first of its kind.
    pub fn odd(&mut self, oddity: Oddity, at: Mark) {
        let oddities = &mut self.dialogue.oddities;
        if oddities.len() < ODDITIES && oddities.iter().all(|(known, _)| *known != oddity) {
            oddities.push((oddity, at));
        }
    }

    /// A new listing of capabilities begins: it replaces the earlier one.
    pub fn capabilities_start(&mut self) {
        self.dialogue.capabilities.clear();
        self.dialogue.mechanisms.clear();
    }

    /// One line of a listing.
    pub fn capability(&mut self, line: &[u8], at: Mark) {
        let line = line.trim_ascii();
        let (keyword, _) = syntax::token(line);
        if keyword.is_empty() {
            return;
        }
        let masked = syntax::is_masked(keyword);
        if masked {
            self.odd(Oddity::MaskedKeyword, at);
        }
        if self.dialogue.capabilities.len() < CAPABILITIES {
            // One byte more than is kept, so that a cut shows.
            let kept = line.get(..=CAPABILITY).unwrap_or(line);
            let mut upper = ArrayVec::<u8, { CAPABILITY + 1 }>::new();
            let _ = upper.try_extend_from_slice(kept);
            upper.make_ascii_uppercase();
            let text = Foreign::bounded(&upper, CAPABILITY);
            // Masked words look alike and are several.
            if masked || !self.dialogue.capabilities.contains(&text) {
                self.dialogue.capabilities.push(text);
            }
        }
    }

    /// A mechanism on offer.
    pub fn offer(&mut self, name: &[u8]) {
        if name.is_empty() {
            return;
        }
        let mechanism = super::sasl::mechanism(name);
        if !self.dialogue.mechanisms.contains(&mechanism) {
            self.dialogue.mechanisms.push(mechanism);
        }
    }

    /// Notes the software if the text names it and nothing did before.
    pub fn name_software(&mut self, text: &str) {
        if self.dialogue.software.is_none() {
            self.dialogue.software = software::named_in(text).map(Foreign::from);
        }
    }

    /// Keeps the start of a literal that may be a name or a password.
    pub fn keep_literal(&mut self, side: Side, bytes: &[u8]) {
        let literal = &mut self.literal[side];
        let room = LITERAL.saturating_sub(literal.len());
        literal.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// A command from a line.
pub(super) fn command(line: &Line, fallback: Mark, verb: Verb, text: &[u8]) -> Command {
    let (at, done) = line.marks(fallback);
    Command {
        at,
        done,
        verb,
        text: Foreign::from_bytes(text),
        secret: None,
        bytes: 0,
    }
}

/// A line that is no command. It is shown only where it cannot be a stray credential: not as a lone base64 word near a
/// login, and not once bytes are missing, since the command that it belonged to may be among them.
pub(super) fn unknown(core: &Core, line: &Line, fallback: Mark, near_login: bool) -> Command {
    let word = line.bytes.trim_ascii();
    let missed = core.dialogue.gaps > 0 || core.greeting_missed;
    if missed || near_login && syntax::is_base64(word) {
        masked(line, fallback, Verb::Unknown, b"", word)
    } else {
        command(line, fallback, Verb::Unknown, &line.bytes)
    }
}

/// A command of which `secret` is not shown: `shown` followed by `***`.
pub(super) fn masked(
    line: &Line,
    fallback: Mark,
    verb: Verb,
    shown: &[u8],
    secret: &[u8],
) -> Command {
    let mut text = shown.to_vec();
    if !text.is_empty() {
        text.push(b' ');
    }
    text.extend_from_slice(b"***");
    let mut command = command(line, fallback, verb, &text);
    command.secret = Some(Secret::new(Foreign::from_bytes(secret)));
    command
}

/// A reply in the making: its lines so far.
pub(super) struct Building {
    at: Mark,
    last_start: Mark,
    pub done: Mark,
    pub lines: u32,
    pauses: u32,
    text: Vec<u8>,
    first: Foreign,
    /// The first enhanced code in it.
    pub enhanced: Option<super::dialogue::Enhanced>,
}

impl Building {
    /// With the first line.
    pub fn new(line: &Line, fallback: Mark) -> Building {
        let (at, done) = line.marks(fallback);
        Building {
            at,
            last_start: at,
            done,
            lines: 0,
            pauses: 0,
            text: Vec::new(),
            first: Foreign::from_bytes(&line.bytes),
            enhanced: None,
        }
    }

    /// A reply of one line, of which `words` are the text: nothing is collected.
    pub fn whole(line: &Line, fallback: Mark, words: &[u8], status: Status) -> Reply {
        let mut building = Building::new(line, fallback);
        building.lines = 1;
        building.pauses = line.pauses;
        let words: &[u8] = if line.torn { b"" } else { words };
        let text = Foreign::bounded(words.trim_ascii(), TEXT);
        building.with_text(status, text)
    }

    /// The first line as it was.
    pub fn first(&self) -> &Foreign {
        &self.first
    }

    /// Another line (also the first one), of which `words` are the text.
    pub fn push(&mut self, line: &Line, words: &[u8]) {
        let (at, done) = line.marks(self.done);
        self.lines = self.lines.saturating_add(1);
        self.pauses = self
            .pauses
            .saturating_add(line.pauses)
            .saturating_add(u32::from(is_pause(self.last_start, at)));
        self.last_start = at;
        self.done = done;
        let words = words.trim_ascii();
        if !words.is_empty() && self.text.len() < TEXT {
            if self.text.is_empty() {
                self.text.reserve_exact(words.len().max(LISTING));
            } else {
                self.text.push(b' ');
            }
            self.text.extend_from_slice(words);
        }
    }

    /// The reply, without codes.
    pub fn finish(self, status: Status) -> Reply {
        let text = Foreign::bounded(&self.text, TEXT);
        self.with_text(status, text)
    }

    fn with_text(self, status: Status, text: Foreign) -> Reply {
        Reply {
            at: self.at,
            done: self.done,
            status,
            code: None,
            enhanced: self.enhanced,
            response_code: None,
            text,
            line: self.first,
            lines: self.lines,
            pauses: self.pauses,
            sasl_error: None,
        }
    }
}
