//! Without a capture: packets as our own sockets imply them, so that the engine judges what ordinary means can know.
//!
//! A connection that opened had a SYN and a SYN-ACK; bytes that were read came in segments; the kernel counts the SYNs that it sends again
//! (tcp(7), TCP_INFO) and hands ICMP errors over with their sender (ip(7), IP_RECVERR). That is retold as packets and goes the way of captured
//! ones: to listeners, the recording and the engine. What sockets cannot know is not in them: TTLs, loss of data, options, packets of others.
//! The interface of such a recording says so by its name.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::context::Context;
use super::recording::{Listened, Taken};
use crate::base::Timestamp;
use crate::wire::craft::{self, Header, Segment};
use crate::wire::{TcpFlags, dissect};

/// LINKTYPE_RAW: packets begin with their IP header.
const RAW_IP: u16 = 101;
/// Bytes of a segment that is retold.
const SEGMENT: usize = 1_200;
/// Errors that are taken from a socket at once.
const ERRORS: usize = 16;

/// What such packets are written under.
pub fn interface() -> Listened {
    Listened {
        name: "sockets (retold, not captured)".to_owned(),
        link_type: RAW_IP,
    }
}

/// The TTL is one that no packet has on the wire: nobody saw it.
fn header(from: IpAddr, to: IpAddr) -> Header {
    Header {
        ttl: 0,
        ..Header::new(from, to)
    }
}

/// A packet goes the way of a captured one.
fn tell(context: &Context, packet: &[u8], time: Timestamp) {
    let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    context.tapped(&dissect(RAW_IP, packet, length), time, || Taken {
        time,
        interface: 0,
        data: packet.to_vec(),
        original_len: length,
        control: None,
    });
}

/// One connection, from both ends.
#[derive(Clone)]
pub struct Teller {
    context: Context,
    local: SocketAddr,
    remote: SocketAddr,
    /// The next byte of ours, and of the other end.
    ours: u32,
    theirs: u32,
    /// Our bytes that the other end is not yet told to have acknowledged.
    unacknowledged: bool,
}

impl Teller {
    /// Of a connection that is about to be opened; `None` where packets are captured.
    pub fn new(context: &Context, local: SocketAddr, remote: SocketAddr) -> Option<Teller> {
        (!context.captures()).then(|| Teller {
            context: context.clone(),
            local,
            remote,
            ours: context.random(),
            theirs: context.random(),
            unacknowledged: false,
        })
    }

    fn segment(
        &self,
        outward: bool,
        flags: u8,
        seq: u32,
        ack: u32,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let (from, to) = match outward {
            true => (self.local, self.remote),
            false => (self.remote, self.local),
        };
        let segment = Segment {
            source_port: from.port(),
            destination_port: to.port(),
            seq,
            ack,
            flags: TcpFlags(flags),
            window: 65_535,
            options: &[],
        };
        craft::tcp(header(from.ip(), to.ip()), &segment, data).ok()
    }

    fn say(&self, outward: bool, flags: u8, seq: u32, ack: u32, data: &[u8], time: Timestamp) {
        if let Some(packet) = self.segment(outward, flags, seq, ack, data) {
            tell(&self.context, &packet, time);
        }
    }

    /// A SYN left, for the first time or again.
    pub fn syn(&self, time: Timestamp) {
        self.say(true, TcpFlags::SYN, self.ours, 0, &[], time);
    }

    /// It was answered.
    pub fn opened(&mut self, time: Timestamp) {
        let (ours, theirs) = (self.ours.wrapping_add(1), self.theirs.wrapping_add(1));
        self.say(
            false,
            TcpFlags::SYN | TcpFlags::ACK,
            self.theirs,
            ours,
            &[],
            time,
        );
        (self.ours, self.theirs) = (ours, theirs);
        self.say(true, TcpFlags::ACK, ours, theirs, &[], time);
    }

    /// It was refused by RST.
    pub fn refused(&self, time: Timestamp) {
        let ack = self.ours.wrapping_add(1);
        self.say(false, TcpFlags::RST | TcpFlags::ACK, 0, ack, &[], time);
    }

    /// ICMP errors for the SYN that wait at the socket; whether there were any.
    pub fn errors_of_syn(&self, socket: BorrowedFd<'_>, time: Timestamp) -> bool {
        let Some(quote) = self.segment(true, TcpFlags::SYN, self.ours, 0, &[]) else {
            return false;
        };
        tell_errors(&self.context, socket, self.local.ip(), &quote, time)
    }

