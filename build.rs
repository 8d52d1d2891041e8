//! Puts the lab's scenarios into the binary, so that `mxray lab` needs nothing but the binary.
//!
//! It writes one Rust table, `(code, name, text)` in the order of names, that `src/lab/library.rs` includes. The
//! recordings stay outside: they are evidence for tests, and the lab makes new ones.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where it is"));
    let folder = root.join("captures");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut table = String::from("&[\n");
    for code in sorted(&folder).iter().filter(|path| path.is_dir()) {
        println!("cargo::rerun-if-changed={}", code.display());
        let mut files = sorted(code);
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "toml")
        });
        files.sort_by_key(|file| file.with_extension(""));
        for file in files {
            let name = stem(&file.with_extension(""));
            let _ = writeln!(
                table,
                "    ({:?}, {name:?}, include_str!({file:?})),",
                stem(code)
            );
        }
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    fs::write(out.join("scenarios.rs"), table).expect("the table of scenarios can be written");
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    let name = path.file_name().expect("it has a name");
    name.to_str()
        .expect("names of scenarios are ASCII")
        .to_owned()
}
