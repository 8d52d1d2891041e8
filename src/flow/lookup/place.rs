//! What open look-ups are found by: their questions, and who asked whom.
//!
//! A message is looked for in several tables, and each of them hashes two addresses: here that takes few words. It keeps no table.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

use hashbrown::hash_map::{Entry, HashMap};

use super::LookupFacts;
use crate::base::{Fed, Foreign, SourceId};
use crate::proto::dns::RecordType;

/// How questions and places are hashed.
pub(super) type Fast = foldhash::fast::RandomState;

/// Source, client, resolver, name and type.
pub(super) type Question<'a> = (SourceId, IpAddr, IpAddr, &'a Foreign, RecordType);

/// Source, client, resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair(pub(super) SourceId, pub(super) IpAddr, pub(super) IpAddr);

/// The same, and the client's port.
pub(super) type Port = (Pair, u16);

/// What a look-up is found by.
pub(super) fn question(facts: &LookupFacts) -> Question<'_> {
    let LookupFacts {
        source,
        client,
        resolver,
        name,
        kind,
        ..
    } = facts;
    (*source, *client, *resolver, name, *kind)
}

/// The hash of a question.
pub(super) fn hash_of(hasher: &Fast, (source, client, resolver, name, kind): Question<'_>) -> u64 {
    let mut state = hasher.build_hasher();
    Pair(source, client, resolver).hash(&mut state);
    name.feed(&mut state);
    state.write_u16(kind.0);
    state.finish()
}

/// A place in a table goes, if it is that look-up's.
pub(super) fn forget<K: Hash + Eq>(table: &mut HashMap<K, u32, Fast>, key: K, at: u32) {
    if !table.is_empty()
        && let Entry::Occupied(known) = table.entry(key)
        && *known.get() == at
    {
        known.remove();
    }
}

impl Hash for Pair {
    /// In as few words as tell it from others.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Pair(source, client, resolver) = self;
        state.write_u32(source.0);
        client.feed(state);
        resolver.feed(state);
    }
}
