//! Inputs as the engine knows them: their worlds, their counts, what is visible of their link.
//!
//! A source counts its frames. Parts of one recording and merged inputs are sources of one world; with the last of a world
//! everything in it is judged. It reads nothing.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::clock::WorldClock;
use super::intake::Intake;
use super::onward::{Onward, Told};
use super::sighting::{Closed, Sighting};
use crate::base::{Foreign, Mark, SourceId, Timestamp};
use crate::flow::Ports;
use crate::wire::{Glance, Net, Packet, Stop, StopReason, TcpFlags, Transport};

/// What a source says at its end.
#[derive(Clone, Debug, Default)]
pub struct SourceEnd {
    /// Frames that the capturing machine says it lost.
    pub dropped: u64,
    /// What could not be read.
    pub damage: Option<String>,
    /// What the reader has to know of how it came to be: what was not permitted, whose way was measured.
    pub notes: Vec<String>,
}

/// What is counted of a source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl Counts {
    pub(super) fn see(&mut self, time: Timestamp, len: u32) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(len));
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

/// An input on the side of the intake.
pub(super) struct Seen {
    pub(super) counts: Counts,
    pub(super) link: LinkView,
    closed: bool,
    /// The source that opened its world; itself unless it is a further part.
    pub(super) world: SourceId,
    /// Of the one that opened a world: its sources that are open, and how far it was watched.
    parts_open: usize,
    pub(super) clock: WorldClock,
    /// That time is news to the judging half.
    pub(super) moved: bool,
    /// Of the one that opened a world: segments of it that may be of mail are cut before their flags.
    pub(super) cut_segments: bool,
    /// Frames of it that were lost, as far as it was told when.
    lost: u64,
    /// Frames of it of which not even the network layer could be read, and why the first of them could not.
    unread: (u64, Option<Stop>),
}

impl Seen {
    /// A frame of the world.
    pub(super) fn see(&mut self, mark: Mark) {
        self.clock.see(mark);
        self.moved = true;
    }

    /// A frame of it ended before its network layer: cut by the snap length, or of a link type that is not read. What is readable and not
    /// IP is none.
    #[cold]
    pub(super) fn misses(&mut self, stop: Stop) {
        let unread = match stop.reason {
            StopReason::Snaplen => true,
            StopReason::Unsupported(_) => matches!(stop.layer, "frame" | "pktap"),
            StopReason::Malformed | StopReason::TooDeep => false,
        };
        if unread {
            let (count, first) = &mut self.unread;
            *count = count.saturating_add(1);
            first.get_or_insert(stop);
        }
    }

    /// Why nothing of it could be read, where nothing could.
    fn unreadable(&self) -> Option<String> {
        let (count, first) = self.unread;
        let stop = first.filter(|_| count == self.counts.packets)?;
        let why = match stop.reason {
            StopReason::Unsupported(number) => {
                format!("link type {number} is none that mxray reads")
            }
            _ => "the snap length cut them before their IP header".to_owned(),
        };
        Some(match count {
            1 => format!("its only frame cannot be read: {why}"),
            _ => format!("none of its {count} frames can be read: {why}"),
        })
    }

    /// The world was watched until that time.
    pub(super) fn reach(&mut self, time: Timestamp) {
        self.clock.reach(time);
        self.moved = true;
    }
}

/// What a capture shows of its link layer.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkView {
    /// MACs that asked for a neighbour, and whether unicast frames to one of them are visible here.
    askers: ArrayVec<([u8; 6], IpAddr), 32>,
    /// MACs that opened mail connections.
    mailers: ArrayVec<[u8; 6], 32>,
    unicast_visible: bool,
    /// Under which addresses the capturing host itself asked, where the link type says so: what comes to it is seen.
    own: ArrayVec<IpAddr, 32>,
}

impl LinkView {
    /// ARP or NDP silence counts only where unicast frames to the one who asked are visible, and where the one who asked
    /// is a machine that mail is about.
    pub(super) fn see(&mut self, packet: &Packet<'_>, ports: &Ports) {
        let Some(from) = packet.link.source else {
            return;
        };
        match (&packet.net, &packet.transport) {
            (Net::Arp(arp), _) if !arp.reply => {
                self.asks(from, arp.sender_ip, packet.link.outgoing)
            }
            (Net::Ip(ip), Transport::Icmp(icmp))
                if icmp.neighbor.is_some_and(|n| !n.advertisement) =>
            {
                self.asks(from, ip.source, packet.link.outgoing);
            }
            (_, Transport::Tcp(tcp)) => self.mails_to(from, tcp.flags, tcp.destination_port, ports),
            _ => {}
        }
        if let Some(to) = packet.link.destination {
            self.is_visible(to);
        }
    }

    /// The same for a segment.
    #[inline]
    pub(super) fn glance(&mut self, glance: &Glance, ports: &Ports) {
        self.mails_to(glance.from, glance.flags, glance.destination_port, ports);
        self.is_visible(glance.to);
    }

    #[inline]
    fn mails_to(&mut self, from: [u8; 6], flags: TcpFlags, port: u16, ports: &Ports) {
        if flags.opens() && ports.service(port).is_some() && !self.mailers.contains(&from) {
            let _ = self.mailers.try_push(from);
        }
    }

    #[inline]
    fn is_visible(&mut self, to: [u8; 6]) {
        if !self.unicast_visible {
            self.unicast_visible = self.askers.iter().any(|(mac, _)| *mac == to);
        }
    }

