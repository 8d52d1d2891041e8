//! What the two ends offered in their TLS hellos, decoded from the frames that are kept: a record holds only what was chosen.
//!
//! It judges nothing, and is made only for the row that is opened. Segments that came again are passed over; where bytes
//! are missing the decoder is told so.

use std::net::IpAddr;

use crate::base::{FrameRef, Mark, PerSide, Side, SourceId};
use crate::engine::record::ConnectionRecord;
use crate::proto::tls::{Decoder, TlsFacts, looks_like_client_hello, looks_like_record};
use crate::tui::frames::KeptFrames;
use crate::wire::{Net, Transport, dissect};

/// Bytes that are looked at: hellos and certificates are far shorter.
const ENOUGH: usize = 256 << 10;

/// The facts of its TLS, as far as these frames hold it; `None` where no ClientHello is in them.
pub fn hellos(record: &ConnectionRecord, kept: &KeptFrames) -> Option<Box<TlsFacts>> {
    let client: IpAddr = record.client.ip.parse().ok()?;
    let mut decoder = Decoder::new();
    // The next sequence number of each side, once its TLS has begun.
    let mut next: PerSide<Option<u32>> = PerSide::default();
    let mut seen = 0usize;
    for frame in &kept.frames {
        let packet = dissect(frame.link_type, &frame.data, frame.original_len);
        let (Net::Ip(ip), Transport::Tcp(tcp)) = (&packet.net, &packet.transport) else {
            continue;
        };
        if tcp.payload.is_empty() || seen > ENOUGH {
            continue;
        }
        let side = match (ip.source, tcp.source_port) == (client, record.client.port) {
            true => Side::Client,
            false => Side::Server,
        };
        let begins = match side {
            Side::Client => looks_like_client_hello(tcp.payload),
            // What a server says in clear before is no record.
            Side::Server => next[Side::Client].is_some() && looks_like_record(tcp.payload),
        };
        let expected = match next[side] {
            Some(expected) => expected,
            None if begins => tcp.seq,
            None => continue,
        };
        let mark = Mark {
            frame: FrameRef::new(SourceId(record.source), frame.number),
            time: frame.time,
        };
        let ahead = tcp.seq.wrapping_sub(expected);
        let fresh = match ahead.cast_signed() {
            0 => tcp.payload,
            behind @ ..0 => {
                let known = usize::try_from(behind.unsigned_abs()).unwrap_or(usize::MAX);
                tcp.payload.get(known..).unwrap_or_default()
            }
            _ => {
                decoder.gap(side, mark, u64::from(ahead));
                tcp.payload
            }
        };
        if fresh.is_empty() {
            continue;
        }
        decoder.data(side, mark, fresh);
        seen = seen.saturating_add(fresh.len());
        let end = tcp
            .seq
            .wrapping_add(u32::try_from(tcp.payload.len()).unwrap_or(0));
        next[side] = Some(end);
    }
    let facts = decoder.facts();
    facts
        .client_hello
        .is_some()
        .then(|| Box::new(facts.clone()))
}
