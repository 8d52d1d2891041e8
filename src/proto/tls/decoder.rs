//! One TLS connection: bytes and gaps of both sides in, facts out.
//!
//! It puts the record layer, the handshake messages and the classification of encrypted records
//! together. It has no opinion: whether a missing ServerHello is a fault is decided above.

use crate::base::{Foreign, Mark, PerSide, Side};

use super::assembler::{Assembler, Step, Whole};
use super::certificate;
use super::facts::{Handshake, OpaqueRecord, TlsFacts};
use super::hello::{self, Server};
use super::inside::{Opener, Piece, Sealed};
use super::progress::Progress;
use super::record::{Event, Record, Records};
use super::shared::Shared;

/// Encrypted records kept per side: the first ones …
const FIRST: u64 = 16;
/// … and the latest.
const LATEST: usize = 8;
/// The longest alert record that is in clear: an encrypted one has a tag of at least 8 bytes.
const CLEAR_ALERT: u16 = 10;
/// Without a ServerHello a handshake record behind ChangeCipherSpec is a Finished when it is shorter
/// than this, else a second ClientHello.
const FINISHED: u16 = 128;

/// What is read of one side.
#[derive(Clone, Debug)]
struct Stream {
    records: Records,
    assembler: Assembler,
    /// The record that is being read.
    current: Option<(Record, Meaning)>,
    /// First byte of an alert that was cut.
    alert: Option<u8>,
    /// Bytes of a ClientHello in SSLv2 format.
    sslv2: Vec<u8>,
    /// Where the place was lost, while it is.
    lost: Option<Mark>,
}

/// How a record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Handshake,
    Sslv2,
    Alert,
    Ccs,
    Opaque,
}

impl Stream {
    fn new(side: Side) -> Stream {
        Stream {
            records: Records::new(side == Side::Client),
            assembler: Assembler::default(),
            current: None,
            alert: None,
            sslv2: Vec::new(),
            lost: None,
        }
    }
}

/// Decodes one TLS connection as far as it is visible.
pub struct Decoder {
    facts: TlsFacts,
    client: Stream,
    server: Stream,
    progress: Progress,
    /// The client's session id, to recognise resumption.
    session: Vec<u8>,
    /// Encrypted records in `facts.opaque`, by side.
    kept: PerSide<usize>,
    opener: Opener,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder at the first byte of TLS of both sides.
    pub fn new() -> Decoder {
        Decoder::with(&Shared::default())
    }

    /// The same, which looks inside where the log has the keys of a connection when its first
    /// encrypted record comes.
    pub fn with(shared: &Shared) -> Decoder {
        Decoder {
            facts: TlsFacts::default(),
            client: Stream::new(Side::Client),
            server: Stream::new(Side::Server),
            progress: Progress::default(),
            session: Vec::new(),
            kept: PerSide::default(),
            opener: Opener::new(shared),
        }
    }

    /// What was seen so far.
    pub fn facts(&self) -> &TlsFacts {
        &self.facts
    }

    /// What was read inside TLS since the last call, piece by piece; to be asked until it has none.
    pub fn inside(&mut self) -> Option<Piece> {
        self.opener.next()
    }

