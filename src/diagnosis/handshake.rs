//! How one connection tried to open, kept to be read beside the others of its client at the same port.
//!
//! Connections are judged one by one, each with the code that its own packets show. That a rate, a queue or the port's number
//! decides who gets in shows only beside each other. It keeps times and fates and judges nothing.

use crate::base::{Few, Mark, Nanos, SECOND, Side, Timestamp};
use crate::diagnosis::{Code, Ending};
use crate::flow::TcpFacts;

/// Resent SYNs that are kept: as many as Linux sends (tcp_syn_retries and those a second apart), and some more.
const AGAIN: usize = 10;
/// A SYN is unanswered once this long was watched after it (RFC 6298 2.1: the first timeout).
const WATCHED: Nanos = SECOND;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A SYN-ACK came.
    Answered {
        /// The first one.
        at: Mark,
        /// The server's first byte.
        greeted: Option<Timestamp>,
        /// Its last segment, when it was closed.
        over: Option<Timestamp>,
    },
    /// Nothing came.
    Silent {
        /// The verdict is that its SYNs were dropped.
        dropped: bool,
    },
    /// A reset or an ICMP error answered the SYN.
    Rejected {
        /// Where.
        at: Mark,
        /// It was a reset.
        reset: bool,
    },
}

/// A connection's SYNs and what they came to.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The connection's number in the report.
    pub number: u64,
    /// The client's port.
    pub port: u16,
    /// The first SYN.
    pub syn: Mark,
    /// Its TSval.
    pub tsval: Option<u32>,
    /// The SYNs sent again that were watched long enough, before any answer.
    pub again: Few<Mark, AGAIN>,
    /// What became of it.
    pub fate: Fate,
}

impl Handshake {
    /// Of a connection that was judged `code`, in a capture that goes on to `horizon`. `None` where its SYN or the answer to it
    /// was not captured, or was watched for too short a time.
    pub fn of(
        number: u64,
        port: u16,
        tcp: &TcpFacts,
        (code, ending): (Code, Ending),
        horizon: Timestamp,
    ) -> Option<Handshake> {
        // What need not arrive need not be answered.
        let syn = tcp.syns.seen.first().filter(|_| !tcp.syns.seek_path())?;
        let fate = if let Some(answer) = tcp.syn_acks.seen.first() {
            Fate::Answered {
                at: answer.at,
                greeted: tcp.sides[Side::Server].first_data.map(|mark| mark.time),
                over: matches!(ending, Ending::Closed { .. }).then_some(tcp.last.time),
            }
        } else if let Some(reset) = tcp.resets.iter().find(|reset| reset.side == Side::Server) {
            Fate::Rejected {
                at: reset.at,
                reset: true,
            }
        } else if let Some(error) = tcp.icmp.first() {
            Fate::Rejected {
                at: error.at,
                reset: false,
            }
        } else if tcp.sides[Side::Server].segments == 0
            && tcp.established.is_none()
            && horizon.since(syn.at.time) >= WATCHED
        {
            Fate::Silent {
                dropped: code == Code::TcpDropped,
            }
        } else {
            return None;
        };
        let until = match fate {
            Fate::Answered { at, .. } | Fate::Rejected { at, .. } => at.time,
            Fate::Silent { .. } => horizon.plus(-WATCHED),
        };
        let mut again = Few::new();
        for more in tcp.syns.seen.iter().skip(1) {
            if more.at.time <= until {
                again.push(more.at);
            }
        }
        Some(Handshake {
            number,
            port,
            syn: syn.at,
            tsval: syn.tsval,
            again,
            fate,
        })
    }

    /// Its SYNs, in order.
    pub fn syns(&self) -> impl Iterator<Item = Mark> + '_ {
        std::iter::once(self.syn).chain(self.again.iter().copied())
    }

    /// The last of them.
    pub fn last_syn(&self) -> Mark {
        self.again.last().copied().unwrap_or(self.syn)
    }

    /// It was answered.
    pub fn is_answered(&self) -> bool {
        matches!(self.fate, Fate::Answered { .. })
    }

    /// Its first SYN was answered.
    pub fn is_answered_at_once(&self) -> bool {
        self.is_answered() && self.again.is_empty()
    }
}
