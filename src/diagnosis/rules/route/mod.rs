//! Getting out of the house: what routers and neighbours say, or do not.

mod r#loop;
mod neighbors;
mod unreachable;

pub use neighbors::judge_neighbors;

use super::Rule;

/// The rules of this stage that are about a connection.
pub const RULES: &[Rule] = &[
    Rule::Closed(unreachable::rule),
    Rule::Closed(r#loop::rule),
    Rule::Open(r#loop::midstream),
];
