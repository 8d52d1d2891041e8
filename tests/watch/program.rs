//! The program as a user runs it: started, waited for, read.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long something may take that takes no time.
pub const SOON: Duration = Duration::from_secs(15);

/// A running `mxray watch`.
pub struct Running {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    output: JoinHandle<String>,
}

/// What it said and how it ended.
pub struct Ended {
    pub code: i32,
    pub output: String,
    pub errors: Vec<String>,
}

impl Running {
    /// Starts it in the namespace of the calling thread and waits until it captures.
    pub fn start(arguments: &[&str], folder: &Path) -> Result<Running, String> {
        let mut running = Running::spawn(arguments, folder)?;
        running.wait_for("capturing")?;
        Ok(running)
    }

    /// Starts it.
    pub fn spawn(arguments: &[&str], folder: &Path) -> Result<Running, String> {
        let mut child = Command::new(crate::mxray())
            .arg("watch")
            .args(arguments)
            .current_dir(folder)
            .env_remove("SUDO_UID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (Some(mut out), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("no pipes".to_owned());
        };
        let (tell, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let output = thread::spawn(move || {
            let mut text = String::new();
            let _ = out.read_to_string(&mut text);
            text
        });
        Ok(Running {
            child,
            said,
            heard: Vec::new(),
            output,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on standard error that holds that text.
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
        let output = self.output.join().map_err(|_| "no output".to_owned())?;
        Ok(Ended {
            code: status.code().unwrap_or(-1),
            output,
            errors: self.heard,
        })
    }
}

/// Replays files; records as NDJSON.
pub fn replay(files: &[&Path]) -> Result<Ended, String> {
    let output = Command::new(crate::mxray())
        .arg("replay")
        .args(files)
        .args(["--format", "ndjson"])
        .output()
        .map_err(|error| error.to_string())?;
    Ok(Ended {
        code: output.status.code().unwrap_or(-1),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr)
            .lines()
            .map(str::to_owned)
            .collect(),
    })
}

/// Records of a kind.
pub fn records(output: &str, kind: &str) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    for line in output.lines() {
        let record: Value =
            serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        if record["record"] == kind {
            found.push(record);
        }
    }
    Ok(found)
}

/// What was said of a connection: client port, server, server port, outcome, code, confidence.
pub type Said = (u64, String, u64, String, String, String);

/// The last record of each connection, sorted.
pub fn verdicts(output: &str) -> Result<Vec<Said>, String> {
    let mut found = Vec::new();
    for record in records(output, "connection")? {
        if record["attempt"].is_null() {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found.push((
            record["client"]["port"].as_u64().unwrap_or_default(),
            text(&record["server"]["ip"]),
            record["server"]["port"].as_u64().unwrap_or_default(),
            text(&record["outcome"]),
            text(&record["verdict"]["code"]),
            record["verdict"]["confidence"].to_string(),
        ));
    }
    found.sort();
    Ok(found)
}
