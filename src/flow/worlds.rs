//! Worlds: which sources show one and the same network.
//!
//! Parts of one recording, and captures that are merged, are several sources with frame numbers of their own, but a
//! connection that begins in one goes on in the next. It only maps; whether two inputs belong together is judged where they are opened.

use hashbrown::HashMap;

use crate::base::SourceId;

/// The world of each source that is not its own. Bounded by the number of inputs.
#[derive(Clone, Debug, Default)]
pub struct Worlds {
    joined: HashMap<SourceId, SourceId, foldhash::fast::RandomState>,
}

impl Worlds {
    /// From now on `source` is a part of `world`, the source that opened it.
    pub fn join(&mut self, source: SourceId, world: SourceId) {
        self.joined.insert(source, self.of(world));
    }

    /// The world of a source: its own unless it was joined to another.
    #[inline]
    pub fn of(&self, source: SourceId) -> SourceId {
        if self.joined.is_empty() {
            return source;
        }
        self.joined.get(&source).copied().unwrap_or(source)
    }
}
