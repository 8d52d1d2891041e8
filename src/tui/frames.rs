//! The frames that are kept for drawing and saving: bounded, found by connection.
//!
//! Producers put frames in from their own thread; the interface takes copies out when a connection is
//! opened or saved. Of a mapped file only places are kept. The oldest frames leave first, and how many left is
//! counted. It refuses to keep what can belong to no mail connection or look-up.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::base::{Nanos, SECOND, SourceId, Timestamp};
use crate::capture::{Frame, Mapping};
use crate::engine::record::{ConnectionRecord, LookupRecord};
use crate::flow::Ports;
use crate::wire::{Net, Transport, dissect};

/// What one kept frame costs beside its bytes, about.
const OVERHEAD: usize = 128;
/// Frames handed out for one connection.
const HANDED_OUT: usize = 4_096;

/// An ICMP error comes at most so long after what it is about.
const LATE: Nanos = 5 * SECOND;

/// A frame out of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFrame {
    /// The input it came from.
    pub source: SourceId,
    /// Its number there.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// Its length on the wire.
    pub original_len: u32,
    /// What was captured.
    pub data: Vec<u8>,
}

/// The frames of one connection or look-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptFrames {
    /// In the order of capture.
    pub frames: Vec<KeptFrame>,
    /// Frames that belong to it and are not here: they left the store, or are too many to hand out.
    pub missing: bool,
}

/// What the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Frames kept.
    pub kept: u64,
    /// Bytes that they cost, about.
    pub bytes: u64,
    /// Frames that left because others came.
    pub evicted: u64,
    /// Grows with every frame put in.
    pub generation: u64,
}

/// A store of frames; clones share it.
#[derive(Clone)]
pub struct Frames(Arc<Mutex<Store>>);

struct Store {
    ports: Ports,
    all: bool,
    budget: usize,
    used: usize,
    kept: VecDeque<Kept>,
    /// The place of `kept[0]` among all that were ever kept.
    first: u64,
    flows: HashMap<Flow, VecDeque<u64>, foldhash::fast::RandomState>,
    generation: u64,
    /// Inputs whose frames are counted together with those of another.
    together: HashMap<SourceId, SourceId, foldhash::fast::RandomState>,
}

struct Kept {
    source: SourceId,
    number: u64,
    time: Timestamp,
    link_type: u16,
    original_len: u32,
    bytes: Bytes,
    flow: Flow,
    /// It is an ICMP error about the flow.
    error: bool,
}

enum Bytes {
    Here(Box<[u8]>),
    There(Arc<Mapping>, u64, u32),
}

impl Bytes {
    fn cost(&self) -> usize {
        OVERHEAD
            + match self {
                Bytes::Here(bytes) => bytes.len(),
                Bytes::There(..) => 0,
            }
    }

    fn get(&self) -> &[u8] {
        match self {
            Bytes::Here(bytes) => bytes,
            Bytes::There(map, at, len) => usize::try_from(*len)
                .ok()
                .and_then(|len| map.get(*at, len))
                .unwrap_or(&[]),
        }
    }
}

/// Both ends, the smaller one first, and whether it is UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flow {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    udp: bool,
}

impl Flow {
    fn new(one: (IpAddr, u16), other: (IpAddr, u16), udp: bool) -> Flow {
        Flow {
            low: one.min(other),
            high: one.max(other),
            udp,
        }
    }
}

impl Frames {
    /// The store's size unless somebody says otherwise: 64 MiB.
    pub const DEFAULT: usize = 64 << 20;

    /// An empty store of at most `budget` bytes. `ports`: which are mail; `all`: every TCP connection is kept.
    pub fn new(ports: Ports, all: bool, budget: usize) -> Frames {
        Frames(Arc::new(Mutex::new(Store {
            ports,
            all,
            budget,
            used: 0,
            kept: VecDeque::new(),
            first: 0,
            flows: HashMap::default(),
            generation: 0,
            together: HashMap::default(),
        })))
    }

