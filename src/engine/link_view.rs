//! What a capture shows of its link layer: whether the answer to a neighbour's question would be seen here, and which machines mail is
//! about.
//!
//! A port of a switch shows what the machine on it sends and gets, and what goes to all; the answers that others get pass it by (IEEE 802.1Q
//! 8.8). It keeps addresses and judges nothing.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use crate::flow::Ports;
use crate::wire::{Glance, Net, Packet, TcpFlags, Transport};

type Mac = [u8; 6];

/// Stations, askers, and points of capture that are kept; what is beyond says nothing.
const STATIONS: usize = 64;
const ASKERS: usize = 32;
const POINTS: usize = 16;
/// Pairs of stations of which nothing new is to be learned: a conversation has two, and few run at once.
const RECENT: usize = 4;

/// What a frame carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    /// IPv4.
    V4,
    /// IPv6, neighbour discovery not counted.
    V6,
    /// Something else.
    Other,
}

impl Carries {
    fn of(ip: IpAddr) -> Carries {
        if ip.is_ipv4() {
            Carries::V4
        } else {
            Carries::V6
        }
    }
}

/// What came to one station at one point.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    point: u32,
    to: Mac,
    v4: bool,
    v6: bool,
}

/// A point of capture: an interface of a source.
#[derive(Clone, Copy, Debug)]
struct Point {
    number: u32,
    /// The stations that all frames to single stations went to or came from. On a port of a switch the capturing host is one of them; where
    /// there is none, frames between others are seen.
    ends: [Option<Mac>; 2],
}

/// The link layer of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkView {
    /// Machines that asked for a neighbour, and under which address.
    askers: ArrayVec<(Mac, IpAddr), ASKERS>,
    /// Machines that opened mail connections of their own, as no hop behind them shows.
    mailers: ArrayVec<Mac, ASKERS>,
    /// To whom the frames went that opened mail connections.
    peers: ArrayVec<Mac, ASKERS>,
    /// Whom a single station was asked for: it had been known before.
    known_at: ArrayVec<(IpAddr, Mac), ASKERS>,
    arrived: ArrayVec<Arrived, STATIONS>,
    points: ArrayVec<Point, POINTS>,
    /// There were more stations than are kept.
    full: bool,
    recent: [u128; RECENT],
    next: usize,
    /// Under which addresses the capturing host itself asked, where the link type says so: what comes to it is seen.
    own: ArrayVec<IpAddr, ASKERS>,
    /// What came to the capturing host, where the link type says no more.
    own_v4: bool,
    own_v6: bool,
}

impl LinkView {
    /// A frame that was taken apart, at that point of the world.
    pub(super) fn see(&mut self, packet: &Packet<'_>, point: u32, ports: &Ports) {
        let Some(from) = packet.link.source else {
            return;
        };
        let to = packet.link.destination;
        let mut carries = match &packet.net {
            Net::Ip(ip) => Carries::of(ip.source),
            Net::Arp(_) | Net::None => Carries::Other,
        };
        match (&packet.net, &packet.transport) {
            (Net::Arp(arp), _) if !arp.reply => {
                let asked = (arp.sender_ip, arp.target_ip);
                self.asks(from, to, asked, packet.link.outgoing);
            }
            (Net::Ip(ip), Transport::Icmp(icmp)) => {
                if let Some(neighbor) = icmp.neighbor {
                    carries = Carries::Other;
                    if !neighbor.advertisement {
                        let asked = (ip.source, neighbor.target);
                        self.asks(from, to, asked, packet.link.outgoing);
                    }
                }
            }
            (Net::Ip(ip), Transport::Tcp(tcp)) => {
                self.mails_to(from, to, ip.ttl, (tcp.flags, tcp.destination_port), ports);
            }
            _ => {}
        }
        match (to, &packet.net) {
            (Some(to), _) => self.passes(from, to, carries, point),
            (None, Net::Ip(ip)) if packet.link.outgoing == Some(false) => {
                let single = !ip.destination.is_multicast() && !ip.destination.is_loopback();
                self.own_v4 |= single && carries == Carries::V4;
                self.own_v6 |= single && carries == Carries::V6;
            }
            _ => {}
        }
    }

