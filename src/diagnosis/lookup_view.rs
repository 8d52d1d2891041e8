//! What a rule about a look-up gets to see: its facts, and what the capture says around it.

use std::net::IpAddr;

use crate::base::{Foreign, Mark, Timestamp};
use crate::flow::lookup::LookupFacts;
use crate::proto::dns::RecordType;

/// One look-up, whole.
pub struct Lookup<'a> {
    /// What was seen.
    pub facts: &'a LookupFacts,
    /// The latest moment up to which the capture shows what happened.
    pub horizon: Timestamp,
    /// What stands around it.
    pub context: &'a LookupContext,
}

/// What the rest of the capture says about a look-up.
#[derive(Clone, Debug, Default)]
pub struct LookupContext {
    /// Something came back to the same client within ±60 s.
    pub answered_near: bool,
    /// All other flows of that client are one-directional as well.
    pub one_way: bool,
    /// The capture lost frames.
    pub capture_drops: bool,
    /// Other look-ups of the same client that belong to the same search: same name of another type or resolver, or the
    /// same first label under another suffix of a search list; within ±30 s.
    pub siblings: Vec<Sibling>,
    /// Largest answer in bytes that this resolver's UDP answers to this client reached in the capture, and where.
    pub largest_udp_answer: Option<(u32, Mark)>,
    /// A mail connection of this client used an address of the answer.
    pub used: Option<Mark>,
    /// The name is the target of an MX answer seen before (so an error here belongs to the domain's MX): which domain.
    pub mx_of: Option<Foreign>,
    /// An address that another resolver gave for the same name and type.
    pub other_addresses: Vec<IpAddr>,
    /// A small answer of this resolver came while large ones of this name never did: where.
    pub small_answer: Option<Mark>,
}

/// Another look-up of the same search.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// Name.
    pub name: Foreign,
    /// Type.
    pub kind: RecordType,
    /// Who was asked.
    pub resolver: IpAddr,
    /// It was answered with at least one record of its type (after CNAMEs).
    pub positive: bool,
    /// RCODE; `None` when never answered.
    pub rcode: Option<u16>,
    /// Its first query.
    pub first: Mark,
    /// Its answer.
    pub answer: Option<Mark>,
}
