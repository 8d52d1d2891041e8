//! What can go wrong with the lab itself, as opposed to the faults that it makes on purpose.
//!
//! Every error is one sentence that ends in what to do about it, where something can be done.

use std::path::PathBuf;

use thiserror::Error;

/// Why a scenario could not be read or run.
#[derive(Debug, Error)]
pub enum LabError {
    /// The machine does not let us make a network.
    #[error("{0}")]
    Unavailable(#[from] Reason),
    /// A scenario file could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A scenario file says something that cannot be understood; the text names the line.
    #[error("{}: {text}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        text: String,
    },
    /// A scenario that is well written but makes no sense.
    #[error("the scenario cannot be built: {0}")]
    Nonsense(String),
    /// A name that means no scenario, or more than one.
    #[error("{0}")]
    Name(String),
    /// A system call of the lab failed.
    #[error("the lab cannot {what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A server or a client of the scenario could not be started.
    #[error("{0}")]
    Actor(String),
    /// One of the lab's own threads died.
    #[error("a thread of the lab ended unexpectedly: {0}")]
    Thread(&'static str),
}

impl LabError {
    /// The last error of the system, while doing `what`.
    pub(super) fn last(what: &'static str) -> LabError {
        LabError::System {
            what,
            source: std::io::Error::last_os_error(),
        }
    }

    /// Gives an I/O error the words for what was being done.
    pub(super) fn when(what: &'static str) -> impl Fn(std::io::Error) -> LabError {
        move |source| LabError::System { what, source }
    }
}

/// Why there can be no lab on this machine, in one sentence with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Reason(pub String);
