//! A device that takes STARTTLS out of what the server offers, so that nothing tells of it.
//!
//! The words are gone, not overwritten; TCP's numbers are translated on both sides of the gap from then on, as a NAT's helper does
//! for what it lengthens or shortens (Linux: nf_ct_seqadj).

use std::collections::HashMap;
use std::ops::Range;

use super::super::matching::{FLOWS, FlowKey};
use super::super::packet::{Packet, Toward, flag};
use super::options::walk;
use super::{Fate, Fault, Here};

/// What was taken out of a flow.
#[derive(Clone, Copy)]
struct Gap {
    /// The server's number of the first byte that is gone.
    at: u32,
    /// Bytes that are gone.
    length: u32,
}

/// STARTTLS and STLS are taken out of what the server offers.
#[derive(Default)]
pub struct DeleteStartTls {
    gaps: HashMap<FlowKey, Gap>,
}

impl Fault for DeleteStartTls {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        let Some(segment) = packet.segment().filter(|_| here.hit) else {
            return Fate::On;
        };
        let key = FlowKey::of(packet, here.toward);
        if here.toward == Toward::Client
            && let Some(words) = offer(packet.payload())
            && self.gaps.len() < FLOWS
        {
            let gap = Gap {
                at: segment.seq.wrapping_add(words.start as u32),
                length: words.len() as u32,
            };
            let known = self.gaps.entry(key).or_insert(gap);
            if known.at == gap.at {
                make_last(packet, words.clone());
                packet.remove(words);
                packet.seal();
            }
            return Fate::On;
        }
        let Some(gap) = self.gaps.get(&key).copied() else {
            return Fate::On;
        };
        match here.toward {
            Toward::Client if is_behind(segment.seq, gap.at) => {
                packet.set_seq(segment.seq.wrapping_sub(gap.length));
            }
            Toward::Server if segment.flags & flag::ACK != 0 => {
                if !is_behind(gap.at, segment.ack) {
                    packet.set_ack(segment.ack.wrapping_add(gap.length));
                }
                walk(packet.options_mut(), |kind, option| {
                    if kind == 5 {
                        widen(option.get_mut(2..).unwrap_or(&mut []), gap);
                    }
                });
            }
            _ => {}
        }
        packet.seal();
        Fate::On
    }
}

/// Whether `number` comes after `other` (RFC 9293 3.4: modulo 2³²).
fn is_behind(number: u32, other: u32) -> bool {
    number != other && number.wrapping_sub(other) < 1 << 31
}

fn widen(edges: &mut [u8], gap: Gap) {
    for edge in edges.chunks_exact_mut(4) {
        let value = u32::from_be_bytes([edge[0], edge[1], edge[2], edge[3]]);
        if !is_behind(gap.at, value) {
            edge.copy_from_slice(&value.wrapping_add(gap.length).to_be_bytes());
        }
    }
}

/// Where the offer stands: a line of SMTP, ManageSieve or POP3, a word of IMAP.
fn offer(text: &[u8]) -> Option<Range<usize>> {
    let mut begin = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let word = match line {
            [b'2', b'5', b'0', b'-' | b' ', rest @ ..] => rest,
            all => all,
        };
        let word = word.trim_ascii().trim_ascii_start();
        if [&b"STARTTLS"[..], b"\"STARTTLS\"", b"STLS"]
            .iter()
            .any(|offer| word.eq_ignore_ascii_case(offer))
        {
            return Some(begin..begin + line.len());
        }
        let within = b" STARTTLS";
        let listing = line
            .windows(10)
            .any(|part| part.eq_ignore_ascii_case(b"CAPABILITY"));
        if listing && let Some(at) = line.windows(within.len()).position(|part| part == within) {
            return Some(begin + at..begin + at + within.len());
        }
        begin += line.len();
    }
    None
}

/// Where the last line of a reply is taken, the one before is the last (RFC 5321 4.2.1).
fn make_last(packet: &mut Packet, words: Range<usize>) {
    let text = packet.payload_mut();
    if text.get(words.start..words.start + 4) != Some(b"250 ") {
        return;
    }
    let before = text.get(..words.start).unwrap_or(&[]);
    let lines = before.strip_suffix(b"\n").unwrap_or(before);
    let start = lines
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if let Some(mark @ b'-') = text.get_mut(start + 3) {
        *mark = b' ';
    }
}
