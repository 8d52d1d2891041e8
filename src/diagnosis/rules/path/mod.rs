//! x
/// x
pub const RULES: &[super::Rule] = &[];
