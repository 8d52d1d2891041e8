//! Other cuts of the same bytes: fragments of IP, segments made one as GRO does, frames seen twice.

use std::sync::Arc;

use mxray::base::Timestamp;

use super::clothes::{ethertype, with};
use crate::support::{Chance, Kept};

/// Bytes of a fragment's payload; a multiple of eight.
const FRAGMENT: usize = 64;

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]))
}

/// An IPv4 or IPv6 packet in fragments (RFC 791 3.2, RFC 8200 4.5); what cannot be cut stays whole. All of them have the
/// number of the frame that they were.
pub fn fragments(frame: &Kept, backwards: bool) -> Vec<Kept> {
    let data = &frame.data;
    let whole = || vec![frame.clone()];
    if data.len() != frame.original_len as usize {
        return whole();
    }
    let mut cut = match ethertype(frame) {
        Some(0x0800) => {
            let header = 14 + usize::from(data[14] & 15) * 4;
            let end = 14 + usize::from(u16_at(data, 16).expect("a length"));
            let already = u16_at(data, 20).expect("an offset") & 0x3FFF != 0;
            if already || end > data.len() || end - header <= FRAGMENT || header != 34 {
                return whole();
            }
            let identity = &identity(&data[34..end])[..2];
            pieces(end - header)
                .map(|(from, to, more)| {
                    let mut piece = data[..header].to_vec();
                    piece.extend(&data[header + from..header + to]);
                    let length = u16::try_from(20 + to - from).expect("short").to_be_bytes();
                    piece[16..18].copy_from_slice(&length);
                    piece[18..20].copy_from_slice(identity);
                    let offset = u16::try_from(from / 8).expect("short") | u16::from(more) << 13;
                    piece[20..22].copy_from_slice(&offset.to_be_bytes());
                    with(frame, 1, piece)
                })
                .collect::<Vec<_>>()
        }
        Some(0x86DD) => {
            let end = 54 + usize::from(u16_at(data, 18).expect("a length"));
            let next = data[20];
            if !matches!(next, 6 | 17) || end > data.len() || end - 54 <= FRAGMENT {
                return whole();
            }
            pieces(end - 54)
                .map(|(from, to, more)| {
                    let mut piece = data[..54].to_vec();
                    piece[20] = 44;
                    let length = u16::try_from(8 + to - from).expect("short").to_be_bytes();
                    piece[18..20].copy_from_slice(&length);
                    let offset = u16::try_from(from).expect("short") | u16::from(more);
                    piece.extend([next, 0]);
                    piece.extend(offset.to_be_bytes());
                    piece.extend(identity(&data[54..end]));
                    piece.extend(&data[54 + from..54 + to]);
                    with(frame, 1, piece)
                })
                .collect()
        }
        _ => return whole(),
    };
    if backwards {
        cut.reverse();
    }
    cut
}

/// An identification that both copies of a mirrored packet have (FNV-1a of what they carry), never 0.
fn identity(carried: &[u8]) -> [u8; 4] {
    let hash = carried.iter().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    (hash | 0x0001_0001).to_be_bytes()
}

/// From, to, and whether more follow.
fn pieces(length: usize) -> impl Iterator<Item = (usize, usize, bool)> {
    (0..length.div_ceil(FRAGMENT)).map(move |index| {
        let to = ((index + 1) * FRAGMENT).min(length);
        (index * FRAGMENT, to, to < length)
    })
}

/// The mirror of both sides of a router: every frame again 30 µs later, with other MAC addresses and one hop less.
pub fn mirrored(frame: &Kept) -> [Kept; 2] {
    let mut data = frame.data.to_vec();
    if let Some(macs) = data.get_mut(..12) {
        macs.copy_from_slice(&[2, 9, 9, 9, 9, 2, 2, 9, 9, 9, 9, 1]);
    }
    let hops = match ethertype(frame) {
        Some(0x0800) => Some(22),
        Some(0x86DD) => Some(21),
        _ => None,
    };
    if let Some(hops) = hops.and_then(|at| data.get_mut(at)) {
        *hops = hops.saturating_sub(1).max(1);
    }
    let again = Kept {
        data: Arc::from(data),
        time: Timestamp(frame.time.0 + 30_000),
        ..frame.clone()
    };
    [frame.clone(), again]
}

