//! One DNS message from bytes, as much of it as is there.
//!
//! Names, addresses and what points to a host are read by the reader beside; the data of records that are only
//! shown is `hickory-proto`'s. All of it record by record, so that a message cut by the snap length or malformed at its end still gives
//! what comes before. It skips authority and additional data but for a SOA and EDNS.

use std::fmt::Write as _;
use std::net::IpAddr;

use hickory_proto::rr::RData;
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use crate::base::Foreign;

use super::message::{Answer, Message, Record, RecordType};
use super::reader::{Reader, Stop};

/// Length of the header (RFC 1035 4.1.1).
const HEADER: usize = 12;
/// Where the name of the first question begins.
const QUESTION: u8 = 12;
/// The least length of a record: the root's name, type, class, TTL and length.
const RECORD: usize = 11;
/// Records kept of the answer section.
const ANSWERS: usize = 64;
/// Extended errors kept.
const ERRORS: usize = 8;
/// OPT pseudo-record (RFC 6891).
const OPT: u16 = 41;
/// SOA record.
const SOA: u16 = 6;
// What is read here (RFC 1035 3.2.2, RFC 3596 2.1, RFC 2782, RFC 6698 7.1).
const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const PTR: u16 = 12;
const MX: u16 = 15;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const TLSA: u16 = 52;

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
        recursion_available: g & 0x80 != 0,
        authentic_data: g & 0x20 != 0,
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
    let mut reader = Reader::new(bytes, HEADER);
    for index in 0..message.questions {
        if index > 0 {
            reader.skip_name()?;
            reader.array::<4>()?;
            continue;
        }
        let name = reader.name()?;
        let [high, low, _, _] = reader.array()?;
        message.question = Some((name, RecordType(u16::from_be_bytes([high, low]))));
    }
    let [answers, authority, additional] = counts;
    let promised = usize::from(answers).min(ANSWERS);
    let room = reader.left() / RECORD;
    message.answers.reserve_exact(promised.min(room));
    for _ in 0..answers {
        if message.answers.len() >= ANSWERS {
            reader.skip_name()?;
            record(&mut reader)?;
            continue;
        }
        let owner = owner(&mut reader, message)?;
        let head = record(&mut reader)?;
        let answer = answer(bytes, &head);
        if answer.is_none() {
            message.malformed = Some("the data of an answer does not fit its type");
        }
        message.answers.push(Record {
            owner,
            kind: RecordType(head.kind),
            ttl: head.ttl,
            answer: answer.unwrap_or_else(|| Answer::Other(raw(head.data))),
        });
    }
    for _ in 0..authority {
        reader.skip_name()?;
        message.authority.1 |= record(&mut reader)?.kind == SOA;
    }
    for _ in 0..additional {
        reader.skip_name()?;
        let head = record(&mut reader)?;
        if head.kind == OPT {
            edns(message, &head);
        }
    }
    Ok(())
}

/// The owner of an answer, which nearly always is a pointer to the question's name.
fn owner(reader: &mut Reader<'_>, message: &Message) -> Result<Foreign, Stop> {
    match &message.question {
        Some((name, _)) if reader.points_to(QUESTION) => {
            reader.number()?;
            Ok(name.clone())
        }
        _ => reader.name(),
    }
}

/// A record behind its owner's name.
struct Head<'a> {
    kind: u16,
    class: u16,
    ttl: u32,
    /// Where in the message its data begins.
    start: usize,
    data: &'a [u8],
}

fn record<'a>(reader: &mut Reader<'a>) -> Result<Head<'a>, Stop> {
    let [k0, k1, c0, c1, t0, t1, t2, t3, l0, l1] = reader.array()?;
    let start = reader.at();
    Ok(Head {
        kind: u16::from_be_bytes([k0, k1]),
        class: u16::from_be_bytes([c0, c1]),
        ttl: u32::from_be_bytes([t0, t1, t2, t3]),
        start,
        data: reader.take(usize::from(u16::from_be_bytes([l0, l1])))?,
    })
}

/// The data of a record of a message; `None` when it does not fit the type.
fn answer(bytes: &[u8], head: &Head<'_>) -> Option<Answer> {
    let data = head.data;
    // Compressed names in the data point into the whole message, but must not run out of the data.
    let end = head.start.checked_add(data.len())?;
    let within = bytes.get(..end)?;
    let name_at = |skip: usize| {
        let mut reader = Reader::new(within, head.start.checked_add(skip)?);
        let name = reader.name().ok()?;
        (reader.left() == 0).then_some(name)
    };
    Some(match head.kind {
        A => Answer::Address(IpAddr::from(<[u8; 4]>::try_from(data).ok()?)),
        AAAA => Answer::Address(IpAddr::from(<[u8; 16]>::try_from(data).ok()?)),
        NS | CNAME | PTR => Answer::Name(name_at(0)?),
        MX => {
            let preference = data.first_chunk()?;
            Answer::Mx(u16::from_be_bytes(*preference), name_at(2)?)
        }
        SRV => {
            let &[p0, p1, w0, w1, o0, o1] = data.first_chunk()?;
            let [priority, weight, port] = [[p0, p1], [w0, w1], [o0, o1]].map(u16::from_be_bytes);
            Answer::Srv(priority, weight, port, name_at(6)?)
        }
        TLSA => Answer::Tlsa(data.into()),
        _ => other(within, head)?,
    })
}

/// The data of a record that is only shown.
fn other(within: &[u8], head: &Head<'_>) -> Option<Answer> {
    let decoder = BinDecoder::new(within);
    let mut decoder = decoder.clone(u16::try_from(head.start).ok()?);
    let kind = hickory_proto::rr::RecordType::from(head.kind);
    let length = Restrict::new(u16::try_from(head.data.len()).ok()?);
    let data = RData::read(&mut decoder, kind, length).ok()?;
    // Some records' Display gives up on odd data; what it wrote until then is kept.
    let mut words = String::new();
    if write!(words, "{data}").is_err() {
        words.push('…');
    }
    Some(Answer::Other(Foreign::from(words.as_str())))
}

/// Unreadable data as RFC 3597 writes it.
fn raw(data: &[u8]) -> Foreign {
    let mut text = format!("\\# {} ", data.len());
    for byte in data.iter().take(64) {
        text.push_str(&format!("{byte:02x}"));
    }
    Foreign::from(text.as_str())
}

fn edns(message: &mut Message, head: &Head<'_>) {
    message.edns_size = Some(head.class);
    let [high, _, flags, _] = head.ttl.to_be_bytes();
    message.rcode = u16::from(high) << 4 | message.rcode & 0x0F;
    message.dnssec_ok = flags & 0x80 != 0;
    let mut rest = head.data;
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
    if questions == 0 {
        return !query;
    }
    !matches!(Reader::new(bytes, HEADER).skip_name(), Err(Stop::Wrong(_)))
}
