//! May a time be measured here, and does the order of the frames count?
//!
//! Silence has a clock, and the clock is the capture's. What the connection's own packets say against it is asked here and nowhere
//! else: a jump that the clocks of both ends deny (RFC 7323), an end that did not live through the silence by its own clock, times
//! that run backwards, directions that were timed by clocks that differ. It does not mend a time; it says that none was measured.

use crate::base::SECOND;
use crate::diagnosis::{Code, Connection};
use crate::flow::TcpFacts;

/// What of a claim a clock has to hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measures {
    /// Nothing: what was said, not when.
    Nothing,
    /// That an end waited for the other one.
    Wait,
    /// How long a step or a silence of the whole connection took.
    Time,
}

fn measures(code: Code) -> Measures {
    match code {
        Code::MailGreetingSlow
        | Code::MailSlowAnswer
        | Code::MailNoGreeting
        | Code::MailCommandTimeout
        | Code::TlsMutualWait
        | Code::TlsNoReply => Measures::Wait,
        Code::TcpZeroWindow | Code::TcpIdleDropped | Code::PathSlow => Measures::Time,
        _ => Measures::Nothing,
    }
}

/// Whether times of this connection may be compared at all: no jump that both ends deny, and nothing that contradicts itself by as
/// much as the shortest time that any rule counts.
pub fn clock_holds(tcp: &TcpFacts) -> bool {
    tcp.clock_jump.is_none() && tcp.clock_error < SECOND
}

/// Whether a claim under that code may rest on times of this connection. Who did not live through a silence by its own clock (a
/// machine that slept, a capture whose clock was set) has not waited; that a device on the way forgot it meanwhile may still be true.
pub fn may_measure(c: &Connection<'_>, code: Code) -> bool {
    match measures(code) {
        Measures::Nothing => true,
        Measures::Wait => clock_holds(c.tcp) && c.tcp.clock_doubt.is_none(),
        Measures::Time => clock_holds(c.tcp),
    }
}

/// Whether the order in which the frames stand is the order in which they were captured.
pub fn in_order(tcp: &TcpFacts) -> bool {
    tcp.disorder == 0
}