/// Segments of one side that follow each other at once, made one as an interface with GRO does (Linux net/core/gro.c): same
/// acknowledgement, nothing but data, no gap.
pub fn coalesced(frames: &[Kept]) -> Vec<Kept> {
    let mut out: Vec<Kept> = Vec::new();
    for frame in frames {
        if let Some(last) = out.last()
            && let Some(joined) = join(last, frame)
        {
            *out.last_mut().expect("the last") = joined;
        } else {
            out.push(frame.clone());
        }
    }
    out
}

struct Segment<'a> {
    seq: u32,
    ack: &'a [u8],
    flags: u8,
    options: &'a [u8],
    payload: &'a [u8],
    header: usize,
}

fn segment(frame: &Kept) -> Option<Segment<'_>> {
    let data = &frame.data;
    if ethertype(frame) != Some(0x0800) || data.len() != frame.original_len as usize {
        return None;
    }
    let tcp = 14 + usize::from(data.get(14)? & 15) * 4;
    let end = 14 + usize::from(u16_at(data, 16)?);
    if *data.get(23)? != 6 || u16_at(data, 20)? & 0x3FFF != 0 {
        return None;
    }
    let header = tcp + usize::from(data.get(tcp + 12)? >> 4) * 4;
    Some(Segment {
        seq: u32::from_be_bytes(data.get(tcp + 4..tcp + 8)?.try_into().ok()?),
        ack: data.get(tcp + 8..tcp + 12)?,
        flags: *data.get(tcp + 13)?,
        options: data.get(tcp + 20..header)?,
        payload: data.get(header..end)?,
        header,
    })
}

fn join(last: &Kept, next: &Kept) -> Option<Kept> {
    let (a, b) = (segment(last)?, segment(next)?);
    let plain = |flags: u8| flags & !0x08 == 0x10;
    let follows = last.data.get(26..38) == next.data.get(26..38)
        && a.seq.wrapping_add(u32::try_from(a.payload.len()).ok()?) == b.seq
        && (a.ack, a.options) == (b.ack, b.options)
        && !a.payload.is_empty()
        && !b.payload.is_empty()
        && plain(a.flags)
        && plain(b.flags)
        && next.time.0 - last.time.0 < 1_000_000;
    if !follows || a.payload.len() + b.payload.len() > 60_000 {
        return None;
    }
    let mut data = last.data[..a.header].to_vec();
    data.extend(a.payload);
    data.extend(b.payload);
    let length = u16::try_from(data.len() - 14).ok()?.to_be_bytes();
    data[16..18].copy_from_slice(&length);
    Some(with(last, 1, data))
}

/// Neighbouring segments of opposite directions, less than 2 ms apart, of which some change places: their times stay. What
/// opens or ends a connection stays where it is.
pub fn swapped(frames: &[Kept], name: &str) -> Vec<Kept> {
    let mut chance = Chance::of(name);
    let mut out = frames.to_vec();
    let mut at = 0;
    while at + 1 < out.len() {
        let (one, two) = (&out[at], &out[at + 1]);
        let opposite = one.data.get(26..30) == two.data.get(30..34);
        let plain = |frame: &Kept| segment(frame).is_some_and(|s| s.flags & !0x08 == 0x10);
        let close = two.time.0 - one.time.0 < 2_000_000;
        if opposite && plain(one) && plain(two) && close && chance.below(3) == 0 {
            let (first, second) = (one.time, two.time);
            out.swap(at, at + 1);
            out[at].time = first;
            out[at + 1].time = second;
            at += 1;
        }
        at += 1;
    }
    out
}
