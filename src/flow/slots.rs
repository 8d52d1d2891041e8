//! Where each connection of the table stands, found by its five-tuple or by the answer that its SYN waits for.
//!
//! Places are numbers that are used again. It knows nothing of what stands there.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

use hashbrown::HashTable;

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

/// Which end of a five-tuple opened the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    Low,
    High,
}

/// A connection in its place.
pub(super) struct Slot<F> {
    tuple: Tuple,
    opener: Opener,
    /// It stands in the list of what changed.
    pub(super) noted: bool,
    /// The acknowledgement that its SYN waits for.
    awaited: Option<u32>,
    pub(super) flow: F,
}

impl<F> Slot<F> {
    /// The client's end.
    #[inline]
    pub(super) fn client(&self) -> Endpoint {
        match self.opener {
            Opener::Low => self.tuple.low,
            Opener::High => self.tuple.high,
        }
    }

    fn pending(&self) -> Option<Pending> {
        let server = match self.opener {
            Opener::Low => self.tuple.high,
            Opener::High => self.tuple.low,
        };
        let ack = self.awaited?;
        Some((self.tuple.source, self.client(), server.port, ack))
    }
}

/// All places. The indexes hold numbers only, and what they are found by stands in the places: so they stay small enough for a
/// cache, and the place is wanted next anyway.
pub(super) struct Slots<F> {
    index: HashTable<u32>,
    pending: HashTable<u32>,
    slots: Vec<Option<Slot<F>>>,
    free: Vec<u32>,
    hasher: Fast,
}

impl<F> Default for Slots<F> {
    fn default() -> Slots<F> {
        Slots {
            index: HashTable::new(),
            pending: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hasher: Fast::default(),
        }
    }
}

fn at<F>(slots: &[Option<Slot<F>>], at: u32) -> Option<&Slot<F>> {
    slots.get(at as usize)?.as_ref()
}

impl<F> Slots<F> {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The place of a five-tuple.
    #[inline]
    pub(super) fn find(&self, tuple: &Tuple) -> Option<u32> {
        let same = |known: &u32| at(&self.slots, *known).is_some_and(|slot| slot.tuple == *tuple);
        self.index.find(self.hasher.hash_one(tuple), same).copied()
    }

    /// The place whose SYN waits for that.
    pub(super) fn waiting(&self, pending: &Pending) -> Option<u32> {
        let same = |known: &u32| {
            at(&self.slots, *known).is_some_and(|slot| slot.pending() == Some(*pending))
        };
        self.pending
            .find(self.hasher.hash_one(pending), same)
            .copied()
    }

    /// What stands there.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Slot<F>> {
        at(&self.slots, place)
    }

    /// What stands there, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Slot<F>> {
        self.slots.get_mut(at as usize)?.as_mut()
    }

    /// Finds a place for a connection of `client` whose five-tuple has none; `awaited`: the acknowledgement that its SYN waits for.
    /// `None`: all numbers are in use.
    pub(super) fn put(
        &mut self,
        tuple: Tuple,
        client: Endpoint,
        flow: F,
        awaited: Option<u32>,
    ) -> Option<u32> {
        let slot = Slot {
            tuple,
            opener: if client == tuple.low {
                Opener::Low
            } else {
                Opener::High
            },
            noted: false,
            awaited,
            flow,
        };
        let pending = slot.pending();
        let place = match self.free.pop() {
            Some(free) => {
                *self.slots.get_mut(free as usize)? = Some(slot);
                free
            }
            None => {
                let new = u32::try_from(self.slots.len())
                    .ok()
                    .filter(|new| *new != NONE)?;
                self.slots.push(Some(slot));
                new
            }
        };
        let Slots {
            index,
            pending: waiting,
            slots,
            hasher,
            ..
        } = self;
        let hash = |known: &u32| at(slots, *known).map_or(0, |known| hasher.hash_one(known.tuple));
        index.insert_unique(hasher.hash_one(tuple), place, hash);
        if let Some(pending) = pending {
            let same =
                |known: &u32| at(slots, *known).is_some_and(|slot| slot.pending() == Some(pending));
            let hash = |known: &u32| {
                let known = at(slots, *known).and_then(Slot::pending);
                known.map_or(0, |known| hasher.hash_one(known))
            };
            waiting
                .entry(hasher.hash_one(pending), same, hash)
                .insert(place);
        }
        Some(place)
    }

    /// Its SYN waits no longer.
    #[inline]
    pub(super) fn answered(&mut self, place: u32) {
        if let Some(pending) = self.get(place).and_then(Slot::pending) {
            self.forget(place, pending);
        }
    }

    fn forget(&mut self, place: u32, pending: Pending) {
        let slots = &self.slots;
        let same =
            |known: &u32| at(slots, *known).is_some_and(|slot| slot.pending() == Some(pending));
        let hash = self.hasher.hash_one(pending);
        if let Ok(known) = self.pending.find_entry(hash, same) {
            known.remove();
        }
        if let Some(slot) = self.get_mut(place) {
            slot.awaited = None;
        }
    }

    /// The place is free again.
    pub(super) fn remove(&mut self, place: u32) {
        self.answered(place);
        if let Some(slot) = self.slots.get_mut(place as usize).and_then(Option::take) {
            let hash = self.hasher.hash_one(slot.tuple);
            if let Ok(known) = self.index.find_entry(hash, |known| *known == place) {
                known.remove();
            }
            self.free.push(place);
        }
    }
}
