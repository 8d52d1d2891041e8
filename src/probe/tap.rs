//! The tap: libpcap on every interface that our packets may use, in the same thread as everything else.
//!
//! All handles are opened before anything is sent, so that privileges can be given up then. The kernel filter follows the
//! hosts that we talk to; it is exchanged in one step (SO_ATTACH_FILTER), because libpcap's own way of doing it empties
//! the socket first and would lose answers. What is not of our flows is dropped here and never recorded.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex};

use pcap::{Active, Capture, Device, IfFlags, Linktype, Precision};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::context::Context;
use super::recording::{Listened, Taken};
use crate::base::Timestamp;
use crate::wire::dissect;

/// Interfaces that are listened on at once.
const INTERFACES: usize = 64;
/// Hosts that the kernel filter names; with more all IP passes and is sorted out here.
const HOSTS: usize = 100;
/// Bytes of a frame that are kept: what offloading makes of a server's flight as well.
const SNAPLEN: i32 = 32_768;
/// Kernel buffer per interface in bytes. At once means a slot of SNAPLEN for each packet (packet(7), TPACKET_V2): room for 512
/// that come between two looks, as many targets side by side need.
const BUFFER: i32 = 16 << 20;

/// Why nothing can be captured.
#[derive(Clone, Debug)]
pub enum TapError {
    /// It is not permitted.
    NotPermitted,
    /// Something else, in libpcap's words.
    Other(String),
}

/// One interface.
struct Port {
    name: String,
    link_type: u16,
    linktype: Linktype,
    capture: Mutex<Capture<Active>>,
    fd: RawFd,
}

/// All interfaces.
pub struct Tap(Vec<Arc<Port>>);

/// What an [`AsyncFd`] waits on; the port keeps the descriptor open.
struct Watched(Arc<Port>);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.fd
    }
}

