//! IMAP (RFC 3501, RFC 9051; literals RFC 7888 and RFC 3516, SASL-IR RFC 4959, IDLE RFC 2177, COMPRESS RFC 4978).
//!
//! Commands are matched to tagged replies by tag. Literals of both sides are counted, never searched:
//! a message inside one can contain anything. It refuses to interpret mailbox data beyond counting it.

mod commands;
mod responses;

use super::core::Core;
use super::dialogue::Verb;
use super::garbage::Garbage;
use super::sasl::Login;
use crate::base::Mark;

/// A client command that goes on after a literal.
struct Unfinished {
    seq: u64,
    /// Arguments of LOGIN so far, decoded.
    arguments: Vec<Vec<u8>>,
    login: bool,
    message: bool,
}

/// The state of an IMAP dialogue.
pub(super) struct Imap {
    unfinished: Option<Unfinished>,
    login: Option<Login>,
    /// A response of the server goes on after its literal.
    continued: bool,
    /// Words of untagged NO and BAD since the last tagged reply.
    complaint: Vec<u8>,
    garbage: Garbage,
}

impl Imap {
    pub fn new() -> Imap {
        Imap {
            unfinished: None,
            login: None,
            continued: false,
            complaint: Vec::new(),
            garbage: Garbage::default(),
        }
    }

    /// The server's next line goes on behind a literal.
    pub fn hands_out(&self) -> bool {
        self.continued
    }

    /// A literal of the client is complete.
    pub fn client_literal_done(&mut self, core: &mut Core, mark: Mark) {
        let literal = std::mem::take(&mut core.literal.client);
        if let Some(unfinished) = self.unfinished.as_mut() {
            if unfinished.login {
                unfinished.arguments.push(literal);
            }
            if unfinished.message {
                let bytes = core.dialogue.data_bytes;
                if let Some(command) = core
                    .exchange(unfinished.seq)
                    .and_then(|e| e.command.as_mut())
                {
                    command.bytes = bytes;
                    command.done = mark;
                }
            }
        }
        core.dialogue.in_data = None;
    }

    /// Bytes of a literal of the client went by.
    pub fn client_bytes(&mut self, core: &mut Core, length: u64) {
        if self.unfinished.as_ref().is_some_and(|u| u.message) {
            core.dialogue.data_bytes = core.dialogue.data_bytes.saturating_add(length);
        }
    }
}

/// What an IMAP command name asks.
fn verb_of(name: &[u8]) -> Verb {
    match name {
        b"CAPABILITY" => Verb::Capability,
        b"STARTTLS" => Verb::Starttls,
        b"LOGIN" => Verb::Login,
        b"SELECT" | b"EXAMINE" => Verb::Select,
        b"IDLE" => Verb::Idle,
        b"COMPRESS" => Verb::Compress,
        b"FETCH" => Verb::Retrieve,
        b"ID" => Verb::Id,
        b"NOOP" => Verb::Noop,
        b"LOGOUT" => Verb::Quit,
        b"APPEND" | b"CREATE" | b"DELETE" | b"RENAME" | b"SUBSCRIBE" | b"UNSUBSCRIBE" | b"LIST"
        | b"LSUB" | b"XLIST" | b"STATUS" | b"CHECK" | b"CLOSE" | b"UNSELECT" | b"EXPUNGE"
        | b"SEARCH" | b"STORE" | b"COPY" | b"MOVE" | b"UID" | b"NAMESPACE" | b"ENABLE"
        | b"GETQUOTA" | b"GETQUOTAROOT" | b"SETQUOTA" | b"GETACL" | b"SETACL" | b"DELETEACL"
        | b"LISTRIGHTS" | b"MYRIGHTS" | b"SORT" | b"THREAD" | b"GETMETADATA" | b"SETMETADATA"
        | b"GETANNOTATION" | b"NOTIFY" | b"UNAUTHENTICATE" | b"REPLACE" | b"ESEARCH"
        | b"GENURLAUTH" | b"URLFETCH" | b"RESETKEY" | b"XAPPLEPUSHSERVICE" | b"X-GM-RAW"
        | b"CONVERSIONS" | b"LANGUAGE" | b"COMPARATOR" | b"CANCELUPDATE" | b"RLIST" | b"RLSUB" => {
            Verb::Other
        }
        _ => Verb::Unknown,
    }
}
