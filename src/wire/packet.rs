//! What a frame says, layer by layer, borrowed from its bytes.
//!
//! These are the words in which floor 2 speaks of packets. Nothing here parses; `dissect` does.
//! Lengths come in two kinds and are never mixed: what was *captured* (slices) and what was *on the
//! wire* (`…_len`, from the IP header), because snap length cuts are the normal case on a firewall.

use std::net::IpAddr;

use arrayvec::ArrayVec;

/// Everything that could be read of one frame. Dissection cannot fail: what did not decode is `stop`.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet<'a> {
    /// Link layer, outermost.
    pub link: Link,
    /// The innermost network layer, or ARP.
    pub net: Net,
    /// What the innermost network layer carries.
    pub transport: Transport<'a>,
    /// Encapsulations between link and innermost network layer, outermost first.
    pub tunnels: ArrayVec<Tunnel, 6>,
    /// Why dissection ended before it wanted to; `None` when everything decoded.
    pub stop: Option<Stop>,
}

/// Link layer facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Source address, if the link type has one.
    pub source: Option<[u8; 6]>,
    /// Destination address, if the link type has one.
    pub destination: Option<[u8; 6]>,
    /// VLAN identifiers (0–4095), outermost first.
    pub vlans: ArrayVec<u16, 4>,
    /// Index of the capturing host's interface, where the link type says so (SLL2).
    pub interface: Option<u32>,
    /// Whether the capturing host sent it, where the link type says so (SLL packet type 4).
    pub outgoing: Option<bool>,
}

/// An encapsulation that was passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// MPLS label stack (RFC 3032).
    Mpls,
    /// PPPoE session (RFC 2516).
    Pppoe,
    /// IP in IP (RFC 2003), 6in4 (RFC 4213), any IP directly in IP.
    IpIp,
    /// GRE (RFC 2784), NVGRE and EoIP-like bridging included.
    Gre,
    /// ERSPAN type I, II or III.
    Erspan,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GTP-U.
    Gtp,
    /// L2TP, Teredo, AH and what else was passed through.
    Other,
}

/// The network layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Net {
    /// No network layer that mxray reads.
    None,
    /// IPv4 or IPv6.
    Ip(Ip),
    /// ARP for IPv4 over Ethernet (RFC 826).
    Arp(Arp),
}

/// An IPv4 or IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit as captured.
    pub ttl: u8,
    /// IPv4 identification; `None` in IPv6.
    pub id: Option<u16>,
    /// IPv4 DF bit; always true in IPv6.
    pub dont_fragment: bool,
    /// TOS or traffic class (DSCP and ECN).
    pub tos: u8,
    /// IPv6 flow label; `None` in IPv4.
    pub flow_label: Option<u32>,
    /// Length of the whole IP packet on the wire, header included. With TSO (total length 0) the frame's.
    pub total_len: u32,
    /// Upper protocol number after all extension headers.
    pub protocol: u8,
    /// Set when this is a fragment (RFC 791; RFC 8200 4.5).
    pub fragment: Option<Fragment>,
}

/// Which piece of a datagram this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification (16 bits in IPv4, 32 in IPv6).
    pub id: u32,
    /// Offset of the piece in bytes.
    pub offset: u32,
    /// Whether more pieces follow.
    pub more: bool,
}

/// An ARP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// True for a reply (operation 2), false for a request (operation 1).
    pub reply: bool,
    /// Hardware address of the sender.
    pub sender_mac: [u8; 6],
    /// Protocol address of the sender.
    pub sender_ip: IpAddr,
    /// Protocol address that is asked for or answered to.
    pub target_ip: IpAddr,
}

/// What the network layer carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport<'a> {
    /// Nothing, or a protocol that mxray does not read.
    None,
    /// TCP (RFC 9293).
    Tcp(Tcp<'a>),
    /// UDP (RFC 768).
    Udp(Udp<'a>),
    /// ICMP (RFC 792) or ICMPv6 (RFC 4443, RFC 4861).
    Icmp(Icmp<'a>),
    /// A fragment that has no readable transport header: its bytes, for reassembly.
    Fragment(&'a [u8]),
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tcp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number as on the wire.
    pub seq: u32,
    /// Acknowledgement number as on the wire (meaningless without the ACK flag).
    pub ack: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window, unscaled; `None` when the snap length cut it off.
    pub window: Option<u16>,
    /// The options that were captured.
    pub options: TcpOptions,
    /// Captured payload; may be shorter than `payload_len`.
    pub payload: &'a [u8],
    /// Payload bytes on the wire.
    pub payload_len: u32,
    /// Checksum field.
    pub checksum: u16,
}

/// TCP control bits (RFC 9293 3.1; CWR and ECE RFC 3168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// PSH.
    pub const PSH: u8 = 0x08;
    /// ACK.
    pub const ACK: u8 = 0x10;
    /// URG.
    pub const URG: u8 = 0x20;
    /// ECE.
    pub const ECE: u8 = 0x40;
    /// CWR.
    pub const CWR: u8 = 0x80;

    /// Whether FIN is set.
    #[inline]
    pub fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }
    /// Whether SYN is set.
    #[inline]
    pub fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }
    /// Whether RST is set.
    #[inline]
    pub fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }
    /// Whether ACK is set.
    #[inline]
    pub fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
    /// Whether this is the first segment of a handshake: SYN without ACK.
    #[inline]
    pub fn opens(self) -> bool {
        self.0 & (Self::SYN | Self::ACK | Self::RST | Self::FIN) == Self::SYN
    }
}

