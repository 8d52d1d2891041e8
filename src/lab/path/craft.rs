//! Packets that hops make themselves: errors, resets, answers.
//!
//! Headers are built with etherparse; the numbers that make a packet look like this device or that one
//! (TTL, identification, traffic class, flow label) are the caller's. Nothing here decides when.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, TcpHeader, UdpHeader};

use super::packet::{ICMP, ICMP6, Packet, Segment, TCP, UDP};

/// What a maker of packets writes into the IP header.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// TTL or hop limit at the start.
    pub ttl: u8,
    /// IPv4 identification.
    pub identification: u16,
    /// IPv4 DF.
    pub dont_fragment: bool,
    /// TOS byte or traffic class.
    pub traffic_class: u8,
    /// IPv6 flow label, 20 bits.
    pub flow_label: u32,
}

impl Habit {
    /// What Linux does for an answer without a socket: ID 0, DF.
    pub fn linux(ttl: u8) -> Habit {
        Habit {
            ttl,
            identification: 0,
            dont_fragment: true,
            traffic_class: 0,
            flow_label: 0,
        }
    }
}

fn ip(
    source: IpAddr,
    destination: IpAddr,
    transport: u8,
    habit: Habit,
    body: &[u8],
) -> Option<Packet> {
    let mut bytes = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = Ipv4Header::new(
                u16::try_from(body.len()).ok()?,
                habit.ttl,
                IpNumber(transport),
                source.octets(),
                destination.octets(),
            )
            .ok()?;
            header.identification = habit.identification;
            header.dont_fragment = habit.dont_fragment;
            let mut bytes = header.to_bytes().to_vec();
            *bytes.get_mut(1)? = habit.traffic_class;
            bytes
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6Header {
                traffic_class: habit.traffic_class,
                flow_label: Ipv6FlowLabel::try_new(habit.flow_label & 0xf_ffff).ok()?,
                payload_length: u16::try_from(body.len()).ok()?,
                next_header: IpNumber(transport),
                hop_limit: habit.ttl,
                source: source.octets(),
                destination: destination.octets(),
            };
            header.to_bytes().to_vec()
        }
        _ => return None,
    };
    bytes.extend_from_slice(body);
    let mut packet = Packet::new(bytes)?;
    packet.seal();
    Some(packet)
}

/// A TCP segment.
pub fn tcp(
    source: IpAddr,
    destination: IpAddr,
    habit: Habit,
    segment: Segment,
    options: &[u8],
    payload: &[u8],
) -> Option<Packet> {
    let mut header = TcpHeader::new(segment.from, segment.to, segment.seq, segment.window);
    header.acknowledgment_number = segment.ack;
    header.set_options_raw(options).ok()?;
    let mut bytes = header.to_bytes().to_vec();
    *bytes.get_mut(13)? = segment.flags;
    bytes.extend_from_slice(payload);
    ip(source, destination, TCP, habit, &bytes)
}

/// A UDP datagram.
pub fn udp(
    source: IpAddr,
    destination: IpAddr,
    habit: Habit,
    ports: (u16, u16),
    payload: &[u8],
) -> Option<Packet> {
    let header = UdpHeader {
        source_port: ports.0,
        destination_port: ports.1,
        length: u16::try_from(payload.len() + 8).ok()?,
        checksum: 0,
    };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend_from_slice(payload);
    ip(source, destination, UDP, habit, &bytes)
}

/// What an ICMP error says, in both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// ICMPv4 type and code.
    pub v4: (u8, u8),
    /// ICMPv6 type and code.
    pub v6: (u8, u8),
    /// The last 32 bits of the header: the MTU, where one is told.
    pub extra: u32,
}

impl Complaint {
    /// Time exceeded in transit.
    pub const TIME_EXCEEDED: Complaint = Complaint {
        v4: (11, 0),
        v6: (3, 0),
        extra: 0,
    };
    /// Host unreachable, address unreachable.
    pub const HOST_UNREACHABLE: Complaint = Complaint {
        v4: (3, 1),
        v6: (1, 3),
        extra: 0,
    };
    /// Port unreachable.
    pub const PORT_UNREACHABLE: Complaint = Complaint {
        v4: (3, 3),
        v6: (1, 4),
        extra: 0,
    };

    /// Fragmentation needed, packet too big.
    pub fn too_big(mtu: u32) -> Complaint {
        Complaint {
            v4: (3, 4),
            v6: (2, 0),
            extra: mtu,
        }
    }
}

/// How much of a packet an ICMP error quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quote {
    /// Up to 576 (RFC 1812, 4.3.2.3) or 1280 bytes (RFC 4443, 2.4) for the whole error, as Linux does.
    #[default]
    Usual,
    /// The IP header and eight bytes (RFC 792): ports and sequence number of TCP, no flags.
    Eight,
    /// All of it.
    Full,
}

