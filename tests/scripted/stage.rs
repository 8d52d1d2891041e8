//! Where a scripted conversation is played: two hosts, a path with a round trip, a capture point.
//!
//! It keeps sequence numbers, acknowledgements, IP identifications and the clock, and writes the frames that a
//! capture at that point would hold. It knows nothing of mail and nothing of verdicts.

#[path = "gestures.rs"]
mod gestures;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mxray::base::Timestamp;
use mxray::wire::TcpFlags;
use mxray::wire::craft::{self, Header, Segment};

use crate::support::Kept;

const MILLISECOND: i64 = 1_000_000;
/// 2026-11-20 09:00:00 UTC, a moment like any other.
const START: i64 = 1_795_165_200_000_000_000;

/// Where the capture was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    Client,
    Middle,
    Server,
}

/// How a script is played this time: what must not change a verdict.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub name: &'static str,
    /// Round trip in ns; `None`: as the script says.
    pub rtt: Option<i64>,
    pub point: Point,
    pub v6: bool,
    pub vlan: bool,
    /// Every frame twice, as on both sides of a mirror port.
    pub mirror: bool,
    /// At most so many payload bytes in a segment.
    pub chunk: Option<usize>,
    /// Frames are cut to so many bytes.
    pub snaplen: Option<usize>,
    /// Only the packets of this sender (`'C'` or `'S'`).
    pub only: Option<char>,
    /// The first so many frames are missing.
    pub skip: usize,
    /// No TCP timestamps.
    pub plain: bool,
}

/// As a client's own tcpdump would record it.
pub const PLAIN: Manner = Manner {
    name: "plain",
    rtt: None,
    point: Point::Client,
    v6: false,
    vlan: false,
    mirror: false,
    chunk: None,
    snaplen: None,
    only: None,
    skip: 0,
    plain: false,
};

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    pub address: SocketAddr,
    pub ttl: u8,
    seq: u32,
    /// What the other end has told this one to expect: everything below is acknowledged.
    heard: u32,
    id: u16,
    pub window: u16,
    /// Its oldest segment without an acknowledgement: sequence number, place in the log, length.
    last: Option<(u32, usize, usize)>,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Line {
    pub client: Host,
    pub server: Host,
    log: Vec<u8>,
    turn: char,
}

/// What one TCP segment looks like beyond the ordinary.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub flags: u8,
    pub ttl: Option<u8>,
    pub id: Option<u16>,
    pub window: Option<u16>,
    pub seq: Option<u32>,
    /// So far behind where it should stand.
    pub beyond: u32,
    pub ack: Option<u32>,
    pub no_timestamps: bool,
    pub unseen: bool,
    pub options: Option<Vec<u8>>,
    /// A SYN or its answer holds MP_JOIN.
    pub joins: bool,
    pub label: Option<u32>,
    /// Half a millisecond after what came last, whoever that was.
    pub soon: bool,
}

pub struct Stage {
    pub manner: Manner,
    pub rtt: i64,
    pub mss: usize,
    pub now: i64,
    pub lines: Vec<Line>,
    pub current: usize,
    pub frames: Vec<Kept>,
    /// Last byte of the MAC address that what the server sends comes from.
    pub neighbour: u8,
    dns_id: u16,
}

impl Stage {
    pub fn new(manner: Manner) -> Stage {
        Stage {
            manner,
            rtt: manner.rtt.unwrap_or(20 * MILLISECOND),
            mss: 1400,
            now: START,
            lines: Vec::new(),
            current: 0,
            frames: Vec::new(),
            neighbour: 2,
            dns_id: 4711,
        }
    }

