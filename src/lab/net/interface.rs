//! The interface at either end of the path: a TAP device whose other side the path reads and writes.
//!
//! A TAP without a virtio header has no offloads: what the kernel hands us is cut to the MTU and has
//! its checksums complete, as on a wire.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::netlink::Netlink;
use crate::lab::error::{LabError, Reason};

/// How one end is to be set up.
#[derive(Clone, Debug)]
pub struct EndSpec {
    /// Its Ethernet address.
    pub ethernet: [u8; 6],
    /// Its addresses with prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Its default gateways, at most one per family.
    pub gateways: Vec<IpAddr>,
    /// Its interface's MTU in bytes.
    pub mtu: u32,
}

/// The path's side of an end's interface: Ethernet frames in and out, never blocking.
pub struct Tap {
    fd: OwnedFd,
}

/// The interface's name inside the namespace.
const NAME: &[u8] = b"mail0";

impl Tap {
    /// Makes the interface in the calling thread's namespace and configures it; `lo` comes up as well.
    pub fn build(spec: &EndSpec) -> Result<Tap, LabError> {
        let tap = Tap::open()?;
        // SAFETY: the name is NUL-terminated.
        let index = unsafe { libc::if_nametoindex(c"mail0".as_ptr()) };
        // SAFETY: as above.
        let loopback = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
        if index == 0 || loopback == 0 {
            return Err(LabError::last("find the interface it just made"));
        }
        let mut netlink = Netlink::open()?;
        netlink.link_up(loopback, None, None)?;
        netlink.link_up(index, Some(spec.ethernet), Some(spec.mtu))?;
        for (address, prefix) in &spec.addresses {
            netlink.address(index, *address, *prefix)?;
        }
        for gateway in &spec.gateways {
            netlink.default_route(index, *gateway)?;
        }
        Ok(tap)
    }

    fn open() -> Result<Tap, LabError> {
        // SAFETY: the path is NUL-terminated.
        let fd = unsafe {
            libc::open(
                c"/dev/net/tun".as_ptr(),
                libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK,
            )
        };
        if fd < 0 {
            let error = io::Error::last_os_error();
            return Err(Reason(format!(
                "/dev/net/tun cannot be opened ({error}): run as root, or `modprobe tun && chmod 666 /dev/net/tun`, \
                 in a container with `--device /dev/net/tun`"
            ))
            .into());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: an ifreq of zeroes is a valid value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(NAME) {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
        // SAFETY: TUNSETIFF reads and writes one ifreq, which lives here.
        if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF, &mut request) } != 0 {
            return Err(LabError::last("make a TAP interface"));
        }
        // SAFETY: TUNSETOFFLOAD takes a flag word by value.
        if unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD, 0 as libc::c_ulong) } != 0 {
            return Err(LabError::last("switch offloading off"));
        }
        Ok(Tap { fd })
    }

    /// Reads one frame; `None` when there is none now.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: pointer and length are those of a live buffer.
        let got = unsafe {
            libc::read(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
            )
        };
        if got >= 0 {
            return Ok(Some(got as usize));
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        }
    }

    /// Hands the end's kernel one frame. A full queue drops it, as a wire would.
    pub fn write(&self, frame: &[u8]) {
        // SAFETY: pointer and length are those of a live buffer.
        let _ = unsafe { libc::write(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len()) };
    }

    /// The descriptor to wait on.
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
