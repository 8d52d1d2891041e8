//! An installed program (swaks, curl, openssl, fetchmail) in place of the embedded client.
//!
//! It runs in this thread's network namespace, with its output captured and a time limit. It
//! refuses to look for programs anywhere but in PATH, and to use a shell.

use super::Network;
use super::spec::{ClientSpec, External};
use crate::lab::server::stop::Woken;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Output kept, in bytes per stream.
const OUTPUT: u64 = 65_536;

/// Runs it to its end; its output, and why it failed if it did.
pub fn run(
    external: &External,
    spec: &ClientSpec,
    targets: &[SocketAddr],
    network: &Network<'_>,
) -> (String, Option<String>) {
    match try_run(external, spec, targets, network) {
        Ok(outcome) => outcome,
        Err(error) => (
            String::new(),
            Some(format!("{}: {error}", external.program)),
        ),
    }
}

fn try_run(
    external: &External,
    spec: &ClientSpec,
    targets: &[SocketAddr],
    network: &Network<'_>,
) -> std::io::Result<(String, Option<String>)> {
    let roots = std::env::temp_dir().join(format!(
        "mxray-lab-roots-{}-{:x}.pem",
        std::process::id(),
        network.seed
    ));
    let wants_roots = external
        .arguments
        .iter()
        .any(|argument| argument.contains("{roots}"));
    if wants_roots {
        std::fs::write(&roots, &network.pki.roots_pem)?;
    }
    let server = targets
        .first()
        .map_or_else(String::new, |target| target.ip().to_string());
    let port = targets.first().map_or(0, SocketAddr::port).to_string();
    let fill = |argument: &String| {
        argument
            .replace("{server}", &server)
            .replace("{port}", &port)
            .replace("{name}", &spec.server)
            .replace("{roots}", &roots.to_string_lossy())
    };
    let outcome = Command::new(&external.program)
        .args(external.arguments.iter().map(fill))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|child| attend(child, external, network));
    if wants_roots {
        let _ = std::fs::remove_file(&roots);
    }
    outcome
}

fn attend(
    mut child: std::process::Child,
    external: &External,
    network: &Network<'_>,
) -> std::io::Result<(String, Option<String>)> {
    let deadline = Instant::now() + Duration::from_millis(external.timeout_ms);
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(std::io::ErrorKind::NotFound)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let input = external.input.as_bytes();
        scope.spawn(move || {
            // A program that ends early closes its input; that is its business.
            stdin.map(|mut stdin| stdin.write_all(input))
        });
        let out = scope.spawn(move || collect(stdout));
        let err = scope.spawn(move || collect(stderr));
        let woken = network.stop.readable(&pidfd, Some(deadline))?;
        if woken != Woken::Ready {
            child.kill()?;
        }
        let status = child.wait()?;
        let text = [
            out.join().unwrap_or_default(),
            err.join().unwrap_or_default(),
        ]
        .concat();
        let error = match (woken, status.success()) {
            (Woken::Ready, true) => None,
            (Woken::Ready, false) => Some(status.to_string()),
            _ => Some("took too long and was ended".to_owned()),
        };
        Ok((text, error))
    })
}

fn collect(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.by_ref().take(OUTPUT).read_to_end(&mut bytes);
        // The rest is read and forgotten, so that the program does not stand still.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
