//! The other way to stand at the end of a wire: a veth pair and a packet socket, where /dev/net/tun is closed.
//!
//! Both ends of the pair are in the end's own namespace. The far one has no address, and the frames that
//! reach it are meant for a router's Ethernet address that is not its own, so the kernel looks at
//! none of them; the packet socket does. Checksum offloading is switched off, and with it segmentation
//! offloading, so that what is read is what a wire would carry.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::netlink::Netlink;
use crate::lab::error::LabError;

/// linux/if_packet.h: the socket does not see what it sent itself.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
/// linux/sockios.h.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// linux/ethtool.h: set transmit checksumming.
const ETHTOOL_STXCSUM: u32 = 0x17;

#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Makes the pair `mail0` and `path0` and gives a packet socket on the latter.
pub fn open(netlink: &mut Netlink) -> Result<OwnedFd, LabError> {
    netlink.veth("mail0", "path0")?;
    // SAFETY: the name is NUL-terminated.
    let index = unsafe { libc::if_nametoindex(c"path0".as_ptr()) };
    if index == 0 {
        return Err(LabError::last("find the interface it just made"));
    }
    netlink.link_up(index, Some([0x02, 0, 0, 0, 0xff, 0xfe]), None)?;
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: socket takes no pointers.
    let fd = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            libc::c_int::from(protocol),
        )
    };
    if fd < 0 {
        return Err(LabError::last("open a packet socket"));
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: a sockaddr_ll of zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = index as libc::c_int;
    let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: pointer and size are those of a live address.
    if unsafe { libc::bind(fd, (&raw const address).cast(), size) } != 0 {
        return Err(LabError::last("bind a packet socket"));
    }
    let one: libc::c_int = 1;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: pointer and size are those of a live integer.
    if unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_PACKET,
            PACKET_IGNORE_OUTGOING,
            (&raw const one).cast(),
            size,
        )
    } != 0
    {
        return Err(LabError::last("set up a packet socket"));
    }
    switch_off_checksums(&socket)?;
    Ok(socket)
}

fn switch_off_checksums(socket: &OwnedFd) -> Result<(), LabError> {
    let mut value = EthtoolValue {
        command: ETHTOOL_STXCSUM,
        data: 0,
    };
    // SAFETY: an ifreq of zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"mail0") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: SIOCETHTOOL reads one ifreq, which points to a value that lives as long as the call.
    if unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) } != 0 {
        return Err(LabError::last("switch offloading off"));
    }
    Ok(())
}
