//! Why the kernel opened no connection, in the words of its errors. Refuses to say what the packets mean: the engine does.

use std::io;

/// Why a connection was not opened, as the kernel said it; what the packets mean the engine says.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A RST, or an ICMP port-unreachable.
    #[error("connection refused")]
    Refused,
    /// Nothing came in time.
    #[error("timed out")]
    Timeout,
    /// An ICMP error, or no route.
    #[error("unreachable: {0}")]
    Unreachable(io::Error),
    /// Reset while it was being opened.
    #[error("reset")]
    Reset,
    /// This host does not let us.
    #[error("not permitted here: {0}")]
    Denied(io::Error),
    /// Anything else.
    #[error("{0}")]
    Other(io::Error),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> ConnectError {
        match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => ConnectError::Refused,
            Some(libc::ETIMEDOUT) => ConnectError::Timeout,
            Some(libc::ECONNRESET) => ConnectError::Reset,
            Some(libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENONET | libc::EADDRNOTAVAIL) => {
                ConnectError::Unreachable(error)
            }
            Some(libc::EPERM | libc::EACCES) => ConnectError::Denied(error),
            _ => ConnectError::Other(error),
        }
    }
}
