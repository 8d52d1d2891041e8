//! Where each connection of the table stands, found by its five-tuple or by the answer that its SYN waits for.
//!
//! Places are numbers that are used again. It knows nothing of what stands there.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use hashbrown::HashMap;

use super::facts::Endpoint;
use super::queues::NONE;
use crate::base::SourceId;

type Fast = foldhash::fast::RandomState;

/// Both directions of a connection have the same of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuple {
    low: Endpoint,
    high: Endpoint,
    pub(super) source: SourceId,
}

impl Tuple {
    #[inline]
    pub(super) fn new(source: SourceId, a: Endpoint, b: Endpoint) -> Tuple {
        if a <= b {
            Tuple {
                low: a,
                high: b,
                source,
            }
        } else {
            Tuple {
                low: b,
                high: a,
                source,
            }
        }
    }
}

impl Hash for Tuple {
    /// In two or four words instead of the dozen pieces that the parts would come in: it is asked for with every segment.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match (self.low.ip, self.high.ip) {
            (IpAddr::V4(low), IpAddr::V4(high)) => {
                state.write_u64(u64::from(low.to_bits()) << 32 | u64::from(high.to_bits()));
            }
            (low, high) => {
                for ip in [low, high] {
                    state.write_u128(match ip {
                        IpAddr::V4(ip) => u128::from(ip.to_bits()),
                        IpAddr::V6(ip) => ip.to_bits(),
                    });
                }
            }
        }
        let ports = u64::from(self.low.port) << 16 | u64::from(self.high.port);
        state.write_u64(u64::from(self.source.0) << 32 | ports);
    }
}

/// A SYN that waits for its answer: client, server's port, and the acknowledgement that would fit.
pub(super) type Pending = (SourceId, Endpoint, u16, u32);

/// A connection in its place.
pub(super) struct Slot<F> {
    pub(super) tuple: Tuple,
    pub(super) client: Endpoint,
    pub(super) flow: F,
    pub(super) pending: Option<Pending>,
    /// It stands in the list of what changed.
    pub(super) noted: bool,
}

/// All places.
pub(super) struct Slots<F> {
    index: HashMap<Tuple, u32, Fast>,
    pending: HashMap<Pending, u32, Fast>,
    slots: Vec<Option<Slot<F>>>,
    free: Vec<u32>,
}

impl<F> Default for Slots<F> {
    fn default() -> Slots<F> {
        Slots {
            index: HashMap::default(),
            pending: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<F> Slots<F> {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The place of a five-tuple.
    #[inline]
    pub(super) fn find(&self, tuple: &Tuple) -> Option<u32> {
        self.index.get(tuple).copied()
    }

    /// The place whose SYN waits for that.
    pub(super) fn waiting(&self, pending: &Pending) -> Option<u32> {
        self.pending.get(pending).copied()
    }

    /// What stands there.
    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&Slot<F>> {
        self.slots.get(at as usize)?.as_ref()
    }

    /// What stands there, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Slot<F>> {
        self.slots.get_mut(at as usize)?.as_mut()
    }

    /// Finds a place for a connection whose five-tuple has none. `None`: all numbers are in use.
    pub(super) fn put(
        &mut self,
        tuple: Tuple,
        client: Endpoint,
        flow: F,
        pending: Option<Pending>,
    ) -> Option<u32> {
        let slot = Some(Slot {
            tuple,
            client,
            flow,
            pending,
            noted: false,
        });
        let at = match self.free.pop() {
            Some(at) => {
                *self.slots.get_mut(at as usize)? = slot;
                at
            }
            None => {
                let at = u32::try_from(self.slots.len())
                    .ok()
                    .filter(|at| *at != NONE)?;
                self.slots.push(slot);
                at
            }
        };
        self.index.insert(tuple, at);
        if let Some(pending) = pending {
            self.pending.insert(pending, at);
        }
        Some(at)
    }

    /// Its SYN waits no longer.
    #[inline]
    pub(super) fn answered(&mut self, at: u32) {
        if let Some(pending) = self.get_mut(at).and_then(|slot| slot.pending.take()) {
            self.pending.remove(&pending);
        }
    }

    /// The place is free again.
    pub(super) fn remove(&mut self, at: u32) {
        self.answered(at);
        if let Some(slot) = self.slots.get_mut(at as usize).and_then(Option::take) {
            self.index.remove(&slot.tuple);
            self.free.push(at);
        }
    }
}
