//! Crafted packets out: raw sockets for both families.
//!
//! Answers do not come back here: the tap sees them. It refuses to choose what is sent.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// IPPROTO_RAW: whole IP packets, header included.
const WHOLE: i32 = 255;

/// Raw sockets.
pub struct Raw {
    v4: Socket,
    v6: Option<Socket>,
}

impl Raw {
    /// Opens them; needs CAP_NET_RAW. `interface` binds them to a device (or VRF).
    pub fn open(interface: Option<&str>) -> io::Result<Raw> {
        let open = |domain| -> io::Result<Socket> {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(WHOLE)))?;
            if let Some(name) = interface {
                socket.bind_device(Some(name.as_bytes()))?;
            }
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let v4 = open(Domain::IPV4)?;
        v4.set_header_included_v4(true)?;
        Ok(Raw {
            v4,
            v6: open(Domain::IPV6).ok(),
        })
    }

    /// Sends a whole IP packet.
    pub fn send(&self, packet: &[u8], to: IpAddr) -> io::Result<()> {
        let socket = match to {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => self
                .v6
                .as_ref()
                .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))?,
        };
        socket
            .send_to(packet, &SockAddr::from(SocketAddr::new(to, 0)))
            .map(drop)
    }
}
