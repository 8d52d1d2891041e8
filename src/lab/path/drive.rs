//! The loop that drives a path in real time: two TAP devices, one queue, one thread.
//!
//! It sleeps in `ppoll` until a frame comes, something is due, or it is told to stop; then it empties the
//! path and ends.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::neighbor::{self, Neighbor};
use super::packet::{Packet, Toward};
use super::{Path, PathSpec};
use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::lab::error::LabError;
use crate::lab::net::Tap;
use crate::lab::record::{Point, Recorder, Recording};

/// After the stop, the path is driven until nothing moved for so long …
const QUIET: Nanos = 250 * MILLISECOND;
/// … or for so long at the most.
const PATIENCE: Nanos = 5 * SECOND;

/// The larger of what a frame can be: a TAP's MTU is at most this.
const FRAME: usize = 65_536;

/// The first hop on the client's wire.
const FIRST: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// The last hop on the server's wire.
const LAST: [u8; 6] = [0x02, 0, 0, 0, 1, 0x01];

/// Tells the driver to stop, from another thread.
pub struct Stop(OwnedFd);

impl Stop {
    /// Lets the path run empty and end.
    pub fn stop(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: pointer and length are those of a live buffer of eight bytes, as an eventfd wants.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}

struct End {
    tap: Tap,
    toward: Toward,
    own: [u8; 6],
    router: [u8; 6],
    gateways: Vec<IpAddr>,
    neighbor: Neighbor,
    point: Point,
}

/// A path between two TAP devices.
pub struct Driver {
    path: Path,
    ends: [End; 2],
    recorder: Recorder,
    stop: OwnedFd,
    start: Instant,
    /// How long the path is kept up after the stop, at the least.
    linger: Nanos,
}

impl Driver {
    /// Ethernet address of the client.
    pub const CLIENT: [u8; 6] = [0x02, 0, 0, 0, 0, 0x05];
    /// Ethernet address of the server.
    pub const SERVER: [u8; 6] = [0x02, 0, 0, 0, 1, 0x10];

