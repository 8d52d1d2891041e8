//! How far a connection got, as marks.

use crate::engine::record::ConnectionRecord;

/// What is known of a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was reached.
    Reached,
    /// It was not, and that is where it ended.
    Died,
    /// It was not seen to be reached; the evidence does not say more.
    Unseen,
}

impl Mark {
    /// The character for it.
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Reached => "✓",
            Mark::Died => "✗",
            Mark::Unseen => "?",
        }
    }
}

/// A stage and its mark.
pub type Rung = (&'static str, Mark);

/// The rungs that were reached and, unless all was well, the one where it ended.
pub fn rungs(record: &ConnectionRecord) -> Vec<Rung> {
    let mut rungs: Vec<Rung> = record
        .reached
        .iter()
        .map(|stage| (*stage, Mark::Reached))
        .collect();
    if !record.reached.contains(&record.stage) {
        match record.outcome {
            "failed" => rungs.push((record.stage, Mark::Died)),
            "incomplete" => rungs.push((record.stage, Mark::Unseen)),
            _ => {}
        }
    }
    rungs
}
