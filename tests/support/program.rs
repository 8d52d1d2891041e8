//! The program as a user runs it: started, waited for by what it says, signalled, read to its end.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long something may take that takes no time; generous, since other tests share the machine.
pub const SOON: Duration = Duration::from_secs(40);

/// Which of its streams is followed line by line; the other is read whole.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)] // each suite follows one
pub enum Followed {
    Output,
    Errors,
}

/// A running program.
pub struct Running {
    child: Child,
    followed: Followed,
    said: Receiver<String>,
    heard: Vec<String>,
    other: JoinHandle<String>,
}

/// What it said and how it ended.
pub struct Ended {
    pub code: i32,
    #[allow(dead_code)] // asked by the suite that aborts it
    pub dumped: bool,
    pub output: String,
    pub errors: String,
}

impl Running {
    /// Starts it in the namespace of the calling thread.
    pub fn spawn(mut command: Command, followed: Followed) -> Result<Running, String> {
        let mut child = command
            .env_remove("SUDO_UID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("no pipes".to_owned());
        };
        let (output, errors): (Box<dyn Read + Send>, Box<dyn Read + Send>) =
            (Box::new(output), Box::new(errors));
        let (lines, mut other) = match followed {
            Followed::Output => (output, errors),
            Followed::Errors => (errors, output),
        };
        let (tell, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let other = thread::spawn(move || {
            let mut text = String::new();
            let _ = other.read_to_string(&mut text);
            text
        });
        Ok(Running {
            child,
            followed,
            said,
            heard: Vec::new(),
            other,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of the followed stream that holds that text.
    pub fn wait_for(&mut self, text: &str) -> Result<(), String> {
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(line) => {
                    let found = line.contains(text);
                    self.heard.push(line);
                    if found {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(format!("it never said {text:?}, only {:?}", self.heard));
                }
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) {
        if let Ok(id) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: numbers only; the child is not waited for yet, so the number is its own.
            unsafe { libc::kill(id, signal) };
        }
    }

    /// Waits for its end.
    pub fn end(mut self, patience: Duration) -> Result<Ended, String> {
        let deadline = Instant::now() + patience;
        let status = loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return Err(format!("it did not end; it said {:?}", self.heard));
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        self.heard.extend(self.said.iter());
        let lines = self.heard.join("\n");
        let other = self.other.join().map_err(|_| "no output".to_owned())?;
        let (output, errors) = match self.followed {
            Followed::Output => (lines, other),
            Followed::Errors => (other, lines),
        };
        Ok(Ended {
            code: status.code().unwrap_or(-1),
            dumped: status.core_dumped(),
            output,
            errors,
        })
    }
}
