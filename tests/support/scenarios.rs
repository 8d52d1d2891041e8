//! The scenarios below `captures/`, and where the recordings of those that fail are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mxray::lab::{Listed, Recording, Scenario, list};

use super::suite;

/// A scenario with its name, or why it could not be read.
pub type Entry = (Listed, Result<Scenario, String>);

/// Every scenario that this machine can run, inside the lab; `Err` is how the suite ends without any.
pub fn all() -> Result<Vec<Entry>, ExitCode> {
    let required = suite::lab_is_required();
    suite::enter(required)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let listed = list(&folder).map_err(|error| suite::skip(true, &error.to_string()))?;
    if listed.is_empty() {
        return Err(suite::skip(true, "there are no scenarios"));
    }
    let mut all = Vec::new();
    for one in listed {
        let scenario = one.scenario().map_err(|error| error.to_string());
        let lacking = scenario.as_ref().map_or(Vec::new(), Scenario::lacking);
        if lacking.is_empty() || required {
            all.push((one, scenario));
        } else {
            let names = lacking.join(" ");
            println!("SKIPPED: {}: {names} is not installed", one.title());
        }
    }
    Ok(all)
}

/// Keeps a recording below the build folder.
pub fn keep(title: &str, recording: &Recording) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("{}.pcapng", title.replace(['/', ' '], "_")));
    fs::write(&path, recording.pcapng().ok()?).ok()?;
    Some(path)
}

/// Where it is, in words.
pub fn kept_as(path: Option<PathBuf>) -> String {
    path.map_or_else(
        || "not kept".to_owned(),
        |path| format!("kept as {}", path.display()),
    )
}
