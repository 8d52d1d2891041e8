//! What is inside encrypted records when a key log has their keys: messages, alerts, the dialogue.
//!
//! Keys are looked for once, at a connection's first encrypted record. What a record held becomes
//! facts as if it had been in clear; application data is handed on, a record at a time. Where a
//! record cannot be opened, that direction is given up for good and the dialogue with it: a
//! dialogue with holes of unknown content would be worse than none. It refuses to guess.

use std::collections::VecDeque;

use crate::base::{Mark, PerSide, Side};

use super::assembler::{Assembler, Step, Whole};
use super::certificate;
use super::decrypt::{Direction, Opened, directions};
use super::facts::{Inside, TlsFacts};
use super::hello;
use super::keylog::Random;
use super::progress;
use super::shared::{Chains, Shared};

/// Records of early data, whose keys are not looked for, before a client's direction is given up.
const EARLY: u16 = 64;
/// Bytes that a record of TLS 1.3 adds to its content: the type and the tag (RFC 8446 5.2).
const ADDED: u16 = 17;

/// What came out of encrypted records, in order.
pub enum Piece {
    /// Application data of a side; the mark is the frame that completed its record.
    Text(Side, Mark, Vec<u8>),
    /// About so many bytes of a side's application data are missing.
    Gap(Side, Mark, u64),
    /// Nothing more can be read.
    Lost(Mark),
}

/// A record as the record layer had it.
#[derive(Clone, Copy)]
pub(super) struct Sealed {
    pub(super) kind: u8,
    pub(super) length: u16,
    /// First byte.
    pub(super) at: Mark,
    /// Last byte.
    pub(super) done: Mark,
}

#[derive(Default)]
struct Reading {
    direction: Option<Direction>,
    /// The record under way.
    record: Vec<u8>,
    holed: bool,
    assembler: Assembler,
    /// Records of early data that were passed over.
    early: u16,
}

/// Opens the records of one connection.
pub(super) struct Opener {
    shared: Shared,
    client: Option<Random>,
    server: Option<Random>,
    tried: bool,
    sides: PerSide<Reading>,
    pieces: VecDeque<Piece>,
}

impl Opener {
    pub(super) fn new(shared: &Shared) -> Opener {
        Opener {
            shared: shared.clone(),
            client: None,
            server: None,
            tried: false,
            sides: PerSide::default(),
            pieces: VecDeque::new(),
        }
    }

    /// Chains that were read before.
    pub(super) fn chains(&self) -> &Chains {
        self.shared.chains()
    }

    /// The next piece of what was read.
    pub(super) fn next(&mut self) -> Option<Piece> {
        self.pieces.pop_front()
    }

    /// The body of a hello: its random stands behind the version.
    pub(super) fn hello(&mut self, side: Side, body: &[u8]) {
        let random = body
            .get(2..)
            .and_then(|rest| rest.first_chunk::<32>())
            .copied();
        match side {
            Side::Client => self.client = random,
            Side::Server => self.server = random,
        }
    }

    /// An encrypted record begins.
    pub(super) fn begin(&mut self, facts: &mut TlsFacts, side: Side) {
        if !self.tried {
            self.unlock(facts);
        }
        let reading = &mut self.sides[side];
        reading.record.clear();
        reading.holed = false;
    }

    fn unlock(&mut self, facts: &mut TlsFacts) {
        let (Some(client), Some(server), Some(hello)) =
            (self.client, self.server, &facts.server_hello)
        else {
            return;
        };
        self.tried = true;
        let Some(secrets) = self.shared.keys().secrets(&client) else {
            return;
        };
        let (client, server) = directions(hello.version, hello.cipher, &client, &server, secrets);
        if client.is_some() || server.is_some() {
            facts.inside = Inside::Read;
        }
        self.sides.client.direction = client;
        self.sides.server.direction = server;
    }

    /// Bytes of the record; the record layer bounds them.
    pub(super) fn body(&mut self, side: Side, bytes: &[u8]) {
        let reading = &mut self.sides[side];
        if reading.direction.is_some() && !reading.holed {
            reading.record.extend_from_slice(bytes);
        }
    }

    /// Bytes of the record are missing.
    pub(super) fn hole(&mut self, side: Side) {
        self.sides[side].holed = true;
    }

    /// The place in the record layer was lost, so records are missing.
    pub(super) fn lose(&mut self, facts: &mut TlsFacts, side: Side, mark: Mark) {
        if self.sides[side].direction.take().is_some() {
            self.sides[side].assembler.clear();
            if facts.inside == Inside::Read {
                facts.inside = Inside::Until(mark);
                self.pieces.push_back(Piece::Lost(mark));
            }
        }
    }

