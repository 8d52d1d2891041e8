//! What nearly every frame is, in one go: Ethernet, IP without anything in between, and a whole TCP header.
//!
//! It gives what the loop from layer to layer gives, for a fraction of its instructions, and refuses everything else: tags,
//! tunnels, options of IPv4, extension headers, fragments, offload, headers that were cut, lengths that do not fit.

use arrayvec::ArrayVec;

use super::ip::{ipv4_header, ipv6_header};
use super::packet::{Link, Net, Packet, Transport};
use super::rest::Rest;
use super::tcp::whole_segment;

/// Protocol number of TCP.
const TCP: u8 = 6;

/// Reads a frame of Ethernet, if it is a plain one.
#[inline]
pub(super) fn plain(data: &[u8], original_len: u32) -> Option<Packet<'_>> {
    let (ethernet, network) = data.split_first_chunk::<14>()?;
    let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = ethernet;
    let rest = Rest::frame(data, original_len).skip(ethernet.len());
    let (ip, header_len) = match (u16::from_be_bytes([t0, t1]), network.first()?) {
        (0x0800, 0x45) => (ipv4_header(network.first_chunk()?), 20),
        (0x86dd, 0x60..=0x6f) => (ipv6_header(rest)?, 40),
        _ => return None,
    };
    let total = usize::try_from(ip.total_len).ok()?;
    if ip.protocol != TCP || ip.fragment.is_some() || total <= header_len || total > rest.wire {
        return None;
    }
    let segment = whole_segment(rest.limit(total).skip(header_len))?;
    Some(Packet {
        link: Link {
            source: Some([s0, s1, s2, s3, s4, s5]),
            destination: Some([d0, d1, d2, d3, d4, d5]),
            ..Link::default()
        },
        net: Net::Ip(ip),
        transport: Transport::Tcp(segment),
        tunnels: ArrayVec::new_const(),
        stop: None,
    })
}
