//! Why an input is not read: one sentence that names it, what is wrong with it and what to do.
//!
//! It exists because most captures that "do not work" are no captures: a text listing, a trace of
//! another tool, an empty file. It never guesses a format beyond what the first bytes say.

use std::fmt;
use std::io;

use crate::base::Foreign;

/// What kind of trouble an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenErrorKind {
    /// There is no such file or folder.
    NotFound,
    /// The operating system does not let us read it.
    NotPermitted,
    /// A folder without a capture in it, or a folder where a file was expected.
    NoCaptures,
    /// Nothing in it.
    Empty,
    /// Text of some kind.
    Text,
    /// It begins as a capture and ends inside its own header.
    HeaderCut,
    /// A capture, archive or trace in a format that is not read here.
    OtherFormat,
    /// A capture format that is read here, but not this version or variant of it.
    Unsupported,
    /// Nothing that is known.
    Unknown,
    /// Reading failed: a device error, a damaged compressed stream.
    Unreadable,
}

/// What a format's own header check found: the kind, and the words for after the name.
pub(super) type Refusal = (OpenErrorKind, String);

/// Why an input could not be opened as a capture. Its `Display` is the one sentence to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    kind: OpenErrorKind,
    input: Foreign,
    what: String,
}

impl OpenError {
    pub(super) fn new(kind: OpenErrorKind, input: &Foreign, what: impl Into<String>) -> OpenError {
        OpenError {
            kind,
            input: input.clone(),
            what: what.into(),
        }
    }

    /// From an error of the operating system.
    pub(super) fn from_io(input: &Foreign, error: &io::Error) -> OpenError {
        let (kind, what) = match error.kind() {
            io::ErrorKind::NotFound => (
                OpenErrorKind::NotFound,
                "no such file or folder".to_string(),
            ),
            io::ErrorKind::PermissionDenied => (
                OpenErrorKind::NotPermitted,
                "may not be read by this user: change its permissions, or read it as its owner"
                    .to_string(),
            ),
            _ => (
                OpenErrorKind::Unreadable,
                format!("cannot be read: {error}"),
            ),
        };
        OpenError {
            kind,
            input: input.clone(),
            what,
        }
    }

    /// The kind of trouble.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// The input's name, as the user gave it.
    pub fn input(&self) -> &Foreign {
        &self.input
    }

    /// What is wrong, without the name.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.input, self.what)
    }
}

impl std::error::Error for OpenError {}
