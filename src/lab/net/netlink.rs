//! The five things that the lab asks of rtnetlink: bring a link up, give it an address, give it a route.
//!
//! Own code, because the whole is a hundred lines and spares the `ip` command. It speaks to the
//! namespace of the calling thread and refuses to interpret anything but the acknowledgement.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::lab::error::LabError;

/// Attributes and constants of linux/rtnetlink.h, if_link.h and if_addr.h that libc does not name alike everywhere.
const IFLA_ADDRESS: u16 = 1;
const IFLA_MTU: u16 = 4;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const ADDR_GEN_MODE_NONE: u8 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const NESTED: u16 = 1 << 15;

/// How long the kernel may take to make an address its own.
const SETTLED: Duration = Duration::from_secs(5);

/// A rtnetlink socket.
pub struct Netlink {
    fd: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens one in the calling thread's namespace.
    pub fn open() -> Result<Netlink, LabError> {
        // SAFETY: socket takes no pointers.
        let fd = unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                libc::NETLINK_ROUTE,
            )
        };
        if fd < 0 {
            return Err(LabError::last("open a netlink socket"));
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        Ok(Netlink {
            fd: unsafe { OwnedFd::from_raw_fd(fd) },
            sequence: 0,
        })
    }

    /// Opens one that hears of every IPv6 route that is made in the namespace from now on; it waits for news no longer than
    /// the kernel may take to make an address its own.
    pub fn listening() -> Result<Netlink, LabError> {
        let listening = Netlink::open()?;
        let fd = listening.fd.as_raw_fd();
        // SAFETY: a sockaddr_nl of zeroes is a valid value; the kernel chooses the port.
        let mut own: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        own.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        own.nl_groups = 1 << (libc::RTNLGRP_IPV6_ROUTE - 1);
        let length = size_of_val(&own) as libc::socklen_t;
        // SAFETY: pointer and length are those of a live address.
        if unsafe { libc::bind(fd, std::ptr::from_ref(&own).cast(), length) } != 0 {
            return Err(LabError::last("listen for routes"));
        }
        let patience = libc::timeval {
            tv_sec: SETTLED.as_secs() as libc::time_t,
            tv_usec: 0,
        };
        let (pointer, length) = (std::ptr::from_ref(&patience).cast(), size_of_val(&patience));
        // SAFETY: pointer and length are those of a live value.
        let failed = unsafe {
            let level = libc::SOL_SOCKET;
            libc::setsockopt(
                fd,
                level,
                libc::SO_RCVTIMEO,
                pointer,
                length as libc::socklen_t,
            ) != 0
        };
        match failed {
            true => Err(LabError::last("listen for routes")),
            false => Ok(listening),
        }
    }

    /// Waits until the kernel takes what is sent to these IPv6 addresses.
    ///
    /// It makes their local routes from a work queue, even where it detects no duplicates; a neighbour's answer that comes
    /// before finds nobody at home, and is asked for again a second later.
    pub fn until_received_for(&self, addresses: &[IpAddr]) -> Result<(), LabError> {
        let mut awaited: Vec<Vec<u8>> = addresses
            .iter()
            .filter(|address| address.is_ipv6())
            .map(|address| octets(*address))
            .collect();
        let mut news = [0u8; 8192];
        while !awaited.is_empty() {
            // SAFETY: pointer and length are those of a live buffer.
            let got =
                unsafe { libc::recv(self.fd.as_raw_fd(), news.as_mut_ptr().cast(), news.len(), 0) };
            let Some(news) = usize::try_from(got).ok().and_then(|got| news.get(..got)) else {
                return Err(LabError::last("wait for an IPv6 address of its own"));
            };
            let local = local_routes(news);
            awaited.retain(|address| !local.contains(&address.as_slice()));
        }
        Ok(())
    }

    /// Makes a pair of virtual Ethernet interfaces.
    pub fn veth(&mut self, one: &str, other: &str) -> Result<(), LabError> {
        let mut peer = link_header(0, 0);
        attribute(&mut peer, IFLA_IFNAME, &terminated(other));
        let mut data = Vec::new();
        attribute(&mut data, VETH_INFO_PEER | NESTED, &peer);
        let mut info = Vec::new();
        attribute(&mut info, IFLA_INFO_KIND, b"veth");
        attribute(&mut info, IFLA_INFO_DATA | NESTED, &data);
        let mut body = link_header(0, 0);
        attribute(&mut body, IFLA_IFNAME, &terminated(one));
        attribute(&mut body, IFLA_LINKINFO | NESTED, &info);
        self.ask(
            libc::RTM_NEWLINK,
            libc::NLM_F_CREATE | libc::NLM_F_EXCL,
            &body,
            "make a pair of interfaces",
        )
    }

    /// Brings a link up; with an Ethernet address and an MTU when they are given.
    /// The kernel makes no link-local address of its own, so nothing unasked is sent.
    pub fn link_up(
        &mut self,
        index: u32,
        ethernet: Option<[u8; 6]>,
        mtu: Option<u32>,
    ) -> Result<(), LabError> {
        if let Some(address) = ethernet {
            let mut body = link_header(index, 0);
            attribute(&mut body, IFLA_ADDRESS, &address);
            if let Some(mtu) = mtu {
                attribute(&mut body, IFLA_MTU, &mtu.to_ne_bytes());
            }
            let mut mode = Vec::new();
            attribute(&mut mode, IFLA_INET6_ADDR_GEN_MODE, &[ADDR_GEN_MODE_NONE]);
            let mut family = Vec::new();
            attribute(&mut family, (libc::AF_INET6 as u16) | NESTED, &mode);
            attribute(&mut body, IFLA_AF_SPEC | NESTED, &family);
            self.ask(libc::RTM_NEWLINK, 0, &body, "set up an interface")?;
        }
        let body = link_header(index, libc::IFF_UP as u32);
        self.ask(libc::RTM_NEWLINK, 0, &body, "bring an interface up")
    }

    /// Gives a link an address, at once usable (no duplicate address detection).
    pub fn address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<(), LabError> {
        let mut body = vec![family(address), prefix, 0, 0];
        body.extend_from_slice(&index.to_ne_bytes());
        let bytes = octets(address);
        attribute(&mut body, IFA_LOCAL, &bytes);
        attribute(&mut body, IFA_ADDRESS, &bytes);
        if address.is_ipv6() {
            attribute(&mut body, IFA_FLAGS, &IFA_F_NODAD.to_ne_bytes());
        }
        self.ask(
            libc::RTM_NEWADDR,
            libc::NLM_F_CREATE | libc::NLM_F_EXCL,
            &body,
            "give an interface its address",
        )
    }

    /// Makes `gateway` the default route of its family.
    pub fn default_route(&mut self, index: u32, gateway: IpAddr) -> Result<(), LabError> {
        let mut body = vec![
            family(gateway),
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_STATIC,
            0,
            libc::RTN_UNICAST,
        ];
        body.extend_from_slice(&0u32.to_ne_bytes());
        attribute(&mut body, RTA_GATEWAY, &octets(gateway));
        attribute(&mut body, RTA_OIF, &index.to_ne_bytes());
        self.ask(
            libc::RTM_NEWROUTE,
            libc::NLM_F_CREATE | libc::NLM_F_EXCL,
            &body,
            "set the default route",
        )
    }

    fn ask(
        &mut self,
        kind: u16,
        flags: i32,
        body: &[u8],
        what: &'static str,
    ) -> Result<(), LabError> {
        self.sequence = self.sequence.wrapping_add(1);
        let flags = (flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        let mut message = Vec::with_capacity(16 + body.len());
        message.extend_from_slice(&((16 + body.len()) as u32).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&0u32.to_ne_bytes());
        message.extend_from_slice(body);
        let fd = self.fd.as_raw_fd();
        // SAFETY: pointer and length are those of a live buffer.
        if unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), 0) } < 0 {
            return Err(LabError::last(what));
        }
        let mut answer = [0u8; 4096];
        // SAFETY: pointer and length are those of a live buffer.
        let got = unsafe { libc::recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0) };
        if got < 20 {
            return Err(LabError::last(what));
        }
        // The acknowledgement is an nlmsgerr: a header, then the errno, negative, 0 for success.
        let code = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
        if code == 0 {
            Ok(())
        } else {
            Err(LabError::System {
                what,
                source: io::Error::from_raw_os_error(-code),
            })
        }
    }
}

