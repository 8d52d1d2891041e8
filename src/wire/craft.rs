//! Builds the packets that mxray sends and that tests read: IP packets with right checksums.
//!
//! A thin layer over etherparse's builders that speaks in this floor's words. It refuses to send,
//! to choose ports or sequence numbers, and to build anything that is wrong on purpose.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IpDscp, IpEcn, IpHeaders, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, PacketBuilder,
    PacketBuilderStep, TcpHeader,
};
use thiserror::Error;

use super::packet::TcpFlags;

/// Why a packet could not be built.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CraftError {
    /// One address is IPv4 and the other IPv6.
    #[error("source and destination are of different families")]
    Families,
    /// The IP packet would be longer than its length field can say.
    #[error("the packet would be too long for IP")]
    TooLong,
    /// TCP options of more than 40 bytes.
    #[error("TCP options take 40 bytes at the most")]
    Options,
}

/// The IP header of a packet to be built. DF is always set: what mxray sends must not be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 identification; unused in IPv6.
    pub id: u16,
    /// TOS or traffic class: DSCP and ECN.
    pub tos: u8,
    /// IPv6 flow label (20 bits, higher bits are dropped); unused in IPv4.
    pub flow_label: u32,
}

impl Header {
    /// A header with TTL 64.
    pub fn new(source: IpAddr, destination: IpAddr) -> Header {
        Header {
            source,
            destination,
            ttl: 64,
            id: 0,
            tos: 0,
            flow_label: 0,
        }
    }
}

/// The TCP header of a segment to be built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; written even when the ACK flag is not set.
    pub ack: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window.
    pub window: u16,
    /// Options as on the wire; padded with end-of-list to 4 bytes.
    pub options: &'a [u8],
}

/// An IP packet with a TCP segment.
pub fn tcp(header: Header, segment: &Segment<'_>, payload: &[u8]) -> Result<Vec<u8>, CraftError> {
    let mut tcp = TcpHeader::new(
        segment.source_port,
        segment.destination_port,
        segment.seq,
        segment.window,
    );
    let has = |bit: u8| segment.flags.0 & bit != 0;
    tcp.acknowledgment_number = segment.ack;
    tcp.fin = has(TcpFlags::FIN);
    tcp.syn = has(TcpFlags::SYN);
    tcp.rst = has(TcpFlags::RST);
    tcp.psh = has(TcpFlags::PSH);
    tcp.ack = has(TcpFlags::ACK);
    tcp.urg = has(TcpFlags::URG);
    tcp.ece = has(TcpFlags::ECE);
    tcp.cwr = has(TcpFlags::CWR);
    tcp.set_options_raw(segment.options)
        .map_err(|_| CraftError::Options)?;
    let builder = ip(header)?.tcp_header(tcp);
    let mut packet = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write_to_vec(&mut packet, payload)
        .map_err(|_| CraftError::TooLong)?;
    Ok(packet)
}

/// An IP packet with a UDP datagram. The ports come from the socket addresses, and so do the
/// addresses: those of `header` are not looked at.
pub fn udp(
    header: Header,
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
) -> Result<Vec<u8>, CraftError> {
    let header = Header {
        source: source.ip(),
        destination: destination.ip(),
        ..header
    };
    let builder = ip(header)?.udp(source.port(), destination.port());
    let mut packet = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write_to_vec(&mut packet, payload)
        .map_err(|_| CraftError::TooLong)?;
    Ok(packet)
}

/// An ICMP or ICMPv6 message (by the family of `header`): type, code, the 4 bytes after the
/// checksum (for errors: next-hop MTU or zero) and the body (for errors: the quoted packet).
pub fn icmp(
    header: Header,
    kind: u8,
    code: u8,
    word: u32,
    body: &[u8],
) -> Result<Vec<u8>, CraftError> {
    let word = word.to_be_bytes();
    let mut packet = Vec::with_capacity(body.len().saturating_add(48));
    let ip = ip(header)?;
    if header.source.is_ipv4() {
        ip.icmpv4_raw(kind, code, word)
            .write_to_vec(&mut packet, body)
    } else {
        ip.icmpv6_raw(kind, code, word)
            .write_to_vec(&mut packet, body)
    }
    .map_err(|_| CraftError::TooLong)?;
    Ok(packet)
}

/// An Ethernet frame around an IP packet, with VLAN tags (outermost first; 802.1ad when nested).
pub fn ethernet(source: [u8; 6], destination: [u8; 6], vlans: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(packet.len().saturating_add(22));
    frame.extend_from_slice(&destination);
    frame.extend_from_slice(&source);
    for (index, vlan) in vlans.iter().enumerate() {
        let last = index.saturating_add(1) == vlans.len();
        let tag: u16 = if last { 0x8100 } else { 0x88a8 };
        frame.extend_from_slice(&tag.to_be_bytes());
        frame.extend_from_slice(&(vlan & 0x0fff).to_be_bytes());
    }
    let v6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
    let kind: u16 = if v6 { 0x86dd } else { 0x0800 };
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.extend_from_slice(packet);
    frame
}

fn ip(header: Header) -> Result<PacketBuilderStep<IpHeaders>, CraftError> {
    let headers = match (header.source, header.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            // Length, protocol and checksum are filled in by the builder.
            let mut ip = Ipv4Header::new(
                0,
                header.ttl,
                IpNumber::TCP,
                source.octets(),
                destination.octets(),
            )
            .map_err(|_| CraftError::TooLong)?;
            ip.identification = header.id;
            ip.dscp = IpDscp::try_new(header.tos >> 2).unwrap_or_default();
            ip.ecn = IpEcn::try_new(header.tos & 3).unwrap_or_default();
            IpHeaders::Ipv4(ip, Default::default())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ip = Ipv6Header {
                flow_label: Ipv6FlowLabel::try_new(header.flow_label & 0x000f_ffff)
                    .unwrap_or_default(),
                hop_limit: header.ttl,
                traffic_class: header.tos,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(ip, Default::default())
        }
        _ => return Err(CraftError::Families),
    };
    Ok(PacketBuilder::ip(headers))
}
