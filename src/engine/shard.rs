//! Connections: what the frames of each of them show, apart from all others.
//!
//! They are spread over a fixed number of partitions by their two ports, whatever the number of threads: both directions, a
//! SYN-ACK that comes from another address, and an ICMP error that quotes a segment have the same two. A shard keeps some of the
//! partitions, or all. So what is told, bounds included, does not depend on the number of shards; only in which order shards tell
//! it, which is why each sighting says its turn among those of the same moment. It knows of nothing that concerns two connections.

use hashbrown::HashMap;

use super::Config;
use super::inside::Inside;
use super::onward::{Told, When};
use super::sighting::{Carried, Sighting};
use crate::base::limits::FLOWS;
use crate::base::{Side, SourceId, Timestamp};
use crate::flow::lookup::{TcpEvent, Transport as Carrier};
use crate::flow::{Ended, Endpoint, MailFlow, Ports, Ripe, SynOptions, Table, Turn};
use crate::proto::dns::StreamDecoder;
use crate::proto::tls::{KeyLog, Shared};
use crate::wire::{Icmp, Ip, Link, Quote, Tcp};

/// Partitions of all connections: a power of two.
const PARTITIONS: usize = 8;
/// Connections of one partition: twice its part of them all, since ports are not spread evenly.
const PART: usize = FLOWS / PARTITIONS * 2;
/// TCP streams of DNS that are decoded at once, in one partition.
const DNS_STREAMS: usize = 1_024;

/// Hears what is seen, and its turn among what is seen at the same moment.
pub type Hearing<'a> = dyn FnMut(Turn, Sighting) + 'a;

/// Connections whose ports have the same hash.
struct Partition {
    table: Table<Inside>,
    dns_streams:
        HashMap<(SourceId, Endpoint, Endpoint), StreamDecoder, foldhash::fast::RandomState>,
    /// So many that left early were told of.
    evicted: u64,
}

/// Some partitions, or all.
pub struct Shard {
    partitions: Vec<Partition>,
    /// All partitions that there are.
    total: usize,
    /// Where the partition of each hash is, if it is here.
    places: [u8; PARTITIONS],
    ports: Ports,
    keylog: KeyLog,
    order: u64,
    over: Vec<(Turn, Ripe<Inside>)>,
}

impl Shard {
    /// All partitions, empty. Where somebody looks at open connections, or says how many there may be, there is one.
    pub fn new(config: &Config) -> Shard {
        let (total, limit) = match config.flows {
            Some(limit) => (1, limit),
            None if config.live => (1, FLOWS),
            None => (PARTITIONS, PART),
        };
        let mut ports = config.ports.clone();
        if config.all {
            ports.everything();
        }
        let shared = Shared::with_keys(config.keylog.clone());
        let partition = || {
            let mut table = Table::with_limit(ports.clone(), limit).seeded(shared.clone());
            if config.live {
                table.note_changes();
            } else {
                table.hold_back();
            }
            Partition {
                table,
                dns_streams: HashMap::default(),
                evicted: 0,
            }
        };
        Shard {
            partitions: (0..total).map(|_| partition()).collect(),
            total,
            places: places(total, 1),
            ports: config.ports.clone(),
            keylog: config.keylog.clone(),
            order: 0,
            over: Vec::new(),
        }
    }

    /// All partitions spread over so many shards, or as many as there are partitions; each knows the keys that were known, and
    /// hears of others in its own time. To be done before the first frame.
    pub fn split(self, shards: usize) -> Vec<Shard> {
        let every = shards.clamp(1, self.total);
        let mut split: Vec<Shard> = (0..every)
            .map(|_| Shard {
                partitions: Vec::new(),
                total: self.total,
                places: places(self.total, every),
                ports: self.ports.clone(),
                keylog: self.keylog.copy(),
                order: 0,
                over: Vec::new(),
            })
            .collect();
        for (number, partition) in self.partitions.into_iter().enumerate() {
            if let Some(shard) = split.get_mut(number % every) {
                let shared = Shared::with_keys(shard.keylog.clone());
                shard.partitions.push(Partition {
                    table: partition.table.seeded(shared),
                    ..partition
                });
            }
        }
        split
    }

    /// Of a live engine, all of whose connections are in one partition: see [`Table::changed`].
    pub(super) fn changed(&mut self) -> Option<u32> {
        self.partitions.first_mut()?.table.changed()
    }

    /// See [`Table::waiting`].
    pub(super) fn waiting(&self) -> usize {
        self.partitions.first().map_or(0, |one| one.table.waiting())
    }

    /// See [`Table::mail`].
    pub(super) fn mail(&self, at: u32) -> Option<&MailFlow<Inside>> {
        self.partitions.first()?.table.mail(at)
    }

