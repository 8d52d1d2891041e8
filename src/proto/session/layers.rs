//! Of which layer the bytes of a side are: mail in clear, TLS records, or nothing that can be read.
//!
//! Exists apart because the first byte of a side, the first after STARTTLS, the first after a login and the first of a capture
//! that begins in the middle each tell it by another sign. It decodes nothing.

use super::{Layer, Session};
use crate::base::{Mark, Side};
use crate::proto::mail::Oddity;
use crate::proto::tls::{self, looks_like_record};

impl Session {
    /// The first byte of a side, or its first after STARTTLS, tells TLS from clear text.
    pub(super) fn decide(&mut self, side: Side, mark: Mark, first: u8, bytes: &[u8]) {
        let headless = std::mem::take(&mut self.headless[side]);
        if headless && self.recogniser.is_none() {
            return self.decide_midstream(side, mark, bytes);
        }
        let accepted = self.decoder.dialogue().starttls_accepted.is_some();
        // A ClientHello in SSLv2 format (RFC 5246 E.2) begins with its length; no command begins with such a byte.
        let awaited = side == Side::Client && (accepted || self.implicit());
        let record = matches!(first, 0x14..=0x17) || awaited && matches!(first, 0x80..=0x87);
        if record {
            self.layer[side] = Layer::Tls;
            if !accepted && side == Side::Client && !headless {
                self.tls_from_start.get_or_insert(mark);
            }
            if self.recogniser.take().is_some() && self.service.is_none() {
                self.foreign.get_or_insert((Oddity::NotMail, mark));
            }
        } else if headless && self.expects_tls() {
            self.layer[side] = Layer::Tls; // the middle of a record
        } else if accepted && self.layer[side.other()] == Layer::Tls {
            self.layer[side] = Layer::Tls; // the TLS decoder says that this is none
        } else {
            self.layer[side] = Layer::Clear;
            if accepted {
                self.decoder.odd(Oddity::ClearAfterStarttls, mark);
                self.decoder.resume_clear();
                self.layer[side.other()] = Layer::Clear;
            } else if self.implicit() {
                self.clear_on_tls_port[side].get_or_insert(mark);
            }
        }
    }

    /// The first bytes of a side whose beginning was not captured. They may be from the middle of a TLS record, which
    /// begins with any byte; text of mail has no control characters. A body of eight bits goes with a server that answers in clear.
    fn decide_midstream(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        let other = side.other();
        let records = |session: &Session, side: Side| {
            let tls = session.tls.as_deref().map(tls::Decoder::facts);
            tls.is_some_and(|facts| facts.started[side].is_some())
        };
        let clear = !looks_like_record(bytes)
            && (self.layer[other] == Layer::Clear
                || !self.expects_tls()
                    && can_be_text(bytes)
                    && (is_lines(bytes) || !records(self, other)));
        if !clear {
            self.layer[side] = Layer::Tls;
            self.tls_decoder().gap(side, mark, 0);
            return;
        }
        self.layer[side] = Layer::Clear;
        if self.layer[other] == Layer::Tls && !records(self, other) {
            self.layer[other] = Layer::Clear;
        }
    }

    /// After a login a buffer of a security layer that DIGEST-MD5 or GSSAPI agreed upon: its length in four octets comes first
    /// (RFC 4422 3.7), the upper one 0, since no more than 16 MiB may be agreed upon (RFC 4752 3.1, RFC 2831 2.1.1). No line of mail
    /// begins with NUL.
    pub(super) fn begins_layer(&self, side: Side, bytes: &[u8]) -> bool {
        bytes.first() == Some(&0)
            && self.decoder.dialogue().authenticated.is_some()
            && self.decoder.at_line(side)
    }

    /// A server that agreed to STARTTLS answers clear text with an alert record (RFC 8446 5.1, 6): no line begins like that.
    pub(super) fn rejects_clear(&self, bytes: &[u8]) -> bool {
        let mut oddities = self.decoder.dialogue().oddities.iter();
        bytes.first() == Some(&ALERT)
            && self.decoder.at_line(Side::Server)
            && oddities.any(|(oddity, _)| *oddity == Oddity::ClearAfterStarttls)
    }

    /// Clear text has ended for a side.
    pub(super) fn switch(&mut self, side: Side) {
        let dialogue = self.decoder.dialogue();
        let next = if dialogue.opaque.is_some() {
            Layer::Opaque
        } else {
            Layer::Undecided
        };
        let accepted = dialogue.starttls_accepted.is_some();
        self.layer[side] = next;
        let other = side.other();
        if (accepted || next == Layer::Opaque) && self.layer[other] == Layer::Clear {
            self.layer[other] = next;
        }
    }
}

/// The content type of an alert record.
const ALERT: u8 = 21;

/// Bytes of a stream's middle that are looked at.
const SAMPLE: usize = 256;

/// Bytes of lines from the middle of a stream that no encrypted record looks like by chance: of 16 random bytes all are
/// printable once in ten million times.
const LINES: usize = 16;

/// Whether these bytes, which can be text, end as a line does, and are too many to be so by chance.
fn is_lines(bytes: &[u8]) -> bool {
    bytes.len() >= LINES && bytes.ends_with(b"\r\n")
}

/// Whether bytes from the middle of a stream can be a dialogue in clear: no control characters but those of lines, and
/// nothing beyond ASCII but UTF-8 (a character may be cut at either end).
fn can_be_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..SAMPLE).unwrap_or(bytes);
    let start = head.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80);
    let head = head.get(start.count()..).unwrap_or_default();
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t');
    !head.iter().any(control)
        && std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}