    fn asks(&mut self, mac: [u8; 6], ip: IpAddr, outgoing: Option<bool>) {
        if outgoing == Some(true) && !self.own.contains(&ip) {
            let _ = self.own.try_push(ip);
        }
        if !self.askers.contains(&(mac, ip)) {
            let _ = self.askers.try_push((mac, ip));
        }
    }

    /// Whether an answer to who asked under that address would be seen.
    pub(super) fn sees_answers_to(&self, asker: IpAddr) -> bool {
        self.unicast_visible || self.own.contains(&asker)
    }

    /// Whether the machine with that address opened mail connections here, under whatever address.
    pub(super) fn mails(&self, asker: IpAddr) -> bool {
        self.askers
            .iter()
            .any(|(mac, ip)| *ip == asker && self.mailers.contains(mac))
    }
}

impl Intake {
    /// Announces an input; its frames carry the number returned. `world`: a source that is open yet and of whose world it is a
    /// further part, with frame numbers of its own; connections, look-ups and neighbours go on in it. When that world is over, it
    /// opens one of its own.
    pub fn open(
        &mut self,
        world: Option<SourceId>,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
        out: &mut impl Onward,
    ) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        let mut own = Seen {
            counts: Counts::default(),
            link: LinkView::default(),
            closed: false,
            world: id,
            parts_open: 1,
            clock: WorldClock::default(),
            moved: false,
            cut_segments: false,
            lost: 0,
            unread: (0, None),
        };
        if let Some(world) = world.map(|part| self.world(part))
            && let Some(root) = self.sources.get_mut(world.0 as usize)
            && root.parts_open > 0
        {
            root.parts_open = root.parts_open.saturating_add(1);
            own.world = world;
            own.parts_open = 0;
            out.tell(Told::Join(id, world));
        }
        out.hear(Sighting::Opened {
            id,
            world: own.world,
            kind,
            name,
            format,
        });
        self.sources.push(own);
        id
    }

    /// The capturing machine lost `count` frames of that source after `from` and before `to`: what was silent meanwhile may
    /// have been answered.
    pub fn lost(
        &mut self,
        id: SourceId,
        (from, to): (Timestamp, Timestamp),
        count: u64,
        out: &mut impl Onward,
    ) {
        if let Some(source) = self.sources.get_mut(id.0 as usize).filter(|_| count > 0) {
            source.lost = source.lost.saturating_add(count);
            out.hear(Sighting::Dropped(Some((from, to))));
        }
    }

    /// Nothing more came of that source until `time`, although it was watched: its silence goes that far.
    pub fn watched(&mut self, id: SourceId, time: Timestamp) {
        let world = self.world(id);
        if let Some(root) = self
            .sources
            .get_mut(world.0 as usize)
            .filter(|root| root.clock.runs())
        {
            root.reach(time);
        }
    }

    /// The source that opened the world of this one.
    pub(super) fn world(&self, source: SourceId) -> SourceId {
        self.sources
            .get(source.0 as usize)
            .map_or(source, |source| source.world)
    }

    /// The source ends. With the last of its world everything is judged with what is known now.
    pub fn close_source(&mut self, id: SourceId, mut end: SourceEnd, out: &mut impl Onward) {
        if self
            .sources
            .get(id.0 as usize)
            .is_none_or(|source| source.closed)
        {
            return;
        }
        let told = self
            .sources
            .get(id.0 as usize)
            .map_or(0, |source| source.lost);
        if end.dropped > told {
            out.hear(Sighting::Dropped(None));
        }
        let world = self.world(id);
        let over = self
            .sources
            .get(world.0 as usize)
            .is_none_or(|root| root.parts_open <= 1);
        if over {
            self.drain(out);
        }
        let mut link = None;
        if let Some(root) = self.sources.get_mut(world.0 as usize) {
            root.parts_open = root.parts_open.saturating_sub(1);
            link = over.then(|| root.link.clone());
        }
        let Some(source) = self.sources.get_mut(id.0 as usize) else {
            return;
        };
        source.closed = true;
        let unreadable = source.unreadable();
        let read = source.counts.packets > 0 && unreadable.is_none();
        end.damage = end.damage.or(unreadable);
        let counts = source.counts;
        let last = self.sources.iter().all(|source| source.closed);
        out.hear(Sighting::Closed(Box::new(Closed {
            id,
            end,
            counts,
            read,
            over: link,
            evicted: self.fragments.counts().evicted,
            last,
        })));
        if last {
            self.forget(out);
        }
    }

    /// Everything that is open is over now.
    pub(super) fn drain(&mut self, out: &mut impl Onward) {
        self.horizons(out);
        out.hear(Sighting::Drain);
        out.drain();
        out.hear(Sighting::Drained);
    }

    /// Tells the judging half which worlds' latest times are later now.
    pub(super) fn horizons(&mut self, out: &mut impl Onward) {
        for (id, source) in (0..).zip(&mut self.sources) {
            if std::mem::take(&mut source.moved) {
                out.hear(Sighting::Horizon(SourceId(id), source.clock));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LinkView;

    #[test]
    fn what_comes_to_the_capturing_host_is_seen() {
        let mut link = LinkView::default();
        let [own, other] = ["10.0.0.5", "10.0.0.6"].map(|ip| ip.parse().unwrap());
        link.asks([2; 6], own, Some(true));
        link.asks([4; 6], other, Some(false));
        assert!(link.sees_answers_to(own) && !link.sees_answers_to(other));
        // A frame to one that asked: those to others are seen as well.
        link.is_visible([4; 6]);
        assert!(link.sees_answers_to(other));
    }
}
