//! Faults of the path that show on open connections: sizes, losses, distance.

mod loss;
mod mtu_blackhole;
mod slow;
mod split;

pub use split::{Dead, Living, weigh as judge_split};

use super::Rule;

/// The rules of this stage.
pub const RULES: &[Rule] = &[
    Rule::Open(mtu_blackhole::rule),
    Rule::Open(loss::rule),
    Rule::Open(slow::rule),
];