impl Quote {
    /// Bytes of the packet that are quoted.
    fn room(self, packet: &Packet) -> usize {
        match (self, packet.version()) {
            (Quote::Usual, 4) => 576 - 20 - 8,
            (Quote::Usual, _) => 1280 - 40 - 8,
            (Quote::Eight, _) => packet.length() - packet.body().len() + 8,
            (Quote::Full, _) => packet.length(),
        }
    }
}

/// An ICMP error from `from` about `packet`; traffic class internetwork control, as Linux sends it.
/// `None` where none may be sent: about an ICMP error, or a fragment that is not the first.
pub fn complain(
    from: IpAddr,
    packet: &Packet,
    complaint: Complaint,
    quote: Quote,
    ttl: u8,
    identification: u16,
) -> Option<Packet> {
    let v4 = packet.version() == 4;
    let kind = packet.body().first().copied().unwrap_or(0);
    let about_error = match packet.transport() {
        ICMP if v4 => !matches!(kind, 0 | 8 | 13 | 14),
        ICMP6 if !v4 => kind < 128,
        _ => false,
    };
    let later_fragment = v4
        && packet
            .bytes()
            .get(6..8)
            .is_some_and(|b| u16::from_be_bytes([b[0], b[1]]) & 0x1fff != 0);
    if about_error || later_fragment {
        return None;
    }
    let (kind, code) = if v4 { complaint.v4 } else { complaint.v6 };
    let room = quote.room(packet);
    let mut body = vec![kind, code, 0, 0];
    body.extend_from_slice(&complaint.extra.to_be_bytes());
    body.extend_from_slice(packet.bytes().get(..room).unwrap_or(packet.bytes()));
    let traffic_class = if v4 {
        (packet.traffic_class() & 0x1e) | 0xc0
    } else {
        0
    };
    let habit = Habit {
        ttl,
        identification,
        dont_fragment: false,
        traffic_class,
        flow_label: 0,
    };
    ip(
        from,
        packet.source(),
        if v4 { ICMP } else { ICMP6 },
        habit,
        &body,
    )
}

/// The answer of a router to a packet for itself: echo reply, port unreachable, or a reset.
pub fn answer_for_router(packet: &Packet, ttl: u8, identification: u16) -> Option<Packet> {
    let own = packet.destination();
    match packet.transport() {
        ICMP | ICMP6 => {
            let v4 = packet.version() == 4;
            let (request, reply) = if v4 { (8, 0) } else { (128, 129) };
            let mut body = packet.body().to_vec();
            if *body.first()? != request {
                return None;
            }
            *body.first_mut()? = reply;
            let habit = Habit {
                identification,
                dont_fragment: false,
                traffic_class: packet.traffic_class(),
                ..Habit::linux(ttl)
            };
            ip(own, packet.source(), packet.transport(), habit, &body)
        }
        UDP => complain(
            own,
            packet,
            Complaint::PORT_UNREACHABLE,
            Quote::Usual,
            ttl,
            identification,
        ),
        TCP => reset_for(
            packet,
            Habit {
                traffic_class: packet.traffic_class() & 0xfc,
                ..Habit::linux(ttl)
            },
            0,
        ),
        _ => None,
    }
}

/// The reset that a host without such a connection answers a segment with (RFC 9293, 3.10.7.1).
pub fn reset_for(packet: &Packet, habit: Habit, window: u16) -> Option<Packet> {
    use super::packet::flag::{ACK, FIN, RST, SYN};
    let segment = packet.segment()?;
    if segment.flags & RST != 0 {
        return None;
    }
    let length = packet.payload().len() as u32
        + u32::from(segment.flags & SYN != 0)
        + u32::from(segment.flags & FIN != 0);
    let (seq, ack, flags) = if segment.flags & ACK != 0 {
        (segment.ack, 0, RST)
    } else {
        (0, segment.seq.wrapping_add(length), RST | ACK)
    };
    let reply = Segment {
        from: segment.to,
        to: segment.from,
        seq,
        ack,
        flags,
        window,
    };
    tcp(
        packet.destination(),
        packet.source(),
        habit,
        reply,
        &[],
        &[],
    )
}

/// A reset that goes on in the direction of `packet`, as if its sender had sent it in its place.
pub fn reset_onward(packet: &Packet, habit: Habit, window: u16) -> Option<Packet> {
    use super::packet::flag::{ACK, RST};
    let segment = packet.segment()?;
    let flags = RST | (segment.flags & ACK);
    let onward = Segment {
        flags,
        window,
        ..segment
    };
    tcp(
        packet.source(),
        packet.destination(),
        habit,
        onward,
        &[],
        &[],
    )
}
