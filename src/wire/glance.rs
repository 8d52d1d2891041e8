//! Whose a frame is, without taking it apart: addresses, ports and flags of a plain frame of TCP, at their fixed places.
//!
//! It exists for who hands frames on to somebody who takes them apart. It accepts what [`plain`](super::plain) accepts and nothing
//! else, so that both say the same of a frame; a test holds that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::packet::TcpFlags;

/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;
/// Protocol number of TCP.
const TCP: u8 = 6;
/// The shortest TCP header, in bytes.
const SHORTEST: usize = 20;

/// Whose a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Source address of the link.
    pub from: [u8; 6],
    /// Destination address of the link.
    pub to: [u8; 6],
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
    /// TCP flags.
    pub flags: TcpFlags,
    /// Hops that it may go on.
    pub ttl: u8,
}

/// Looks at a frame of a pcap link type (`LINKTYPE_…` number); `None` when it is no plain frame of TCP.
#[inline]
pub fn glance(link_type: u16, data: &[u8], original_len: u32) -> Option<Glance> {
    if link_type != ETHERNET {
        return None;
    }
    let (ethernet, network) = data.split_first_chunk::<14>()?;
    let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = ethernet;
    let (source, destination, total, header_len, ttl): (IpAddr, IpAddr, usize, usize, u8) =
        match (u16::from_be_bytes([t0, t1]), network.first()?) {
            (0x0800, 0x45) => {
                let &[
                    _,
                    _,
                    l0,
                    l1,
                    _,
                    _,
                    f0,
                    f1,
                    ttl,
                    protocol,
                    _,
                    _,
                    a,
                    b,
                    c,
                    d,
                    e,
                    f,
                    g,
                    h,
                ] = network.first_chunk::<20>()?;
                // More fragments, or not the first (RFC 791 3.1).
                if protocol != TCP || u16::from_be_bytes([f0, f1]) & 0x3fff != 0 {
                    return None;
                }
                (
                    Ipv4Addr::new(a, b, c, d).into(),
                    Ipv4Addr::new(e, f, g, h).into(),
                    usize::from(u16::from_be_bytes([l0, l1])),
                    20,
                    ttl,
                )
            }
            (0x86dd, 0x60..=0x6f) => {
                let (&[_, _, _, _, l0, l1, next, ttl], addresses) =
                    network.split_first_chunk::<8>()?;
                let (source, rest) = addresses.split_first_chunk::<16>()?;
                let destination = rest.first_chunk::<16>()?;
                if next != TCP {
                    return None;
                }
                (
                    Ipv6Addr::from(*source).into(),
                    Ipv6Addr::from(*destination).into(),
                    usize::from(u16::from_be_bytes([l0, l1])).saturating_add(40),
                    40,
                    ttl,
                )
            }
            _ => return None,
        };
    let original = usize::try_from(original_len).unwrap_or(usize::MAX);
    let wire = original.max(data.len()).saturating_sub(ethernet.len());
    if total <= header_len || total > wire {
        return None;
    }
    // What follows the datagram is padding or a trailer.
    let segment = network.get(..total).unwrap_or(network).get(header_len..)?;
    let &[p0, p1, q0, q1, _, _, _, _, _, _, _, _, offset, flags] = segment.first_chunk::<14>()?;
    let tcp_header = usize::from(offset >> 4).saturating_mul(4);
    if tcp_header < SHORTEST || tcp_header > segment.len() {
        return None;
    }
    Some(Glance {
        from: [s0, s1, s2, s3, s4, s5],
        to: [d0, d1, d2, d3, d4, d5],
        source,
        destination,
        source_port: u16::from_be_bytes([p0, p1]),
        destination_port: u16::from_be_bytes([q0, q1]),
        flags: TcpFlags(flags),
        ttl,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packet::{Net, Transport};
    use super::super::plain::plain;
    use super::{Glance, glance};

    fn through_plain(data: &[u8], original_len: u32) -> Option<Glance> {
        let packet = plain(data, original_len)?;
        let (Net::Ip(ip), Transport::Tcp(tcp)) = (packet.net, packet.transport) else {
            return None;
        };
        Some(Glance {
            from: packet.link.source?,
            to: packet.link.destination?,
            source: ip.source,
            destination: ip.destination,
            source_port: tcp.source_port,
            destination_port: tcp.destination_port,
            flags: tcp.flags,
            ttl: ip.ttl,
        })
    }

    /// A frame that is plain, or would be but for a byte or two.
    fn nearly_plain() -> impl Strategy<Value = (Vec<u8>, u32)> {
        let sizes = (any::<bool>(), 0_u8..16, 0_usize..80, -2_isize..8, 0_u32..90);
        let bytes = proptest::collection::vec(any::<u8>(), 160);
        let slips = proptest::collection::vec((0_usize..60, any::<u8>()), 0..3);
        (sizes, bytes, slips).prop_map(|((six, offset, payload, more, cut), mut bytes, slips)| {
            let header = if six { 40 } else { 20 };
            let tcp = usize::from(offset) * 4;
            let length = if six {
                tcp + payload
            } else {
                20 + tcp + payload
            };
            let length = length.saturating_add_signed(more) as u16;
            bytes[12..14].copy_from_slice(if six { &[0x86, 0xdd] } else { &[8, 0] });
            bytes[14] = if six { 0x60 } else { 0x45 };
            let (at, protocol) = if six { (18, 20) } else { (16, 23) };
            bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
            bytes[protocol] = 6;
            if !six {
                bytes[20..22].copy_from_slice(&[0x40, 0]);
            }
            bytes[14 + header + 12] = offset << 4;
            for (at, byte) in slips {
                bytes[at] = byte;
            }
            bytes.truncate(14 + header + tcp + payload);
            let original = bytes.len() as u32;
            bytes.truncate(
                bytes
                    .len()
                    .saturating_sub(cut.saturating_sub(60) as usize * 4),
            );
            (bytes, original)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn it_says_what_taking_apart_says((data, original) in nearly_plain()) {
            prop_assert_eq!(glance(1, &data, original), through_plain(&data, original));
            prop_assert_eq!(glance(1, &data, 0), through_plain(&data, 0));
        }
    }

    #[test]
    fn no_frame_of_another_link_is_one() {
        let mut frame = vec![0; 60];
        (frame[12], frame[14], frame[17], frame[23], frame[46]) = (8, 0x45, 46, 6, 0x50);
        assert!(glance(1, &frame, 60).is_some());
        assert_eq!(glance(113, &frame, 60), None);
    }
}
