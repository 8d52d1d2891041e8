//! Faults of the path that show on open connections: sizes, losses, distance.

mod loss;
mod mtu_blackhole;
mod slow;

use super::Rule;

/// The rules of this stage.
pub const RULES: &[Rule] = &[
    Rule::Open(mtu_blackhole::rule),
    Rule::Open(loss::rule),
    Rule::Open(slow::rule),
];