/// TCP options of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size (RFC 9293 3.7.1).
    pub mss: Option<u16>,
    /// Window scale shift (RFC 7323 2), as sent (may exceed 14).
    pub window_scale: Option<u8>,
    /// SACK permitted (RFC 2018 2).
    pub sack_permitted: bool,
    /// SACK blocks (RFC 2018 3), left and right edge.
    pub sack: [(u32, u32); 4],
    /// How many of `sack` are set.
    pub sack_count: u8,
    /// Timestamps TSval and TSecr (RFC 7323 3).
    pub timestamps: Option<(u32, u32)>,
    /// Fast open cookie or request (RFC 7413).
    pub fast_open: bool,
    /// Multipath TCP (RFC 8684).
    pub multipath: bool,
    /// MP_JOIN (RFC 8684 3.2): the connection is a further path of one that began elsewhere.
    pub joins: bool,
    /// The options could not all be read (malformed or cut).
    pub incomplete: bool,
}

impl TcpOptions {
    /// The SACK blocks that are set.
    pub fn sack_blocks(&self) -> &[(u32, u32)] {
        self.sack.get(..usize::from(self.sack_count)).unwrap_or(&[])
    }
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Udp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Captured payload.
    pub payload: &'a [u8],
    /// Payload bytes on the wire.
    pub payload_len: u32,
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Icmp<'a> {
    /// True for ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Next-hop MTU of 3/4 (RFC 1191 4) and of ICMPv6 2/0.
    pub mtu: Option<u32>,
    /// The four bytes after the checksum: of echo messages identifier and sequence number.
    pub word: u32,
    /// The packet that an error quotes.
    pub quote: Option<Quote>,
    /// Neighbour solicitation or advertisement (RFC 4861 4.3, 4.4): target and link-layer option.
    pub neighbor: Option<Neighbor>,
    /// Bytes after the 8-byte header.
    pub body: &'a [u8],
}

/// What an ICMP error that is cut before its quoted packet's ports still says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutQuote {
    v6: bool,
    /// Its protocol, where that can be read.
    protocol: Option<u8>,
    /// What there is of the address that could not be reached, as its octets' upper bits.
    prefix: u128,
    /// How many octets of it there are.
    octets: u32,
}

impl CutQuote {
    /// With the protocol, and the octets that were captured of the quoted packet's destination.
    pub(super) fn new(v6: bool, protocol: Option<u8>, destination: &[u8]) -> CutQuote {
        let mut all = [0; 16];
        let mut octets = 0;
        for (place, octet) in all.iter_mut().zip(destination) {
            *place = *octet;
            octets += 1;
        }
        CutQuote {
            v6,
            protocol,
            prefix: u128::from_be_bytes(all),
            octets,
        }
    }

    /// Whether the quoted packet is a datagram of UDP.
    pub fn is_udp(&self) -> bool {
        self.protocol == Some(17)
    }

    /// Whether the quoted packet may have been of that protocol and for that address.
    pub fn may_be_to(&self, protocol: u8, address: IpAddr) -> bool {
        let whole = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        let beyond = u128::MAX.checked_shr(self.octets.saturating_mul(8));
        let fits = address.is_ipv6() == self.v6 && self.protocol.is_none_or(|own| own == protocol);
        fits && (whole ^ self.prefix) & !beyond.unwrap_or(0) == 0
    }
}

/// The packet quoted by an ICMP error, as far as the quote goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its IP header.
    pub ip: Ip,
    /// Source port, for TCP and UDP.
    pub source_port: Option<u16>,
    /// Destination port, for TCP and UDP.
    pub destination_port: Option<u16>,
    /// TCP sequence number.
    pub seq: Option<u32>,
    /// TCP flags, when the quote is long enough.
    pub flags: Option<TcpFlags>,
    /// TCP window, when the quote is long enough.
    pub window: Option<u16>,
}

/// A neighbour solicitation or advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// True for an advertisement (type 136), false for a solicitation (type 135).
    pub advertisement: bool,
    /// The address that is asked for or answered for.
    pub target: IpAddr,
    /// Source or target link-layer address option.
    pub mac: Option<[u8; 6]>,
}

/// Why dissection stopped: law 2 of the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The layer that could not be read, in tshark's short name (`"ip"`, `"tcp"`, …).
    pub layer: &'static str,
    /// Byte offset in the frame at which that layer begins.
    pub offset: usize,
    /// Bytes it needed.
    pub needed: usize,
    /// Bytes there were.
    pub available: usize,
    /// Why.
    pub reason: StopReason,
}

/// What kind of stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The capture's snap length cut the frame here.
    Snaplen,
    /// A length field in the packet claims more than the packet has.
    Malformed,
    /// mxray does not read this link type, ethertype or protocol.
    Unsupported(u32),
    /// More nested layers than mxray follows.
    TooDeep,
}
