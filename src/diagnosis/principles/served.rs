//! The port served another connection a moment ago: that the service does not exist is then out of the question.
//!
//! What it says to a connection that was not let in is said here once: what is left of the verdict, the frame that shows it, and
//! which limits look the same from here. It makes no claim; whether there was a limit shows only beside many connections.

use crate::base::Mark;
use crate::diagnosis::{Claim, Code, Connection};

/// The connection that the same port answered within a minute, if there was one.
#[derive(Clone, Copy, Debug)]
pub struct Served(Option<Mark>);

/// Whether the port answered another connection within a minute of this one's last SYN.
pub fn port_served(c: &Connection<'_>) -> Served {
    Served(c.context.port_served)
}

impl Served {
    /// It did.
    pub fn is_some(self) -> bool {
        self.0.is_some()
    }

    /// The confidence of a claim that would otherwise have `full`. Silence still comes from the way or from a full queue; who
    /// answers with a reset may as well have ended its service as count connections.
    pub fn confidence(self, code: Code, full: f32) -> f32 {
        let most = match code {
            Code::TcpRefused => 0.6,
            _ => 0.8,
        };
        if self.is_some() { full.min(most) } else { full }
    }

    /// Shows it, and names a limit as what else it may be.
    pub fn shown(self, claim: Claim) -> Claim {
        let Some(mark) = self.0 else {
            return claim;
        };
        claim
            .because(mark, "another connection to the same port is answered")
            .or(
                Code::TcpRateLimited,
                0.1,
                "the same client, one connection at a time and slowly: a limit lets it in, what has ended or closed does not",
            )
    }
}
