//! An installed program (swaks, curl, openssl, fetchmail) in place of the embedded client.
//!
//! It runs in this thread's network namespace, with an empty /tmp of its own, its output captured and a time limit. It
//! refuses to look for programs anywhere but in PATH, and to use a shell.

use super::Network;
use super::spec::{ClientSpec, External};
use crate::lab::program::{Handed, Program};
use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

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
) -> io::Result<(String, Option<String>)> {
    let handed = [Handed::new(network.pki.roots_pem.as_bytes())?];
    let [roots] = &handed;
    let server = targets
        .first()
        .map_or_else(String::new, |target| target.ip().to_string());
    let port = targets.first().map_or(0, SocketAddr::port).to_string();
    let fill = |text: &String| {
        text.replace("{server}", &server)
            .replace("{port}", &port)
            .replace("{name}", &spec.server)
            .replace("{roots}", &roots.path())
    };
    let program = Program {
        file: OsStr::new(&external.program),
        arguments: external.arguments.iter().map(|a| fill(a).into()).collect(),
        input: external.input.as_bytes(),
        handed: &handed,
        own_tmp: true,
        patience: Duration::from_millis(external.timeout_ms),
        keep: OUTPUT,
    };
    let ended = program.run(&network.stop)?;
    let said = [ended.stdout, ended.stderr].concat();
    let error = match ended.status {
        Some(status) if status.success() => None,
        Some(status) => Some(status.to_string()),
        None => Some("took too long and was ended".to_owned()),
    };
    Ok((String::from_utf8_lossy(&said).into_owned(), error))
}
