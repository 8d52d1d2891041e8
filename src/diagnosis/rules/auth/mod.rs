//! Proving who one is. What the server answers to a login is read by the shared rule of `mail`; here stands what only the
//! offer shows.

mod offer;

use super::Rule;

/// The rules of this stage.
pub const RULES: &[Rule] = &[Rule::Mail(offer::rule)];