    /// Bytes of ours went to the kernel.
    pub fn sent(&mut self, data: &[u8]) {
        let time = self.context.now();
        for part in data.chunks(SEGMENT) {
            self.say(
                true,
                TcpFlags::ACK | TcpFlags::PSH,
                self.ours,
                self.theirs,
                part,
                time,
            );
            self.ours = self
                .ours
                .wrapping_add(u32::try_from(part.len()).unwrap_or(0));
        }
        self.unacknowledged |= !data.is_empty();
    }

    /// Bytes of the other end came.
    pub fn received(&mut self, data: &[u8]) {
        let time = self.context.now();
        for part in data.chunks(SEGMENT) {
            self.say(
                false,
                TcpFlags::ACK | TcpFlags::PSH,
                self.theirs,
                self.ours,
                part,
                time,
            );
            self.theirs = self
                .theirs
                .wrapping_add(u32::try_from(part.len()).unwrap_or(0));
        }
        self.unacknowledged = false;
        self.say(true, TcpFlags::ACK, self.ours, self.theirs, &[], time);
    }

    /// Nothing came; whether our bytes were acknowledged the kernel knows (tcp(7), SIOCOUTQ).
    pub fn silent(&mut self, socket: BorrowedFd<'_>) {
        let mut waiting: libc::c_int = 0;
        // SAFETY: the descriptor is borrowed and open; the call writes one int, which is ours.
        let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut waiting) };
        if self.unacknowledged && asked == 0 && waiting == 0 {
            self.unacknowledged = false;
            let time = self.context.now();
            self.say(false, TcpFlags::ACK, self.theirs, self.ours, &[], time);
        }
    }

    /// The other end closed: FIN, or RST.
    pub fn closed(&mut self, by_reset: bool) {
        let time = self.context.now();
        let flags = if by_reset {
            TcpFlags::RST
        } else {
            TcpFlags::FIN
        };
        self.say(
            false,
            flags | TcpFlags::ACK,
            self.theirs,
            self.ours,
            &[],
            time,
        );
        if !by_reset {
            self.theirs = self.theirs.wrapping_add(1);
        }
    }

    /// We close.
    pub fn finished(&mut self) {
        let time = self.context.now();
        self.say(
            true,
            TcpFlags::FIN | TcpFlags::ACK,
            self.ours,
            self.theirs,
            &[],
            time,
        );
        self.ours = self.ours.wrapping_add(1);
    }
}

