//! The interface at either end of the path: a TAP device whose other side the path reads and writes,
//! or a veth pair where there is no TAP.
//!
//! A TAP without a virtio header has no offloads: what the kernel hands us is cut to the MTU and has
//! its checksums complete, as on a wire.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::netlink::Netlink;
use super::veth;
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
    /// Where /dev/net/tun is closed it is a veth pair.
    pub fn build(spec: &EndSpec) -> Result<Tap, LabError> {
        let mut netlink = Netlink::open()?;
        let tap = match Tap::open() {
            Ok(tap) => tap,
            Err(closed) => Tap {
                fd: veth::open(&mut netlink).map_err(|_| closed)?,
            },
        };
        tap.configure(spec, &mut netlink)?;
        Ok(tap)
    }

    fn configure(&self, spec: &EndSpec, netlink: &mut Netlink) -> Result<(), LabError> {
        // SAFETY: the name is NUL-terminated.
        let index = unsafe { libc::if_nametoindex(c"mail0".as_ptr()) };
        // SAFETY: as above.
        let loopback = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
        if index == 0 || loopback == 0 {
            return Err(LabError::last("find the interface it just made"));
        }
        netlink.link_up(loopback, None, None)?;
        netlink.link_up(index, Some(spec.ethernet), Some(spec.mtu))?;
        let news = Netlink::listening()?;
        for (address, prefix) in &spec.addresses {
            netlink.address(index, *address, *prefix)?;
        }
        let addresses: Vec<IpAddr> = spec.addresses.iter().map(|(address, _)| *address).collect();
        news.until_received_for(&addresses)?;
        for gateway in &spec.gateways {
            netlink.default_route(index, *gateway)?;
        }
        Ok(())
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
                "/dev/net/tun cannot be opened ({error}) and a veth pair cannot be made: run as root, or `modprobe tun && chmod 666 /dev/net/tun`, \
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    use super::{EndSpec, Tap};
    use crate::lab::net::netlink::Netlink;
    use crate::lab::net::{claim, enter_network, veth};

    #[test]
    fn a_veth_pair_is_as_good_as_a_tap() {
        if claim().is_err() || enter_network().is_err() {
            eprintln!("SKIPPED: no namespaces on this machine");
            return;
        }
        let mut netlink = Netlink::open().expect("netlink");
        let Ok(fd) = veth::open(&mut netlink) else {
            eprintln!("SKIPPED: no veth on this machine");
            return;
        };
        let wire = Tap { fd };
        let spec = EndSpec {
            ethernet: [2, 0, 0, 0, 0, 5],
            addresses: vec![("10.0.0.5".parse().expect("an address"), 24)],
            gateways: vec!["10.0.0.1".parse().expect("an address")],
            mtu: 1500,
        };
        wire.configure(&spec, &mut netlink).expect("configured");
        let socket = UdpSocket::bind("10.0.0.5:0").expect("a socket");
        socket.send_to(b"hello", "192.0.2.10:53").expect("sent");
        // The first thing that leaves is the question for the gateway's Ethernet address.
        let (mut frame, deadline) = ([0u8; 2048], Instant::now() + Duration::from_secs(5));
        while Instant::now() < deadline {
            if let Ok(Some(length)) = wire.read(&mut frame)
                && frame[..length][12..14] == [8, 6]
            {
                assert_eq!(frame[38..42], [10, 0, 0, 1]);
                return;
            }
        }
        panic!("no ARP request came out of the pair");
    }
}