    /// Joins the devices, the client's first. Times of the recording are the machine's.
    pub fn new(
        path: Path,
        spec: &PathSpec,
        [client, server]: [Tap; 2],
        mut recorder: Recorder,
        linger: Duration,
    ) -> Result<(Driver, Stop), LabError> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(LabError::last("make an eventfd"));
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        let stop = unsafe { OwnedFd::from_raw_fd(fd) };
        let told = stop
            .try_clone()
            .map_err(LabError::when("copy a descriptor"))?;
        let epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos() as i64);
        recorder.begin(Timestamp(epoch));
        let ends = [
            End {
                tap: client,
                toward: Toward::Server,
                own: Driver::CLIENT,
                router: FIRST,
                gateways: spec.client_gateways(),
                neighbor: spec.client_neighbor,
                point: Point::Client,
            },
            End {
                tap: server,
                toward: Toward::Client,
                own: Driver::SERVER,
                router: LAST,
                gateways: spec.server_gateways(),
                neighbor: spec.server_neighbor,
                point: Point::Server,
            },
        ];
        let linger = i64::try_from(linger.as_nanos()).unwrap_or(i64::MAX / 4);
        Ok((
            Driver {
                path,
                ends,
                recorder,
                stop,
                start: Instant::now(),
                linger,
            },
            Stop(told),
        ))
    }

    fn now(&self) -> Nanos {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    /// Runs until it was told to stop and the path is empty.
    pub fn run(mut self) -> Result<Recording, LabError> {
        let mut buffer = vec![0u8; FRAME];
        let mut stopping: Option<Nanos> = None;
        let mut moved: Nanos = 0;
        loop {
            let due = self.path.next();
            let until = match stopping {
                None => due,
                Some(since) => {
                    let end = (moved.max(since) + QUIET)
                        .max(since + self.linger)
                        .min(since + self.linger + PATIENCE);
                    Some(due.map_or(end, |due| due.min(end)))
                }
            };
            let told = self.wait(until)?;
            let now = self.now();
            if told && stopping.is_none() {
                stopping = Some(now);
            }
            let mut any = false;
            for index in 0..self.ends.len() {
                any |= self.take_in(index, &mut buffer)?;
            }
            any |= self.hand_out();
            if any {
                moved = self.now();
            }
            if let Some(since) = stopping {
                let waited = now - since;
                let quiet = now - moved.max(since) >= QUIET && self.path.next().is_none();
                if (quiet && waited >= self.linger) || waited >= self.linger + PATIENCE {
                    return Ok(self.recorder.finish());
                }
            }
        }
    }

    /// Waits for a frame, the stop or a time; says whether the stop came.
    fn wait(&self, until: Option<Nanos>) -> Result<bool, LabError> {
        let [client, server] = &self.ends;
        let fds = [client.tap.raw(), server.tap.raw(), self.stop.as_raw_fd()];
        let mut polled = fds.map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        let left = until.map(|until| (until - self.now()).max(0));
        let timeout = left.map(|left| libc::timespec {
            tv_sec: left / SECOND,
            tv_nsec: left % SECOND,
        });
        let pointer = timeout
            .as_ref()
            .map_or(std::ptr::null(), |t| t as *const libc::timespec);
        // SAFETY: the array and the time live as long as the call; no signal mask is given.
        let ready = unsafe {
            libc::ppoll(
                polled.as_mut_ptr(),
                polled.len() as libc::nfds_t,
                pointer,
                std::ptr::null(),
            )
        };
        if ready < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(LabError::System {
                    what: "wait for packets",
                    source: error,
                });
            }
        }
        let told = polled[2].revents != 0;
        if told {
            let mut count = [0u8; 8];
            // SAFETY: pointer and length are those of a live buffer.
            let _ = unsafe {
                libc::read(
                    self.stop.as_raw_fd(),
                    count.as_mut_ptr().cast(),
                    count.len(),
                )
            };
        }
        Ok(told)
    }

    /// Reads all frames that an end has sent.
    fn take_in(&mut self, index: usize, buffer: &mut [u8]) -> Result<bool, LabError> {
        let mut any = false;
        loop {
            let now = self.now();
            let Some(end) = self.ends.get(index) else {
                return Ok(any);
            };
            let Some(length) = end
                .tap
                .read(buffer)
                .map_err(LabError::when("read from the TAP interface"))?
            else {
                return Ok(any);
            };
            let Some(frame) = buffer.get(..length).filter(|f| f.len() >= 14) else {
                continue;
            };
            any = true;
            self.recorder.frame(end.point, now, frame, end.toward);
            let kind = u16::from_be_bytes([frame[12], frame[13]]);
            for answer in neighbor::answers(frame, &end.gateways, end.router, end.neighbor) {
                self.recorder.frame(
                    end.point,
                    self.start.elapsed().as_nanos() as i64,
                    &answer,
                    end.toward.back(),
                );
                end.tap.write(&answer);
            }
            if !matches!(kind, neighbor::IPV4 | neighbor::IPV6) {
                continue;
            }
            let Some(packet) = Packet::new(frame[14..].to_vec()) else {
                continue;
            };
            if is_forwarded(packet.destination()) {
                let toward = end.toward;
                self.path.enter(toward, packet, now, &mut self.recorder);
            }
        }
    }

    /// Delivers what is due.
    fn hand_out(&mut self) -> bool {
        let now = self.now();
        let mut any = false;
        let [client, server] = &self.ends;
        let arrived: Vec<_> = self.path.advance(now, &mut self.recorder).collect();
        for (toward, packet) in arrived {
            any = true;
            let end = if toward == Toward::Client {
                client
            } else {
                server
            };
            if end.neighbor == Neighbor::Silent && end.point == Point::Server {
                continue;
            }
            let kind = if packet.version() == 4 {
                neighbor::IPV4
            } else {
                neighbor::IPV6
            };
            let frame = neighbor::frame(end.own, end.router, kind, packet.bytes());
            let now = self.start.elapsed().as_nanos() as i64;
            self.recorder.frame(end.point, now, &frame, toward);
            end.tap.write(&frame);
        }
        any
    }
}

/// Multicast, broadcast and link-local packets stay on their wire.
fn is_forwarded(destination: IpAddr) -> bool {
    match destination {
        IpAddr::V4(v4) => {
            !(v4.is_multicast() || v4.is_broadcast() || v4.is_link_local() || v4.is_unspecified())
        }
        IpAddr::V6(v6) => !(v6.is_multicast() || v6.is_unicast_link_local() || v6.is_unspecified()),
    }
}
