//! A message was taken, and nothing was begun after it: whatever cuts the connection then, the mail went through.
//!
//! With its 250 the server has taken over the message (RFC 5321 6.1); what a client has to do about a connection that breaks concerns an open
//! transaction (3.8), and there is none. A server must wait for QUIT (4.1.1.10): that it does not is worth saying, and no fault of this mail.

use crate::base::{Mark, Side};
use crate::diagnosis::view::Connection;
use crate::diagnosis::{Claim, Weight};
use crate::proto::mail::{Status, Verb};

/// Where the server said that it has the last message, which the client is known to have heard; `None` if anything was asked for since, or if
/// something is not known.
pub fn delivered(c: &Connection<'_>) -> Option<Mark> {
    let clear = c.tls.is_none() || c.reads_inside();
    let dialogue = c.dialogue;
    if dialogue.messages == 0 || !clear || dialogue.opaque.is_some() {
        return None;
    }
    // Who did not hear of it sends the message once more (RFC 1047).
    let unheard = c.tcp.sides[Side::Server].outstanding.is_some();
    if unheard || c.partly_unseen() || c.one_sided() || c.work_open() {
        return None;
    }
    if c.end_unseen(Side::Client) || c.end_unseen(Side::Server) {
        return None;
    }
    for exchange in dialogue.exchanges.iter().rev() {
        let (command, reply) = exchange.command.as_ref().zip(exchange.reply.as_ref())?;
        match (command.verb, reply.status) {
            (Verb::Data | Verb::DataLast, Status::Positive) if !command.is_chunk() => {
                return Some(reply.done);
            }
            // RSET and NOOP begin nothing.
            (Verb::Noop, Status::Positive) => {}
            _ => return None,
        }
    }
    None
}

/// What cut a connection behind a message that was taken there is worth saying, and cost nothing.
pub fn behind_message(claim: Claim, taken: Mark) -> Claim {
    claim.weighing(Weight::Finding).because(
        taken,
        "the server has the message; nothing was asked for since",
    )
}