    /// The same for a segment.
    #[inline]
    pub(super) fn glance(&mut self, glance: &Glance, point: u32, ports: &Ports) {
        let asks = (glance.flags, glance.destination_port);
        self.mails_to(glance.from, Some(glance.to), glance.ttl, asks, ports);
        self.passes(glance.from, glance.to, Carries::of(glance.source), point);
    }

    #[inline]
    fn mails_to(
        &mut self,
        from: Mac,
        to: Option<Mac>,
        ttl: u8,
        (flags, port): (TcpFlags, u16),
        ports: &Ports,
    ) {
        if !flags.opens() || ports.service(port).is_none() {
            return;
        }
        // A router hands on what others open, with a hop less (RFC 791 3.1, RFC 8200 3).
        let of_its_own = matches!(ttl, 32 | 64 | 128 | 255);
        if of_its_own && !self.mailers.contains(&from) {
            let _ = self.mailers.try_push(from);
        }
        if let Some(to) = to.filter(|to| !self.peers.contains(to)) {
            let _ = self.peers.try_push(to);
        }
    }

    /// A frame went from one station to another.
    #[inline]
    fn passes(&mut self, from: Mac, to: Mac, carries: Carries, point: u32) {
        // To all, or to many (IEEE 802 8.2).
        if to[0] & 1 != 0 {
            return;
        }
        let number = |mac: Mac| {
            let [a, b, c, d, e, f] = mac;
            u128::from(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
        };
        let what = u128::from(carries as u8) + 1;
        let key = number(from) << 80 | number(to) << 32 | u128::from(point) << 2 | what;
        if !self.recent.contains(&key) {
            if let Some(place) = self.recent.get_mut(self.next) {
                *place = key;
            }
            self.next = (self.next + 1) % RECENT;
            self.learns(from, to, carries, point);
        }
    }

    #[cold]
    fn learns(&mut self, from: Mac, to: Mac, carries: Carries, number: u32) {
        match self.points.iter_mut().find(|point| point.number == number) {
            Some(point) => {
                for end in &mut point.ends {
                    *end = end.filter(|end| *end == from || *end == to);
                }
            }
            None => {
                let ends = [Some(from), Some(to)];
                let _ = self.points.try_push(Point { number, ends });
            }
        }
        let known = self
            .arrived
            .iter_mut()
            .find(|known| known.point == number && known.to == to);
        let (v4, v6) = (carries == Carries::V4, carries == Carries::V6);
        if let Some(known) = known {
            known.v4 |= v4;
            known.v6 |= v6;
            return;
        }
        let arrived = Arrived {
            point: number,
            to,
            v4,
            v6,
        };
        self.full |= self.arrived.try_push(arrived).is_err();
    }

    fn asks(
        &mut self,
        mac: Mac,
        to: Option<Mac>,
        (ip, target): (IpAddr, IpAddr),
        outgoing: Option<bool>,
    ) {
        if outgoing == Some(true) && !self.own.contains(&ip) {
            let _ = self.own.try_push(ip);
        }
        if !self.askers.contains(&(mac, ip)) {
            let _ = self.askers.try_push((mac, ip));
        }
        let single = to.filter(|to| to[0] & 1 == 0);
        if let Some(to) = single.filter(|to| !self.known_at.contains(&(target, *to))) {
            let _ = self.known_at.try_push((target, to));
        }
    }

    fn macs(&self, asker: IpAddr) -> impl Iterator<Item = Mac> + '_ {
        let askers = self.askers.iter();
        askers
            .filter(move |(_, ip)| *ip == asker)
            .map(|(mac, _)| *mac)
    }

    /// Whether an answer to who asked under that address would be seen: the capturing host asked, or frames of others to who asked are seen.
    pub(super) fn sees_answers_to(&self, asker: IpAddr) -> bool {
        let seen = |mac: Mac| {
            self.arrived.iter().any(|arrived| {
                let mut points = self.points.iter();
                let point = points.find(|point| point.number == arrived.point);
                arrived.to == mac
                    && point.is_some_and(|point| match point.ends {
                        // No station has a part in all that is seen: it is no port of one.
                        [None, None] => true,
                        ends => ends.contains(&Some(mac)),
                    })
            })
        };
        self.own.contains(&asker) || self.macs(asker).any(seen)
    }

