//! The record layer of one side: where a record begins, what it is, where it ends.
//!
//! It reads five bytes of header and hands out or skips the rest by length, so encrypted payload is
//! never touched. It keeps no payload and knows no handshake. After a gap it goes on where the
//! current record's end is known, else at a segment that starts with a plausible header.

use crate::base::Mark;

/// The longest fragment: 2^14 and what encryption and compression may add (RFC 5246 6.2.3).
const LONGEST: u16 = 16_384 + 2_048;
/// The longest ClientHello in SSLv2 format that is believed.
const LONGEST_SSLV2: u16 = 2_048;
/// Segments looked at for a record header after a gap, before giving up.
const SEARCH: u16 = 1_024;
/// Bytes kept of a side that does not speak TLS.
const TEXT: usize = 80;

/// A record whose header was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) kind: u8,
    pub(super) length: u16,
    pub(super) at: Mark,
    pub(super) sslv2: bool,
}

/// Where the reader is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Inside the header, with this many bytes of it.
    Header(u8),
    /// Inside a fragment, with this many bytes to come.
    Body(u16),
    /// After a gap, with this many segments looked at.
    Searching(u16),
    /// Not TLS, or given up.
    Over,
}

/// The record layer of one side.
#[derive(Clone, Debug)]
pub(super) struct Records {
    place: Place,
    header: [u8; 5],
    at: Option<Mark>,
    any: bool,
    client: bool,
    text: Vec<u8>,
}

/// What a step found.
pub(super) enum Event<'a> {
    /// Nothing yet.
    More,
    /// A header is complete; for SSLv2 its last three bytes already belong to the message.
    Header(Record),
    /// What was taken is a part of the fragment; whether the record ends with it.
    Body(bool),
    /// This side does not speak TLS: its first bytes so far, and where they began.
    Text(&'a [u8], Mark),
    /// The place is lost here.
    Lost,
}

/// What a gap did.
pub(super) struct Missed {
    /// Bytes missing from the current record.
    pub(super) inside: u16,
    /// The current record ends in the gap.
    pub(super) ended: bool,
    /// The place is lost.
    pub(super) lost: bool,
}

impl Records {
    pub(super) fn new(client: bool) -> Records {
        Records {
            place: Place::Header(0),
            header: [0; 5],
            at: None,
            any: false,
            client,
            text: Vec::new(),
        }
    }

