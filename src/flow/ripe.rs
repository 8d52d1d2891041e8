//! A mail connection that is over, as it waits for judging.
//!
//! One that never got further than its SYNs stays as small as it was in the table: when a flood, or a firewall's silence, ends at
//! once for a million connections, a million trackers would be made before the first is judged. It judges nothing.

use super::connection::{Ending, MailFlow};
use super::opening::Opening;
use super::tcp::StreamSink;
use crate::base::Mark;
use crate::proto::Service;

/// A mail connection that is over.
#[derive(Debug)]
pub struct Ripe<S> {
    kept: Kept<S>,
    ending: Ending,
}

#[derive(Debug)]
enum Kept<S> {
    Tracked(Box<MailFlow<S>>),
    Opening(Box<Opening>),
}

impl<S: StreamSink> Ripe<S> {
    pub(super) fn tracked(flow: Box<MailFlow<S>>, ending: Ending) -> Ripe<S> {
        Ripe {
            kept: Kept::Tracked(flow),
            ending,
        }
    }

    pub(super) fn opening(opening: Box<Opening>, ending: Ending) -> Ripe<S> {
        Ripe {
            kept: Kept::Opening(opening),
            ending,
        }
    }

    /// Why it was handed out.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Its first segment.
    pub fn first(&self) -> Mark {
        match &self.kept {
            Kept::Tracked(flow) => flow.tracker.facts().first,
            Kept::Opening(opening) => opening.first(),
        }
    }

    /// What its segments showed. `dialogue` makes what would have read its bytes, for a connection that has no tracker: each call
    /// gives it one for as long as `look` looks.
    pub fn look<R>(
        &self,
        dialogue: impl FnOnce(Option<Service>) -> S,
        look: impl FnOnce(&MailFlow<S>) -> R,
    ) -> R {
        match &self.kept {
            Kept::Tracked(flow) => look(flow),
            Kept::Opening(opening) => look(&opening.ended(dialogue)),
        }
    }

    /// The connection with its tracker; `dialogue` as for [`Ripe::look`].
    pub fn into_flow(self, dialogue: impl FnOnce(Option<Service>) -> S) -> Box<MailFlow<S>> {
        match self.kept {
            Kept::Tracked(flow) => flow,
            Kept::Opening(opening) => opening.ended(dialogue),
        }
    }
}
