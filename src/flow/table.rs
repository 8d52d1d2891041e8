//! The five-tuple table: which connection a segment belongs to, and when a connection is ripe for judging.
//!
//! Mail flows get a full tracker and a dialogue at once; anything else is counted from its headers until its
//! first bytes show mail on a strange port, or show that it is not. Time is an argument: a flow is handed out some
//! time (of the capture) after its end, and all queues are lists in order of last activity, so nothing is ever searched.
//! Connections may be spread over several tables, if all of them are told the same time and order (see [`Table::now`]): what is
//! handed out says its turn among all.

mod segments;
mod wrong_address;

use std::collections::VecDeque;

use super::connection::{Dialogue, Ended, Ending, MailFlow, Turn};
use super::endpoint::Endpoint;
use super::foreign::{Foreigner, Passing};
use super::gone::Gone;
use super::opening::Opening;
use super::ports::Ports;
use super::queues::{Queue, Queues, RIPE, Touch};
use super::ripe::Ripe;
use super::slots::{Slots, Tuple};
use super::worlds::Worlds;
use crate::base::limits::FLOWS;
use crate::base::{Mark, SourceId, Timestamp, foresee};
use crate::proto::Service;
use crate::wire::{Icmp, Ip, Quote};

enum Flow<S> {
    Mail(Box<MailFlow<S>>),
    /// Mail of which SYNs alone were seen.
    Opening(Box<Opening>),
    /// What may be mail yet.
    Other(Box<Foreigner>),
    /// What is none of mail.
    Passing(Passing),
}

/// Changes that wait to be asked for; beyond it a connection is noted with its next segment.
const NOTED: usize = 65_536;

/// All connections that are open or not judged yet.
pub struct Table<S: Dialogue> {
    ports: Ports,
    worlds: Worlds,
    seed: S::Seed,
    slots: Slots<Flow<S>>,
    queues: Queues,
    /// What was handed out; late segments of it are not a connection.
    gone: Gone,
    ready: Vec<(Turn, Ended<S>)>,
    now: Touch,
    /// Slots of mail connections that changed, for who looks at open ones; `None` when nobody does.
    noted: Option<VecDeque<u32>>,
    /// SYNs are held back until something else is seen.
    patient: bool,
    limit: usize,
    evicted: u64,
    strays: u64,
}

impl<S: Dialogue> Table<S> {
    /// An empty table.
    pub fn new(ports: Ports) -> Table<S> {
        Table::with_limit(ports, FLOWS)
    }

    /// The same table, whose decoders are given this.
    pub fn seeded(mut self, seed: S::Seed) -> Table<S> {
        self.seed = seed;
        self
    }

    /// An empty table that keeps at most `limit` connections (at least one).
    pub fn with_limit(ports: Ports, limit: usize) -> Table<S> {
        Table {
            ports,
            worlds: Worlds::default(),
            seed: S::Seed::default(),
            slots: Slots::default(),
            queues: Queues::default(),
            gone: Gone::default(),
            ready: Vec::new(),
            now: Touch {
                time: Timestamp(i64::MIN),
                order: 0,
            },
            noted: None,
            patient: false,
            limit: limit.max(1),
            evicted: 0,
            strays: 0,
        }
    }

    /// What is spoken on a port, for connections that begin from now on, unless it was assigned before.
    pub fn suggest(&mut self, port: u16, service: Service) {
        self.ports.suggest(port, service);
    }

    /// The frames of `source` belong to the same world as those of `world`.
    pub fn join(&mut self, source: SourceId, world: SourceId) {
        self.worlds.join(source, world);
    }

