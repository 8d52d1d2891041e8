//! A pipe that may give nothing for hours, read without being deaf meanwhile.
//!
//! It exists because a read that waits cannot be told to end: who wants it ended says so in a [`Stop`], and the pipe then
//! ends as if its writer had closed it, so that what came before is still judged. It is for pipes and terminals; a file is never waited for.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Set by whoever wants the reading to end.
pub type Stop = Arc<AtomicBool>;

/// How long at the most nobody looks whether it was set.
const LISTEN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// A descriptor that is read until it ends or is told to.
pub(super) struct Patient<F> {
    input: F,
    stop: Stop,
}

impl<F> Patient<F> {
    pub(super) fn new(input: F, stop: &Stop) -> Patient<F> {
        Patient {
            input,
            stop: Arc::clone(stop),
        }
    }
}

impl<F: Read + AsFd> Read for Patient<F> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.stop.load(Ordering::Relaxed) {
            let mut asked = [PollFd::new(&self.input, PollFlags::IN)];
            match poll(&mut asked, Some(&LISTEN)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // Bytes, or an end or a fault that the read itself tells.
                _ => return self.input.read(out),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_silent_pipe_ends_when_it_is_told_to_and_not_before_its_bytes() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let stop = Stop::default();
        let mut patient = Patient::new(reader, &stop);
        writer.write_all(b"frame").expect("there is room");
        let mut bytes = [0; 16];
        assert_eq!(patient.read(&mut bytes).expect("bytes"), 5);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(patient.read(&mut bytes).expect("an end"), 0);
        drop(writer);
    }
}
