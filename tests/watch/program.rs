//! `mxray watch` and `mxray replay` as a user runs them, and what they say as records.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::running::Followed;
pub use super::running::{Ended, Running, SOON};

/// Starts `mxray watch` in the namespace of the calling thread.
pub fn spawn(arguments: &[&str], folder: &Path) -> Result<Running, String> {
    let mut command = Command::new(crate::mxray());
    command.arg("watch").args(arguments).current_dir(folder);
    Running::spawn(command, Followed::Errors)
}

/// The same, until it captures.
pub fn start(arguments: &[&str], folder: &Path) -> Result<Running, String> {
    let mut running = spawn(arguments, folder)?;
    running.wait_for("capturing")?;
    Ok(running)
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
        dumped: output.status.core_dumped(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
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
