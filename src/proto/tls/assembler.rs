//! Handshake messages of one side, put together from the clear records that carry them.
//!
//! A message may span records and a record may hold several (RFC 8446 5.1). A message with a hole
//! keeps what came before it; when a message's start is missing, the rest of that record is passed
//! over. At most [`limits::HANDSHAKE`] bytes are kept.

use crate::base::{Mark, limits};

/// The message being put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembler {
    header: [u8; 4],
    have: u8,
    got: usize,
    body: Vec<u8>,
    at: Option<Mark>,
    holed: bool,
    adrift: bool,
}

/// A message that has ended.
pub(super) struct Whole {
    pub(super) kind: u8,
    pub(super) body: Vec<u8>,
    pub(super) at: Mark,
    /// Not all of the body is there.
    pub(super) holed: bool,
}

/// What a step found.
pub(super) enum Step {
    /// Nothing yet.
    More,
    /// A message of this type began there.
    Began(u8, Mark),
    /// A message ended.
    Done(Whole),
    /// This is no handshake message: encrypted, or out of place.
    Adrift,
}

impl Assembler {
    /// Takes some of `bytes`, which must not be empty; says how many and what was found.
    pub(super) fn step(&mut self, mark: Mark, bytes: &[u8]) -> (usize, Step) {
        if self.adrift {
            return (bytes.len(), Step::More);
        }
        if self.have < 4 {
            return self.head(mark, bytes);
        }
        let take = self.length().saturating_sub(self.got).min(bytes.len());
        if !self.holed {
            let room = limits::HANDSHAKE.saturating_sub(self.body.len());
            self.body
                .extend_from_slice(bytes.get(..take.min(room)).unwrap_or_default());
            self.holed = take > room;
        }
        self.got = self.got.saturating_add(take);
        (take, self.end(mark))
    }

    fn head(&mut self, mark: Mark, bytes: &[u8]) -> (usize, Step) {
        for (used, &byte) in bytes.iter().enumerate() {
            if self.have == 0 {
                self.at = Some(mark);
            }
            if let Some(slot) = self.header.get_mut(usize::from(self.have)) {
                *slot = byte;
            }
            self.have = self.have.saturating_add(1);
            if self.have == 4 {
                if !is_plausible(self.kind(), self.length()) {
                    self.clear();
                    self.adrift = true;
                    return (bytes.len(), Step::Adrift);
                }
                return (
                    used.saturating_add(1),
                    Step::Began(self.kind(), self.at.unwrap_or(mark)),
                );
            }
        }
        (bytes.len(), Step::More)
    }

    /// A message without a body ends with its header; to be asked after [`Step::Began`].
    pub(super) fn end(&mut self, mark: Mark) -> Step {
        if self.have < 4 || self.got < self.length() {
            return Step::More;
        }
        let whole = Whole {
            kind: self.kind(),
            body: std::mem::take(&mut self.body),
            at: self.at.unwrap_or(mark),
            holed: self.holed,
        };
        self.clear();
        Step::Done(whole)
    }

    /// Bytes of the current record are missing.
    pub(super) fn hole(&mut self, mark: Mark, len: u16) -> Step {
        if self.adrift || len == 0 {
            return Step::More;
        }
        let left = self.length().saturating_sub(self.got);
        if self.have < 4 || usize::from(len) > left {
            self.clear();
            self.adrift = true;
            return Step::Adrift;
        }
        self.holed = true;
        self.got = self.got.saturating_add(usize::from(len));
        self.end(mark)
    }

    /// A record ended: a lost place can be found again in the next one.
    pub(super) fn record_end(&mut self) {
        self.adrift = false;
    }

    /// Forgets a message that is under way.
    pub(super) fn clear(&mut self) {
        *self = Assembler::default();
    }

    fn kind(&self) -> u8 {
        self.header.first().copied().unwrap_or(0)
    }

    fn length(&self) -> usize {
        let [_, a, b, c] = self.header;
        usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX)
    }
}

/// A registered type (IANA TLS HandshakeType) with a length that it can have.
fn is_plausible(kind: u8, length: usize) -> bool {
    match kind {
        0 | 14 => length == 0,
        1 | 2 | 11 => length <= 0x0002_0000,
        3..=6 | 8 | 12 | 13 | 15 | 16 | 20..=25 | 67 => length <= 0x0002_0000,
        _ => false,
    }
}
