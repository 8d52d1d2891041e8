//! SYN-ACKs that come from another address than the one that was asked: whose SYN they answer, and what becomes of their five-tuple.
//!
//! Exists apart because it is the one place where a packet of one five-tuple says something of another's connection. Refuses to
//! judge it: it is a fact of the connection whose SYN waits.

use super::{Flow, Table};
use crate::base::{Mark, SourceId};
use crate::flow::connection::Dialogue;
use crate::flow::endpoint::Endpoint;
use crate::flow::facts::Opening;
use crate::flow::slots::Tuple;
use crate::wire::Tcp;

impl<S: Dialogue> Table<S> {
    /// Nothing of this connection was seen but SYN-ACKs, and resets of the client that knows nothing of it.
    pub(super) fn unasked(&self, at: u32) -> bool {
        let facts = match self.slots.get(at).map(|slot| &slot.flow) {
            Some(Flow::Mail(mail)) => mail.tracker.facts(),
            _ => return false,
        };
        // Also where the capture begins with such a reset.
        let begun_late = facts.opening == Opening::Midstream
            && facts.sides.server.segments == u64::from(facts.syn_acks.count)
            && facts.sides.client.segments == u64::from(facts.reset_count);
        begun_late
            || facts.opening == Opening::SynAck
                && facts.syns.count == 0
                && facts.established.is_none()
                && facts.sides.server.data_segments == 0
    }

    /// A SYN-ACK that fits a waiting SYN in all but the address.
    pub(super) fn foreign_answer(
        &mut self,
        source: SourceId,
        mark: Mark,
        from: Endpoint,
        to: Endpoint,
        tcp: &Tcp<'_>,
    ) -> bool {
        let pending = (source, to, from.port, tcp.ack);
        let Some(at) = self.slots.waiting(&pending) else {
            return false;
        };
        let Some(mail) = self.tracked(at) else {
            return false;
        };
        mail.tracker
            .facts_mut()
            .foreign_syn_ack
            .get_or_insert((mark, from));
        // What the client then says to that address is no connection of its own, nor is what was taken for one.
        let tuple = Tuple::new(source, from, to);
        if let Some(known) = self.slots.find(&tuple) {
            self.remove(known);
        }
        if self.len() < self.limit {
            self.gone.put(tuple, self.now.time);
        }
        true
    }
}
