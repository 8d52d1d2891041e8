//! What the user named: files, folders, standard input.
//!
//! A folder means its captures, at any depth, in the order of their names. What is no capture in it (a
//! note, a picture) is passed over; what may not be read is named. A folder that holds a whole disk is refused before any
//! of its files is opened.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::open_error::{OpenError, OpenErrorKind};
use super::reader::CaptureReader;
use crate::base::Foreign;

/// Folders within folders, at the most.
const DEPTH: usize = 64;
/// Files and folders below one folder, at the most: more is a whole disk named by mistake, and looking at it takes minutes.
const ENTRIES: usize = 50_000;

/// One thing to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, FIFO or device.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

/// A path as reports name it.
pub(super) fn name(path: &Path) -> Foreign {
    Foreign::from_bytes(path.as_os_str().as_bytes())
}

/// What the arguments mean, one after the other: `-` is standard input, a folder its captures. Files are not
/// opened here; what is wrong with a folder is an error in its place.
pub fn expand<S: AsRef<OsStr>>(arguments: &[S]) -> Vec<Result<Input, OpenError>> {
    let mut inputs = Vec::new();
    for argument in arguments {
        let path = Path::new(argument.as_ref());
        if path.as_os_str() == "-" {
            inputs.push(Ok(Input::Stdin));
        } else if path.is_dir() {
            folder(path, &mut inputs);
        } else {
            inputs.push(Ok(Input::Path(path.to_path_buf())));
        }
    }
    inputs
}

fn folder(path: &Path, inputs: &mut Vec<Result<Input, OpenError>>) {
    let mut files = Vec::new();
    let before = inputs.len();
    let mut left = ENTRIES;
    walk(path, 0, &mut left, &mut files, inputs);
    if left == 0 {
        inputs.truncate(before);
        inputs.push(Err(OpenError::new(
            OpenErrorKind::NoCaptures,
            &name(path),
            format!(
                "is a folder with more than {ENTRIES} files and folders in it: name the folder that holds the captures"
            ),
        )));
        return;
    }
    files.sort();
    let seen = files.len();
    for file in files {
        let input = Input::Path(file);
        match CaptureReader::open(&input) {
            Ok(_) => inputs.push(Ok(input)),
            Err(error) if error.kind() == OpenErrorKind::NotPermitted => inputs.push(Err(error)),
            Err(_) => {}
        }
    }
    if inputs.len() == before {
        let what = match seen {
            0 => "is a folder without a file in it".to_string(),
            1 => "is a folder without a capture in it: its only file is none".to_string(),
            seen => format!("is a folder without a capture in it: none of its {seen} files is one"),
        };
        inputs.push(Err(OpenError::new(
            OpenErrorKind::NoCaptures,
            &name(path),
            what,
        )));
    }
}

/// Collects regular files, also behind links; folders behind links are left alone, as they may be a circle.
fn walk(
    path: &Path,
    depth: usize,
    left: &mut usize,
    files: &mut Vec<PathBuf>,
    errors: &mut Vec<Result<Input, OpenError>>,
) {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            errors.push(Err(OpenError::from_io(&name(path), &error)));
            return;
        }
    };
    for entry in entries.flatten() {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEPTH => {
                walk(&path, depth.saturating_add(1), left, files, errors)
            }
            Ok(kind) if kind.is_file() => files.push(path),
            Ok(kind) if kind.is_symlink() && path.is_file() => files.push(path),
            _ => {}
        }
    }
}
