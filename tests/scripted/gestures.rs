//! What hosts do with TCP in a script beside saying something: they open, acknowledge, send again, end, reset, and
//! routers complain.
//!
//! Each gesture is one frame or two, made of the stage's own sequence numbers and clock.

use std::net::Ipv4Addr;

use mxray::wire::TcpFlags;
use mxray::wire::craft::{self, Header, Segment};

use super::{Look, Stage};

impl Stage {
    /// The other side acknowledges all that `side` has sent.
    pub fn acknowledge(&mut self, side: char) -> u64 {
        let other = if side == 'C' { 'S' } else { 'C' };
        let (me, peer) = self.hosts(side);
        peer.heard = me.seq;
        self.now += self.answer_delay(other);
        let look = Look {
            flags: TcpFlags::ACK,
            ..Look::default()
        };
        let frame = self.segment(other, &look, &[]);
        self.line().turn = other;
        frame
    }

    /// That side has got all that was said to it, and says so in what it sends next.
    pub fn hear(&mut self, side: char) {
        let (me, peer) = self.hosts(side);
        me.heard = peer.seq;
    }

    /// The oldest unacknowledged segment of `side` once more.
    pub fn again(&mut self, side: char) -> u64 {
        let (me, _) = self.hosts(side);
        let Some((seq, from, length)) = me.last else {
            panic!("nothing to send again");
        };
        let bytes = self.line().log[from..from + length].to_vec();
        let look = Look {
            flags: TcpFlags::ACK | TcpFlags::PSH,
            seq: Some(seq),
            ..Look::default()
        };
        self.segment(side, &look, &bytes)
    }

    pub fn syn(&mut self, look: &Look) -> u64 {
        let look = Look {
            flags: TcpFlags::SYN | look.flags,
            ..look.clone()
        };
        self.segment('C', &look, &[])
    }

    pub fn syn_ack(&mut self, look: &Look) -> u64 {
        self.now += self.answer_delay('S');
        let line = self.line();
        line.server.heard = line.client.seq.wrapping_add(1).wrapping_add(look.beyond);
        let look = Look {
            flags: TcpFlags::SYN | TcpFlags::ACK,
            beyond: 0,
            ..look.clone()
        };
        let frame = self.segment('S', &look, &[]);
        self.line().turn = 'S';
        frame
    }

    /// The client's ACK of the SYN-ACK.
    pub fn establish(&mut self) -> u64 {
        self.turn('C');
        let line = self.line();
        line.client.seq = line.client.seq.wrapping_add(1);
        line.server.seq = line.server.seq.wrapping_add(1);
        line.client.heard = line.server.seq;
        self.segment(
            'C',
            &Look {
                flags: TcpFlags::ACK,
                ..Look::default()
            },
            &[],
        )
    }

    pub fn fin(&mut self, side: char, acked: bool, look: &Look) -> u64 {
        self.turn(side);
        let look = Look {
            flags: TcpFlags::FIN | TcpFlags::ACK,
            ..look.clone()
        };
        let frame = self.segment(side, &look, &[]);
        let (me, _) = self.hosts(side);
        me.seq = me.seq.wrapping_add(1);
        if acked {
            self.acknowledge(side);
        }
        frame
    }

    /// A bare keep-alive: one byte below what is next, nothing in it.
    pub fn keep_alive(&mut self, side: char, answered: bool) -> u64 {
        let (me, _) = self.hosts(side);
        let seq = me.seq.wrapping_sub(1);
        let look = Look {
            flags: TcpFlags::ACK,
            seq: Some(seq),
            ..Look::default()
        };
        let frame = self.segment(side, &look, &[]);
        if answered {
            self.acknowledge(side);
        }
        frame
    }

    /// A reset. `bare`: as a kernel without such a connection answers (no ACK, no options, ID 0, window 0).
    pub fn reset(&mut self, side: char, bare: bool, look: &Look) -> u64 {
        if look.soon {
            self.wait(500_000);
        } else {
            self.turn(side);
        }
        let mut look = look.clone();
        if bare {
            look.flags = TcpFlags::RST;
            look.no_timestamps = true;
            look.id = look.id.or(Some(0));
            look.window = look.window.or(Some(0));
            look.options = Some(Vec::new());
        } else {
            look.flags = TcpFlags::RST | TcpFlags::ACK;
        }
        self.segment(side, &look, &[])
    }

    /// The answer of a closed port: RST/ACK, sequence number 0, acknowledging the SYN.
    pub fn refuse(&mut self, look: &Look) -> u64 {
        self.now += self.answer_delay('S');
        let ack = self.line().client.seq.wrapping_add(1);
        let look = Look {
            flags: TcpFlags::RST | TcpFlags::ACK,
            seq: Some(0),
            ack: Some(ack),
            id: look.id.or(Some(0)),
            window: Some(0),
            no_timestamps: true,
            options: Some(Vec::new()),
            ..look.clone()
        };
        let frame = self.segment('S', &look, &[]);
        self.line().turn = 'S';
        frame
    }

    /// An ICMP error about the client's SYN (or latest sequence number).
    pub fn icmp(&mut self, kind: u8, code: u8, word: u32, from: Option<Ipv4Addr>) -> u64 {
        self.now += self.rtt / 2;
        let (me, peer) = {
            let (me, peer) = self.hosts('C');
            (*me, *peer)
        };
        let mut quoted = Header::new(me.address.ip(), peer.address.ip());
        quoted.ttl = 60;
        quoted.id = me.id;
        let (seq, length) = match me.last {
            Some((seq, _, length)) => (seq, length),
            None => (me.seq, 0),
        };
        let segment = Segment {
            source_port: me.address.port(),
            destination_port: peer.address.port(),
            seq,
            flags: TcpFlags(if length == 0 {
                TcpFlags::SYN
            } else {
                TcpFlags::ACK
            }),
            ..Segment::default()
        };
        let mut quote = craft::tcp(quoted, &segment, &[]).expect("a quote");
        quote.truncate(if self.manner.v6 { 60 } else { 28 });
        let sender = from.map_or(peer.address.ip(), |ip| self.address(ip));
        let mut header = Header::new(sender, me.address.ip());
        header.ttl = 61;
        let packet = craft::icmp(header, kind, code, word, &quote).expect("an ICMP error");
        self.frame('S', &packet)
    }
}