    /// The record has ended. False: it stays opaque.
    pub(super) fn end(
        &mut self,
        facts: &mut TlsFacts,
        side: Side,
        sealed: Sealed,
        early_data: bool,
    ) -> bool {
        let reading = &mut self.sides[side];
        let Some(direction) = &mut reading.direction else {
            return false;
        };
        if reading.holed {
            direction.skip();
            let missing = sealed.length.saturating_sub(ADDED);
            let in_handshake = direction.in_handshake();
            let step = reading.assembler.hole(sealed.done, missing);
            reading.assembler.record_end();
            facts.unopened_records[side] = facts.unopened_records[side].saturating_add(1);
            if let Step::Done(whole) = step {
                self.message(facts, side, whole, sealed);
            }
            if !in_handshake && facts.inside == Inside::Read {
                let gap = Piece::Gap(side, sealed.done, u64::from(missing));
                self.pieces.push_back(gap);
            }
            return false;
        }
        let Some(opened) = direction.open(sealed.kind, &reading.record) else {
            facts.unopened_records[side] = facts.unopened_records[side].saturating_add(1);
            let early = side == Side::Client && early_data && direction.in_handshake();
            if early && reading.early < EARLY {
                reading.early = reading.early.saturating_add(1);
                return true;
            }
            self.lose(facts, side, sealed.at);
            return false;
        };
        facts.opened_records[side] = facts.opened_records[side].saturating_add(1);
        self.opened(facts, side, opened, sealed);
        true
    }

    fn opened(&mut self, facts: &mut TlsFacts, side: Side, opened: Opened, sealed: Sealed) {
        let tls13 = is_tls13(facts);
        let behind = if tls13 {
            facts.client_finished.is_some()
        } else {
            opened.kind == 23
        };
        if behind {
            facts.after_finished[side] = facts.after_finished[side].saturating_add(1);
        }
        match opened.kind {
            22 => self.handshake(facts, side, &opened.text, sealed),
            21 => {
                for &[level, description] in opened.text.as_chunks::<2>().0 {
                    facts.alert(side, sealed.at, level, description);
                    if description == 0 {
                        facts.close_notify[side] = Some(sealed.at);
                    }
                }
            }
            23 if !opened.text.is_empty() => {
                progress::extend(facts, side, sealed.at);
                let bytes = u64::try_from(opened.text.len()).unwrap_or(u64::MAX);
                facts.opened_bytes[side] = facts.opened_bytes[side].saturating_add(bytes);
                if facts.inside == Inside::Read {
                    self.pieces
                        .push_back(Piece::Text(side, sealed.done, opened.text));
                }
            }
            // Renegotiation (RFC 5246 7.1): the keys that follow are of another handshake.
            20 => self.lose(facts, side, sealed.done),
            _ => {}
        }
    }

    fn handshake(&mut self, facts: &mut TlsFacts, side: Side, text: &[u8], sealed: Sealed) {
        let mut rest = text;
        while !rest.is_empty() {
            let assembler = &mut self.sides[side].assembler;
            let (used, mut step) = assembler.step(sealed.done, rest);
            rest = rest.get(used..).unwrap_or_default();
            if let Step::Began(kind, at) = step {
                facts.began(kind, side, at);
                step = assembler.end(sealed.done);
            }
            if let Step::Done(whole) = step {
                self.message(facts, side, whole, sealed);
            }
        }
        self.sides[side].assembler.record_end();
    }

    fn message(&mut self, facts: &mut TlsFacts, side: Side, whole: Whole, sealed: Sealed) {
        let tls13 = is_tls13(facts);
        // What comes behind the client's Finished is about another matter (RFC 8446 4.6).
        let first = facts.client_finished.is_none();
        match (whole.kind, side) {
            (20, Side::Client) => {
                facts.client_finished.get_or_insert(sealed.at);
                facts.refusal = None;
                self.finished(side);
            }
            (20, Side::Server) => {
                facts.server_finished.get_or_insert(sealed.at);
                self.finished(side);
            }
            (8, Side::Server) if tls13 && !whole.holed => {
                if let Some(hello) = &mut facts.server_hello {
                    hello.alpn = hello::alpn(&whole.body);
                }
            }
            (11, Side::Server) if tls13 && first && facts.certificate_seen.is_none() => {
                facts.certificate_seen = Some(sealed.done);
                facts.certificates = self.chains().of(true, &whole.body, certificate::chain13);
                facts.certificates_cut =
                    certificate::is_cut13(&whole.body, facts.certificates.len());
            }
            (11, Side::Client) if tls13 && first && !whole.holed => {
                let seen = match certificate::is_empty13(&whole.body) {
                    true => &mut facts.empty_client_certificate,
                    false => &mut facts.client_certificate,
                };
                seen.get_or_insert(sealed.done);
            }
            (13, Side::Server) if tls13 && first => {
                facts.certificate_request.get_or_insert(sealed.done);
            }
            (24, _) if tls13 => {
                if let Some(direction) = &mut self.sides[side].direction {
                    direction.update();
                }
            }
            _ => {}
        }
    }

    fn finished(&mut self, side: Side) {
        if let Some(direction) = &mut self.sides[side].direction {
            direction.finished();
        }
    }
}

fn is_tls13(facts: &TlsFacts) -> bool {
    facts.version().is_some_and(hello::is_tls13)
}
