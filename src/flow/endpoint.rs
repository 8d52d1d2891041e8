//! One end of a connection, or of a datagram's way: what five-tuples and records are made of.
//!
//! Exists apart because all that is known by its ends needs it, the reading half of the engine included. It knows no role.

use std::hash::Hasher;
use std::net::IpAddr;

use crate::base::Key;
use crate::wire::Ip;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Address.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
}

impl Endpoint {
    /// Who sent a packet, and to whom, by its header and the two ports behind it: the sender's first.
    #[inline]
    pub fn of(ip: &Ip, (source, destination): (u16, u16)) -> (Endpoint, Endpoint) {
        let from = Endpoint {
            ip: ip.source,
            port: source,
        };
        let to = Endpoint {
            ip: ip.destination,
            port: destination,
        };
        (from, to)
    }
}

impl Key for Endpoint {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        self.ip.feed(state);
        state.write_u16(self.port);
    }
}
