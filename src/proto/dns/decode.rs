//! One DNS message from bytes, as much of it as is there.
//!
//! The header is always read by hand; names and record data are `hickory-proto`'s, record by
//! record, so that a message cut by the snap length or malformed at its end still gives what comes
//! before. Names follow compression only backwards (hickory's guard), so no loop is possible. It
//! skips authority and additional data but for a SOA and EDNS.

use std::fmt::Write as _;
use std::net::IpAddr;

use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, Restrict};

use crate::base::Foreign;

use super::message::{Answer, Message, Record, RecordType};

/// Length of the header (RFC 1035 4.1.1).
const HEADER: usize = 12;
/// Records kept of the answer section.
const ANSWERS: usize = 64;
/// Extended errors kept.
const ERRORS: usize = 8;
/// OPT pseudo-record (RFC 6891).
const OPT: u16 = 41;
/// SOA record.
const SOA: u16 = 6;
/// RFC 6698 7.1.
const TLSA: u16 = 52;

/// Why reading ended before the message did.
enum Stop {
    /// The bytes end.
    Short,
    /// The bytes are wrong.
    Wrong(&'static str),
}

/// Decodes a message. `wire_len` is its length on the wire in bytes; `bytes` may be shorter when the
/// capture is cut. `None` when there is no whole header (12 bytes).
pub fn decode(bytes: &[u8], wire_len: u32) -> Option<Message> {
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let [i, d, f, g, q0, q1, a0, a1, n0, n1, r0, r1] = *header;
    let answers = u16::from_be_bytes([a0, a1]);
    let authority = u16::from_be_bytes([n0, n1]);
    let mut message = Message {
        id: u16::from_be_bytes([i, d]),
        response: f & 0x80 != 0,
        opcode: f >> 3 & 0x0F,
        question: None,
        questions: u16::from_be_bytes([q0, q1]),
        rcode: u16::from(g & 0x0F),
        truncated: f & 0x02 != 0,
        authoritative: f & 0x04 != 0,
        recursion_desired: f & 0x01 != 0,
        checking_disabled: g & 0x10 != 0,
        edns_size: None,
        dnssec_ok: false,
        extended_errors: Vec::new(),
        answers: Vec::new(),
        authority: (authority, false),
        length: wire_len,
        incomplete: false,
        malformed: None,
    };
    let counts = [answers, authority, u16::from_be_bytes([r0, r1])];
    let cut = u64::try_from(bytes.len()).is_ok_and(|have| have < u64::from(wire_len));
    match sections(&mut message, bytes, counts) {
        Ok(()) => {}
        Err(Stop::Short) => {
            message.incomplete = true;
            // A truncated message may end anywhere; a cut one says nothing about itself.
            if !cut && !message.truncated {
                message.malformed = Some("the message ends before its sections do");
            }
        }
        Err(Stop::Wrong(why)) => {
            message.incomplete = true;
            message.malformed = Some(why);
        }
    }
    Some(message)
}

fn sections(message: &mut Message, bytes: &[u8], counts: [u16; 3]) -> Result<(), Stop> {
    let mut decoder = BinDecoder::new(bytes);
    decoder.read_slice(HEADER).map_err(|_| Stop::Short)?;
    for index in 0..message.questions {
        let name = name(&mut decoder)?;
        let kind = number(&mut decoder)?;
        number(&mut decoder)?;
        if index == 0 {
            message.question = Some((name, RecordType(kind)));
        }
    }
    for (section, count) in counts.into_iter().enumerate() {
        for _ in 0..count {
            let head = head(&mut decoder)?;
            let start = decoder.index();
            let data = decoder
                .read_slice(usize::from(head.length))
                .map_err(|_| Stop::Short)?;
            let data = data.unverified();
            match (section, head.kind) {
                (0, _) if message.answers.len() < ANSWERS => {
                    let answer = answer(bytes, start, &head, data);
                    if answer.is_none() {
                        message.malformed = Some("the data of an answer does not fit its type");
                    }
                    if message.answers.is_empty() {
                        // As many as may come, each of which has eleven bytes at the least.
                        let left = bytes.len().saturating_sub(start) / 11;
                        let most = usize::from(count).min(left.saturating_add(1)).min(ANSWERS);
                        message.answers.reserve_exact(most);
                    }
                    message.answers.push(Record {
                        owner: head.owner,
                        kind: RecordType(head.kind),
                        ttl: head.ttl,
                        answer: answer.unwrap_or_else(|| Answer::Other(raw(data))),
                    });
                }
                (1, SOA) => message.authority.1 = true,
                (2, OPT) => edns(message, &head, data),
                _ => {}
            }
        }
    }
    Ok(())
}

struct Head {
    owner: Foreign,
    kind: u16,
    class: u16,
    ttl: u32,
    length: u16,
}

fn head(decoder: &mut BinDecoder<'_>) -> Result<Head, Stop> {
    let owner = name(decoder)?;
    let kind = number(decoder)?;
    let class = number(decoder)?;
    let high = number(decoder)?;
    let low = number(decoder)?;
    let ttl = u32::from(high) << 16 | u32::from(low);
    Ok(Head {
        owner,
        kind,
        class,
        ttl,
        length: number(decoder)?,
    })
}

fn number(decoder: &mut BinDecoder<'_>) -> Result<u16, Stop> {
    decoder
        .read_u16()
        .map(Restrict::unverified)
        .map_err(|_| Stop::Short)
}

fn name(decoder: &mut BinDecoder<'_>) -> Result<Foreign, Stop> {
    use hickory_proto::serialize::binary::DecodeError;
    match Name::read(decoder) {
        Ok(name) => Ok(text(&name)),
        Err(DecodeError::InsufficientBytes) => Err(Stop::Short),
        Err(_) => Err(Stop::Wrong("a name is malformed")),
    }
}

/// Lower case, without the final dot; escapes as in a zone file (RFC 1035 5.1).
fn text(name: &Name) -> Foreign {
    let mut text = Vec::with_capacity(name.len());
    for label in name.iter() {
        if !text.is_empty() {
            text.push(b'.');
        }
        let plain = |byte: &u8| matches!(byte, 0x21..=0x7E) && !matches!(byte, b'.' | b'\\');
        if label.iter().all(plain) {
            text.extend_from_slice(label);
            continue;
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' => text.extend_from_slice(&[b'\\', byte]),
                0x21..=0x7E => text.push(byte),
                _ => text.extend_from_slice(format!("\\{byte:03}").as_bytes()),
            }
        }
    }
    text.make_ascii_lowercase();
    // At most 255 bytes, four characters each.
    Foreign::bounded(&text, 1_024)
}

