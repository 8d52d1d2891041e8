//! What a segment does to the table: which connection it goes to, and what that waits for afterwards.
//!
//! Exists apart because nearly all that the table does is this, and most of it in two short ways: a segment in the middle of a
//! connection that is none of mail, and one in the middle of a mail connection. All others, the beginnings among them, go the long
//! way. It does not know when a connection is ripe.

use super::{Flow, Table};
use crate::base::{Mark, Nanos, SECOND, Side};
use crate::flow::connection::{Dialogue, Ending, MailFlow, Turn};
use crate::flow::endpoint::Endpoint;
use crate::flow::facts::FlowKey;
use crate::flow::foreign::{Foreigner, Guess};
use crate::flow::opening::Opening;
use crate::flow::queues::Queue;
use crate::flow::slots::{End, Tuple};
use crate::flow::tcp::{Labels, Tracker, Verdict};
use crate::proto::Service;
use crate::wire::{Ip, Link, Tcp, TcpFlags};

/// What was reset waits for so long (`queues::RIPE`), longer than what closed.
const LINGERS: Nanos = 3 * SECOND;

impl<S: Dialogue> Table<S> {
    /// Takes a segment. Returns Wireshark's labels when it belongs to a mail connection.
    #[inline]
    pub fn segment(&mut self, mark: Mark, link: &Link, ip: &Ip, tcp: &Tcp<'_>) -> Option<Labels> {
        self.now.time = self.now.time.max(mark.time);
        let source = self.worlds.of(mark.frame.source());
        let (from, to) = Endpoint::of(ip, (tcp.source_port, tcp.destination_port));
        let (tuple, end) = Tuple::with_end(source, from, to);
        let known = self.slots.find(&tuple);
        if let Some(known) = known
            && self.pass(known, end, tcp)
        {
            return None;
        }
        match known {
            Some(known) if !tcp.flags.syn() && self.mail(known).is_some() => {
                self.go_on(known, end, mark, link, ip, tcp)
            }
            _ => self.take((tuple, end), known, mark, link, ip, tcp),
        }
    }

    /// Takes a segment that is no SYN from an end of a mail connection.
    #[inline(never)]
    fn go_on(
        &mut self,
        at: u32,
        end: End,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    ) -> Option<Labels> {
        let slot = self.slots.get_mut(at)?;
        let side = slot.side(end);
        let Flow::Mail(mail) = &mut slot.flow else {
            return None;
        };
        let MailFlow {
            tracker, dialogue, ..
        } = mail.as_mut();
        let labels = tracker.segment(side, mark, link, ip, tcp, dialogue);
        let queue = mail_queue(tracker);
        self.touch(at, queue, Some(labels));
        Some(labels)
    }

    /// Takes any other segment, from that end of a five-tuple that stands there, if anywhere.
    #[inline(never)]
    fn take(
        &mut self,
        (tuple, end): (Tuple, End),
        known: Option<u32>,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    ) -> Option<Labels> {
        let (from, to) = Endpoint::of(ip, (tcp.source_port, tcp.destination_port));
        let source = tuple.source();
        let mut reused = false;
        let answer = tcp.flags.syn() && tcp.flags.ack();
        if let Some(known) = known {
            let side = self.side(known, end);
            // An answer that was seen before its SYN: the SYN that it fits may have gone to another address.
            if answer && self.unasked(known) && self.foreign_answer(source, mark, from, to, tcp) {
                return None;
            }
            if self.verdict(known, side, mark, tcp)? == Verdict::SameConnection {
                return self.feed(known, side, mark, link, ip, tcp);
            }
            reused = true;
            self.hand_out(known, Ending::Replaced, Turn::early(self.now.order));
        } else if self.gone.holds(&tuple, self.now.time) {
            if !tcp.flags.opens() {
                self.strays = self.strays.saturating_add(1);
                return None;
            }
            self.gone.take(&tuple);
            reused = true;
        } else if answer && self.foreign_answer(source, mark, from, to, tcp) {
            return None;
        }
        let at = self.insert(tuple, mark, from, to, tcp, reused)?;
        let side = self.side(at, end);
        self.feed(at, side, mark, link, ip, tcp)
    }

    /// Whether a segment is one in the middle of a connection that is none of mail, as half of all frames are: nothing more is to be done then.
    #[inline]
    fn pass(&mut self, at: u32, end: End, tcp: &Tcp<'_>) -> bool {
        const CONTROL: u8 = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
        if tcp.flags.0 & CONTROL != 0 {
            return false;
        }
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        let side = slot.side(end);
        let Flow::Passing(passing) = &mut slot.flow else {
            return false;
        };
        passing.segment(side, tcp);
        let queue = passing.queue();
        self.queues.touch(at, queue, self.now);
        true
    }

    fn side(&self, at: u32, end: End) -> Side {
        self.slots
            .get(at)
            .map_or(Side::Server, |slot| slot.side(end))
    }

