//! A connection on a port that is not mail: a look at its first bytes, and then at its flags alone.
//!
//! Mail is sometimes spoken on strange ports, and through proxies. Until the first bytes of both sides tell, the
//! few segments so far are held back, so that nothing is lost if it is mail; afterwards payload is never touched, and what is kept of
//! the connection needs no room beside its place in the table.
//! What is mail is not decided here: the same session that reads mail listens, so that a connection is the same
//! thing whether or not all connections are asked for.

use super::facts::FlowKey;
use super::held::Held;
use super::queues::Queue;
use super::tcp::Verdict;
use crate::base::{Mark, PerSide, Side};
use crate::proto::Service;
use crate::proto::session::Session;
use crate::wire::{Ip, Link, Tcp};

/// Segments held back at the most, and bytes of payload in all of them.
const HELD: usize = 12;
const HELD_BYTES: usize = 2_048;
/// The same while a tunnel is being built: SOCKS5 with a login takes six messages, each with its acknowledgement.
const HELD_IN_PREFACE: usize = 32;

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

/// What is kept of a connection that is none of mail.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passing {
    /// The sequence number of its SYN.
    isn: Option<u32>,
    /// What was seen of it: [`SYN`], [`SPOKE`] and the others.
    seen: u8,
}

/// A SYN.
const SYN: u8 = 1;
/// Anything at all.
const BEGUN: u8 = 1 << 1;
/// A segment of the server.
const SPOKE: u8 = 1 << 2;
const RESET: u8 = 1 << 3;
/// The client's FIN, and the server's.
const CLIENT_FIN: u8 = 1 << 4;
const SERVER_FIN: u8 = 1 << 5;

impl Passing {
    #[inline]
    pub(super) fn belongs(&self, side: Side, tcp: &Tcp<'_>) -> Verdict {
        let again = side == Side::Client && self.isn == Some(tcp.seq);
        if !tcp.flags.opens() || again || self.seen & BEGUN == 0 {
            Verdict::SameConnection
        } else {
            Verdict::NewConnection
        }
    }

    #[inline]
    pub(super) fn queue(&self) -> Queue {
        if self.seen & RESET != 0
            || self.seen & (CLIENT_FIN | SERVER_FIN) == CLIENT_FIN | SERVER_FIN
        {
            Queue::Closing
        } else if self.seen & (SYN | SPOKE) == SYN {
            Queue::HalfOpen
        } else {
            Queue::Open
        }
    }

    #[inline]
    pub(super) fn segment(&mut self, side: Side, tcp: &Tcp<'_>) {
        let (spoke, fin) = match side {
            Side::Client => (0, CLIENT_FIN),
            Side::Server => (SPOKE, SERVER_FIN),
        };
        self.seen |= BEGUN | spoke;
        if tcp.flags.opens() {
            self.isn = Some(tcp.seq);
            self.seen |= SYN;
        }
        if tcp.flags.rst() {
            self.seen |= RESET;
        }
        if tcp.flags.fin() {
            self.seen |= fin;
        }
    }
}

/// A connection of which it is not known yet that it is none of mail.
#[derive(Debug)]
pub(super) struct Foreigner {
    key: FlowKey,
    first: Mark,
    passing: Passing,
    guess: Guess,
    held: Vec<Held>,
    held_bytes: usize,
    /// Listens from the first byte of payload until it knows.
    listener: Option<Box<Session>>,
    /// The sequence number that continues what was listened to.
    next: PerSide<Option<u32>>,
}

impl Foreigner {
    pub(super) fn new(key: FlowKey, first: Mark) -> Foreigner {
        Foreigner {
            key,
            first,
            passing: Passing::default(),
            guess: Guess::Waiting,
            held: Vec::with_capacity(1),
            held_bytes: 0,
            listener: None,
            next: PerSide::default(),
        }
    }

    /// The five-tuple.
    pub(super) fn key(&self) -> &FlowKey {
        &self.key
    }

    /// First frame.
    pub(super) fn first(&self) -> Mark {
        self.first
    }

    /// What is kept of it once it is known to be none of mail.
    pub(super) fn passing(&self) -> Passing {
        self.passing
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
        self.passing.segment(side, tcp);
        if self.guess != Guess::Waiting {
            return self.guess;
        }
        let held = self.held_bytes.saturating_add(tcp.payload.len());
        if self.held.len() >= self.room() || held > HELD_BYTES {
            return self.give_up();
        }
        self.held_bytes = held;
        self.held.push(Held::new(side, mark, link, ip, tcp));
        self.listen(side, mark, tcp)
    }

    fn room(&self) -> usize {
        match &self.listener {
            Some(session) if session.in_preface() => HELD_IN_PREFACE,
            _ => HELD,
        }
    }

    fn give_up(&mut self) -> Guess {
        self.held = Vec::new();
        self.listener = None;
        self.guess = Guess::Foreign;
        Guess::Foreign
    }

