//! A probe by a user without any privilege: the right code, at the right place as far as sockets can see it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mxray::lab::{Scenario, probe_once};
use serde_json::Value;

/// The first root cause; without one `ok`, or `unknown` when something is incomplete.
fn found(report: &Value) -> String {
    let summary = &report["summary"];
    if let Some(code) = summary["root_causes"][0]["code"].as_str() {
        return code.to_owned();
    }
    let incomplete = summary["incomplete"].as_u64().unwrap_or(0) > 0;
    if incomplete { "unknown" } else { "ok" }.to_owned()
}

/// Probes a scenario's first target without any capability.
pub fn places(scenario: &Scenario, mxray: &Path) -> Result<(), String> {
    let spec = scenario.probe.first().ok_or("there is no probe")?;
    let program = unprivileged(mxray).map_err(|error| error.to_string())?;
    let probed = probe_once(scenario, spec, &program).map_err(|error| error.to_string())?;
    let report = &probed.report;
    let wanted = super::truth(scenario, spec);
    let found = found(report);
    let causes = &report["summary"]["root_causes"];
    if found != wanted {
        return Err(format!(
            "{found} instead of {wanted}: {causes} {}",
            probed.complaints
        ));
    }
    let at = &causes[0]["at"];
    for (what, wanted) in [("hop", spec.hop), ("after_hop", spec.after_hop)] {
        let found = at[what].as_u64();
        if let (Some(found), Some(wanted)) = (found, wanted)
            && found != u64::from(wanted)
        {
            return Err(format!(
                "{what} is {}, should be {wanted}: {causes}",
                at[what]
            ));
        }
    }
    // Something that lies on the way has a place, also without privilege.
    let placed = ["hop", "after_hop", "address"]
        .iter()
        .any(|what| !at[*what].is_null());
    if wanted != "ok" && !placed {
        return Err(format!("it was not placed: {causes}"));
    }
    let notes = report["sources"][0]["notes"].to_string();
    match notes.contains("not known: ") && notes.contains("setcap") {
        true => Ok(()),
        false => Err(format!(
            "what could not be known, and what grants it, is not said: {notes}"
        )),
    }
}

/// The program, started by nobody in particular.
fn unprivileged(mxray: &Path) -> std::io::Result<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plain-{}", std::process::id()));
    if !path.exists() {
        let fresh = path
            .with_extension(format!("{:?}", std::thread::current().id()).replace(['(', ')'], ""));
        let text = format!(
            "#!/bin/sh\nexec setpriv --bounding-set=-all --inh-caps=-all '{}' \"$@\"\n",
            mxray.display()
        );
        fs::write(&fresh, text)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
        // Others may be about to start it.
        fs::rename(&fresh, &path)?;
    }
    Ok(path)
}
