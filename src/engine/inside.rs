//! The byte stream of one connection, as the flow table wants it: bytes go up once, into a session.
//!
//! The session is made when it is first needed: a connection that never carries a byte, a SYN that nobody answers, costs none
//! while it waits. It decodes nothing itself.

use crate::base::{Mark, Side, foresee};
use crate::flow::Dialogue;
use crate::flow::tcp::StreamSink;
use crate::proto::Service;
use crate::proto::session::{Session, SessionFacts};
use crate::proto::tls::Shared;

/// What decodes the bytes of a mail connection.
pub struct Inside {
    session: Option<Box<Session>>,
    service: Option<Service>,
    /// Until the session is begun, which takes it.
    shared: Option<Shared>,
}

impl Inside {
    /// What its bytes showed; of a connection without any, only once it was [begun](Inside::session).
    pub fn facts(&self) -> Option<SessionFacts<'_>> {
        self.session.as_ref().map(|session| session.facts())
    }

    /// Whether it is mail, by what was spoken or, of a connection without a byte, by its port.
    pub fn is_mail(&self) -> bool {
        match self.facts() {
            Some(facts) => facts.mail,
            None => self
                .service
                .is_some_and(|service| service != Service::Other),
        }
    }

    /// The session, begun if it was not.
    pub fn session(&mut self) -> &mut Session {
        let (service, shared) = (self.service, &mut self.shared);
        self.session.get_or_insert_with(|| {
            let shared = shared.take().unwrap_or_default();
            Box::new(Session::with(service, shared))
        })
    }
}

impl StreamSink for Inside {
    fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        self.session().data(side, mark, bytes);
    }

    fn gap(&mut self, side: Side, mark: Mark, len: u64) {
        self.session().gap(side, mark, len);
    }
}

impl Dialogue for Inside {
    type Seed = Shared;

    fn open(shared: &Shared, service: Option<Service>) -> Inside {
        Inside {
            session: None,
            service,
            shared: Some(shared.clone()),
        }
    }

    fn foresee(&self) {
        if let Some(session) = &self.session {
            foresee(session.as_ref());
        }
    }

    fn rest(&mut self) {
        if let Some(session) = &mut self.session {
            session.rest();
        }
    }
}