    /// The header or the fragment of a record has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        matches!(self.place, Place::Header(1..) | Place::Body(_))
    }

    /// Told of the start of a segment; true when a search ends with it.
    pub(super) fn segment(&mut self, bytes: &[u8]) -> bool {
        let Place::Searching(tried) = self.place else {
            return false;
        };
        if looks_like_record(bytes) {
            self.place = Place::Header(0);
            return true;
        }
        let tried = tried.saturating_add(1);
        self.place = if tried >= SEARCH {
            Place::Over
        } else {
            Place::Searching(tried)
        };
        false
    }

    /// Takes some of `bytes`, which must not be empty; says how many and what was found.
    pub(super) fn step<'a>(&'a mut self, mark: Mark, bytes: &'a [u8]) -> (usize, Event<'a>) {
        match self.place {
            Place::Header(have) => self.head(have, mark, bytes),
            Place::Body(left) => {
                let take = usize::from(left).min(bytes.len());
                let left = left.saturating_sub(u16::try_from(take).unwrap_or(left));
                self.place = if left == 0 {
                    Place::Header(0)
                } else {
                    Place::Body(left)
                };
                (take, Event::Body(left == 0))
            }
            Place::Over if !self.any && self.text.len() < TEXT => {
                let room = TEXT.saturating_sub(self.text.len());
                self.text
                    .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                match self.at {
                    Some(at) => (bytes.len(), Event::Text(&self.text, at)),
                    None => (bytes.len(), Event::More),
                }
            }
            Place::Searching(_) | Place::Over => (bytes.len(), Event::More),
        }
    }

    fn head<'a>(&'a mut self, have: u8, mark: Mark, bytes: &'a [u8]) -> (usize, Event<'a>) {
        let mut have = have;
        for (used, &byte) in bytes.iter().enumerate() {
            if have == 0 {
                self.at = Some(mark);
            }
            if let Some(slot) = self.header.get_mut(usize::from(have)) {
                *slot = byte;
            }
            have = have.saturating_add(1);
            if !self.plausible(have) {
                return self.stray(
                    have,
                    bytes.get(used.saturating_add(1)..).unwrap_or_default(),
                    bytes.len(),
                );
            }
            if have == 5 {
                let record = self.record(mark);
                self.any = true;
                let body = if record.sslv2 {
                    record.length.saturating_sub(3)
                } else {
                    record.length
                };
                self.place = if body == 0 {
                    Place::Header(0)
                } else {
                    Place::Body(body)
                };
                return (used.saturating_add(1), Event::Header(record));
            }
        }
        self.place = Place::Header(have);
        (bytes.len(), Event::More)
    }

    /// What is there is no record.
    fn stray<'a>(&'a mut self, have: u8, rest: &[u8], used: usize) -> (usize, Event<'a>) {
        if self.any {
            self.place = Place::Searching(0);
            return (used, Event::Lost);
        }
        self.place = Place::Over;
        self.text
            .extend_from_slice(self.header.get(..usize::from(have)).unwrap_or_default());
        let room = TEXT.saturating_sub(self.text.len());
        self.text
            .extend_from_slice(rest.get(..room).unwrap_or(rest));
        match self.at {
            Some(at) => (used, Event::Text(&self.text, at)),
            None => (used, Event::More),
        }
    }

    /// Whether the first `have` bytes of the header can be one.
    fn plausible(&self, have: u8) -> bool {
        let [kind, major, minor, high, low] = self.header;
        let have = have.min(5);
        if self.is_sslv2(kind) {
            let length = u16::from_be_bytes([kind & 0x7F, major]);
            return match have {
                0 | 1 => true,
                2 => (12..=LONGEST_SSLV2).contains(&length),
                3 => minor == 1,
                _ => minor == 1 && (high == 3 || high == 0),
            };
        }
        (have < 1 || (20..=24).contains(&kind))
            && (have < 2 || major == 3)
            && (have < 5 || u16::from_be_bytes([high, low]) <= LONGEST)
    }

    fn is_sslv2(&self, first: u8) -> bool {
        self.client && !self.any && first & 0x80 != 0
    }

    fn record(&self, mark: Mark) -> Record {
        let [kind, major, _, high, low] = self.header;
        let at = self.at.unwrap_or(mark);
        if self.is_sslv2(kind) {
            let length = u16::from_be_bytes([kind & 0x7F, major]);
            return Record {
                kind: 22,
                length,
                at,
                sslv2: true,
            };
        }
        Record {
            kind,
            length: u16::from_be_bytes([high, low]),
            at,
            sslv2: false,
        }
    }

    /// The bytes of the header that belong to the message already (SSLv2).
    pub(super) fn sslv2_start(&self) -> [u8; 3] {
        let [_, _, kind, high, low] = self.header;
        [kind, high, low]
    }

    /// The beginning of this side was not captured: what comes first may be the middle of a record.
    pub(super) fn headless(&mut self) {
        if !self.any && matches!(self.place, Place::Header(0)) {
            self.any = true;
            self.place = Place::Searching(0);
        }
    }

    /// Bytes are missing.
    pub(super) fn gap(&mut self, len: u64) -> Missed {
        match self.place {
            Place::Body(left) if len < u64::from(left) => {
                let inside = u16::try_from(len).unwrap_or(left);
                self.place = Place::Body(left.saturating_sub(inside));
                Missed {
                    inside,
                    ended: false,
                    lost: false,
                }
            }
            Place::Body(left) => {
                let lost = len > u64::from(left);
                self.place = if lost {
                    Place::Searching(0)
                } else {
                    Place::Header(0)
                };
                Missed {
                    inside: left,
                    ended: true,
                    lost,
                }
            }
            Place::Header(_) => {
                // What comes after a gap is no longer "the first bytes of this side".
                self.any = true;
                self.place = Place::Searching(0);
                Missed {
                    inside: 0,
                    ended: false,
                    lost: true,
                }
            }
            Place::Searching(_) | Place::Over => Missed {
                inside: 0,
                ended: false,
                lost: false,
            },
        }
    }
}

/// Whether bytes at the start of a segment are records: a plausible header, and another one behind
/// every record that ends within them (as far as three).
pub fn looks_like_record(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    for checked in 0..3 {
        let Some((&[kind, major, minor, high, low], body)) = rest.split_first_chunk::<5>() else {
            return checked > 0;
        };
        let length = u16::from_be_bytes([high, low]);
        let fits = match kind {
            20 => length == 1,
            21 => length == 2 || (11..=512).contains(&length),
            22 | 23 => (4..=LONGEST).contains(&length),
            24 => (19..=LONGEST).contains(&length),
            _ => false,
        };
        if !fits || major != 3 || minor > 4 {
            return false;
        }
        rest = body.get(usize::from(length)..).unwrap_or_default();
    }
    true
}

/// Whether the first bytes of a side are a ClientHello: of TLS (16 03 0x, then message type 1), or
/// in the format of SSLv2 (RFC 5246 E.2). At least three bytes; what is there must fit.
pub fn looks_like_client_hello(bytes: &[u8]) -> bool {
    let at = |index: usize, test: fn(u8) -> bool| bytes.get(index).is_none_or(|&byte| test(byte));
    if bytes.len() < 3 {
        return false;
    }
    let tls = at(0, |b| b == 22)
        && at(1, |b| b == 3)
        && at(2, |b| b <= 4)
        && at(3, |b| b <= 0x48)
        && at(5, |b| b == 1);
    // The length excludes text of eight bits: a hello of that time is short.
    let sslv2 = at(0, |b| (0x80..=0x87).contains(&b))
        && at(2, |b| b == 1)
        && at(3, |b| b == 3 || b == 0)
        && at(4, |b| b <= 3);
    tls || sslv2
}
