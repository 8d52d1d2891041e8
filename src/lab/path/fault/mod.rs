//! What a hop does to packets that it should have forwarded.
//!
//! A fault sees every packet that reaches its hop, in both directions, with the word whether its match
//! holds; it may change it, hold it back, or send packets of its own. One file per family. A fault keeps
//! no clock: the time comes with the packet.

mod address;
mod content;
mod filter;
mod forget;
mod options;
mod reject;
mod sequence;
mod share;
mod shorten;
mod spec;
mod words;

use std::net::IpAddr;

use rand_pcg::Pcg32;

pub use self::spec::{Action, FaultSpec};
use super::matching::Matcher;
use super::packet::{Packet, Toward};
use crate::base::Nanos;

/// Where and when a packet meets a fault.
pub struct Here<'a> {
    /// Which way the packet travels.
    pub toward: Toward,
    /// Nanoseconds since the path was opened.
    pub now: Nanos,
    /// The hop's own address of the packet's family.
    pub address: IpAddr,
    /// The hop's random numbers.
    pub random: &'a mut Pcg32,
    /// Whether the fault's match holds.
    pub hit: bool,
    /// Packets that the fault sends itself.
    pub sent: &'a mut Vec<Sent>,
}

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The next fault sees it; after the last one it is forwarded.
    On,
    /// It ends here.
    Gone,
    /// It is sent to this hop (from 0) whatever its destination.
    Bounced(usize),
    /// It is forwarded later by so much.
    Late(Nanos),
}

/// A packet that a fault sends itself. It leaves the hop without meeting its faults.
pub struct Sent {
    /// The packet, sealed.
    pub packet: Packet,
    /// Which way.
    pub toward: Toward,
    /// Not before so much time has passed.
    pub after: Nanos,
    /// Straight to the end, without the links and hops between.
    pub direct: bool,
}

impl Sent {
    /// Sent at once along the path.
    pub fn now(packet: Packet, toward: Toward) -> Sent {
        Sent {
            packet,
            toward,
            after: 0,
            direct: false,
        }
    }
}

/// A fault with its state.
pub trait Fault: Send {
    /// Sees a packet.
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate;
}

/// A fault in its place, with its match.
pub struct Placed {
    matcher: Matcher,
    fault: Box<dyn Fault>,
}

impl Placed {
    /// Builds it; `index` gives it random numbers of its own.
    pub fn new(spec: &FaultSpec, seed: u64, index: u64) -> Placed {
        Placed {
            matcher: Matcher::new(spec.matching.clone(), seed, 1_000 + index),
            fault: spec.action.build(),
        }
    }

    /// Shows it a packet.
    pub fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        here.hit = self.matcher.hit(packet, here.toward, here.now);
        self.fault.packet(packet, here)
    }
}