/// Datagrams of one socket.
pub struct Datagrams {
    context: Context,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Datagrams {
    /// `None` where packets are captured.
    pub fn new(context: &Context, local: SocketAddr, remote: SocketAddr) -> Option<Datagrams> {
        (!context.captures()).then(|| Datagrams {
            context: context.clone(),
            local,
            remote,
        })
    }

    fn packet(&self, outward: bool, data: &[u8]) -> Option<Vec<u8>> {
        let (from, to) = match outward {
            true => (self.local, self.remote),
            false => (self.remote, self.local),
        };
        craft::udp(header(from.ip(), to.ip()), from, to, data).ok()
    }

    /// One left.
    pub fn sent(&self, data: &[u8]) {
        if let Some(packet) = self.packet(true, data) {
            tell(&self.context, &packet, self.context.now());
        }
    }

    /// One came.
    pub fn received(&self, data: &[u8]) {
        if let Some(packet) = self.packet(false, data) {
            tell(&self.context, &packet, self.context.now());
        }
    }

    /// ICMP errors for `latest` that wait at the socket; whether there were any.
    pub fn errors(&self, socket: BorrowedFd<'_>, latest: &[u8]) -> bool {
        let Some(quote) = self.packet(true, latest) else {
            return false;
        };
        let now = self.context.now();
        tell_errors(&self.context, socket, self.local.ip(), &quote, now)
    }
}

/// Asks the kernel for ICMP errors with their senders (ip(7), ipv6(7)), or no longer: on an open connection each would end it.
pub fn want_errors(socket: BorrowedFd<'_>, to: IpAddr, wanted: bool) {
    let options = (libc::IP_RECVERR, libc::IPV6_RECVERR);
    // A kernel without it tells less; what it tells still counts.
    let _ = set(&socket, to, options, libc::c_int::from(wanted));
}

/// Sets an option that IPv4 and IPv6 have each under a number of its own.
pub fn set(
    socket: &impl AsFd,
    to: IpAddr,
    (v4, v6): (libc::c_int, libc::c_int),
    value: libc::c_int,
) -> io::Result<()> {
    let (level, option) = match to {
        IpAddr::V4(_) => (libc::IPPROTO_IP, v4),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, v6),
    };
    // SAFETY: the descriptor is borrowed and open, and the kernel reads one int, which lives until the call returns.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// An ICMP error of the queue.
pub struct Reported {
    /// Who sent it.
    pub sender: IpAddr,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    word: u32,
}

impl Reported {
    /// Time exceeded in transit (RFC 792 11/0, RFC 4443 3/0).
    pub fn is_time_exceeded(&self) -> bool {
        let kind = if self.sender.is_ipv4() { 11 } else { 3 };
        (self.kind, self.code) == (kind, 0)
    }
}

fn tell_errors(
    context: &Context,
    socket: BorrowedFd<'_>,
    local: IpAddr,
    quote: &[u8],
    time: Timestamp,
) -> bool {
    let mut any = false;
    for _ in 0..ERRORS {
        let Ok(Some(error)) = next_error(socket) else {
            break;
        };
        let header = header(error.sender, local);
        let body = quote.get(..quote.len().min(548)).unwrap_or_default();
        if let Ok(packet) = craft::icmp(header, error.kind, error.code, error.word, body) {
            tell(context, &packet, time);
            any = true;
        }
    }
    any
}

/// How often the kernel sent the SYN again, so far.
pub fn syns_again(socket: BorrowedFd<'_>) -> u8 {
    // SAFETY: tcp_info is plain numbers, for which zero is a value.
    let mut info: libc::tcp_info = unsafe { zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is borrowed and open; the kernel writes at most `length` bytes into `info`, which is as long.
    let asked = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if asked == 0 { info.tcpi_retransmits } else { 0 }
}

/// The next error of a socket's queue: `None` for one that is no ICMP error.
pub fn next_error(socket: BorrowedFd<'_>) -> io::Result<Option<Reported>> {
    let mut data = [0u8; 64];
    let mut control = [MaybeUninit::<u64>::uninit(); 64];
    let mut piece = libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: data.len(),
    };
    // SAFETY: msghdr is plain pointers and numbers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the descriptor is borrowed and open; all that `message` points to lives until the call returns and is as long as it says.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel filled `message`; the macros stay within `msg_controllen` of the control buffer, which is aligned for cmsghdr.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole header within the buffer.
        let one = unsafe { &*header };
        let is_error = matches!(
            (one.cmsg_level, one.cmsg_type),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        );
        let room =
            size_of::<libc::sock_extended_err>().saturating_add(size_of::<libc::sockaddr_in>());
        // SAFETY: CMSG_LEN only computes.
        let least = unsafe { libc::CMSG_LEN(u32::try_from(room).unwrap_or(0)) } as usize;
        if is_error && one.cmsg_len as usize >= least {
            // SAFETY: the kernel puts a sock_extended_err there, and the sender's address after it; the length was checked.
            let error = unsafe {
                libc::CMSG_DATA(header)
                    .cast::<libc::sock_extended_err>()
                    .read_unaligned()
            };
            if !matches!(error.ee_origin, 2 | 3) {
                return Ok(None);
            }
            // SAFETY: as above: what follows is a sockaddr_in or, by its family, a sockaddr_in6.
            let sender = unsafe { sender(header, one.cmsg_len as usize) };
            return Ok(sender.map(|sender| Reported {
                sender,
                kind: error.ee_type,
                code: error.ee_code,
                word: error.ee_info,
            }));
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    Ok(None)
}

/// The address behind a sock_extended_err (SO_EE_OFFENDER).
///
/// # Safety
/// `header` is a control message of `length` bytes that holds a sock_extended_err and at least a sockaddr_in.
unsafe fn sender(header: *const libc::cmsghdr, length: usize) -> Option<IpAddr> {
    // SAFETY: the caller says that this much is there.
    let at = unsafe { libc::CMSG_DATA(header).add(size_of::<libc::sock_extended_err>()) };
    // SAFETY: the family is the first field of every address.
    let family = unsafe { at.cast::<libc::sa_family_t>().read_unaligned() };
    match i32::from(family) {
        libc::AF_INET => {
            // SAFETY: a sockaddr_in is there.
            let address = unsafe { at.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(
                address.sin_addr.s_addr,
            ))))
        }
        libc::AF_INET6 => {
            let room = size_of::<libc::sock_extended_err>() + size_of::<libc::sockaddr_in6>();
            // SAFETY: CMSG_LEN only computes.
            let least = unsafe { libc::CMSG_LEN(u32::try_from(room).unwrap_or(0)) } as usize;
            if length < least {
                return None;
            }
            // SAFETY: a sockaddr_in6 is there, by family and length.
            let address = unsafe { at.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}