    /// Connections that left early because the table was full.
    #[inline]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Segments of connections that had been handed out already.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Connections in the table, those handed out lately included.
    pub fn len(&self) -> usize {
        self.slots.len().saturating_add(self.gone.len())
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on a SYN without an answer costs little. Connections that are still opening are no [`Table::mail`] yet, and no
    /// labels are told of their SYNs.
    pub fn hold_back(&mut self) {
        self.patient = true;
    }

    /// The connection of a slot, with a tracker even if it is opening yet.
    fn tracked(&mut self, at: u32) -> Option<&mut MailFlow<S>> {
        let flow = &mut self.slots.get_mut(at)?.flow;
        if let Flow::Opening(opening) = flow {
            let seed = &self.seed;
            let mail = opening.open(|service| S::open(seed, service));
            *flow = Flow::Mail(mail);
        }
        match flow {
            Flow::Mail(mail) => Some(mail),
            _ => None,
        }
    }

    /// From now on it is noted which mail connections change: see [`Table::changed`].
    pub fn note_changes(&mut self) {
        self.noted.get_or_insert_default();
    }

    /// A mail connection of which something was seen since it was last named here: its slot, for [`Table::mail`].
    pub fn changed(&mut self) -> Option<u32> {
        let noted = self.noted.as_mut()?;
        while let Some(at) = noted.pop_front() {
            if let Some(slot) = self.slots.get_mut(at) {
                slot.noted = false;
                return Some(at);
            }
        }
        None
    }

    /// How many wait for [`Table::changed`].
    pub fn waiting(&self) -> usize {
        self.noted.as_ref().map_or(0, VecDeque::len)
    }

    /// The mail connection of a slot that is not handed out yet. Slots are used again: the caller compares what it finds.
    #[inline]
    pub fn mail(&self, at: u32) -> Option<&MailFlow<S>> {
        match &self.slots.get(at)?.flow {
            Flow::Mail(mail) => Some(mail),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn mail_mut(&mut self, at: u32) -> Option<&mut MailFlow<S>> {
        match &mut self.slots.get_mut(at)?.flow {
            Flow::Mail(mail) => Some(mail),
            _ => None,
        }
    }

    fn note(&mut self, at: u32) {
        if let Some(noted) = &mut self.noted
            && noted.len() < NOTED
            && let Some(slot) = self.slots.get_mut(at)
            && !slot.noted
        {
            slot.noted = true;
            noted.push_back(at);
        }
    }

    /// The latest time of the capture, and the place of the next segment in the order of all, for a table that is one of several.
    #[inline]
    pub fn now(&mut self, time: Timestamp, order: u64) {
        self.now = Touch { time, order };
    }

    /// Whether a SYN to that server waits for the acknowledgement of that number.
    pub fn awaits(&self, mark: Mark, server: Endpoint, client: Endpoint, ack: u32) -> bool {
        let source = self.worlds.of(mark.frame.source());
        let waiting = self.slots.waiting(&(source, client, server.port, ack));
        waiting.is_some() && waiting == self.slots.find(&Tuple::new(source, server, client))
    }

    /// Gives an ICMP error to the connection that it quotes. False when it quotes none of this table.
    pub fn icmp(&mut self, mark: Mark, ip: &Ip, icmp: &Icmp<'_>, quote: &Quote) -> bool {
        let (Some(source), Some(destination)) = (quote.source_port, quote.destination_port) else {
            return false;
        };
        let (from, to) = Endpoint::of(&quote.ip, (source, destination));
        let tuple = Tuple::new(self.worlds.of(mark.frame.source()), from, to);
        let Some(at) = self.slots.find(&tuple) else {
            return self.gone.holds(&tuple, self.now.time);
        };
        if let Some(slot) = self.slots.get_mut(at)
            && let Flow::Opening(opening) = &mut slot.flow
            && opening.hold_error(mark, ip, icmp, quote)
        {
            return true;
        }
        let known = match self.tracked(at) {
            Some(mail) => mail.tracker.icmp(mark, ip, icmp, quote),
            None => self.slots.get(at).is_some(),
        };
        self.note(at);
        known
    }

    /// The next connection that is ripe at `now`, and its turn; to be asked until it has none.
    pub fn due(&mut self, now: Timestamp) -> Option<(Turn, Ended<S>)> {
        self.gone.expire(now);
        loop {
            if let Some(ended) = self.ready.pop() {
                return Some(ended);
            }
            let (at, queue, order) = self.queues.due(now, &RIPE)?;
            if matches!(queue, Queue::Closing | Queue::Reset) {
                self.foresee(at);
            }
            let turn = Turn::ripe(queue, order);
            match queue {
                Queue::Closing | Queue::Reset => self.hand_out(at, Ending::Closed, turn),
                Queue::HalfOpen => self.hand_out(at, Ending::Unanswered, turn),
                Queue::Open => self.rest(at),
                Queue::Resting => self.hand_out(at, Ending::Silent, turn),
            }
        }
    }

    /// Asks for the memory of those that are ripe after that one: its place first, then what it is, then its decoders.
    fn foresee(&self, at: u32) {
        let Some(next) = self.queues.behind(at) else {
            return;
        };
        if let Some(Flow::Mail(mail)) = self.slots.get(next).map(|slot| &slot.flow) {
            mail.dialogue.foresee();
        }
        let Some(second) = self.queues.behind(next) else {
            return;
        };
        if let Some(Flow::Mail(mail)) = self.slots.get(second).map(|slot| &slot.flow) {
            foresee(mail.as_ref());
        }
        if let Some(slot) = self.queues.behind(second).and_then(|at| self.slots.get(at)) {
            foresee(slot);
        }
    }

    /// At the end of the capture: the next connection, whatever its state, in any order.
    pub fn drain(&mut self) -> Option<Ended<S>> {
        loop {
            if let Some((_, ended)) = self.ready.pop() {
                return Some(ended);
            }
            self.gone.clear();
            let at = self.queues.oldest()?;
            self.hand_out(at, Ending::CaptureEnd, Turn::early(0));
        }
    }

    /// A connection that is silent gives back the room that its next segments would have had: most of those that are open for long
    /// are stuck.
    fn rest(&mut self, at: u32) {
        if let Some(mail) = self.mail_mut(at) {
            mail.tracker.rest();
            mail.dialogue.rest();
        }
        if let Some(last) = self.queues.last(at) {
            self.queues.touch(at, Queue::Resting, last);
        }
    }

    /// Moves a connection out for judging. Of one that has just ended the five-tuple is remembered.
    fn hand_out(&mut self, at: u32, ending: Ending, turn: Turn) {
        let last = self.queues.last(at);
        let Some((tuple, flow)) = self.remove(at) else {
            return;
        };
        let ended = match flow {
            Flow::Mail(mut mail) => {
                mail.end();
                Ended::Mail(Ripe::tracked(mail, ending))
            }
            Flow::Opening(opening) => Ended::Mail(Ripe::opening(opening, ending)),
            Flow::Other(_) | Flow::Passing(_) => Ended::Other,
        };
        self.ready.push((turn, ended));
        if let Some(last) = last.filter(|_| ending == Ending::Closed) {
            self.gone.put(tuple, last.time);
        }
    }

    fn remove(&mut self, at: u32) -> Option<(Tuple, Flow<S>)> {
        self.queues.remove(at);
        self.slots.remove(at)
    }
}