    /// Frames of `source` are counted together with those of `first` and belong to the same connections: interfaces of one
    /// live capture. To be said before its first frame.
    pub fn together(&self, source: SourceId, first: SourceId) {
        self.store().together.insert(source, first);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // A thread that died while it put a frame in leaves a whole store behind: nothing in it can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a frame if it may belong to a mail connection, a look-up or an error about one. `mapping`: the file that
    /// [`Frame::position`] counts in, when it is mapped.
    pub fn add(&self, source: SourceId, frame: &Frame<'_>, mapping: Option<&Arc<Mapping>>) {
        let packet = dissect(frame.link_type, frame.data, frame.original_len);
        let Net::Ip(ip) = &packet.net else { return };
        let mut store = self.store();
        let flow = match &packet.transport {
            Transport::Tcp(tcp) => Flow::new(
                (ip.source, tcp.source_port),
                (ip.destination, tcp.destination_port),
                false,
            ),
            Transport::Udp(udp) => Flow::new(
                (ip.source, udp.source_port),
                (ip.destination, udp.destination_port),
                true,
            ),
            Transport::Icmp(icmp) => {
                let Some(quote) = icmp.quote else { return };
                let (Some(from), Some(to)) = (quote.source_port, quote.destination_port) else {
                    return;
                };
                Flow::new(
                    (quote.ip.source, from),
                    (quote.ip.destination, to),
                    quote.ip.protocol == 17,
                )
            }
            Transport::None | Transport::Fragment(_) => return,
        };
        if !store.wants(&flow) {
            return;
        }
        let bytes = match mapping {
            Some(map) => Bytes::There(
                Arc::clone(map),
                frame.position,
                u32::try_from(frame.data.len()).unwrap_or(0),
            ),
            None => Bytes::Here(frame.data.into()),
        };
        let source = store.counted_as(source);
        store.put(Kept {
            source,
            number: frame.number,
            time: frame.time,
            link_type: frame.link_type,
            original_len: frame.original_len,
            bytes,
            flow,
            error: matches!(packet.transport, Transport::Icmp(_)),
        });
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut store = self.store();
        store.kept.clear();
        store.flows.clear();
        store.used = 0;
        store.first = 0;
        store.generation = store.generation.wrapping_add(1);
    }

    /// What it holds.
    pub fn counts(&self) -> FrameCounts {
        let store = self.store();
        FrameCounts {
            kept: store.kept.len() as u64,
            bytes: store.used as u64,
            evicted: store.first,
            generation: store.generation,
        }
    }

    /// The frames of a connection, errors that quote it included.
    pub fn of_connection(&self, record: &ConnectionRecord) -> KeptFrames {
        let (Ok(client), Ok(server)) = (record.client.ip.parse(), record.server.ip.parse()) else {
            return KeptFrames::default();
        };
        let flow = Flow::new(
            (client, record.client.port),
            (server, record.server.port),
            false,
        );
        let (from, to) = (record.started.0, record.ended.0);
        let store = self.store();
        let mut found: Vec<&Kept> = store
            .flow(&flow)
            .filter(|kept| {
                // An error about the last segment comes after it.
                let until = if kept.error { to.plus(LATE) } else { to };
                kept.time >= from && kept.time <= until
            })
            .collect();
        // The same ports in another world are another connection; a further part of the same recording is not.
        let own = store.counted_as(SourceId(record.source));
        let whole = found
            .iter()
            .any(|kept| kept.source == own && kept.time == to);
        if whole {
            found.retain(|kept| kept.source == own);
        }
        let segments = record
            .tcp
            .segments
            .client
            .saturating_add(record.tcp.segments.server);
        let few = (found.len() as u64) < segments;
        let missing = few || found.len() > HANDED_OUT;
        found.truncate(HANDED_OUT);
        KeptFrames {
            missing,
            frames: found.into_iter().map(Kept::copy).collect(),
        }
    }

    /// The frames of a look-up.
    pub fn of_lookup(&self, record: &LookupRecord) -> KeptFrames {
        let store = self.store();
        let own = store.counted_as(SourceId(record.source));
        let wanted =
            |kept: &&Kept| kept.source == own && record.frames.binary_search(&kept.number).is_ok();
        let frames: Vec<KeptFrame> = store
            .kept
            .iter()
            .filter(wanted)
            .take(HANDED_OUT)
            .map(Kept::copy)
            .collect();
        KeptFrames {
            missing: frames.len() < record.frames.len(),
            frames,
        }
    }
}

impl Kept {
    fn copy(&self) -> KeptFrame {
        KeptFrame {
            source: self.source,
            number: self.number,
            time: self.time,
            link_type: self.link_type,
            original_len: self.original_len,
            data: self.bytes.get().to_vec(),
        }
    }
}

impl Store {
    /// The input that frames of `source` are kept under.
    fn counted_as(&self, source: SourceId) -> SourceId {
        self.together.get(&source).copied().unwrap_or(source)
    }

