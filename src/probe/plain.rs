//! Probes without privilege: ordinary sockets whose packets leave with a chosen TTL, and what their queue of errors tells.
//!
//! A connection attempt is a SYN; a ping socket (where `net.ipv4.ping_group_range` permits it) is an echo request. The kernel
//! hands over who sent the ICMP error that ended it (ip(7), ipv6(7): IP_RECVERR), so a walk sees the same routers as with
//! crafted packets. Not seen are TTL, DSCP and options of an answer, and each probe is a flow of its own. A connection that
//! opens is reset at once: nobody is spoken to.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::context::Context;
use super::plan::walk::{Heard, UNSEEN};
use super::retold;
use crate::base::Nanos;

/// Bytes of an ICMP header with an IPv4 or IPv6 header: what an echo request of a size has less of payload.
const HEADERS: (u16, u16) = (28, 48);
/// IP_PMTUDISC_PROBE, IPV6_PMTUDISC_PROBE: DF is set, and what the kernel believes of the path's MTU does not count.
const WHOLE: libc::c_int = 3;

/// A RST of which nothing else is told.
const REFUSED: Heard = Heard::Reset {
    distance: UNSEEN,
    tos: 0,
    label: None,
};

/// One probe that left.
pub struct Plain {
    socket: Socket,
    /// Its TTL.
    pub ttl: u8,
    left: Instant,
    /// Said while it was sent: on loopback.
    early: Option<Heard>,
}

impl Plain {
    /// A connection attempt.
    pub fn syn(context: &Context, to: SocketAddr, ttl: u8, tos: u8) -> io::Result<Plain> {
        let kind = (Type::STREAM, Protocol::TCP);
        let socket = context.plain(to.ip(), kind, ttl, tos)?;
        // A connection that opens against expectation leaves by RST: the server serves nobody.
        socket.set_linger(Some(Duration::ZERO))?;
        Plain::begin(socket, to, ttl)
    }

    /// An echo request in an IP packet of so many bytes.
    pub fn echo(context: &Context, host: IpAddr, ttl: u8, tos: u8, size: u16) -> io::Result<Plain> {
        let (kind, headers) = match host {
            IpAddr::V4(_) => (Protocol::ICMPV4, HEADERS.0),
            IpAddr::V6(_) => (Protocol::ICMPV6, HEADERS.1),
        };
        let socket = context.plain(host, (Type::DGRAM, kind), ttl, tos)?;
        retold::set(
            &socket,
            host,
            (libc::IP_MTU_DISCOVER, libc::IPV6_MTU_DISCOVER),
            WHOLE,
        )?;
        let plain = Plain::begin(socket, SocketAddr::new(host, 0), ttl)?;
        // The kernel writes identifier and checksum (icmp(7)).
        let mut request = vec![if host.is_ipv4() { 8 } else { 128 }, 0, 0, 0, 0, 0, 0, 1];
        request.resize(8 + usize::from(size.saturating_sub(headers)).max(16), b'.');
        plain.socket.send(&request)?;
        Ok(plain)
    }

    fn begin(socket: Socket, to: SocketAddr, ttl: u8) -> io::Result<Plain> {
        retold::want_errors(socket.as_fd(), to.ip(), true);
        let left = Instant::now();
        let early = match socket.connect(&SockAddr::from(to)) {
            Ok(()) => None,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Some(REFUSED),
            Err(error) => return Err(error),
        };
        Ok(Plain {
            socket,
            ttl,
            left,
            early,
        })
    }

    /// How long ago it left.
    pub fn age(&self) -> Nanos {
        i64::try_from(self.left.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    /// What came for it, if anything did by now. Asked no more afterwards.
    pub fn hear(&self) -> Option<Heard> {
        if self.early.is_some() {
            return self.early;
        }
        if !self.is_ready() {
            return None;
        }
        match retold::next_error(self.socket.as_fd()) {
            Ok(Some(error)) if error.is_time_exceeded() => Some(Heard::Exceeded(error.sender)),
            Ok(Some(error)) => Some(Heard::Refused {
                from: error.sender,
                kind: error.kind,
                code: error.code,
            }),
            _ => self.end(),
        }
    }

    /// Anything but an ICMP error.
    fn end(&self) -> Option<Heard> {
        if self.socket.r#type().ok()? == Type::DGRAM {
            let mut reply = [MaybeUninit::uninit(); 64];
            return self
                .socket
                .recv(&mut reply)
                .ok()
                .map(|_| Heard::Open { distance: UNSEEN });
        }
        match self.socket.take_error() {
            Ok(None) => Some(Heard::Open { distance: UNSEEN }),
            Ok(Some(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Some(REFUSED),
            _ => None,
        }
    }

    /// Whether the kernel has something to say: it opened, an error, or (a ping's socket) an answer.
    fn is_ready(&self) -> bool {
        let wanted = match self.socket.r#type() {
            Ok(Type::DGRAM) => libc::POLLIN,
            _ => libc::POLLOUT,
        };
        let mut one = libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events: wanted,
            revents: 0,
        };
        // SAFETY: one pollfd, which lives until the call returns; it does not wait.
        let ready = unsafe { libc::poll(&raw mut one, 1, 0) };
        ready > 0 && one.revents != 0
    }
}

/// Whether this user may open ping sockets (icmp(7): `net.ipv4.ping_group_range`; it rules IPv6 too).
pub fn may_ping() -> bool {
    Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)).is_ok()
}
