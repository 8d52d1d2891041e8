//! What filters say in a packet's stead: TCP resets and ICMP errors, each with the habits of its device.

use rand_pcg::rand_core::Rng as _;
use serde::Deserialize;

use super::super::craft::{Complaint, Habit, Quote, complain, reset_for, reset_onward};
use super::super::link::millis;
use super::super::packet::{Packet, Toward};
use super::{Fate, Fault, Here, Sent};

/// Whom a reset is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Whoever sent the packet.
    #[default]
    Sender,
    /// Whoever would have got it.
    Receiver,
    /// Both.
    Both,
    /// The client.
    Client,
    /// The server.
    Server,
}

/// A number in a forged header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Number {
    /// 0.
    Zero,
    /// That of the packet that caused it.
    Copied,
    /// Random.
    Random,
    /// This one.
    Fixed(u16),
}

impl Number {
    fn of(self, copied: u16, here: &mut Here<'_>) -> u16 {
        match self {
            Number::Zero => 0,
            Number::Copied => copied,
            Number::Random => (here.random.next_u32() >> 16) as u16 | 1,
            Number::Fixed(value) => value,
        }
    }
}

/// How a device resets. The defaults are a Linux firewall's `reject with tcp reset`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResetSpec {
    /// To whom.
    pub to: Target,
    /// TTL when it leaves the device.
    pub ttl: u8,
    /// IPv4 identification.
    pub identification: Number,
    /// Window.
    pub window: Number,
    /// The TOS byte or traffic class is that of the packet that caused it.
    pub copy_class: bool,
    /// How many, each with a sequence number one window further.
    pub guesses: u32,
    /// The packet that caused it goes on all the same.
    pub pass: bool,
}

impl Default for ResetSpec {
    fn default() -> ResetSpec {
        ResetSpec {
            to: Target::Sender,
            ttl: 64,
            identification: Number::Zero,
            window: Number::Zero,
            copy_class: false,
            guesses: 1,
            pass: false,
        }
    }
}

/// A TCP reset in the packet's stead.
pub struct Reset {
    spec: ResetSpec,
}

impl Reset {
    /// From its habits.
    pub fn new(spec: ResetSpec) -> Reset {
        Reset { spec }
    }
}

impl Fault for Reset {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        let Some(segment) = packet.segment().filter(|_| here.hit) else {
            return Fate::On;
        };
        let (sender, receiver) = match (self.spec.to, here.toward) {
            (Target::Sender, _) => (true, false),
            (Target::Receiver, _) => (false, true),
            (Target::Both, _) => (true, true),
            (Target::Client, toward) => (toward == Toward::Server, toward == Toward::Client),
            (Target::Server, toward) => (toward == Toward::Client, toward == Toward::Server),
        };
        let window = self.spec.window.of(segment.window, here);
        let habit = Habit {
            identification: self.spec.identification.of(packet.identification(), here),
            traffic_class: if self.spec.copy_class {
                packet.traffic_class()
            } else {
                0
            },
            ..Habit::linux(self.spec.ttl)
        };
        let made = [
            (sender, reset_for(packet, habit, window), here.toward.back()),
            (receiver, reset_onward(packet, habit, window), here.toward),
        ];
        for (wanted, reset, toward) in made {
            let Some(reset) = reset.filter(|_| wanted) else {
                continue;
            };
            for guess in 0..self.spec.guesses.min(16) {
                let mut one = reset.clone();
                if let Some(segment) = one.segment().filter(|_| guess > 0) {
                    one.set_seq(segment.seq.wrapping_add(guess.wrapping_mul(1460)));
                    one.seal();
                }
                here.sent.push(Sent::now(one, toward));
            }
        }
        if self.spec.pass { Fate::On } else { Fate::Gone }
    }
}

/// What an ICMP error says, by name; each has a code in both families (RFC 792, 1812, 4443).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IcmpKind {
    /// 3/0, v6 1/0.
    NetUnreachable,
    /// 3/1, v6 1/3.
    HostUnreachable,
    /// 3/2, v6 1/4.
    ProtocolUnreachable,
    /// 3/3, v6 1/4.
    PortUnreachable,
    /// 3/9, v6 1/5.
    NetProhibited,
    /// 3/10, v6 1/1.
    HostProhibited,
    /// 3/13, v6 1/1.
    #[default]
    AdminProhibited,
    /// 3/13, v6 1/6.
    RejectRoute,
    /// 11/0, v6 3/0.
    TimeExceeded,
}

impl IcmpKind {
    fn complaint(self) -> Complaint {
        let (v4, v6) = match self {
            IcmpKind::NetUnreachable => ((3, 0), (1, 0)),
            IcmpKind::HostUnreachable => ((3, 1), (1, 3)),
            IcmpKind::ProtocolUnreachable => ((3, 2), (1, 4)),
            IcmpKind::PortUnreachable => ((3, 3), (1, 4)),
            IcmpKind::NetProhibited => ((3, 9), (1, 5)),
            IcmpKind::HostProhibited => ((3, 10), (1, 1)),
            IcmpKind::AdminProhibited => ((3, 13), (1, 1)),
            IcmpKind::RejectRoute => ((3, 13), (1, 6)),
            IcmpKind::TimeExceeded => ((11, 0), (3, 0)),
        };
        Complaint { v4, v6, extra: 0 }
    }
}

/// How a device prohibits.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProhibitSpec {
    /// What it says.
    pub icmp: IcmpKind,
    /// In whose name; by default its own.
    pub from: Option<std::net::IpAddr>,
    /// Milliseconds that it takes: 3,000 are a router whose ARP got no answer.
    pub delay_ms: f64,
    /// TTL when it leaves the device.
    pub ttl: u8,
    /// How much of the packet it quotes.
    pub quote: Quote,
}

impl Default for ProhibitSpec {
    fn default() -> ProhibitSpec {
        ProhibitSpec {
            icmp: IcmpKind::default(),
            from: None,
            delay_ms: 0.0,
            ttl: 64,
            quote: Quote::default(),
        }
    }
}

/// An ICMP error in the packet's stead.
pub struct Prohibit {
    spec: ProhibitSpec,
}

impl Prohibit {
    /// From its habits.
    pub fn new(spec: ProhibitSpec) -> Prohibit {
        Prohibit { spec }
    }
}

impl Fault for Prohibit {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if !here.hit {
            return Fate::On;
        }
        let from = self.spec.from.unwrap_or(here.address);
        let identification = (here.random.next_u32() >> 16) as u16 | 1;
        if let Some(error) = complain(
            from,
            packet,
            self.spec.icmp.complaint(),
            self.spec.quote,
            self.spec.ttl,
            identification,
        ) {
            here.sent.push(Sent {
                after: millis(self.spec.delay_ms),
                ..Sent::now(error, here.toward.back())
            });
        }
        Fate::Gone
    }
}