    /// The next bytes of a side, in stream order, split anywhere.
    ///
    /// The start of `bytes` is where a lost place can be found again, so it should be the start of a
    /// segment after a gap.
    pub fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.saw(side, mark);
        if self.stream(side).records.segment(bytes) {
            self.found(side);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let stream = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            let (used, event) = stream.records.step(mark, rest);
            let here = rest;
            match event {
                Event::More => {}
                Event::Header(record) => self.header(side, record, mark),
                Event::Body(end) => {
                    let body = here.get(..used).unwrap_or_default();
                    self.body(side, mark, body);
                    if end {
                        self.end(side, mark);
                    }
                }
                Event::Text(text, at) => {
                    self.facts.clear_text[side] = Some((at, Foreign::from_bytes(text)));
                    self.facts.lost.get_or_insert((side, at));
                }
                Event::Lost => self.lose(side, mark),
            }
            rest = here.get(used..).unwrap_or_default();
        }
        self.facts.inside_record[side] = self.stream(side).records.is_inside();
    }

    /// `len` bytes of a side are missing here; `mark` is the frame that shows it. 0 before its first bytes: they may be from
    /// the middle of a record.
    pub fn gap(&mut self, side: Side, mark: Mark, len: u64) {
        if len == 0 {
            self.facts.headless[side] = true;
            self.stream(side).records.headless();
            return;
        }
        self.facts.gaps[side] = self.facts.gaps[side].saturating_add(1);
        let stream = self.stream(side);
        let missed = stream.records.gap(len);
        let meaning = stream.current.map(|(_, meaning)| meaning);
        if missed.inside > 0 && meaning == Some(Meaning::Opaque) {
            self.opener.hole(side);
        }
        let stream = self.stream(side);
        if missed.inside > 0 && meaning == Some(Meaning::Handshake) {
            let step = stream.assembler.hole(mark, missed.inside);
            self.assembled(side, mark, step);
        }
        if missed.ended {
            self.end(side, mark);
        }
        if missed.lost {
            self.lose(side, mark);
        }
        self.facts.inside_record[side] = self.stream(side).records.is_inside();
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn saw(&mut self, side: Side, mark: Mark) {
        let last = &mut self.facts.last[side];
        *last = Some(last.map_or(mark.time, |time| time.max(mark.time)));
    }

    fn lose(&mut self, side: Side, mark: Mark) {
        let stream = self.stream(side);
        stream.lost = Some(mark);
        stream.assembler.clear();
        stream.current = None;
        stream.alert = None;
        self.opener.lose(&mut self.facts, side, mark);
        self.facts.lost.get_or_insert((side, mark));
    }

    fn found(&mut self, side: Side) {
        let Some(mark) = self.stream(side).lost.take() else {
            return;
        };
        if self.facts.lost == Some((side, mark)) {
            let other = side.other();
            let still = self.stream(other).lost;
            self.facts.lost = still.map(|mark| (other, mark));
        }
    }

    fn header(&mut self, side: Side, record: Record, mark: Mark) {
        self.facts.started[side].get_or_insert(record.at);
        let meaning = self.meaning(side, record);
        let stream = self.stream(side);
        stream.current = Some((record, meaning));
        match meaning {
            Meaning::Sslv2 => stream.sslv2 = stream.records.sslv2_start().to_vec(),
            Meaning::Opaque => {
                self.opaque(side, record);
                self.opener.begin(&mut self.facts, side);
            }
            _ => {}
        }
        if record.length == 0 {
            self.end(side, mark);
        }
    }

    fn meaning(&self, side: Side, record: Record) -> Meaning {
        let ciphered = self.facts.change_cipher_spec[side].is_some();
        match record.kind {
            22 if record.sslv2 => Meaning::Sslv2,
            22 => match &self.facts.server_hello {
                // In TLS 1.3 encrypted handshake messages have type 23.
                Some(hello) if hello::is_tls13(hello.version) => Meaning::Handshake,
                None if self.facts.hello_retry.is_some() => Meaning::Handshake,
                None if ciphered && record.length >= FINISHED && side == Side::Client => {
                    Meaning::Handshake
                }
                _ if ciphered => Meaning::Opaque,
                _ => Meaning::Handshake,
            },
            21 if record.length <= CLEAR_ALERT => Meaning::Alert,
            20 if record.length <= 1 => Meaning::Ccs,
            _ => Meaning::Opaque,
        }
    }

    /// Counts and keeps an encrypted record.
    fn opaque(&mut self, side: Side, record: Record) {
        let facts = &mut self.facts;
        let count = facts.opaque_records[side];
        facts.opaque_records[side] = count.saturating_add(1);
        facts.opaque_bytes[side] =
            facts.opaque_bytes[side].saturating_add(u64::from(record.length));
        let first = usize::try_from(FIRST).unwrap_or(usize::MAX);
        if self.kept[side] >= first.saturating_add(LATEST) {
            let oldest = facts
                .opaque
                .iter()
                .enumerate()
                .filter(|(_, kept)| kept.side == side)
                .nth(first)
                .map(|(index, _)| index);
            if let Some(index) = oldest {
                facts.opaque.remove(index);
            }
        } else {
            self.kept[side] = self.kept[side].saturating_add(1);
        }
        facts.opaque.push(OpaqueRecord {
            side,
            at: record.at,
            content_type: record.kind,
            length: record.length,
        });
    }

    fn body(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        let Some((_, meaning)) = self.stream(side).current else {
            return;
        };
        match meaning {
            Meaning::Handshake => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (used, step) = self.stream(side).assembler.step(mark, rest);
                    rest = rest.get(used..).unwrap_or_default();
                    self.assembled(side, mark, step);
                }
            }
            Meaning::Sslv2 => self.stream(side).sslv2.extend_from_slice(bytes),
            Meaning::Alert => {
                for &byte in bytes {
                    match self.stream(side).alert.take() {
                        None => self.stream(side).alert = Some(byte),
                        Some(level) => self.facts.alert(side, mark, level, byte),
                    }
                }
            }
            Meaning::Opaque => self.opener.body(side, bytes),
            Meaning::Ccs => {}
        }
    }

    /// A record has ended, or its end lies in a gap.
    fn end(&mut self, side: Side, mark: Mark) {
        let Some((record, meaning)) = self.stream(side).current.take() else {
            return;
        };
        match meaning {
            Meaning::Handshake => self.stream(side).assembler.record_end(),
            Meaning::Sslv2 => {
                let body = std::mem::take(&mut self.stream(side).sslv2);
                if let Some(client) = hello::sslv2(&body, record.at, mark) {
                    self.facts.began(1, side, record.at);
                    self.client_hello(client);
                }
            }
            Meaning::Ccs => self.change_cipher_spec(side, record.at),
            Meaning::Opaque => {
                let sealed = Sealed {
                    kind: record.kind,
                    length: record.length,
                    at: record.at,
                    done: mark,
                };
                let early = self.progress.early_data;
                if self.opener.end(&mut self.facts, side, sealed, early) {
                    return;
                }
                self.progress
                    .record(&mut self.facts, side, record.kind, record.length, record.at);
            }
            Meaning::Alert => {}
        }
    }

    fn change_cipher_spec(&mut self, side: Side, at: Mark) {
        self.facts.change_cipher_spec[side].get_or_insert(at);
        let full = self.facts.certificate_seen.is_some() || self.facts.server_hello_done.is_some();
        if let (Side::Server, Some(hello)) = (side, &mut self.facts.server_hello)
            && !hello::is_tls13(hello.version)
        {
            // The server goes straight to ChangeCipherSpec only when it resumes (RFC 5246 7.3).
            hello.resumed = !full;
        }
    }

    fn assembled(&mut self, side: Side, mark: Mark, step: Step) {
        match step {
            Step::More | Step::Adrift => {}
            Step::Began(kind, at) => {
                self.facts.began(kind, side, at);
                let step = self.stream(side).assembler.end(mark);
                if let Step::Done(whole) = step {
                    self.message(side, whole, mark);
                }
            }
            Step::Done(whole) => self.message(side, whole, mark),
        }
    }

    fn message(&mut self, side: Side, whole: Whole, done: Mark) {
        let Whole {
            kind,
            body,
            at,
            holed,
        } = whole;
        match (kind, side) {
            (1, Side::Client) if !holed => {
                if let Some(client) = hello::client(&body, at, done) {
                    self.opener.hello(side, &body);
                    self.client_hello(client);
                }
            }
            (2, Side::Server) if !holed && self.facts.server_hello.is_none() => {
                match hello::server(&body, &self.session, done) {
                    Some(Server::Retry) => self.retry(at, done),
                    Some(Server::Hello(hello)) => {
                        self.opener.hello(side, &body);
                        self.facts.server_hello = Some(hello);
                    }
                    None => {}
                }
            }
            (11, Side::Server) if self.facts.certificate_seen.is_none() => {
                self.facts.certificate_seen = Some(done);
                self.facts.certificates = self.opener.chains().of(false, &body, certificate::chain);
                self.facts.certificates_cut =
                    certificate::is_cut(&body, self.facts.certificates.len());
            }
            (11, Side::Client) if !holed => {
                let seen = match certificate::is_empty(&body) {
                    true => &mut self.facts.empty_client_certificate,
                    false => &mut self.facts.client_certificate,
                };
                seen.get_or_insert(done);
            }
            (12, Side::Server) => {
                let cipher = self.facts.server_hello.as_ref().map(|hello| hello.cipher);
                self.facts.dh_bits = cipher.and_then(|cipher| hello::dh_bits(&body, cipher));
            }
            (13, Side::Server) => {
                self.facts.certificate_request.get_or_insert(done);
            }
            (14, Side::Server) => {
                self.facts.server_hello_done.get_or_insert(done);
            }
            _ => {}
        }
    }

    fn client_hello(&mut self, client: hello::Client) {
        self.session = client.session;
        self.progress.early_data = client.early_data;
        if self.facts.client_hello.is_none() {
            self.facts.client_hello = Some(client.hello);
        } else if self.facts.second_client_hello.is_none() {
            self.facts.second_client_hello = Some(client.hello.at);
        }
    }

    fn retry(&mut self, at: Mark, done: Mark) {
        self.facts.hello_retry.get_or_insert(done);
        let listed = self.facts.handshake.iter_mut().rev();
        let mut listed = listed.filter(|(_, side, begun)| *side == Side::Server && *begun == at);
        if let Some((kind, _, _)) = listed.next() {
            *kind = Handshake::HelloRetryRequest;
        }
    }
}
