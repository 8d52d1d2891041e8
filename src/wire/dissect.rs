//! From a frame to a [`Packet`]: the loop that goes from layer to layer.
//!
//! Layers say what comes next instead of calling it, so nesting costs no stack and is bounded in
//! one place. It refuses to fail, to allocate and to remember anything between frames.

use arrayvec::ArrayVec;

use super::packet::{Ip, Link, Net, Packet, Stop, StopReason, Transport, Tunnel};
use super::plain::plain;
use super::rest::Rest;

/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;
/// Nested IP headers that are followed; the next one is [`StopReason::TooDeep`].
const IP_DEPTH: u8 = 6;
/// Layers of any kind that are followed: 6 tunnels with link layer, tags and IP each.
const LAYERS: usize = 40;

/// Reads a frame of a pcap link type (`LINKTYPE_…` number).
///
/// `data` is what was captured, `original_len` what the capture says was on the wire. Never fails
/// and never panics: what could be read is there, and `stop` says why there is not more.
pub fn dissect(link_type: u16, data: &[u8], original_len: u32) -> Packet<'_> {
    if link_type == ETHERNET
        && let Some(packet) = plain(data, original_len)
    {
        return packet;
    }
    layer_by_layer(link_type, data, original_len)
}

/// The same for any frame.
pub(super) fn layer_by_layer(link_type: u16, data: &[u8], original_len: u32) -> Packet<'_> {
    let mut dissector = Dissector::new(Link::default(), ArrayVec::new());
    let frame = Rest::frame(data, original_len);
    let first = dissector.link_layer(link_type, frame);
    dissector.run(first);
    dissector.packet
}

/// The layer to be read next.
pub(super) enum Next<'a> {
    /// Ethernet II or 802.3.
    Ethernet(Rest<'a>),
    /// What an ethertype (or a value with its numbers) announces.
    Ethertype(u16, Rest<'a>),
    /// 802.2 LLC.
    Llc(Rest<'a>),
    /// PPP, beginning with its protocol field.
    Ppp(Rest<'a>),
    /// IPv4 or IPv6, by the version nibble.
    Ip(Rest<'a>),
    /// What an IP protocol number announces.
    Upper(u8, Rest<'a>),
    /// Nothing more, or a stop was noted.
    Done,
}

/// A packet in the making.
pub(super) struct Dissector<'a> {
    /// What is known so far.
    pub packet: Packet<'a>,
    ip_depth: u8,
}

impl<'a> Dissector<'a> {
    /// An empty packet.
    pub fn new(link: Link, tunnels: ArrayVec<Tunnel, 6>) -> Dissector<'a> {
        Dissector {
            packet: Packet {
                link,
                net: Net::None,
                transport: Transport::None,
                tunnels,
                stop: None,
            },
            ip_depth: 0,
        }
    }

    /// Reads layer after layer until nothing follows.
    pub fn run(&mut self, first: Next<'a>) {
        let mut next = first;
        for _ in 0..LAYERS {
            next = match next {
                Next::Ethernet(rest) => self.ethernet(rest),
                Next::Ethertype(kind, rest) => self.ethertype(kind, rest),
                Next::Llc(rest) => self.llc(rest),
                Next::Ppp(rest) => self.ppp(rest),
                Next::Ip(rest) => self.ip(rest),
                Next::Upper(protocol, rest) => self.upper(protocol, rest),
                Next::Done => return,
            };
        }
        if let Next::Ethernet(rest)
        | Next::Ethertype(_, rest)
        | Next::Llc(rest)
        | Next::Ppp(rest)
        | Next::Ip(rest)
        | Next::Upper(_, rest) = next
        {
            self.stop("frame", rest, 0, StopReason::TooDeep);
        }
    }

    /// What an IP protocol number announces.
    fn upper(&mut self, protocol: u8, rest: Rest<'a>) -> Next<'a> {
        match protocol {
            6 => self.tcp(rest),
            17 => self.udp(rest),
            1 => self.icmp(false, rest),
            58 => self.icmp(true, rest),
            4 | 41 => self.enter(Tunnel::IpIp, Next::Ip(rest), rest),
            47 => self.gre(rest),
            51 => self.authentication(rest),
            97 => self.enter(Tunnel::Other, Next::Ethernet(rest.skip(2)), rest),
            137 => self.mpls(rest),
            // No next header (RFC 8200 4.7).
            59 => Next::Done,
            50 => self.unsupported("esp", rest, 50),
            other => self.unsupported("ip.proto", rest, u32::from(other)),
        }
    }

    /// Notes a tunnel and goes on inside, unless there are too many.
    pub fn enter(&mut self, tunnel: Tunnel, inside: Next<'a>, rest: Rest<'a>) -> Next<'a> {
        if self.packet.tunnels.try_push(tunnel).is_err() {
            return self.stop("tunnel", rest, 0, StopReason::TooDeep);
        }
        inside
    }

    /// Counts a nested IP header; false when it is one too many, and a stop was noted.
    pub fn descend(&mut self, rest: Rest<'a>) -> bool {
        if self.ip_depth >= IP_DEPTH {
            self.stop("ip", rest, 0, StopReason::TooDeep);
            return false;
        }
        self.ip_depth = self.ip_depth.saturating_add(1);
        true
    }

    /// An IP header was read: it is the innermost one until another is.
    pub fn innermost(&mut self, ip: Ip) {
        self.packet.net = Net::Ip(ip);
        self.packet.transport = Transport::None;
    }

    /// Notes why reading ended. The first reason stays: later ones follow from it.
    #[cold]
    pub fn stop(
        &mut self,
        layer: &'static str,
        rest: Rest<'a>,
        needed: usize,
        reason: StopReason,
    ) -> Next<'a> {
        if self.packet.stop.is_none() {
            self.packet.stop = Some(Stop {
                layer,
                offset: rest.offset,
                needed,
                available: rest.bytes.len(),
                reason,
            });
        }
        Next::Done
    }

    /// `needed` bytes are not there: cut if they were on the wire, else somebody's length lies.
    #[cold]
    pub fn short(&mut self, layer: &'static str, rest: Rest<'a>, needed: usize) -> Next<'a> {
        let reason = if rest.wire >= needed {
            StopReason::Snaplen
        } else {
            StopReason::Malformed
        };
        self.stop(layer, rest, needed, reason)
    }

    /// A field of `rest` contradicts itself or the others.
    #[cold]
    pub fn malformed(&mut self, layer: &'static str, rest: Rest<'a>, needed: usize) -> Next<'a> {
        self.stop(layer, rest, needed, StopReason::Malformed)
    }

    /// A number that mxray does not read.
    #[cold]
    pub fn unsupported(&mut self, layer: &'static str, rest: Rest<'a>, number: u32) -> Next<'a> {
        self.stop(layer, rest, 0, StopReason::Unsupported(number))
    }
}
