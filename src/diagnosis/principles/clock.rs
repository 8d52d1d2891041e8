//! Silence has a clock: which codes are about how long something took.
//!
//! Where the capture's clock jumped (both ends' own clocks stood still, RFC 7323), a time measured across the jump is none, and
//! nothing of this kind is claimed.

use crate::diagnosis::Code;

/// Whether the code says that somebody waited, and nothing else.
pub fn measures_time(code: Code) -> bool {
    matches!(
        code,
        Code::MailGreetingSlow
            | Code::MailSlowAnswer
            | Code::MailNoGreeting
            | Code::MailCommandTimeout
            | Code::TlsMutualWait
            | Code::TlsNoReply
            | Code::TcpZeroWindow
            | Code::TcpIdleDropped
            | Code::PathSlow
    )
}
