//! Devices that hold TCP's numbers in their hands: sequence randomisers and SYN proxies.

use std::collections::HashMap;

use rand_pcg::rand_core::Rng as _;
use serde::Deserialize;

use super::super::craft::{Habit, tcp};
use super::super::matching::{FLOWS, FlowKey};
use super::super::packet::{Packet, Segment, Toward, flag};
use super::options::walk;
use super::{Fate, Fault, Here, Sent};

/// Whose initial sequence number is randomised, and whether SACK is translated back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomiseSpec {
    /// The side that the packets travel toward whose numbers are changed: `"server"` changes the client's.
    pub toward: Toward,
    /// The SACK blocks of the answers stay as they are: the mistake.
    #[serde(default)]
    pub forget_sack: bool,
}

/// A sequence randomiser.
pub struct Randomise {
    spec: RandomiseSpec,
    shift: HashMap<FlowKey, u32>,
}

impl Randomise {
    /// Without flows.
    pub fn new(spec: RandomiseSpec) -> Randomise {
        Randomise {
            spec,
            shift: HashMap::new(),
        }
    }
}

impl Fault for Randomise {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        let Some(segment) = packet.segment().filter(|_| here.hit) else {
            return Fate::On;
        };
        let key = FlowKey::of(packet, here.toward);
        let own = here.toward == self.spec.toward;
        if own && segment.flags & flag::SYN != 0 && self.shift.len() < FLOWS {
            self.shift
                .entry(key)
                .or_insert_with(|| here.random.next_u32());
        }
        let Some(shift) = self.shift.get(&key).copied() else {
            return Fate::On;
        };
        if own {
            packet.set_seq(segment.seq.wrapping_add(shift));
        } else if segment.flags & flag::ACK != 0 {
            packet.set_ack(segment.ack.wrapping_sub(shift));
            if !self.spec.forget_sack {
                walk(packet.options_mut(), |kind, option| {
                    if kind == 5 {
                        unshift(option.get_mut(2..).unwrap_or(&mut []), shift);
                    }
                });
            }
        }
        packet.seal();
        Fate::On
    }
}

fn unshift(edges: &mut [u8], shift: u32) {
    for edge in edges.chunks_exact_mut(4) {
        let value = u32::from_be_bytes([edge[0], edge[1], edge[2], edge[3]]).wrapping_sub(shift);
        edge.copy_from_slice(&value.to_be_bytes());
    }
}

/// How a SYN proxy answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SynProxySpec {
    /// TTL of its SYN-ACK when it leaves the device.
    pub ttl: u8,
    /// The MSS that it offers in the server's name.
    pub mss: u16,
}

impl Default for SynProxySpec {
    fn default() -> SynProxySpec {
        SynProxySpec { ttl: 64, mss: 1460 }
    }
}

#[derive(Clone, Copy)]
enum Stage {
    /// SYN-ACK sent with this own number, waiting for the client's ACK.
    Answered { own: u32 },
    /// SYN sent to the server.
    Opening { own: u32 },
    /// Both sides are up; the server's numbers are this much lower than what the client knows.
    Open { shift: u32 },
}

/// A device that answers SYNs itself and only then asks the server.
pub struct SynProxy {
    spec: SynProxySpec,
    flows: HashMap<FlowKey, (Stage, u32)>,
}

impl SynProxy {
    /// Without flows.
    pub fn new(spec: SynProxySpec) -> SynProxy {
        SynProxy {
            spec,
            flows: HashMap::new(),
        }
    }

    fn mss_option(&self) -> [u8; 4] {
        let [high, low] = self.spec.mss.to_be_bytes();
        [2, 4, high, low]
    }
}

impl Fault for SynProxy {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        let Some(segment) = packet.segment().filter(|_| here.hit) else {
            return Fate::On;
        };
        let key = FlowKey::of(packet, here.toward);
        let habit = Habit::linux(self.spec.ttl);
        let options = self.mss_option();
        let opens = segment.flags & (flag::SYN | flag::ACK) == flag::SYN;
        if here.toward == Toward::Server && opens {
            let own = match self.flows.get(&key) {
                Some((Stage::Answered { own } | Stage::Opening { own }, _)) => *own,
                _ if self.flows.len() >= FLOWS => return Fate::Gone,
                _ => here.random.next_u32(),
            };
            self.flows
                .insert(key, (Stage::Answered { own }, segment.seq));
            let answer = Segment {
                from: segment.to,
                to: segment.from,
                seq: own,
                ack: segment.seq.wrapping_add(1),
                flags: flag::SYN | flag::ACK,
                window: 29_200,
            };
            here.sent.extend(
                tcp(
                    packet.destination(),
                    packet.source(),
                    habit,
                    answer,
                    &options,
                    &[],
                )
                .map(|p| Sent::now(p, Toward::Client)),
            );
            return Fate::Gone;
        }
        let Some((stage, client_isn)) = self.flows.get_mut(&key) else {
            return Fate::On;
        };
        match (*stage, here.toward) {
            (Stage::Answered { own } | Stage::Opening { own }, Toward::Server) => {
                if segment.flags & flag::RST != 0 {
                    self.flows.remove(&key);
                    return Fate::Gone;
                }
                *stage = Stage::Opening { own };
                let syn = Segment {
                    seq: *client_isn,
                    ack: 0,
                    flags: flag::SYN,
                    ..segment
                };
                here.sent.extend(
                    tcp(
                        packet.source(),
                        packet.destination(),
                        habit,
                        syn,
                        &options,
                        &[],
                    )
                    .map(|p| Sent::now(p, Toward::Server)),
                );
                Fate::Gone
            }
            (Stage::Opening { own }, Toward::Client) if segment.flags & flag::RST != 0 => {
                packet.set_seq(own.wrapping_add(1));
                packet.seal();
                Fate::On
            }
            (Stage::Opening { own }, Toward::Client) => {
                *stage = Stage::Open {
                    shift: own.wrapping_sub(segment.seq),
                };
                let ack = Segment {
                    from: segment.to,
                    to: segment.from,
                    seq: client_isn.wrapping_add(1),
                    ack: segment.seq.wrapping_add(1),
                    flags: flag::ACK,
                    window: 29_200,
                };
                here.sent.extend(
                    tcp(packet.destination(), packet.source(), habit, ack, &[], &[])
                        .map(|p| Sent::now(p, Toward::Server)),
                );
                Fate::Gone
            }
            (Stage::Open { shift }, toward) => {
                match toward {
                    Toward::Server if segment.flags & flag::ACK != 0 => {
                        packet.set_ack(segment.ack.wrapping_sub(shift))
                    }
                    Toward::Server => {}
                    Toward::Client => packet.set_seq(segment.seq.wrapping_add(shift)),
                }
                packet.seal();
                Fate::On
            }
            (Stage::Answered { .. }, Toward::Client) => Fate::Gone,
        }
    }
}
