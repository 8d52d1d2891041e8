//! The byte stream of one connection, as the flow table wants it: bytes go up once, into a session.

use crate::base::{Mark, Side};
use crate::flow::Dialogue;
use crate::flow::tcp::StreamSink;
use crate::proto::Service;
use crate::proto::session::Session;
use crate::proto::tls::Shared;

/// What decodes the bytes of a mail connection.
pub struct Inside(pub Session);

impl StreamSink for Inside {
    fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        self.0.data(side, mark, bytes);
    }

    fn gap(&mut self, side: Side, mark: Mark, len: u64) {
        self.0.gap(side, mark, len);
    }
}

impl Dialogue for Inside {
    type Seed = Shared;

    fn open(shared: &Shared, service: Option<Service>) -> Inside {
        Inside(Session::with(service, shared.clone()))
    }
}
