//! Where scenarios are found: those that the binary carries, or a folder of the user's own.
//!
//! It exists so that the lab works from any folder, on a machine with nothing but the binary. It refuses to
//! guess: a name that fits several scenarios is an error that says which.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::LabError;
use super::scenario::Scenario;

/// Code, name and text of every scenario of this version, in the order of their names.
static SHIPPED: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// The beginning of the names of scenarios that look like their code and must not get it.
const NEAR: &str = "near-";

/// A scenario and what it is called: `CODE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// A code, `ok` or `unknown`: the folder's name. Empty for a file that was named itself.
    pub code: String,
    /// The file's name without `.toml`.
    pub name: String,
    origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Shipped(&'static str),
    File(PathBuf),
}

impl Listed {
    /// A file of the user's own.
    pub fn file(path: &Path) -> Listed {
        Listed {
            code: String::new(),
            name: stem(&path.with_extension("")),
            origin: Origin::File(path.to_owned()),
        }
    }

    /// `CODE/NAME`, or the name alone.
    pub fn title(&self) -> String {
        match self.code.as_str() {
            "" => self.name.clone(),
            code => format!("{code}/{}", self.name),
        }
    }

    /// How far it is from the plainest scenario of its code: one that shows it, to a probe as well, by one client (with none
    /// there is nothing to look at while it runs), quickly.
    fn ornateness(&self) -> (bool, bool, bool, usize, u32) {
        let near = self.name.starts_with(NEAR);
        self.scenario()
            .map_or((true, true, true, usize::MAX, 0), |one| {
                let parts = one.client.len() + one.fault.len() + one.server.services.len();
                let (unprobed, unseen) = (one.probe.is_empty(), one.client.is_empty());
                (near, unprobed, unseen, parts, one.takes_s)
            })
    }

    /// Reads it. An error names file, line and column.
    pub fn scenario(&self) -> Result<Scenario, LabError> {
        match &self.origin {
            Origin::Shipped(text) => Scenario::parse(text),
            Origin::File(path) => Scenario::read(path),
        }
    }
}

/// All scenarios that the binary carries, in the order of their names.
pub fn shipped() -> Vec<Listed> {
    SHIPPED
        .iter()
        .map(|(code, name, text)| Listed {
            code: (*code).to_owned(),
            name: (*name).to_owned(),
            origin: Origin::Shipped(text),
        })
        .collect()
}

/// All scenarios below a folder, `CODE/NAME.toml`, in the order of their names.
pub fn list(folder: &Path) -> Result<Vec<Listed>, LabError> {
    let mut found = Vec::new();
    for code in entries(folder)? {
        if !code.is_dir() {
            continue;
        }
        for path in entries(&code)? {
            if path.extension().is_some_and(|e| e == "toml") {
                found.push(Listed {
                    code: stem(&code),
                    ..Listed::file(&path)
                });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The scenario that `wanted` means: a file, `CODE/NAME`, a code (the plainest scenario that shows it) or a name that
/// only one has.
pub fn find(all: &[Listed], wanted: &str) -> Result<Listed, LabError> {
    let path = Path::new(wanted);
    if path.extension().is_some_and(|e| e == "toml") || path.is_file() {
        return Ok(Listed::file(path));
    }
    if let Some(exact) = all.iter().find(|one| one.title() == wanted) {
        return Ok(exact.clone());
    }
    let of_code = all.iter().filter(|one| one.code == wanted);
    if let Some(plainest) = of_code.min_by_key(|one| one.ornateness()) {
        return Ok(plainest.clone());
    }
    let named: Vec<&Listed> = all.iter().filter(|one| one.name == wanted).collect();
    match named.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(LabError::Name(format!(
            "there is no scenario {wanted}: `mxray lab list` names them all; a file of your own ends in .toml"
        ))),
        many => {
            let titles: Vec<String> = many.iter().map(|one| one.title()).collect();
            Err(LabError::Name(format!(
                "{wanted} may be {}",
                titles.join(", ")
            )))
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let file = |source| LabError::File {
        path: folder.to_owned(),
        source,
    };
    fs::read_dir(folder)
        .map_err(file)?
        .map(|entry| entry.map(|e| e.path()).map_err(file))
        .collect()
}

fn stem(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{find, list, shipped};

    #[test]
    fn the_binary_carries_every_scenario_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
        let titles = |all: Vec<super::Listed>| -> Vec<String> {
            all.iter().map(super::Listed::title).collect()
        };
        let carried = shipped();
        for one in &carried {
            if let Err(error) = one.scenario() {
                panic!("{}: {error}", one.title());
            }
        }
        let (carried, there) = (titles(carried), titles(list(&folder).expect("a folder")));
        let lacking: Vec<_> = there.iter().filter(|one| !carried.contains(one)).collect();
        assert!(lacking.is_empty(), "not in the binary: {lacking:?}");
        assert_eq!(carried, there);
    }

    #[test]
    fn a_code_means_a_scenario_that_shows_it() {
        let all = shipped();
        let found = find(&all, "tcp.idle-dropped").expect("a scenario");
        assert_eq!(found.title(), "tcp.idle-dropped/reset");
        // With a client, so that there is something to look at while it runs.
        for code in ["tcp.dropped", "tcp.reset-by-path"] {
            let one = find(&all, code).expect("a scenario");
            assert!(!one.scenario().expect("read").client.is_empty(), "{code}");
        }
        let exact = find(&all, "tcp.idle-dropped/near-bye").expect("a scenario");
        assert_eq!(exact.title(), "tcp.idle-dropped/near-bye");
        let own = find(&all, "my/own.toml").expect("a file");
        assert_eq!(own.title(), "own");
        assert!(find(&all, "tcp.no-such").is_err());
        let several = find(&all, "near-v4-only").expect_err("several").to_string();
        assert!(several.contains("dns.no-address/near-v4-only"), "{several}");
    }
}