    /// Whether the machine with that address opened mail connections of its own here, under whatever address.
    pub(super) fn mails(&self, asker: IpAddr) -> bool {
        self.macs(asker).any(|mac| self.mailers.contains(&mac))
    }

    /// Whether nothing of the family of that address ever came to the machine that asked under it: it has no way out, and asks for one.
    pub(super) fn is_cut_off(&self, asker: IpAddr) -> bool {
        let v4 = asker.is_ipv4();
        let came = |mac: Mac| {
            let mut all = self.arrived.iter();
            all.any(|arrived| arrived.to == mac && if v4 { arrived.v4 } else { arrived.v6 })
        };
        let own = if v4 { self.own_v4 } else { self.own_v6 };
        let is_own = own && self.own.contains(&asker);
        !self.full && !is_own && self.macs(asker).next().is_some() && !self.macs(asker).any(came)
    }

    /// Whether frames that opened mail connections went to the machine with that address, as it was known by one of these or by who asked
    /// it alone.
    pub(super) fn passed_mail(&self, target: IpAddr, owners: impl Iterator<Item = Mac>) -> bool {
        let asked = self.known_at.iter();
        let asked = asked.filter(|(ip, _)| *ip == target).map(|(_, mac)| *mac);
        owners.chain(asked).any(|mac| self.peers.contains(&mac))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Carries, LinkView};

    const HOST: [u8; 6] = [2; 6];
    const GATEWAY: [u8; 6] = [4; 6];
    const RESOLVER: [u8; 6] = [6; 6];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn asks(link: &mut LinkView, mac: [u8; 6], asker: &str, outgoing: Option<bool>) {
        let asked = (ip(asker), ip("10.0.0.99"));
        link.asks(mac, Some([0xff; 6]), asked, outgoing);
    }

    #[test]
    fn what_comes_to_the_capturing_host_is_seen() {
        let mut link = LinkView::default();
        let [own, other] = ["10.0.0.5", "10.0.0.6"].map(ip);
        asks(&mut link, HOST, "10.0.0.5", Some(true));
        asks(&mut link, GATEWAY, "10.0.0.6", Some(false));
        assert!(link.sees_answers_to(own) && !link.sees_answers_to(other));
        // A frame to one that asked: those to others are seen as well.
        link.passes(RESOLVER, GATEWAY, Carries::V4, 0);
        assert!(link.sees_answers_to(other));
    }

    #[test]
    fn a_port_of_a_switch_shows_what_its_machine_gets_and_not_what_others_get() {
        let mut link = LinkView::default();
        asks(&mut link, GATEWAY, "10.0.0.1", None);
        asks(&mut link, HOST, "10.0.0.5", None);
        for other in [GATEWAY, RESOLVER] {
            link.passes(HOST, other, Carries::V4, 0);
            link.passes(other, HOST, Carries::V4, 0);
        }
        assert!(!link.sees_answers_to(ip("10.0.0.1")));
        assert!(link.sees_answers_to(ip("10.0.0.5")));
        // What is seen at another point says nothing of this one.
        link.passes([8; 6], RESOLVER, Carries::V4, 1);
        assert!(!link.sees_answers_to(ip("10.0.0.1")));
        // A mirror port shows frames in which its machine has no part.
        link.passes([8; 6], RESOLVER, Carries::V4, 0);
        assert!(link.sees_answers_to(ip("10.0.0.1")));
    }

    #[test]
    fn who_got_nothing_of_a_family_is_cut_off_from_it() {
        let mut link = LinkView::default();
        asks(&mut link, HOST, "10.0.0.5", None);
        asks(&mut link, HOST, "2001:db8::5", None);
        link.passes(GATEWAY, HOST, Carries::V6, 0);
        // An answer to a neighbour's question is no way out.
        link.passes(GATEWAY, HOST, Carries::Other, 0);
        assert!(link.is_cut_off(ip("10.0.0.5")));
        assert!(!link.is_cut_off(ip("2001:db8::5")));
        assert!(!link.is_cut_off(ip("10.0.0.77")));
        link.passes(GATEWAY, HOST, Carries::V4, 0);
        assert!(!link.is_cut_off(ip("10.0.0.5")));
    }
}
