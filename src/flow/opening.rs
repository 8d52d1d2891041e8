//! A connection of which only the client's SYN was seen, sent once or again, and perhaps a router's error about it.
//!
//! It exists because a firewall's silence, or a flood, leaves very many of these waiting for three minutes, and because a tracker
//! with all it can know is twenty times as large as what there is to know of them. The segments are held back as they were; a
//! tracker gets them, in order, as soon as anything else happens, so nothing is lost or different. It judges nothing.

use super::connection::MailFlow;
use super::facts::FlowKey;
use super::held::Held;
use super::tcp::{StreamSink, Tracker, Verdict};
use crate::base::{Few, Mark, Side};
use crate::proto::Service;
use crate::wire::{Icmp, Ip, Link, Quote, Tcp};

/// Sendings and errors held back; Linux sends seven in two minutes.
const HELD: usize = 8;

/// What happened while it opened.
// Nearly all are SYNs, and boxing would cost an allocation each.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Event {
    Syn(Held),
    Error(Box<(Mark, Ip, Icmp<'static>, Quote)>),
}

/// SYNs without an answer.
#[derive(Debug)]
pub(super) struct Opening {
    key: FlowKey,
    first: Mark,
    isn: u32,
    /// Its five-tuple belonged to an earlier connection.
    reused: bool,
    service: Service,
    held: Few<Event, HELD>,
}

impl Opening {
    /// For a connection whose first frame is a SYN that this can hold; see [`Opening::holds`].
    pub(super) fn new(
        key: FlowKey,
        first: Mark,
        tcp: &Tcp<'_>,
        reused: bool,
        service: Service,
    ) -> Opening {
        Opening {
            key,
            first,
            isn: tcp.seq,
            reused,
            service,
            held: Few::new(),
        }
    }

    /// Whether a segment is a SYN and nothing more.
    pub(super) fn holds(side: Side, tcp: &Tcp<'_>) -> bool {
        side == Side::Client && tcp.flags.opens() && tcp.payload_len == 0
    }

    /// As [`Tracker::belongs`] says of a connection with SYNs alone.
    pub(super) fn belongs(&self, side: Side, tcp: &Tcp<'_>) -> Verdict {
        let again = side == Side::Client && self.isn == tcp.seq;
        if !tcp.flags.opens() || again {
            Verdict::SameConnection
        } else {
            Verdict::NewConnection
        }
    }

    /// Holds a segment back. False when it is none to be held back, or there is no room for it.
    pub(super) fn hold(
        &mut self,
        side: Side,
        mark: Mark,
        link: &Link,
        ip: &Ip,
        tcp: &Tcp<'_>,
    ) -> bool {
        if !Opening::holds(side, tcp) || tcp.seq != self.isn || self.held.is_full() {
            return false;
        }
        self.held
            .push(Event::Syn(Held::new(side, mark, link, ip, tcp)));
        true
    }

    /// Holds back an error that quotes it. False when there is no room for it.
    pub(super) fn hold_error(
        &mut self,
        mark: Mark,
        ip: &Ip,
        icmp: &Icmp<'_>,
        quote: &Quote,
    ) -> bool {
        let error = Icmp { body: &[], ..*icmp };
        let held = Box::new((mark, *ip, error, *quote));
        self.held.try_push(Event::Error(held)).is_ok()
    }

    pub(super) fn first(&self) -> Mark {
        self.first
    }

    /// The connection as it is when nothing more comes: see [`Opening::open`].
    pub(super) fn ended<S: StreamSink>(
        &self,
        dialogue: impl FnOnce(Option<Service>) -> S,
    ) -> Box<MailFlow<S>> {
        let mut flow = self.open(dialogue);
        flow.end();
        flow
    }

    /// The connection with a tracker, which has seen all that was held back.
    pub(super) fn open<S: StreamSink>(
        &self,
        dialogue: impl FnOnce(Option<Service>) -> S,
    ) -> Box<MailFlow<S>> {
        let service = Some(self.service);
        let mut mail = Box::new(MailFlow {
            tracker: Tracker::new(self.key, self.first, true, self.reused),
            dialogue: dialogue(service),
            service,
        });
        let MailFlow {
            tracker, dialogue, ..
        } = mail.as_mut();
        for event in self.held.iter() {
            match event {
                Event::Syn(held) => {
                    held.hand_on(tracker, dialogue);
                }
                Event::Error(error) => {
                    let (mark, ip, icmp, quote) = error.as_ref();
                    tracker.icmp(*mark, ip, icmp, quote);
                }
            }
        }
        mail
    }
}
