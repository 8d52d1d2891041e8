//! Placeholder.

pub mod quoted;
