//! The rows that are kept, within a bound; which leave first.
//!
//! What is healthy leaves before what failed, the oldest first, and how much left is counted and shown. Rows are shared,
//! so that a frozen view costs nothing and shows what it showed.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::row::{Key, Passed, Row, Subject};

/// Rows kept.
pub const ROWS: usize = 50_000;
/// Bytes kept, about.
pub const BYTES: usize = 192 << 20;

/// The rows.
#[derive(Debug, Default)]
pub struct Store {
    rows: HashMap<Key, Arc<Row>, foldhash::fast::RandomState>,
    /// Keys of what may leave first, and of what should stay, as they arrived.
    fine: VecDeque<Key>,
    bad: VecDeque<Key>,
    arrived: u64,
    cost: usize,
    evicted: u64,
    bounds: Bounds,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rows.
    pub rows: usize,
    /// Bytes, about.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            rows: ROWS,
            bytes: BYTES,
        }
    }
}

/// What putting a row in changed.
#[derive(Debug)]
pub struct Put {
    /// The row as it is kept.
    pub row: Arc<Row>,
    /// The row that it replaces.
    pub replaced: Option<Arc<Row>>,
    /// Whether rows left for it.
    pub evicted: bool,
}

impl Store {
    /// An empty store with bounds of its own.
    pub fn new(bounds: Bounds) -> Store {
        Store {
            bounds,
            ..Store::default()
        }
    }

    /// Keeps what a record tells.
    pub fn put(&mut self, subject: Subject) -> Put {
        let key = match &subject {
            Subject::Connection(record) => Key::Connection(record.id),
            Subject::Lookup(record) => Key::Lookup(record.id),
        };
        let replaced = self.rows.remove(&key);
        if let Some(old) = &replaced {
            self.cost = self.cost.saturating_sub(old.cost());
        }
        let row = Arc::new(Row {
            key,
            arrived: replaced.as_ref().map_or(self.arrived, |old| old.arrived),
            subject,
            passed: Passed::default(),
        });
        // A row that turned from one kind into the other leaves a stale key behind; eviction steps over it.
        let moved = replaced
            .as_ref()
            .is_none_or(|old| old.is_bad() != row.is_bad());
        if moved {
            if row.is_bad() {
                self.bad.push_back(key);
            } else {
                self.fine.push_back(key);
            }
        }
        if replaced.is_none() {
            self.arrived = self.arrived.saturating_add(1);
        }
        self.cost = self.cost.saturating_add(row.cost());
        self.rows.insert(key, Arc::clone(&row));
        let evicted = self.shrink(key);
        Put {
            row,
            replaced,
            evicted,
        }
    }

    fn shrink(&mut self, newest: Key) -> bool {
        let mut left = false;
        while self.rows.len() > self.bounds.rows || self.cost > self.bounds.bytes {
            let (key, bad) = match self.fine.pop_front() {
                Some(key) => (key, false),
                None => match self.bad.pop_front() {
                    Some(key) => (key, true),
                    None => break,
                },
            };
            if key == newest && self.rows.len() == 1 {
                break;
            }
            let stale = self.rows.get(&key).is_none_or(|row| row.is_bad() != bad);
            if stale {
                continue;
            }
            if let Some(row) = self.rows.remove(&key) {
                self.cost = self.cost.saturating_sub(row.cost());
                self.evicted = self.evicted.saturating_add(1);
                left = true;
            }
        }
        left
    }

    /// The bounds that it keeps.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// A row by its name.
    pub fn get(&self, key: Key) -> Option<&Arc<Row>> {
        self.rows.get(&key)
    }

    /// All rows, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Row>> {
        self.rows.values()
    }

    /// How many ever arrived: the number that the next will have.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many left because others came.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}
