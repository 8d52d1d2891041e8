//! Why a live capture could not begin.

use thiserror::Error;

/// Why a live capture could not begin. The texts are one sentence for a person.
#[derive(Debug, Error)]
pub enum LiveError {
    /// This user may not capture.
    #[error(
        "{0} may not be captured by this user: run it with sudo, or allow it once with `sudo setcap cap_net_raw+ep {1}`"
    )]
    NotPermitted(String, String),
    /// There is no such interface.
    #[error("there is no interface {0}; this machine has {1}")]
    NoInterface(String, String),
    /// The interface cannot be captured.
    #[error("{0} cannot be captured: {1}")]
    Unusable(String, String),
    /// What the user wrote as filter is none.
    #[error("--filter: {0}")]
    Filter(String),
}

impl LiveError {
    /// Whether it is a matter of privileges.
    pub fn is_permission(&self) -> bool {
        matches!(self, LiveError::NotPermitted(..))
    }
}
