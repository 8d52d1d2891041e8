//! Traffic in bulk: downloads that are no mail, and one long message that is.

use std::net::{IpAddr, Ipv4Addr};

use mxray::wire::TcpFlags;
use mxray::wire::craft::{self, Header, Segment};

use super::{Chance, Micros};

/// Payload of a full segment.
const FULL: usize = 1_460;
/// Between two frames of a flow.
const PACE: Micros = 100;

/// One end of a flow.
#[derive(Clone, Copy)]
struct End {
    ip: IpAddr,
    port: u16,
    seq: u32,
    mac: [u8; 6],
}

/// A flow with much to say.
pub struct Bulk {
    client: End,
    server: End,
    step: u64,
    left: u64,
    unacked: u8,
    due: Option<Micros>,
    mail: bool,
    packed: u64,
}

/// What a mail client and server say before and after the message, by turns; the server begins.
const BEFORE: [&str; 8] = [
    "220 mail.example.net ESMTP Postfix\r\n",
    "EHLO client.example.org\r\n",
    "250-mail.example.net\r\n250-PIPELINING\r\n250 SIZE 0\r\n",
    "MAIL FROM:<sender@example.org>\r\n",
    "250 2.1.0 Ok\r\n",
    "RCPT TO:<user@example.net>\r\n",
    "250 2.1.5 Ok\r\n",
    "DATA\r\n",
];
const AFTER: [&str; 3] = [
    "250 2.0.0 Ok: queued as 4F1D22A0\r\n",
    "QUIT\r\n",
    "221 2.0.0 Bye\r\n",
];

impl Bulk {
    /// A download of `bytes` by client so many. Some over TLS, some in clear.
    pub fn new(start: Micros, number: u32, bytes: u64, chance: &mut Chance) -> Bulk {
        let [_, a, b, c] = number.to_be_bytes();
        let clear = chance.below(4) == 0;
        Bulk {
            client: End {
                ip: Ipv4Addr::new(100, 64 | (a & 63), b, c).into(),
                port: 32_768 + chance.below(28_000) as u16,
                seq: chance.below(1 << 32) as u32,
                mac: [2, 0, 0, 0, 0, 7],
            },
            server: End {
                ip: Ipv4Addr::new(151, 101, chance.below(16) as u8, chance.below(64) as u8).into(),
                port: if clear { 80 } else { 443 },
                seq: chance.below(1 << 32) as u32,
                mac: [2, 0, 0, 0, 0, 1],
            },
            step: 0,
            left: bytes,
            unacked: 0,
            due: Some(start),
            mail: false,
            packed: bytes + bytes / FULL as u64 * 105 + 700,
        }
    }

    /// One mail session whose message takes `bytes` of the file, about.
    pub fn mail(start: Micros, bytes: u64) -> Bulk {
        let mut bulk = Bulk::new(start, 1, bytes / 107 * 100, &mut Chance(1));
        bulk.server.port = 25;
        bulk.mail = true;
        bulk
    }

    /// Bytes that it takes in the file, about.
    pub fn planned(&self) -> u64 {
        self.packed
    }

    /// When its next frame is due.
    pub fn due(&self) -> Option<Micros> {
        self.due
    }

    /// Makes that frame; gives its length.
    pub fn frame(&mut self, into: &mut Vec<u8>) -> u32 {
        use TcpFlags as F;
        let step = self.step;
        self.step += 1;
        self.due = self.due.map(|due| due + PACE);
        let (before, after) = if self.mail {
            (BEFORE.len() as u64 + 1, AFTER.len() as u64)
        } else {
            (1, 0)
        };
        match step {
            0 => self.send(into, true, F::SYN, &[]),
            1 => self.send(into, false, F::SYN | F::ACK, &[]),
            2 => self.send(into, true, F::ACK, &[]),
            _ if step < 3 + before => self.say_before((step - 3) as usize, into),
            _ if self.left > 0 => {
                if self.unacked == 2 {
                    self.unacked = 0;
                    return self.send(into, !self.mail, F::ACK, &[]);
                }
                self.unacked += 1;
                let len = (self.left as usize).min(FULL);
                self.left -= len as u64;
                if self.left == 0 {
                    self.step = 1 << 40;
                }
                let payload = self.payload(len);
                self.send(into, self.mail, F::ACK, &payload)
            }
            _ => {
                let step = step - (1 << 40);
                match step.checked_sub(after) {
                    None => {
                        let text = AFTER[step as usize].as_bytes();
                        self.send(into, step % 2 == 1, F::ACK | F::PSH, text)
                    }
                    Some(0) => self.send(into, true, F::FIN | F::ACK, &[]),
                    Some(1) => self.send(into, false, F::FIN | F::ACK, &[]),
                    _ => {
                        self.due = None;
                        self.send(into, true, F::ACK, &[])
                    }
                }
            }
        }
    }

    fn say_before(&mut self, turn: usize, into: &mut Vec<u8>) -> u32 {
        let flags = TcpFlags::ACK | TcpFlags::PSH;
        if self.mail {
            let text = BEFORE
                .get(turn)
                .copied()
                .unwrap_or("354 End data with <CR><LF>.<CR><LF>\r\n");
            return self.send(into, turn % 2 == 1, flags, text.as_bytes());
        }
        if self.server.port == 80 {
            let text = b"GET /large HTTP/1.1\r\nHost: www.example.net\r\n\r\n";
            return self.send(into, true, flags, text);
        }
        // The front of a ClientHello record (RFC 8446 5.1).
        let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];
        hello.resize(517, 0x5A);
        self.send(into, true, flags, &hello)
    }

    fn payload(&self, len: usize) -> Vec<u8> {
        if !self.mail {
            return vec![0x17; len];
        }
        let line = b"The quick brown fox jumps over the lazy dog, and over it again and again.\r\n";
        let mut text: Vec<u8> = line.iter().copied().cycle().take(len).collect();
        if self.left == 0 {
            text.extend_from_slice(b"\r\n.\r\n");
        }
        text
    }

    fn send(&mut self, into: &mut Vec<u8>, by_client: bool, flags: u8, payload: &[u8]) -> u32 {
        let (from, to) = if by_client {
            (&mut self.client, &mut self.server)
        } else {
            (&mut self.server, &mut self.client)
        };
        let opens = flags & TcpFlags::SYN != 0;
        let options: &[u8] = if opens {
            &[2, 4, 5, 180, 4, 2, 1, 3, 3, 7, 1, 1]
        } else {
            &[]
        };
        let segment = Segment {
            source_port: from.port,
            destination_port: to.port,
            seq: from.seq,
            ack: if flags & TcpFlags::ACK == 0 {
                0
            } else {
                to.seq
            },
            flags: TcpFlags(flags),
            window: 64_240,
            options,
        };
        let packet = craft::tcp(Header::new(from.ip, to.ip), &segment, payload)
            .expect("fits into an IP packet");
        let closes = opens || flags & TcpFlags::FIN != 0;
        from.seq = from
            .seq
            .wrapping_add(payload.len() as u32)
            .wrapping_add(u32::from(closes));
        *into = craft::ethernet(from.mac, to.mac, &[], &packet);
        into.len() as u32
    }
}
