//! SMTP, submission and LMTP (RFC 5321, RFC 2033, RFC 2920, RFC 3030, RFC 3207, RFC 4954).
//!
//! Client lines become commands, server lines become replies; message data is skipped between. It
//! exists to know at every byte whether the client speaks commands, credentials or message. It keeps
//! no message and refuses to repair a dialogue: what does not fit is written down as it was.

mod commands;
mod replies;

use super::body::{Body, Dots};
use super::core::{Building, Core, Pending, command};
use super::dialogue::{Phase, Verb};
use super::garbage::Garbage;
use super::lines::Line;
use super::sasl::Login;
use crate::base::{Mark, Side};

/// What the client may be sending beside commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transfer {
    /// Commands.
    None,
    /// DATA was sent, its answer is not there yet.
    Asked,
    /// The message, until the dot.
    Open,
    /// The message was answered before its dot was seen.
    Answered,
    /// A counted chunk, with the number of its exchange.
    Chunk(u64),
    /// A counted blob that is no message (XEXCH50), once the server asks for it.
    Blob(u64),
}

/// The state of an SMTP dialogue.
pub(super) struct Smtp {
    building: Option<Building>,
    transfer: Transfer,
    login: Option<Login>,
    /// Some login was asked for: a lone base64 word is then not shown.
    login_asked: bool,
    /// LHLO was spoken: one reply per recipient after the dot.
    lmtp: bool,
    accepted: u32,
    /// First byte of the message that is being sent.
    began: Option<Mark>,
    garbage: Garbage,
}

impl Smtp {
    pub fn new(lmtp: bool) -> Smtp {
        Smtp {
            building: None,
            transfer: Transfer::None,
            login: None,
            login_asked: false,
            lmtp,
            accepted: 0,
            began: None,
            garbage: Garbage::default(),
        }
    }

    /// Before bytes of a side are read as lines: the message begins right after DATA.
    pub fn before(&mut self, core: &mut Core, side: Side, mark: Mark) {
        if side == Side::Client
            && matches!(self.transfer, Transfer::Asked | Transfer::Open)
            && core.body.client == Body::Lines
        {
            core.body.client = Body::Dotted(Dots::new());
            core.dialogue.in_data.get_or_insert(mark);
            self.began = Some(mark);
        }
    }

    /// The dot line or the last byte of a chunk has come.
    pub fn body_done(&mut self, core: &mut Core, mark: Mark) {
        core.body.client = Body::Lines;
        let transfer = std::mem::replace(&mut self.transfer, Transfer::None);
        match transfer {
            Transfer::Chunk(seq) => {
                let bytes = core.dialogue.data_bytes;
                if let Some(command) = core.exchange(seq).and_then(|e| e.command.as_mut()) {
                    command.done = mark;
                    command.bytes = bytes;
                }
            }
            Transfer::Asked | Transfer::Open => {
                self.message(core, mark);
            }
            Transfer::Answered | Transfer::Blob(_) | Transfer::None => {}
        }
        core.dialogue.in_data = None;
    }

    /// Message bytes went by.
    pub fn body_bytes(&mut self, core: &mut Core, length: u64) {
        if !matches!(self.transfer, Transfer::Blob(_) | Transfer::None) {
            core.dialogue.data_bytes = core.dialogue.data_bytes.saturating_add(length);
        }
    }

    /// Writes the message down as a command that awaits its reply (LMTP: its replies).
    fn message(&mut self, core: &mut Core, done: Mark) -> u64 {
        core.in_step();
        self.message_of_before(core, done)
    }

    /// The same for a message whose end is only noticed by its reply.
    fn message_of_before(&mut self, core: &mut Core, done: Mark) -> u64 {
        // The server's 354 opened the way for it (RFC 5321 4.1.1.4), but is not a word of the client's.
        let at = self.began.take().or(core.dialogue.in_data).unwrap_or(done);
        let mut data = command(&Line::default(), done, Verb::Data, b"<data>");
        data.at = at;
        data.bytes = core.dialogue.data_bytes;
        let seq = core.command_of_before(data, Phase::Session);
        let more = if self.lmtp {
            self.accepted.saturating_sub(1)
        } else {
            0
        };
        core.expect(Pending {
            seq,
            verb: Verb::Data,
            tag: Box::default(),
            listing: false,
            more,
        });
        seq
    }
}
