//! `tcp.zero-window`: a receiver that takes nothing more, until a side gives up; degraded when it reopened after ≥ 5 s.

use crate::base::{SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Weight, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    for side in [Side::Server, Side::Client] {
        let closed = &c.tcp.sides[side].zero_window;
        let Some(first) = closed.first else { continue };
        let place = match side {
            Side::Client => At::address(Where::Client, c.client().ip),
            Side::Server => At::address(Where::Server, c.server().ip),
        };
        let address = match side {
            Side::Client => c.client().ip,
            Side::Server => c.server().ip,
        };
        let advice = "Look at that machine: the application does not read what arrives (full disk, content scanner, overload)";
        if let Some(since) = closed.closed_since {
            let waited = match c.ending {
                // Who does not answer probes says nothing of its window any more (RFC 9293 3.8.6.1).
                _ if closed.unanswered > 0 => closed.shown().unwrap_or(0),
                Ending::Closed { at, .. } => at.time.since(since.time),
                Ending::Open => c.tcp.last.time.since(since.time),
            };
            let gave_up = c.ended() && c.done.is_none_or(|done| done.time > since.time);
            // Who gives up into a closed window cannot say so: the FIN waits behind the data. Closed for ≥ 5 s and never
            // reopened is the fault, provisional while probes go on.
            if gave_up && waited >= 3 * SECOND || waited >= 5 * SECOND && c.done.is_none() {
                claims.push(
                    Claim::new(
                        Code::TcpZeroWindow,
                        place,
                        since,
                        0.93,
                        format!("{address} stopped taking data and never took more."),
                    )
                    .shown_by(format!(
                        "window 0, still 0 after {:.1} s",
                        waited as f64 / 1e9
                    ))
                    .provisional_if(!c.ended())
                    .advise(advice),
                );
                return;
            }
        }
        if closed.total >= 5 * SECOND {
            claims.push(
                Claim::new(
                    Code::TcpZeroWindow,
                    place,
                    first,
                    0.93,
                    format!(
                        "{address} took no data for {:.1} s in all.",
                        closed.total as f64 / 1e9
                    ),
                )
                .weighing(Weight::Costly)
                .shown_by(format!("window 0, {} times", closed.episodes))
                .advise(advice),
            );
        }
    }
}
