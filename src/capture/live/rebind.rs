//! Going on with an interface that was deleted and made again.
//!
//! Opening a packet socket needs a privilege that is given up by then. Binding an open one to another interface needs none
//! (packet(7): only `socket` is checked), and its ring and filter stay. libpcap has no call for it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// linux/if_packet.h.
const PACKET_MR_PROMISC: u16 = 1;

/// The number of an interface, while there is one of that name.
pub(super) fn index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is NUL-terminated and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The name of an interface, while there is one of that number.
pub(super) fn name(index: u32) -> Option<String> {
    let mut name = [0; libc::IFNAMSIZ];
    // SAFETY: the buffer has the room that the call asks for, and it ends the name with NUL.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: the call above filled in a NUL-terminated name.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Some(name.to_string_lossy().into_owned())
}

/// The hardware type (`ARPHRD_`) of an interface: what its frames begin with.
pub(super) fn hardware(socket: BorrowedFd<'_>, name: &str) -> Option<u16> {
    let mut request = request(name);
    // SAFETY: SIOCGIFHWADDR reads and writes one ifreq, which lives here.
    let done = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCGIFHWADDR as _,
            &raw mut request,
        )
    };
    if done != 0 {
        return None;
    }
    // SAFETY: the call above filled in the address.
    Some(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// Whether an interface is up.
pub(super) fn is_up(socket: BorrowedFd<'_>, name: &str) -> bool {
    let mut request = request(name);
    // SAFETY: SIOCGIFFLAGS reads and writes one ifreq, which lives here.
    let done = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCGIFFLAGS as _,
            &raw mut request,
        )
    };
    // SAFETY: the call above filled in the flags.
    done == 0 && i32::from(unsafe { request.ifr_ifru.ifru_flags }) & libc::IFF_UP != 0
}

fn request(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq of zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // One byte stays zero.
    for (to, from) in request
        .ifr_name
        .iter_mut()
        .take(libc::IFNAMSIZ - 1)
        .zip(name.bytes())
    {
        *to = from as libc::c_char;
    }
    request
}

/// Binds an open packet socket to the interface of that number, promiscuous again if `promiscuous`.
pub(super) fn rebind(socket: BorrowedFd<'_>, index: u32, promiscuous: bool) -> io::Result<()> {
    let index = i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: a sockaddr_ll of zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index;
    let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: pointer and size are those of a live address.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if promiscuous {
        // SAFETY: a packet_mreq of zeroes is a valid value.
        let mut member: libc::packet_mreq = unsafe { std::mem::zeroed() };
        member.mr_ifindex = index;
        member.mr_type = PACKET_MR_PROMISC;
        let size = size_of::<libc::packet_mreq>() as libc::socklen_t;
        // Without it frames for other machines are missing, as on an interface that refuses it.
        // SAFETY: pointer and size are those of a live value.
        let _ = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const member).cast(),
                size,
            )
        };
    }
    Ok(())
}