impl Tap {
    /// Opens the interfaces that are up and have an address (only `interface`, when one is named), and the loopback.
    pub fn open(interface: Option<&str>) -> Result<Tap, TapError> {
        let devices = Device::list().map_err(|error| TapError::Other(error.to_string()))?;
        let mut ports = Vec::new();
        let mut failure = None;
        for device in devices {
            let loopback = device.flags.if_flags.contains(IfFlags::LOOPBACK);
            let wanted = match interface {
                Some(name) => device.name == name || loopback,
                None => {
                    device.flags.if_flags.contains(IfFlags::UP)
                        && (loopback || !device.addresses.is_empty())
                }
            };
            if !wanted || ports.len() >= INTERFACES {
                continue;
            }
            match Port::open(&device.name) {
                Ok(port) => ports.push(Arc::new(port)),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if ports.is_empty() => Err(error),
            None if ports.is_empty() => Err(TapError::Other(
                "no interface is up and has an address".to_owned(),
            )),
            _ => Ok(Tap(ports)),
        }
    }

    /// What is listened on, in the order of [`Taken::interface`].
    pub fn interfaces(&self) -> Vec<Listened> {
        self.0
            .iter()
            .map(|port| Listened {
                name: port.name.clone(),
                link_type: port.link_type,
            })
            .collect()
    }

    /// Lets the packets of these hosts through from now on.
    pub fn admit(&self, hosts: &[std::net::IpAddr]) {
        // A SYN-ACK from anybody: it may be an answer from another address than the one that was asked.
        let mut program = String::from(
            "arp or icmp or icmp6 or (tcp[tcpflags] & (tcp-syn|tcp-ack) = (tcp-syn|tcp-ack)) \
             or (ip6[6] = 6 and ip6[53] & 0x12 = 0x12)",
        );
        if hosts.len() > HOSTS {
            program.push_str(" or ip or ip6");
        } else {
            for host in hosts {
                program.push_str(&format!(" or host {host}"));
            }
        }
        for port in &self.0 {
            port.filter(&program);
        }
    }

    /// Hands every frame to the context, until the runtime ends.
    pub fn start(&self, context: &Context) {
        for (interface, port) in self.0.iter().enumerate() {
            let (port, context) = (port.clone(), context.clone());
            tokio::spawn(async move {
                let watched = Watched(port.clone());
                // SAFETY: the descriptor is the capture's, which the port owns; `Watched` keeps the port.
                let watched =
                    unsafe { AsyncFd::register_with_interest(watched, Interest::READABLE) };
                let Ok(watched) = watched else {
                    return;
                };
                while let Ok(mut ready) = watched.readable().await {
                    port.drain(interface, &context);
                    ready.clear_ready();
                    // The ring may have been filled between the last look and the clearing.
                    port.drain(interface, &context);
                    tokio::task::yield_now().await;
                }
            });
        }
    }

    /// Takes what is there now.
    pub fn drain(&self, context: &Context) {
        for (interface, port) in self.0.iter().enumerate() {
            port.drain(interface, context);
        }
    }

    /// Frames that the kernel had no room for.
    pub fn dropped(&self) -> u64 {
        self.0
            .iter()
            .filter_map(|port| port.capture.lock().ok()?.stats().ok())
            .map(|stats| u64::from(stats.dropped))
            .sum()
    }
}

impl Port {
    fn open(name: &str) -> Result<Port, TapError> {
        let failed = |error: pcap::Error| {
            let text = error.to_string();
            if text.contains("permi") || text.contains("Operation not") {
                TapError::NotPermitted
            } else {
                TapError::Other(format!("{name}: {text}"))
            }
        };
        let capture = Capture::from_device(name)
            .map_err(failed)?
            .immediate_mode(true)
            .precision(Precision::Nano)
            .snaplen(SNAPLEN)
            .buffer_size(BUFFER)
            .open()
            .or_else(|_| {
                Capture::from_device(name)?
                    .immediate_mode(true)
                    .snaplen(SNAPLEN)
                    .precision(Precision::Nano)
                    .open()
            })
            .map_err(failed)?
            .setnonblock()
            .map_err(failed)?;
        let linktype = capture.get_datalink();
        let port = Port {
            name: name.to_owned(),
            // DLT_RAW is 12 on Linux; files call it 101.
            link_type: match linktype.0 {
                12 => 101,
                other => u16::try_from(other).unwrap_or(u16::MAX),
            },
            linktype,
            fd: capture.as_raw_fd(),
            capture: Mutex::new(capture),
        };
        port.filter("arp or icmp or icmp6");
        Ok(port)
    }

    /// Exchanges the kernel's filter. Where it cannot be, everything comes through and is sorted out here.
    fn filter(&self, program: &str) {
        // Cooked captures see packets from their network layer on: the kernel's offsets are others.
        if !matches!(self.linktype.0, 1 | 12) {
            return;
        }
        let Ok(compiler) = Capture::dead(self.linktype) else {
            return;
        };
        let Ok(compiled) = compiler.compile(program, true) else {
            return;
        };
        let instructions = compiled.get_instructions();
        let Ok(len) = u16::try_from(instructions.len()) else {
            return;
        };
        let program = libc::sock_fprog {
            len,
            filter: instructions.as_ptr().cast::<libc::sock_filter>().cast_mut(),
        };
        // SAFETY: libpcap's instructions have the kernel's layout (struct bpf_insn and sock_filter are the same eight
        // bytes), they live until the call returns, and the kernel only reads them.
        unsafe {
            libc::setsockopt(
                self.fd,
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<libc::sock_fprog>() as libc::socklen_t,
            );
        }
    }

    fn drain(&self, interface: usize, context: &Context) {
        let Ok(mut capture) = self.capture.lock() else {
            return;
        };
        while let Ok(packet) = capture.next_packet() {
            let stamp = packet.header.ts;
            let time = Timestamp(
                stamp
                    .tv_sec
                    .saturating_mul(1_000_000_000)
                    .saturating_add(stamp.tv_usec),
            );
            let original_len = packet.header.len;
            let dissected = dissect(self.link_type, packet.data, original_len);
            context.tapped(&dissected, time, || Taken {
                time,
                interface,
                data: packet.data.to_vec(),
                original_len,
                control: None,
            });
        }
    }
}
