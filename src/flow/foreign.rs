//! A connection on a port that is not mail: header counts, and a look at its first bytes.
//!
//! Mail is sometimes spoken on strange ports. Until the first bytes of both sides tell, the few segments so far are
//! held back, so that nothing is lost if it is mail; afterwards, payload is never touched.

use super::facts::FlowKey;
use super::queues::Queue;
use super::tcp::Verdict;
use crate::base::{Mark, PerSide, Side};
use crate::proto::Service;
use crate::wire::{Ip, Link, Tcp};

/// Segments held back at the most, and bytes of payload in all of them.
const HELD: usize = 8;
const HELD_BYTES: usize = 2_048;

/// What the first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// Nothing yet.
    Waiting,
    /// Mail, of that service.
    Mail(Service),
    /// Not mail.
    Foreign,
}

/// A segment that was held back.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) side: Side,
    pub(super) mark: Mark,
    pub(super) link: Link,
    pub(super) ip: Ip,
    header: Tcp<'static>,
    payload: Vec<u8>,
}

impl Held {
    /// The segment as it was.
    pub(super) fn tcp(&self) -> Tcp<'_> {
        Tcp {
            payload: &self.payload,
            ..self.header
        }
    }
}

/// A connection that is not mail, as far as is known.
#[derive(Debug)]
pub struct Foreigner {
    key: FlowKey,
    first: Mark,
    last: Mark,
    /// Segments by sender.
    pub segments: PerSide<u64>,
    /// Payload bytes by sender, those sent again included.
    pub bytes: PerSide<u64>,
    /// The SYN was seen; the SYN-ACK was seen; a reset was seen, and by whom.
    pub syn: Option<Mark>,
    /// The first SYN-ACK.
    pub syn_ack: Option<Mark>,
    /// The first reset and whose address it carries.
    pub reset: Option<(Mark, Side)>,
    isn: Option<u32>,
    fins: PerSide<bool>,
    guess: Guess,
    held: Vec<Held>,
    held_bytes: usize,
    server_first: Option<Service>,
}

impl Foreigner {
    pub(super) fn new(key: FlowKey, first: Mark) -> Foreigner {
        Foreigner {
            key,
            first,
            last: first,
            segments: PerSide::default(),
            bytes: PerSide::default(),
            syn: None,
            syn_ack: None,
            reset: None,
            isn: None,
            fins: PerSide::default(),
            guess: Guess::Waiting,
            held: Vec::with_capacity(1),
            held_bytes: 0,
            server_first: None,
        }
    }

    /// The five-tuple.
    pub fn key(&self) -> &FlowKey {
        &self.key
    }

    /// First frame.
    pub fn first(&self) -> Mark {
        self.first
    }

    /// Latest frame.
    pub fn last(&self) -> Mark {
        self.last
    }

    pub(super) fn belongs(&self, side: Side, tcp: &Tcp<'_>) -> Verdict {
        let again = side == Side::Client && self.isn == Some(tcp.seq);
        if !tcp.flags.opens() || again || self.segments.client + self.segments.server == 0 {
            Verdict::SameConnection
        } else {
            Verdict::NewConnection
        }
    }

    pub(super) fn queue(&self) -> Queue {
        if self.reset.is_some() || (self.fins.client && self.fins.server) {
            Queue::Closing
        } else if self.syn.is_some() && self.segments.server == 0 {
            Queue::HalfOpen
        } else {
            Queue::Open
        }
    }

    pub(super) fn take_held(&mut self) -> Vec<Held> {
        std::mem::take(&mut self.held)
    }

    pub(super) fn segment(
        &mut self,
        side: Side,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    ) -> Guess {
        self.last = mark;
        self.segments[side] = self.segments[side].saturating_add(1);
        self.bytes[side] = self.bytes[side].saturating_add(u64::from(tcp.payload_len));
        if tcp.flags.opens() {
            self.isn = Some(tcp.seq);
            self.syn.get_or_insert(mark);
        } else if tcp.flags.syn() {
            self.syn_ack.get_or_insert(mark);
        }
        if tcp.flags.rst() {
            self.reset.get_or_insert((mark, side));
        }
        self.fins[side] |= tcp.flags.fin();
        if self.guess != Guess::Waiting {
            return self.guess;
        }
        let held = self.held_bytes.saturating_add(tcp.payload.len());
        if self.held.len() >= HELD || held > HELD_BYTES {
            return self.give_up();
        }
        self.held_bytes = held;
        self.held.push(Held {
            side,
            mark,
            link: link.clone(),
            ip: *ip,
            header: Tcp {
                payload: &[],
                ..*tcp
            },
            payload: tcp.payload.to_vec(),
        });
        if tcp.payload.is_empty() {
            return Guess::Waiting;
        }
        self.guess = match side {
            Side::Server => self.greeting(tcp.payload),
            Side::Client => self.command(tcp.payload),
        };
        if self.guess == Guess::Foreign {
            self.give_up()
        } else {
            self.guess
        }
    }

    fn give_up(&mut self) -> Guess {
        self.held = Vec::new();
        self.guess = Guess::Foreign;
        Guess::Foreign
    }

    /// The server spoke. `220` and `+OK` alone are no proof: FTP and others say so too.
    fn greeting(&mut self, bytes: &[u8]) -> Guess {
        if let Some(Service::Other) = self.server_first {
            return Guess::Foreign;
        }
        if starts(bytes, b"* OK") || starts(bytes, b"* PREAUTH") || starts(bytes, b"* BYE") {
            return Guess::Mail(Service::Imap);
        }
        let reply = [b"220".as_slice(), b"421", b"554"]
            .iter()
            .any(|code| starts(bytes, code));
        if reply
            && bytes
                .windows(4)
                .any(|word| word.eq_ignore_ascii_case(b"SMTP"))
        {
            return Guess::Mail(Service::Smtp);
        }
        if reply {
            self.server_first = Some(Service::Smtp);
        } else if starts(bytes, b"+OK") {
            self.server_first = Some(Service::Pop3);
        } else {
            return Guess::Foreign;
        }
        Guess::Waiting
    }

    /// The client spoke.
    fn command(&self, bytes: &[u8]) -> Guess {
        let smtp = [b"EHLO ".as_slice(), b"HELO "]
            .iter()
            .any(|verb| starts(bytes, verb));
        let pop3 = [
            b"CAPA".as_slice(),
            b"USER ",
            b"AUTH",
            b"STLS",
            b"APOP ",
            b"QUIT",
        ]
        .iter()
        .any(|verb| starts(bytes, verb));
        match self.server_first {
            _ if starts(bytes, b"LHLO ") => Guess::Mail(Service::Lmtp),
            None | Some(Service::Smtp) if smtp => Guess::Mail(Service::Smtp),
            Some(Service::Pop3) if pop3 => Guess::Mail(Service::Pop3),
            _ => Guess::Foreign,
        }
    }
}

fn starts(bytes: &[u8], word: &[u8]) -> bool {
    bytes
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}
