//! Open look-ups that belong to the same search as another one.
//!
//! A stub asks for a name with several suffixes and without, in both families, one after the other. It finds what is still open; what
//! closed is remembered elsewhere.

use super::{LookupFacts, Lookups};
use crate::base::Foreign;
use crate::proto::dns::RecordType;

impl Lookups {
    /// Open look-ups of the addresses of the same name, or of one that it continues by a suffix, at the same resolver.
    pub fn same_search<'a>(
        &'a self,
        facts: &'a LookupFacts,
    ) -> impl Iterator<Item = &'a LookupFacts> {
        let source = self.worlds.of(facts.source);
        let name = facts.name.as_str();
        let shorter = name.match_indices('.').filter_map(|(at, _)| name.get(..at));
        let names = shorter.chain([name]).map(Foreign::from);
        let questions = names.flat_map(|name| {
            let a = (name.clone(), RecordType::A);
            [a, (name, RecordType::AAAA)]
        });
        let open = questions.filter_map(move |(name, kind)| {
            let key = (source, facts.client, facts.resolver, &name, kind);
            self.by_question(key).1.and_then(|at| self.get(at))
        });
        open.filter(|other| (other.first, other.kind) != (facts.first, facts.kind))
    }
}
