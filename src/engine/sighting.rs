//! What the intake saw, in order: all that passes from the reading half of the engine to the judging half.
//!
//! The two halves share nothing else, so that they may run on two cores and cannot come to other results than on one: what
//! is judged depends on the order of sightings alone.

use std::net::IpAddr;

use super::clock::WorldClock;
use super::inside::Inside;
use super::link_view::LinkView;
use super::sources::{Counts, SourceEnd};
use crate::base::{Foreign, Mark, SourceId, Timestamp};
use crate::diagnosis::Measured;
use crate::flow::lookup::{TcpEvent, Transport};
use crate::flow::{Endpoint, Ripe, SynOptions, Wire};
use crate::proto::dns::Message;
use crate::wire::{Arp, CutQuote, Icmp, Ip, Neighbor, Quote};

/// A neighbour message, where it was seen: its sender, what it says, and whose frame it was in.
pub type Ndp = (Mark, Wire, IpAddr, Neighbor, Option<[u8; 6]>);

/// One thing that was seen.
pub enum Sighting {
    /// An input was opened; `world` is the input that opened its world.
    Opened {
        /// Its number.
        id: SourceId,
        /// The input that opened its world, itself unless it is a part.
        world: SourceId,
        /// `file`, `stdin`, …
        kind: &'static str,
        /// Its name.
        name: Foreign,
        /// `pcap`, `pcapng`.
        format: Option<&'static str>,
    },
    /// A probe made this world.
    Probed(SourceId),
    /// How far a world has been watched.
    Horizon(SourceId, WorldClock),
    /// Time has passed, for all.
    Tick(Timestamp),
    /// A connection that may be mail is over.
    Ended(Ripe<Inside>),
    /// So many connections that are not mail are over.
    Other(u64),
    /// Of this tick nothing more is over.
    Ripened,
    /// Something came back to a client.
    CameBack(IpAddr, Timestamp),
    /// A SYN-ACK.
    Answered {
        /// Whose.
        server: Endpoint,
        /// Where.
        mark: Mark,
        /// What it offers.
        options: SynOptions,
        /// TTL as captured.
        ttl: u8,
    },
    /// A host says of a port of mail that nothing listens there.
    Refused {
        /// Whose address says so.
        server: IpAddr,
        /// TTL as captured.
        ttl: u8,
    },
    /// A client opens a mail connection to an address.
    Uses {
        /// Who.
        client: IpAddr,
        /// Where to.
        address: IpAddr,
        /// Where.
        mark: Mark,
    },
    /// A DNS message.
    Message(Box<Carried>),
    /// Something happened between a client and TCP/53.
    OverTcp {
        /// Where.
        mark: Mark,
        /// Who asks.
        client: IpAddr,
        /// Who is asked.
        resolver: IpAddr,
        /// What happened.
        event: TcpEvent,
        /// TTL as captured.
        ttl: u8,
    },
    /// The first fragment of a resolver's answer.
    Fragment {
        /// To whom.
        client: IpAddr,
        /// From whom.
        resolver: IpAddr,
        /// Where.
        mark: Mark,
    },
    /// A fragmented datagram is whole.
    Whole {
        /// To whom.
        client: IpAddr,
        /// From whom.
        resolver: IpAddr,
    },
    /// An ARP message.
    Arp(Box<(Mark, Wire, Arp)>),
    /// A neighbour solicitation or advertisement: its sender, and the frame's.
    Ndp(Box<Ndp>),
    /// An ICMP error that quotes no connection, or one to TCP/53.
    Quoted(Box<(Mark, Ip, Icmp<'static>, Quote)>),
    /// An ICMP error to that client whose quote is cut before the ports: which connection it is about cannot be read.
    CutQuote(Box<(Mark, IpAddr, CutQuote)>),
    /// Segments of that world are cut before their flags, and may be of mail.
    CutSegments(SourceId),
    /// A measurement of mxray's own.
    Measured(SourceId, Box<Measured>),
    /// The capture lost frames between these times, or nobody knows when.
    Dropped(Option<(Timestamp, Timestamp)>),
    /// Everything is judged now with what is known: look-ups first.
    Drain,
    /// Then each connection that was open,
    Left(Ripe<Inside>),
    /// and there are no more.
    Drained,
    /// So many connections left early because there was no room for more.
    Evicted(u64),
    /// A source is closed.
    Closed(Box<Closed>),
    /// The end of everything.
    Finished,
}

/// A DNS message on its way.
pub struct Carried {
    pub(super) mark: Mark,
    /// How it travelled.
    pub(super) transport: Transport,
    /// In which packet.
    pub(super) ip: Ip,
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    /// What it says.
    pub(super) message: Message,
}

/// A source that is closed.
pub struct Closed {
    pub(super) id: SourceId,
    /// What it said itself.
    pub(super) end: SourceEnd,
    /// What was counted of it.
    pub(super) counts: Counts,
    /// Anything of it could be read.
    pub(super) read: bool,
    /// With it its world is over: what was seen of that world's link.
    pub(super) over: Option<LinkView>,
    /// Fragmented datagrams that left early.
    pub(super) evicted: u64,
    /// No source is open any more: what was learned of this world says nothing about the next.
    pub(super) last: bool,
}

#[cfg(test)]
mod tests {
    use super::Sighting;

    /// Thousands are on their way from one thread to another.
    #[test]
    fn a_sighting_is_a_line_of_cache_at_most() {
        assert!(size_of::<Sighting>() <= 64, "{}", size_of::<Sighting>());
    }
}