/// The data of a record at `start` of `bytes`; `None` when it does not fit the type.
fn answer(bytes: &[u8], start: usize, head: &Head, data: &[u8]) -> Option<Answer> {
    if head.kind == TLSA {
        return Some(Answer::Tlsa(data.into()));
    }
    // Compressed names in the data point into the whole message, but must not run out of the data.
    let end = start.checked_add(data.len())?;
    let decoder = BinDecoder::new(bytes.get(..end)?);
    let mut decoder = decoder.clone(u16::try_from(start).ok()?);
    let kind = hickory_proto::rr::RecordType::from(head.kind);
    let data = RData::read(&mut decoder, kind, Restrict::new(head.length)).ok()?;
    Some(match &data {
        RData::A(address) => Answer::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Answer::Address(IpAddr::V6(address.0)),
        RData::CNAME(name) => Answer::Name(text(&name.0)),
        RData::NS(name) => Answer::Name(text(&name.0)),
        RData::PTR(name) => Answer::Name(text(&name.0)),
        RData::MX(mx) => Answer::Mx(mx.preference, text(&mx.exchange)),
        RData::SRV(srv) => Answer::Srv(srv.priority, srv.weight, srv.port, text(&srv.target)),
        other => {
            // Some records' Display gives up on odd data; what it wrote until then is kept.
            let mut words = String::new();
            if write!(words, "{other}").is_err() {
                words.push('…');
            }
            Answer::Other(Foreign::from(words.as_str()))
        }
    })
}

/// Unreadable data as RFC 3597 writes it.
fn raw(data: &[u8]) -> Foreign {
    let mut text = format!("\\# {} ", data.len());
    for byte in data.iter().take(64) {
        text.push_str(&format!("{byte:02x}"));
    }
    Foreign::from(text.as_str())
}

fn edns(message: &mut Message, head: &Head, data: &[u8]) {
    message.edns_size = Some(head.class);
    let [high, _, flags, _] = head.ttl.to_be_bytes();
    message.rcode = u16::from(high) << 4 | message.rcode & 0x0F;
    message.dnssec_ok = flags & 0x80 != 0;
    let mut rest = data;
    while let Some((&[c0, c1, l0, l1], tail)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some((value, tail)) = tail.split_at_checked(length) else {
            return;
        };
        rest = tail;
        // Extended DNS error (RFC 8914).
        if [c0, c1] == [0, 15]
            && message.extended_errors.len() < ERRORS
            && let Some((code, why)) = value.split_first_chunk::<2>()
        {
            message
                .extended_errors
                .push((u16::from_be_bytes(*code), Foreign::from_bytes(why)));
        }
    }
}

/// Whether bytes can be a DNS message: a header whose fields agree with each other, and a first
/// question that can be read as far as it is there.
pub fn looks_like_dns(bytes: &[u8]) -> bool {
    let Some(&[_, _, f, g, q0, q1, a0, a1, n0, n1, r0, r1]) = bytes.first_chunk::<HEADER>() else {
        return false;
    };
    let [questions, answers, authority, additional] =
        [[q0, q1], [a0, a1], [n0, n1], [r0, r1]].map(u16::from_be_bytes);
    let opcode = f >> 3 & 0x0F;
    let query = f & 0x80 == 0;
    if !matches!(opcode, 0..=2 | 4..=6) || g & 0x40 != 0 || questions > 1 && opcode != 5 {
        return false;
    }
    if query && opcode == 0 && (g & 0x0F != 0 || answers > 0 || authority > 0 || questions != 1) {
        return false;
    }
    if u32::from(answers) + u32::from(authority) + u32::from(additional) > 4_096 {
        return false;
    }
    let mut decoder = BinDecoder::new(bytes);
    if decoder.read_slice(HEADER).is_err() || questions == 0 {
        return questions == 0 && !query;
    }
    !matches!(name(&mut decoder), Err(Stop::Wrong(_)))
}