    /// Whether the segment continues what is in the slot.
    fn verdict(&self, at: u32, side: Side, mark: Mark, tcp: &Tcp<'_>) -> Option<Verdict> {
        match &self.slots.get(at)?.flow {
            Flow::Mail(mail) => Some(mail.tracker.belongs(side, mark, tcp)),
            Flow::Opening(opening) => Some(opening.belongs(side, tcp)),
            Flow::Other(foreign) => Some(foreign.passing().belongs(side, tcp)),
            Flow::Passing(passing) => Some(passing.belongs(side, tcp)),
        }
    }

    fn insert(
        &mut self,
        tuple: Tuple,
        mark: Mark,
        from: Endpoint,
        to: Endpoint,
        tcp: &Tcp<'_>,
        reused: bool,
    ) -> Option<u32> {
        if self.len() >= self.limit {
            let oldest = self.queues.oldest();
            let last = oldest.and_then(|oldest| self.queues.last(oldest));
            // What ended comes among those that are gone a few seconds after its last segment, and not each after as many: the first of them
            // may be a little younger than one behind it, which leaves before any connection does.
            let before = last.map(|last| last.time.plus(LINGERS));
            if !self.gone.make_room(before) {
                self.evicted = self.evicted.saturating_add(1);
                self.hand_out(oldest?, Ending::Evicted, Turn::early(self.now.order));
            }
        }
        let (client, server) = self.ports.roles(from, to, tcp);
        let key = FlowKey {
            client,
            server,
            source: tuple.source(),
        };
        let service = self
            .ports
            .service(server.port)
            .or(self.ports.everything.then_some(Service::Other));
        let opens = tcp.flags.opens() && from == client && Opening::holds(Side::Client, tcp);
        // Its bytes go on with a stream that began on another path: no greeting is due, and no dialogue can be read (RFC 8684 3.2).
        let joins = tcp.flags.syn() && tcp.options.joins;
        let service = service.filter(|_| !joins);
        let flow = match service {
            _ if joins => Flow::Passing(Foreigner::new(key, mark).passing()),
            Some(service) if self.patient && opens => {
                Flow::Opening(Box::new(Opening::new(key, mark, tcp, reused, service)))
            }
            Some(service) => Flow::Mail(Box::new(MailFlow {
                tracker: Tracker::new(key, mark, true, reused),
                dialogue: S::open(&self.seed, Some(service)),
                service: Some(service),
            })),
            None => Flow::Other(Box::new(Foreigner::new(key, mark))),
        };
        let awaited = (tcp.flags.opens() && service.is_some()).then(|| tcp.seq.wrapping_add(1));
        self.slots.put(tuple, client, flow, awaited)
    }

    fn feed(
        &mut self,
        at: u32,
        side: Side,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    ) -> Option<Labels> {
        let slot = self.slots.get_mut(at)?;
        if let Flow::Opening(opening) = &mut slot.flow {
            if opening.hold(side, mark, link, ip, tcp) {
                self.queues.touch(at, Queue::HalfOpen, self.now);
                return None;
            }
            self.tracked(at);
        }
        let slot = self.slots.get_mut(at)?;
        let mut labels = None;
        if let Flow::Other(foreign) = &mut slot.flow {
            match foreign.segment(side, mark, link, ip, tcp) {
                Guess::Mail(service) => {
                    let mut mail = Box::new(MailFlow {
                        tracker: Tracker::new(*foreign.key(), foreign.first(), true, false),
                        dialogue: S::open(&self.seed, Some(service)),
                        service: Some(service),
                    });
                    for held in foreign.take_held() {
                        let MailFlow {
                            tracker, dialogue, ..
                        } = mail.as_mut();
                        labels = Some(held.hand_on(tracker, dialogue));
                    }
                    slot.flow = Flow::Mail(mail);
                }
                Guess::Foreign => slot.flow = Flow::Passing(foreign.passing()),
                Guess::Waiting => {}
            }
        } else if let Flow::Passing(passing) = &mut slot.flow {
            passing.segment(side, tcp);
        } else if let Flow::Mail(mail) = &mut slot.flow {
            let MailFlow {
                tracker, dialogue, ..
            } = mail.as_mut();
            labels = Some(tracker.segment(side, mark, link, ip, tcp, dialogue));
        }
        let queue = match &slot.flow {
            Flow::Mail(mail) => mail_queue(&mail.tracker),
            Flow::Opening(_) => Queue::HalfOpen,
            Flow::Other(foreign) => foreign.passing().queue(),
            Flow::Passing(passing) => passing.queue(),
        };
        self.touch(at, queue, labels);
        labels
    }

    /// What follows from a segment for the place of its connection: what it waits for now, and who is to hear of it.
    #[inline]
    fn touch(&mut self, at: u32, queue: Queue, labels: Option<Labels>) {
        self.queues.touch(at, queue, self.now);
        if queue != Queue::HalfOpen {
            self.slots.answered(at);
        }
        if self.noted.is_some() && labels.is_some() {
            self.note(at);
        }
    }
}

fn mail_queue(tracker: &Tracker) -> Queue {
    let facts = tracker.facts();
    if tracker.closed() {
        if facts.established.is_none() && facts.reset_count > 0 {
            Queue::Reset
        } else {
            Queue::Closing
        }
    } else if facts.syn_acks.count == 0 && facts.syns.count > 0 && facts.established.is_none() {
        Queue::HalfOpen
    } else {
        Queue::Open
    }
}