    /// See [`Table::mail_mut`].
    pub(super) fn mail_mut(&mut self, at: u32) -> Option<&mut MailFlow<Inside>> {
        self.partitions.first_mut()?.table.mail_mut(at)
    }

    /// The next place in the order of all segments, where nobody else gives them one.
    pub(super) fn next(&mut self) -> u64 {
        self.order = self.order.saturating_add(1);
        self.order
    }

    /// The shard that keeps connections of these ports, of so many.
    #[inline]
    pub fn of(ports: (u16, u16), shards: usize) -> usize {
        hash(ports) % shards.clamp(1, PARTITIONS)
    }

    #[inline]
    fn partition(&mut self, ports: (u16, u16)) -> Option<&mut Partition> {
        let place = *self.places.get(hash(ports))?;
        self.partitions.get_mut(usize::from(place))
    }

    /// Takes a segment.
    #[inline]
    pub fn segment(
        &mut self,
        order: u64,
        when: &When,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
        seen: &mut Hearing<'_>,
    ) {
        if tcp.flags.syn() {
            self.opening(when, ip, tcp, seen);
        } else if tcp.flags.rst() {
            self.refusal(when, ip, tcp, seen);
        }
        let ports = (tcp.source_port, tcp.destination_port);
        let Some(partition) = self.partition(ports) else {
            return;
        };
        if ports.0 == 53 || ports.1 == 53 {
            partition.dns(when, ip, Endpoint::of(ip, ports), tcp, seen);
        }
        let table = &mut partition.table;
        table.now(when.now, order);
        table.segment(when.mark, link, ip, tcp);
        let evicted = table.evicted();
        if evicted > partition.evicted {
            let more = evicted.saturating_sub(partition.evicted);
            partition.evicted = evicted;
            seen(Turn::FIRST, Sighting::Evicted(more));
        }
    }

    /// What a SYN, or the answer to one, says beside its own connection.
    fn opening(&self, when: &When, ip: &Ip, tcp: &Tcp<'_>, seen: &mut Hearing<'_>) {
        let (from, to) = Endpoint::of(ip, (tcp.source_port, tcp.destination_port));
        if tcp.flags.ack() {
            let answered = Sighting::Answered {
                server: from,
                mark: when.mark,
                options: SynOptions::of(tcp),
                ttl: ip.ttl,
            };
            seen(Turn::FIRST, answered);
        } else if self.ports.service(to.port).is_some() {
            let uses = Sighting::Uses {
                client: from.ip,
                address: to.ip,
                mark: when.mark,
            };
            seen(Turn::FIRST, uses);
        }
    }

    /// The answer to a SYN for which there is no port has number 0 (RFC 9293 3.10.7.1). It tells from where the address answers,
    /// and is told at once: what it says of other connections of the host must not wait until its own is over. A reset that fits no SYN
    /// which waits says nothing of that: a device in the middle may make it up.
    fn refusal(&mut self, when: &When, ip: &Ip, tcp: &Tcp<'_>, seen: &mut Hearing<'_>) {
        if !tcp.flags.ack() || tcp.seq != 0 || self.ports.service(tcp.source_port).is_none() {
            return;
        }
        let ports = (tcp.source_port, tcp.destination_port);
        let (from, to) = Endpoint::of(ip, ports);
        let table = self.partition(ports).map(|partition| &partition.table);
        if table.is_some_and(|table| table.awaits(when.mark, from, to, tcp.ack)) {
            let (server, ttl) = (ip.source, ip.ttl);
            seen(Turn::FIRST, Sighting::Refused { server, ttl });
        }
    }

    /// Takes an ICMP error.
    pub fn error(
        &mut self,
        when: &When,
        ip: &Ip,
        icmp: &Icmp<'_>,
        quote: &Quote,
        seen: &mut Hearing<'_>,
    ) {
        let known = match (quote.source_port, quote.destination_port) {
            (Some(source), Some(destination)) => {
                self.partition((source, destination)).is_some_and(|one| {
                    one.table.now(when.now, 0);
                    one.table.icmp(when.mark, ip, icmp, quote)
                })
            }
            _ => false,
        };
        // A segment to TCP/53 may carry a question: the look-up wants to know of it, whoever keeps its connection.
        let asks = quote.ip.protocol == 6 && quote.destination_port == Some(53);
        if !known || asks {
            let error = Icmp { body: &[], ..*icmp };
            let quoted = Sighting::Quoted(Box::new((when.mark, *ip, error, *quote)));
            seen(Turn::FIRST, quoted);
        }
    }