    /// An address, in the family in which the script is played.
    pub fn address(&self, v4: Ipv4Addr) -> IpAddr {
        if !self.manner.v6 {
            return IpAddr::V4(v4);
        }
        let [a, b, c, d] = v4.octets().map(u16::from);
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, a, b, c, d, 0, 1))
    }

    pub fn connect(&mut self, client: (Ipv4Addr, u16), server: (Ipv4Addr, u16)) {
        let index = self.lines.len();
        let host = |stage: &Stage, (ip, port): (Ipv4Addr, u16), ttl: u8, seq: u32| Host {
            address: SocketAddr::new(stage.address(ip), port),
            ttl,
            seq,
            heard: 0,
            id: (seq >> 7) as u16 | 1,
            window: 502,
            last: None,
        };
        let salt = u32::try_from(index).unwrap_or(0).wrapping_mul(0x1357_9bdf);
        let (client_ttl, server_ttl) = match self.manner.point {
            Point::Client => (64, 55),
            Point::Middle => (60, 59),
            Point::Server => (55, 64),
        };
        let line = Line {
            client: host(self, client, client_ttl, 0x1111_2222u32.wrapping_add(salt)),
            server: host(self, server, server_ttl, 0x9999_0000u32.wrapping_add(salt)),
            log: Vec::new(),
            turn: 'C',
        };
        self.lines.push(line);
        self.current = index;
    }

    pub fn line(&mut self) -> &mut Line {
        let current = self.current;
        self.lines.get_mut(current).expect("a connection is open")
    }

    fn hosts(&mut self, side: char) -> (&mut Host, &mut Host) {
        let line = self.line();
        match side {
            'C' => (&mut line.client, &mut line.server),
            _ => (&mut line.server, &mut line.client),
        }
    }

    pub fn wait(&mut self, nanos: i64) {
        self.now += nanos;
    }

    /// How long the capture point waits for what `side` says as an answer.
    fn answer_delay(&self, side: char) -> i64 {
        match (self.manner.point, side) {
            (Point::Client, 'C') | (Point::Server, 'S') => MILLISECOND / 5,
            (Point::Middle, _) => self.rtt / 2,
            _ => self.rtt,
        }
    }

    /// Time passes because it is `side`'s turn now.
    pub fn turn(&mut self, side: char) {
        if self.line().turn != side {
            self.now += self.answer_delay(side);
            self.line().turn = side;
        } else {
            self.now += MILLISECOND / 5;
        }
    }

    /// Puts a segment on the wire at the capture point. Payload does not move the sequence number; the caller does.
    pub fn segment(&mut self, side: char, look: &Look, payload: &[u8]) -> u64 {
        let timestamps = !look.no_timestamps && !self.manner.plain;
        let now = self.now;
        let default_window = |host: &Host| host.window;
        let (me, peer) = {
            let (me, peer) = self.hosts(side);
            (*me, *peer)
        };
        let syn = look.flags & TcpFlags::SYN != 0;
        let mut options = look.options.clone().unwrap_or_default();
        if look.options.is_none() {
            if syn {
                options.extend([2, 4, 5, 180, 4, 2]);
            }
            if timestamps {
                if !syn {
                    options.extend([1, 1]);
                }
                let clock = u32::try_from(now / MILLISECOND % 4_000_000_000).unwrap_or(0);
                options.extend([8, 10]);
                options.extend(clock.to_be_bytes());
                options.extend(
                    if syn && look.flags & TcpFlags::ACK == 0 {
                        0
                    } else {
                        clock.saturating_sub(20)
                    }
                    .to_be_bytes(),
                );
            }
            if syn {
                options.extend([1, 3, 3, 7]);
            }
            if syn && look.joins {
                // Kind 30, subtype 1, 12 bytes (RFC 8684 3.2).
                options.extend([30, 12, 0x11, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
            }
        }
        let id = look
            .id
            .unwrap_or(if syn && side == 'S' { 0 } else { me.id });
        let mut header = Header::new(me.address.ip(), peer.address.ip());
        header.ttl = look.ttl.unwrap_or(me.ttl);
        header.id = id;
        header.flow_label = look.label.unwrap_or(0x0001_2300 | u32::from(side as u8));
        let ack = look.ack.unwrap_or(if look.flags & TcpFlags::ACK != 0 {
            me.heard
        } else {
            0
        });
        let segment = Segment {
            source_port: me.address.port(),
            destination_port: peer.address.port(),
            seq: look.seq.unwrap_or(me.seq).wrapping_add(look.beyond),
            ack,
            flags: TcpFlags(look.flags),
            window: look
                .window
                .unwrap_or(if syn { 64_240 } else { default_window(&me) }),
            options: &options,
        };
        let packet = craft::tcp(header, &segment, payload).expect("a segment");
        {
            let (me, _) = self.hosts(side);
            me.id = me.id.wrapping_add(1).max(1);
        }
        if look.unseen {
            return 0;
        }
        self.frame(side, &packet)
    }

    fn frame(&mut self, side: char, packet: &[u8]) -> u64 {
        let (near, far) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, self.neighbour]);
        let (from, to) = if side == 'C' {
            (near, far)
        } else {
            (far, near)
        };
        let vlans: &[u16] = if self.manner.vlan { &[42] } else { &[] };
        let data = craft::ethernet(from, to, vlans, packet);
        if self.manner.only.is_some_and(|only| only != side) {
            return 0;
        }
        let mut copies = vec![(self.now, data)];
        if self.manner.mirror {
            let (_, first) = &copies[0];
            let mut again = first.clone();
            // The copy from the other side of a router: one hop less.
            let ip = if self.manner.vlan { 18 } else { 14 };
            if self.manner.v6 {
                again[ip + 7] -= 1;
            } else {
                again[ip + 8] -= 1;
                let sum = u32::from(again[ip + 10]) << 8 | u32::from(again[ip + 11]);
                let sum = sum + 0x100;
                let sum = (sum & 0xffff) + (sum >> 16);
                again[ip + 10] = (sum >> 8) as u8;
                again[ip + 11] = sum as u8;
            }
            copies.push((self.now + 12_000, again));
        }
        for (time, data) in copies {
            let number = self.frames.len() as u64 + 1;
            let cut = self.manner.snaplen.unwrap_or(usize::MAX).min(data.len());
            self.frames.push(Kept {
                number,
                link_type: 1,
                time: Timestamp(time),
                data: data[..cut].into(),
                original_len: u32::try_from(data.len()).expect("short"),
                control: false,
            });
        }
        if self.manner.mirror {
            self.frames.len() as u64 - 1
        } else {
            self.frames.len() as u64
        }
    }

    /// Payload from `side`, in segments; the other side acknowledges unless `lost`.
    pub fn say(&mut self, side: char, payload: &[u8], acked: bool, look: &Look) -> u64 {
        self.turn(side);
        let mss = self.manner.chunk.unwrap_or(usize::MAX).min(self.mss);
        let mut first = 0;
        for piece in payload.chunks(mss) {
            let flags = TcpFlags::ACK | TcpFlags::PSH;
            let frame = self.segment(
                side,
                &Look {
                    flags,
                    ..look.clone()
                },
                piece,
            );
            if first == 0 {
                first = frame;
            }
            let from = self.line().log.len();
            self.line().log.extend_from_slice(piece);
            let (me, peer) = self.hosts(side);
            // TCP sends the oldest unacknowledged segment again.
            if me
                .last
                .is_none_or(|(seq, ..)| peer.heard.wrapping_sub(seq) < 1 << 31 && peer.heard != seq)
            {
                me.last = Some((me.seq, from, piece.len()));
            }
            me.seq = me.seq.wrapping_add(u32::try_from(piece.len()).unwrap_or(0));
            self.now += 20_000;
        }
        if acked {
            self.acknowledge(side);
        }
        first
    }

    /// A UDP datagram of somebody: the capture runs on, or something came back.
    pub fn datagram(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8], by: char) -> u64 {
        let header = Header::new(from.ip(), to.ip());
        let packet = craft::udp(header, from, to, payload).expect("a datagram");
        self.frame(by, &packet)
    }

    pub fn next_dns_id(&mut self) -> u16 {
        self.dns_id = self.dns_id.wrapping_add(7);
        self.dns_id
    }
}
