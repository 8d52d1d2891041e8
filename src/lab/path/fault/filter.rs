//! What routers do to packets that they forward or should have: drop, delay, repeat, send in a circle, overwrite the class.

use super::super::link::millis;
use super::super::packet::Packet;
use super::{Fate, Fault, Here, Sent};
use crate::base::Nanos;

/// The packet vanishes.
pub struct Drop;

impl Fault for Drop {
    fn packet(&mut self, _: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit { Fate::Gone } else { Fate::On }
    }
}

/// Routers that send a packet to each other.
pub struct Loop {
    with: usize,
}

impl Loop {
    /// With the hop of this index.
    pub fn new(with: usize) -> Loop {
        Loop { with }
    }
}

impl Fault for Loop {
    fn packet(&mut self, _: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit {
            Fate::Bounced(self.with)
        } else {
            Fate::On
        }
    }
}

/// The packet is late.
pub struct Delay {
    by: Nanos,
}

impl Delay {
    /// By so many milliseconds.
    pub fn new(ms: f64) -> Delay {
        Delay { by: millis(ms) }
    }
}

impl Fault for Delay {
    fn packet(&mut self, _: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit {
            Fate::Late(self.by)
        } else {
            Fate::On
        }
    }
}

/// The packet is forwarded twice.
pub struct Repeat {
    after: Nanos,
}

impl Repeat {
    /// So many milliseconds apart.
    pub fn new(ms: f64) -> Repeat {
        Repeat { after: millis(ms) }
    }
}

impl Fault for Repeat {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit {
            here.sent.push(Sent {
                after: self.after,
                ..Sent::now(packet.clone(), here.toward)
            });
        }
        Fate::On
    }
}

/// The DSCP is overwritten, as at the border of a network that trusts nobody's (RFC 2474, 4.2.2).
pub struct Bleach {
    to: u8,
    ecn: bool,
}

impl Bleach {
    /// By this code point; with the ECN bits as well.
    pub fn new(to: u8, ecn: bool) -> Bleach {
        Bleach { to, ecn }
    }
}

impl Fault for Bleach {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit {
            let ecn = if self.ecn {
                0
            } else {
                packet.traffic_class() & 3
            };
            packet.set_traffic_class((self.to << 2) | ecn);
            packet.seal();
        }
        Fate::On
    }
}
