//! What packet filters and routers do: drop, reset, prohibit, limit, delay, send in a circle.

use rand_pcg::rand_core::Rng as _;
use serde::Deserialize;

use super::super::craft::{Complaint, Habit, Quote, complain, reset_for, reset_onward};
use super::super::link::millis;
use super::super::matching::FlowKey;
use super::super::packet::{Packet, Toward};
use super::{Fate, Fault, Here, Sent};
use crate::base::{Nanos, SECOND};

/// The packet vanishes.
pub struct Drop;

impl Fault for Drop {
    fn packet(&mut self, _: &mut Packet, hit: bool, _: &mut Here<'_>, _: &mut Vec<Sent>) -> Fate {
        if hit { Fate::Gone } else { Fate::On }
    }
}

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
    fn packet(
        &mut self,
        packet: &mut Packet,
        hit: bool,
        here: &mut Here<'_>,
        sent: &mut Vec<Sent>,
    ) -> Fate {
        let Some(segment) = packet.segment().filter(|_| hit) else {
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
                sent.push(Sent::now(one, toward));
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
    fn packet(
        &mut self,
        packet: &mut Packet,
        hit: bool,
        here: &mut Here<'_>,
        sent: &mut Vec<Sent>,
    ) -> Fate {
        if !hit {
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
            sent.push(Sent {
                after: millis(self.spec.delay_ms),
                ..Sent::now(error, here.toward.back())
            });
        }
        Fate::Gone
    }
}

/// Routers that send a packet to each other.
pub struct Loop {
    with: usize,
}

impl Loop {
    /// With the hop of this index.
    pub fn new(with: usize) -> Loop {
        Loop { with }
    }
}

impl Fault for Loop {
    fn packet(&mut self, _: &mut Packet, hit: bool, _: &mut Here<'_>, _: &mut Vec<Sent>) -> Fate {
        if hit {
            Fate::Bounced(self.with)
        } else {
            Fate::On
        }
    }
}

/// The packet is late.
pub struct Delay {
    by: Nanos,
}

impl Delay {
    /// By so many milliseconds.
    pub fn new(ms: f64) -> Delay {
        Delay { by: millis(ms) }
    }
}

impl Fault for Delay {
    fn packet(&mut self, _: &mut Packet, hit: bool, _: &mut Here<'_>, _: &mut Vec<Sent>) -> Fate {
        if hit { Fate::Late(self.by) } else { Fate::On }
    }
}

/// The packet is forwarded twice.
pub struct Repeat {
    after: Nanos,
}

impl Repeat {
    /// So many milliseconds apart.
    pub fn new(ms: f64) -> Repeat {
        Repeat { after: millis(ms) }
    }
}

impl Fault for Repeat {
    fn packet(
        &mut self,
        packet: &mut Packet,
        hit: bool,
        here: &mut Here<'_>,
        sent: &mut Vec<Sent>,
    ) -> Fate {
        if hit {
            sent.push(Sent {
                after: self.after,
                ..Sent::now(packet.clone(), here.toward)
            });
        }
        Fate::On
    }
}

/// A rate and how much may come at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSpec {
    /// Packets per second.
    pub per_second: f64,
    /// Packets at once.
    #[serde(default = "one")]
    pub burst: f64,
    /// Segments beyond it are reset in place of dropped.
    #[serde(default)]
    pub reset: bool,
}

fn one() -> f64 {
    1.0
}

/// A token bucket.
pub struct RateLimit {
    spec: RateSpec,
    tokens: f64,
    last: Nanos,
}

impl RateLimit {
    /// A full bucket.
    pub fn new(spec: RateSpec) -> RateLimit {
        RateLimit {
            tokens: spec.burst,
            spec,
            last: 0,
        }
    }
}

impl Fault for RateLimit {
    fn packet(
        &mut self,
        packet: &mut Packet,
        hit: bool,
        here: &mut Here<'_>,
        sent: &mut Vec<Sent>,
    ) -> Fate {
        if !hit {
            return Fate::On;
        }
        let passed = here.now.saturating_sub(self.last) as f64 / SECOND as f64;
        self.last = here.now;
        self.tokens = (self.tokens + passed * self.spec.per_second).min(self.spec.burst);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Fate::On;
        }
        if self.spec.reset
            && let Some(reset) = reset_for(packet, Habit::linux(64), 0)
        {
            sent.push(Sent::now(reset, here.toward.back()));
        }
        Fate::Gone
    }
}

/// What a split looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// The sum of the ports, so that a scenario can choose its source ports.
    #[default]
    Ports,
    /// A hash over the 5-tuple, as routers do (RFC 2992).
    Tuple,
}

/// Branches of a path, chosen by the 5-tuple.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSpec {
    /// How many.
    pub branches: u64,
    /// Which of them is dead, from 0.
    #[serde(default)]
    pub dead: u64,
    /// By what a flow's branch is chosen.
    #[serde(default)]
    pub by: SplitBy,
}

/// One dead branch of several.
pub struct Split {
    spec: SplitSpec,
}

impl Split {
    /// From its numbers.
    pub fn new(spec: SplitSpec) -> Split {
        Split { spec }
    }
}

impl Fault for Split {
    fn packet(
        &mut self,
        packet: &mut Packet,
        hit: bool,
        here: &mut Here<'_>,
        _: &mut Vec<Sent>,
    ) -> Fate {
        if !hit {
            return Fate::On;
        }
        let key = FlowKey::of(packet, here.toward);
        let chosen = match self.spec.by {
            SplitBy::Ports => u64::from(key.client.1) + u64::from(key.server.1),
            SplitBy::Tuple => hash(&key),
        };
        if chosen % self.spec.branches.max(1) == self.spec.dead {
            Fate::Gone
        } else {
            Fate::On
        }
    }
}

/// FNV-1a over the 5-tuple: the same on every machine and in both directions.
fn hash(key: &FlowKey) -> u64 {
    let mut bytes = vec![key.transport];
    for (address, port) in [key.client, key.server] {
        match address {
            std::net::IpAddr::V4(v4) => bytes.extend(v4.octets()),
            std::net::IpAddr::V6(v6) => bytes.extend(v6.octets()),
        }
        bytes.extend(port.to_be_bytes());
    }
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The low bits alone of such a hash are even where the last byte decides.
    sum ^ (sum >> 32)
}

/// The DSCP is overwritten, as at the border of a network that trusts nobody's (RFC 2474, 4.2.2).
pub struct Bleach {
    to: u8,
    ecn: bool,
}

impl Bleach {
    /// By this code point; with the ECN bits as well.
    pub fn new(to: u8, ecn: bool) -> Bleach {
        Bleach { to, ecn }
    }
}

impl Fault for Bleach {
    fn packet(
        &mut self,
        packet: &mut Packet,
        hit: bool,
        _: &mut Here<'_>,
        _: &mut Vec<Sent>,
    ) -> Fate {
        if hit {
            let ecn = if self.ecn {
                0
            } else {
                packet.traffic_class() & 3
            };
            packet.set_traffic_class((self.to << 2) | ecn);
            packet.seal();
        }
        Fate::On
    }
}
