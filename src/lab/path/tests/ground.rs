//! Ends of both families and packets between them, so that every fault is tested for IPv4 and IPv6 alike.

use std::net::IpAddr;

use super::super::craft::{self, Habit};
use super::super::packet::{Packet, Segment, Toward, flag};
use super::super::{FaultSpec, Path, PathSpec};
use crate::base::SECOND;
use crate::lab::record::{RecordSpec, Recorder};

/// Two ends of one family.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub client: IpAddr,
    pub server: IpAddr,
    /// Another host at the server's end.
    pub other: IpAddr,
    pub resolver: IpAddr,
    /// The path's three hops.
    pub hops: [IpAddr; 3],
}

/// Both families, one after the other.
pub fn families() -> [Ends; 2] {
    let ends = |texts: [&str; 7]| {
        let [client, server, other, resolver, a, b, c] =
            texts.map(|text| text.parse().expect("an address"));
        Ends {
            client,
            server,
            other,
            resolver,
            hops: [a, b, c],
        }
    };
    [
        ends([
            "10.0.0.5",
            "192.0.2.10",
            "192.0.2.25",
            "192.0.2.53",
            "10.0.0.1",
            "203.0.113.2",
            "203.0.113.3",
        ]),
        ends([
            "2001:db8:c::5",
            "2001:db8:5::10",
            "2001:db8:5::25",
            "2001:db8:5::53",
            "2001:db8:c::1",
            "2001:db8:a::2",
            "2001:db8:a::3",
        ]),
    ]
}

/// A path of three hops with these faults, or with these hops (`[[path.hop]]`) and faults.
pub fn path(text: &str) -> Path {
    #[derive(serde::Deserialize)]
    struct Whole {
        #[serde(default)]
        path: PathSpec,
        #[serde(default)]
        fault: Vec<FaultSpec>,
    }
    let whole: Whole = toml::from_str(text).expect("a path and faults");
    Path::new(&whole.path, &whole.fault, 1)
}

impl Ends {
    /// A segment between client port 40000 and server port 25.
    pub fn segment(&self, toward: Toward, numbers: (u32, u32, u8), payload: &[u8]) -> Packet {
        self.between(toward, (40_000, 25), numbers, &[], payload)
    }

    /// A segment between these ports, the client's first.
    pub fn between(
        &self,
        toward: Toward,
        (client, server): (u16, u16),
        (seq, ack, flags): (u32, u32, u8),
        options: &[u8],
        payload: &[u8],
    ) -> Packet {
        let (source, destination, from, to) = match toward {
            Toward::Server => (self.client, self.server, client, server),
            Toward::Client => (self.server, self.client, server, client),
        };
        let segment = Segment {
            from,
            to,
            seq,
            ack,
            flags,
            window: 1000,
        };
        let habit = Habit {
            identification: 4711,
            ..Habit::linux(64)
        };
        craft::tcp(source, destination, habit, segment, options, payload).expect("a packet")
    }

    /// The first SYN to port 25.
    pub fn syn(&self) -> Packet {
        self.segment(Toward::Server, (1, 0, flag::SYN), &[])
    }

    /// Data of the client to port 25.
    pub fn says(&self, text: &[u8]) -> Packet {
        self.segment(Toward::Server, (100, 200, flag::ACK | flag::PSH), text)
    }

    /// Data of the server from port 25.
    pub fn answers(&self, text: &[u8]) -> Packet {
        self.segment(Toward::Client, (200, 100, flag::ACK | flag::PSH), text)
    }

    /// A DNS query for this type to the resolver, or an answer of it with so many bytes more.
    pub fn dns(&self, toward: Toward, rtype: u16, more: usize) -> Packet {
        let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0];
        message.extend(rtype.to_be_bytes());
        message.extend([0, 1]);
        message.extend(vec![0; more]);
        let (source, destination, ports) = match toward {
            Toward::Server => (self.client, self.resolver, (5000, 53)),
            Toward::Client => (self.resolver, self.client, (53, 5000)),
        };
        craft::udp(source, destination, Habit::linux(64), ports, &message).expect("a packet")
    }

    /// Whether it is IPv4.
    pub fn v4(&self) -> bool {
        self.client.is_ipv4()
    }
}

/// Sends one packet at a time and gives all that arrives anywhere within ten seconds of it.
pub fn send_at(path: &mut Path, now: i64, toward: Toward, packet: Packet) -> Vec<(Toward, Packet)> {
    let mut recorder = Recorder::new(RecordSpec::default());
    path.enter(toward, packet, now, &mut recorder);
    let mut all = Vec::new();
    while let Some(due) = path.next().filter(|due| *due < now + 10 * SECOND) {
        all.extend(path.advance(due, &mut recorder));
    }
    for (_, packet) in &all {
        let mut again = packet.clone();
        again.seal();
        assert_eq!(again.bytes(), packet.bytes(), "sealed");
    }
    all
}

/// The same at the path's beginning.
pub fn send(path: &mut Path, toward: Toward, packet: Packet) -> Vec<(Toward, Packet)> {
    send_at(path, 0, toward, packet)
}

/// Whether a packet reached the end that it was for.
pub fn passes(path: &mut Path, toward: Toward, packet: Packet) -> bool {
    send(path, toward, packet)
        .iter()
        .any(|(arrived, _)| *arrived == toward)
}

/// The one packet that came, and where.
pub fn only(mut arrived: Vec<(Toward, Packet)>) -> (Toward, Packet) {
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    arrived.remove(0)
}