    /// Tells what is over by now.
    pub fn tick(&mut self, now: Timestamp, seen: &mut Hearing<'_>) {
        let mut others = 0;
        for partition in &mut self.partitions {
            while let Some((turn, ended)) = partition.table.due(now) {
                match ended {
                    Ended::Mail(flow) => self.over.push((turn, flow)),
                    Ended::Other => others += 1,
                }
            }
        }
        if others > 0 {
            seen(Turn::FIRST, Sighting::Other(others));
        }
        self.over.sort_by_key(|(turn, _)| *turn);
        for (turn, flow) in self.over.drain(..) {
            seen(turn, Sighting::Ended(flow));
        }
    }

    /// Tells of everything that is open: it is over now.
    pub fn drain(&mut self, seen: &mut Hearing<'_>) {
        let mut others = 0;
        for partition in &mut self.partitions {
            while let Some(ended) = partition.table.drain() {
                match ended {
                    Ended::Mail(flow) => seen(Turn::FIRST, Sighting::Left(flow)),
                    Ended::Other => others += 1,
                }
            }
        }
        seen(Turn::FIRST, Sighting::Other(others));
    }

    /// Takes what all connections have to know.
    pub fn tell(&mut self, told: &Told) {
        match told {
            Told::Secrets(text) => {
                self.secrets(text);
            }
            Told::Suggest(port, service) => {
                self.ports.suggest(*port, *service);
                for partition in &mut self.partitions {
                    partition.table.suggest(*port, *service);
                }
            }
            Told::Join(source, world) => {
                for partition in &mut self.partitions {
                    partition.table.join(*source, *world);
                }
            }
            Told::Forget => {
                for partition in &mut self.partitions {
                    partition.dns_streams.clear();
                }
            }
        }
    }

    /// Text of a key log; returns how many secrets were taken.
    pub(super) fn secrets(&mut self, text: &[u8]) -> usize {
        self.keylog.add(text)
    }
}

/// Where a shard that keeps every so many'th of all partitions has the one of each hash.
fn places(total: usize, every: usize) -> [u8; PARTITIONS] {
    // There are no more than eight.
    std::array::from_fn(|hash| (hash % total / every) as u8)
}

/// The same for both directions; below [`PARTITIONS`].
#[inline]
fn hash((one, other): (u16, u16)) -> usize {
    let pair = u64::from(one.min(other)) << 16 | u64::from(one.max(other));
    // Fibonacci hashing: the upper bits of the product are well mixed.
    (pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % PARTITIONS
}

impl Partition {
    /// A segment from or to TCP/53.
    fn dns(
        &mut self,
        when: &When,
        ip: &Ip,
        (from, to): (Endpoint, Endpoint),
        tcp: &Tcp<'_>,
        seen: &mut Hearing<'_>,
    ) {
        let mark = when.mark;
        let asks = to.port == 53;
        let (client, resolver) = if asks { (from, to) } else { (to, from) };
        let event = if tcp.flags.opens() {
            Some(TcpEvent::Syn)
        } else if tcp.flags.syn() {
            Some(TcpEvent::SynAck)
        } else if tcp.flags.rst() && !asks {
            Some(TcpEvent::Reset)
        } else {
            None
        };
        if let Some(event) = event {
            let happened = Sighting::OverTcp {
                mark,
                client: client.ip,
                resolver: resolver.ip,
                event,
                ttl: ip.ttl,
            };
            seen(Turn::FIRST, happened);
        }
        let key = (when.world, client, resolver);
        if tcp.flags.syn() || tcp.flags.rst() || tcp.flags.fin() && tcp.payload.is_empty() {
            self.dns_streams.remove(&key);
        }
        if tcp.payload.is_empty()
            || self.dns_streams.len() >= DNS_STREAMS && !self.dns_streams.contains_key(&key)
        {
            return;
        }
        let mut messages = Vec::new();
        let side = if asks { Side::Client } else { Side::Server };
        self.dns_streams
            .entry(key)
            .or_insert_with(StreamDecoder::new)
            .data(side, mark, tcp.payload, &mut messages);
        for framed in messages {
            let carried = Carried {
                mark: framed.at,
                transport: Carrier::Tcp,
                ip: *ip,
                from,
                to,
                message: framed.message,
            };
            seen(Turn::FIRST, Sighting::Message(Box::new(carried)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTITIONS, hash};

    #[test]
    fn both_directions_have_one_partition_and_all_are_used() {
        let mut used = [0; PARTITIONS];
        for port in 1024..9216 {
            assert_eq!(hash((port, 25)), hash((25, port)));
            used[hash((port, 25))] += 1;
        }
        assert!(
            used.iter().all(|count| (900..1150).contains(count)),
            "{used:?}"
        );
    }
}
