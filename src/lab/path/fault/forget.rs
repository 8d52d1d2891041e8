//! A stateful filter or NAT that forgets flows which were silent for long.

use std::collections::HashMap;

use serde::Deserialize;

use super::super::craft::{Habit, reset_for};
use super::super::link::millis;
use super::super::matching::{FLOWS, FlowKey};
use super::super::packet::{Packet, flag};
use super::{Fate, Fault, Here, Sent};
use crate::base::Nanos;

/// What happens to packets of a flow that is not known (any more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// They vanish.
    #[default]
    Silent,
    /// Their sender is reset.
    Reset,
}

/// After how long, and what then.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetSpec {
    /// Milliseconds without a packet.
    pub after_ms: f64,
    /// What later packets get.
    #[serde(default)]
    pub answer: Unknown,
    /// TTL of the reset when it leaves the device.
    #[serde(default = "ttl")]
    pub ttl: u8,
}

fn ttl() -> u8 {
    64
}

/// The table of flows.
pub struct ForgetIdle {
    spec: ForgetSpec,
    last: HashMap<FlowKey, Nanos>,
}

impl ForgetIdle {
    /// An empty table.
    pub fn new(spec: ForgetSpec) -> ForgetIdle {
        ForgetIdle {
            spec,
            last: HashMap::new(),
        }
    }
}

impl Fault for ForgetIdle {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        let Some(segment) = packet.segment().filter(|_| here.hit) else {
            return Fate::On;
        };
        let key = FlowKey::of(packet, here.toward);
        let opens = segment.flags & (flag::SYN | flag::ACK) == flag::SYN;
        let known = self
            .last
            .get(&key)
            .is_some_and(|last| here.now - last <= millis(self.spec.after_ms));
        if opens || known {
            if self.last.len() < FLOWS || known {
                self.last.insert(key, here.now);
            }
            return Fate::On;
        }
        self.last.remove(&key);
        if self.spec.answer == Unknown::Reset
            && let Some(reset) = reset_for(packet, Habit::linux(self.spec.ttl), 0)
        {
            here.sent.push(Sent::now(reset, here.toward.back()));
        }
        Fate::Gone
    }
}
