//! What lets a share of the packets pass: rates, and paths of several branches of which one is dead.

use serde::Deserialize;

use super::super::craft::{Habit, reset_for};
use super::super::matching::FlowKey;
use super::super::packet::Packet;
use super::{Fate, Fault, Here, Sent};
use crate::base::{Nanos, SECOND};

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
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if !here.hit {
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
            here.sent.push(Sent::now(reset, here.toward.back()));
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
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if !here.hit {
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
