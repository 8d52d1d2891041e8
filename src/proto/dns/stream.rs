//! DNS over TCP: messages with two bytes of length before them (RFC 1035 4.2.2), split anywhere.
//!
//! A message with a hole is handed out as far as it goes. When a length is missing, the place is
//! looked for at the start of a segment. It keeps one message per side.

use crate::base::{Mark, PerSide, Side, limits};

use super::decode::{decode, looks_like_dns};
use super::message::Message;

/// A message of a stream.
#[derive(Clone, Debug)]
pub struct Framed {
    /// Who sent it.
    pub side: Side,
    /// First byte of its length.
    pub at: Mark,
    /// Last byte.
    pub done: Mark,
    /// The message.
    pub message: Message,
}

#[derive(Clone, Debug, Default)]
struct Half {
    length: [u8; 2],
    have: u8,
    got: usize,
    body: Vec<u8>,
    holed: bool,
    lost: bool,
    at: Option<Mark>,
}

impl Half {
    fn length(&self) -> usize {
        usize::from(u16::from_be_bytes(self.length))
    }

    fn end(&mut self, side: Side, mark: Mark, out: &mut Vec<Framed>) {
        if self.have < 2 || self.got < self.length() {
            return;
        }
        let wire = u32::from(u16::from_be_bytes(self.length));
        if let Some(message) = decode(&self.body, wire) {
            out.push(Framed {
                side,
                at: self.at.unwrap_or(mark),
                done: mark,
                message,
            });
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.have = 0;
        self.got = 0;
        self.body.clear();
        self.holed = false;
        self.at = None;
    }
}

/// Takes both directions of a DNS connection over TCP.
#[derive(Clone, Debug, Default)]
pub struct StreamDecoder {
    halves: PerSide<Half>,
}

impl StreamDecoder {
    /// A decoder at the first byte of both sides.
    pub fn new() -> StreamDecoder {
        StreamDecoder::default()
    }

    /// The next bytes of a side, in stream order, split anywhere; whole messages go to `out`.
    pub fn data(&mut self, side: Side, mark: Mark, bytes: &[u8], out: &mut Vec<Framed>) {
        let half = &mut self.halves[side];
        if half.lost {
            let fits = bytes
                .split_first_chunk::<2>()
                .is_some_and(|(length, body)| {
                    u16::from_be_bytes(*length) >= 12 && looks_like_dns(body)
                });
            if !fits {
                return;
            }
            half.lost = false;
            half.restart();
        }
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if half.have < 2 {
                half.at.get_or_insert(mark);
                if let Some(slot) = half.length.get_mut(usize::from(half.have)) {
                    *slot = byte;
                }
                half.have = half.have.saturating_add(1);
                rest = tail;
            } else {
                let take = half.length().saturating_sub(half.got).min(rest.len());
                let (head, tail) = rest.split_at_checked(take).unwrap_or((rest, &[]));
                if !half.holed && half.body.len() < limits::DNS_MESSAGE {
                    half.body.extend_from_slice(head);
                }
                half.got = half.got.saturating_add(take);
                rest = tail;
            }
            half.end(side, mark, out);
        }
    }

    /// `len` bytes of a side are missing; a message that ends in the gap is handed out incomplete.
    pub fn gap(&mut self, side: Side, mark: Mark, len: u64, out: &mut Vec<Framed>) {
        let half = &mut self.halves[side];
        if half.lost || len == 0 {
            return;
        }
        let left = half.length().saturating_sub(half.got);
        if half.have < 2 {
            half.restart();
            half.lost = true;
            return;
        }
        let inside = usize::try_from(len).unwrap_or(usize::MAX).min(left);
        half.holed = true;
        half.got = half.got.saturating_add(inside);
        half.end(side, mark, out);
        half.lost = u64::try_from(left).is_ok_and(|left| len > left);
    }
}
