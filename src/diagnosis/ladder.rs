//! The rungs: how far a connection got.
//!
//! `reached` lists the stages that were shown to be reached; `stage` is the first needed one that was
//! not. A stage that the client never asked for (no TLS, no login) is not needed. Where a stream is
//! encrypted, what happens inside cannot be seen and only the session as a whole is judged.

use super::Code;
use crate::base::Side;
use crate::flow::{Opening, TcpFacts};
use crate::proto::mail::{Dialogue, Language, Phase, Status, Verb};
use crate::proto::tls::{Inside, TlsFacts};
use crate::proto::{Service, TlsMode};

/// A rung of the ladder, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The name was found.
    Dns,
    /// The packet left the house.
    Route,
    /// The TCP handshake was completed.
    Tcp,
    /// The server's greeting was complete and positive.
    Greeting,
    /// EHLO, CAPABILITY or CAPA was answered.
    Capabilities,
    /// STARTTLS or STLS was accepted.
    Starttls,
    /// The TLS handshake was completed.
    Tls,
    /// Login succeeded.
    Auth,
    /// Work was done: a message accepted, a mailbox command answered, encrypted data exchanged.
    Session,
    /// The connection ended as it should.
    Done,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 10] = [
        Stage::Dns,
        Stage::Route,
        Stage::Tcp,
        Stage::Greeting,
        Stage::Capabilities,
        Stage::Starttls,
        Stage::Tls,
        Stage::Auth,
        Stage::Session,
        Stage::Done,
    ];

    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Dns => "dns",
            Stage::Route => "route",
            Stage::Tcp => "tcp",
            Stage::Greeting => "greeting",
            Stage::Capabilities => "capabilities",
            Stage::Starttls => "starttls",
            Stage::Tls => "tls",
            Stage::Auth => "auth",
            Stage::Session => "session",
            Stage::Done => "done",
        }
    }
}

/// How far one connection got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    reached: u16,
    needed: u16,
}

fn bit(stage: Stage) -> u16 {
    1 << stage as u16
}

impl Ladder {
    /// Whether that stage was reached.
    pub fn has(&self, stage: Stage) -> bool {
        self.reached & bit(stage) != 0
    }

    /// The stages that were reached, in order.
    pub fn reached(&self) -> impl Iterator<Item = Stage> + '_ {
        Stage::ALL.into_iter().filter(|stage| self.has(*stage))
    }

    /// The first needed stage that was not reached; [`Stage::Done`] when all were.
    pub fn stage(&self) -> Stage {
        Stage::ALL
            .into_iter()
            .find(|stage| self.needed & bit(*stage) != 0 && !self.has(*stage))
            .unwrap_or(Stage::Done)
    }

    /// Adds a stage that something outside the connection shows (a look-up, a route, its end).
    pub fn reach(&mut self, stage: Stage) {
        self.reached |= bit(stage);
    }

    /// Takes a stage off the list of what was needed (a check does no work).
    pub fn waive(&mut self, stage: Stage) {
        self.needed &= !bit(stage);
    }

    /// What a failure says of the rungs: the one that its cause names was not climbed, whatever packets came by it. A packet that a
    /// router returns left the house and has no route all the same; who gives up for want of STARTTLS, or is refused with its EHLO, had
    /// need of what it went without (Postfix refuses the name of an EHLO that it answered only at RCPT: that one was reached).
    pub fn fall_short(&mut self, code: Code) {
        let stage = match code {
            Code::MailStarttlsMissing | Code::MailStarttlsStripped => Stage::Starttls,
            Code::MailHeloRejected if !self.has(Stage::Capabilities) => Stage::Capabilities,
            code if code.name().starts_with("route.") && !self.has(Stage::Tcp) => Stage::Route,
            _ => return,
        };
        self.needed |= bit(stage);
        self.reached &= !bit(stage);
    }

    /// Reads the ladder from a connection's facts; `Done` is added by the judge.
    pub fn climb(
        service: Service,
        mode: TlsMode,
        tcp: &TcpFacts,
        dialogue: &Dialogue,
        tls: Option<&TlsFacts>,
    ) -> Ladder {
        let mut ladder = Ladder {
            reached: 0,
            needed: bit(Stage::Tcp) | bit(Stage::Session) | bit(Stage::Done),
        };
        let spoke = |side: Side| tcp.sides[side].data_segments > 0;
        if tcp.sides[Side::Client].segments > 0 || tcp.sides[Side::Server].segments > 0 {
            ladder.reach(Stage::Route);
        }
        let open = tcp.established.is_some()
            || spoke(Side::Server)
            || tcp.opening == Opening::Midstream && spoke(Side::Client);
        if open {
            ladder.reach(Stage::Tcp);
        }
        let read = tls.is_some_and(|tls| tls.inside == Inside::Read);
        let implicit = mode == TlsMode::Implicit && !read;
        if service != Service::Other && !implicit {
            ladder.needed |= bit(Stage::Greeting) | bit(Stage::Capabilities);
        }
        climb_dialogue(&mut ladder, dialogue, implicit);
        match mode {
            TlsMode::Implicit => ladder.needed |= bit(Stage::Tls),
            TlsMode::Starttls => ladder.needed |= bit(Stage::Starttls) | bit(Stage::Tls),
            TlsMode::Plain => {}
        }
        if dialogue.starttls_accepted.is_some() {
            ladder.reach(Stage::Starttls);
        }
        if let Some(tls) = tls {
            climb_tls(&mut ladder, tls);
        }
        ladder
    }
}