/// The destinations of the local routes that a datagram of news tells of.
fn local_routes(mut news: &[u8]) -> Vec<&[u8]> {
    /// Of a message, and of a route in it.
    const HEADER: usize = 16;
    const ROUTE: usize = 12;
    let mut found = Vec::new();
    while let Some(length) = length_at(news, size_of::<u32>()).filter(|length| *length > HEADER) {
        let message = news.get(..length).unwrap_or_default();
        let is_new = message.get(4..6) == Some(&libc::RTM_NEWROUTE.to_ne_bytes());
        let is_local = message.get(HEADER + 7) == Some(&libc::RTN_LOCAL);
        let mut attributes = message.get(HEADER + ROUTE..).unwrap_or_default();
        while let Some(length) = length_at(attributes, size_of::<u16>()).filter(|l| *l > 4) {
            let is_destination = attributes.get(2..4) == Some(&RTA_DST.to_ne_bytes());
            if let Some(value) = attributes.get(4..length)
                && is_new
                && is_local
                && is_destination
            {
                found.push(value);
            }
            attributes = attributes
                .get(length.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        news = news.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The length that a message or an attribute begins with, in this many bytes.
fn length_at(bytes: &[u8], width: usize) -> Option<usize> {
    let mut whole = [0u8; 4];
    let given = bytes.get(..width)?;
    // Netlink speaks in the machine's own order.
    if cfg!(target_endian = "little") {
        whole[..width].copy_from_slice(given);
    } else {
        whole[4 - width..].copy_from_slice(given);
    }
    Some(u32::from_ne_bytes(whole) as usize)
}

fn link_header(index: u32, up: u32) -> Vec<u8> {
    let mut body = vec![0u8; 4];
    body.extend_from_slice(&index.to_ne_bytes());
    body.extend_from_slice(&up.to_ne_bytes());
    body.extend_from_slice(&up.to_ne_bytes());
    body
}

fn terminated(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
