//! One end of a connection, or of a datagram's way: what five-tuples and records are made of.
//!
//! Exists apart because all that is known by its ends needs it, the reading half of the engine included. It knows no role.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr};

use crate::base::{Fed, Key};
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

impl Fed for Endpoint {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        self.ip.feed(state);
        state.write_u16(self.port);
    }
}

/// An IPv4 endpoint, in the room that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortEndpoint(Ipv4Addr, u16);

impl Fed for ShortEndpoint {
    #[inline]
    fn feed(&self, state: &mut impl Hasher) {
        self.0.feed(state);
        state.write_u16(self.1);
    }
}

impl Key for Endpoint {
    type Short = ShortEndpoint;

    #[inline]
    fn short(&self) -> Option<ShortEndpoint> {
        let ip = self.ip.short()?;
        Some(ShortEndpoint(ip, self.port))
    }

    fn whole(ShortEndpoint(ip, port): ShortEndpoint) -> Endpoint {
        Endpoint {
            ip: IpAddr::V4(ip),
            port,
        }
    }
}
