//! One question to one server, until it is settled: what to send next, given what came back and the time.
//!
//! A stub resolver asks again after 5 s; a probe asks sooner (never more than twice a second) so that silence is told from loss within seconds. It
//! gives up only when chance is ruled out ([`Controls`]) and the clock of the catalogue has run (verdicts.md, "Silence has a clock"), so that the
//! packets alone carry the verdict. No socket and no clock inside.

use std::net::IpAddr;

use super::odds::Controls;
use super::question::{Question, Shape};
use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::proto::dns::Message;

/// Between two transmissions of one question: below two a second.
pub const GAP: Nanos = 700 * MILLISECOND;
/// What a look-up over TCP may take: SYNs for ≥ 3 s, and 5 s in all.
pub const TCP_PATIENCE: Nanos = 5_200 * MILLISECOND;
/// A resolver that answers others is busy with this one: it is given so long.
pub const BUSY: Nanos = 8 * SECOND;
/// Transmissions at the most, however lossy the path.
const MOST: u32 = 24;

/// How patiently, and with which shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// The shape of the n-th transmission; the last one stays.
    shapes: Vec<Shape>,
    /// Transmissions at the most.
    most: u32,
    /// Silence is judged by the catalogue's clock and against controls; else it is over a gap after the last transmission.
    judged: bool,
}

impl Manner {
    /// The look-up that a client depends on: twice with room for a long answer, as resolvers of mail servers ask, then without EDNS, which
    /// old devices do not pass (RFC 6891 6.2.2), then both in turn.
    pub fn target() -> Manner {
        let large = Shape::with_room(4_096);
        let mut shapes = vec![large, large, Shape::PLAIN];
        for _ in 0..MOST / 2 {
            shapes.extend([large, Shape::PLAIN]);
        }
        Manner {
            shapes,
            most: MOST,
            judged: true,
        }
    }

    /// A control: always the same shape, a few times.
    pub fn control(shape: Shape, most: u32) -> Manner {
        Manner {
            shapes: vec![shape],
            most: most.max(1),
            judged: false,
        }
    }
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the question over UDP.
    Send(Shape),
    /// Put it over TCP: the answer was cut off.
    OverTcp(Shape),
    /// Nothing before that time, unless something comes.
    Wait(Timestamp),
    /// It is settled: [`Asking::fate`] says how.
    Settled,
}

/// How TCP/53 failed after a cut-off answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpEnd {
    /// SYNs into silence.
    Silent,
    /// RST.
    Refused,
    /// An ICMP error.
    Unreachable,
    /// It opened, and no answer came.
    NoAnswer,
}

/// How it ended.
#[derive(Clone, Debug)]
pub enum Fate {
    /// With an answer, whatever it says.
    Answered(Box<Answered>),
    /// Without any.
    Silent {
        /// Transmissions.
        tries: u32,
        /// From the first to the moment of giving up.
        lasted: Nanos,
    },
    /// ICMP errors alone: the first one's sender, type and code, when known.
    Rejected(Option<IcmpError>),
    /// The answer was cut off, and TCP did not work.
    NoTcp(TcpEnd),
    /// The kernel would not send it.
    Unsendable(String),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What it says.
    pub message: Message,
    /// The bytes, for what `message` leaves out.
    pub bytes: Vec<u8>,
    /// From the first transmission.
    pub after: Nanos,
    /// From the transmission that it answers.
    pub rtt: Nanos,
    /// Transmissions before it.
    pub tries: u32,
    /// The answer over UDP was cut off before.
    pub truncated: bool,
}

impl Answered {
    /// Whether a stub takes it and asks nobody else: glibc goes on to the next server at SERVFAIL, NOTIMP and REFUSED.
    pub fn settles(&self) -> bool {
        !matches!(self.message.rcode, 2 | 4 | 5)
    }
}

/// An ICMP error: sender, type and code.
pub type IcmpError = (IpAddr, u8, u8);

#[derive(Clone, Debug)]
struct Try {
    id: u16,
    at: Timestamp,
    shape: Shape,
}

/// A question on its way.
#[derive(Clone, Debug)]
pub struct Asking {
    question: Question,
    manner: Manner,
    tries: Vec<Try>,
    controls: Controls,
    server_lives: bool,
    /// How often, and the first one that is known.
    rejected: Option<(u32, Option<IcmpError>)>,
    truncated: bool,
    /// EDNS was answered with an error that old servers give (RFC 6891 7): from now on without.
    plain: bool,
    resend: bool,
    fate: Option<Fate>,
}

impl Asking {
    /// Nothing sent yet.
    pub fn new(question: Question, manner: Manner) -> Asking {
        Asking {
            question,
            manner,
            tries: Vec::new(),
            controls: Controls::default(),
            server_lives: false,
            rejected: None,
            truncated: false,
            plain: false,
            resend: false,
            fate: None,
        }
    }

    /// What is asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Transmissions so far.
    pub fn tries(&self) -> u32 {
        u32::try_from(self.tries.len()).unwrap_or(u32::MAX)
    }

    /// Whether it begins to look like silence: controls are wanted.
    pub fn is_doubtful(&self) -> bool {
        self.tries.len() >= 2 && self.fate.is_none()
    }

    /// What is known of loss by now, and whether the server answered anything else.
    pub fn learn(&mut self, controls: Controls, server_lives: bool) {
        self.controls = controls;
        self.server_lives |= server_lives;
    }

