//! What the evidence cannot show: findings beside a connection, and of a source. Never a verdict.
//!
//! Bounds are modest, so that a sound capture stays silent: a lone copy or a lone hole is everyday.

mod connection;
mod source;

pub use source::{SourceState, judge_source};

use super::Rule;

/// The rules about what a capture lacks of a connection.
pub const RULES: &[Rule] = &[Rule::Any(connection::rule)];