    fn wants(&self, flow: &Flow) -> bool {
        let ports = [flow.low.1, flow.high.1];
        if ports.contains(&53) {
            return true;
        }
        !flow.udp && (self.all || ports.iter().any(|port| self.ports.service(*port).is_some()))
    }

    fn flow(&self, flow: &Flow) -> impl Iterator<Item = &Kept> {
        self.flows
            .get(flow)
            .into_iter()
            .flatten()
            .filter_map(|place| self.at(*place))
    }

    fn at(&self, place: u64) -> Option<&Kept> {
        let place = usize::try_from(place.checked_sub(self.first)?).ok()?;
        self.kept.get(place)
    }

    fn put(&mut self, kept: Kept) {
        let place = self.first.saturating_add(self.kept.len() as u64);
        self.flows.entry(kept.flow).or_default().push_back(place);
        self.used = self.used.saturating_add(kept.bytes.cost());
        self.kept.push_back(kept);
        self.generation = self.generation.wrapping_add(1);
        while self.used > self.budget {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.first = self.first.saturating_add(1);
            self.used = self.used.saturating_sub(oldest.bytes.cost());
            if let Some(places) = self.flows.get_mut(&oldest.flow) {
                places.pop_front();
                if places.is_empty() {
                    self.flows.remove(&oldest.flow);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;
    use crate::base::{SourceId, Timestamp};
    use crate::capture::Frame;
    use crate::flow::Ports;

    fn segment(number: u64, port: u16) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
        bytes.extend([10, 0, 0, 5, 192, 0, 2, 10]);
        bytes.extend(port.to_be_bytes());
        bytes.extend(25u16.to_be_bytes());
        bytes.extend((number as u32).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
        bytes
    }

    fn add(frames: &Frames, number: u64, port: u16) {
        let data = segment(number, port);
        let frame = Frame {
            number,
            interface: 0,
            link_type: 101,
            time: Timestamp(number as i64),
            data: &data,
            original_len: data.len() as u32,
            control: false,
            position: 0,
        };
        frames.add(SourceId(0), &frame, None);
    }

    #[test]
    fn the_store_stays_within_its_bound_and_forgets_the_oldest_first() {
        let frames = Frames::new(Ports::default(), false, 10_000);
        for number in 1..=1_000 {
            add(&frames, number, 50_000 + (number % 7) as u16);
        }
        let counts = frames.counts();
        assert!(counts.bytes <= 10_000, "{counts:?}");
        assert_eq!(counts.kept + counts.evicted, 1_000);
        let store = frames.store();
        let indexed: usize = store
            .flows
            .values()
            .map(std::collections::VecDeque::len)
            .sum();
        assert_eq!(indexed as u64, counts.kept);
        assert!(store.kept.iter().all(|kept| kept.number > counts.evicted));
    }
}