    /// What to do now.
    pub fn step(&mut self, now: Timestamp) -> Step {
        if self.fate.is_some() {
            return Step::Settled;
        }
        let Some(last) = self.tries.last() else {
            return Step::Send(self.shape());
        };
        if self.truncated {
            return Step::OverTcp(last.shape);
        }
        if self.resend {
            self.resend = false;
            return Step::Send(self.shape());
        }
        let next = last.at.plus(GAP);
        if self.tries() < self.manner.most && !self.has_asked_enough() {
            return match now >= next {
                true => Step::Send(self.shape()),
                false => Step::Wait(next),
            };
        }
        let until = self.patience_ends();
        if now < until {
            return Step::Wait(until);
        }
        self.fate = Some(match self.rejected {
            Some((_, error)) => Fate::Rejected(error),
            None => Fate::Silent {
                tries: self.tries(),
                lasted: self.tries.first().map_or(0, |first| now.since(first.at)),
            },
        });
        Step::Settled
    }

    fn shape(&self) -> Shape {
        let shapes = &self.manner.shapes;
        let shape = shapes.get(self.tries.len()).or(shapes.last()).copied();
        match shape.unwrap_or(Shape::PLAIN) {
            shape if self.plain => Shape {
                edns: None,
                dnssec_ok: false,
                padding: 0,
                ..shape
            },
            shape => shape,
        }
    }

    /// Silence that chance does not explain, for the judged; or an error that was repeated.
    fn has_asked_enough(&self) -> bool {
        if self.rejected.is_some_and(|(times, _)| times >= 2) {
            return true;
        }
        let (Some(first), Some(last)) = (self.tries.first(), self.tries.last()) else {
            return false;
        };
        self.manner.judged
            && self.tries.len() >= 3
            && last.at.since(first.at) >= 2 * SECOND
            && self.controls.rule_out_chance(self.tries())
    }

    fn patience_ends(&self) -> Timestamp {
        let (Some(first), Some(last)) = (self.tries.first(), self.tries.last()) else {
            return Timestamp::default();
        };
        if !self.manner.judged || self.rejected.is_some() {
            return last.at.plus(GAP);
        }
        // Three tries over 4 s and a moment for the last one, or a retry unanswered for 2 s.
        let clock = match last.at.since(first.at) >= 4 * SECOND {
            true => last.at.plus(GAP),
            false => last.at.plus(2 * SECOND + 50 * MILLISECOND),
        };
        match self.server_lives {
            true => clock.max(first.at.plus(BUSY)),
            false => clock,
        }
    }

    /// A transmission left.
    pub fn sent(&mut self, now: Timestamp, id: u16, shape: Shape) {
        self.tries.push(Try { id, at: now, shape });
    }

    /// The kernel would not send.
    pub fn failed(&mut self, why: String) {
        self.fate.get_or_insert(Fate::Unsendable(why));
    }

    /// A message came over UDP. What fits no transmission of this question (RFC 5452 9.1) is passed over: the engine judges it.
    pub fn heard(&mut self, now: Timestamp, message: Message, bytes: &[u8]) {
        let Some(cause) = self.tries.iter().rfind(|one| one.id == message.id) else {
            return;
        };
        if self.fate.is_some() || !message.response || !self.question.is_echoed(&message) {
            // A server that cannot read EDNS may leave the question out (RFC 6891 7).
            let unread = message.response && message.questions == 0 && message.rcode == 1;
            if self.fate.is_some() || !unread {
                return;
            }
        }
        let (rtt, shape) = (now.since(cause.at), cause.shape);
        let refuses_edns = matches!(message.rcode, 1 | 4 | 16) && shape.edns.is_some();
        if refuses_edns && !self.plain {
            self.plain = true;
            self.resend = true;
            return;
        }
        if message.truncated {
            self.truncated = true;
            return;
        }
        let broken = message.malformed.is_some() && message.rcode == 0;
        if broken && self.manner.judged && self.tries() < 3 {
            return;
        }
        self.settle(now, message, bytes, rtt);
    }

    /// The answer over TCP, or why there is none.
    pub fn over_tcp(
        &mut self,
        now: Timestamp,
        asked: Timestamp,
        end: Result<(Message, Vec<u8>), TcpEnd>,
    ) {
        match end {
            Ok((message, bytes)) => self.settle(now, message, &bytes, now.since(asked)),
            Err(why) => {
                self.fate.get_or_insert(Fate::NoTcp(why));
            }
        }
    }

    /// An ICMP error that quotes a transmission. Once it may be a moment's trouble; twice it is an answer.
    pub fn rejected(&mut self, error: Option<IcmpError>) {
        let (times, known) = self.rejected.unwrap_or((0, None));
        self.rejected = Some((times.saturating_add(1), known.or(error)));
    }

    fn settle(&mut self, now: Timestamp, message: Message, bytes: &[u8], rtt: Nanos) {
        let first = self.tries.first().map_or(now, |first| first.at);
        self.fate.get_or_insert(Fate::Answered(Box::new(Answered {
            message,
            bytes: bytes.to_vec(),
            after: now.since(first),
            rtt,
            tries: u32::try_from(self.tries.len()).unwrap_or(u32::MAX),
            truncated: self.truncated,
        })));
    }

    /// Whether it ended without any answer.
    pub fn is_silent(&self) -> bool {
        matches!(self.fate, Some(Fate::Silent { .. }))
    }

    /// Whether it ended.
    pub fn is_settled(&self) -> bool {
        self.fate.is_some()
    }

    /// Its silence is settled; an answer that comes all the same is heard from now on. One that is cut off is none.
    pub fn reopen(&mut self) {
        if self.is_silent() {
            self.fate = None;
        }
    }

    /// How it ended; `None` until it did.
    pub fn fate(self) -> Option<Fate> {
        self.fate
    }
}

#[cfg(test)]
mod tests;
