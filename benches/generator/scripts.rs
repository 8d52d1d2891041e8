//! Templates that no recording gives: what floods, fills tables and asks without end.

use std::net::SocketAddr;

use mxray::wire::TcpFlags as F;
use mxray::wire::craft::{self, Header, Segment};

use super::template::{Kept, Template};
use super::{Case, Micros, SECOND};

/// The scripts of a case.
pub fn of(case: Case) -> Result<Vec<Template>, String> {
    Ok(match case {
        Case::Short => vec![Template::new(three_packets())],
        Case::Syns => vec![Template::new(lone_syn())],
        Case::OpenAtOnce => vec![Template::new(long_session())],
        Case::AllDns => ["A", "AAAA", "MX"]
            .into_iter()
            .map(|kind| Template::new(look_up(kind)))
            .collect(),
        other => return Err(format!("{} has no script", other.name())),
    })
}

/// Two ends that talk TCP; addresses are normal ones.
struct Talk {
    frames: Vec<Kept>,
    client: (SocketAddr, u32),
    server: (SocketAddr, u32),
}

impl Talk {
    fn new(port: u16) -> Talk {
        Talk {
            frames: Vec::new(),
            client: (SocketAddr::from(([10, 0, 0, 1], 40_000)), 1_000),
            server: (SocketAddr::from(([23, 0, 0, 1], port)), 9_000),
        }
    }

    fn say(&mut self, after: Micros, by_client: bool, flags: u8, payload: &str) {
        let (from, to) = if by_client {
            (&mut self.client, &mut self.server)
        } else {
            (&mut self.server, &mut self.client)
        };
        let opens = flags & F::SYN != 0;
        let segment = Segment {
            source_port: from.0.port(),
            destination_port: to.0.port(),
            seq: from.1,
            ack: if flags & F::ACK == 0 { 0 } else { to.1 },
            flags: F(flags),
            window: 64_240,
            options: if opens {
                &[2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 1, 1]
            } else {
                &[]
            },
        };
        let header = Header::new(from.0.ip(), to.0.ip());
        let packet = craft::tcp(header, &segment, payload.as_bytes()).expect("fits");
        let counts = opens || flags & F::FIN != 0;
        from.1 += payload.len() as u32 + u32::from(counts);
        self.frames.push(kept(after, &packet));
    }
}

fn kept(after: Micros, packet: &[u8]) -> Kept {
    let data = craft::ethernet([2, 0, 0, 0, 0, 5], [2, 0, 0, 0, 0, 1], &[], packet);
    Kept {
        after,
        original_len: data.len() as u32,
        data,
    }
}

/// A connection of three packets to a mail port.
pub fn three_packets() -> Vec<Kept> {
    let mut talk = Talk::new(25);
    talk.say(0, true, F::SYN, "");
    talk.say(10_000, false, F::SYN | F::ACK, "");
    talk.say(10_100, true, F::RST, "");
    talk.frames
}

fn lone_syn() -> Vec<Kept> {
    let mut talk = Talk::new(25);
    talk.say(0, true, F::SYN, "");
    talk.frames
}

/// A session that waits for a minute in the middle.
fn long_session() -> Vec<Kept> {
    let mut talk = Talk::new(25);
    let said = F::ACK | F::PSH;
    let minute = 60 * SECOND;
    talk.say(0, true, F::SYN, "");
    talk.say(10_000, false, F::SYN | F::ACK, "");
    talk.say(10_100, true, F::ACK, "");
    talk.say(20_000, false, said, "220 mail.example.net ESMTP\r\n");
    talk.say(20_100, true, said, "EHLO client.example.org\r\n");
    talk.say(30_000, false, said, "250 mail.example.net\r\n");
    talk.say(minute, true, said, "MAIL FROM:<a@example.org>\r\n");
    talk.say(minute + 10_000, false, said, "250 2.1.0 Ok\r\n");
    talk.say(minute + 10_100, true, said, "RCPT TO:<b@example.net>\r\n");
    talk.say(minute + 20_000, false, said, "250 2.1.5 Ok\r\n");
    talk.say(minute + 20_100, true, said, "DATA\r\n");
    talk.say(minute + 30_000, false, said, "354 Go ahead\r\n");
    talk.say(
        minute + 30_100,
        true,
        said,
        "Subject: x\r\n\r\nHello.\r\n.\r\n",
    );
    talk.say(minute + 40_000, false, said, "250 2.0.0 Ok: queued\r\n");
    talk.say(minute + 40_100, true, said, "QUIT\r\n");
    talk.say(minute + 50_000, false, said, "221 2.0.0 Bye\r\n");
    talk.say(minute + 50_100, true, F::FIN | F::ACK, "");
    talk.say(minute + 60_000, false, F::FIN | F::ACK, "");
    talk.say(minute + 60_100, true, F::ACK, "");
    talk.frames
}

/// A question for `mail.example.net` and its answer (RFC 1035 4).
fn look_up(kind: &str) -> Vec<Kept> {
    let (kind, answer): (u8, Vec<u8>) = match kind {
        "A" => (1, vec![23, 0, 0, 2]),
        "AAAA" => (
            28,
            vec![0x20, 1, 13, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        ),
        _ => (15, vec![0, 10, 0xC0, 12]),
    };
    let client = SocketAddr::from(([10, 0, 0, 1], 40_000));
    let resolver = SocketAddr::from(([23, 0, 0, 1], 53));
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["mail", "example", "net", ""] {
        question.push(label.len() as u8);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, kind, 0, 1]);
    let mut reply = question.clone();
    reply[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    reply.extend_from_slice(&[0xC0, 12, 0, kind, 0, 1, 0, 0, 1, 44, 0, answer.len() as u8]);
    reply.extend_from_slice(&answer);
    let packet = |from: SocketAddr, to: SocketAddr, payload: &[u8]| {
        craft::udp(Header::new(from.ip(), to.ip()), from, to, payload).expect("fits")
    };
    vec![
        kept(0, &packet(client, resolver, &question)),
        kept(8_000, &packet(resolver, client, &reply)),
    ]
}