fn climb_dialogue(ladder: &mut Ladder, dialogue: &Dialogue, implicit: bool) {
    let mut beyond = false;
    for exchange in &dialogue.exchanges {
        let Some(reply) = &exchange.reply else {
            continue;
        };
        let positive = matches!(reply.status, Status::Positive | Status::Intermediate);
        if !positive {
            continue;
        }
        match exchange.phase {
            Phase::Greeting => ladder.reach(Stage::Greeting),
            Phase::Capabilities => ladder.reach(Stage::Capabilities),
            Phase::Session => {
                beyond = true;
                let verb = exchange.command.as_ref().map(|command| command.verb);
                let envelope = matches!(
                    verb,
                    Some(Verb::Mail | Verb::Rcpt | Verb::DataStart | Verb::Noop)
                );
                let smtp = matches!(dialogue.language, Some(Language::Smtp | Language::Lmtp));
                if !(smtp && envelope)
                    && verb != Some(Verb::Noop)
                    && reply.status == Status::Positive
                {
                    ladder.reach(Stage::Session);
                }
            }
            Phase::Auth => {
                beyond = true;
                ladder.needed |= bit(Stage::Auth);
            }
            Phase::Starttls | Phase::Quit => beyond = true,
        }
    }
    if dialogue
        .exchanges
        .iter()
        .any(|exchange| exchange.phase == Phase::Auth && exchange.command.is_some())
    {
        ladder.needed |= bit(Stage::Auth);
    }
    if dialogue.messages > 0 {
        ladder.reach(Stage::Session);
    }
    if dialogue.authenticated.is_some() {
        ladder.reach(Stage::Auth);
    }
    if dialogue.greeted && !dialogue.capabilities.is_empty() {
        ladder.reach(Stage::Capabilities);
    }
    if beyond {
        // The client went on without asking for capabilities (POP3, IMAP), or the capture began later.
        ladder.waive(Stage::Capabilities);
        ladder.waive(Stage::Greeting);
    }
    if implicit {
        ladder.waive(Stage::Greeting);
        ladder.waive(Stage::Capabilities);
    }
}

fn climb_tls(ladder: &mut Ladder, tls: &TlsFacts) {
    let both = tls.application_data[Side::Client].is_some()
        && tls.application_data[Side::Server].is_some();
    let finished = tls.client_finished.is_some() && tls.server_finished.is_some();
    if both || finished && tls.refusal.is_none() {
        ladder.reach(Stage::Tls);
    }
    // Where the dialogue inside was read, it tells how far it got.
    if both && tls.inside != Inside::Read {
        ladder.reach(Stage::Session);
    }
}
