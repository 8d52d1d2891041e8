//! One bell that ends all threads of a lab run, and the waits that hear it.
//!
//! Every wait of a server or client goes through here: for bytes, for room to write, for a scripted
//! delay. So a run ends at once however long its scenario meant to be silent. There is no polling.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The bell.
#[derive(Debug)]
pub struct Stop {
    rung: AtomicBool,
    event: OwnedFd,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// What was waited for happened.
    Ready,
    /// The time is over.
    TimeOver,
    /// The bell rang.
    Stopped,
}

impl Stop {
    /// A bell that has not rung.
    ///
    /// # Errors
    /// When the kernel gives no event descriptor.
    pub fn new() -> io::Result<Stop> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Stop {
            rung: AtomicBool::new(false),
            event,
        })
    }

    /// Rings; it never stops ringing.
    pub fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
    }

    /// Whether it rang.
    pub fn is_rung(&self) -> bool {
        self.rung.load(Ordering::SeqCst)
    }

    /// Waits until the descriptor can be read, the deadline passes or the bell rings.
    pub fn readable(&self, socket: &impl AsFd, deadline: Option<Instant>) -> io::Result<Woken> {
        self.wait(Some((socket, PollFlags::IN)), deadline)
    }

    /// Waits until the descriptor can be written, the deadline passes or the bell rings.
    pub fn writable(&self, socket: &impl AsFd, deadline: Option<Instant>) -> io::Result<Woken> {
        self.wait(Some((socket, PollFlags::OUT)), deadline)
    }

    /// Lets the time pass; `true` if it passed undisturbed.
    pub fn pass(&self, time: Duration) -> bool {
        time.is_zero() && !self.is_rung()
            || matches!(
                self.wait(None::<(&OwnedFd, PollFlags)>, Some(Instant::now() + time)),
                Ok(Woken::TimeOver)
            )
    }

    /// Waits for the bell alone.
    pub fn until_rung(&self) {
        let _ = self.wait(None::<(&OwnedFd, PollFlags)>, None);
    }

    fn wait(
        &self,
        socket: Option<(&impl AsFd, PollFlags)>,
        deadline: Option<Instant>,
    ) -> io::Result<Woken> {
        loop {
            let left = match deadline {
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    Some(Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?)
                }
                None => None,
            };
            let bell = PollFd::new(&self.event, PollFlags::IN);
            let outcome = match &socket {
                Some((socket, flags)) => {
                    let mut both = [bell, PollFd::new(*socket, *flags)];
                    poll(&mut both, left.as_ref()).map(|_| [both[0].revents(), both[1].revents()])
                }
                None => {
                    let mut one = [bell];
                    poll(&mut one, left.as_ref()).map(|_| [one[0].revents(), PollFlags::empty()])
                }
            };
            match outcome {
                Ok([bell, _]) if !bell.is_empty() => return Ok(Woken::Stopped),
                Ok([_, socket]) if !socket.is_empty() => return Ok(Woken::Ready),
                Ok(_) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(Woken::TimeOver);
                }
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Stop {
    /// Waits until one of the sockets can be written; its place, or `None` when the time is over or the bell rang.
    pub fn any_writable(
        &self,
        sockets: &[&impl AsFd],
        deadline: Instant,
    ) -> io::Result<Option<usize>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
            let mut all: Vec<PollFd<'_>> = sockets
                .iter()
                .map(|socket| PollFd::new(*socket, PollFlags::OUT))
                .collect();
            all.push(PollFd::new(&self.event, PollFlags::IN));
            match poll(&mut all, Some(&left)) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    let ready = all.iter().position(|one| !one.revents().is_empty());
                    return Ok(ready.filter(|index| *index < sockets.len() && !self.is_rung()));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
