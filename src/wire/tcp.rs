//! TCP headers and options (RFC 9293 3.1), and UDP.
//!
//! A header that the snap length cut still gives ports, sequence number and flags when 14 bytes of
//! it are there, because captures of 68 or 96 bytes are common behind tunnels. Checksums are not
//! verified: with checksum offload a wrong one proves nothing.

use super::dissect::{Dissector, Next};
use super::ip::saturating;
use super::packet::{Tcp, TcpFlags, TcpOptions, Transport, Udp};
use super::rest::Rest;

impl<'a> Dissector<'a> {
    /// A TCP segment.
    #[inline]
    pub fn tcp(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some(
            &[
                s0,
                s1,
                d0,
                d1,
                q0,
                q1,
                q2,
                q3,
                a0,
                a1,
                a2,
                a3,
                offset,
                flags,
            ],
        ) = rest.bytes.first_chunk::<14>()
        else {
            return self.short("tcp", rest, 20);
        };
        let header_len = header_len(offset);
        if header_len < 20 || header_len > rest.wire {
            return self.malformed("tcp", rest, header_len.max(20));
        }
        if let Some(segment) = whole_segment(rest) {
            self.packet.transport = Transport::Tcp(segment);
            return Next::Done;
        }
        let options = TcpOptions {
            incomplete: true,
            ..tcp_options(rest.bytes.get(20..).unwrap_or(&[]))
        };
        self.packet.transport = Transport::Tcp(Tcp {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            seq: u32::from_be_bytes([q0, q1, q2, q3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            flags: TcpFlags(flags),
            window: rest.u16(14),
            options,
            payload: &[],
            payload_len: saturating(rest.wire.saturating_sub(header_len)),
            checksum: rest.u16(16).unwrap_or(0),
        });
        self.short("tcp", rest, header_len)
    }

    /// A UDP datagram, and the tunnel it may be.
    pub fn udp(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some([s0, s1, d0, d1, l0, l1, _, _]) = rest.array::<8>(0) else {
            return self.short("udp", rest, 8);
        };
        let claimed = usize::from(u16::from_be_bytes([l0, l1]));
        let whole = match claimed {
            // Jumbograms (RFC 2675 4) and offload: the IP packet's end counts.
            0 => rest,
            1..8 => return self.malformed("udp", rest, 8),
            _ if claimed > rest.wire => {
                self.malformed("udp", rest, claimed);
                rest
            }
            _ => rest.limit(claimed),
        };
        let payload = whole.skip(8);
        let udp = Udp {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            payload: payload.bytes,
            payload_len: saturating(payload.wire),
        };
        self.packet.transport = Transport::Udp(udp);
        self.udp_tunnel(udp.source_port, udp.destination_port, payload)
    }
}

/// Length of a header in bytes, by the byte with its data offset.
#[inline]
fn header_len(offset: u8) -> usize {
    usize::from(offset >> 4).saturating_mul(4)
}

/// A segment whose header is all there; `None` when it is not, or its length cannot be true.
#[inline(always)]
pub(super) fn whole_segment(rest: Rest<'_>) -> Option<Tcp<'_>> {
    let &[
        s0,
        s1,
        d0,
        d1,
        q0,
        q1,
        q2,
        q3,
        a0,
        a1,
        a2,
        a3,
        offset,
        flags,
        w0,
        w1,
        c0,
        c1,
        _,
        _,
    ] = rest.bytes.first_chunk::<20>()?;
    let header_len = header_len(offset);
    let options = rest.bytes.get(20..header_len)?;
    Some(Tcp {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags: TcpFlags(flags),
        window: Some(u16::from_be_bytes([w0, w1])),
        options: tcp_options(options),
        payload: rest.bytes.get(header_len..)?,
        payload_len: saturating(rest.wire.saturating_sub(header_len)),
        checksum: u16::from_be_bytes([c0, c1]),
    })
}

/// Reads TCP options. Unknown ones are stepped over; a length that does not fit ends it.
#[inline]
fn tcp_options(bytes: &[u8]) -> TcpOptions {
    // What nearly every segment of an established connection has (RFC 7323 appendix A).
    match bytes {
        [] => TcpOptions::default(),
        &[1, 1, 8, 10, v0, v1, v2, v3, e0, e1, e2, e3] => TcpOptions {
            timestamps: Some((
                u32::from_be_bytes([v0, v1, v2, v3]),
                u32::from_be_bytes([e0, e1, e2, e3]),
            )),
            ..TcpOptions::default()
        },
        _ => any_tcp_options(bytes),
    }
}

/// The same for any.
#[inline(never)]
fn any_tcp_options(bytes: &[u8]) -> TcpOptions {
    let mut options = TcpOptions::default();
    let mut rest = bytes;
    loop {
        match rest {
            [] | [0, ..] => return options,
            [1, tail @ ..] => rest = tail,
            &[kind, len, ..] => {
                let len = usize::from(len);
                let (Some(value), Some(tail)) = (rest.get(2..len), rest.get(len..)) else {
                    options.incomplete = true;
                    return options;
                };
                tcp_option(&mut options, kind, value);
                rest = tail;
            }
            [_] => {
                options.incomplete = true;
                return options;
            }
        }
    }
}

/// One option. A known kind with a wrong length is not believed.
fn tcp_option(options: &mut TcpOptions, kind: u8, value: &[u8]) {
    match (kind, value) {
        (2, &[a, b]) => options.mss = Some(u16::from_be_bytes([a, b])),
        (3, &[shift]) => options.window_scale = Some(shift),
        (4, []) => options.sack_permitted = true,
        (5, blocks) if blocks.len() % 8 == 0 => {
            for block in blocks.chunks_exact(8) {
                let &[a, b, c, d, e, f, g, h] = block else {
                    continue;
                };
                let edges = (
                    u32::from_be_bytes([a, b, c, d]),
                    u32::from_be_bytes([e, f, g, h]),
                );
                if let Some(slot) = options.sack.get_mut(usize::from(options.sack_count)) {
                    *slot = edges;
                    options.sack_count = options.sack_count.saturating_add(1);
                }
            }
        }
        (8, &[a, b, c, d, e, f, g, h]) => {
            options.timestamps = Some((
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            ));
        }
        (30, value) => {
            options.multipath = true;
            // The subtype is the upper half of the first byte; 1 is MP_JOIN (RFC 8684 3, 3.2).
            options.joins |= value.first().is_some_and(|first| first >> 4 == 1);
        }
        // 254 with this magic is fast open before it had a number (RFC 7413 4.1.1, RFC 6994).
        (34, _) | (254, [0xf9, 0x89, ..]) => options.fast_open = true,
        (2..=5 | 8, _) => options.incomplete = true,
        _ => {}
    }
}