    /// Bytes that continue the stream go to the session; what was sent again does not, what is missing is a gap.
    fn listen(&mut self, side: Side, mark: Mark, tcp: &Tcp<'_>) -> Guess {
        if tcp.flags.syn() {
            self.next[side] = Some(tcp.seq.wrapping_add(1));
            return Guess::Waiting;
        }
        if tcp.payload_len == 0 {
            return Guess::Waiting;
        }
        let expected = *self.next[side].get_or_insert(tcp.seq);
        let ahead = tcp.seq.wrapping_sub(expected).cast_signed();
        let seen = usize::try_from(ahead.saturating_neg()).unwrap_or(0);
        let fresh = tcp.payload.get(seen..).unwrap_or_default();
        if fresh.is_empty() && ahead <= 0 {
            return Guess::Waiting;
        }
        self.next[side] = Some(tcp.seq.wrapping_add(tcp.payload_len));
        // Most connections that are not mail open with TLS: no session is made for those.
        if self.listener.is_none() && fresh.first().is_some_and(|byte| UNREADABLE.contains(byte)) {
            return self.give_up();
        }
        let session = self
            .listener
            .get_or_insert_with(|| Box::new(Session::new(None)));
        if let Ok(missing @ 1..) = u64::try_from(ahead) {
            session.gap(side, mark, missing);
        }
        session.data(side, mark, fresh);
        let facts = session.facts();
        match (facts.mail, facts.tunnel.map(|tunnel| tunnel.accepted)) {
            // What a proxy did not build is no mail connection.
            (_, Some(Some(false))) => self.give_up(),
            (true, None | Some(Some(true))) => {
                self.guess = Guess::Mail(facts.service.unwrap_or(Service::Other));
                self.listener = None;
                self.guess
            }
            _ if !session.wants_more() => self.give_up(),
            _ => Guess::Waiting,
        }
    }
}

/// First bytes that begin a TLS record and nothing else that is looked for here.
const UNREADABLE: std::ops::RangeInclusive<u8> = 0x14..=0x17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FrameRef, SourceId, Timestamp};
    use crate::flow::Endpoint;
    use crate::wire::{TcpFlags, TcpOptions};

    const C: Side = Side::Client;
    const S: Side = Side::Server;

    /// Plays segments `(side, sequence number, payload)` after a handshake; what is known after the last.
    fn play(segments: &[(Side, u32, &[u8])]) -> Guess {
        let end = |last: u8, port| Endpoint {
            ip: [192, 0, 2, last].into(),
            port,
        };
        let key = FlowKey {
            client: end(1, 40_000),
            server: end(2, 1_080),
            source: SourceId(0),
        };
        let mark = Mark {
            frame: FrameRef::new(SourceId(0), 1),
            time: Timestamp(0),
        };
        let mut foreigner = Foreigner::new(key, mark);
        let ip = Ip {
            source: key.client.ip,
            destination: key.server.ip,
            ttl: 64,
            id: None,
            dont_fragment: true,
            tos: 0,
            flow_label: None,
            total_len: 40,
            protocol: 6,
            fragment: None,
        };
        let mut feed = |side: Side, flags: u8, seq: u32, payload: &[u8]| {
            let tcp = Tcp {
                source_port: 0,
                destination_port: 0,
                seq,
                ack: 0,
                flags: TcpFlags(flags),
                window: Some(1_000),
                options: TcpOptions::default(),
                payload,
                payload_len: payload.len() as u32,
                checksum: 0,
            };
            foreigner.segment(side, mark, &Link::default(), &ip, &tcp)
        };
        feed(C, 0x02, 0, b"");
        feed(S, 0x12, 0, b"");
        feed(C, 0x10, 1, b"");
        let mut guess = Guess::Waiting;
        for (side, seq, payload) in segments {
            guess = feed(*side, 0x18, *seq, payload);
        }
        guess
    }

    #[test]
    fn mail_through_socks_is_mail_even_when_the_hello_is_sent_twice() {
        let hello: &[u8] = &[5, 1, 0];
        let request: &[u8] = &[5, 1, 0, 1, 192, 0, 2, 9, 2, 75];
        let reply: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let mut segments: Vec<(Side, u32, &[u8])> = vec![
            (C, 1, hello),
            (C, 1, hello),
            (S, 1, b"\x05\x00"),
            (C, 4, request),
        ];
        assert_eq!(play(&segments), Guess::Waiting);
        let refused: &[u8] = &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0];
        segments.push((S, 3, refused));
        assert_eq!(play(&segments), Guess::Foreign);
        segments.pop();
        segments.push((S, 3, reply));
        assert_eq!(play(&segments), Guess::Mail(Service::Submission));
    }

    #[test]
    fn mail_through_connect_is_mail() {
        let request = b"CONNECT mx.example:2500 HTTP/1.0\r\n\r\n";
        let reply = b"HTTP/1.0 200 Connection established\r\n\r\n";
        let banner = b"220 mx.example ESMTP\r\n";
        let segments: Vec<(Side, u32, &[u8])> = vec![
            (C, 1, request),
            (S, 1, reply),
            (S, 1 + reply.len() as u32, banner),
        ];
        assert_eq!(play(&segments[..2]), Guess::Waiting);
        assert_eq!(play(&segments), Guess::Mail(Service::Smtp));
    }

    #[test]
    fn other_protocols_are_not_mail() {
        assert_eq!(play(&[(C, 1, b"\x16\x03\x01\x00\x05")]), Guess::Foreign);
        assert_eq!(play(&[(C, 1, b"GET / HTTP/1.1\r\n")]), Guess::Foreign);
        assert_eq!(play(&[(S, 1, b"220 ftp ready\r\n")]), Guess::Waiting);
        assert_eq!(
            play(&[(S, 1, b"220 ftp ready\r\n"), (C, 1, b"USER joe\r\n")]),
            Guess::Foreign
        );
        assert_eq!(
            play(&[(S, 1, b"220 hello\r\n"), (C, 1, b"EHLO me\r\n")]),
            Guess::Mail(Service::Smtp)
        );
    }
}
