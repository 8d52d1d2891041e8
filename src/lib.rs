//! mxray says exactly where a mail connection dies.
//!
//! The heart is sans-IO: an [`engine`] that is handed frames and the time, and hands back records.
//! Everything below the line in this list opens nothing, waits for nothing and reads no clock;
//! `tests/architecture.rs` holds that. Imports run downwards only.
//!
//! | floor | module | what lives there |
//! |---|---|---|
//! | edge | [`cli`] | arguments, one file per command, exit codes |
//! | edge | [`report`], [`tui`] | faces of the same records; they never import each other |
//! | edge | [`capture`], [`probe`], [`lab`], [`privilege`] | all input and output |
//! | 5 | [`present`] | records to plain lines |
//! | 4 | [`engine`] | the one door |
//! | 3 | [`diagnosis`] | catalogue, rules, arbiter |
//! | 2 | [`flow`] | connections as seen from the middle |
//! | 1 | [`proto`] | incremental decoders |
//! | 0 | [`wire`] | frame bytes to layers, and back |
//! | – | [`base`] | words that every floor uses |

#![warn(missing_docs)]

pub mod base;
pub mod capture;
pub mod cli;
pub mod diagnosis;
pub mod engine;
pub mod flow;
pub mod lab;
pub mod present;
pub mod privilege;
pub mod probe;
pub mod proto;
pub mod report;
pub mod tui;
pub mod wire;
