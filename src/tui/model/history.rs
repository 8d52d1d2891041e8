//! What happened when, in columns of equal width that grow wider as time goes on: constant memory for any span.

use super::row::Row;
use crate::base::{Nanos, SECOND, Timestamp};

/// Columns kept; when they are full, pairs are joined.
const COLUMNS: usize = 240;

/// What happened within one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Connections that were healthy.
    pub healthy: u32,
    /// That were degraded.
    pub degraded: u32,
    /// That failed, policy left out.
    pub failed: u32,
    /// That were refused on purpose.
    pub refused: u32,
    /// Frames.
    pub packets: u64,
}

impl Column {
    fn slot(&mut self, row: &Row) -> Option<&mut u32> {
        match row.outcome() {
            "healthy" => Some(&mut self.healthy),
            _ if row.is_policy() => Some(&mut self.refused),
            "degraded" => Some(&mut self.degraded),
            "failed" => Some(&mut self.failed),
            _ => None,
        }
    }

    /// Counts a row.
    pub fn add(&mut self, row: &Row) {
        if let Some(slot) = self.slot(row) {
            *slot = slot.saturating_add(1);
        }
    }

    /// Takes back a row that is told anew.
    pub fn take(&mut self, row: &Row) {
        if let Some(slot) = self.slot(row) {
            *slot = slot.saturating_sub(1);
        }
    }

    fn join(&mut self, other: Column) {
        self.healthy = self.healthy.saturating_add(other.healthy);
        self.degraded = self.degraded.saturating_add(other.degraded);
        self.failed = self.failed.saturating_add(other.failed);
        self.refused = self.refused.saturating_add(other.refused);
        self.packets = self.packets.saturating_add(other.packets);
    }
}

/// Columns over time.
#[derive(Clone, Debug)]
pub struct History {
    start: Option<Timestamp>,
    width: Nanos,
    columns: Vec<Column>,
}

impl Default for History {
    fn default() -> History {
        History {
            start: None,
            width: SECOND,
            columns: Vec::new(),
        }
    }
}

impl History {
    /// The column of a time. What is before the first counts to the first.
    pub fn at(&mut self, time: Timestamp) -> &mut Column {
        let start = *self.start.get_or_insert(time);
        loop {
            let place = usize::try_from(time.since(start) / self.width).unwrap_or(0);
            if place < COLUMNS {
                if place >= self.columns.len() {
                    self.columns.resize(place + 1, Column::default());
                }
                return &mut self.columns[place];
            }
            self.columns = self
                .columns
                .chunks(2)
                .map(|pair| {
                    let mut joined = Column::default();
                    pair.iter().for_each(|column| joined.join(*column));
                    joined
                })
                .collect();
            self.width = self.width.saturating_mul(2);
        }
    }

    /// The first moment and the width of a column.
    pub fn scale(&self) -> Option<(Timestamp, Nanos)> {
        self.start.map(|start| (start, self.width))
    }

    /// The columns up to `now`, joined so that there are at most `wanted`; each with how long it is.
    pub fn columns(&self, now: Timestamp, wanted: usize) -> (Vec<Column>, Nanos) {
        let Some(start) = self.start else {
            return (Vec::new(), self.width);
        };
        let until = usize::try_from(now.since(start) / self.width)
            .unwrap_or(0)
            .min(COLUMNS - 1);
        let mut columns = self.columns.clone();
        columns.resize(columns.len().max(until + 1), Column::default());
        let (mut width, mut per) = (self.width, 1);
        while columns.len().div_ceil(per) > wanted.max(1) {
            per *= 2;
            width = width.saturating_mul(2);
        }
        let joined = columns
            .chunks(per)
            .map(|chunk| {
                let mut joined = Column::default();
                chunk.iter().for_each(|column| joined.join(*column));
                joined
            })
            .collect();
        (joined, width)
    }
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, History};
    use crate::base::{SECOND, Timestamp};

    #[test]
    fn memory_is_constant_and_nothing_is_lost() {
        let mut history = History::default();
        for second in 0..100_000 {
            history.at(Timestamp(second * SECOND)).failed += 1;
        }
        let (columns, width) = history.columns(Timestamp(99_999 * SECOND), 60);
        assert!(history.columns.len() <= COLUMNS && columns.len() <= 60);
        assert_eq!(columns.iter().map(|c| c.failed).sum::<u32>(), 100_000);
        assert!(width * 60 >= 100_000 * SECOND);
    }
}
