//! What is known of one look-up: its tries, the answers, the errors that quote it.
//!
//! Plain data, filled by the table beside it; rules read it. It refuses to judge.

use std::net::IpAddr;

use super::astray::Astray;
use crate::base::limits::EVENTS;
use crate::base::{Few, Foreign, Mark, Nanos, Solo, SourceId};
use crate::flow::queues::Queue;
use crate::flow::resets::HopCount;
use crate::proto::dns::{Message, RecordType};

/// Answers kept per look-up, of either kind.
pub const REPLIES: usize = 4;

/// How a message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// One try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Where.
    pub at: Mark,
    /// Transaction id.
    pub id: u16,
    /// Client's port.
    pub port: u16,
    /// How it travelled.
    pub transport: Transport,
    /// UDP payload size offered by EDNS, when there is EDNS.
    pub edns_size: Option<u16>,
    /// DO bit.
    pub dnssec_ok: bool,
    /// RD bit.
    pub recursion_desired: bool,
    /// CD bit.
    pub checking_disabled: bool,
    /// TTL as captured.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
}

/// A message that answers, or claims to.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Where.
    pub at: Mark,
    /// How it travelled.
    pub transport: Transport,
    /// The client's port that it went to.
    pub port: u16,
    /// Time since the latest try with the same id and port; `None` if there was none.
    pub delay: Option<Nanos>,
    /// Distance of its sender.
    pub hops: HopCount,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
    /// What it says.
    pub message: Box<Message>,
}

/// An ICMP error that quotes a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupIcmp {
    /// Where.
    pub at: Mark,
    /// Who sent it.
    pub sender: IpAddr,
    /// ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Distance of the sender.
    pub hops: HopCount,
    /// TTL inside the quote.
    pub quoted_ttl: u8,
    /// The quoted packet is a TCP segment.
    pub tcp: bool,
    /// It says that nothing serves DNS, and so soon after it the resolver answered a query, of whomever: where.
    pub answers: Option<Mark>,
}

/// How the client's connections to TCP/53 of the resolver fared during the look-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpTry {
    /// SYNs and the first of them.
    pub syns: u32,
    /// The first SYN.
    pub first_syn: Option<Mark>,
    /// The latest SYN.
    pub last_syn: Option<Mark>,
    /// The SYN-ACK.
    pub syn_ack: Option<Mark>,
    /// A reset that carries the resolver's address, and the distance of its sender.
    pub reset: Option<(Mark, HopCount)>,
}

/// What happened on TCP/53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpEvent {
    /// The client's SYN.
    Syn,
    /// The resolver's SYN-ACK.
    SynAck,
    /// A reset with the resolver's address.
    Reset,
}

/// Everything known of one look-up.
#[derive(Clone, Debug)]
pub struct LookupFacts {
    /// The input.
    pub source: SourceId,
    /// Who asked.
    pub client: IpAddr,
    /// Who was asked.
    pub resolver: IpAddr,
    /// Name in lower case without the final dot.
    pub name: Foreign,
    /// Type.
    pub kind: RecordType,
    /// First frame.
    pub first: Mark,
    /// Latest frame (ICMP included).
    pub last: Mark,
    /// Tries, in order.
    pub queries: Solo<Query, EVENTS>,
    /// How many tries there were in all.
    pub tries: u32,
    /// The latest try.
    pub last_query: Option<Mark>,
    /// Answers with the id and question of a try, in order; more than tries, or different ones, hint at a forger.
    pub replies: Solo<Reply, REPLIES>,
    /// How many such answers there were in all (`replies` keeps the first ones).
    pub reply_count: u32,
    /// Answers to a try's id and port with another question, or to its question with an id that was never used.
    pub mismatched: Few<Reply, REPLIES>,
    /// How many of those in all.
    pub mismatched_count: u32,
    /// ICMP errors that quote a try.
    pub icmp: Few<LookupIcmp, EVENTS>,
    /// How many in all.
    pub icmp_count: u32,
    /// TCP/53 meanwhile; see [`LookupFacts::tcp`].
    pub over_tcp: Option<Box<TcpTry>>,
    /// Answers that did not reach the client.
    pub astray: Option<Box<Astray>>,
}

/// Nothing happened on TCP/53.
const QUIET: TcpTry = TcpTry {
    syns: 0,
    first_syn: None,
    last_syn: None,
    syn_ack: None,
    reset: None,
};

impl LookupFacts {
    /// What happened on TCP/53 meanwhile: mostly nothing.
    pub fn tcp(&self) -> &TcpTry {
        self.over_tcp.as_deref().unwrap_or(&QUIET)
    }

    /// The answer that settles it: the first that is not truncated, else the first. An error is outlived by what came when the client
    /// asked once more.
    pub fn answer(&self) -> Option<&Reply> {
        let settles = |reply: &&Reply| matches!(reply.message.rcode, 0 | 3);
        let mut whole = self.replies.iter().filter(|reply| !reply.message.truncated);
        let Some(first) = whole.next() else {
            return self.replies.first();
        };
        let again = |reply: &&Reply| {
            let mut times = self.queries.iter().map(|query| query.at.time);
            settles(reply) && times.any(|time| time > first.at.time && time <= reply.at.time)
        };
        let later = if settles(&first) {
            None
        } else {
            whole.find(again)
        };
        Some(later.unwrap_or(first))
    }

    /// Whether a query that looks like an `earlier` one was sent anew, and not captured twice: an answer lies between the two, it came
    /// the same way, and its packet is another one. Stubs that are told of a failure ask again at once with the same id and port; what
    /// is copied keeps its identification (RFC 6864 4), and behind a router its TTL is less.
    pub fn sent_again(&self, query: &Query, earlier: &Query) -> bool {
        let number = |query: &Query| query.ip_id.filter(|id| *id != 0);
        let same_packet = number(query).is_some() && number(query) == number(earlier);
        let place = |mark: Mark| (mark.time, mark.frame.number());
        let between = |reply: &Reply| {
            (reply.message.id, reply.port, reply.transport)
                == (query.id, query.port, query.transport)
                && place(earlier.at) < place(reply.at)
                && place(reply.at) < place(query.at)
        };
        query.ttl == earlier.ttl && !same_packet && self.replies.iter().any(between)
    }

    /// The answer over UDP that said "truncated".
    pub fn truncated(&self) -> Option<&Reply> {
        self.replies
            .iter()
            .find(|reply| reply.message.truncated && reply.transport == Transport::Udp)
    }

    /// From the first try to the settling answer.
    pub fn duration(&self) -> Option<Nanos> {
        self.answer()
            .map(|reply| reply.at.time.since(self.first.time).max(0))
    }

    /// What it waits for.
    pub(super) fn queue(&self) -> Queue {
        if self.settled() {
            Queue::Closing
        } else {
            Queue::Open
        }
    }

    /// Whether an answer came that is not truncated.
    pub(super) fn settled(&self) -> bool {
        self.replies.iter().any(|reply| !reply.message.truncated)
    }
}
