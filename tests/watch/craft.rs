//! Frames that no kernel of a test sends by itself: tags, tunnels, fragments, and floods.

use std::ffi::CString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mxray::wire::craft::{Header, udp};
use socket2::{Domain, Socket, Type};

use super::flood::{FROM, TO, address};
pub use super::flood::{frame, segment};

/// Frames of one system call.
pub const BATCH: usize = 64;

/// A UDP datagram as an IP packet.
pub fn datagram(from: (&str, u16), to: (&str, u16), payload: &[u8]) -> Vec<u8> {
    let (from, to) = (
        SocketAddr::new(address(from.0), from.1),
        SocketAddr::new(address(to.0), to.1),
    );
    udp(Header::new(from.ip(), to.ip()), from, to, payload).expect("a datagram of the test")
}

/// A frame of any type.
pub fn typed(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&TO[..], &FROM, &ethertype.to_be_bytes(), payload].concat()
}

/// An IPv4 packet of that protocol (RFC 791 3.1).
pub fn ipv4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("a short packet");
    let mut head = [0u8; 20];
    head[0] = 0x45;
    head[2..4].copy_from_slice(&length.to_be_bytes());
    head[4..6].copy_from_slice(&[0x12, 0x34]);
    head[6..8].copy_from_slice(&fragment.to_be_bytes());
    head[8] = 64;
    head[9] = protocol;
    head[12..16].copy_from_slice(&[203, 0, 113, 1]);
    head[16..20].copy_from_slice(&[203, 0, 113, 2]);
    let sum: u32 = head
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    head[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&head[..], payload].concat()
}

/// An IPv6 packet that begins with that header (RFC 8200 3).
pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short packet");
    let mut head = vec![0x60, 0, 0, 0];
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&[next, 64]);
    for last in [1, 2] {
        head.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    [&head[..], payload].concat()
}

/// Puts frames on an interface of the calling thread's network: a packet socket (packet(7)) without the queueing of the
/// interface, many frames for one system call.
pub struct Wire {
    socket: Socket,
}

impl Wire {
    pub fn open(interface: &str) -> Result<Wire, String> {
        let fault = |error: io::Error| format!("{interface}: {error}");
        let name = CString::new(interface).map_err(|error| error.to_string())?;
        // SAFETY: a string that ends in NUL.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        // Protocol 0: it sends only, nothing is copied for it.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(fault)?;
        let mut address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: index as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        // SAFETY: the address is a whole sockaddr_ll, and its length is said.
        let bound = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw mut address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        let yes: libc::c_int = 1;
        // SAFETY: the option is an int, and its length is said.
        let bypassed = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_QDISC_BYPASS,
                (&raw const yes).cast(),
                size_of::<libc::c_int>() as u32,
            )
        };
        match bound == 0 && bypassed == 0 {
            true => Ok(Wire { socket }),
            false => Err(fault(io::Error::last_os_error())),
        }
    }

    /// Sends frames, at most [`BATCH`] of them; returns how many went.
    pub fn send(&self, frames: &[&[u8]]) -> usize {
        let mut pieces: Vec<libc::iovec> = frames
            .iter()
            .take(BATCH)
            .map(|frame| libc::iovec {
                iov_base: frame.as_ptr().cast_mut().cast(),
                iov_len: frame.len(),
            })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = pieces
            .iter_mut()
            .map(|piece| {
                // SAFETY: all zero is an empty message.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = piece;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        // SAFETY: every message points to one piece, every piece to a frame, and all outlive the call.
        let sent = unsafe {
            libc::sendmmsg(
                self.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                messages.len() as u32,
                0,
            )
        };
        usize::try_from(sent).unwrap_or(0)
    }

    /// Sends all of them, however long it takes: a full queue means that the wire is slower than we are.
    pub fn send_all(&self, frames: &[&[u8]]) {
        let mut rest = frames;
        while !rest.is_empty() {
            let sent = self.send(rest);
            rest = rest.get(sent..).unwrap_or_default();
            if sent == 0 {
                std::thread::yield_now();
            }
        }
    }
}
